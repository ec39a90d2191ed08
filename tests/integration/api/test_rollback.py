"""Going back to a version through the API: the plan with its verdict, what comes back, what refuses, who may."""

import base64
from typing import Any

import httpx2
import pytest

from roost.model.configuration import secret_copy_name
from roost.model.kinds.app import App, Release, ReleaseSpec
from roost.model.names import API_VERSION, APP
from tests.integration.api.conftest import IMAGE, Running, Team, app_body

pytestmark = pytest.mark.integration
SECRET = "hunter2-is-not-told"


class Shop:
    """An App of the team's, and its versions as the controller would have made them."""

    def __init__(self, api: Running, team: Team, http: httpx2.AsyncClient) -> None:
        self.api, self.team, self.http = api, team, http
        self.space, self.path = f"{team.name}-dev", f"{team.of('apps')}/shop"

    async def make(self, **spec: Any) -> None:
        """The App itself."""
        made = await self.http.post(self.team.of("apps"), json=app_body(**spec))
        assert made.status_code == 201, made.text

    async def secret(self, **values: str) -> None:
        """Set secret variables."""
        done = await self.http.patch(f"{self.path}/config", json={"set": values, "secret": True})
        assert done.status_code == 200, done.text

    async def image(self, letter: str) -> None:
        """Deploy another image of the team's."""
        image = IMAGE.replace("/acme/", f"/{self.team.name}/").replace("a" * 64, letter * 64)
        done = await self.http.post(f"{self.path}/deploy", json={"image": image})
        assert done.status_code == 200, done.text

    async def release(self, number: int, phase: str = "Live", copied: bool = True, **spec: Any) -> None:
        """The version that the App is now, and that it serves."""
        raw = await self.api.admin.get(API_VERSION, "App", "shop", self.space)
        assert raw is not None
        content = App.parse(raw).spec
        version = content.secret_version
        held = await self.api.admin.get("v1", "Secret", "shop-config", self.space) if version and copied else None
        name = secret_copy_name("shop", version)
        if held is not None and await self.api.admin.get("v1", "Secret", name, self.space) is None:
            copy = {"apiVersion": "v1", "kind": "Secret", "data": held["data"], "immutable": True}
            await self.api.admin.create({**copy, "metadata": {"name": name, "namespace": self.space}})
        made = ReleaseSpec(app="shop", number=number, content=content, digest=f"{number:064}", **spec)
        body = Release.manifest(f"shop-v{number}", made, self.space, labels={APP: "shop"})
        status = {"phase": phase} | ({"liveAt": "2026-11-29T07:00:00Z"} if phase in ("Live", "Superseded") else {})
        await self.api.admin.patch_status(await self.api.admin.create(body), status, "test")
        told = {"release": f"shop-v{number}"} | ({"live": f"shop-v{number}"} if phase == "Live" else {})
        await self.api.admin.patch_status(raw, told, "test")

    async def back(self, **body: Any) -> httpx2.Response:
        """Roll back."""
        return await self.http.post(f"{self.path}/rollback", json=body)

    async def plan(self, **query: Any) -> dict[str, Any]:
        """What going back would do."""
        answer = await self.http.get(f"{self.path}/rollback", params=query)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def reasons(self, plan: dict[str, Any]) -> list[str]:
        """Why it is not simply safe."""
        return [item["reason"] for item in plan.get("checks", ())]

    async def secrets(self) -> dict[str, str]:
        """The secret variables as they are."""
        raw = await self.api.admin.get("v1", "Secret", "shop-config", self.space)
        return {key: base64.b64decode(value).decode() for key, value in ((raw or {}).get("data") or {}).items()}


@pytest.fixture
async def shop(api: Running, team: Team) -> Shop:
    """No version yet; a developer asks."""
    return Shop(api, team, await api.as_(team.person("developer")))


