"""Routing: which route answers a request, found by the segments of its path. The factory puts it before all routes.

FastAPI asks its routes one after the other, some 300 patterns, which took more of a read than all that the read does
(docs/decisions/0300). Routes themselves stay FastAPI's: here is only decided which of them are worth asking.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Match, request_response
from starlette.types import Receive, Scope, Send

_FOUND: Final = "roost.route"


@dataclass
class _Node:
    """Where a path stands after some of its segments. Numbers are those of routes, in their order."""

    literal: "dict[str, _Node]" = field(default_factory=dict)
    any: "_Node | None" = None
    ends: list[int] = field(default_factory=list)  # Routes whose path ends here,
    beyond: list[int] = field(default_factory=list)  # and those that take whatever follows.

    def after(self, segment: str) -> "_Node":
        """The node of that segment of a route's path, made where there is none."""
        if "{" not in segment:
            return self.literal.setdefault(segment, _Node())
        self.any = self.any or _Node()
        return self.any


class Switch(BaseRoute):
    """Stands for all routes. Asks, in their order, only those whose segments fit; what no route takes fully (404, 405),
    it leaves to the search that comes after it."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._routes = tuple(routes)
        self._root = _Node()
        for number, route in enumerate(self._routes):
            node = self._root
            for segment in str(getattr(route, "path", "{:path}")).split("/"):
                if segment.endswith(":path}"):
                    node.beyond.append(number)
                    break
                node = node.after(segment)
            else:
                node.ends.append(number)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """The first route that takes the request."""
        for number in self._fitting(scope["path"]):
            route = self._routes[number]
            match, child = route.matches(scope)
            if match is Match.FULL:
                return match, {**child, _FOUND: route}
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let it answer."""
        await scope[_FOUND].handle(scope, receive, send)

    def _fitting(self, path: str) -> list[int]:
        nodes, found = [self._root], []
        for segment in path.split("/"):
            following = []
            for node in nodes:
                found += node.beyond
                literal = node.literal.get(segment)
                following += [each for each in (literal, node.any) if each is not None]
            nodes = following
        for node in nodes:
            found += node.ends
        return sorted(found)


def mount(router: APIRouter, part: APIRouter) -> None:
    """Add the routes of `part` as they are: FastAPI's own way asks each of them twice."""
    router.routes.extend(part.routes)


def answered_by(route: BaseRoute, answer: Callable[[Request], Awaitable[Response]]) -> None:
    """Let `answer` read the request; FastAPI goes on to describe the route by the signature of its endpoint."""
    assert isinstance(route, APIRoute)
    route.app = request_response(answer)
