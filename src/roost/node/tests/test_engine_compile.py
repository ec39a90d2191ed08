"""Running the compiler and unpacking wheels: commands, logs, errors, interruption."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from roost.node.engine_compile import MakeFailed, failure, go_command, run_logged, unpack_wheel
from roost.node.engine_components import Component


def component(**values: object) -> Component:
    told: dict[str, object] = {"name": "tool", "about": "A tool.", "kind": "go", "module": "m", "version": "v1"}
    return Component.model_validate({**told, "programs": {"tool": "example.org/tool"}, **values})


def test_the_command_holds_all_that_is_declared() -> None:
    made = component(tags=["seccomp", "netgo"], cgo=True, static=True, variables={"a.b": "v1 of 2026"})
    command = go_command("go", made, "tool", Path("/x/bin/tool"))
    assert command[:2] == ["go", "build"]
    assert command[command.index("-tags") + 1] == "seccomp,netgo"
    assert command[command.index("-ldflags") + 1].endswith("""-extldflags "-static" -X 'a.b=v1 of 2026'""")
    assert command[-3:] == ["-o", "/x/bin/tool", "example.org/tool"]
    assert "-mod=readonly" in command


def test_what_a_program_says_is_returned_and_logged(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("earlier\n")
    said = run_logged([sys.executable, "-c", "print('hello')"], tmp_path, os.environ, log, lambda lines: None)
    assert said == "hello\n"
    assert log.read_text().startswith("earlier\n$ ")


def test_a_failing_program_raises_with_what_it_said(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "import sys; print('oh'); sys.exit(3)"]
    with pytest.raises(subprocess.CalledProcessError) as failed:
        run_logged(argv, tmp_path, os.environ, tmp_path / "log", lambda lines: None)
    assert (failed.value.returncode, failed.value.output) == (3, "oh\n")


def test_an_interruption_ends_the_program_and_its_children(tmp_path: Path) -> None:
    child = "import subprocess, sys; p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True); p.wait()"
    log = tmp_path / "log"

    def interrupt(lines: int) -> None:
        if lines:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_logged([sys.executable, "-c", child], tmp_path, os.environ, log, interrupt)
    pid = int(log.read_text().splitlines()[-1])
    gone = threading.Event()
    for _ in range(100):
        state = Path(f"/proc/{pid}/stat")
        if not state.exists() or state.read_text().split()[2] == "Z":
            gone.set()
            break
        gone.wait(0.05)
    if not gone.is_set():
        os.kill(pid, signal.SIGKILL)
    assert gone.is_set()


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("write /x: no space left on device", "disk is full"),
        ("go: x@v1: reading x: 403 Forbidden", "GOPROXY"),
        ("dial tcp: lookup proxy: no such host", "GOPROXY"),
        ("compile: signal: killed", "out of memory"),
        ("verifying x: checksum mismatch", "go.sum"),
        ("main.go:3: undefined: x", "All that was said"),
    ],
)
def test_an_error_names_the_component_the_log_and_what_may_help(said: str, hint: str) -> None:
    text = "\n".join(["github.com/some/package", "internal/cpu", *(f"./x.go:{n}: bad" for n in range(40)), said])
    told = str(failure("tool", Path("/logs/engine-tool.log"), text))
    assert told.startswith("tool could not be built.")
    assert said in told and hint in told and "/logs/engine-tool.log" in told
    assert "github.com/some/package" not in told  # Names of compiled packages are no error.
    assert len(told.splitlines()) <= 18


def wheel(folder: Path) -> tuple[Path, str]:
    path = folder / "tool_bin-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tool_bin-1.0.data/scripts/tool", "#!/bin/sh\n")
        archive.writestr("tool/libs/libtool.so.1", "a library")
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def wheel_component(sha256: str, inside: str) -> Component:
    return component(kind="wheel", wheel="tool-bin", version="1.0", sha256=sha256, programs={"tool": inside})


def test_a_program_comes_out_of_a_wheel_executable(tmp_path: Path) -> None:
    path, sha256 = wheel(tmp_path)
    (tmp_path / "bin").mkdir()
    unpack_wheel(wheel_component(sha256, "tool_bin-1.0.data/scripts/tool"), path, tmp_path)
    assert os.access(tmp_path / "bin/tool", os.X_OK)


def test_a_folder_comes_out_of_a_wheel(tmp_path: Path) -> None:
    path, sha256 = wheel(tmp_path)
    (tmp_path / "bin").mkdir()
    wanted = wheel_component(sha256, "tool_bin-1.0.data/scripts/tool")
    unpack_wheel(wanted.model_copy(update={"folders": {"bin/libs": "tool/libs"}}), path, tmp_path)
    assert (tmp_path / "bin/libs/libtool.so.1").read_text() == "a library"
    with pytest.raises(MakeFailed, match="holds no folder `nowhere`"):
        unpack_wheel(wanted.model_copy(update={"folders": {"x": "nowhere"}}), path, tmp_path)


def test_another_wheel_than_the_pinned_one_is_refused(tmp_path: Path) -> None:
    path, _ = wheel(tmp_path)
    with pytest.raises(MakeFailed, match="not the pinned file"):
        unpack_wheel(wheel_component("0" * 64, "x"), path, tmp_path)


def test_a_wheel_without_the_program_is_refused(tmp_path: Path) -> None:
    path, sha256 = wheel(tmp_path)
    with pytest.raises(MakeFailed, match="holds no `scripts/other`"):
        unpack_wheel(wheel_component(sha256, "scripts/other"), path, tmp_path)
