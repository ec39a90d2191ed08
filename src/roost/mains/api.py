"""The API's process: `python -m roost.mains.api`.

Reads settings and files, puts the pieces together, serves until it is told to stop; then lets requests end.
"""

import asyncio
import logging
import os
import sys
import time
from pathlib import Path
from types import FrameType

import structlog
import uvicorn

from roost.api.app import Secrets, create_app
from roost.kernel import health, logs
from roost.kube.client import Client
from roost.settings import Settings

GRACE_S = 30
DRAIN_S = 4.0
BACKLOG = 512
# Longer than the gateway keeps an idle connection (90 s): who closes first must be the side that sends requests, or a
# request that meets the closing becomes a 502.
KEEP_ALIVE_S = 120


class DrainingServer(uvicorn.Server):
    """Goes on to serve for DRAIN_S seconds after SIGTERM, until the gateway has heard that this replica ends."""

    _leaves_at = 0.0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal begins the end; a second one ends at once."""
        if self._leaves_at:
            super().handle_exit(sig, frame)
        else:
            self._leaves_at = time.monotonic() + DRAIN_S
            self._captured_signals.append(sig)

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: is it time to end?"""
        if self._leaves_at and time.monotonic() >= self._leaves_at:
            self.should_exit = True
        return await super().on_tick(counter)


def configure_logs() -> None:
    """One JSON object a line on stderr, uvicorn's too; values are escaped by JSON, so nobody forges a line."""
    logs.configure()
    shared: list[structlog.typing.Processor] = [structlog.stdlib.add_log_level, structlog.stdlib.ExtraAdder()]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    # uvicorn tells query strings of WebSockets, which hold commands, and calls a refused one a failure.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(lambda record: "completing handshake" not in record.getMessage())


def secrets_of(settings: Settings) -> Secrets:
    """What the files hold; OSError where one is missing, so that a broken mount is seen at once."""
    git, key = Path(settings.git_secret), Path(settings.registry_key)
    secrets = Secrets(git=lambda: git.read_text().strip(), registry_key=key.read_bytes)
    secrets.git()
    secrets.registry_key()
    return secrets


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM."""
    client, streaming = Client.connect(agent="roost-api"), Client.connect(agent="roost-api")
    app = create_app(settings, client, secrets_of(settings), streaming=streaming)
    host, _, port = settings.listen.rpartition(":")
    config = uvicorn.Config(
        app,
        host=host,
        port=int(port),
        http="h11",
        ws="websockets-sansio",
        access_log=False,
        log_config=None,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        # Only the gateway reaches this port (network policy), and it sets the address itself.
        proxy_headers=True,
        forwarded_allow_ips="*",
        timeout_graceful_shutdown=GRACE_S,
    )
    measuring = await health.serve(settings.metrics, lambda: True)
    try:
        await DrainingServer(config).serve()
    finally:
        measuring.close()


def main() -> None:
    """Read the environment and serve."""
    configure_logs()
    asyncio.run(serve(Settings.read(os.environ)))


if __name__ == "__main__":
    main()
