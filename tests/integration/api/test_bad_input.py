"""Bad input on every route: an answer in the 400s with a stable type, never a 500, and nothing half done."""

import json
from typing import Any

import pytest

from tests.integration.api.conftest import Running, Team, app_body

pytestmark = pytest.mark.integration

DEEP = "[" * 5000 + "]" * 5000
NESTED: Any = {}
for _ in range(200):
    NESTED = {"a": NESTED}

BODIES: list[bytes] = [
    b"",
    b"null",
    b"[]",
    b'"text"',
    b"{",
    b"\xff\xfe",
    b'{"spec": NaN}',
    b'{"metadata": null}',
    b'{"metadata": []}',
    b'{"metadata": {"name": 5}}',
    b'{"metadata": {"name": "\\u0000"}}',
    b'{"metadata": {"name": "\\ud800"}}',
    b'{"metadata": {"name": "x", "labels": []}}',
    b'{"metadata": {"name": "x", "labels": {"a b": "c"}}}',
    b'{"metadata": {"name": "x", "annotations": {"a": 1}}}',
    b'{"metadata": {"name": "x"}, "spec": null}',
    b'{"metadata": {"name": "x"}, "spec": []}',
    b'{"metadata": {"name": "x"}, "spec": {"nosuch": 1}}',
    b'{"metadata": {"name": "x"}, "spec": {"processes": [{"name": "web", "replicas": 1e400}]}}',
    b'{"metadata": {"name": "x"}, "spec": {"processes": [{"name": "web", "port": 99999999999999999999999}]}}',
    b'{"name": {"a": 1}, "password": []}',
    b'{"set": {"A": null}, "unset": "A", "secret": "maybe"}',
    b'{"processes": {"web": 1.5}, "image": 7, "to": {}}',
    DEEP.encode(),
    json.dumps({"metadata": NESTED, "spec": NESTED}).encode(),
]


async def test_no_body_makes_the_api_fail(api: Running, team: Team, administrator: str) -> None:
    http = await api.as_(team.person("owner"))
    admin = await api.as_(administrator)
    assert (await http.post(team.of("apps"), json=app_body())).status_code == 201
    app = f"{team.of('apps')}/shop"
    routes = [
        (http, "POST", team.of("apps")),
        (http, "PUT", app),
        (http, "PATCH", app),
        (http, "PATCH", f"{app}/config"),
        (http, "POST", f"{app}/scale"),
        (http, "POST", f"{app}/deploy"),
        (http, "POST", f"{app}/rollback"),
        (http, "POST", team.of("projects")),
        (http, "POST", "/v1/session"),
        (http, "PUT", "/v1/me/password"),
        (http, "POST", "/v1/tokens"),
        (admin, "POST", "/v1/tenants"),
        (admin, "POST", "/v1/users"),
        (admin, "PATCH", f"/v1/users/{administrator}"),
        (http, "POST", "/registry/token"),
    ]
    for client, method, path in routes:
        for body in BODIES:
            answer = await client.request(
                method, path, content=body, headers={"Content-Type": "application/json"}, params={"dryRun": "true"}
            )
            told = f"{method} {path} {body[:60]!r}: {answer.status_code} {answer.text[:200]}"
            assert answer.status_code < 500, told
            if answer.status_code >= 400:
                assert answer.headers["content-type"] == "application/problem+json", told
                assert answer.json()["requestId"], told
    assert (await http.get(app)).json()["metadata"]["generation"] == 1


