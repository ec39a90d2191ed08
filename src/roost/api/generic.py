"""The generic routes: list, watch, get, create, replace, patch, delete, batch and operations for every kind that
discovery finds.

One router per kind, so that OpenAPI knows each kind's fields. Reads come from the cache where it may answer, else from
the cluster; everything is done with the caller's own rights. Special routes of a kind stand in other modules.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import QueryParams
from starlette.routing import BaseRoute

from roost.api import batch as batches
from roost.api import kinds as shapes
from roost.api import operations
from roost.api import query as queries
from roost.api.bodies import body_schema, json_response, read_json, read_model
from roost.api.cache import KindCache
from roost.api.context import Caller, CallerDep, Context, ContextDep, authenticate, context
from roost.api.errors import from_kube, from_validation
from roost.api.limits import Slots
from roost.api.objects import POSITION, Collection, DryRun, IfMatch, tagged, version_of
from roost.api.routing import answered_by
from roost.api.seen import least_version
from roost.api.watching import Followed, Watched, follow, stream
from roost.kube.client import Selection
from roost.kube.errors import KubeError
from roost.model.names import API_VERSION
from roost.model.resource import Resource
from roost.surface.problems import forbidden, malformed, unavailable

MAX_PAGE: Final = 500
MAX_READ: Final = 5_000  # Objects that are read from the cluster to sort or filter them.
MAX_KEPT_QUERY: Final = 1_000  # Bytes: queries that are longer are read anew each time.
_THEIRS: Final = "k."  # Before kube-apiserver's own continue tokens.
# Selectors that the cache reads as kube-apiserver does; others are left to it.
_ONE: Final = r"!?[A-Za-z0-9][-A-Za-z0-9_./]{0,316}|[A-Za-z0-9][-A-Za-z0-9_./]{0,316}(=|==|!=)[-A-Za-z0-9_.]{0,63}"
_SELECTOR: Final = re.compile(f"^({_ONE})(,({_ONE}))*\\Z")

# Who sees a collection, and where it is: (context, caller, path parameters) -> namespace or None.
Place = Callable[[Context, Caller, Mapping[str, str]], Awaitable[str | None]]


class Selecting(BaseModel):
    """What of a collection is wanted: the query of a list or watch."""

    model_config = ConfigDict(frozen=True)

    limit: int = Field(100, ge=1, le=MAX_PAGE)
    rest: str = Field("", alias="continue", max_length=4000)
    labels: str = Field("", max_length=1000, description="Label selector.")
    name: str = Field("", max_length=63, pattern=r"^([a-z0-9][-a-z0-9]*)?$")
    watch: bool = Field(False, description="Server-sent events instead of a list.")
    fields: str = Field("", max_length=1000, description="Conditions: path=value,path!=value.")
    sort: str = Field("", max_length=300, description="Fields to sort by; '-' before one: descending.")


SelectingDep = Annotated[Selecting, Query()]


def selecting(query: bytes) -> Selecting:
    """What a query string says; Problem invalid names what does not fit. As FastAPI reads SelectingDep."""
    try:
        return _selecting(query) if len(query) <= MAX_KEPT_QUERY else _selecting.__wrapped__(query)
    except ValidationError as error:
        raise from_validation(error) from error


@lru_cache(maxsize=512)
def _selecting(query: bytes) -> Selecting:
    return Selecting.model_validate(dict(QueryParams(query)))


def selection(collection: Collection, wanted: Selecting) -> Selection:
    """As kube-apiserver takes it."""
    fields = f"metadata.name={wanted.name}" if wanted.name else ""
    return Selection(collection.namespace, wanted.labels, fields)


async def cached(ctx: Context, request: Request, there: Collection, *verbs: str) -> KindCache | None:
    """The cache, where it may answer this caller and is as new as the caller must see it; None: ask the cluster."""
    kept = ctx.cache.of(there.kind.KIND)
    least = least_version(request.headers, request.cookies, there.kind.PLURAL)
    if kept is None or least is None:
        return None
    for verb in verbs:
        if not await ctx.rights.allows(there.caller.principal, verb, there.kind.PLURAL, there.namespace):
            return None
    return kept if await kept.fresh(there.namespace, least) else None


async def listed(ctx: Context, request: Request, there: Collection, wanted: Selecting) -> Response:
    """One page: from the cache, or from the cluster as the caller."""
    query = queries.read(there.kind, wanted.fields, wanted.sort)
    ours = not wanted.rest or wanted.rest.startswith(queries.CURSOR)
    simple = not wanted.labels or _SELECTOR.match(wanted.labels)
    kept = await cached(ctx, request, there, "list") if ours and simple else None
    if kept is None:
        return await _listed_there(there, wanted, query)
    question = (wanted.labels, wanted.name, wanted.fields, wanted.sort, wanted.limit, wanted.rest)
    content = kept.answer(there.namespace, question)
    if content is None:
        items = kept.list(there.namespace, wanted.labels)
        content = paged(items, str(kept.informer.version), wanted, query)
        kept.keep(there.namespace, question, content)
    return Response(content, media_type="application/json")


async def _listed_there(there: Collection, wanted: Selecting, query: queries.Query) -> Response:
    """As kube-apiserver pages it, where the order is its own; else all is read first."""
    plain = not query.filters and not query.sorts
    chosen = selection(there, wanted)
    rest, items = wanted.rest.removeprefix(_THEIRS) if not wanted.rest.startswith(queries.CURSOR) else "", []
    try:
        if plain and not wanted.rest.startswith(queries.CURSOR):
            page = await there.client.page(API_VERSION, there.kind.KIND, chosen, rest, wanted.limit)
            return json_response(page_body(page.items, page.version, _THEIRS + page.rest if page.rest else ""))
        page = await there.client.page(API_VERSION, there.kind.KIND, chosen)
        items = page.items
        while page.rest:
            if len(items) > MAX_READ:
                raise unavailable(f"There are more than {MAX_READ}, and the cache is not filled yet. Try again soon.")
            page = await there.client.page(API_VERSION, there.kind.KIND, chosen, page.rest)
            items += page.items
    except KubeError as error:
        raise from_kube(error, there.what()) from error
    return Response(paged(items, page.version, wanted, query), media_type="application/json")


def paged(items: Sequence[Mapping[str, Any]], version: str, wanted: Selecting, query: queries.Query) -> bytes:
    chosen = [item for item in items if not wanted.name or item["metadata"]["name"] == wanted.name]
    page, rest, total = query.run(chosen, wanted.limit, wanted.rest)
    return msgspec.json.encode(page_body(page, version, rest, total))


def page_body(items: Sequence[Mapping[str, Any]], version: str, rest: str, total: int | None = None) -> dict[str, Any]:
    """A list as it is answered; `total` where it is known."""
    metadata: dict[str, Any] = {"resourceVersion": version, "continue": rest}
    if total is not None:
        metadata["total"] = total
    return {"items": [shapes.shown(item) for item in items], "metadata": metadata}


def position_of(request: Request) -> str:
    """Where a watch goes on: the last event's id, or empty. Problem malformed."""
    text = request.headers.get("last-event-id", "")
    if text and not POSITION.match(text):
        raise malformed("Last-Event-ID carries the id of an event that you were given.")
    return text


