"""What the stages of a run find out and hand on, and what a stage is. `roost.builds.step.STAGES` is their order."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from roost.adapters.registry import TRIES, Registry, RegistryFailed, over_tls
from roost.builds import bill_store
from roost.builds.bench import Bench, Halted, StepFailed
from roost.builds.detect import Detected
from roost.builds.errors import Unbuildable
from roost.builds.junit import Tests
from roost.builds.scan_stage import Scanned
from roost.model.build_task import REGISTRY_TOKEN, Task
from roost.model.kinds.app import Process
from roost.model.pipeline import Phase, StepReport, TestReport

LAST_TRIES = 6  # For the log of a run that ends: the pod has only seconds left.


@dataclass
class Work:
    """One run. Later stages read what earlier ones set.

    fetch: root, context, offering. scan, scan-image: scanned, findings (how many).
    build: found, offered, billing, digest, manifest, config, processes.
    steps: in the order in which they ran or would have; results, tests: what JUnit files told.
    """

    task: Task
    bench: Bench
    root: Path = Path()
    context: Path = Path()
    scanned: Scanned = field(default_factory=Scanned)
    findings: int | None = None
    found: Detected | None = None
    offering: Future[tuple[str, ...]] | None = None
    offered: tuple[str, ...] = ()
    billing: Future[bill_store.Known] | None = None
    digest: str = ""
    manifest: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    processes: tuple[Process, ...] = ()
    steps: list[StepReport] = field(default_factory=list)
    results: Tests = field(default_factory=Tests)
    tests: TestReport | None = None

    @cached_property
    def store(self) -> Registry:
        """The registry."""
        return self.open_store()

    def open_store(self) -> Registry:
        """The registry by a connection of its own, for what is asked beside."""
        return self._registry(self.bench.pause, TRIES)

    def _registry(self, pause: Callable[[float], object], tries: int) -> Registry:
        connect = over_tls(self.task.registry, str(self.bench.trust / "ca.crt"))
        return Registry(connect, self.bench.secret(REGISTRY_TOKEN), pause, tries)

    def keep_log(self, *, again: bool = False) -> None:
        """Store what was said so far; also of a run that is being stopped. `again`: it will be called once more, so
        only when it was not for a while.
        """
        log = self.bench.log
        if log is None or not self.task.run or (again and not log.is_due):
            return
        try:
            registry = self._registry(time.sleep, LAST_TRIES)
            log.keep(registry, self.own, self.task.run)
            registry.close()
        except (RegistryFailed, OSError) as error:
            self.bench.say(f"-----> The log is not kept: {error}")

    @property
    def own(self) -> str:
        """The project's repository in the registry."""
        return f"{self.task.tenant}/{self.task.project}"

    def tell(self, report: StepReport) -> None:
        """Note how a step went; a later word on the same step replaces the earlier one."""
        names = [step.name for step in self.steps]
        if report.name in names:
            self.steps[names.index(report.name)] = report
        else:
            self.steps.append(report)


@dataclass(frozen=True)
class Stage:
    """One part of a run that Roost does itself. `do` raises StepFailed, Unbuildable, Halted, BuilderLost, and what the
    registry raises. told: it stands among the steps of the run; else it tells its steps by itself.
    """

    name: str
    do: Callable[[Work], None]
    told: bool = True

    def carry_out(self, work: Work) -> None:
        """Do it, and note how it went."""
        work.bench.check_time()
        begun = time.monotonic()

        def note(phase: Phase, reason: str | None = None) -> None:
            if self.told:
                spent = round(time.monotonic() - begun, 2)
                work.tell(StepReport(name=self.name, phase=phase, seconds=spent, reason=reason))

        note("Running")
        work.bench.speaker(self.name if self.told else "")
        try:
            self.do(work)
        except (StepFailed, Unbuildable) as error:
            note("Failed", error.reason[:30])
            raise
        except Halted:
            note("Failed", work.bench.why[:30] or None)
            raise
        note("Succeeded")
