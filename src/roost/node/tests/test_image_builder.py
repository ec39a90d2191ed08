"""The private builder: what it clears of a killed run, what it says of a failed build, what it asks of buildkitd."""

import signal
import subprocess
import tomllib
from pathlib import Path

import pytest

from roost.node import image_builder
from roost.node.image_builder import Builder, BuildFailed, Programs, Solve
from roost.node.image_settings import ImageSettings

SAID = """\
#5 [1/2] RUN true
#5 DONE 0.1s
#6 [2/2] RUN nope
#6 0.3 sh: nope: not found
------
 > [2/2] RUN nope:
0.3 sh: nope: not found
------
error: failed to solve
"""


def program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_what_a_killed_run_left_in_its_groups_is_ended_and_other_groups_are_not_touched(tmp_path: Path) -> None:
    step = subprocess.Popen(["sleep", "60"])
    for mount in ("pids", "unified"):
        (tmp_path / mount / "roost-images-1" / "step").mkdir(parents=True)
        (tmp_path / mount / "roost-images-1" / "cgroup.procs").write_text("")
        (tmp_path / mount / "roost-images-1" / "step" / "cgroup.procs").write_text(f"{step.pid}\n")
    other = tmp_path / "pids" / "roost-images-2"
    other.mkdir()
    (tmp_path / "elsewhere" / "roost-images-1").mkdir(parents=True)
    mounts = (
        f"cgroup {tmp_path}/pids cgroup rw,pids 0 0\n"
        f"cgroup2 {tmp_path}/unified cgroup2 rw 0 0\n"
        f"tmpfs {tmp_path}/elsewhere tmpfs rw 0 0\n"
    )
    image_builder.clear_cgroups(mounts, "roost-images-1")
    assert step.wait(10) == -signal.SIGKILL
    assert other.is_dir() and (tmp_path / "elsewhere" / "roost-images-1").is_dir()


def test_a_failed_build_tells_the_step_that_failed_and_not_the_others(tmp_path: Path) -> None:
    (tmp_path / "said").write_text(SAID)
    buildctl = program(tmp_path / "buildctl", f"cat {tmp_path}/said >&2; exit 1")
    builder = Builder(Programs(Path("/d"), buildctl, Path("/r")), tmp_path / "socket", {})
    with pytest.raises(BuildFailed, match="nope: not found") as failed:
        builder.build(Solve(tmp_path))
    assert "RUN true" not in str(failed.value)


def test_a_builder_that_does_not_start_says_why_and_leaves_no_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_builder, "RUN", tmp_path / "run")
    monkeypatch.setattr(image_builder, "ALONE", ())
    buildkitd = program(tmp_path / "buildkitd", f'echo no space left; cp "$2" {tmp_path}/seen.toml')
    buildctl = program(tmp_path / "buildctl", f"while [ ! -s {tmp_path}/seen.toml ]; do :; done; exit 1")
    programs = Programs(buildkitd, buildctl, Path("/engine/runc"))
    settings = ImageSettings(apt="x", trust_bundle=Path("/none"))
    with (
        pytest.raises(BuildFailed, match="did not start:\nno space left"),
        image_builder.started(programs, settings, tmp_path / "root"),
    ):
        raise AssertionError("it started")
    assert not (tmp_path / "run").exists()
    worker = tomllib.loads((tmp_path / "seen.toml").read_text())["worker"]
    assert worker["oci"]["binary"] == "/engine/runc" and worker["oci"]["networkMode"] == "host"
    assert worker["oci"]["defaultCgroupParent"].startswith("roost-images-") and not worker["containerd"]["enabled"]
