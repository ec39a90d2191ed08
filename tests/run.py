"""Runs the tests in parts, prints how long each took, and fails when one does; `make test` and `make test-full` do.

    python -m tests.run [--full] [--only PART ...] [--list]

The parts stand in the order in which a failure is cheapest to learn. Where CI runs (CI=true) the cluster of an earlier,
perhaps killed, run is wiped first; on a person's machine it is used as it stands, or brought up where there is none.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv" / "bin"
CACHE = ROOT / ".pytest_cache"
MAY_REPEAT = 3  # More than that at once is no chance.


@dataclass(frozen=True)
class Part:
    """One part: commands that run one after the other; the first that fails ends the part."""

    name: str
    commands: tuple[tuple[str, ...], ...]
    full: bool = False  # Only in `make test-full`.
    needs: str = ""  # Without that part having passed, this one cannot run.
    again: bool = False  # What failed is run once more; what then passes is named as flaky (decision 0050).


# Several at once, where each file has all that it starts to itself; one kube-apiserver and etcd for each take memory.
SIDE_BY_SIDE = ("-n", str(min(os.cpu_count() or 1, 4)), "--dist", "loadfile")


def _pytest(*arguments: str) -> tuple[str, ...]:
    slowest = ("--durations=15", "--durations-min=2")  # So that who must shorten a part knows where.
    return (str(BIN / "pytest"), "-q", *slowest, "-o", f"cache_dir={CACHE}", *arguments)


def parts(ci: bool) -> tuple[Part, ...]:
    """All parts in order. `ci`: clear what an earlier run left before the cluster comes up."""
    python = str(BIN / "python")
    node = (python, "-m", "roost.node.commands")
    up = ((*node, "wipe", "--yes"), (*node, "up")) if ci else ((*node, "up"),)
    alone = ("tests/nodes", "tests/foreign")  # These make clusters of their own, so ours rests.
    no_cluster = ("tests/contract", "tests/simulation", "tests/attack", "tests/integration", "src")
    return (
        Part("check", (("make", "--no-print-directory", "check"),)),
        Part("unit", (_pytest(*SIDE_BY_SIDE, "src", "tests/contract", "tests/simulation"),), again=True),
        Part("engine", ((*node, "build"),)),
        Part(
            "integration",
            (_pytest(*SIDE_BY_SIDE, "-m", "integration and not full", "tests/integration", "src"),),
            needs="engine",
            again=True,
        ),
        Part("attack", (_pytest(*SIDE_BY_SIDE, "-m", "integration and not full", "tests/attack"),), needs="engine"),
        Part("cluster", up, needs="engine"),
        Part(
            "end to end",
            (_pytest("-m", "e2e and not full", "-o", "timeout=600", "tests/e2e", "tests/fault"),),
            needs="cluster",
            again=True,
        ),
        Part(
            "full, no cluster", (_pytest("-m", "full", "-o", "timeout=1800", *no_cluster),), full=True, needs="engine"
        ),
        Part(
            "full, end to end",
            (_pytest("-m", "full", "-o", "timeout=1800", "tests/e2e", "tests/fault"),),
            full=True,
            needs="cluster",
        ),
        Part(
            "full, other clusters",
            ((*node, "down"), _pytest("-m", "full", "-o", "timeout=1800", *alone), (*node, "up")),
            full=True,
            needs="engine",
        ),
    )


def _call(part: Part, command: Sequence[str]) -> bool:
    print(f"\n=== {part.name}: {' '.join(Path(word).name if '/' in word else word for word in command)}", flush=True)
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def _run(part: Part) -> str:
    """`passed`, `FAILED`, or `passed` with the names of the tests that needed a second try."""
    flaky: list[str] = []
    for command in part.commands:
        shutil.rmtree(CACHE, ignore_errors=True)
        if _call(part, command):
            continue
        failed = _failed()
        if not part.again or not 0 < len(failed) <= MAY_REPEAT or not _call(part, (*command, "--last-failed")):
            return "FAILED"
        flaky += failed
    return f"passed, FLAKY: {', '.join(flaky)}" if flaky else "passed"


def _failed() -> list[str]:
    """The tests that pytest has written down as failed; none where it did not get that far."""
    written = CACHE / "v" / "cache" / "lastfailed"
    return sorted(json.loads(written.read_text())) if written.exists() else []


def _words(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:2d} s" if minutes else f"{rest} s"


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when all parts passed, 1 when one failed, 2 when the arguments are off."""
    everything = parts(ci=os.environ.get("CI") == "true")
    parser = argparse.ArgumentParser(prog="python -m tests.run", description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="also what takes too long for every landing")
    parser.add_argument("--only", action="append", choices=[part.name for part in everything], help="only this part")
    parser.add_argument("--list", action="store_true", help="name the parts and end")
    wanted = parser.parse_args(arguments)
    chosen = [p for p in everything if (p.name in wanted.only if wanted.only else wanted.full or not p.full)]
    if wanted.list:
        print("\n".join(part.name for part in chosen))
        return 0
    outcome: dict[str, tuple[str, float]] = {}
    for part in chosen:
        if part.needs in outcome and not outcome[part.needs][0].startswith("passed"):
            outcome[part.name] = (f"not run: {part.needs} did not pass", 0.0)
            continue
        began = time.monotonic()
        outcome[part.name] = (_run(part), time.monotonic() - began)
    print("\n=== Time of each part")
    for name, (how, seconds) in outcome.items():
        print(f"{name:<20} {_words(seconds):>12}  {how}")
    print(f"{'all':<20} {_words(sum(seconds for _, seconds in outcome.values())):>12}")
    return 0 if all(how.startswith("passed") for how, _ in outcome.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
