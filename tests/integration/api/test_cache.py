"""Reads from the cache: as fresh as the caller's writes; for nobody whom RBAC does not allow them."""

from datetime import timedelta
from typing import Any

import pytest

from roost.kube.client import Client
from tests.integration.api.conftest import Running, Team, app_body
from tests.integration.conftest import Eventually

pytestmark = pytest.mark.integration


class Asked:
    """Which lists and gets of Apps went to kube-apiserver as a person."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        for name in ("page", "get"):
            monkeypatch.setattr(Client, name, self._counting(name, getattr(Client, name)))

    def _counting(self, name: str, real: Any) -> Any:
        def counting(client: Client, api_version: str, kind: str, *more: Any, **named: Any) -> Any:
            if client.user and kind == "App":
                self.calls.append(name)
            return real(client, api_version, kind, *more, **named)

        return counting


async def test_reads_need_no_call_and_show_what_was_just_written(
    api: Running, team: Team, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    http = await api.as_(team.person("developer"))
    await http.post(team.of("apps"), json=app_body("app0"))
    asked = Asked(monkeypatch)

    async def warm() -> bool:
        asked.calls.clear()
        return (await http.get(team.of("apps"))).status_code == 200 and not asked.calls

    await eventually(warm)
    for number in range(1, 8):
        made = await http.post(team.of("apps"), json=app_body(f"app{number}"))
        names = [item["metadata"]["name"] for item in (await http.get(team.of("apps"))).json()["items"]]
        assert names == [f"app{each}" for each in range(number + 1)]
        one = await http.get(f"{team.of('apps')}/app{number}")
        assert one.json()["metadata"]["resourceVersion"] == made.json()["metadata"]["resourceVersion"]
    for number in range(8):
        assert (await http.delete(f"{team.of('apps')}/app{number}")).status_code == 202
        assert (await http.get(f"{team.of('apps')}/app{number}")).status_code == 404
        assert len((await http.get(team.of("apps"))).json()["items"]) == 7 - number


async def test_a_page_from_the_cache_is_sorted_filtered_and_complete(api: Running, team: Team) -> None:
    http = await api.as_(team.person("developer"))
    for number in range(5):
        body = app_body(f"app{number}", stopped=number % 2 == 0)
        body["metadata"]["labels"] = {"tier": "a" if number < 3 else "b"}
        assert (await http.post(team.of("apps"), json=body)).status_code == 201
    for headers in ({}, {"Cache-Control": "no-cache"}):
        found, rest = [], ""
        while True:
            params: dict[str, str | int] = {
                "sort": "-spec.stopped,-metadata.name",
                "labels": "tier=a",
                "limit": 1,
                "continue": rest,
            }
            page = (await http.get(team.of("apps"), params=params, headers=headers)).json()
            found += [item["metadata"]["name"] for item in page["items"]]
            assert page["metadata"]["total"] == 3
            rest = page["metadata"]["continue"]
            if not rest:
                break
        assert found == ["app2", "app0", "app1"]
        some = await http.get(team.of("apps"), params={"fields": "spec.stopped=true"}, headers=headers)
        assert len(some.json()["items"]) == 3


async def test_the_cache_answers_nobody_whom_rbac_does_not_allow(
    api: Running, team: Team, other: Team, eventually: Eventually
) -> None:
    victim, attacker = await api.as_(other.person("developer")), await api.as_(team.person("owner"))
    for http, there in ((victim, other), (attacker, team)):
        for number in range(2):
            await http.post(there.of("apps"), json=app_body(f"victim{number}" if there is other else f"mine{number}"))
        assert (await http.get(there.of("apps"))).status_code == 200  # Warm, and the twin.
    rest = (await victim.get(other.of("apps"), params={"sort": "metadata.name", "limit": 1})).json()
    tries: tuple[dict[str, str | int], ...] = (
        {"fields": f"metadata.namespace={other.name}-dev"},
        {"fields": "metadata.name=victim0"},
        {"labels": f"roost.dev/tenant={other.name}"},
        {"continue": rest["metadata"]["continue"]},
        {"name": "victim0"},
        {"sort": "metadata.namespace", "limit": 500},
    )
    for params in tries:
        assert "victim" not in (await attacker.get(team.of("apps"), params=params)).text, params
        assert (await attacker.get(other.of("apps"), params=params)).status_code == 404
    # A member without a right in that namespace: RBAC, not membership, decides, also once others' answers are at hand.
    namespace = f"{other.name}-prod"
    prod = other.of("apps", "prod")
    await take_away(api, namespace, other.person("viewer"))
    assert (await victim.get(prod)).status_code == 200
    viewer = await api.as_(other.person("viewer"))
    assert (await viewer.get(other.of("apps"))).status_code == 200  # The twin.
    for _ in range(3):
        assert (await viewer.get(prod)).status_code == 403


async def take_away(api: Running, namespace: str, person: str) -> None:
    """Remove the bindings of that person there."""
    for binding in await api.admin.list("rbac.authorization.k8s.io/v1", "RoleBinding", namespace):
        if any(subject["name"] == person for subject in binding.get("subjects") or ()):
            await api.admin.delete(binding)


async def test_a_right_that_is_taken_away_ends_cached_reads_too(
    api: Running, team: Team, eventually: Eventually
) -> None:
    http = await api.as_(team.person("viewer"))
    for _ in range(2):
        assert (await http.get(team.of("apps"))).status_code == 200
    await take_away(api, f"{team.name}-dev", team.person("viewer"))

    async def refused() -> bool:
        api.clock.ahead += timedelta(seconds=11)  # As long as a yes is good for; RBAC itself hears of it a bit later.
        return (await http.get(team.of("apps"))).status_code == 403

    await eventually(refused)
