"""What every capability promises, whoever wrote it. Folders are discovered; nothing is listed here.

A golden case is a folder `tests/cases/<case>/` of the capability with three files (see `roost.kernel.golden`):
    input.yaml      the object as kube-apiserver gives it
    observed.yaml   the Observed that the plan gets (and `now: <RFC 3339>`, if it matters)
    expected.yaml   the plan; `python -m roost.kernel.golden <capability>` writes it anew
"""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from roost.kernel import golden
from roost.kernel.applied import Owner, carries, dress
from roost.kernel.capability import Capability, Watch, load
from roost.kernel.discovery import PARENTS, capabilities, kinds
from roost.model.names import API_VERSION
from roost.model.plan import Plan

SOURCE = Path(__file__).resolve().parents[2] / "src"
PLANNED = [item for item in capabilities() if item.plan]
CASES = [(item, case) for item in PLANNED for case in golden.cases(golden.folder_of(item))]


def named(value: Any) -> str:
    """How a capability or a case is called in the report."""
    return value.name if isinstance(value, Capability | Path) else str(value)


def test_every_folder_is_a_capability() -> None:
    names = {item.name for item in capabilities()}
    for parent in PARENTS:
        for folder in (SOURCE / parent.replace(".", "/")).glob("*/__init__.py"):
            assert folder.parent.name.replace("_", "-") in names or folder.parent.name in names, folder.parent


@pytest.mark.parametrize("capability", capabilities(), ids=named)
def test_every_part_is_there(capability: Capability) -> None:
    for part in ("resource", "observe", "plan", "watches", "actions", "finalize", "routes", "commands"):
        reference = getattr(capability, part)
        assert reference is None or load(reference) is not None, reference
    assert capability.finalize is None or capability.finalizer, "finalize is never called without finalizer"
    if capability.resource:
        assert load(capability.resource) in kinds()


@pytest.mark.parametrize("capability", PLANNED, ids=named)
def test_the_parts_fit_the_contract(capability: Capability) -> None:
    plan = load(capability.plan or "")
    assert not inspect.iscoroutinefunction(plan) and len(inspect.signature(plan).parameters) == 3
    if capability.observe:
        observe = load(capability.observe)
        assert inspect.iscoroutinefunction(observe) and len(inspect.signature(observe).parameters) in (2, 3)
    if capability.watches:
        assert all(isinstance(watch, Watch) for watch in load(capability.watches))
    if capability.actions:
        actions = load(capability.actions)
        assert isinstance(actions, Mapping) and all(map(inspect.iscoroutinefunction, actions.values()))


@pytest.mark.parametrize("capability", PLANNED, ids=named)
def test_there_are_golden_cases(capability: Capability) -> None:
    assert golden.cases(golden.folder_of(capability)), f"{capability.name} has no golden case"


@pytest.mark.parametrize(("capability", "case"), CASES, ids=named)
def test_a_golden_case_holds_and_is_the_same_twice(capability: Capability, case: Path) -> None:
    golden.check(capability, case)


@pytest.mark.parametrize(("capability", "case"), CASES, ids=named)
def test_a_plan_is_one_that_the_kernel_can_carry_out(capability: Capability, case: Path) -> None:
    plan: Plan = golden.run(capability, case)
    places = []
    for item in plan.apply:
        manifest = item.manifest
        assert {"apiVersion", "kind", "metadata"} <= set(manifest), manifest
        assert item.identity in ("platform", "deployer") or item.identity.startswith("person:")
        assert item.identity != "deployer" or manifest["metadata"].get("namespace"), "a deployer has a namespace"
        assert "status" not in manifest, "a status is its controller's"
        meta = manifest["metadata"]
        places.append((manifest["apiVersion"], manifest["kind"], meta.get("namespace"), meta["name"]))
    assert len(places) == len(set(places)), "something is applied twice"
    actions = load(capability.actions) if capability.actions else {}
    assert {action.name for action in plan.actions} <= set(actions)
    assert len({condition.type for condition in plan.conditions}) == len(plan.conditions)


@pytest.mark.parametrize(("capability", "case"), CASES, ids=named)
def test_what_was_applied_needs_no_second_write(capability: Capability, case: Path) -> None:
    owner = Owner(API_VERSION, "Any", "any", "any", "00000000-0000-0000-0000-000000000000")
    for item in golden.run(capability, case).apply:
        live = dress(item.manifest, capability.name, owner if item.owned else None)
        again = dress(item.manifest, capability.name, owner if item.owned else None, "another-request")
        live["metadata"] |= {"uid": "1", "resourceVersion": "1", "generation": 1}
        assert carries(live, again, capability.name)
