"""Runs the tests in parts, prints how long each took, and fails when one does; `make test` and `make test-full` do.

    python -m tests.run [--full] [--only PART ...] [--list]

The parts stand in the order in which a failure is cheapest to learn. Where CI runs (CI=true) the cluster of an earlier,
perhaps killed, run is wiped first; on a person's machine it is used as it stands, or brought up where there is none.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv" / "bin"


@dataclass(frozen=True)
class Part:
    """One part: commands that run one after the other; the first that fails ends the part."""

    name: str
    commands: tuple[tuple[str, ...], ...]
    full: bool = False  # Only in `make test-full`.
    needs: str = ""  # Without that part having passed, this one cannot run.


def _pytest(*arguments: str) -> tuple[str, ...]:
    return (str(BIN / "pytest"), "-q", "-p", "no:cacheprovider", *arguments)


def parts(ci: bool) -> tuple[Part, ...]:
    """All parts in order. `ci`: clear what an earlier run left before the cluster comes up."""
    python = str(BIN / "python")
    node = (python, "-m", "roost.node.commands")
    up = ((*node, "wipe", "--yes"), (*node, "up")) if ci else ((*node, "up"),)
    return (
        Part("check", (("make", "--no-print-directory", "check"),)),
        Part("unit", (_pytest("src", "tests/contract"),)),
        Part("engine", ((*node, "build"),)),
        Part("integration", (_pytest("-m", "integration and not full", "tests/integration", "src"),), needs="engine"),
        Part("attack", (_pytest("-m", "integration and not full", "tests/attack"),), needs="engine"),
        Part("cluster", up, needs="engine"),
        Part(
            "end to end",
            (_pytest("-m", "e2e and not full", "-o", "timeout=600", "tests/e2e", "tests/fault"),),
            needs="cluster",
        ),
        Part("full", (_pytest("-m", "full", "-o", "timeout=1800", "tests"),), full=True, needs="cluster"),
    )


def _run(part: Part) -> bool:
    for command in part.commands:
        print(
            f"\n=== {part.name}: {' '.join(Path(word).name if '/' in word else word for word in command)}", flush=True
        )
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            return False
    return True


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
        if part.needs in outcome and outcome[part.needs][0] != "passed":
            outcome[part.name] = (f"not run: {part.needs} did not pass", 0.0)
            continue
        began = time.monotonic()
        outcome[part.name] = ("passed" if _run(part) else "FAILED", time.monotonic() - began)
    print("\n=== Time of each part")
    for name, (how, seconds) in outcome.items():
        print(f"{name:<12} {_words(seconds):>12}  {how}")
    print(f"{'all':<12} {_words(sum(seconds for _, seconds in outcome.values())):>12}")
    return 0 if all(how == "passed" for how, _ in outcome.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
