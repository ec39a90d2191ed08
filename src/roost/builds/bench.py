"""Where the stages of a run work: folders, how they speak, and when they must stop. `roost.builds.step` lists them.

StepFailed      a step ended in a way that its owner must see; `reason` is CamelCase
Halted          the time is over, or the run was cancelled
BuilderLost     something of the platform went away: the pod ends without a report and is tried again
"""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from roost.builds.gates import Gates
    from roost.builds.run_log import RunLog

Say = Callable[[str], None]


class StepFailed(Exception):
    """The text is for the pusher."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Halted(Exception):
    """The bench was told to stop."""


class BuilderLost(Exception):
    """The builder cannot be reached."""


@dataclass
class Bench:
    """Where a step works: folders, how it speaks, and when it must stop.

    credentials, trust, work: folders. shared: what the pod shares with the containers of steps, and gates: their turns;
    None: there are none. log: where `say` leads to, when it is kept.
    stop: set when the time is over or the run was cancelled; `why` says which.
    """

    credentials: Path
    trust: Path
    work: Path
    say: Say
    shared: "Shared | None" = None
    gates: "Gates | None" = None
    log: "RunLog | None" = None
    stop: threading.Event = field(default_factory=threading.Event)
    why: str = ""

    @property
    def source(self) -> Path:
        """Where the commit's files are."""
        return self.shared.workspace if self.shared else self.work / "source"

    def speaker(self, step: str) -> None:
        """Whose words come next."""
        if self.log is not None:
            self.log.step = step

    def secret(self, name: str) -> str:
        """One of the run's own secrets."""
        return (self.credentials / name).read_text().strip()

    def pause(self, seconds: float) -> None:
        """Wait, but not longer than the step may go on."""
        if self.stop.wait(seconds):
            raise Halted

    def halt(self, why: str) -> None:
        """Stop what runs."""
        self.why = self.why or why
        self.stop.set()

    def check_time(self) -> None:
        """Halted where it was told to stop."""
        if self.stop.is_set():
            raise Halted

    def run(self, command: list[str], environment: Mapping[str, str], cwd: Path) -> subprocess.Popen[str]:
        """A program in a process group of its own, which ends when the bench stops."""
        process = subprocess.Popen(
            command,
            env={
                "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
                "HOME": str(self.work),
                "LC_ALL": "C.UTF-8",
                **environment,
            },
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )

        def watch() -> None:
            self.stop.wait()
            try:
                os.killpg(process.pid, signal.SIGTERM)
            except ProcessLookupError:
                return

        threading.Thread(target=watch, daemon=True).start()
        return process


@dataclass(frozen=True)
class Shared:
    """Folders of the pod that steps see as well.

    workspace: all of them, the commit's files. home: all of them. turns: they read it, the gates. own: a folder for
    each step, `<own>/<place>`, which that step alone sees besides the conductor.
    """

    workspace: Path
    home: Path
    turns: Path
    own: Path
