"""The Go compiler that makes the engine: the machine's own, or one that Debian's old compiler fetches.

Used by `roost.node.engine`. Go from 1.21 on fetches by itself the version that a go.mod asks for. Debian 12 has 1.19,
which compiles nothing of ours but can fetch a module, and Go's toolchains are modules.
"""

import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from roost.node import packages

FETCHED = "go1.26.8"
OLDEST = (1, 21)  # The first that fetches other versions of itself.
_USUAL = Path("/usr/local/go/bin/go")
_BY_HAND = "Install Go 1.21 or newer, put it on the PATH, and repeat."


class ToolchainMissing(RuntimeError):
    """There is no Go compiler and none could be fetched; the text says what to do."""


@dataclass(frozen=True)
class Toolchain:
    """The Go compiler. `version` is such as `go1.26.8 linux/amd64`, part of every key."""

    program: str
    version: str


def is_recent(version: str) -> bool:
    """Whether a version such as `go1.19.8` fetches others by itself. Unreleased ones (`devel ...`) do."""
    found = re.match(r"go(\d+)\.(\d+)", version)
    return found is None or (int(found[1]), int(found[2])) >= OLDEST


def _env(program: str, folder: Path) -> str:
    asked = subprocess.run([program, "env", "GOVERSION", "GOOS", "GOARCH"], cwd=folder, capture_output=True, text=True)
    told = asked.stdout.split()
    if asked.returncode != 0 or len(told) != 3:
        raise ToolchainMissing(f"`{program} env` fails: {asked.stderr.strip()[-500:]}. {_BY_HAND}")
    return f"{told[0]} {told[1]}/{told[2]}"


def make_executable(toolchain: Path) -> Path:
    """Give a fetched toolchain's programs the bits that Go before 1.21 does not; return its `go`."""
    for folder in (toolchain / "bin", toolchain / "pkg/tool"):
        for path in folder.rglob("*"):
            if path.is_file():
                path.chmod(0o555)
    return toolchain / "bin/go"


def _fetch(old: str) -> str:
    """Fetch the pinned toolchain with an old compiler; the checksum database vouches for it."""
    module = f"golang.org/toolchain@v0.0.1-{FETCHED}.linux-amd64"
    with tempfile.TemporaryDirectory() as nowhere:
        asked = subprocess.run([old, "mod", "download", "-json", module], cwd=nowhere, capture_output=True, text=True)
    try:
        answer = json.loads(asked.stdout)
    except ValueError:
        answer = {}
    if "Dir" not in answer:
        said = answer.get("Error") or asked.stderr.strip()[-500:]
        raise ToolchainMissing(f"The Go compiler {FETCHED} could not be fetched: {said}. {_BY_HAND}")
    return str(make_executable(Path(answer["Dir"])))


def find(folder: Path) -> Toolchain:
    """The compiler for the modules in `folder`; installs Debian's and fetches a recent one where there is none.

    ToolchainMissing, packages.PackagesMissing.
    """
    program = shutil.which("go") or (str(_USUAL) if _USUAL.exists() else "")
    if not program:
        packages.ensure(["golang-go", "ca-certificates"])
        program = shutil.which("go") or "/usr/bin/go"
    version = _env(program, folder)
    if not is_recent(version):
        program = _fetch(program)
        version = _env(program, folder)
    return Toolchain(program, version)
