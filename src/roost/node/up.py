"""`roost node up`: from a machine with nothing on it to a platform that answers. Runs the steps and shows them.

Every step looks before it acts, so a second run changes nothing and takes seconds, and an interrupted one goes
on where it stopped.
"""

import fcntl
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from roost.node import addresses, demo, machine, packages, preflight, preflight_observe, progress, steps
from roost.node.steps import Run

PACKAGES = (
    "ca-certificates",
    "conntrack",
    "curl",
    "ethtool",
    "iproute2",
    "ipset",
    "iptables",
    "kmod",
    "mount",
    "nftables",
    "procps",
    "skopeo",
    "socat",
    "util-linux",
    "mmdebstrap",
)
TICK_S = 0.5
LOCK = machine.RUN.with_name("roost.lock")  # Beside our directory, which `wipe` removes.


class AlreadyAtWork(RuntimeError):
    """Another `up`, `down` or `wipe` runs on this machine."""


@dataclass(frozen=True)
class Step:
    """One part that is shown on its own line."""

    name: str
    do: Callable[[Run], str]


BUILD: Sequence[Step] = (
    Step("engine", steps.compile_engine),
    Step("images", steps.make_images),
)
START: Sequence[Step] = (
    Step("machine", steps.prepare_machine),
    Step("containerd", steps.start_runtime),
    Step("preload images", steps.preload_images),
    Step("control plane", steps.start_control_plane),
    Step("network and DNS", steps.apply_foundation),
    Step("trust", steps.establish_trust),
    Step("platform", steps.apply_platform),
    Step("network is up", steps.wait_for_network),
    Step("registry is up", steps.wait_for_registry),
    Step("platform is up", steps.wait_for_platform),
    Step("administrator", demo.administrator),
    Step("demo", demo.demo),
    Step("bases", steps.offer_bases),
)


@contextmanager
def alone() -> Iterator[None]:
    """Hold the machine's lock. AlreadyAtWork where somebody else holds it."""
    with LOCK.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as busy:
            raise AlreadyAtWork("Another `roost node` command is at work on this machine. Wait for it.") from busy
        yield


@contextmanager
def ticking(shown: progress.Progress) -> Iterator[None]:
    """Keep the line of the present step alive."""
    over = threading.Event()

    def tick() -> None:
        while not over.wait(TICK_S):
            shown.tick()

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def do_all(run: Run, parts: Sequence[Step], shown: progress.Progress) -> None:
    """Do the steps in order and show them."""
    shown.plan([part.name for part in parts])
    try:
        for part in parts:
            shown.start(part.name)
            with ticking(shown):
                done = part.do(run)
            shown.done(done)
    finally:
        shown.finish()


def build(run: Run) -> None:
    """Engine and images only. Nothing on the machine is touched but the cache and missing packages."""
    packages.ensure(PACKAGES)
    if addresses.wanted(run.node):
        packages.ensure(addresses.PACKAGES)
    for part in BUILD:  # Each shows its own progress.
        print(f"{part.name}: {part.do(run)}", file=sys.stderr)


def up(run: Run, until: str = "") -> None:
    """Everything; `until` names the last step to do, for tests of parts."""
    names = [part.name for part in START]
    last = names.index(until) + 1 if until else len(names)
    bring(run, START[:last])


def bring(run: Run, parts: Sequence[Step]) -> None:
    """Judge the machine, build what is missing, then do the steps, alone."""
    for note in preflight.require(preflight.judge(preflight_observe.observe())):
        print(note, file=sys.stderr)
    os.umask(0o022)
    build(run)
    with alone():
        do_all(run, parts, progress.for_terminal())
