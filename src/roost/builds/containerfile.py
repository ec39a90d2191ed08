"""Containerfiles as text: what they build on, where their RUN lines are (pure). Also quotes argv for CMD.

Source: https://docs.docker.com/reference/dockerfile/ (parser directives, continuations, here-documents, ARG).
Only as much is understood as Roost needs; BuildKit is the judge of everything else.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from roost.builds.errors import Unbuildable

_INSTRUCTION = re.compile(r"^\s*([A-Za-z]+)(?:\s+|$)(.*)$", re.DOTALL)
_HEREDOC = re.compile(r"<<(-?)\s*(['\"]?)([A-Za-z_][A-Za-z0-9_]*)\2")
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w*)(?:(:?[-+])([^}]*))?\}|([A-Za-z_]\w*))")
_DIRECTIVE = re.compile(r"^#\s*([A-Za-z]+)\s*=\s*(.*?)\s*$")


@dataclass(frozen=True)
class Instruction:
    """One instruction: its word in upper case, the rest with continuations joined, its first line (from 1)."""

    word: str
    rest: str
    line: int


def _escape(lines: Sequence[str]) -> str:
    for line in lines:
        found = _DIRECTIVE.match(line)
        if not found:
            break
        if found[1].lower() == "escape" and found[2] in ("\\", "`"):
            return found[2]
    return "\\"


def instructions(text: str) -> Iterator[Instruction]:
    """The instructions in order; comments, empty lines and the bodies of here-documents are left out."""
    lines = text.split("\n")
    escape = _escape(lines)
    at = 0
    while at < len(lines):
        first = at
        if not lines[at].strip() or lines[at].lstrip().startswith("#"):
            at += 1
            continue
        parts: list[str] = []
        while at < len(lines):
            line = lines[at]
            at += 1
            if parts and (line.lstrip().startswith("#") or not line.strip()):
                continue
            stripped = line.rstrip()
            if stripped.endswith(escape):
                parts.append(stripped[: -len(escape)])
                continue
            parts.append(line)
            break
        found = _INSTRUCTION.match("".join(parts))
        if not found:
            continue
        word = found[1].upper()
        if word in ("RUN", "COPY", "ADD"):
            at = _after_heredocs(found[2], lines, at)
        yield Instruction(word, found[2].strip(), first + 1)


def _after_heredocs(rest: str, lines: Sequence[str], at: int) -> int:
    for dash, _, end in _HEREDOC.findall(rest):
        while at < len(lines):
            line = lines[at].lstrip("\t") if dash else lines[at]
            at += 1
            if line == end:
                break
    return at


def _expand(text: str, values: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        name = found[1] or found[4]
        given = values.get(name, "")
        if found[2] in (":-", "-"):
            return given or found[3]
        if found[2] in (":+", "+"):
            return found[3] if given else ""
        return given

    return _VARIABLE.sub(value, text)


@dataclass(frozen=True)
class Base:
    """An image that a FROM names, and the line."""

    image: str
    line: int


def bases(text: str, given: Mapping[str, str] = {}) -> list[Base]:
    """The images that FROM lines name, in order, with ARG filled in; stages and scratch are left out.

    given: build arguments, which win over the defaults, as in the build. Unbuildable where there is no FROM.
    """
    found: list[Base] = []
    stages: set[str] = set()
    values: dict[str, str] = {}
    froms = 0
    for item in instructions(text):
        if item.word == "ARG" and not froms:
            for part in item.rest.split():
                name, equals, value = part.partition("=")
                if name in given:
                    values[name] = given[name]
                elif equals:
                    values[name] = _expand(value.strip("\"'"), values)
        if item.word != "FROM" and item.word != "ARG" and not froms:
            raise Unbuildable(
                "BadContainerfile",
                f"Line {item.line} of the Containerfile: {item.word[:40]} cannot stand before the first FROM."
                " Begin with, for example, FROM base/debian.",
            )
        if item.word != "FROM":
            continue
        froms += 1
        words = [word for word in item.rest.split() if not word.startswith("--")]
        if not words:
            raise Unbuildable("BadContainerfile", f"Line {item.line} of the Containerfile: FROM names no image.")
        image = _expand(words[0].strip("\"'"), values)
        if image.lower() not in stages and image != "scratch":
            found.append(Base(image, item.line))
        if len(words) == 3 and words[1].lower() == "as":
            stages.add(words[2].lower())
    if not froms:
        raise Unbuildable(
            "BadContainerfile", "The Containerfile has no FROM: begin it with, for example, FROM base/debian."
        )
    return found


def check_bases(
    text: str, registry: str, tenant: str, offered: Sequence[str], given: Mapping[str, str] = {}
) -> dict[str, str]:
    """{image as the text names it: where it is}, for BuildKit's named contexts. Unbuildable for images of elsewhere.

    `offered`: `base/python:3.13`, ... Images of the tenant's own in the registry may be built on as well. `given`:
    build arguments, which may decide about a FROM.
    """
    contexts: dict[str, str] = {}
    for base in bases(text, given):
        name, _, tag = base.image.partition("@")[0].rpartition(":")
        plain = base.image if not name or "/" in tag else name
        if base.image in offered:
            contexts[base.image] = f"{registry}/{base.image}"
        elif base.image.startswith((f"{registry}/base/", f"{registry}/{tenant}/")):
            continue
        elif plain == base.image and (latest := _newest(base.image, offered)):
            contexts[base.image] = f"{registry}/{latest}"
        else:
            raise Unbuildable(
                "BaseNotOffered",
                f"Line {base.line} of the Containerfile builds FROM {base.image[:100]}, which cannot be had here."
                f" Offered are: {', '.join(offered) or 'none'}.",
            )
    return contexts


def _newest(image: str, offered: Sequence[str]) -> str:
    """The highest offered version of an image that is named without one."""

    def order(name: str) -> tuple[int, ...]:
        return tuple(int(part) if part.isdigit() else 0 for part in name.rpartition(":")[2].split("."))

    mine = [name for name in offered if name.rpartition(":")[0] == image]
    return max(mine, key=order) if mine else ""


def with_site(text: str, flags: str) -> str:
    """The text with `flags` after each RUN, and without a `syntax` directive; line numbers stay.

    The flags bring the site's certificates and mirrors to what RUN starts, and leave nothing in the image. A `syntax`
    directive would fetch another frontend from outside.
    """
    lines = text.split("\n")
    for at, line in enumerate(lines):
        found = _DIRECTIVE.match(line)
        if not found:
            break
        if found[1].lower() == "syntax":
            lines[at] = "# (BuildKit's own frontend is used.)"
    for item in instructions("\n".join(lines)):
        if item.word == "RUN" and flags:
            line = lines[item.line - 1]
            end = line.upper().index("RUN") + 3
            lines[item.line - 1] = f"{line[:end]} {flags}{line[end:]}"
    return "\n".join(lines)


def with_arguments(text: str, names: Iterable[str]) -> str:
    """The text with an ARG for each name in every stage: what RUN starts there has them as variables."""
    declared = "".join(f"ARG {name}\n" for name in sorted(names))
    lines = text.split("\n")
    for item in instructions(text):
        if item.word == "FROM" and declared:
            lines[item.line - 1] += "\n" + declared.rstrip("\n")
    return "\n".join(lines)


def argv(words: Sequence[str]) -> str:
    """The exec form of an argv."""
    return json.dumps(list(words), ensure_ascii=False)
