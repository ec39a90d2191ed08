"""What gateways counted is read from their own text, and unknown where one is silent."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from roost.adapters.gateway import Counted, counted, read, together

# As Traefik 3.7 says it.
LINES = """\
traefik_service_request_duration_seconds_bucket{code="200",method="GET",protocol="http",service="app@k",le="0.1"} 90
traefik_service_request_duration_seconds_bucket{code="200",method="GET",protocol="http",service="app@k",le="0.5"} 95
traefik_service_request_duration_seconds_bucket{code="200",method="GET",protocol="http",service="app@k",le="+Inf"} 97
traefik_service_request_duration_seconds_sum{code="200",method="GET",protocol="http",service="app@k"} 3.5
traefik_service_request_duration_seconds_count{code="200",method="GET",protocol="http",service="app@k"} 97
traefik_service_requests_total{code="200",method="GET",protocol="http",service="app@k"} 97
traefik_service_requests_total{code="502",method="GET",protocol="http",service="app@k"} 3
traefik_service_requests_total{code="404",method="GET",protocol="http",service="app@k"} 5
traefik_service_requests_total{code="499",method="GET",protocol="http",service="app@k"} 2
"""


def test_requests_failures_and_slow_answers_are_summed() -> None:
    assert read(LINES, 0) == Counted(107, 3, 0)
    assert read(LINES, 0.1) == Counted(107, 3, 7)
    assert read(LINES, 0.3) == Counted(107, 3, 2)
    assert read(LINES, 60) == Counted(107, 3, 0)
    assert read("", 0.1) == Counted(0, 0, 0)


def test_gateways_are_summed_and_a_silent_one_makes_it_unknown() -> None:
    assert together({"a": LINES, "b": LINES}, 0) == Counted(214, 6, 0)
    assert together({"a": LINES, "b": None}, 0) is None
    assert together({}, 0) is None
    assert together([], 0) is None


@contextmanager
def answering(text: str, status: int = 200) -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *arguments: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def test_it_asks_by_the_addresses_of_instances() -> None:
    with answering(json.dumps({"a": LINES})) as (url, asked):
        assert await counted(url, ["10.0.0.5", "10.0.0.6"]) == Counted(107, 3, 0)
    assert parse_qs(urlsplit(asked[0]).query) == {"address": ["10.0.0.5", "10.0.0.6"]}


@pytest.mark.parametrize(("text", "status"), [("<html>", 200), ("{}", 503), ('{"a": null}', 200), ('{"a": "x{"}', 200)])
async def test_what_cannot_be_read_is_unknown(text: str, status: int) -> None:
    with answering(text, status) as (url, _):
        assert await counted(url, []) is None


async def test_nobody_there_is_unknown() -> None:
    assert await counted("http://127.0.0.1:1", []) is None
