"""The client: requests are built fresh, answers become typed errors, streams end with a reason."""

import json
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from lightkube.config.kubeconfig import KubeConfig

from roost.kube import errors
from roost.kube.client import Client, Selection
from roost.kube.transport import Transport, read_config
from roost.model.names import API_VERSION

RESOURCES = [
    {"name": "apps", "kind": "App", "namespaced": True},
    {"name": "apps/status", "kind": "App", "namespaced": True},
    {"name": "tenants", "kind": "Tenant", "namespaced": False},
]
APP = {"apiVersion": API_VERSION, "kind": "App", "metadata": {"name": "hello", "namespace": "acme-dev"}}


class Server:
    """A stand-in for kube-apiserver: answers with what it is told, remembers what it was asked."""

    def __init__(self, *answers: httpx2.Response) -> None:
        self.answers = list(answers)
        self.asked: list[httpx2.Request] = []
        self.tokens: list[str] = []
        self.discoveries = 0

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request."""
        if request.url.path == f"/apis/{API_VERSION}":
            self.discoveries += 1
            return httpx2.Response(200, json={"resources": RESOURCES})
        if request.url.path.count("/") <= 3 and request.method == "GET" and "apps" not in request.url.path:
            return httpx2.Response(404, json={"kind": "Status", "message": "no such group", "reason": "NotFound"})
        self.asked.append(request)
        self.tokens.append(request.headers["authorization"])
        return self.answers.pop(0)

    def client(self, token_file: str = "") -> Client:
        """A client that talks to it."""
        user = {"token": "secret"} if not token_file else {"tokenFile": token_file}
        config = KubeConfig.from_dict(
            {
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": {"server": "https://there"}}],
                "users": [{"name": "u", "user": user}],
            }
        ).get()
        assert config is not None
        return Client(Transport(config, "roost-unit", httpx2.MockTransport(self)))


def status(code: int, reason: str = "", headers: dict[str, str] | None = None, **more: Any) -> httpx2.Response:
    """A Status object as an answer."""
    body = {"kind": "Status", "code": code, "reason": reason, "message": f"no: {reason}", **more}
    return httpx2.Response(code, json=body, headers=headers)


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (status(400, "BadRequest"), errors.BadRequest),
        (status(401, "Unauthorized"), errors.Unauthorized),
        (status(403, "Forbidden"), errors.Forbidden),
        (status(409, "Conflict"), errors.Conflict),
        (status(409, "AlreadyExists"), errors.AlreadyExists),
        (status(410, "Expired"), errors.Gone),
        (status(413, "RequestEntityTooLarge"), errors.TooLarge),
        (status(422, "Invalid"), errors.Invalid),
        (status(418, "Teapot"), errors.RefusedError),
        (status(429, "TooManyRequests"), errors.TooManyRequests),
        (status(500, "InternalError"), errors.Unavailable),
        (status(504, "Timeout", details={"causes": [{"reason": "ResourceVersionTooLarge"}]}), errors.Gone),
        (httpx2.Response(503, text="<html>upstream</html>"), errors.Unavailable),
        (httpx2.Response(502, json=["not", "a", "status"]), errors.Unavailable),
    ],
)
async def test_an_answer_becomes_its_error(answer: httpx2.Response, wanted: type[Exception]) -> None:
    with pytest.raises(wanted) as caught:
        await Server(answer).client().create(APP)
    assert type(caught.value) is wanted and str(caught.value)


async def test_the_wish_to_wait_is_kept() -> None:
    with pytest.raises(errors.RetryableError) as caught:
        await Server(status(429, "TooManyRequests", {"Retry-After": "7"})).client().create(APP)
    assert caught.value.retry_after_s == 7.0
    with pytest.raises(errors.RetryableError) as caught:
        await Server(status(503, "x", details={"retryAfterSeconds": 3})).client().create(APP)
    assert caught.value.retry_after_s == 3.0


async def test_no_answer_is_told_apart_from_a_refusal() -> None:
    def cut(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ReadTimeout("silence", request=request)

    server = Server()
    client = server.client()
    server.__class__ = type("Cut", (Server,), {"__call__": staticmethod(cut)})
    with pytest.raises(errors.Unreachable, match="silence"):
        await client.create(APP)


async def test_what_is_not_there_is_none() -> None:
    assert await Server(status(404, "NotFound")).client().get(API_VERSION, "App", "hello", "acme-dev") is None
    with pytest.raises(errors.NotFound):
        await Server(status(404, "NotFound")).client().delete(APP)


async def test_a_request_is_built_fresh() -> None:
    server = Server(*[httpx2.Response(200, json=APP)] * 3)
    client = server.client()
    await client.apply(APP, "roost-app")
    await client.act_as("deployer", "acme-dev").apply(APP, "roost-app")
    await client.act_as("person:ada").get(API_VERSION, "App", "hello", "acme-dev")
    platform, deployer, person = server.asked
    assert platform.url.path == f"/apis/{API_VERSION}/namespaces/acme-dev/apps/hello"
    assert dict(platform.url.params) == {"fieldManager": "roost-app", "force": "true"}
    assert platform.headers["content-type"] == "application/apply-patch+yaml"
    assert platform.headers["authorization"] == "Bearer secret" and platform.headers["user-agent"] == "roost-unit"
    assert not [name for name in platform.headers if name.startswith("impersonate")]
    assert deployer.headers["impersonate-user"] == "system:serviceaccount:acme-dev:roost-deployer"
    assert person.headers["impersonate-user"] == "system:serviceaccount:roost-people:ada"
    assert [name for name in person.headers if name.startswith("impersonate")] == ["impersonate-user"]
    assert server.discoveries == 1


@pytest.mark.parametrize(
    "identity", ["person:", "person:a/b", "person:system:admin", "admin", "deployer", "person:A\n"]
)
def test_nobody_else_can_be_impersonated(identity: str) -> None:
    with pytest.raises(ValueError, match="no identity"):
        Server().client().act_as(identity)


@pytest.mark.parametrize("name", ["", "..", "a/b", "a?x=1", "a#b", "a%2fb", "a\nb"])
async def test_a_name_is_one_segment_of_a_path(name: str) -> None:
    server = Server()
    with pytest.raises(errors.BadRequest):
        await server.client().get(API_VERSION, "App", name, "acme-dev")
    with pytest.raises(errors.BadRequest):
        await server.client().get(API_VERSION, "App", "hello", name)
    assert not server.asked


async def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(errors.UnknownKind, match="Nonsense"):
        await Server().client().get(API_VERSION, "Nonsense", "x")
    with pytest.raises(errors.UnknownKind, match=r"example\.org/v1"):
        await Server().client().get("example.org/v1", "Thing", "x")


async def test_a_list_is_read_in_pages() -> None:
    first = {"metadata": {"continue": "more", "resourceVersion": "9"}, "items": [{"metadata": {"name": "a"}}]}
    second = {"metadata": {"resourceVersion": "9"}, "items": [{"metadata": {"name": "b"}}]}
    server = Server(httpx2.Response(200, json=first), httpx2.Response(200, json=second))
    found = await server.client().list(API_VERSION, "App", labels="a=b")
    assert [(item["kind"], item["metadata"]["name"]) for item in found] == [("App", "a"), ("App", "b")]
    assert [request.url.params.get("continue") for request in server.asked] == [None, "more"]
    assert server.asked[0].url.params["labelSelector"] == "a=b"


async def test_a_status_patch_and_a_deletion_name_what_they_mean() -> None:
    server = Server(httpx2.Response(200, json=APP), httpx2.Response(200, json={}))
    client = server.client()
    shown = {**APP, "metadata": {**APP["metadata"], "resourceVersion": "5"}}  # type: ignore[dict-item]
    await client.patch_status(shown, {"live": "v1"}, "roost-app")
    await client.delete(APP, uid="uid-1")
    patch, deletion = server.asked
    assert patch.url.path.endswith("/apps/hello/status")
    assert json.loads(patch.content) == {"metadata": {"resourceVersion": "5"}, "status": {"live": "v1"}}
    assert json.loads(deletion.content)["preconditions"] == {"uid": "uid-1"}


def stream(*events: dict[str, Any], then: Callable[[], Exception] | None = None) -> httpx2.Response:
    """A watch's answer."""

    class Body(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncGenerator[bytes, None]:
            for event in events:
                yield json.dumps(event).encode() + b"\n"
            if then is not None:
                raise then()

    return httpx2.Response(200, stream=Body())


async def test_a_watch_gives_events_and_says_how_it_ended() -> None:
    added = {"type": "ADDED", "object": {"metadata": {"name": "a", "resourceVersion": "6"}}}
    late = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}}
    server = Server(stream(added, late), stream(added, then=lambda: httpx2.ReadTimeout("silence")), status(410, "Gone"))
    client = server.client()
    seen = []
    for wanted in (errors.Gone, errors.Unreachable, errors.Gone):
        with pytest.raises(wanted):
            async for event in client.watch(API_VERSION, "App", Selection(labels="x"), "5"):
                seen.append((event.type, event.object["metadata"]["name"]))
    assert seen == [("ADDED", "a"), ("ADDED", "a")]
    assert server.asked[0].url.params["resourceVersion"] == "5"
    assert server.asked[0].url.params["allowWatchBookmarks"] == "true"


async def test_a_token_that_was_rotated_is_read_again(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old")
    server = Server(httpx2.Response(200, json=APP), status(401, "Unauthorized"), httpx2.Response(200, json=APP))
    client = server.client(str(token))
    await client.get(API_VERSION, "App", "hello", "acme-dev")
    token.write_text("new")
    await client.get(API_VERSION, "App", "hello", "acme-dev")
    assert server.tokens == ["Bearer old", "Bearer old", "Bearer new"]


@pytest.mark.parametrize("text", ["", "{}", "clusters: []\ncontexts: []\n", "- a"])
def test_a_kubeconfig_that_cannot_be_used_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config").write_text(text)
    with pytest.raises(errors.ConfigRefused):
        read_config(str(tmp_path / "config"))
