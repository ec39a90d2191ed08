"""Each guard taken away once: the attack that it is meant for then works. A guard that no attack tries fails here."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from roost.capabilities.tenant import admission
from tests.attack import entry, registrar, ways
from tests.attack.authors import AUTHORS
from tests.attack.domains import DOMAINS
from tests.attack.gates import GATES
from tests.attack.outcomes import OUTCOMES
from tests.attack.signed import SIGNED
from tests.attack.table import ATTACKS, Attack
from tests.attack.world import DOMAIN, World

pytestmark = [pytest.mark.integration, pytest.mark.full]
POLICIES = [item for item in admission.policies(DOMAIN) if item["kind"] == "ValidatingAdmissionPolicy"]
GUARDS = [
    pytest.param(policy, index, id=f"{policy['metadata']['name']}-{index}")
    for policy in POLICIES
    for index in range(len(policy["spec"]["validations"]))
]


def _works(world: World, attack: Attack) -> bool:
    return ways.write(world, attack, attack.ways[0], attack.evil).status_code in (200, 201)


def _passes(world: World, space: str, door: str) -> bool:
    return "denied request" not in entry.knock(world, space, door).text


def _attempts(world: World, name: str, message: str) -> dict[str, Callable[[], bool]]:
    """Attacks that this guard alone must refuse, by name."""
    if name in entry.PLACES:
        space = entry.PLACES[name]
        return {door: partial(_passes, world, space, door) for door in entry.DOORS}
    removes: dict[str, Callable[[], bool]] = {}
    if name == "roost-registrar" and "removes machines" in message:
        removes["registrar-removes-a-person"] = lambda: registrar.remove(world, person=True).status_code == 200
    meant = [
        attack
        for attack in [*AUTHORS, *DOMAINS, *GATES, *OUTCOMES, *registrar.REGISTRATIONS, *SIGNED, *ATTACKS]
        if attack.guard == name and attack.says in message and not attack.twice
    ]
    return {**removes, **{attack.name: partial(_works, world, attack) for attack in meant}}


@pytest.mark.parametrize(("policy", "index"), GUARDS)
def test_without_its_guard_an_attack_works(world: World, policy: dict[str, Any], index: int) -> None:
    name = policy["metadata"]["name"]
    without = copy.deepcopy(policy)
    guard = without["spec"]["validations"].pop(index)
    if not without["spec"]["validations"]:
        without["spec"]["validations"] = [{"expression": "true"}]
    attempts = _attempts(world, name, guard["message"])
    assert attempts, f"No attack tries this guard: {guard['message']}"
    assert not [attempt for attempt, works in attempts.items() if works()]
    world.install(without)
    try:
        for attempt, works in attempts.items():
            world.until(works, f"{attempt} to work without its guard")
    finally:
        world.install(policy)
        first = next(iter(attempts.values()))
        world.until(lambda: not first(), "the guard to stand again")
