"""The client: typed problems, pages, watches that resume, log lines."""

from collections.abc import Callable

import httpx2
import pytest

from roost.surface.client import Api, LogLine, WatchEvent
from roost.surface.problems import Problem


def api(answer: Callable[[httpx2.Request], httpx2.Response]) -> Api:
    """A client whose requests are answered by that function."""
    return Api("https://api.example.org", "rst_x", transport=httpx2.MockTransport(answer), pause=lambda _: None)


def test_a_problem_is_raised_with_its_exit_code() -> None:
    body = {"type": "https://roost.dev/problems/conflict", "detail": "Old.", "requestId": "r1"}
    with api(lambda request: httpx2.Response(409, json=body)) as client, pytest.raises(Problem) as caught:
        client.put("/v1/x", {})
    assert (caught.value.kind, caught.value.exit_code, caught.value.request_id) == ("conflict", 5, "r1")


def test_a_server_that_is_away_or_no_api_is_a_problem() -> None:
    def refuse(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused")

    for answer, kind in (
        (refuse, "unavailable"),
        (lambda request: httpx2.Response(200, text="<html>"), "bad-gateway"),
        (lambda request: httpx2.Response(502, text="<html>"), "bad-gateway"),
    ):
        with api(answer) as client, pytest.raises(Problem) as caught:
            client.get("/v1/me")
        assert caught.value.kind == kind


def test_localhost_names_are_this_machine_and_keep_their_name() -> None:
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, json={})

    with Api("https://api.roost.localhost:8443", transport=httpx2.MockTransport(answer)) as client:
        client.get("/v1/me")
    assert (seen[0].url.host, seen[0].url.port) == ("127.0.0.1", 8443)
    assert seen[0].headers["host"] == "api.roost.localhost:8443"
    assert seen[0].extensions["sni_hostname"] == "api.roost.localhost"


def test_all_pages_are_read() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        rest = request.url.params.get("continue", "")
        following = {"": "1", "1": "2", "2": ""}[rest]
        return httpx2.Response(200, json={"items": [{"n": rest}], "metadata": {"continue": following}})

    with api(answer) as client:
        assert [item["n"] for item in client.items("/v1/tenants", {"labels": "a=b"})] == ["", "1", "2"]


def _event(name: str, number: int, id_: str = "") -> str:
    return f'event: {name}\ndata: {{"n": {number}}}\n' + (f"id: {id_}\n" if id_ else "") + "\n"


def test_a_watch_resumes_from_the_last_position() -> None:
    positions: list[str] = []
    streams = [
        _event("added", 1) + _event("synced", 0, "10") + _event("modified", 2, "11") + _event("bookmark", 0, "12"),
        _event("deleted", 3, "13"),
        _event("reset", 0) + _event("added", 4),
        _event("synced", 0, "20"),
    ]

    def answer(request: httpx2.Request) -> httpx2.Response:
        positions.append(request.headers.get("last-event-id", ""))
        if len(positions) == 2:
            raise httpx2.ReadError("reset")
        text = streams.pop(0)
        return httpx2.Response(200, text=text, headers={"content-type": "text/event-stream"})

    with api(answer) as client:
        events = client.watch("/v1/x")
        got = [next(events) for _ in range(7)]
    assert [event.type for event in got] == ["added", "synced", "modified", "deleted", "reset", "added", "synced"]
    assert got[3] == WatchEvent("deleted", {"n": 3})
    assert positions == ["", "12", "12", "13", ""]


def test_a_watch_that_is_refused_ends() -> None:
    body = {"type": "https://roost.dev/problems/not-found", "detail": "Gone."}
    with api(lambda request: httpx2.Response(404, json=body)) as client, pytest.raises(Problem) as caught:
        next(client.watch("/v1/x"))
    assert caught.value.kind == "not-found"


def test_a_watch_gives_up_on_a_server_that_stays_away() -> None:
    attempts = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        attempts.append(1)
        raise httpx2.ConnectError("refused")

    with api(answer) as client, pytest.raises(Problem) as caught:
        next(client.watch("/v1/x"))
    assert caught.value.kind == "unavailable" and len(attempts) == 9


def test_log_lines_come_without_heartbeats_and_an_error_is_raised() -> None:
    line = '{"time":"t","instance":"i","process":"web","line":"hello"}\n'
    with api(lambda request: httpx2.Response(200, text=line + "\n\n" + line)) as client:
        assert list(client.logs("/v1/x/logs", {"follow": True})) == [LogLine("t", "i", "web", "hello")] * 2
    ended = line + '{"type":"https://roost.dev/problems/forbidden","status":403,"detail":"No."}\n'
    with api(lambda request: httpx2.Response(200, text=ended)) as client, pytest.raises(Problem) as caught:
        list(client.logs("/v1/x/logs"))
    assert caught.value.exit_code == 4
