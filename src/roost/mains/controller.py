"""The process roost-controller: every reconciler, under one Lease. `python -m roost.mains.controller`

Two replicas run; one leads. SIGTERM ends it gracefully and gives the Lease back. Who loses the Lease drops everything
and stands by again, with caches that are filled anew. A bug that breaks the runtime ends the process: whoever started
it starts it again.
"""

import asyncio
import os
import signal
import socket
import sys

import structlog

from roost.kernel import health, logs
from roost.kernel.clock import SystemClock
from roost.kernel.discovery import capabilities
from roost.kernel.lease import Election, LeadershipLost, LeaseTimes
from roost.kernel.runtime import Runtime
from roost.kube.client import Client
from roost.kube.errors import ConfigRefused
from roost.model.names import SYSTEM_NAMESPACE
from roost.settings import SettingRefused, Settings

LEASE = "roost-controller"


async def run(settings: Settings, client: Client) -> None:
    """Lead when it can be had, and reconcile. Returns after SIGTERM or SIGINT."""
    identity = settings.identity or f"{socket.gethostname()}-{os.getpid()}"
    server = await health.serve(settings.metrics, lambda: True)
    work = asyncio.ensure_future(_lead(settings, client, identity))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        structlog.get_logger("roost.mains.controller").info("Asked to end: the Lease is given back.")
    finally:
        server.close()
        await client.close()


async def _lead(settings: Settings, client: Client, identity: str) -> None:
    clock = SystemClock()
    times = LeaseTimes(settings.lease_duration_s, settings.lease_renew_s)
    while True:
        runtime = Runtime(client, capabilities(), settings, clock)
        try:
            await Election(client, SYSTEM_NAMESPACE, LEASE, identity, clock).run(runtime.run, times)
        except LeadershipLost as error:
            structlog.get_logger("roost.mains.controller").error("Leadership is lost: standing by.", error=str(error))


def main() -> int:
    """0 after a signal, 2 when settings or the cluster cannot be read."""
    logs.configure(os.environ.get("ROOST_LOG_LEVEL", "INFO"))
    log = structlog.get_logger("roost.mains.controller")
    try:
        settings = Settings.read(os.environ)
        client = Client.connect(agent="roost-controller")
    except (SettingRefused, ConfigRefused) as error:
        log.error(str(error))
        return 2
    asyncio.run(run(settings, client))
    return 0


if __name__ == "__main__":
    sys.exit(main())
