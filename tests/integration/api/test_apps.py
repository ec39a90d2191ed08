"""Sub-resources of an App: configuration, scale, deploy, logs of what is there."""

import asyncio
import base64
from typing import Any

import pytest

from roost.model.configuration import SALT, secret_version
from tests.integration.api.conftest import IMAGE, Running, Team, app_body

pytestmark = pytest.mark.integration


async def _secret(api: Running, team: Team, name: str) -> dict[str, str]:
    raw = await api.admin.get("v1", "Secret", name, f"{team.name}-dev")
    return {key: base64.b64decode(value).decode() for key, value in ((raw or {}).get("data") or {}).items()}


async def test_configuration_is_set_shown_and_removed(api: Running, team: Team) -> None:
    http = await api.as_(team.person("developer"))
    await http.post(team.of("apps"), json=app_body())
    path = f"{team.of('apps')}/shop/config"
    plain = await http.patch(path, json={"set": {"LEVEL": "debug", "WORKERS": "2"}})
    assert plain.json()["spec"]["config"] == [{"name": "LEVEL", "value": "debug"}, {"name": "WORKERS", "value": "2"}]
    assert plain.json()["metadata"]["annotations"]["roost.dev/cause"] == "Set LEVEL, WORKERS"
    hidden = await http.patch(path, json={"set": {"PASSWORD": "hunter2", "LEVEL": "secret now"}, "secret": True})
    assert hidden.status_code == 200, hidden.text
    assert "hunter2" not in hidden.text
    assert hidden.json()["spec"]["config"] == [{"name": "WORKERS", "value": "2"}]
    assert await _secret(api, team, "shop-config") == {"PASSWORD": "hunter2", "LEVEL": "secret now"}
    raw = await api.admin.get("v1", "Secret", "shop-config", f"{team.name}-dev")
    assert raw is not None and hidden.json()["spec"]["secretVersion"] == _version(raw)
    listed = await http.get(path)
    assert listed.json()["variables"] == [
        {"name": "LEVEL", "secret": True},
        {"name": "PASSWORD", "secret": True},
        {"name": "WORKERS", "value": "2", "secret": False},
    ]
    gone = await http.patch(path, json={"unset": ["PASSWORD", "WORKERS", "LEVEL"]})
    assert gone.json()["spec"].get("secretVersion", "") == ""
    assert (await http.get(path)).json() == {"variables": []}
    for body, field in (
        ({"unset": ["NOSUCH"]}, "unset"),
        ({"set": {"1BAD": "x"}}, "set.1BAD"),
        ({"set": {"A": "1"}, "unset": ["A"]}, "unset"),
        ({"sett": {}}, "sett"),
    ):
        refused = await http.patch(path, json=body)
        assert refused.status_code == 422, refused.text
        assert refused.json()["errors"][0]["field"].startswith(field), refused.text


def _version(secret: dict[str, Any]) -> str:
    return secret_version(secret["data"], secret["metadata"]["annotations"][SALT])


async def test_equal_secrets_of_two_apps_cannot_be_told_as_equal(api: Running, team: Team) -> None:
    """Whoever reads Apps could else find short values by trying."""
    http = await api.as_(team.person("developer"))
    versions = set()
    for name in ("shop", "till"):
        await http.post(team.of("apps"), json=app_body(name))
        path = f"{team.of('apps')}/{name}/config"
        for _ in range(2):
            answer = await http.patch(path, json={"set": {"PIN": "1234"}, "secret": True})
            versions.add(answer.json()["spec"]["secretVersion"])
    assert len(versions) == 2


async def test_secrets_set_by_several_at_once_all_arrive(api: Running, team: Team) -> None:
    http = await api.as_(team.person("developer"))
    await http.post(team.of("apps"), json=app_body())
    path = f"{team.of('apps')}/shop/config"
    answers = await asyncio.gather(
        *(http.patch(path, json={"set": {f"KEY{n}": str(n)}, "secret": True}) for n in range(3))
    )
    assert [answer.status_code for answer in answers] == [200] * 3, [answer.text for answer in answers]
    assert await _secret(api, team, "shop-config") == {f"KEY{n}": str(n) for n in range(3)}
    raw = await api.admin.get("v1", "Secret", "shop-config", f"{team.name}-dev")
    app = (await http.get(f"{team.of('apps')}/shop")).json()
    assert raw is not None and app["spec"]["secretVersion"] == _version(raw)


