"""A person's steps in a run: each has its turn, what it leaves is looked at, the first that fails ends the run.

`steps` is a stage of `roost.builds.step`. The commands run in containers of their own (roost-entrypoint); this process
has the credentials and they have none of them. What they leave is a stranger's, and is treated so.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from roost.adapters.registry import RegistryFailed
from roost.builds import junit, kept, tree
from roost.builds.bench import Halted, StepFailed
from roost.builds.gates import Gates
from roost.builds.narrate import INDENT
from roost.builds.run_log import plain
from roost.builds.work import Work
from roost.model.pipeline import Step, StepReport
from roost.model.step_task import StepResult

START_S: Final = 600.0  # Seconds that a step's container has to come up; images are pulled in it.
LOOK_S: Final = 0.03
SPARE_S: Final = 40  # Beside a step's own limit, before its container counts as stuck.
TOLD: Final = 12  # Last lines of a step that failed, in the words on its failure.


@dataclass
class Clock:
    """The time that all steps together have, in seconds."""

    left_s: float

    def spend(self, since: float) -> None:
        """Take off what has passed since then."""
        self.left_s -= time.monotonic() - since


def steps(work: Work) -> None:
    """All steps of the pipeline. StepFailed with the step's name, its last lines and what to do."""
    pipeline = work.task.pipeline
    gates = work.bench.gates
    if not pipeline.steps or gates is None:
        return
    for step in pipeline.steps:
        work.tell(StepReport(name=step.name))
    first = pipeline.at(work.task.start_at) if work.task.start_at else 0
    keeper = kept.Keeper(work)
    if first:
        _resume(work, keeper, first)
    clock = Clock(pipeline.timeout_s)
    for place, step in enumerate(pipeline.steps):
        if place < first:
            continue
        work.bench.speaker(step.name)
        try:
            _step(work, gates, keeper, place, clock)
        except Halted:
            _broken_off(work, step, work.bench.why)
            raise
        except StepFailed as error:
            _broken_off(work, step, error.reason)
            raise
        finally:
            work.bench.speaker("")
        keeper.checkpoint(place)
        work.keep_log(again=True)


def _broken_off(work: Work, step: Step, reason: str) -> None:
    """A step that could not say how it ended."""
    if any(item.name == step.name and item.phase == "Running" for item in work.steps):
        work.tell(StepReport(name=step.name, phase="Failed", reason=reason[:30] or None))


def _resume(work: Work, keeper: kept.Keeper, first: int) -> None:
    for step in work.task.pipeline.steps[:first]:
        work.tell(StepReport(name=step.name, phase="Skipped"))
    work.bench.say(f"-----> Taking the workspace from {work.task.origin}, before {work.task.start_at}")
    keeper.resume(first)


def _step(work: Work, gates: Gates, keeper: kept.Keeper, place: int, clock: Clock) -> None:
    step = work.task.pipeline.steps[place]
    work.bench.say(f"-----> {step.name} ({work.task.pipeline.image_of(step)})")
    if step.secrets and work.task.rights == "reduced":
        work.bench.say(f"{INDENT}Without its secrets: this is no run of the project's branch")
    work.tell(StepReport(name=step.name, phase="Running"))
    keeper.restore_cache(step)
    begun = time.monotonic()
    _started(work, gates, place)
    result = _finished(work, gates, place, clock)
    clock.spend(begun)
    _look(work, keeper, step)
    ok = result.exit_code == 0 and not result.reason
    reason = None if ok else result.reason or "Failed"
    seconds = round(min(result.seconds, time.monotonic() - begun), 2)
    report = StepReport(
        name=step.name,
        phase="Succeeded" if ok else "Failed",
        exit_code=result.exit_code,
        seconds=seconds,
        tries=result.tries,
        reason=reason,
    )
    work.tell(report)
    if ok:
        keeper.keep_cache(step)
        return
    if step.allow_failure:
        work.bench.say(
            f"-----> {step.name} failed ({plain(result.message)}); the run goes on, as the pipeline allows it"
        )
        return
    raise StepFailed("StepFailed", failure(step, result))


def failure(step: Step, result: StepResult) -> str:
    """What a person reads whose step failed."""
    lines = [plain(line) for line in result.tail.splitlines() if line.strip()]
    told = [f"The step {step.name} failed. {plain(result.message)}"]
    told += [f"{INDENT}{line[:160]}" for line in lines[-TOLD:]]
    advice = {
        "TimedOut": f"Make it faster, or raise its timeoutS (now {step.timeout_s}).",
        "Killed": f"Raise its limits.memory (now {step.limits.memory}), or let it use less.",
        "NoShell": "Take an image with a shell for it, such as base/debian:trixie.",
    }
    told.append(advice.get(result.reason, "Mend it and push again; `roost build logs` has all of its output."))
    return "\n".join(told)


