"""Runs that a person starts: the API decides who may and checks the parameters; the git server looks up the ref."""

from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from roost.api.bodies import body_schema, read_model
from roost.api.context import ContextDep
from roost.api.errors import from_kube
from roost.api.hooks import Change, Followed
from roost.api.objects import tagged
from roost.api.passthrough import Headers, Outgoing, UpstreamGone, exchange
from roost.kube.errors import KubeError
from roost.model.kinds.delivery import Run
from roost.model.kinds.triggers import ParameterRefused, Values, resolve
from roost.model.names import API_VERSION, BUILD, namespace
from roost.surface.problems import Problem, invalid

router = APIRouter(tags=["Run"])
MAX_ANSWER: Final = 64 << 10
_KINDS: Final = {400: "invalid", 404: "not-found", 409: "conflict", 413: "too-large"}


class StartRun(BaseModel):
    """What is to be started."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ref: str = Field("", max_length=250, description="A branch or a tag; empty: the project's branch.")
    parameters: Values = Field({}, description="Values that differ from the project's defaults.")
    key: str = Field(
        "",
        max_length=100,
        pattern=r"^([A-Za-z0-9_.:-]{8,100})?$",
        description="Of your own, 8 to 100 characters: the same key starts the same run, however often it is sent.",
    )


@router.post(
    "/v1/tenants/{tenant}/projects/{name}/runs",
    operation_id="startRun",
    summary="Start a run",
    status_code=201,
    responses={201: {"model": Run}},
    openapi_extra=body_schema("StartRun"),
)
async def start(request: Request, ctx: ContextDep, there: Change) -> Response:
    """Run the project's branch, or another branch or tag, as it stands now."""
    wanted = await read_model(request, StartRun)
    try:
        resolve(there.project.spec.parameters, wanted.parameters)
    except ParameterRefused as error:
        raise invalid(f"parameters.{error.name[:63]}", error.message) from error
    body = {**wanted.model_dump(), "key": wanted.key or f"request-{there.caller.request_id}"}
    status, said = await _pass_on(ctx.settings.git_url, _headers(there, ctx.git_secret()), there, body)
    if status != 201:
        words = said.decode(errors="replace").strip()[:600]
        raise Problem(_KINDS.get(status, "unavailable"), words or "The git server does not answer. Try again.")
    name = str(msgspec.json.decode(said)["run"])
    try:
        raw = await there.caller.client.get(API_VERSION, Run.KIND, name, namespace(there.tenant, BUILD))
    except KubeError as error:
        raise from_kube(error, f"run {name!r}") from error
    if raw is None:
        raise Problem("unavailable", f"The run {name} was made and is gone already.")
    return tagged(raw, 201)


def _headers(there: Followed, secret: str) -> Headers:
    own = {
        "X-Roost-Tenant": there.tenant,
        "X-Roost-Project": there.project.metadata.name,
        "X-Roost-Person": there.caller.person,
        "X-Roost-Shared": secret,
        "Content-Type": "application/json",
    }
    return [(key.encode(), value.encode()) for key, value in own.items()]


async def _pass_on(git_url: str, headers: Headers, there: Followed, body: dict[str, Any]) -> tuple[int, bytes]:
    content = msgspec.json.encode(body)

    async def whole() -> AsyncIterator[bytes]:
        yield content

    async def stays() -> None:
        return

    target = f"/starts/{there.tenant}/{there.project.metadata.name}"
    try:
        async with exchange(git_url, Outgoing("POST", target, headers, whole(), len(content), stays)) as answer:
            said = b""
            async for chunk in answer.body:
                said += chunk
                if len(said) > MAX_ANSWER:
                    break
            return answer.status, said
    except UpstreamGone as error:
        raise Problem("unavailable", "The git server does not answer now. Try again.") from error
