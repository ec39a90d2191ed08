"""Routes are found as FastAPI's own search finds them, and queries of reads are read as FastAPI reads them."""

from collections.abc import Iterator
from typing import Any, cast

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.testclient import TestClient
from starlette.routing import BaseRoute, Match

from roost.api.app import Secrets, create_app
from roost.api.errors import from_validation, install
from roost.api.generic import MAX_KEPT_QUERY, Selecting, SelectingDep, _selecting, selecting
from roost.api.routing import Switch, answered_by, mount
from roost.kube.client import Client
from roost.settings import Settings
from roost.surface.problems import Problem

METHODS = ("GET", "POST", "PATCH", "WS")
VALUES = ("shop", "")


@pytest.fixture(scope="module")
def routes() -> list[BaseRoute]:
    """The routes of the whole API, the switch before them."""
    app = create_app(Settings(), cast(Client, None), Secrets(lambda: "", lambda: b""))
    return list(app.router.routes)


def _scope(path: str, method: str) -> dict[str, Any]:
    kind = "websocket" if method == "WS" else "http"
    return {"type": kind, "method": method, "path": path, "root_path": "", "headers": [], "query_string": b""}


def _first(routes: list[BaseRoute], path: str, method: str) -> BaseRoute | None:
    """The first that takes it, asked one after the other."""
    for route in routes:
        if route.matches(_scope(path, method))[0] is Match.FULL:
            return route
    return None


def _paths(routes: list[BaseRoute]) -> Iterator[str]:
    """The path of every route, with values of all sorts, and what stands just beside it."""
    for pattern in sorted({str(getattr(route, "path", "")) for route in routes}):
        parts = pattern.split("/")
        for value in VALUES:
            path = "/".join(value if part.startswith("{") else part for part in parts)
            yield from (path, path + "/")
        yield pattern.replace("{tenant}", "acme").replace("{project}", "shop").replace("{rest:path}", "info/refs")


def test_the_switch_finds_what_asking_every_route_finds(routes: list[BaseRoute]) -> None:
    switch, others = routes[0], routes[1:]
    assert isinstance(switch, Switch) and len(others) > 100
    found = 0
    for path in dict.fromkeys(_paths(others)):
        for method in METHODS:
            match, child = switch.matches(_scope(path, method))
            wanted = _first(others, path, method)
            assert child.get("roost.route") is wanted, (method, path)
            assert (match is Match.FULL) == (wanted is not None)
            found += wanted is not None
    assert found >= len(others)  # The comparison is not one of nothings.


def test_every_route_can_be_found(routes: list[BaseRoute]) -> None:
    """No route is hidden behind an earlier one of the same pattern and method."""
    switch, seen = routes[0], set()
    for route in routes[1:]:
        for method in getattr(route, "methods", None) or ("GET", "WS"):
            path = str(getattr(route, "path", "")).replace("{", "").replace("}", "").replace(":path", "")
            seen.add(id(switch.matches(_scope(path, method))[1].get("roost.route")))
    assert seen >= {id(route) for route in routes[1:]}


def test_the_order_of_routes_counts() -> None:
    router = APIRouter()
    for path in ("/x/{name}", "/x/batch", "/{any}/{name}"):
        router.add_api_route(path, lambda: None, methods=["GET"])
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    mount(app.router, router)
    switch = Switch(app.router.routes)
    assert switch.matches(_scope("/x/batch", "GET"))[1]["roost.route"] is router.routes[0]
    assert switch.matches(_scope("/y/batch", "GET"))[1]["roost.route"] is router.routes[2]
    assert switch.matches(_scope("/x/batch/", "GET"))[0] is Match.NONE


QUERIES = (
    "",
    "limit=5&sort=metadata.name",
    "limit=0",
    "limit=501&watch=perhaps",
    "limit=",
    "limit=1&limit=2",
    "limit=1.0",
    "limit=%31",
    "watch=1",
    "watch=",
    "continue=abc&rest=other",
    "labels=tier%3Da%2Cb!%3Dc&unknown=1",
    "name=Shop",
    "name=shop&name=",
    "name=" + "a" * 64,
    "fields=spec.stopped%3Dtrue;sort=x",
    "sort=" + "a" * 301,
    "labels=%FF%00&name=%E2%82%AC",
    "limit=5&" + "x=1&" * MAX_KEPT_QUERY,
    "&&=&limit",
)


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_is_read_as_fastapi_reads_it(query: str) -> None:
    app = FastAPI()
    install(app)

    @app.get("/")
    async def read(wanted: SelectingDep) -> Any:
        return wanted.model_dump()

    answer = TestClient(app).get("/?" + query)
    for _ in range(2):  # The second time it may be remembered.
        try:
            mine: Any = selecting(query.encode()).model_dump()
        except Problem as problem:
            assert answer.status_code == 422
            assert answer.json() == problem.body("")
        else:
            assert answer.json() == mine


def test_long_queries_are_not_kept() -> None:
    _selecting.cache_clear()
    assert selecting(b"limit=7&" + b"x" * MAX_KEPT_QUERY).limit == 7
    assert _selecting.cache_info().currsize == 0
    assert selecting(b"limit=7") == Selecting(limit=7)
    assert _selecting.cache_info().currsize == 1


def test_errors_of_a_route_that_reads_itself_become_problems() -> None:
    app = FastAPI()
    install(app)

    async def described(wanted: SelectingDep) -> Any:
        raise AssertionError("FastAPI must not call it.")

    async def answer(request: Any) -> Any:
        selecting(request.scope["query_string"])
        raise from_validation(RequestValidationError([]))

    app.router.add_api_route("/x", described, methods=["GET"])
    answered_by(app.router.routes[-1], answer)
    assert TestClient(app).get("/x?limit=0").json()["errors"][0]["field"] == "limit"
