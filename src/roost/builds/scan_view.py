"""What of a commit a scanner gets to see: copies of regular files beneath one folder, chosen by their names.

A scanner looks at this view, never at the repository: links, ignore files and settings for scanners do not come along,
so whoever pushes has no say in what is scanned. What is left out for its size is counted and told.
"""

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LARGEST: Final = 1 << 20  # Bytes of one file; generated code is larger.
LARGEST_LOCK: Final = 16 << 20
MOST: Final = 20_000
ALL: Final = 256 << 20  # Bytes together.
# What others wrote: it is judged by its version, not by its text.
FOREIGN: Final = frozenset([".git", "node_modules", "bower_components", "site-packages", "vendor"])
LANGUAGES: Final = {
    ".py": "python",
    ".js": "javascript",
    ".jsx": "javascript",
    ".mjs": "javascript",
    ".cjs": "javascript",
    ".ts": "javascript",
    ".tsx": "javascript",
    ".mts": "javascript",
    ".cts": "javascript",
    ".java": "java",
    ".go": "go",
}
CONTAINERFILE: Final = "containerfile"
_MARK: Final = ".roost.dockerfile"  # semgrep knows a Containerfile by such an end only.
LOCKS: Final = frozenset(
    [
        "requirements.txt",
        "poetry.lock",
        "Pipfile.lock",
        "pdm.lock",
        "uv.lock",
        "pylock.toml",
        "package-lock.json",
        "npm-shrinkwrap.json",
        "yarn.lock",
        "pnpm-lock.yaml",
        "bun.lock",
        "go.mod",
        "pom.xml",
        "gradle.lockfile",
        "buildscript-gradle.lockfile",
        "verification-metadata.xml",
    ]
)
# What repositories use to talk to scanners.
_SETTINGS: Final = frozenset(
    [".semgrepignore", ".semgrep.yml", "osv-scanner.toml", ".gitleaks.toml", ".gitleaksignore", ".trivyignore"]
)


@dataclass(frozen=True)
class View:
    """What is in a view. languages: of the files there. skipped: files left out for their size or number, the first
    hundred of them by name in `left_out`.
    """

    files: int = 0
    languages: frozenset[str] = frozenset()
    skipped: int = 0
    left_out: tuple[str, ...] = ()


def language(name: str) -> str:
    """In which language a file is by its name; empty where no rule is about it."""
    lower = name.lower()
    if lower in ("containerfile", "dockerfile") or lower.startswith(("containerfile.", "dockerfile.")):
        return CONTAINERFILE
    if lower.endswith((".containerfile", ".dockerfile")):
        return CONTAINERFILE
    return LANGUAGES.get(Path(lower).suffix, "")


def of_source(root: Path, into: Path) -> View:
    """A view of the files that rules are about."""
    view = _copied(root, into, language, LARGEST)
    (into / ".semgrepignore").write_text("# Everything here is looked at.\n")
    return view


def of_locks(root: Path, into: Path) -> View:
    """A view of the files that name dependencies with their versions."""
    return _copied(root, into, lambda name: "lock" if name in LOCKS else "", LARGEST_LOCK)


def original(path: str) -> str:
    """The path in the repository of a path in the view."""
    return path.removesuffix(_MARK)


def settings(root: Path) -> tuple[str, ...]:
    """Files by which the repository talks to scanners, which do not count; the first ten."""
    found = []
    for path in _walk(root):
        if path.rpartition("/")[2] in _SETTINGS:
            found.append(path)
            if len(found) == 10:
                break
    return tuple(sorted(found))


def _walk(root: Path) -> Iterator[str]:
    """Regular files by their paths from the root on; links are left out, and what others wrote."""
    folders = [""]
    while folders:
        beneath = folders.pop()
        with os.scandir(root / beneath) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
        for entry in listed:
            path = f"{beneath}/{entry.name}" if beneath else entry.name
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in FOREIGN:
                    folders.append(path)
            elif entry.is_file(follow_symlinks=False):
                yield path


def _copied(root: Path, into: Path, wanted: Callable[[str], str], largest: int) -> View:
    into.mkdir(parents=True)
    files = size = 0
    seen, left_out = set(), []
    for path in _walk(root):
        kind = wanted(path.rpartition("/")[2])
        if not kind:
            continue
        content = _content(root / path, largest)
        if content is None or files >= MOST or size + len(content) > ALL:
            left_out.append(path)
            continue
        target = into / (path + _MARK if kind == CONTAINERFILE else path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        files, size = files + 1, size + len(content)
        seen.add(kind)
    return View(files, frozenset(seen), len(left_out), tuple(left_out[:100]))


def _content(path: Path, largest: int) -> bytes | None:
    """What a regular file holds; None where it is larger, or none any more."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return None
        content = file.read(largest + 1)
    return None if len(content) > largest else content
