"""Digests of images: what the registry says, asked now and then, and never a reason to stop."""

import asyncio
import http.client
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from roost.capabilities.project.images import Images
from roost.capabilities.project.model import may_follow
from roost.settings import Settings
from roost.surface.registry import new_key

DIGEST = "sha256:" + "1" * 64


class Registry(ThreadingHTTPServer):
    """Names digests, and keeps what it is asked."""

    def __init__(self) -> None:
        self.digests = {"/v2/base/python/manifests/3.13": DIGEST}
        self.asked: list[tuple[str, str]] = []
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: Registry

    def do_HEAD(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Authorization", "")))
        digest = self.server.digests.get(self.path)
        self.send_response(200 if digest else 404)
        if digest:
            self.send_header("Docker-Content-Digest", digest)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def registry() -> Iterator[Registry]:
    server = Registry()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "key.pem").write_bytes(new_key())
    return replace(Settings(), registry_key=str(tmp_path / "key.pem"))


def images(registry: Registry, fresh_s: float = 60.0) -> Images:
    return Images(lambda _: lambda: http.client.HTTPConnection("127.0.0.1", registry.server_address[1]), fresh_s)


NAMES = ("base/python:3.13", "acme/none:latest")


def test_what_the_registry_has_is_told_and_the_rest_is_left_out(registry: Registry, settings: Settings) -> None:
    assert asyncio.run(images(registry).digests(NAMES, settings)) == {"base/python:3.13": DIGEST}
    assert [path for path, _ in registry.asked] == ["/v2/acme/none/manifests/latest", "/v2/base/python/manifests/3.13"]
    assert all(token.startswith("Bearer ") for _, token in registry.asked)


def test_it_is_asked_now_and_then(registry: Registry, settings: Settings) -> None:
    async def twice(fresh_s: float) -> int:
        looked = images(registry, fresh_s)
        for _ in range(2):
            await looked.digests(NAMES[:1], settings)
        return len(registry.asked)

    assert asyncio.run(twice(60.0)) == 1
    assert asyncio.run(twice(0.0)) == 3


def test_a_registry_that_is_away_stops_nothing(registry: Registry, settings: Settings, tmp_path: Path) -> None:
    away = Images(lambda _: lambda: http.client.HTTPConnection("127.0.0.1", 1))
    assert asyncio.run(away.digests(NAMES, settings)) == {}
    assert asyncio.run(Images().digests(NAMES, replace(settings, trust_bundle=str(tmp_path / "none")))) == {}
    assert asyncio.run(images(registry).digests(NAMES, replace(settings, registry_key=str(tmp_path / "none")))) == {}
    assert asyncio.run(images(registry).digests((), settings)) == {} and registry.asked == []


@pytest.mark.parametrize(
    ("image", "may"),
    [
        ("base/python:3.13", True),
        ("acme/tools:latest", True),
        ("acmeother/tools:latest", False),
        ("other/tools:latest", False),
        ("registry/x:1", False),
    ],
)
def test_only_what_the_tenant_may_pull_is_looked_after(image: str, may: bool) -> None:
    assert may_follow(image, "acme") is may
