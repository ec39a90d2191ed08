"""The verdict on going back: each fact that speaks against it, and which version is meant without a number."""

from decimal import Decimal
from typing import Any

import pytest

from roost.capabilities.release.advice import SAYS
from roost.capabilities.release.checks import MAX_CHANGES, default_target, judge
from roost.capabilities.release.model import Observed, Room, SeenVersion
from roost.model.content import content_digest
from roost.model.kinds.app import AppSpec, Artefact, Process, Resources, Variable


def spec(letter: str = "a", **fields: Any) -> AppSpec:
    image = f"registry.roost-system.svc:5000/acme/shop@sha256:{letter * 64}"
    return AppSpec(artefact=Artefact(image=image), processes=(Process(name="web", port=80),)).model_copy(update=fields)


def version(number: int, content: AppSpec, **fields: Any) -> SeenVersion:
    made = SeenVersion(
        number=number, name=f"shop-v{number}", served=True, digest=content_digest(content), content=content
    )
    return made.model_copy(update=fields)


OLD, NEW = spec("a"), spec("b")
OBSERVED = Observed(spec=NEW, versions=(version(1, OLD), version(2, NEW)), target=version(1, OLD))


def seen(**facts: Any) -> Observed:
    return OBSERVED.model_copy(update=facts)


def room(resource: Any, hard: str, others: str, own: str) -> Room:
    return Room(resource=resource, hard=Decimal(hard), others=Decimal(others), own=Decimal(own))


def to(content: AppSpec, **fields: Any) -> SeenVersion:
    return version(1, content, **fields)


MIGRATES = spec("b", release_command=("migrate",))
# (facts, verdict, reasons, whether force passes over the refusals)
CASES: dict[str, tuple[Observed, str, list[str], bool]] = {
    "all is well": (OBSERVED, "safe", [], False),
    "nothing to do": (seen(spec=OLD), "same", ["Same"], False),
    "nothing to do but a hold": (seen(spec=OLD.model_copy(update={"hold": "x"})), "same", ["Same"], False),
    "the image is gone": (seen(image="gone"), "refused", ["ImageGone"], False),
    "the registry is away": (seen(image="unknown"), "care", ["ImageUnknown"], False),
    "a foreign image": (seen(image="foreign"), "care", ["ImageForeign"], False),
    "the image is not signed": (seen(unsigned="Nobody signed it."), "refused", ["NotSigned"], False),
    "no image": (seen(target=to(spec("a", artefact=None))), "refused", ["NoImage"], False),
    "secrets are gone": (seen(secrets=False), "refused", ["SecretsGone"], False),
    "secrets differ": (seen(target=to(spec("a", secret_version="0" * 16))), "care", ["SecretsReplaced"], False),
    "it never served": (seen(target=to(OLD, served=False)), "refused", ["NeverServed"], True),
    "a command ran": (seen(spec=MIGRATES, versions=(to(OLD), version(2, MIGRATES))), "care", ["CommandRan"], False),
    "its own command": (
        seen(target=to(spec("a", release_command=("x",))), versions=(to(spec("a", release_command=("x",))),)),
        "safe",
        [],
        False,
    ),
    "a process ends": (
        seen(spec=NEW.model_copy(update={"processes": (*NEW.processes, Process(name="worker"))})),
        "care",
        ["ProcessesEnd"],
        False,
    ),
    "no room": (seen(rooms=(room("pods", "5", "5", "1"),)), "refused", ["NoRoom"], True),
    "no room for one more": (seen(rooms=(room("cpu", "0.2", "0.1", "0.1"),)), "care", ["TightRoom"], False),
    "room enough": (seen(rooms=(room("cpu", "1", "0.1", "0.1"), room("pods", "9", "1", "1"))), "safe", [], False),
    "a host name is lost": (seen(lost=("a.example.com",)), "refused", ["HostnamesLost"], True),
    "stopped": (seen(spec=NEW.model_copy(update={"stopped": True})), "care", ["Stopped"], False),
    "not allowed": (seen(refusal="You may not."), "refused", ["NotAllowed"], False),
    "two refusals, one final": (seen(refusal="No.", lost=("a.b",)), "refused", ["HostnamesLost", "NotAllowed"], False),
}


@pytest.mark.parametrize("case", CASES)
def test_what_speaks_against_it(case: str) -> None:
    observed, verdict, reasons, force = CASES[case]
    found = judge("shop", observed)
    assert (found.verdict, [item.reason for item in found.checks], found.force) == (verdict, reasons, force)


def test_every_reason_is_said_by_some_case() -> None:
    assert {reason for _, _, reasons, _ in CASES.values() for reason in reasons} == set(SAYS)


def test_memory_is_told_in_a_unit_that_people_use() -> None:
    target = to(spec("a", processes=(Process(name="web", replicas=3, resources=Resources(memory="1Gi")),)))
    found = judge("shop", seen(target=target, rooms=(room("memory", str(2 << 30), "0", "0"),)))
    assert found.checks[0].message == "The environment has no room for it: memory would be 3072Mi of 2048Mi."


def test_a_command_that_ran_for_the_same_image_is_not_told_twice() -> None:
    scaled = MIGRATES.model_copy(update={"processes": (Process(name="web", port=80, replicas=2),)})
    found = judge("shop", seen(spec=scaled, versions=(to(OLD), version(2, MIGRATES), version(3, scaled))))
    assert found.checks[0].values == {"versions": "v2"}


def test_the_difference_comes_with_it_and_is_bounded() -> None:
    config = tuple(Variable(name=f"V{number:03}", value="x") for number in range(300))
    processes = tuple(Process(name=f"p{number}") for number in range(10))
    found = judge("shop", seen(target=to(spec("a", config=config, processes=processes))))
    assert len(found.changes) <= MAX_CHANGES and {"artefact.image", "config[V000].value"} <= {
        item.field for item in found.changes
    }
    assert found.changes and not judge("shop", seen(spec=OLD)).changes


def test_without_a_number_it_is_the_last_that_served_well() -> None:
    one, two, three = spec("a"), spec("b"), spec("c")
    versions = [version(1, one), version(2, two), version(3, three)]

    def chosen(spec_: AppSpec, *found: SeenVersion, live: str) -> int | None:
        target = default_target(spec_, found, live)
        return target.number if target else None

    assert chosen(three, *versions, live="shop-v3") == 2, "All is well: the one before."
    failed = version(3, three, served=False, phase="Failed")
    assert chosen(three, *versions[:2], failed, live="shop-v2") == 2, "What still serves while a newer one fails."
    begun = version(3, three, served=False, phase="Pending")
    assert chosen(three, *versions[:2], begun, live="shop-v2") == 2, "Also while it is on its way."
    never = version(2, two, served=False, phase="Superseded")
    assert chosen(three, versions[0], never, versions[2], live="shop-v3") == 1, "What never served is passed over."
    back = version(4, two, restores=2)
    assert chosen(two, *versions, back, live="shop-v4") == 1, "What was rolled back from is not gone back to."
    assert chosen(one, versions[0], live="shop-v1") is None
    assert chosen(one, live="") is None
