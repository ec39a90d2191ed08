"""`roost run`: a command once in an instance of its own; its output, its exit code, and what ends it."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from roost.cli.tests.conftest import Roost
from roost.cli.tests.fake_api import ENV, MOMENT, TOKEN, ready

DONE = {
    "phase": "Succeeded",
    "startedAt": "2026-11-29T08:00:00Z",
    "exitCode": 0,
    "instance": "shop-1-x7k2p",
    "conditions": ready(),
}


def line(text: str, nanosecond: int) -> dict[str, str]:
    """A line of the task's instance."""
    moment = MOMENT.replace("Z", f".{nanosecond:09}Z")
    return {"time": moment, "instance": "shop-1-x7k2p", "process": "one-off", "line": text}


def test_it_prints_what_the_command_prints_each_line_once(roost: Roost) -> None:
    roost.api.task = DONE
    roost.api.lines = [line("one", 1), line("two", 2)]
    said = roost("run", "--", "python", "manage.py", "migrate")
    assert (said.code, said.out) == (0, "one\ntwo\n")
    (body,) = roost.api.asked("POST", f"{ENV}/tasks")
    assert body["spec"] == {"app": "shop", "command": ["python", "manage.py", "migrate"], "timeoutS": 3600}
    assert body["metadata"]["name"].startswith("shop-")


def test_options_of_the_command_are_its_own(roost: Roost) -> None:
    roost.api.task = DONE
    assert roost("run", "-p", "web", "ls", "-l", "--help").code == 0
    (body,) = roost.api.asked("POST", f"{ENV}/tasks")
    assert (body["spec"]["command"], body["spec"]["process"]) == (["ls", "-l", "--help"], "web")


def test_its_exit_code_is_passed_on(roost: Roost) -> None:
    roost.api.task = DONE | {"phase": "Failed", "exitCode": 42}
    assert roost("run", "--", "false").code == 42


def test_one_that_could_not_run_says_why(roost: Roost) -> None:
    conditions = ready("False", "NoVersion", "shop has no version yet.")
    roost.api.task = {"phase": "Failed", "conditions": conditions}
    said = roost("run", "--", "true")
    assert said.code == 7
    assert "shop has no version yet." in said.err


def test_detached_it_leaves_its_name(roost: Roost) -> None:
    said = roost("run", "--detach", "--", "sleep", "1000")
    assert said.code == 0
    assert f"{ENV}/tasks/{said.out.strip()}" in roost.api.objects
    listed = json.loads(roost("task", "list", "-o", "json").out)
    assert [item["spec"]["command"] for item in listed] == [["sleep", "1000"]]


def test_what_ran_can_be_seen_and_forgotten(roost: Roost) -> None:
    roost.api.task = DONE
    roost.api.lines = [line("one", 1)]
    name = roost("run", "--detach", "--", "true").out.strip()
    assert "Succeeded" in roost("task", "show", name).out
    assert roost("task", "logs", name).out == "one\n"
    assert roost("task", "delete", name).code == 2
    assert roost("task", "delete", name, "--confirm", name).code == 0


@pytest.mark.parametrize("phase", ["Pending", "Running"])
def test_ctrl_c_ends_the_command(roost: Roost, phase: str) -> None:
    roost.api.task = {"phase": phase, "instance": "shop-1-x7k2p"}
    child = subprocess.Popen(
        [sys.executable, "-m", "roost.cli.main", "run", "--", "sleep", "1000"],
        cwd=roost.directory,
        env=roost.environment | {"ROOST_SERVER": roost.api.url, "ROOST_TOKEN": TOKEN, "PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 20
        while not any(key.startswith(f"{ENV}/tasks/") for key in roost.api.objects) and time.monotonic() < deadline:
            child.poll()
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=20)
    finally:
        child.kill()
    assert child.returncode == 130
    assert "Traceback" not in err
    assert not any(key.startswith(f"{ENV}/tasks/") for key in roost.api.objects)
