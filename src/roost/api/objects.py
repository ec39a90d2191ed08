"""The generic routes: list, watch, get, create, replace, patch and delete for every kind that discovery finds.

One router per kind, so that OpenAPI knows each kind's fields. Everything is done with the caller's own rights;
kube-apiserver decides. Special routes of a kind stand in other modules.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import Response, StreamingResponse

from roost.api import kinds as shapes
from roost.api.bodies import body_schema, json_response, read_json
from roost.api.context import Caller, CallerDep, Context, ContextDep
from roost.api.errors import from_kube
from roost.api.watching import Watched, stream
from roost.kube.client import Client, Selection
from roost.kube.errors import Conflict, KubeError
from roost.model.names import API_VERSION, GROUP, VERSION
from roost.model.resource import Resource
from roost.surface.problems import Problem, conflict, invalid, malformed, not_found

MANAGER: Final = "roost-api"
MAX_PAGE: Final = 500
ATTEMPTS: Final = 6
_POSITION: Final = re.compile(r"^[1-9][0-9]{0,19}\Z")

# Who sees a collection, and where it is: (context, caller, path parameters) -> namespace or None.
Place = Callable[[Context, Caller, Mapping[str, str]], Awaitable[str | None]]


@dataclass(frozen=True)
class Collection:
    """A kind in a place, as one caller."""

    kind: type[Resource]
    namespace: str | None
    client: Client
    caller: Caller

    def what(self, name: str = "") -> str:
        """For messages: `app 'shop' in acme-dev`."""
        text = self.kind.KIND.lower() + (f" {name[:80]!r}" if name else "s")
        return f"{text} in {self.namespace}" if self.namespace else text

    async def get(self, name: str) -> dict[str, Any]:
        """The object; Problem not-found, forbidden."""
        checked = shapes.checked_name(self.kind, name)
        try:
            raw = await self.client.get(API_VERSION, self.kind.KIND, checked, self.namespace)
        except KubeError as error:
            raise from_kube(error, self.what(name)) from error
        if raw is None:
            raise not_found(self.what(name))
        return raw

    async def create(self, body: Mapping[str, Any], dry_run: bool) -> dict[str, Any]:
        """The object as made."""
        manifest = shapes.new_manifest(self.kind, body, self.namespace)
        shapes.sign(manifest, self.caller.person, self.caller.request_id)
        try:
            return await self.client.create(manifest, MANAGER, dry_run)
        except KubeError as error:
            raise from_kube(error, self.what(manifest["metadata"]["name"])) from error

    async def change(
        self,
        name: str,
        how: Callable[[dict[str, Any]], dict[str, Any]],
        seen: str = "",
        dry_run: bool = False,
        cause: str = "",
    ) -> dict[str, Any]:
        """Replace the object by `how(object)`, signed. `seen`: the version that the caller saw; another is a conflict.

        Without `seen` a change of somebody else in between makes it begin again, so nothing is lost.
        """
        for _ in range(ATTEMPTS):
            current = await self.get(name)
            if seen and current["metadata"]["resourceVersion"] != seen:
                break
            manifest = shapes.sign(how(current), self.caller.person, self.caller.request_id, cause)
            try:
                return await self.client.replace(manifest, MANAGER, dry_run)
            except Conflict:
                continue
            except KubeError as error:
                raise from_kube(error, self.what(name)) from error
        raise conflict(f"The {self.what(name)} was changed meanwhile. Read it again and repeat your change.")

    async def delete(self, name: str, seen: str, dry_run: bool) -> None:
        """Delete the object and what belongs to it."""
        checked = shapes.checked_name(self.kind, name)
        options: dict[str, Any] = {"propagationPolicy": "Background"}
        if seen:
            options["preconditions"] = {"resourceVersion": seen}
        if dry_run:
            # In the body: kube-apiserver reads no query parameters of a delete that has one.
            options["dryRun"] = ["All"]
        scope = f"namespaces/{self.namespace}/" if self.namespace else ""
        path = f"apis/{GROUP}/{VERSION}/{scope}{self.kind.PLURAL}/{checked}"
        try:
            await self.client.request("DELETE", path, options)
        except KubeError as error:
            raise from_kube(error, self.what(name)) from error


def version_of(if_match: str | None) -> str:
    """The version in an `If-Match` header, or empty. Problem malformed."""
    text = (if_match or "").strip().removeprefix("W/").strip('"')
    if text in ("", "*"):
        return ""
    if not _POSITION.match(text):
        raise malformed('If-Match carries the ETag as it was given, e.g. "12345".')
    return text


def tagged(raw: Mapping[str, Any], status: int = 200) -> Response:
    """An object as an answer, with its version as ETag (a creation that was only tried has none)."""
    version = raw["metadata"].get("resourceVersion")
    return json_response(shapes.shown(raw), status, {"ETag": f'"{version}"'} if version else None)


DryRun = Annotated[bool, Query(alias="dryRun", description="Check everything, keep nothing.")]
IfMatch = Annotated[str | None, Header(alias="If-Match", max_length=60, description="The ETag that you saw.")]


@dataclass(frozen=True)
class Selecting:
    """What of a collection is wanted."""

    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100
    rest: Annotated[str, Query(alias="continue", max_length=4000)] = ""
    labels: Annotated[str, Query(max_length=1000, description="Label selector.")] = ""
    name: Annotated[str, Query(max_length=63, pattern=r"^([a-z0-9][-a-z0-9]*)?$")] = ""
    watch: Annotated[bool, Query(description="Server-sent events instead of a list.")] = False


def selection(collection: Collection, wanted: Selecting) -> Selection:
    """As kube-apiserver takes it."""
    fields = f"metadata.name={wanted.name}" if wanted.name else ""
    return Selection(collection.namespace, wanted.labels, fields)


async def listed(collection: Collection, wanted: Selecting) -> Response:
    """One page."""
    try:
        page = await collection.client.page(
            API_VERSION, collection.kind.KIND, selection(collection, wanted), wanted.rest, wanted.limit
        )
    except KubeError as error:
        raise from_kube(error, collection.what()) from error
    return json_response(
        {
            "items": [shapes.shown(item) for item in page.items],
            "metadata": {"resourceVersion": page.version, "continue": page.rest},
        }
    )


def position_of(request: Request) -> str:
    """Where a watch goes on: the last event's id, or empty. Problem malformed."""
    text = request.headers.get("last-event-id", "")
    if text and not _POSITION.match(text):
        raise malformed("Last-Event-ID carries the id of an event that you were given.")
    return text


