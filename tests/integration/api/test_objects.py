"""Objects through the API: made, read, listed in pages, changed without losing anybody's change, deleted."""

import asyncio

import pytest

from tests.integration.api.conftest import Running, Team, app_body

pytestmark = pytest.mark.integration


async def test_an_app_is_made_read_changed_and_deleted(api: Running, team: Team) -> None:
    http = await api.as_(team.person("developer"))
    made = await http.post(team.of("apps"), json=app_body())
    assert made.status_code == 201, made.text
    notes = made.json()["metadata"]["annotations"]
    assert notes["roost.dev/author"] == team.person("developer")
    assert notes["roost.dev/request-id"] == made.headers["x-request-id"]

    read = await http.get(f"{team.of('apps')}/shop")
    assert read.headers["etag"] == f'"{read.json()["metadata"]["resourceVersion"]}"'
    patch = {"spec": {"stopped": True}, "metadata": {"labels": {"tier": "front"}}}
    patched = await http.patch(f"{team.of('apps')}/shop", json=patch)
    assert patched.status_code == 200, patched.text
    assert patched.json()["spec"]["stopped"] is True
    assert patched.json()["spec"]["artefact"] == made.json()["spec"]["artefact"]
    assert patched.json()["metadata"]["labels"] == {"tier": "front"}

    assert (await http.delete(f"{team.of('apps')}/shop")).status_code == 202
    gone = await http.get(f"{team.of('apps')}/shop")
    assert gone.status_code == 404
    assert gone.headers["content-type"] == "application/problem+json"
    assert gone.json()["type"] == "https://roost.dev/problems/not-found"
    assert gone.json()["requestId"] == gone.headers["x-request-id"]


async def test_a_second_object_of_one_name_is_refused(api: Running, team: Team) -> None:
    http = await api.as_(team.person("developer"))
    await http.post(team.of("apps"), json=app_body())
    again = await http.post(team.of("apps"), json=app_body())
    assert (again.status_code, again.json()["type"].rpartition("/")[2]) == (409, "exists")


async def test_replacing_needs_the_version_that_was_seen(api: Running, team: Team) -> None:
    http = await api.as_(team.person("developer"))
    first = (await http.post(team.of("apps"), json=app_body())).json()
    path = f"{team.of('apps')}/shop"
    blind = await http.put(path, json=app_body(stopped=True))
    assert blind.status_code == 428
    second = await http.put(path, json={**first, "spec": {**first["spec"], "stopped": True}})
    assert second.status_code == 200, second.text
    old = await http.put(path, json={**first, "spec": {**first["spec"], "stopped": False}})
    assert (old.status_code, old.json()["type"].rpartition("/")[2]) == (409, "conflict")
    tag = second.headers["etag"]
    third = await http.put(path, json=app_body(hold="because"), headers={"If-Match": tag})
    assert third.json()["spec"]["hold"] == "because"
    assert "stopped" not in third.json()["spec"] or third.json()["spec"]["stopped"] is False
    assert (await http.patch(path, json={"spec": {}}, headers={"If-Match": tag})).status_code == 409
    assert (await http.delete(path, headers={"If-Match": tag})).status_code == 409
    assert (await http.delete(path, headers={"If-Match": third.headers["etag"]})).status_code == 202


async def test_patches_at_once_lose_nothing(api: Running, team: Team) -> None:
    http = await api.as_(team.person("developer"))
    await http.post(team.of("apps"), json=app_body())
    path = f"{team.of('apps')}/shop"
    answers = await asyncio.gather(
        *(http.patch(path, json={"metadata": {"annotations": {f"key{n}": "x"}}}) for n in range(4))
    )
    assert [answer.status_code for answer in answers] == [200] * 4, [answer.text for answer in answers]
    notes = (await http.get(path)).json()["metadata"]["annotations"]
    assert {f"key{n}" for n in range(4)} <= set(notes)


