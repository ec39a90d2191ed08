"""The plans of Apps: golden cases, and what must hold whatever the case."""

from pathlib import Path

import pytest
import yaml

from roost.capabilities.app import capability
from roost.capabilities.app.manifests.pod import runtime
from roost.capabilities.app.manifests.release import cause
from roost.capabilities.app.model import Observed, SeenRelease
from roost.capabilities.app.plan import plan
from roost.kernel import golden
from roost.model.content import content_digest
from roost.model.instance import literal
from roost.model.kinds.app import App, AppSpec, Artefact, Process, Variable
from roost.model.resource import Metadata

FOLDER = Path(__file__).parent.parent
IMAGE = "registry.roost-system.svc:5000/acme/shop@sha256:" + "a" * 64
PLACE = Observed(tenant="acme", environment="dev")


def spec(**fields: object) -> AppSpec:
    return AppSpec(artefact=Artefact(image=IMAGE)).model_copy(update=fields)


def app(content: AppSpec) -> App:
    return App(metadata=Metadata(name="shop", namespace="acme-dev", uid="a-1"), spec=content)


def seen(number: int, content: AppSpec, phase: str | None = None) -> SeenRelease:
    fields = {"number": number, "name": f"shop-v{number}", "digest": content_digest(content), "phase": phase}
    return SeenRelease.model_validate({**fields, "content": content})


@pytest.mark.parametrize("case", golden.cases(FOLDER), ids=lambda case: str(case.name))
def test_golden(case: Path) -> None:
    golden.check(capability, case)


@pytest.mark.parametrize("case", golden.cases(FOLDER), ids=lambda case: str(case.name))
def test_everything_is_applied_as_the_tenant(case: Path) -> None:
    assert {item.identity for item in golden.run(capability, case).apply} <= {"deployer"}


@pytest.mark.parametrize("case", golden.cases(FOLDER), ids=lambda case: str(case.name))
def test_nothing_leaves_the_namespace_of_the_app(case: Path) -> None:
    for item in golden.run(capability, case).apply:
        assert item.manifest["metadata"]["namespace"] == "acme-dev"


def test_the_release_is_made_in_a_pass_of_its_own() -> None:
    """Deployments never follow content that no Release holds, also when the new one could not be made."""
    result = plan(app(spec()), PLACE, golden.NOW)
    assert [item.manifest["kind"] for item in result.apply] == ["Release"]


def test_the_same_content_makes_no_release() -> None:
    observed = PLACE.model_copy(update={"releases": (seen(1, spec()),)})
    assert all(item.manifest["kind"] != "Release" for item in plan(app(spec()), observed, golden.NOW).apply)


def test_the_same_image_of_another_run_makes_no_release() -> None:
    observed = PLACE.model_copy(update={"releases": (seen(1, spec()),)})
    again = AppSpec(artefact=Artefact(image=IMAGE, commit="c" * 40, run="shop-2-abc"))
    assert all(item.manifest["kind"] != "Release" for item in plan(app(again), observed, golden.NOW).apply)


def test_stopping_and_holding_make_no_release() -> None:
    observed = PLACE.model_copy(update={"releases": (seen(1, spec()),)})
    result = plan(app(spec(stopped=True, hold="looked at")), observed, golden.NOW)
    assert all(item.manifest["kind"] != "Release" for item in result.apply)


def test_a_new_version_of_the_secrets_makes_a_release() -> None:
    assert content_digest(spec()) != content_digest(spec(secret_version="0123456789abcdef"))


def test_scale_replaces_no_instance() -> None:
    one, three = Process(name="web", port=8080), Process(name="web", port=8080, replicas=3)
    assert runtime(spec(), one) == runtime(spec(domains=("a-dev.acme.roost.localhost",)), three)
    assert runtime(spec(), one) != runtime(spec(config=(Variable(name="A", value="1"),)), one)


def test_a_cause_never_holds_values() -> None:
    new = spec(config=(Variable(name="TOKEN", value="hunter2"),))
    assert cause(new, (seen(1, spec()),)) == "TOKEN set"


def test_a_long_cause_is_cut() -> None:
    new = spec(config=tuple(Variable(name=f"VARIABLE_{index}") for index in range(60)))
    assert len(cause(new, (seen(1, spec()),))) == 300


def test_no_text_of_an_application_is_expanded() -> None:
    """Kubernetes reads `$$` as a dollar and `$(NAME)` as a variable."""
    assert literal("$(PORT) costs $5") == "$$(PORT) costs $$5"


def test_a_failed_release_is_followed_by_the_one_that_served_until_the_next_command_ran() -> None:
    command = ("migrate",)
    releases = (
        seen(1, spec(release_command=command), "Live"),
        seen(2, spec(release_command=("migrate", "2")), "Failed"),
        seen(3, spec(release_command=("migrate", "3")), "Pending"),
    )
    result = plan(app(releases[2].content), PLACE.model_copy(update={"releases": releases}), golden.NOW)
    labels = [
        item.manifest["spec"]["template"]["metadata"]["labels"]["roost.dev/release"]
        for item in result.apply
        if item.manifest["kind"] == "Deployment"
    ]
    assert labels == ["shop-v1"]


@pytest.mark.parametrize("name", ["secret-copied", "secret-pending", "secret-used"])
def test_secret_values_stand_only_in_the_copy(name: str) -> None:
    result = golden.as_data(golden.run(capability, FOLDER / "tests" / "cases" / name))
    others = [item for item in result.get("apply", []) if item["manifest"]["kind"] != "Secret"]
    assert "czNjcmV0" not in yaml.safe_dump([others, result["conditions"], result.get("actions")])
