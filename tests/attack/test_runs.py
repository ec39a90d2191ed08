"""A Run is what the commit said when its ref moved: nobody of a tenant makes one, gives one more rights or other steps.

The twin is what the same developer may ask of a Run: that it ends, or runs again.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from roost.model.names import API_VERSION, AUTHOR
from tests.attack.world import ADA, BOB, VIV, World, collection

pytestmark = pytest.mark.integration
RUN: dict[str, Any] = {
    "apiVersion": API_VERSION,
    "kind": "Run",
    "metadata": {"name": "shop-1-0123456789", "namespace": "acme-build"},
    "spec": {
        "project": "shop",
        "ref": "refs/heads/feature",
        "commit": "a" * 40,
        "rights": "reduced",
        "pipeline": {"steps": [{"name": "test", "commands": ["make"], "secrets": ["npm-token"]}]},
    },
}
PATH = f"{collection(RUN)}/{RUN['metadata']['name']}"
STEPS = {"steps": [{"name": "test", "commands": ["env"], "secrets": ["npm-token"]}]}
FORBIDDEN = {
    "full rights": {"rights": "full"},
    "the project's secrets": {"stepSecrets": ["npm-token"]},
    "other steps": {"pipeline": STEPS},
    "another ref": {"ref": "refs/heads/main"},
    "another commit": {"commit": "b" * 40},
    "others who wished for it": {"repeatedBy": ["bob"]},
    "another run's workspace": {"origin": "shop-2-0123456789", "startAt": "test"},
    "no more problem": {"problem": "x"},
}


@pytest.fixture(scope="module", autouse=True)
def run(world: World) -> Iterator[None]:
    world.install(RUN)
    yield
    world.remove(RUN)


@pytest.mark.parametrize("who", [ADA, BOB, VIV])
def test_nobody_of_a_tenant_makes_a_run(world: World, who: str) -> None:
    made = {**RUN, "metadata": {**RUN["metadata"], "name": "mine"}}
    for method, path, body, more in (
        ("POST", collection(RUN), made, {}),
        ("PATCH", f"{collection(RUN)}/mine", made, {"kind": "apply"}),
    ):
        params = {"dryRun": "All", "fieldManager": "mine"}
        answer = world.call(who, method, path, body, params=params, **more)
        assert answer.status_code == 403, answer.text


@pytest.mark.parametrize("change", FORBIDDEN.values(), ids=FORBIDDEN)
@pytest.mark.parametrize("who", [ADA, BOB])
def test_a_run_keeps_its_rights_and_its_steps(world: World, who: str, change: dict[str, Any]) -> None:
    answer = world.call(who, "PATCH", PATH, {"spec": change}, params={"dryRun": "All"})
    assert answer.status_code == 422 and "A run never changes" in answer.text, answer.text
    whole = world.call(who, "GET", PATH).json()
    put = world.call(who, "PUT", PATH, {**whole, "spec": {**whole["spec"], **change}}, params={"dryRun": "All"})
    assert put.status_code == 422 and "A run never changes" in put.text, put.text


@pytest.mark.parametrize("change", [{"cancel": True}, {"rerun": {"number": 1, "step": "test"}}])
def test_a_developer_may_end_a_run_or_wish_for_another(world: World, change: dict[str, Any]) -> None:
    named = {"metadata": {"annotations": {AUTHOR: "bob"}}, "spec": change}
    answer = world.call(BOB, "PATCH", PATH, named, params={"dryRun": "All"})
    assert answer.status_code == 200, answer.text
    # Whoever has a run repeated is one of those who made what comes of it, so they say who they are.
    silent = world.call(BOB, "PATCH", PATH, {"spec": change}, params={"dryRun": "All"})
    assert silent.status_code == 403 and "'roost-makers'" in silent.text, silent.text


@pytest.mark.parametrize("path", [f"{PATH}/status"])
def test_what_a_run_says_of_itself_is_the_controllers(world: World, path: str) -> None:
    answer = world.call(BOB, "PATCH", path, {"status": {"phase": "Succeeded"}}, params={"dryRun": "All"})
    assert answer.status_code == 403, answer.text
