"""What scanners' results become: findings of ours, with a fingerprint that stays, and words on what to do. Pure."""

import hashlib
import os
import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final

from roost.builds import scan_view
from roost.builds.sarif import Result
from roost.builds.scan_view import View
from roost.model.findings import Finding, Kind, Severity

LEVELS: Final[dict[str, Severity]] = {"error": "high", "warning": "medium", "note": "low"}
# https://www.first.org/cvss/v3.1/specification-document, qualitative severity rating.
SCORES: Final[tuple[tuple[float, Severity], ...]] = ((9.0, "critical"), (7.0, "high"), (4.0, "medium"))
_FIXED: Final = re.compile(
    r"^\|\s*(?P<id>[\w-]+)\s*\|\s*(?P<package>[^|\s]+)\s*\|\s*(?P<version>[\w.+:~-]+)\s*\|$", re.M
)
_PACKAGE: Final = re.compile(r"Package '(?P<package>[^']{1,300})' is vulnerable to '(?P<id>[\w.:-]{1,100})'")
_COMMENT: Final = " A comment in the code that says otherwise does not count; a waiver does."


def mark(*parts: str) -> str:
    """The fingerprint of what these parts tell apart."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def of_source(results: Iterable[Result], waived: Collection[str]) -> list[Finding]:
    """What the rules found. It is the same finding as long as rule, file and the text of its lines are."""
    found, often = [], dict[tuple[str, str, str], int]()
    for result in results:
        path = scan_view.original(result.uri.removeprefix("./"))
        what, _, fix = result.message.partition(" Fix: ")
        same = (result.rule, path, re.sub(r"\s+", " ", result.text).strip())
        often[same] = often.get(same, 0) + 1
        number = f"#{often[same]}" if often[same] > 1 else ""
        fingerprint = mark(*same, number)
        hidden = _COMMENT if re.search(r"\bnosem(grep)?\b", result.text) else ""
        found.append(
            Finding(
                kind="source",
                tool="semgrep",
                rule=result.rule[:120],
                severity=LEVELS.get(result.level, "medium"),
                path=path[:300],
                line=result.line,
                message=what[:500],
                fix=(fix + hidden)[:500],
                fingerprint=fingerprint,
                waived=fingerprint in waived,
            )
        )
    return found


def not_scanned(kind: Kind, view: View, unread: Iterable[str], waived: Collection[str]) -> list[Finding]:
    """That some files were not looked at is a finding as well: what is in them, nobody knows.

    view: what was left out of it; unread: what of it the scanner could not read.
    """
    wrong = [scan_view.original(path.removeprefix("./")) for path in unread]
    words = "The scanner could not read all of it, or not in time."
    told = [_not_scanned((kind, "medium"), path, words, waived) for path in wrong[:100]]
    if view.skipped:
        words = f"{view.skipped} files were not looked at: they are larger than a scan reads, or too many."
        told.append(_not_scanned((kind, "low"), view.left_out[0], words, waived))
    return told


def _not_scanned(what: tuple[Kind, Severity], path: str, words: str, waived: Collection[str]) -> Finding:
    kind, grave = what
    fingerprint = mark("not-scanned", kind, path)
    return Finding(
        kind=kind,
        tool="roost",
        rule="not-scanned",
        severity=grave,
        path=path[:300],
        message=words,
        fix="Mend its form, make it smaller, or keep it out of the repository where it is generated.",
        fingerprint=fingerprint,
        waived=fingerprint in waived,
    )


def of_packages(results: Iterable[Result], kind: Kind, root: Path, waived: Collection[str]) -> list[Finding]:
    """Known vulnerabilities of packages. The same as long as vulnerability, package and lock file are, not its version.

    root: the folder that places begin with.
    """
    return [made for result in results if (made := _of_package(result, kind, root, waived)) is not None]


def _of_package(result: Result, kind: Kind, root: Path, waived: Collection[str]) -> Finding | None:
    said = _PACKAGE.search(result.message)
    if not said:
        return None
    name, _, version = said["package"].rpartition("@")
    name, version = (name, version) if name else (version, "")
    path = name if kind == "image" else _beneath(result.uri, root)
    fingerprint = mark(kind, result.rule, name, path)
    return Finding(
        kind=kind,
        tool="osv-scanner",
        rule=result.rule[:120],
        severity=severity(result.score),
        path=path[:300],
        line=0,
        message=f"{name} {version} has a known vulnerability, {result.rule}."[:500],
        fix=_fix(result, name, kind)[:500],
        fingerprint=fingerprint,
        waived=fingerprint in waived,
    )


def _beneath(uri: str, root: Path) -> str:
    plain = uri.removeprefix("file://")
    return os.path.relpath(plain, root) if plain.startswith(f"{root}/") else plain.lstrip("/")


def severity(score: float) -> Severity:
    """By the CVSS score; what nobody has scored is medium."""
    if score < 0:
        return "medium"
    return next((level for least, level in SCORES if score >= least), "low")


def _fix(result: Result, name: str, kind: Kind) -> str:
    versions = {found["version"] for found in _FIXED.finditer(result.help) if found["package"] == name}
    fixed = ", ".join(sorted(item for item in versions if item not in ("--", "---")))
    if kind == "image":
        update = f" {name} is in order from {fixed} on." if fixed else " There is no version yet in which it is mended."
        return "Build again: a newer base brings newer packages." + update
    if fixed:
        return f"Update {name} to {fixed} or later, and the lock file with it."
    return f"There is no version of {name} yet in which it is mended: do without it, or waive it for a while."
