"""An API before a kube-apiserver with nothing else in the cluster, for P6 and P7: `python -m bench.api KUBECONFIG`.

The same application as in a cluster, with limits that a benchmark does not meet, and one route more that gives fixed
bytes. It becomes people as the cluster's administrator, so its rights are wider than in a cluster; its calls are the
same. Prints its port, then serves until it is killed.
"""

import asyncio
import dataclasses
import sys
from datetime import UTC, datetime

import uvicorn
from fastapi.responses import Response

from roost.api.app import Secrets, create_app
from roost.api.limits import Bucket, Slots
from roost.kube.client import Client
from roost.settings import Settings
from roost.surface.registry import new_key

MANY = 10_000_000


def _now() -> datetime:
    return datetime.now(UTC)


async def serve(kubeconfig: str) -> None:
    """Serve on a free port."""
    key = new_key()
    client, streaming = (Client.connect(kubeconfig, "roost-api") for _ in range(2))
    app = create_app(Settings(), client, Secrets(lambda: "", lambda: key), streaming=streaming)
    wide = {
        item.name: Bucket(MANY, 1.0, _now)
        for item in dataclasses.fields(app.state.roost)
        if item.name in ("requests", "tenant_requests")
    }
    app.state.roost = dataclasses.replace(
        app.state.roost, **wide, streams=Slots(MANY, MANY), followers=Slots(MANY, MANY)
    )
    fixed: dict[int, bytes] = {}

    async def give(size: int) -> Response:
        content = fixed.setdefault(size, b"{" + b" " * (size - 2) + b"}")
        return Response(content, media_type="application/json")

    app.add_api_route("/fixed/{size}", give, methods=["GET"])
    app.router.routes.insert(0, app.router.routes.pop())
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, http="h11", access_log=False, log_config=None, server_header=False
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    print(server.servers[0].sockets[0].getsockname()[1], flush=True)
    await serving


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
