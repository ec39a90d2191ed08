"""Turns BuildKit's progress into lines for a pusher, and its failure into a reason (pure).

Input is what `buildctl --progress=rawjson` writes to stderr: one `SolveStatus` of BuildKit's client package per line,
between them the plain text of an error with a cut-out of the Containerfile.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from roost.model.redaction import masked, parts

INDENT = "       "
MAX_LINES = 20_000
MAX_LINE = 2_000
_STEP = re.compile(r"^\[[^\]]*\d+/\d+\] ")
_MARKED = re.compile(r"^\s*(\d+)\s*\|\s*>>>\s?(.*)$")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*\x07|[\x00-\x08\x0b-\x1f\x7f]")

_AWAY = (
    *("connection refused", "Unavailable", "connection reset", "EOF", "no such host", "context deadline"),
    *("broken pipe", "no route to host", "i/o timeout", "TLS handshake timeout", "closed network connection"),
)
_FAULT = re.compile(r"unexpected status.{0,300}?: 5\d\d\b")
_REFUSED = re.compile(r"denied|insufficient_scope|unauthorized|40[13] (?:Unauthorized|Forbidden)", re.IGNORECASE)


def clean(text: str) -> str:
    """A line of a program without colours and control characters."""
    return _ESCAPES.sub("", text.rpartition("\r")[2] if "\r" in text else text)[:MAX_LINE]


class Narrator:
    """Lines in, lines out. `hidden`: text of ours that is left out of the names of steps; `secrets`: what RUN was given
    and may print, which nobody sees.
    """

    def __init__(self, hidden: str = "", secrets: Iterable[str] = ()) -> None:
        self._hidden = hidden
        self._secrets = parts(secrets)
        self._told: set[str] = set()
        self._given = 0
        self._rest: dict[str, str] = {}
        self._last: dict[str, list[str]] = {}
        self._errors: dict[str, str] = {}
        self._plain: list[str] = []

    def feed(self, line: str) -> Iterator[str]:
        """What to print for one line of buildctl."""
        try:
            status = json.loads(line) if line.startswith("{") else None
        except ValueError:
            status = None
        if not isinstance(status, dict):
            self._plain = [*self._plain, masked(line.rstrip(), self._secrets)][-60:]
            return
        for vertex in status.get("vertexes") or ():
            yield from self._vertex(vertex)
        for log in status.get("logs") or ():
            yield from self._log(log)

    def _vertex(self, vertex: dict[str, Any]) -> Iterator[str]:
        digest, name = str(vertex.get("digest")), str(vertex.get("name") or "").replace(self._hidden, "")
        if vertex.get("error"):
            self._errors[digest] = masked(str(vertex["error"]), self._secrets)
        begun = vertex.get("started") or vertex.get("cached")
        if not begun or digest in self._told or not (_STEP.match(name) or name.startswith("exporting")):
            return
        self._told.add(digest)
        shown = "Pushing the image" if name.startswith("exporting") else _plainly(name)
        yield from self._give(shown[:300] + (" (cached)" if vertex.get("cached") else ""))

    def _log(self, log: dict[str, Any]) -> Iterator[str]:
        digest = str(log.get("vertex"))
        try:
            data = base64.b64decode(log.get("data") or "").decode(errors="replace")
        except binascii.Error:
            return
        *whole, self._rest[digest] = (self._rest.get(digest, "") + data).split("\n")
        self._rest[digest] = self._rest[digest][-MAX_LINE:]
        for line in whole:
            text = masked(clean(line.rstrip("\r")), self._secrets)
            if text.strip():
                self._last[digest] = [*self._last.get(digest, []), text][-30:]
                yield from self._give(f"  {text}")

    def _give(self, line: str) -> Iterator[str]:
        self._given += 1
        if self._given < MAX_LINES:
            yield INDENT + line
        elif self._given == MAX_LINES:
            yield INDENT + f"(more than {MAX_LINES} lines; the rest is not shown)"

    def failure(self, own: bool) -> str:
        """Why the build failed, in a sentence or two. `own`: the Containerfile is the repository's."""
        digest, error = next(iter(self._errors.items()), ("", ""))
        plain = [line for line in self._plain if line.strip()]
        text = next(
            (line.partition(": ")[2] for line in reversed(plain) if line.startswith(("error: ", "ERROR: "))), ""
        )
        found = next((match for match in map(_MARKED.match, plain) if match), None)
        where = ""
        if found:
            file = "the Containerfile" if own else "the Containerfile that Roost wrote"
            where = f"Line {found[1]} of {file} (`{_plainly(found[2].replace(self._hidden, '')).strip()[:160]}`) failed"
        cause = _short(error or text or (plain[-1] if plain else "buildctl said nothing"))
        said = _telling(self._last.get(digest, []))
        return f"{where}: {cause}{said}" if where else f"The build failed: {cause}{said}"

    @property
    def begun(self) -> bool:
        """Whether a step of the build was told."""
        return bool(self._told)

    @property
    def _complaint(self) -> str:
        """All that it said went wrong; nothing where a program of the build is to blame."""
        text = " ".join([*self._plain, *self._errors.values()])
        return "" if "did not complete successfully" in text else text

    @property
    def registry_away(self) -> bool:
        """Whether the builder lives and the registry did not answer it as it should, so that trying again may help.

        A registry that starts anew may know nothing of an upload that had begun: whatever an upload failed by, except
        a refusal, is worth another try.
        """
        text = self._complaint
        if _REFUSED.search(text):
            return False
        asked = any(sign in text for sign in ("failed to do request", "failed to copy", "failed to resolve source"))
        return "failed to push" in text or _FAULT.search(text) is not None or (asked and _lost_in(text))

    @property
    def lost(self) -> bool:
        """Whether the builder or the registry went away, so that trying again may help."""
        return self.registry_away or _lost_in(self._complaint)

    @property
    def died(self) -> bool:
        """Whether the builder went away in the middle of the build."""
        return self.begun and self.lost and not self.registry_away


def _lost_in(text: str) -> bool:
    return any(sign in text for sign in _AWAY)


def _plainly(name: str) -> str:
    """A step without the flags that say how it runs."""
    return re.sub(r"\s+", " ", re.sub(r"(RUN )(?:--(?:mount|network|security)=\S+\s+)+", r"\1", name))


def _short(error: str) -> str:
    code = re.search(r"exit code: (\d+)", error)
    if code:
        return f"exit code {code[1]}" + (" (out of memory?)" if code[1] == "137" else "")
    return error.removeprefix("failed to solve: ").strip()[:400].rstrip(".")


def _telling(lines: list[str]) -> str:
    """The line of a program's output that most likely tells what is wrong."""
    errors = [line for line in lines if re.match(r"\s*(ERROR|error|Error|fatal|E:)\b", line)]
    chosen = errors[0] if errors else (lines[-1] if lines else "")
    return f". {chosen.strip()[:400]}" if chosen else ""