async def test_a_dry_run_checks_everything_and_keeps_nothing(api: Running, team: Team) -> None:
    http = await api.as_(team.person("developer"))
    made = await http.post(team.of("apps"), json=app_body(), params={"dryRun": "true"})
    assert made.status_code == 201
    path = f"{team.of('apps')}/shop"
    assert (await http.get(path)).status_code == 404
    await http.post(team.of("apps"), json=app_body())
    for answer in (
        await http.patch(path, json={"spec": {"stopped": True}}, params={"dryRun": "true"}),
        await http.post(f"{path}/scale", json={"processes": {"web": 5}}, params={"dryRun": "true"}),
        await http.patch(f"{path}/config", json={"set": {"A": "1"}, "secret": True}, params={"dryRun": "true"}),
        await http.delete(path, params={"dryRun": "true"}),
    ):
        assert answer.status_code < 300, answer.text
    now = (await http.get(path)).json()
    assert now["metadata"]["generation"] == 1
    assert (await http.get(f"{path}/config")).json() == {"variables": []}


async def test_a_list_comes_in_pages_and_by_labels(api: Running, team: Team) -> None:
    http = await api.as_(team.person("developer"))
    for number in range(5):
        body = app_body(f"app{number}")
        body["metadata"]["labels"] = {"odd": str(number % 2)}
        assert (await http.post(team.of("apps"), json=body)).status_code == 201
    seen: list[str] = []
    rest = ""
    while True:
        page = (await http.get(team.of("apps"), params={"limit": 2, "continue": rest})).json()
        assert len(page["items"]) <= 2
        seen += [item["metadata"]["name"] for item in page["items"]]
        rest = page["metadata"]["continue"]
        if not rest:
            break
    assert seen == [f"app{number}" for number in range(5)]
    odd = (await http.get(team.of("apps"), params={"labels": "odd=1"})).json()
    assert [item["metadata"]["name"] for item in odd["items"]] == ["app1", "app3"]
    assert (await http.get(team.of("apps"), params={"labels": "((("})).status_code == 400
    assert (await http.get(team.of("apps"), params={"continue": "nonsense"})).status_code in (400, 410)
    assert (await http.get(team.of("apps"), params={"limit": 0})).status_code == 422


async def test_what_is_not_the_callers_to_set_stays_as_it_is(api: Running, team: Team) -> None:
    http = await api.as_(team.person("developer"))
    first = (await http.post(team.of("apps"), json={**app_body(), "status": {"url": "http://forged"}})).json()
    assert first.get("status", {}).get("url") is None
    path = f"{team.of('apps')}/shop"
    forged = {**first, "status": {"url": "http://forged"}}
    forged["metadata"] = {**first["metadata"], "finalizers": ["roost.dev/jam"], "uid": "1", "ownerReferences": []}
    answer = await http.put(path, json=forged)
    assert answer.status_code == 200, answer.text
    now = answer.json()
    assert now["metadata"]["uid"] == first["metadata"]["uid"]
    assert "finalizers" not in now["metadata"]
    assert now.get("status", {}).get("url") is None
    for patch in (
        {"metadata": {"labels": {"roost.dev/tenant": "victim"}}},
        {"metadata": {"annotations": {"roost.dev/author": "somebody-else"}}},
        {"metadata": {"name": "renamed"}},
        {"metadata": {"namespace": "kube-system"}},
        {"kind": "Secret"},
    ):
        refused = await http.patch(path, json=patch)
        assert refused.status_code == 422 or refused.json()["metadata"]["name"] == "shop", refused.text
        if "labels" in str(patch) or "author" in str(patch):
            assert refused.status_code == 422
    owners = {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "x"}]}
    made = await http.post(team.of("apps"), json={**app_body("two"), "metadata": {"name": "two", **owners}})
    assert made.status_code == 422
    assert made.json()["errors"][0]["field"] == "metadata.ownerReferences"