def brief(failure: str) -> str:
    """The same without the last lines, which stand in the log just before."""
    first, _, rest = failure.partition("\n")
    return f"{first} {rest.rpartition(chr(10))[2]}".strip()


def _started(work: Work, gates: Gates, place: int) -> None:
    """Wait until the step's container is there."""
    deadline = time.monotonic() + START_S
    while not gates.is_alive(place):
        if time.monotonic() > deadline:
            name = work.task.pipeline.steps[place].name
            words = f"The container of the step {name} did not start within {START_S:.0f} s: is its image what it says?"
            raise StepFailed("StepNotStarted", words)
        work.bench.pause(LOOK_S)


def _finished(work: Work, gates: Gates, place: int, clock: Clock) -> StepResult:
    """Open the gate, hand on what the step prints, and wait until nothing of it is left."""
    step = work.task.pipeline.steps[place]
    most = max(1, min(int(clock.left_s), step.timeout_s * (step.retry + 1)))
    gates.open(place, most)
    deadline = time.monotonic() + most + SPARE_S
    printed = _Printed(work, gates, place)
    while gates.is_alive(place):
        printed.more()
        if time.monotonic() > deadline:
            raise StepFailed("StepStuck", f"The step {step.name} did not end, although its time was over.")
        work.bench.pause(LOOK_S)
    printed.rest()
    result = gates.result(place)
    if result is None:
        words = f"Its container died, most likely because it took more memory than its limit, {step.limits.memory}."
        return StepResult(exit_code=-1, reason="Killed", message=words, tries=1, seconds=0, tail=printed.tail())
    return result


class _Printed:
    """What a step prints, handed on line by line."""

    def __init__(self, work: Work, gates: Gates, place: int) -> None:
        self._work, self._gates, self._place = work, gates, place
        self._at, self._part, self._last = 0, b"", [""]

    def more(self) -> None:
        """Hand on the whole lines that came."""
        while text := self._gates.output(self._place, self._at):
            self._at += len(text)
            *lines, self._part = (self._part + text).split(b"\n")
            for line in lines:
                self._say(line)

    def rest(self) -> None:
        """Hand on everything that is left."""
        self.more()
        if self._part:
            self._say(self._part)
            self._part = b""

    def _say(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").rstrip("\r")
        self._last = [*self._last[-TOLD:], text]
        self._work.bench.say(f"{INDENT}{text}")

    def tail(self) -> str:
        """The last lines."""
        return "\n".join(self._last)[-4000:]


def _look(work: Work, keeper: kept.Keeper, step: Step) -> None:
    """Test results and artefacts, also of a step that failed: there they are wanted most."""
    if step.junit:
        found = _tests(work, step)
        work.results = work.results.plus(found)
        work.tests = work.results.summary()
        told = f"{found.tests} tests, {found.failures + found.errors} failed, {found.skipped} skipped"
        work.bench.say(f"-----> Tests: {told}")
        keeper.keep_tests()
    if step.artefacts:
        keeper.keep_artefacts(step)


def _tests(work: Work, step: Step) -> junit.Tests:
    found, count = [], 0
    for entry in _entries(work):
        if entry.kind != "file" or not tree.matches(entry.path, step.junit):
            continue
        count += 1
        if count > junit.MOST_FILES:
            work.bench.say(f"{INDENT}More than {junit.MOST_FILES} JUnit files: the rest is left out")
            break
        file = tree.open_file(work.root, entry.path)
        if file is None:
            continue
        with file:
            try:
                found.append(junit.read(file, step.name))
            except junit.JUnitWrong as error:
                work.bench.say(f"{INDENT}{entry.path[:200]}: not read, {error}")
    return junit.together(found)


def _entries(work: Work) -> Iterator[tree.Entry]:
    try:
        yield from tree.entries(work.root)
    except tree.TreeTooLarge as error:
        work.bench.say(f"{INDENT}JUnit files: {error}; the rest is left out")


def results(work: Work) -> None:
    """Store the tests' results beside the image. A stage of its own, once there is an image."""
    if work.tests is None:
        return
    content = work.results.model_dump_json(by_alias=True).encode()
    try:
        work.store.put_artefact(work.own, junit.KIND, content, subject=work.digest)
    except RegistryFailed as error:
        work.bench.say(f"-----> Test results: not stored ({error})")
