"""P16: how long `make up` takes after a wipe, engine and images cached, until the demo answers; beside `kubeadm init`.

    make bench B=P16 ARGS="--yes-wipe [--pairs 3]"

A is `make up`, from a clean machine to the demo's first answer. B is `kubeadm init` alone on the same machine, with
containerd running and the control plane's images in it, until kube-apiserver answers.
"""

import argparse
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime

from bench.measure import cpu_s, interleaved, last_line, machine, say, table
from roost.node import control_plane, demo, pki, steps
from roost.node import machine as places
from roost.node import up as bring
from roost.node.kubectl import Kubectl, wait_until

DOMAIN = "roost.localhost"
GOAL_S = 90.0
BEFORE_KUBEADM = (
    steps.compile_engine,
    steps.make_images,
    steps.prepare_machine,
    steps.start_runtime,
    steps.preload_images,
)


def node(*arguments: str) -> None:
    """`roost node ARGUMENTS`; CalledProcessError where it fails."""
    command = [sys.executable, "-m", "roost.node.commands", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Stopwatch:
    """Both sides; remembers the CPU seconds of each measurement."""

    def __init__(self) -> None:
        self.cpu: dict[str, list[float]] = {"A": [], "B": []}

    def up(self) -> float:
        """Seconds of `make up`, from a wiped machine until the demo answers."""
        node("wipe", "--yes")
        began, spent = time.monotonic(), cpu_s()
        # Without ARGS= the make of `make bench` would hand its own on.
        done = subprocess.run(["make", "--silent", "up", "ARGS="], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"`make up` ended with {done.returncode}:\n{done.stderr[-2000:]}")
        address = demo.url(DOMAIN)
        wait_until("the demo", lambda: steps.gateway_answers(address.removeprefix("http://")), within_s=60)
        self.cpu["A"].append(cpu_s() - spent)
        return time.monotonic() - began

    def kubeadm(self) -> float:
        """Seconds of `kubeadm init` until kube-apiserver answers, everything it needs being there."""
        node("wipe", "--yes")
        run = steps.Run(node=places.this_node(DOMAIN))
        with bring.alone():
            for step in BEFORE_KUBEADM:
                step(run)
            assert run.engine is not None and run.importing is not None
            run.importing.result()
            version, etcd_tag = run.engine.version("kubernetes"), run.image("etcd").rsplit(":", 1)[1]
            told = control_plane.documents(run.node, version, etcd_tag, control_plane.write_policy())
            pki.write_private(control_plane.CONFIG, told)
            began, spent = time.monotonic(), cpu_s()
            control_plane.first_time(run.node)
            control_plane.serving_certificate(run.node, datetime.now(UTC))
            wait_until("The Kubernetes API", Kubectl().api_answers, within_s=240)
            self.cpu["B"].append(cpu_s() - spent)
            return time.monotonic() - began


def main() -> int:
    """0 when the goal is met, 1 when not, 2 without --yes-wipe."""
    parser = argparse.ArgumentParser(prog="python -m bench.P16", description=__doc__.splitlines()[0])
    parser.add_argument("--yes-wipe", action="store_true", help="the cluster on this machine may be wiped")
    parser.add_argument("--pairs", type=int, default=3)
    chosen = parser.parse_args()
    if not chosen.yes_wipe:
        say("P16 wipes the cluster on this machine, again and again. Say ARGS=--yes-wipe if it may.")
        return 2
    watch, where = Stopwatch(), machine()
    sides = interleaved(chosen.pairs, watch.up, watch.kubeadm, say)
    node("wipe", "--yes")
    node("up")
    median = statistics.median(sides.a)
    ratio, control = sides.ratio, sides.control
    table(
        ("side", "median s", "least", "most", "CPU s"),
        [
            (name, f"{statistics.median(values):.1f}", f"{min(values):.1f}", f"{max(values):.1f}", f"{cpu:.1f}")
            for name, values, cpu in (
                ("make up", sides.a, statistics.median(watch.cpu["A"])),
                ("kubeadm init", sides.b, statistics.median(watch.cpu["B"])),
            )
        ],
    )
    last_line(
        bench="P16",
        ratio=round(ratio.value, 3),
        ci=ratio.interval,
        control=control.interval if control else None,
        up_s=round(median, 1),
        worst_s=round(max(sides.a), 1),
        goal_s=GOAL_S,
        met=max(sides.a) <= GOAL_S,
        machine=where,
    )
    return 0 if max(sides.a) <= GOAL_S else 1


if __name__ == "__main__":
    sys.exit(main())