async def test_content_and_secrets_come_back_and_pushes_wait(shop: Shop) -> None:
    await shop.make()
    nothing = await shop.back()
    assert nothing.status_code == 422 and "no earlier version" in nothing.json()["detail"]
    await shop.image("a")
    await shop.secret(PASSWORD=SECRET, KEPT="same")
    await shop.release(1, "Superseded")
    await shop.image("b")
    await shop.release(2, "Failed", previous="shop-v1")
    await shop.secret(PASSWORD="new", ADDED="x")
    await shop.http.post(f"{shop.path}/scale", json={"processes": {"web": 4}})
    await shop.release(3, previous="shop-v2")

    plan = await shop.plan()
    assert (plan["target"], plan["current"], plan["verdict"]) == (1, 3, "care"), plan
    assert {"ImageUnknown", "SecretsReplaced"} == set(shop.reasons(plan)), "No registry answers here."
    changes = {item["field"]: (item.get("before"), item.get("after")) for item in plan["changes"]}
    assert changes["processes[web].replicas"] == ("4", "1")
    assert changes["secrets[PASSWORD]"] == ("as now", "as then") and changes["secrets[ADDED]"] == ("as now", None)
    assert "secrets[KEPT]" not in changes
    assert SECRET not in str(plan)

    back = await shop.back()
    assert back.status_code == 200, back.text
    now = App.parse(back.json()).spec
    assert now.artefact is not None and now.artefact.image.endswith("a" * 64)
    assert now.processes[0].replicas == 1
    assert now.hold == f"Rolled back to v1 by {shop.team.person('developer')}."
    assert await shop.secrets() == {"PASSWORD": SECRET, "KEPT": "same"}
    assert (await shop.back(to=1)).status_code == 409, "It is what should run already."
    resumed = await shop.http.post(f"{shop.path}/resume")
    assert not resumed.json()["spec"].get("hold")


async def test_how_it_is_handled_stays(shop: Shop) -> None:
    await shop.make()
    await shop.image("a")
    await shop.release(1, "Superseded")
    await shop.image("b")
    await shop.release(2)
    handling = {"stopped": True, "history": {"count": 3, "pins": [1]}}
    await shop.http.patch(shop.path, json={"spec": handling})
    assert "Stopped" in shop.reasons(await shop.plan())
    now = (await shop.back(to=1)).json()["spec"]
    assert now["stopped"] and now["history"]["count"] == 3 and now["history"]["pins"] == [1]


async def test_what_cannot_come_back_is_refused_and_nothing_is_changed(shop: Shop) -> None:
    await shop.make()
    await shop.image("a")
    await shop.secret(PASSWORD=SECRET)
    await shop.release(1, "Superseded", copied=False)
    await shop.secret(PASSWORD="new")
    await shop.image("b")
    await shop.release(2)
    plan = await shop.plan(to=1)
    assert (plan["verdict"], plan.get("force", False)) == ("refused", False)
    assert "SecretsGone" in shop.reasons(plan)
    before = (await shop.http.get(shop.path)).json()["spec"]
    for body in ({"to": 1}, {"to": 1, "force": True}):
        refused = await shop.back(**body)
        assert refused.status_code == 422 and refused.json()["type"].endswith("/refused"), refused.text
        assert [item["field"] for item in refused.json()["errors"]] == ["SecretsGone"]
    assert (await shop.http.get(shop.path)).json()["spec"] == before
    assert await shop.secrets() == {"PASSWORD": "new"}


async def test_an_image_that_may_not_run_here_is_refused(shop: Shop) -> None:
    await shop.make()
    await shop.image("a")
    await shop.release(1, "Superseded")
    await shop.image("b")
    await shop.release(2)
    meta = {"name": "images", "namespace": shop.space}
    made = await shop.api.admin.create(
        {"apiVersion": API_VERSION, "kind": "ImageAllowlist", "metadata": meta, "spec": {}}
    )
    image = IMAGE.replace("/acme/", f"/{shop.team.name}/")
    refused = {"image": image, "reason": "Unsigned", "message": "Nobody signed it."}
    await shop.api.admin.patch_status(made, {"admitted": [], "refused": [refused]}, "test")
    plan = await shop.plan(to=1)
    assert (plan["verdict"], plan.get("force", False)) == ("refused", False)
    assert "Its image may not run here: Nobody signed it." in [item["message"] for item in plan["checks"]]


async def test_force_passes_over_what_it_may(shop: Shop) -> None:
    await shop.make()
    await shop.image("a")
    await shop.release(1, "Failed")
    await shop.image("b")
    await shop.release(2)
    plan = await shop.plan(to=1)
    assert (plan["verdict"], plan["force"], shop.reasons(plan)) == ("refused", True, ["ImageUnknown", "NeverServed"])
    assert (await shop.back(to=1)).status_code == 422
    assert (await shop.back(to=1, force=True)).status_code == 200


