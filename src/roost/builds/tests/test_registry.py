"""Reads of the registry: what is offered, what an image says, and patience with a registry that starts anew."""

import io
import json
import ssl
import urllib.error
import urllib.request
from email.message import Message

import pytest

from roost.builds.registry import Registry, RegistryFailed

Answer = dict[str, object] | int | OSError


class Opener:
    """Gives the answers of each path in turn; the last one stays."""

    def __init__(self, answers: dict[str, list[Answer]]) -> None:
        self.answers = answers
        self.asked: list[urllib.request.Request] = []

    def open(self, request: urllib.request.Request, timeout: float) -> io.BytesIO:
        self.asked.append(request)
        waiting = self.answers.get(request.full_url.partition("/v2/")[2], [404])
        answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if isinstance(answer, OSError):
            raise answer
        if isinstance(answer, int):
            raise urllib.error.HTTPError(request.full_url, answer, "", Message(), None)
        return io.BytesIO(json.dumps(answer).encode())


def made(monkeypatch: pytest.MonkeyPatch, answers: dict[str, list[Answer]]) -> tuple[Registry, Opener, list[float]]:
    opener, pauses = Opener(answers), list[float]()
    monkeypatch.setattr(ssl, "create_default_context", lambda cafile: None)
    monkeypatch.setattr(urllib.request, "HTTPSHandler", lambda context: None)
    monkeypatch.setattr(urllib.request, "build_opener", lambda *handlers: opener)
    return Registry("registry:5000", "token", "ca.crt", pauses.append), opener, pauses


def test_what_is_offered_are_the_tags_of_the_bases(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: dict[str, list[Answer]] = {"base/python/tags/list": [{"tags": ["3.13", "3.11"]}]}
    found, opener, _ = made(monkeypatch, answers)
    assert found.offered(("base/debian", "base/python")) == ("base/python:3.11", "base/python:3.13")
    assert opener.asked[0].get_header("Authorization") == "Bearer token"


def test_an_image_is_read_through_its_manifest(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: dict[str, list[Answer]] = {
        "acme/hello/manifests/sha256:1": [{"config": {"digest": "sha256:2"}}],
        "acme/hello/blobs/sha256:2": [{"config": {"User": "1000"}}],
    }
    found, _, _ = made(monkeypatch, answers)
    assert found.config("acme/hello", "sha256:1") == {"User": "1000"}
    with pytest.raises(RegistryFailed, match="has no image"):
        found.config("acme/hello", "sha256:9")


def test_a_registry_that_starts_anew_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: dict[str, list[Answer]] = {"base/python/tags/list": [OSError("refused"), 503, {"tags": ["3.13"]}]}
    found, _, pauses = made(monkeypatch, answers)
    assert found.offered(("base/python",)) == ("base/python:3.13",)
    assert len(pauses) == 2


def test_a_refusal_is_final(monkeypatch: pytest.MonkeyPatch) -> None:
    found, opener, pauses = made(monkeypatch, {"base/python/tags/list": [401]})
    with pytest.raises(RegistryFailed, match="answered 401"):
        found.offered(("base/python",))
    assert len(opener.asked) == 1 and pauses == []
