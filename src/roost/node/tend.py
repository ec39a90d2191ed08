"""What a node of the control plane does by itself, every two minutes: `python -m roost.node.tend`, by the supervisor.

It renews certificates that near their end, places replicas of the platform that share a node anew, and fetches the
images that applications run, for the time when the registry's node is away.
"""

import sys
from datetime import UTC, datetime

from roost.node import machine, prefetch, renewal, spread
from roost.node.daemons import Daemon
from roost.node.kubectl import Kubectl, NotReady
from roost.node.run import CommandFailed

EVERY_S = 120.0


def daemon() -> Daemon:
    """As the supervisor runs it."""
    return Daemon(
        name="tend",
        argv=(sys.executable, "-m", "roost.node.tend"),
        needs=(str(machine.ADMIN),),
        every_s=EVERY_S,
    )


def main() -> int:
    """One round. An API that does not answer is no reason to say anything: the next round comes."""
    kubectl = Kubectl()
    if not kubectl.api_answers():
        return 0
    try:
        renewed = renewal.renew(kubectl, machine.known_node(), datetime.now(UTC), asked=False)
        moved = spread.platform(kubectl)
        fetched = prefetch.fetch(kubectl)
    except (CommandFailed, NotReady, machine.MachineUnfit) as failed:
        print(failed, flush=True)
        return 1
    for what, names in (("renewed certificates", renewed), ("placed anew", moved), ("fetched", fetched)):
        if names:
            print(f"{what}: {', '.join(names)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