async def test_scaling_names_the_processes_there_are(api: Running, team: Team) -> None:
    http = await api.as_(team.person("developer"))
    processes = [{"name": "web", "port": 8080}, {"name": "worker", "command": ["work"]}]
    await http.post(team.of("apps"), json=app_body(processes=processes))
    path = f"{team.of('apps')}/shop/scale"
    scaled = await http.post(path, json={"processes": {"worker": 3}})
    assert {item["name"]: item["replicas"] for item in scaled.json()["spec"]["processes"]} == {"web": 1, "worker": 3}
    assert scaled.json()["spec"]["processes"][1]["command"] == ["work"]
    unknown = await http.post(path, json={"processes": {"clock": 1}})
    assert (unknown.status_code, "web, worker" in unknown.json()["detail"]) == (422, True)
    for wrong in ({"web": -1}, {"web": 10_000}, {"web": "many"}, {}):
        assert (await http.post(path, json={"processes": wrong})).status_code == 422
    await http.post(team.of("apps"), json=app_body("plain"))
    plain = await http.post(f"{team.of('apps')}/plain/scale", json={"processes": {"web": 2}})
    assert [item["replicas"] for item in plain.json()["spec"]["processes"]] == [2]


async def test_a_deploy_is_by_digest_and_ends_a_hold(api: Running, team: Team) -> None:
    http = await api.as_(team.person("developer"))
    body = app_body(hold="because")
    body["spec"]["artefact"] |= {"commit": "0" * 40, "runsAsRoot": True}
    await http.post(team.of("apps"), json=body)
    path = f"{team.of('apps')}/shop/deploy"
    image = IMAGE.replace("a" * 64, "c" * 64)
    deployed = (await http.post(path, json={"image": image})).json()
    assert deployed["spec"]["artefact"]["image"] == image
    assert not deployed["spec"]["artefact"].get("commit") and not deployed["spec"]["artefact"].get("runsAsRoot")
    assert not deployed["spec"].get("hold")
    for wrong in ("nginx", "nginx:latest", "x@sha256:abc", ""):
        assert (await http.post(path, json={"image": wrong})).status_code == 422


async def test_instances_and_their_states_are_told(api: Running, team: Team) -> None:
    http = await api.as_(team.person("viewer"))
    developer = await api.as_(team.person("developer"))
    await developer.post(team.of("apps"), json=app_body())
    namespace = f"{team.name}-dev"
    await api.admin.create(
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "default", "namespace": namespace},
        }
    )
    labels = {"roost.dev/app": "shop", "roost.dev/process": "web", "roost.dev/release": "shop-v1"}
    pod = await api.admin.create(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "shop-web-1", "namespace": namespace, "labels": labels},
            "spec": {"containers": [{"name": "web", "image": IMAGE}]},
        }
    )
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}
    status = {
        "containerStatuses": [
            {"name": "web", "image": IMAGE, "imageID": "", "ready": False, "restartCount": 7, "state": waiting}
        ]
    }
    await api.admin.patch(pod, {"status": status}, "test", "status")
    items = (await http.get(f"{team.of('apps')}/shop/instances")).json()["items"]
    assert [(item["name"], item["process"], item["reason"], item["restarts"]) for item in items] == [
        ("shop-web-1", "web", "CrashLoopBackOff", 7)
    ]
    # No kubelet here: what is not running has no lines, and the answer says so by being empty.
    logs = await http.get(f"{team.of('apps')}/shop/logs")
    assert (logs.status_code, logs.text) == (200, "") or logs.status_code == 503, logs.text
    for wrong in ("yesterday", "10", "-5m", "2026-01-01T00:00:00"):
        refused = await http.get(f"{team.of('apps')}/shop/logs", params={"since": wrong})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "since")


async def test_a_run_is_cancelled_once(api: Running, team: Team) -> None:
    http = await api.as_(team.person("developer"))
    name = "site-1-0123456789"
    spec = {"project": "site", "ref": "refs/heads/main", "commit": "0" * 40}
    metadata = {"name": name, "namespace": f"{team.name}-build"}
    run = {"apiVersion": "roost.dev/v1alpha1", "kind": "Run", "metadata": metadata, "spec": spec}
    made = await api.admin.create(run)
    viewer = await api.as_(team.person("viewer"))
    assert (await viewer.post(f"{team.of('runs')}/{name}/cancel")).status_code == 403
    cancelled = await http.post(f"{team.of('runs')}/{name}/cancel")
    assert cancelled.status_code == 200, cancelled.text
    assert cancelled.json()["spec"]["cancel"] is True
    current = await api.admin.get("roost.dev/v1alpha1", "Run", name, f"{team.name}-build")
    assert current is not None and made["metadata"]["uid"] == current["metadata"]["uid"]
    await api.admin.patch_status(current, {"phase": "Cancelled"}, "test")
    again = await http.post(f"{team.of('runs')}/{name}/cancel")
    assert (again.status_code, "over already" in again.json()["detail"]) == (409, True)
    text = (await http.get(f"{team.of('runs')}/{name}/logs")).json()
    assert text["instance"] == "" and "no log" in text["line"]
    async with asyncio.timeout(10):
        followed = await http.get(f"{team.of('runs')}/{name}/logs", params={"follow": "true"})
    assert followed.status_code == 200
