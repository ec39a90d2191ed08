"""Health, for probes: alive, and able to serve."""

import asyncio
from typing import Final

from fastapi import APIRouter
from fastapi.responses import Response

from roost.api.bodies import json_response
from roost.api.context import ContextDep
from roost.kube.errors import KubeError
from roost.surface.problems import unavailable

router = APIRouter(tags=["Health"])
PATIENCE_S: Final = 3.0


@router.get("/healthz", operation_id="healthz", summary="Alive")
async def healthz() -> Response:
    """The process answers."""
    return json_response({"status": "ok"})


@router.get("/readyz", operation_id="readyz", summary="Ready")
async def readyz(ctx: ContextDep) -> Response:
    """kube-apiserver answers too."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            await ctx.client.request("GET", "version")
    except (KubeError, TimeoutError) as error:
        raise unavailable("The cluster does not answer.") from error
    return json_response({"status": "ok"})
