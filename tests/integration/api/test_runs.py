"""Runs by the API: who may have one run again, from which step, and what is left of its steps."""

import asyncio
import json
from typing import Any

import pytest

from tests.integration.api.conftest import Running, Team

pytestmark = pytest.mark.integration
STEPS = [{"name": name, "commands": ["make"]} for name in ("test", "lint")]


async def run(api: Running, team: Team, name: str, phase: str = "") -> str:
    spec = {"project": "site", "ref": "refs/heads/main", "commit": "0" * 40, "pipeline": {"steps": STEPS}}
    metadata = {"name": name, "namespace": f"{team.name}-build"}
    made = await api.admin.create(
        {"apiVersion": "roost.dev/v1alpha1", "kind": "Run", "metadata": metadata, "spec": spec}
    )
    if phase:
        await api.admin.patch_status(made, {"phase": phase}, "test")
    return f"{team.of('runs')}/{name}"


async def test_a_run_that_is_over_is_run_again_from_a_step(api: Running, team: Team) -> None:
    path = await run(api, team, "site-1-0123456789", "Failed")
    http = await api.as_(team.person("developer"))
    for number, step in ((1, "lint"), (2, "build"), (3, "")):
        again = await http.post(f"{path}/rerun", json={"from": step})
        assert again.status_code == 200, again.text
        assert again.json()["spec"]["rerun"] == {"number": number, "step": step}
    viewer = await api.as_(team.person("viewer"))
    assert (await viewer.post(f"{path}/rerun", json={})).status_code == 403


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"from": "deploy"}, 422, "There are: test, lint, build."),
        ({"from": "../x"}, 422, "from"),
        ({"step": "test"}, 422, "step"),
        ({"from": 1}, 422, "from"),
    ],
)
async def test_a_step_that_there_is_not_is_refused(
    api: Running, team: Team, body: dict[str, Any], status: int, told: str
) -> None:
    path = await run(api, team, "site-2-0123456789", "Succeeded")
    http = await api.as_(team.person("developer"))
    refused = await http.post(f"{path}/rerun", json=body)
    assert (refused.status_code, told in refused.text) == (status, True), refused.text


async def test_a_run_that_goes_on_is_not_run_again(api: Running, team: Team) -> None:
    path = await run(api, team, "site-3-0123456789")
    http = await api.as_(team.person("developer"))
    refused = await http.post(f"{path}/rerun", json={})
    assert (refused.status_code, "not over yet" in refused.text) == (409, True)
    assert (await http.post(f"{team.of('runs')}/none/rerun", json={})).status_code == 404


async def test_what_steps_left_is_for_who_may_read_the_run(api: Running, team: Team, other: Team) -> None:
    path = await run(api, team, "site-4-0123456789", "Succeeded")
    viewer = await api.as_(team.person("viewer"))
    assert (await viewer.get(f"{path}/tests")).json()["tests"] == 0
    # There is no registry here.
    assert (await viewer.get(f"{path}/artefacts/test")).status_code == 503
    assert (await viewer.get(f"{path}/artefacts/..%2fx")).status_code in (404, 422)
    stranger = await api.as_(other.person("owner"))
    for what in ("tests", "artefacts/test", "logs"):
        assert (await stranger.get(f"{path}/{what}")).status_code == 404


async def _lines(api: Running, team: Team, path: str, **query: str) -> list[dict[str, Any]]:
    http = await api.as_(team.person("viewer"))
    async with asyncio.timeout(20):
        answer = await http.get(f"{path}/logs", params=query)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines() if line]


async def test_signing_and_promotion_have_their_words_in_the_log(api: Running, team: Team) -> None:
    path = await run(api, team, "site-5-0123456789")
    (told,) = await _lines(api, team, path, step="sign")
    assert told["instance"] == "" and "nothing yet" in told["line"]
    image = "registry.roost-system.svc:5000/acme/site@sha256:" + "4f" * 32
    status = {
        "phase": "Succeeded",
        "finishedAt": "2026-11-29T01:02:03Z",
        "signedBy": "k1",
        "artefact": {"image": image},
    }
    place = f"{team.name}-dev"
    space, name = f"{team.name}-build", "site-5-0123456789"
    raw = await api.admin.get("roost.dev/v1alpha1", "Run", name, space)
    assert raw is not None
    await api.admin.patch_status(raw, status | {"promotion": f"{place}/{name}"}, "test")
    (signed,) = await _lines(api, team, path, step="sign")
    assert (signed["process"], signed["time"]) == ("sign", "2026-11-29T01:02:03.000000000Z")
    assert signed["line"] == "-----> Signed sha256:4f4f4f4f4f4f with the key k1"
    (gone,) = await _lines(api, team, path, step="promote")
    assert "no longer kept" in gone["line"]
    metadata = {"name": name, "namespace": place}
    spec = {"app": "site", "artefact": {"image": image}, "run": name}
    promotion = await api.admin.create(
        {"apiVersion": "roost.dev/v1alpha1", "kind": "Promotion", "metadata": metadata, "spec": spec}
    )
    (pending,) = await _lines(api, team, path, step="promote")
    assert pending["line"].endswith(f"{place}/{name}: Pending")
    await api.admin.patch_status(promotion, {"phase": "Applied", "release": "site-v3"}, "test")
    # Followed, it ends when the promotion has ended.
    (applied,) = await _lines(api, team, path, step="promote", follow="true")
    assert applied["line"].endswith(f"{place}/{name}: Applied as site-v3")
    both = await _lines(api, team, path)
    assert [line["process"] for line in both] == ["sign", "promote"]
    (none,) = await _lines(api, team, path, step="fetch")
    assert "said nothing. The run ended: Succeeded" in none["line"]


async def test_a_step_that_a_run_does_not_have_is_refused_with_those_that_it_has(api: Running, team: Team) -> None:
    path = await run(api, team, "site-6-0123456789")
    http = await api.as_(team.person("viewer"))
    refused = await http.get(f"{path}/logs", params={"step": "deploy"})
    assert refused.status_code == 422
    assert "fetch, scan, test, lint, build, bill, scan-image, sign, promote" in refused.text