async def test_quota_and_instances_are_counted(shop: Shop) -> None:
    await shop.make(processes=[{"name": "web", "port": 8080, "replicas": 3, "resources": {"cpu": "500m"}}])
    await shop.release(1, "Superseded")
    await shop.http.post(f"{shop.path}/scale", json={"processes": {"web": 1}})
    await shop.release(2)
    hard = {"requests.cpu": "1", "requests.memory": "8Gi", "pods": "10"}
    meta = {"name": "roost-quota", "namespace": shop.space}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": meta, "spec": {"hard": hard}}
    made = await shop.api.admin.create(quota)
    used = {"requests.cpu": "500m", "requests.memory": "256Mi", "pods": "1"}
    await shop.api.admin.patch(made, {"status": {"hard": hard, "used": used}}, "test", "status")
    plan = await shop.plan(to=1)
    message = next(item["message"] for item in plan["checks"] if item["reason"] == "NoRoom")
    assert message == "The environment has no room for it: cpu would be 2 of 1." and plan["force"]


async def test_a_version_that_is_not_there(shop: Shop) -> None:
    await shop.make()
    await shop.release(1)
    assert (await shop.back(to=99)).status_code == 404
    assert (await shop.http.get(f"{shop.path}/rollback", params={"to": 99})).status_code == 404
    for wrong in ({"to": "v1"}, {"to": 0}, {"to": 1, "forse": True}, {"force": "maybe"}):
        assert (await shop.back(**wrong)).status_code == 422, wrong
    for query in ({"from": 1}, {"to": 1}, {"from": 0, "to": 1}, {"from": 1, "to": 2}):
        assert (await shop.http.get(f"{shop.path}/difference", params=query)).status_code in (404, 422), query


async def test_a_version_of_another_application_is_not_gone_back_to(shop: Shop) -> None:
    await shop.make()
    await shop.release(1)
    await shop.http.post(shop.team.of("apps"), json=app_body("other"))
    refused = await shop.http.post(f"{shop.team.of('apps')}/other/rollback", json={"to": 1})
    assert refused.status_code == 404


async def test_two_versions_are_compared_without_a_secret_value(shop: Shop) -> None:
    await shop.make(config=[{"name": "LEVEL", "value": "info"}])
    await shop.secret(PASSWORD=SECRET)
    await shop.release(1, "Superseded")
    await shop.secret(PASSWORD="new")
    await shop.http.patch(f"{shop.path}/config", json={"set": {"LEVEL": "debug"}})
    await shop.release(2)
    answer = await shop.http.get(f"{shop.path}/difference", params={"from": 1, "to": 2})
    changes = {item["field"]: (item.get("before"), item.get("after")) for item in answer.json()["changes"]}
    assert changes["config[LEVEL].value"] == ("info", "debug")
    assert changes["secrets[PASSWORD]"] == ("v1", "v2") and "secrets" in changes
    assert SECRET not in answer.text and base64.b64encode(SECRET.encode()).decode() not in answer.text
    viewer = await shop.api.as_(shop.team.person("viewer"))
    told = await viewer.get(f"{shop.path}/difference", params={"from": 1, "to": 2})
    fields = [item["field"] for item in told.json()["changes"]]
    assert "secrets" in fields and "secrets[PASSWORD]" not in fields, "Who may not read secrets learns no names."


async def test_who_may_not_change_the_app_sees_the_plan_and_is_told_so(shop: Shop, other: Team) -> None:
    await shop.make()
    await shop.image("a")
    await shop.release(1, "Superseded")
    await shop.image("b")
    await shop.release(2)
    viewer = await shop.api.as_(shop.team.person("viewer"))
    plan = (await viewer.get(f"{shop.path}/rollback", params={"to": 1})).json()
    assert (plan["verdict"], plan.get("force", False)) == ("refused", False)
    assert "NotAllowed" in shop.reasons(plan)
    assert (await viewer.post(f"{shop.path}/rollback", json={"to": 1, "force": True})).status_code == 403
    stranger = await shop.api.as_(other.person("owner"))
    for path in ("rollback", "difference?from=1&to=2"):
        assert (await stranger.get(f"{shop.path}/{path}")).status_code == 404
    assert (await stranger.post(f"{shop.path}/rollback", json={"to": 1})).status_code == 404
    assert (await shop.back(to=1)).status_code == 200
