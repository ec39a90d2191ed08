"""Five empty steps in a run beside the same run without any: what the pod, its containers and their turns cost.

    make bench B=pipeline [ARGS="--pairs 10 --steps 5"]

A pushes a changed line to a project whose roost.yaml has the steps, B to one that has none; both to a branch that is
only built. Measured is from the push until the Run says that it ended. Neither is scanned.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import place
from bench.measure import cpu_s, interleaved, last_line, machine, say, table
from roost.kube.client import Client
from roost.model.kinds.delivery import Project, ProjectSpec
from roost.model.kinds.scan import Scan
from roost.model.kinds.triggers import RefTrigger, Triggers
from roost.model.names import API_VERSION
from roost.node import machine as machines

GOAL = 1.3
BRANCH = "try"
WITH, WITHOUT = "steps", "plain"
LONGEST_S = 240.0
STEP = '    - {{name: step-{number}, commands: ["true"]}}\n'


class Stopwatch:
    """Both projects; remembers CPU seconds."""

    def __init__(self, where: place.Place, steps: int) -> None:
        self.place = where
        self.cpu: dict[str, list[float]] = {WITH: [], WITHOUT: []}
        self.version = 0
        for name in (WITH, WITHOUT):
            self._make(name, steps if name == WITH else 0)

    def _make(self, name: str, steps: int) -> None:
        none = Scan(secrets=False, source=False, dependencies=False, image=False)
        triggers = Triggers(branches=(RefTrigger(pattern=BRANCH),))
        place.apply(Project.manifest(name, ProjectSpec(scan=none, triggers=triggers), place.BUILDS))
        place.kubectl(
            "-n", place.BUILDS, "wait", "--for=condition=Ready", f"projects.roost.dev/{name}", "--timeout=60s"
        )
        folder = self.place.folder / name
        folder.mkdir()
        self.place.git("init", "--quiet", f"--initial-branch={BRANCH}", cwd=folder)
        (folder / "Containerfile").write_text(place.CONTAINERFILE)
        if steps:
            lines = "".join(STEP.format(number=number) for number in range(steps))
            (folder / "roost.yaml").write_text("pipeline:\n  image: base/busybox:1.37\n  steps:\n" + lines)
        self.run(name)  # Neither side pays for what is only cold the first time.
        self.cpu[name] = []

    def run(self, name: str) -> float:
        """Seconds from the push of a changed line until the run has ended."""
        folder = self.place.folder / name
        self.version += 1
        (folder / "app.py").write_text(place.PROGRAM.replace("VERSION", f"version-{self.version}"))
        self.place.git("add", "--all", cwd=folder)
        self.place.git("commit", "--quiet", "--message", f"Change {self.version}.", cwd=folder)
        commit = place.run("git", "rev-parse", "HEAD", cwd=folder).strip()
        # Both sides are Jobs: a run without steps would take the pod that waits.
        place.kubectl("-n", place.BUILDS, "delete", "pods", "-l", "roost.dev/spare", "--ignore-not-found")
        env = {"GIT_SSL_CAINFO": str(self.place.folder / "ca.crt"), "GIT_TERMINAL_PROMPT": "0"}
        began, spent = time.monotonic(), cpu_s()
        with subprocess.Popen(
            ["git", "push", "--quiet", self.place.remote(name), BRANCH],
            cwd=folder,
            env=env | {"PATH": "/usr/local/bin:/usr/bin:/bin"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as going:
            phase, words = asyncio.run(_ended(commit))
            took = time.monotonic() - began
            self.cpu[name].append(cpu_s() - spent)
            _, error = going.communicate(timeout=60)
        if phase != "Succeeded":
            raise RuntimeError(f"The run of {name} ended: {phase}. {words}\n{error[-2000:]}")
        return took


async def _ended(commit: str) -> tuple[str, str]:
    """(phase, words) of the run of a commit, once it has ended."""
    client = Client.connect(str(machines.ADMIN), agent="roost-bench")
    try:
        async with asyncio.timeout(LONGEST_S):
            while True:
                for run in await client.list(API_VERSION, "Run", place.BUILDS):
                    status = run.get("status") or {}
                    if run["spec"]["commit"] == commit and status.get("finishedAt"):
                        said = (status.get("conditions") or [{}])[0]
                        return str(status["phase"]), str(said.get("message", ""))
                await asyncio.sleep(0.05)
    finally:
        await client.close()


def main() -> int:
    """0 when the goal is met, else 1."""
    parser = argparse.ArgumentParser(prog="python -m bench.pipeline", description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--steps", type=int, default=5)
    chosen = parser.parse_args()
    where = machine()
    with tempfile.TemporaryDirectory() as folder:
        try:
            watch = Stopwatch(place.tenant(Path(folder)), chosen.steps)
            sides = interleaved(chosen.pairs, lambda: watch.run(WITH), lambda: watch.run(WITHOUT), say)
        finally:
            place.remove()
    ratio, control = sides.ratio, sides.control
    table(
        ("side", "median s", "least", "most", "CPU s of the machine"),
        [
            (name, f"{statistics.median(values):.2f}", f"{min(values):.2f}", f"{max(values):.2f}", f"{cpu:.2f}")
            for name, values, cpu in (
                (f"{chosen.steps} empty steps", sides.a, statistics.median(watch.cpu[WITH])),
                ("none", sides.b, statistics.median(watch.cpu[WITHOUT])),
            )
        ],
    )
    met = ratio.value <= GOAL
    last_line(
        bench="pipeline",
        ratio=round(ratio.value, 3),
        ci=ratio.interval,
        control=control.interval if control else None,
        steps=chosen.steps,
        with_s=round(statistics.median(sides.a), 2),
        without_s=round(statistics.median(sides.b), 2),
        goal=GOAL,
        met=met,
        machine=where,
    )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