async def test_no_path_or_parameter_makes_the_api_fail(api: Running, team: Team) -> None:
    http = await api.as_(team.person("owner"))
    nasty = [
        "%2e%2e%2f",
        "a%00",
        "%ff",
        "x" * 5000,
        "%0d%0aX-Evil:1",
        "-",
        "UPPER",
        "a b",
        "ü",
        "*",
        "~",
        "$(id)",
    ]
    for text in nasty:
        for path in (
            f"/v1/tenants/{text}",
            f"/v1/tenants/{text}/projects",
            f"/v1/tenants/{team.name}/environments/{text}/apps",
            f"/v1/tenants/{team.name}/{text}",
            f"{team.of('apps')}/{text}",
            f"{team.of('apps')}/{text}/logs",
            f"{team.of('runs')}/{text}/logs",
            f"/v1/users/{text}",
            f"/{text}/x.git/info/refs",
            f"/{team.name}/{text}.git/info/refs?service=git-upload-pack",
            f"/{text}",
        ):
            answer = await http.get(path)
            assert 400 <= answer.status_code < 500, f"{path[:80]}: {answer.status_code}"
        for parameter in ("limit", "continue", "labels", "name", "watch", "dryRun", "sort", "fields"):
            answer = await http.get(team.of("apps"), params={parameter: text})
            assert answer.status_code < 500, f"{parameter}={text[:40]}: {answer.status_code} {answer.text}"
        for header in ("If-Match", "Last-Event-ID", "Content-Type"):
            raw = [(header.encode(), text.encode())]
            answer = await http.patch(f"{team.of('apps')}/x", json={}, headers=raw)
            assert answer.status_code < 500, f"{header}: {text[:40]}"


async def test_bodies_are_bounded(api: Running, team: Team) -> None:
    http = await api.as_(team.person("owner"))
    large = b'{"metadata": {"name": "' + b"x" * 2_000_000 + b'"}}'
    refused = await http.post(team.of("apps"), content=large)
    assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (413, "too-large")

    async def endless() -> Any:
        for _ in range(64):
            yield b" " * 65536

    chunked = await http.post(team.of("apps"), content=endless())
    assert chunked.status_code == 413
    for path in (f"/v1/{team.name}.git/x", f"/v1/tenants/{team.name}.git/x"):
        assert (await http.post(path, content=large)).status_code in (401, 404, 413)


async def test_an_unknown_field_is_named(api: Running, team: Team) -> None:
    http = await api.as_(team.person("owner"))
    body = app_body(processes=[{"name": "web", "replica": 3}])
    refused = await http.post(team.of("apps"), json=body)
    assert refused.status_code == 422
    assert refused.json()["errors"] == [{"field": "spec.processes.0.replica", "message": "There is no such field."}]
    outer = await http.post(team.of("apps"), json={**app_body(), "specc": {}})
    assert outer.json()["errors"][0]["field"] == "specc"


async def test_a_name_that_is_refused_says_what_is_allowed(api: Running, team: Team, administrator: str) -> None:
    http = await api.as_(team.person("owner"))
    for name in ("Shop", "1shop", "shop_2", "x" * 31, "-shop", "shop\n", "", "a.b", "кириллица"):
        answer = await http.post(team.of("apps"), json=app_body(name))
        assert answer.status_code == 422, name
        assert answer.json()["errors"][0]["field"] == "metadata.name"
        assert "lower-case letters" in answer.json()["detail"]
    admin = await api.as_(administrator)
    for name in ("acme-corp", "system", "x" * 21, "A"):
        assert (await admin.post("/v1/tenants", json={"metadata": {"name": name}})).status_code == 422
    reserved = {"metadata": {"name": "fine"}, "spec": {"environments": [{"name": "build"}]}}
    answer = await admin.post("/v1/tenants", json=reserved)
    assert answer.json()["errors"][0]["field"] == "spec.environments.0.name"
    for name in ("Ada", "a_b", "x" * 41, "a..b", "system:admin"):
        assert (await admin.post("/v1/users", json={"name": name})).status_code == 422


async def test_a_rule_of_the_schema_names_its_field(api: Running, team: Team) -> None:
    http = await api.as_(team.person("owner"))
    twice = app_body(processes=[{"name": "web"}, {"name": "web"}])
    answer = await http.post(team.of("apps"), json=twice)
    assert answer.status_code == 422, answer.text
    assert "Two processes have the same name" in answer.json()["detail"]


async def test_openapi_is_whole(api: Running) -> None:
    document = (await api.client().get("/openapi.json")).json()
    text = json.dumps(document)
    schemas = document["components"]["schemas"]
    for reference in {part.partition('"')[0] for part in text.split('"#/components/schemas/')[1:]}:
        assert reference in schemas, reference
    assert "/v1/tenants/{tenant}/environments/{environment}/apps/{name}/logs" in document["paths"]
    assert (await api.client().get("/v1/me")).status_code == 401
    assert (await api.client().get("/nothing")).json()["type"].endswith("/not-found")
    assert (await api.client().delete("/v1/me")).status_code == 405
    assert (await api.client().get("/readyz")).status_code == 200
