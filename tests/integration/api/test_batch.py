"""Several changes at once, each for itself; and who did what."""

from typing import Any

import pytest

from tests.integration.api.conftest import Running, Team, app_body

pytestmark = pytest.mark.integration


async def test_each_change_has_its_own_result(api: Running, team: Team, other: Team) -> None:
    http = await api.as_(team.person("developer"))
    await http.post(team.of("apps"), json=app_body("old"))
    foreign = app_body("foreign")
    foreign["metadata"]["namespace"] = f"{other.name}-dev"
    items: list[dict[str, Any]] = [
        {"action": "create", "object": app_body("one")},
        {"action": "create", "object": app_body("old")},
        {"action": "patch", "name": "one", "object": {"spec": {"stopped": True}}},
        {"action": "patch", "name": "one", "object": {"spec": {"nosuch": True}}},
        {"action": "patch", "name": "one", "object": {"spec": {}}, "ifMatch": '"1"'},
        {"action": "replace", "name": "one", "object": app_body("one")},
        {"action": "create", "object": foreign},
        {"action": "delete", "name": "../x"},
        {"action": "delete", "name": "old"},
        {"action": "delete", "name": "nosuch"},
    ]
    answer = await http.post(f"{team.of('apps')}/batch", json={"items": items})
    assert answer.status_code == 207, answer.text
    told = answer.json()
    assert [item["status"] for item in told["results"]] == [201, 409, 200, 422, 409, 428, 422, 422, 202, 404]
    assert (told["succeeded"], told["failed"]) == (3, 7)
    assert told["results"][3]["problem"]["errors"][0]["field"] == "spec.nosuch"
    assert [item["metadata"]["name"] for item in (await http.get(team.of("apps"))).json()["items"]] == ["one"]
    viewer = await api.as_(team.person("viewer"))
    refused = await viewer.post(f"{team.of('apps')}/batch", json={"items": items[:1] + items[8:9]})
    assert [item["status"] for item in refused.json()["results"]] == [403, 403]
    stranger = await api.as_(other.person("owner"))
    assert (await stranger.post(f"{team.of('apps')}/batch", json={"items": items})).status_code == 404


async def test_a_batch_is_bounded_and_can_be_tried(api: Running, team: Team) -> None:
    http = await api.as_(team.person("developer"))
    one = {"action": "create", "object": app_body("one")}
    tried = await http.post(f"{team.of('apps')}/batch?dryRun=true", json={"items": [one]})
    assert tried.json()["succeeded"] == 1
    assert (await http.get(team.of("apps"))).json()["items"] == []
    nested: Any = {}
    for _ in range(60):
        nested = {"a": nested}
    bodies: tuple[dict[str, Any], ...] = (
        {"items": []},
        {"items": [one] * 51},
        {"items": [{"action": "exec"}]},
        {"items": [{**one, "batch": {}}]},
        {"items": [{"action": "create", "object": nested}]},
        {"items": {"0": one}},
        {},
    )
    for body in bodies:
        answer = await http.post(f"{team.of('apps')}/batch", json=body)
        assert 400 <= answer.status_code < 500, body
    # Items count as requests: a batch does not get past the limit.
    deletions = {"items": [{"action": "delete", "name": f"x{number}"} for number in range(50)]}
    statuses: set[int] = set()
    for _ in range(12):
        answer = await http.post(f"{team.of('apps')}/batch", json=deletions)
        statuses |= {item["status"] for item in answer.json().get("results", [])} | {answer.status_code}
        if 429 in statuses:
            break
    assert statuses <= {207, 404, 429}


async def test_who_did_what_is_told(api: Running, team: Team, other: Team) -> None:
    developer, owner = await api.as_(team.person("developer")), await api.as_(team.person("owner"))
    await developer.post(team.of("apps"), json=app_body())
    path = f"{team.of('apps')}/shop"
    await owner.post(f"{path}/scale", json={"processes": {"web": 3}})
    raw = await api.admin.get("roost.dev/v1alpha1", "App", "shop", f"{team.name}-dev")
    assert raw is not None
    await api.admin.patch(raw, {"spec": {"stopped": True}}, "kubectl-patch")
    items = (await developer.get(f"{path}/operations")).json()["items"]
    told = {(item["by"] or item["program"], item["action"]) for item in items}
    assert told == {
        (team.person("developer"), "create"),
        (team.person("owner"), "change"),
        ("kubectl-patch", "Update"),
    }
    scaled = next(item for item in items if item["by"] == team.person("owner"))
    assert scaled["cause"] == "Scaled web to 3"
    assert {change["path"]: change["after"] for change in scaled["changes"]} == {"spec.processes.web.replicas": 3}
    forged = await developer.patch(path, json={"metadata": {"annotations": {"roost.dev/operations": "[]"}}})
    assert forged.status_code == 422
    stranger = await api.as_(other.person("owner"))
    assert (await stranger.get(f"{path}/operations")).status_code == 404