def streamed(slots: Slots, caller: Caller, events: AsyncIterator[bytes]) -> Response:
    """The events of a watch; Problem too-many where the caller holds too many streams open."""
    slots.check(caller.person)

    async def chunks() -> AsyncIterator[bytes]:
        with slots.hold(caller.person):
            async for chunk in events:
                yield chunk

    return StreamingResponse(chunks(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


async def watched_response(
    ctx: Context, request: Request, collection: Collection, wanted: Selecting, place: Place
) -> Response:
    """Begin a watch: the right to it is asked for first, so that a refusal is a status and not a stream."""
    chosen = selection(collection, wanted)
    position = position_of(request)
    header = request.headers.get("authorization", "")
    params = {key: str(value) for key, value in request.path_params.items()}
    if wanted.fields or wanted.sort:
        raise malformed("A watch takes `labels` and `name`; `fields` and `sort` are for lists.")

    async def recheck() -> None:
        principal = await ctx.authentication.bearer(header)
        await place(ctx, collection.caller, params)
        if not await ctx.rights.allows(principal, "watch", collection.kind.PLURAL, collection.namespace, anew=True):
            raise forbidden(f"You may no longer watch {collection.what()}.")

    simple = not wanted.labels or _SELECTOR.match(wanted.labels)
    kept = await cached(ctx, request, collection, "list", "watch") if simple else None
    if kept is not None:
        number = None
        if not position or (number := await _number(kept, collection, position)) is not None:
            followed = Followed(
                kept, collection.namespace, wanted.labels, wanted.name, recheck, collection.caller.request_id
            )
            return streamed(ctx.followers, collection.caller, follow(followed, number))
    try:
        await collection.client.page(API_VERSION, collection.kind.KIND, chosen, limit=1)
    except KubeError as error:
        raise from_kube(error, collection.what()) from error
    watched = Watched(
        collection.caller.streaming, API_VERSION, collection.kind.KIND, chosen, recheck, collection.caller.request_id
    )
    return streamed(ctx.streams, collection.caller, stream(watched, position))


async def _number(kept: KindCache, there: Collection, position: str) -> int | None:
    """Where in the history a stream goes on; None where it does not reach so far (or is behind another replica's)."""
    if not await kept.fresh(there.namespace, int(position)):
        return None
    return kept.history.after(int(position))


class _Routes:
    """The router of one kind while it is made."""

    def __init__(self, kind: type[Resource], prefix: str, place: Place, skip: frozenset[str]) -> None:
        self.router = APIRouter(prefix=prefix, tags=[kind.KIND])
        self.kind, self.place, self.skip = kind, place, skip

        async def collection(request: Request, ctx: ContextDep, caller: CallerDep) -> Collection:
            params = {key: str(value) for key, value in request.path_params.items()}
            return Collection(kind, await place(ctx, caller, params), caller.client, caller)

        self.collection = collection
        self.there = Depends(collection)

    def add(
        self, name: str, method: str, path: str, endpoint: Callable[..., Any], answer: type[BaseModel] | None = None
    ) -> BaseRoute | None:
        """One route, or None where it stands elsewhere. `answer`: the model of what it gives."""
        if name in self.skip:
            return None
        status = _STATUS.get(name, 200)
        self.router.add_api_route(
            path,
            endpoint,
            methods=[method],
            operation_id=f"{name}{self.kind.KIND}",
            summary=f"{_SUMMARIES[name]}: {self.kind.KIND}",
            status_code=status,
            responses={status: {"model": answer}} if answer else None,
            openapi_extra=body_schema("Batch" if name == "batch" else self.kind.KIND) if name in _BODIED else None,
        )
        return self.router.routes[-1]

    def add_read(
        self,
        name: str,
        path: str,
        endpoint: Callable[..., Awaitable[Response]],
        given: Callable[[Request], Any],
        answer: type[BaseModel] | None = None,
    ) -> None:
        """A read: what its endpoint takes is worked out here, and not by FastAPI, which only tells of it.

        endpoint: takes request, context, collection and what `given` makes of the request.
        """

        async def read(request: Request) -> Response:
            ctx = context(request)
            there = await self.collection(request, ctx, await authenticate(request))
            return await endpoint(request, ctx, there, given(request))

        route = self.add(name, "GET", path, endpoint, answer)
        if route is not None:
            answered_by(route, read)


_STATUS: Final = {"create": 201, "delete": 202, "batch": 207}
_BODIED: Final = frozenset(["create", "replace", "patch", "batch"])
_SUMMARIES: Final = {
    "list": "List or watch",
    "get": "Get one",
    "operations": "Who did what",
    "create": "Create",
    "replace": "Replace",
    "patch": "Change",
    "delete": "Delete",
    "batch": "Several changes",
}


def router_for(kind: type[Resource], prefix: str, place: Place, skip: frozenset[str] = frozenset()) -> APIRouter:
    """The routes of one kind beneath `prefix`. `skip`: `list`, `get`, `create`, `delete` that stand elsewhere."""
    routes = _Routes(kind, prefix, place, skip)
    _add_reads(routes)
    _add_writes(routes)
    return routes.router


def _add_reads(routes: _Routes) -> None:
    There = Annotated[Collection, routes.there]

    async def get_list(request: Request, ctx: ContextDep, there: There, wanted: SelectingDep) -> Response:
        if wanted.watch:
            return await watched_response(ctx, request, there, wanted, routes.place)
        return await listed(ctx, request, there, wanted)

    async def get_one(request: Request, ctx: ContextDep, there: There, name: str) -> Response:
        kept = await cached(ctx, request, there, "get")
        # What the cache does not have may have just been made.
        raw = kept.get(there.namespace, shapes.checked_name(there.kind, name)) if kept is not None else None
        return tagged(await there.get(name) if raw is None else raw)

    async def get_operations(there: There, name: str) -> Response:
        return json_response(operations.read(await there.get(name)).wire())

    routes.add_read("list", "", get_list, lambda request: selecting(request.scope["query_string"]))
    routes.add_read("get", "/{name}", get_one, lambda request: str(request.path_params["name"]), routes.kind)
    routes.add("operations", "GET", "/{name}/operations", get_operations, operations.Operations)


def _add_writes(routes: _Routes) -> None:
    There = Annotated[Collection, routes.there]

    async def create(request: Request, there: There, dry_run: DryRun = False) -> Response:
        return tagged(await there.create(await read_json(request), dry_run), 201)

    async def replace(
        request: Request, there: There, name: str, if_match: IfMatch = None, dry_run: DryRun = False
    ) -> Response:
        return tagged(await there.replace(name, await read_json(request), version_of(if_match), dry_run))

    async def patch(
        request: Request, there: There, name: str, if_match: IfMatch = None, dry_run: DryRun = False
    ) -> Response:
        return tagged(await there.patch(name, await read_json(request), version_of(if_match), dry_run))

    async def delete(there: There, name: str, if_match: IfMatch = None, dry_run: DryRun = False) -> Response:
        await there.delete(name, version_of(if_match), dry_run)
        return json_response({}, 202)

    async def batch(request: Request, ctx: ContextDep, there: There, dry_run: DryRun = False) -> Response:
        results = await batches.run(ctx, there, await read_model(request, batches.Batch), dry_run)
        return json_response(results.wire(), 207)

    routes.add("create", "POST", "", create, routes.kind)
    routes.add("replace", "PUT", "/{name}", replace, routes.kind)
    routes.add("patch", "PATCH", "/{name}", patch, routes.kind)
    routes.add("delete", "DELETE", "/{name}", delete)
    # Where a kind's writes have routes of their own, they are more than a write.
    if not routes.skip.intersection(("create", "patch", "delete")):
        routes.add("batch", "POST", "/batch", batch, batches.BatchResults)
