"""Which Python a repository asks for, and which of the offered ones that is (pure)."""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from roost.builds.errors import Unbuildable
from roost.builds.files import Files, tool_version


@dataclass(frozen=True)
class Choice:
    """A version and why: for the log of the run."""

    version: str
    why: str


def words(versions: Sequence[str]) -> str:
    """`20, 22 and 24`."""
    return " and ".join(filter(None, [", ".join(versions[:-1]), *versions[-1:]]))


def load_toml(files: Files, path: str) -> dict[str, Any]:
    """The file's content; empty where there is none. Unbuildable where it cannot be read."""
    text = files.read(path)
    if text is None:
        return {}
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Unbuildable("BadFile", f"{path} cannot be read: {error}.") from error


def section(data: Any, *path: str) -> Any:
    """What stands at that path of nested tables, or an empty table."""
    for step in path:
        data = data.get(step, {}) if isinstance(data, dict) else {}
    return data


def from_poetry(text: str) -> str:
    """A constraint of Poetry (`^1.2`, `~1.2`, `1.2`, `*`) as a PEP 440 specifier.

    Source: https://python-poetry.org/docs/dependency-specification/
    """
    parts = []
    for part in text.replace(" ", "").split(","):
        numbers = [int(number) for number in re.findall(r"\d+", part)]
        if part.startswith("^") and numbers:
            # The first number that is not 0 must stay; of zeros only, the last one given.
            at = next((index for index, number in enumerate(numbers) if number), len(numbers) - 1)
            upper = [*numbers[:at], numbers[at] + 1]
            parts.append(f">={part[1:]},<{'.'.join(map(str, upper))}")
        elif part.startswith("~") and not part.startswith("~=") and numbers:
            upper = [numbers[0], numbers[1] + 1] if len(numbers) > 1 else [numbers[0] + 1]
            parts.append(f">={part[1:]},<{'.'.join(map(str, upper))}")
        elif part == "*" or not part:
            continue
        elif part[0].isdigit():
            parts.append(f"=={part}")
        else:
            parts.append(part)
    return ",".join(parts)


def _minor(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _exact(text: str, ordered: Sequence[str]) -> str:
    """`3.13` out of `python-3.13.2`, `3.13`, `3.13.x` or `cpython@3.13`; of `3` the newest of `ordered`. Else empty."""
    found = re.fullmatch(r"(?:c?python[-@]?)?(\d+)(?:\.(\d+|[x*]))?(?:\.(?:\d+|[x*]))?", text.strip())
    if not found:
        return ""
    if found[2] is None or not found[2].isdigit():
        mine = [version for version in ordered if version.partition(".")[0] == found[1]]
        return mine[-1] if mine else found[1]
    return f"{found[1]}.{found[2]}"


def _said(files: Files) -> tuple[str, str]:
    """(file, version) that asks for one version; empty where none does."""
    for path in (".python-version", "runtime.txt"):
        lines = [line for line in (files.read(path) or "").splitlines() if line.strip() and not line.startswith("#")]
        if lines:
            return path, lines[0].strip()
    return ".tool-versions", tool_version(files, "python")


def choose(files: Files, offered: Sequence[str]) -> Choice:
    """The version to build on. `offered`: minor versions such as 3.13. Unbuildable where none fits."""
    if not offered:
        raise Unbuildable("BaseNotOffered", "This is a Python repository, and this platform offers no Python image.")
    ordered = sorted(offered, key=_minor)
    held = words(ordered)
    path, said = _said(files)
    if said:
        wanted = _exact(said, ordered)
        if not wanted:
            raise Unbuildable("BadVersion", f"{path} says {said[:40]!r}; a version such as 3.13 is understood.")
        if wanted not in ordered:
            raise Unbuildable("VersionNotOffered", f"{path} asks for Python {wanted}; offered are {held}.")
        return Choice(wanted, f"{path} asks for it")
    project = load_toml(files, "pyproject.toml")
    constraint = section(project, "project", "requires-python")
    source = "requires-python"
    if not isinstance(constraint, str) or not constraint:
        constraint = from_poetry(str(section(project, "tool", "poetry", "dependencies", "python") or ""))
        source = "Poetry's python"
    if not constraint:
        return Choice(ordered[-1], "the newest offered; a .python-version would choose another")
    try:
        specifier = SpecifierSet(constraint)
    except InvalidSpecifier as error:
        raise Unbuildable(
            "BadVersion", f"pyproject.toml: {source} {constraint[:60]!r} is no version constraint."
        ) from error
    for version in reversed(ordered):
        if any(specifier.contains(f"{version}.{patch}") for patch in (0, 1, 5, 10, 20)):
            return Choice(version, f"{source} is {constraint}")
    raise Unbuildable("VersionNotOffered", f"pyproject.toml asks for Python {constraint}; offered are {held}.")
