"""Every attack of the table, by every way to write it: refused by the guard that is meant; the twin is let through."""

import dataclasses

import pytest

from tests.attack import ways
from tests.attack.authors import AUTHORS
from tests.attack.domains import DOMAINS
from tests.attack.gates import GATES
from tests.attack.outcomes import OUTCOMES
from tests.attack.registrar import REGISTRATIONS, remove
from tests.attack.signed import SIGNED
from tests.attack.table import ATTACKS, Attack
from tests.attack.world import World

pytestmark = pytest.mark.integration
TRIES = [
    pytest.param(attack, way, id=f"{attack.name}-{way}")
    for attack in [*AUTHORS, *DOMAINS, *GATES, *OUTCOMES, *REGISTRATIONS, *SIGNED, *ATTACKS]
    for way in attack.ways
]


@pytest.mark.parametrize(("attack", "way"), TRIES)
def test_the_attack_is_refused_and_its_twin_is_not(world: World, attack: Attack, way: str) -> None:
    harmless = ways.write(world, attack, way, attack.twin)
    assert harmless.status_code in (200, 201), f"The harmless twin is refused: {harmless.text}"
    refused = ways.write(world, attack, way, attack.evil)
    assert refused.status_code in (403, 422), f"It works: {refused.text}"
    message = refused.json()["message"]
    assert f"'{attack.guard}'" in message, f"Something else refused it: {message}"
    assert attack.says in message, message


def test_the_registrar_removes_machines_and_nobody_else(world: World) -> None:
    assert remove(world, person=False).status_code == 200
    refused = remove(world, person=True)
    assert refused.status_code == 403 and "'roost-registrar'" in refused.text, refused.text


@pytest.mark.parametrize(
    "attack", [attack for attack in [*SIGNED, *ATTACKS] if attack.evil["kind"] == "Pod"], ids=lambda a: a.name
)
def test_pods_of_a_workload_are_held_to_the_same(world: World, attack: Attack) -> None:
    """A Deployment's pods are made by Kubernetes' own controller, which is trusted with much, but not with this."""
    controller = "system:serviceaccount:kube-system:replicaset-controller"
    through = dataclasses.replace(attack, actor=controller)
    refused = ways.write(world, through, "post", attack.evil)
    assert refused.status_code in (403, 422), f"It works: {refused.text}"
    assert f"'{attack.guard}'" in refused.json()["message"], refused.text
