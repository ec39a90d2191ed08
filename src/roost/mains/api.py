"""The API's process: `python -m roost.mains.api`.

Reads settings and files, puts the pieces together, serves until it is told to stop; then lets requests end.
"""

import asyncio
import logging
import os
import sys
from pathlib import Path

import structlog
import uvicorn

from roost.api.app import Secrets, create_app
from roost.kernel import health, logs
from roost.kube.client import Client
from roost.settings import Settings

GRACE_S = 20
BACKLOG = 512


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
        # Only the gateway reaches this port (network policy), and it sets the address itself.
        proxy_headers=True,
        forwarded_allow_ips="*",
        timeout_graceful_shutdown=GRACE_S,
    )
    measuring = await health.serve(settings.metrics, lambda: True)
    try:
        await uvicorn.Server(config).serve()
    finally:
        measuring.close()


def main() -> None:
    """Read the environment and serve."""
    configure_logs()
    asyncio.run(serve(Settings.read(os.environ)))


if __name__ == "__main__":
    main()
