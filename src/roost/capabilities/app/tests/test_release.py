"""A Release: what belongs to it, what makes a new one, and what it says of the change."""

from typing import Any

import pytest

from roost.capabilities.app.manifests.release import MAX_CHANGES, release
from roost.capabilities.app.model import SeenRelease
from roost.model.content import content, content_digest, parted
from roost.model.difference import MAX_VALUE
from roost.model.kinds.app import (
    HANDLED,
    STEERED,
    App,
    AppSpec,
    Artefact,
    Health,
    History,
    Process,
    ReleaseSpec,
    Resources,
    Rollout,
    Slo,
    Variable,
)
from roost.model.resource import Metadata


def artefact(letter: str, run: str = "") -> Artefact:
    return Artefact(image=f"registry.roost-system.svc:5000/acme/shop@sha256:{letter * 64}", run=run)


BASE = AppSpec(artefact=artefact("a", "shop-1-a"), processes=(Process(name="web", port=8080),))


def seen(number: int, spec: AppSpec) -> SeenRelease:
    return SeenRelease(number=number, name=f"shop-v{number}", digest=content_digest(spec), content=content(spec))


def made(spec: AppSpec, *before: AppSpec) -> ReleaseSpec:
    app = App(metadata=Metadata(name="shop", namespace="acme-dev", uid="u"), spec=spec)
    return ReleaseSpec.model_validate(release(app, [seen(n, item) for n, item in enumerate(before, 1)])["spec"])


def web(**fields: Any) -> AppSpec:
    return BASE.model_copy(update={"processes": (Process(name="web", port=8080).model_copy(update=fields),)})


CHANGES = {
    "image": (BASE.model_copy(update={"artefact": artefact("b")}), "deploy of bbbbbbbbbbbb", "artefact.image"),
    "scale": (web(replicas=3), "web scaled from 1 to 3", "processes[web].replicas"),
    "resources": (
        web(resources=Resources(memory="1Gi")),
        "resources of web changed",
        "processes[web].resources.memory",
    ),
    "health": (web(health=Health(path="/ok")), "health of web changed", "processes[web].health.path"),
    "grace": (web(grace_s=5), "grace s of web changed", "processes[web].graceS"),
    "configuration": (
        BASE.model_copy(update={"config": (Variable(name="A", value="1"),)}),
        "A set",
        "config[A].value",
    ),
    "secrets": (
        BASE.model_copy(update={"secret_version": "0123456789abcdef"}),
        "secret configuration changed",
        "secrets",
    ),
    "routes": (BASE.model_copy(update={"domains": ("a.example.com",)}), "host names changed", "domains"),
    "strategy": (
        BASE.model_copy(update={"rollout": Rollout(strategy="canary")}),
        "rollout changed",
        "rollout.strategy",
    ),
    "error budget": (
        BASE.model_copy(update={"slo": Slo(availability="99.9")}),
        "slo changed",
        "slo.availability",
    ),
    "release command": (
        BASE.model_copy(update={"release_command": ("x",)}),
        "release command changed",
        "releaseCommand",
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_each_change_makes_a_version_and_is_told(what: str) -> None:
    spec, words, field = CHANGES[what]
    assert content_digest(spec) != content_digest(BASE)
    found = made(spec, BASE)
    assert found.number == 2 and found.cause == words
    assert field in [change.field for change in found.changes]


def test_how_it_takes_over_belongs_to_a_version_but_not_a_word_about_one() -> None:
    canary = BASE.model_copy(update={"rollout": Rollout(strategy="canary")})
    steered = canary.model_copy(update={"rollout": Rollout(strategy="canary", promote=3, abort=2)})
    assert content_digest(BASE) != content_digest(canary) == content_digest(steered)
    assert content(steered).rollout == canary.rollout
    kept, handling = parted(steered.wire())
    assert kept["rollout"] == {key: value for key, value in canary.rollout.wire().items() if key not in STEERED}
    assert set(handling) == set(HANDLED)


@pytest.mark.parametrize("name", sorted(set(AppSpec.model_fields) - {"rollout"}))
def test_every_field_belongs_to_a_version_unless_it_is_handling(name: str) -> None:
    mark = object()
    kept = getattr(content(BASE.model_copy(update={name: mark})), name) is mark
    assert kept == (name not in HANDLED), f"{name}: name it in HANDLED, or let a version hold it"


@pytest.mark.parametrize(
    "spec",
    [
        BASE.model_copy(update={"stopped": True, "hold": "why", "history": History(count=3)}),
        BASE.model_copy(update={"artefact": artefact("a", "shop-9-z")}),
    ],
)
def test_handling_and_where_an_image_came_from_make_none(spec: AppSpec) -> None:
    assert content_digest(spec) == content_digest(BASE)


def test_the_run_is_told_of_the_version_that_brings_its_image() -> None:
    assert made(BASE).run == "shop-1-a"
    assert made(web(replicas=2), BASE).run == "", "Scaling came from no run."


def test_secrets_are_told_by_the_first_digits_of_their_version() -> None:
    found = made(BASE.model_copy(update={"secret_version": "0123456789abcdef"}), BASE)
    assert [(change.before, change.after) for change in found.changes] == [(None, "01234567")]


def test_what_is_told_is_bounded() -> None:
    config = tuple(Variable(name=f"V{number:03}", value="x" * 1000) for number in range(300))
    found = made(BASE.model_copy(update={"config": config}), BASE)
    assert len(found.changes) == MAX_CHANGES and found.omitted == 300 - MAX_CHANGES
    assert max(len(change.after or "") for change in found.changes) == MAX_VALUE
    assert len(found.cause) <= 300


def test_a_rollback_says_what_it_restores_and_a_deploy_of_the_same_does_not() -> None:
    other = CHANGES["image"][0]
    held = BASE.model_copy(update={"hold": "Rolled back to v1 by ada."})
    assert (made(held, BASE, other).restores, made(held, BASE, other).cause) == (1, "Back to v1")
    assert made(BASE, BASE, other).restores is None
