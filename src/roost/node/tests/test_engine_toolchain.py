"""Finding a Go compiler that is recent enough, or fetching one."""

import os
import stat
from pathlib import Path

import pytest

from roost.node import engine_toolchain, packages
from roost.node.engine_toolchain import ToolchainMissing, find, is_recent


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return path


@pytest.fixture
def only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH; no Go stands elsewhere, and nothing can be installed."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(engine_toolchain, "_USUAL", tmp_path / "none")
    monkeypatch.setattr(packages, "ensure", lambda names: [])
    (tmp_path / "bin").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("version", "recent"), [("go1.19.8", False), ("go1.21.0", True), ("go1.26.8", True), ("devel go-x", True)]
)
def test_which_versions_fetch_others(version: str, recent: bool) -> None:
    assert is_recent(version) is recent


def test_a_recent_compiler_is_taken_as_it_is(only: Path) -> None:
    go = program(only / "bin/go", "echo go1.26.8 linux amd64")
    assert find(only) == engine_toolchain.Toolchain(str(go), "go1.26.8 linux/amd64")


def test_an_old_compiler_fetches_a_recent_one(only: Path) -> None:
    new = program(only / "mod/toolchain/bin/go", "echo go1.26.8 linux amd64")
    tool = program(only / "mod/toolchain/pkg/tool/linux_amd64/compile", "")
    new.chmod(0o444)
    tool.chmod(0o444)
    program(
        only / "bin/go",
        f'if [ "$1" = env ]; then echo go1.19.8 linux amd64; else echo \'{{"Dir": "{only}/mod/toolchain"}}\'; fi',
    )
    found = find(only)
    assert (found.program, found.version) == (str(new), "go1.26.8 linux/amd64")
    assert os.stat(tool).st_mode & stat.S_IXUSR


def test_a_failed_fetch_tells_why_and_what_to_do(only: Path) -> None:
    program(
        only / "bin/go",
        'if [ "$1" = env ]; then echo go1.19.8 linux amd64; else echo \'{"Error": "no such host"}\'; exit 1; fi',
    )
    with pytest.raises(ToolchainMissing, match=r"no such host.*Install Go 1\.21"):
        find(only)


def test_a_broken_compiler_is_told(only: Path) -> None:
    program(only / "bin/go", "echo broken >&2; exit 2")
    with pytest.raises(ToolchainMissing, match="broken"):
        find(only)
