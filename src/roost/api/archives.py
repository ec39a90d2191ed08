"""Archives of a project whose source is `archive`: what a person uploads goes to the git server as it comes.

The API decides who may, and passes on the body, a digest of it and nothing else of the request. The git server bounds
it, checks it and makes a commit of it.
"""

import re
from collections.abc import AsyncIterator
from typing import Annotated, Final, Literal

import msgspec
from fastapi import APIRouter, Query, Request, Response
from starlette.requests import ClientDisconnect

from roost.api.bodies import json_response
from roost.api.context import ContextDep
from roost.api.hooks import Change
from roost.api.passthrough import Headers, Outgoing, UpstreamGone, exchange
from roost.surface.problems import Problem, invalid

router = APIRouter(tags=["Sources"])
DIGEST: Final = re.compile(r"sha-256=:[A-Za-z0-9+/]{43}=:\Z")
_MOST: Final = 1 << 20  # Bytes of the git server's answer.
_KINDS: Final = {400: "malformed", 404: "not-found", 409: "conflict", 413: "too-large", 422: "invalid"}
_BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.put(
    "/v1/tenants/{tenant}/projects/{name}/archive",
    operation_id="uploadArchive",
    summary="Upload an archive to a project",
    openapi_extra=_BODY,
)
async def upload(
    request: Request,
    ctx: ContextDep,
    there: Change,
    folder: Annotated[
        Literal["auto", "keep"], Query(description="auto: where all stands in one folder, that is left out.")
    ] = "auto",
) -> Response:
    """Make the files of a zip, tar or tar.gz the next commit; with the files that stand there already, none is made.

    `Content-Digest` (RFC 9530, sha-256) is checked where it is given.
    """
    name, digest = there.project.metadata.name, request.headers.get("content-digest", "")
    if digest and not DIGEST.match(digest):
        raise invalid("Content-Digest", "Give it as sha-256=:<base64>:, or leave it out.")
    length = request.headers.get("content-length", "")
    own = {
        "X-Roost-Tenant": there.tenant,
        "X-Roost-Project": name,
        "X-Roost-Person": there.caller.principal.person,
        "X-Roost-Shared": ctx.git_secret(),
    } | ({"Content-Digest": digest} if digest else {})
    headers: Headers = [(key.encode(), value.encode()) for key, value in own.items()]
    target = f"/archives/{there.tenant}/{name}?folder={folder}"
    size = int(length) if length.isdigit() else None
    outgoing = Outgoing("PUT", target, headers, _body(request), size, _stays)
    status, said = await _pass_on(ctx.settings.git_url, outgoing)
    if status == 200:
        return json_response(msgspec.json.decode(said))
    words = said.decode(errors="replace").strip()[:600]
    raise Problem(_KINDS.get(status, "unavailable"), words or "The git server does not answer. Upload it again.")


async def _body(request: Request) -> AsyncIterator[bytes]:
    try:
        async for chunk in request.stream():
            yield chunk
    except ClientDisconnect as error:
        raise Problem("malformed", "The upload broke off. Nothing was changed: upload it again.") from error


async def _stays() -> None:
    return


async def _pass_on(git_url: str, outgoing: Outgoing) -> tuple[int, bytes]:
    try:
        async with exchange(git_url, outgoing) as answer:
            said = b""
            async for chunk in answer.body:
                said += chunk
                if len(said) > _MOST:
                    raise UpstreamGone("The git server's answer does not end.", answered=True)
            return answer.status, said
    except UpstreamGone as error:
        words = "The git server does not answer now. Uploading the same again does no harm."
        raise Problem("unavailable", words) from error
