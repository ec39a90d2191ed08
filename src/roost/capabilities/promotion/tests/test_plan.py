"""The plans of Promotions: golden cases, and what must hold whatever the case."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from roost.capabilities.promotion import capability
from roost.capabilities.promotion.model import Observed, SeenPromotion
from roost.capabilities.promotion.plan import KEPT, plan, processes
from roost.kernel import golden
from roost.model.kinds.app import AppSpec, Health, Process
from roost.model.kinds.delivery import Promotion

FOLDER = Path(__file__).parent.parent
CASES = golden.cases(FOLDER)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_golden(case: Path) -> None:
    golden.check(capability, case)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_an_app_is_written_as_the_deployer_and_never_owned(case: Path) -> None:
    for item in golden.run(capability, case).apply:
        kind = item.manifest["kind"]
        assert (item.identity, item.owned, kind) == ("platform" if kind == "Notice" else "deployer", False, kind)
        assert kind == "App" or (kind == "Notice" and item.create)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_only_what_a_build_decides_is_written(case: Path) -> None:
    for item in golden.run(capability, case).apply:
        if item.manifest["kind"] == "App":
            more = {"config"} if item.create else set()
            assert set(item.manifest["spec"]) == {"artefact", "processes", "releaseCommand"} | more


@pytest.mark.parametrize("name", ["done", "refused-stays", "older", "held", "foreign-image", "no-environment"])
def test_nothing_is_written(name: str) -> None:
    assert golden.run(capability, FOLDER / "tests" / "cases" / name).apply == ()


NOW = datetime(2026, 11, 28, tzinfo=UTC)


def seen(number: int, sequence: int, ended: bool = True) -> SeenPromotion:
    created = f"2026-01-01T{number // 60:02}:{number % 60:02}:00Z"
    return SeenPromotion(name=f"shop-{number}", uid=f"u-{number}", sequence=sequence, created=created, ended=ended)


def forgotten(others: list[SeenPromotion], created: str = "2026-02-01T00:00:00Z") -> list[str]:
    raw = {
        "metadata": {"name": "shop-new", "namespace": "acme-dev", "uid": "p", "creationTimestamp": created},
        "spec": {"app": "shop", "artefact": {"image": "r/acme/shop@sha256:" + "a" * 64}, "sequence": 7},
        "status": {"phase": "Superseded"},
    }
    made = plan(Promotion.parse(raw), Observed(tenant="acme", others=tuple(others)), NOW)
    return [action.key for action in made.actions]


def test_the_oldest_are_forgotten_or_the_quota_would_end_all_pushes() -> None:
    others = [seen(number, number) for number in range(KEPT + 2)]
    assert forgotten(others[: KEPT - 1]) == []
    assert forgotten(others) == ["u-0", "u-1", "u-2"]
    assert forgotten(others, created="2026-01-01T00:00:00Z") == [], "Only the newest one forgets."


def test_what_is_open_and_what_guards_the_order_stays() -> None:
    others = [seen(0, 900), seen(1, 1, ended=False), *(seen(number, number) for number in range(2, KEPT + 2))]
    assert forgotten(others) == ["u-2"]


def brought(built: Health, own: Health, *earlier: Health) -> Health:
    """The health of web after a build that says `built` came to an App with `own`, after those that said `earlier`."""
    raw = {
        "metadata": {"name": "shop-new", "namespace": "acme-dev"},
        "spec": {
            "app": "shop",
            "artefact": {"image": "r/acme/shop@sha256:" + "a" * 64},
            "processes": [Process(name="web", port=8080, health=built).wire()],
        },
    }
    app = AppSpec(processes=(Process(name="web", port=8080, health=own),))
    others = tuple(
        SeenPromotion(name=f"shop-{number}", sequence=number, health={"web": said})
        for number, said in enumerate(earlier)
    )
    return processes(Promotion.parse(raw), app, others)[0].health


@pytest.mark.parametrize(
    ("built", "own", "earlier", "path"),
    [
        ("/ready", "", [], "/ready"),
        ("/ready", "/health", ["/health"], "/ready"),
        ("", "/health", ["/health", "/ready"], ""),
        ("/ready", "/mine", ["/health"], "/mine"),
        ("", "/mine", [], "/mine"),
    ],
)
def test_a_build_tells_the_health_until_a_person_does(built: str, own: str, earlier: list[str], path: str) -> None:
    assert brought(Health(path=built), Health(path=own), *(Health(path=item) for item in earlier)).path == path


def test_a_longer_start_that_a_person_gave_stays_when_a_build_names_a_path() -> None:
    assert brought(Health(path="/ready"), Health(start_s=300)) == Health(path="/ready", start_s=300)
