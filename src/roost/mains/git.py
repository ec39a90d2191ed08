"""The git server's process: `python -m roost.mains.git`.

Reads settings and the shared secret, puts the pieces together, serves until it is told to stop.
"""

import asyncio
import os
from pathlib import Path
from types import FrameType

import structlog
import uvicorn

from roost.gitserver.app import GitServer
from roost.gitserver.cluster import KubeCluster
from roost.gitserver.ledger import Ledger
from roost.gitserver.repositories import Repositories
from roost.kernel.clock import SystemClock
from roost.kube.client import Client
from roost.settings import Settings

SECRET = Path("/etc/roost/git/token")
GRACE_S = 20
RESTART_S = 5.0

log = structlog.get_logger(__name__)


class Server(uvicorn.Server):
    """uvicorn, which tells the application that the end is near before it waits for open answers."""

    def __init__(self, config: uvicorn.Config, application: GitServer) -> None:
        super().__init__(config)
        self._application = application

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM or SIGINT."""
        self._application.closing = True
        super().handle_exit(sig, frame)


async def _keep(ledger: Ledger) -> None:
    """Catch up for ever: should it fail, pushes would lose their runs while everything looks well."""
    while True:
        try:
            await ledger.keep()
        except Exception as error:
            log.error("Catching up failed; it begins anew.", exc_info=error)
            await asyncio.sleep(RESTART_S)


async def serve(settings: Settings, secret: str) -> None:
    """Serve until SIGTERM."""
    clock = SystemClock()
    client = Client.connect(agent="roost-git")
    repositories = Repositories(Path(settings.repositories), settings.max_repository_mib, settings.max_push_mib)
    repositories.prepare()
    cluster = KubeCluster(client)
    ledger = Ledger(repositories, cluster, clock)
    host, _, port = settings.listen.rpartition(":")
    application = GitServer(repositories, ledger, cluster, secret, clock)
    config = uvicorn.Config(
        application,
        host=host,
        port=int(port),
        http="h11",
        ws="none",
        lifespan="off",
        access_log=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    keeping = asyncio.create_task(_keep(ledger))
    try:
        await Server(config, application).serve()
    finally:
        keeping.cancel()
        await client.close()


def main() -> None:
    """Read the environment and serve."""
    settings = Settings.read(os.environ)
    secret = Path(os.environ.get("ROOST_GIT_SECRET", str(SECRET))).read_text().strip()
    if len(secret) < 16:
        raise SystemExit("The shared secret has less than 16 characters: make Secret roost-system/git-shared anew.")
    asyncio.run(serve(settings, secret))


if __name__ == "__main__":
    main()