def streamed(ctx: Context, caller: Caller, watched: Watched, position: str) -> Response:
    """The events of a watch; Problem too-many where the caller holds too many streams open."""
    ctx.streams.check(caller.person)

    async def chunks() -> AsyncIterator[bytes]:
        with ctx.streams.hold(caller.person):
            async for chunk in stream(watched, position):
                yield chunk

    return StreamingResponse(chunks(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


async def watched_response(
    ctx: Context, request: Request, collection: Collection, wanted: Selecting, place: Place
) -> Response:
    """Begin a watch: the right to it is asked for first, so that a refusal is a status and not a stream."""
    chosen = selection(collection, wanted)
    position = position_of(request)
    try:
        await collection.client.page(API_VERSION, collection.kind.KIND, chosen, limit=1)
    except KubeError as error:
        raise from_kube(error, collection.what()) from error
    header = request.headers.get("authorization", "")
    params = {key: str(value) for key, value in request.path_params.items()}

    async def recheck() -> None:
        await ctx.authentication.bearer(header)
        await place(ctx, collection.caller, params)

    watched = Watched(
        collection.caller.streaming, API_VERSION, collection.kind.KIND, chosen, recheck, collection.caller.request_id
    )
    return streamed(ctx, collection.caller, watched, position)


def router_for(kind: type[Resource], prefix: str, place: Place, skip: frozenset[str] = frozenset()) -> APIRouter:
    """The routes of one kind beneath `prefix`. `skip`: `list`, `get`, `create`, `delete` that stand elsewhere."""
    router = APIRouter(prefix=prefix, tags=[kind.KIND])
    answers: dict[int | str, dict[str, Any]] = {200: {"model": kind}}
    label = kind.KIND

    async def collection(request: Request, ctx: ContextDep, caller: CallerDep) -> Collection:
        params = {key: str(value) for key, value in request.path_params.items()}
        return Collection(kind, await place(ctx, caller, params), caller.client, caller)

    There = Annotated[Collection, Depends(collection)]

    async def get_list(
        request: Request, ctx: ContextDep, there: There, wanted: Annotated[Selecting, Depends()]
    ) -> Response:
        if wanted.watch:
            return await watched_response(ctx, request, there, wanted, place)
        return await listed(there, wanted)

    async def get_one(there: There, name: str) -> Response:
        return tagged(await there.get(name))

    async def create(request: Request, there: There, dry_run: DryRun = False) -> Response:
        return tagged(await there.create(await read_json(request), dry_run), 201)

    async def replace(
        request: Request, there: There, name: str, if_match: IfMatch = None, dry_run: DryRun = False
    ) -> Response:
        body = await read_json(request)
        metadata = shapes.read_body(kind, body)
        seen = version_of(if_match) or _body_version(metadata)
        if not seen:
            raise Problem(
                "precondition-required", "Send the ETag that you saw as If-Match, or metadata.resourceVersion."
            )
        return tagged(await there.change(name, lambda raw: shapes.replaced(kind, raw, body), seen, dry_run))

    async def patch(
        request: Request, there: There, name: str, if_match: IfMatch = None, dry_run: DryRun = False
    ) -> Response:
        body = await read_json(request)
        seen = version_of(if_match) or _body_version(shapes.read_body(kind, body))
        return tagged(await there.change(name, lambda raw: shapes.patched(kind, raw, body), seen, dry_run))

    async def delete(there: There, name: str, if_match: IfMatch = None, dry_run: DryRun = False) -> Response:
        await there.delete(name, version_of(if_match), dry_run)
        return json_response({}, 202)

    def add(route: str, path: str, method: str, endpoint: Callable[..., Any], **more: Any) -> None:
        if route not in skip:
            router.add_api_route(path, endpoint, methods=[method], operation_id=f"{route}{label}", **more)

    body = body_schema(label)
    add("list", "", "GET", get_list, summary=f"List or watch: {label}")
    add("get", "/{name}", "GET", get_one, summary=f"Get one: {label}", responses=answers)
    created: dict[int | str, dict[str, Any]] = {201: {"model": kind}}
    add(
        "create", "", "POST", create, summary=f"Create: {label}", status_code=201, responses=created, openapi_extra=body
    )
    add("replace", "/{name}", "PUT", replace, summary=f"Replace: {label}", responses=answers, openapi_extra=body)
    add("patch", "/{name}", "PATCH", patch, summary=f"Change: {label}", responses=answers, openapi_extra=body)
    add("delete", "/{name}", "DELETE", delete, summary=f"Delete: {label}", status_code=202)
    return router


def _body_version(metadata: Mapping[str, Any]) -> str:
    version = metadata.get("resourceVersion", "")
    if version and (not isinstance(version, str) or not _POSITION.match(version)):
        raise invalid("metadata.resourceVersion", "It must be the version that you were given, as text.")
    return str(version)
