"""A run's steps behind the real roost-entrypoint, each as the first process of a PID namespace, as in a container.

The attacker is who wrote the commands of a step. Its twin is the step that does the same without harm.
"""

import io
import os
import signal
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from roost.adapters.tests.memory_registry import MemoryRegistry
from roost.builds import conduct, junit, kept, run_log
from roost.builds.bench import Bench, Halted, Shared, StepFailed
from roost.builds.gates import Gates
from roost.builds.run_log import RunLog
from roost.builds.work import Work
from roost.model import step_lines, step_task
from roost.model.build_task import Task
from roost.model.kept import ARTEFACTS
from roost.model.pipeline import Pipeline, Step
from roost.model.step_task import StepTask
from roost.node import engine

pytestmark = pytest.mark.integration
RUN = "shop-1-0123456789"
CANARY = "canary-7f3a"


@pytest.fixture(scope="session")
def entrypoint() -> Path:
    """The program, from the engine's cache."""
    try:
        programs = engine.existing(("entrypoint",))
    except engine.EngineIncomplete:
        programs = engine.build(("entrypoint",))
    return programs.path("roost-entrypoint")


@dataclass
class Pod:
    """One run's pod: folders, containers, and what the conductor has."""

    root: Path
    entrypoint: Path
    memory: MemoryRegistry
    said: list[str] = field(default_factory=list)
    containers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    log: RunLog | None = None

    def work(self, steps: list[Step], **task: Any) -> Work:
        """Start the containers; the conductor's side of them."""
        self.root.mkdir()
        for name in ("credentials", "trust", "work", "workspace", "home", "turns", "own"):
            (self.root / name).mkdir()
        (self.root / "credentials" / "registry").write_text(CANARY)
        shared = Shared(*(self.root / name for name in ("workspace", "home", "turns", "own")))
        pipeline = Pipeline(steps=tuple(steps))
        self.log = log = RunLog(self.root / "work" / "log", lambda line: self.said.append(step_lines.read(line)[1]))
        bench = Bench(self.root / "credentials", self.root / "trust", self.root / "work", log, shared, log=log)
        bench.gates = Gates(shared, len(steps))
        for place, step in enumerate(steps):
            self._start(place, step)
        said = {"tenant": "acme", "project": "shop", "commit": "a" * 40, "attempt": 1, "git_url": "http://git"}
        said |= {"registry": "registry:5000", "builder": "tcp://builder:1234", "timeout_s": 60, "run": RUN}
        work = Work(Task.model_validate(said | {"pipeline": pipeline} | task), bench, root=shared.workspace)
        work.__dict__["store"] = self.memory.registry()
        return work

    def _start(self, place: int, step: Step) -> None:
        own = StepTask(
            gate=str(self.root / "turns" / step_task.gate(place)),
            own=str(self.root / "own" / str(place)),
            workspace=str(self.root / "workspace"),
            commands=step.commands,
            timeout_s=step.timeout_s,
            tries=step.retry + 1,
            secrets=("NPM_TOKEN",),
        )
        variables = {"PATH": os.environ["PATH"], "HOME": str(self.root / "home"), "NPM_TOKEN": "s3cr3t-token"}
        variables |= {"ROOST_STEP": own.model_dump_json(by_alias=True), "OWN": own.own, "ROOT": str(self.root)}
        self.containers.append(
            subprocess.Popen(
                ["unshare", "--pid", "--fork", "--kill-child", str(self.entrypoint), "run"],
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        )

    def carry_out(self, steps: list[Step], **task: Any) -> Work:
        """All steps; the work afterwards, also when one failed."""
        work = self.work(steps, **task)
        try:
            conduct.steps(work)
        finally:
            assert work.bench.gates is not None
            work.bench.gates.close()
            for container in self.containers:
                container.wait(20)
        return work

    def tree(self, folder: str = "workspace") -> dict[str, str]:
        """Files and links, with their content."""
        root = self.root / folder
        return {
            str(path.relative_to(root)): os.readlink(path) if path.is_symlink() else path.read_text()
            for path in sorted(root.rglob("*"))
            if path.is_symlink() or path.is_file()
        }


@pytest.fixture
def pods(tmp_path: Path, entrypoint: Path) -> Iterator[Callable[[], Pod]]:
    """Pods of one project: they share the registry."""
    made: list[Pod] = []
    memory = MemoryRegistry()

    def make() -> Pod:
        made.append(Pod(tmp_path / f"pod-{len(made)}", entrypoint, memory))
        return made[-1]

    yield make
    for pod in made:
        if pod.log is not None:
            pod.log.close()
        for container in pod.containers:
            container.kill()
            container.wait()


@pytest.fixture
def pod(pods: Callable[[], Pod]) -> Pod:
    return pods()


def step(name: str, *commands: str, **more: Any) -> Step:
    return Step(name=name, commands=commands, **more)


def phases(work: Work) -> list[tuple[str, str]]:
    return [(item.name, item.phase) for item in work.steps]


def test_steps_run_in_their_order_in_one_workspace(pod: Pod) -> None:
    work = pod.carry_out(
        [
            step("one", "echo first >> order", 'cd /; echo "in $(pwd)"'),
            step("two", "echo second >> order", "cat order"),
        ]
    )
    assert phases(work) == [("one", "Succeeded"), ("two", "Succeeded")]
    assert [item.exit_code for item in work.steps] == [0, 0]
    assert pod.tree()["order"] == "first\nsecond\n"
    assert pod.said == [
        "-----> one (base/debian:trixie)",
        "       $ echo first >> order",
        '       $ cd /; echo "in $(pwd)"',
        "       in /",
        "-----> two (base/debian:trixie)",
        "       $ echo second >> order",
        "       $ cat order",
        "       first",
        "       second",
    ]


def test_the_first_step_that_fails_ends_the_run_with_its_name_lines_and_code(pod: Pod) -> None:
    work = pod.work([step("one", "echo about to fail", "exit 7"), step("two", "touch ran")])
    with pytest.raises(StepFailed) as raised:
        conduct.steps(work)
    told = str(raised.value)
    assert told.startswith("The step one failed. It ended with exit code 7.")
    assert "about to fail" in told and "push again" in told
    assert phases(work) == [("one", "Failed"), ("two", "Pending")] and work.steps[0].exit_code == 7
    assert work.bench.gates is not None
    work.bench.gates.close()
    assert [container.wait(10) for container in pod.containers] == [0, 0]
    assert "ran" not in pod.tree()


def test_a_step_may_be_tried_again_and_may_fail(pod: Pod) -> None:
    work = pod.carry_out(
        [
            step("flaky", "echo x >> tries", '[ "$(wc -l < tries)" = 3 ]', retry=3),
            step("lint", "exit 1", allow_failure=True),
            step("last", "true"),
        ]
    )
    assert phases(work) == [("flaky", "Succeeded"), ("lint", "Failed"), ("last", "Succeeded")]
    assert work.steps[0].tries == 3


def test_a_step_that_never_ends_is_ended_with_all_that_it_left_running(pod: Pod) -> None:
    alive = "while true; do date +%s.%N > beat; sleep 0.05; done"
    begun = time.monotonic()
    with pytest.raises(StepFailed, match="It took longer than 1 s"):
        pod.carry_out(
            [step("stuck", f"trap '' TERM; setsid sh -c '{alive}' & while true; do sleep 1; done", timeout_s=1)]
        )
    assert time.monotonic() - begun < 15
    last = pod.tree()["beat"]
    time.sleep(0.5)
    assert pod.tree()["beat"] == last, "a process of the step outlived it"


def test_what_a_step_leaves_running_ends_with_it(pod: Pod) -> None:
    alive = "while true; do date +%s.%N > beat; sleep 0.05; done"
    pod.carry_out(
        [
            step("daemon", f"setsid sh -c '{alive}' >/dev/null 2>&1 & sleep 0.3"),
            step("next", "cat beat; sleep 0.5; cat beat"),
        ]
    )
    beats = [line for line in pod.said if line.strip().replace(".", "").isdigit()]
    assert len(beats) == 2 and beats[0] == beats[1]


def test_a_container_that_is_killed_is_a_step_that_failed(pod: Pod) -> None:
    work = pod.work([step("hungry", "echo here", "sleep 60"), step("two", "true")])
    seen = pod.root / "own" / "0" / "go"

    def kill() -> None:
        while not seen.exists() or "here" not in "".join(pod.said):
            time.sleep(0.02)
        pod.containers[0].kill()  # As the kernel does when a container takes too much memory.

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(
        StepFailed, match=r"Its container died, most likely because it took more memory than its limit, 1Gi"
    ):
        conduct.steps(work)
    killer.join()
    assert work.steps[0].reason == "Killed"


@pytest.mark.parametrize(
    "forging",
    [
        """printf '{"exitCode":0,"reason":"","message":"","tries":1,"seconds":1,"tail":""}' > $OWN/result""",
        "rm -f $OWN/result; ln -s $ROOT/credentials/registry $OWN/result",
        "rm -f $OWN/result; mkfifo $OWN/result",
        "mkdir -p $OWN/result/x $OWN/result.new/x",
        "rm -f $OWN/alive; touch $OWN/alive",
        "rm -f $OWN/output; ln -s $ROOT/credentials/registry $OWN/output",
    ],
)
def test_a_step_that_forges_its_own_files_changes_nothing(pod: Pod, forging: str) -> None:
    with pytest.raises(StepFailed, match="The step forger failed"):
        pod.carry_out([step("forger", forging, "exit 3"), step("two", "touch ran")])
    assert CANARY not in "\n".join(pod.said)
    assert "ran" not in pod.tree()


def test_much_output_is_cut_and_the_end_of_it_still_told(pod: Pod) -> None:
    with pytest.raises(StepFailed, match="the very last line"):
        pod.carry_out(
            [
                step(
                    "loud",
                    "yes 0123456789012345678901234567890123456789 | head -c 20000000; echo the very last line; exit 1",
                )
            ]
        )
    assert sum(len(line) + 1 for line in pod.said) < 3 << 20
    assert any("More than 2048 KiB of output" in line for line in pod.said)


def test_no_output_steers_a_terminal_or_shows_a_secret(pod: Pod) -> None:
    pod.carry_out([step("noisy", r"printf '\033[2J\033]0;title\007red\033[31m\r\n'", 'echo "the token is $NPM_TOKEN"')])
    text = "\n".join(pod.said)
    assert "\033" not in text and "\007" not in text and "titlered" not in text and "red" in text
    assert "the token is ***" in text and "s3cr3t-token" not in text


def test_tests_and_artefacts_are_kept_also_of_a_step_that_failed(pod: Pod) -> None:
    report = '<testsuite><testcase name="a"/><testcase name="b"><failure message="no"/></testcase></testsuite>'
    hostile = [
        "mkdir -p out/deep",
        "ln -s /etc/passwd out/link",
        "mkfifo out/pipe",
        f"ln -s {pod.root}/credentials/registry out/canary.xml",
    ]
    harmless = [f"echo '{report}' > out/report.xml", "echo kept > out/deep/file"]
    with pytest.raises(StepFailed):
        pod.carry_out([step("test", *hostile, *harmless, "exit 1", junit=("out/*.xml",), artefacts=("out/**",))])
    client = pod.memory.registry()
    found = client.artefact("acme/shop", junit.KIND, tag=junit.tag(RUN))
    assert found is not None
    tests = junit.Tests.model_validate_json(found)
    assert (tests.tests, tests.failures, [case.name for case in tests.cases]) == (2, 1, ["b"])
    manifest = client.manifest("acme/shop", kept.artefacts_tag(RUN, "test"))
    assert manifest is not None and manifest["artifactType"] == ARTEFACTS
    with client.blob("acme/shop", manifest["layers"][0]["digest"]) as blob:
        content = blob.read()
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        names = {member.name: member for member in archive}
    assert {"out/report.xml", "out/deep/file"} <= set(names) and "out/pipe" not in names
    assert names["out/link"].issym() and names["out/canary.xml"].issym()
    assert CANARY.encode() not in content


def test_a_run_goes_on_from_a_step_in_the_workspace_that_was(pods: Callable[[], Pod]) -> None:
    first = pods()
    steps = [
        step("make", "mkdir a; echo 1 > a/x; ln -s a/x link; echo gone > b; echo tool > $HOME/tool; chmod 700 a/x"),
        step("change", "rm b; echo 2 > a/y; cat $HOME/tool"),
        step("fail", "echo spoilt > a/x; exit 1"),
    ]
    with pytest.raises(StepFailed):
        first.carry_out(steps)
    again = pods()
    steps[2] = step("fail", "cat a/x a/y link $HOME/tool; [ ! -e b ]; [ -x a/x ]")
    work = again.carry_out(steps, run="shop-1-again", origin=RUN, start_at="fail")
    assert phases(work) == [("make", "Skipped"), ("change", "Skipped"), ("fail", "Succeeded")]
    assert [line.strip() for line in again.said[-4:]] == ["1", "2", "1", "tool"]
    third = pods()
    work = third.carry_out(steps, run="shop-1-third", origin="shop-1-again", start_at="build")
    assert [item.phase for item in work.steps] == ["Skipped"] * 3
    assert third.tree() == {"a/x": "1\n", "a/y": "2\n", "link": "a/x"}
    gone = pods()
    with pytest.raises(StepFailed, match=r"is not kept, or no longer\. Run all of it: `roost build rerun nothing`"):
        gone.carry_out(steps, origin="nothing", start_at="fail")


def test_a_cache_meets_the_next_run_and_never_one_with_other_rights(pods: Callable[[], Pod]) -> None:
    cached = step(
        "build-it",
        "cat ~/.cache/x node/y || true; mkdir -p ~/.cache node; echo $RANDOM$$ > ~/.cache/x; echo y > node/y",
        cache=("~/.cache", "node"),
    )
    pods().carry_out([cached], rights="reduced")
    (full := pods()).carry_out([cached])
    assert not any(line.strip() == "y" for line in full.said)
    (following := pods()).carry_out([cached])
    assert any(line.strip() == "y" for line in following.said)


def test_a_conductor_that_dies_leaves_no_step_waiting(pod: Pod) -> None:
    work = pod.work([step("one", "touch ran"), step("two", "touch ran")])
    gates = work.bench.gates
    assert gates is not None
    while not all(gates.is_alive(place) for place in (0, 1)):
        time.sleep(0.02)
    gates.close()  # The locks go with the process.
    assert [container.wait(10) for container in pod.containers] == [0, 0]
    assert "ran" not in pod.tree()


def test_a_pod_that_is_stopped_stops_its_step(pod: Pod) -> None:
    work = pod.work([step("long", "echo begun; sleep 60")])
    gates = work.bench.gates
    assert gates is not None
    while not gates.is_alive(0):
        time.sleep(0.02)
    gates.open(0, 60)
    while b"begun\n" not in gates.output(0, 0):
        time.sleep(0.02)
    child = int(Path(f"/proc/{pod.containers[0].pid}/task/{pod.containers[0].pid}/children").read_text())
    os.kill(child, signal.SIGTERM)
    pod.containers[0].wait(10)
    result = gates.result(0)
    assert result is not None and (result.reason, result.exit_code) == ("Cancelled", -1)


def test_the_log_is_kept_with_the_step_of_each_line(pod: Pod) -> None:
    work = pod.carry_out([step("one", "echo hello"), step("two", "echo again")])
    log = work.bench.log
    assert log is not None
    log.keep(pod.memory.registry(), "acme/shop", RUN)
    content = pod.memory.registry().artefact("acme/shop", run_log.KIND, tag=run_log.tag(RUN))
    assert content is not None
    lines = [(whose, text.strip()) for _, whose, text in run_log.read(content)]
    assert ("one", "hello") in lines and ("two", "again") in lines


def test_a_run_that_is_cancelled_says_which_step_it_broke_off(pod: Pod) -> None:
    work = pod.work([step("long", "echo begun; sleep 60"), step("two", "true")])

    def cancel() -> None:
        while not any("begun" in line and "$" not in line for line in pod.said):
            time.sleep(0.02)
        work.bench.halt("Cancelled")

    canceller = threading.Thread(target=cancel)
    canceller.start()
    with pytest.raises(Halted):
        conduct.steps(work)
    canceller.join()
    assert [(item.phase, item.reason) for item in work.steps] == [("Failed", "Cancelled"), ("Pending", None)]
