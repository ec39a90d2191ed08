"""The plans of Runs: golden cases, and what must hold whatever the case."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from joserfc import jwt
from joserfc.jwk import ECKey

from roost.capabilities.run import actions, capability
from roost.capabilities.run.manifests import steps
from roost.capabilities.run.observe import read_builder, read_job
from roost.kernel import golden
from roost.model.bases import BASES
from roost.model.build_task import Task
from roost.model.kinds.delivery import Run
from roost.surface import fetch_token
from roost.surface.registry import new_key

FOLDER = Path(__file__).parent.parent
CASES = golden.cases(FOLDER)
FINAL = ("Succeeded", "Failed", "Cancelled")


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_golden(case: Path) -> None:
    golden.check(capability, case)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_nothing_is_owned_so_that_logs_outlive_the_run(case: Path) -> None:
    assert not any(item.owned for item in golden.run(capability, case).apply)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_a_promotion_comes_with_success_and_only_then(case: Path) -> None:
    plan = golden.run(capability, case)
    promoted = [item for item in plan.apply if item.manifest["kind"] == "Promotion"]
    wanted = yaml.safe_load((case / "input.yaml").read_text())["spec"].get("promote", True)
    assert bool(promoted) == (wanted and plan.status.get("phase") == "Succeeded")
    assert all((item.identity, item.create) == ("deployer", True) for item in promoted)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_what_ended_starts_nothing(case: Path) -> None:
    plan = golden.run(capability, case)
    if plan.status.get("phase") in FINAL or case.name.startswith("ended"):
        assert not [item for item in plan.apply if item.manifest["kind"] in ("Pod", "Job")]


def test_the_pods_have_no_token_and_only_the_builder_a_privilege_in_its_user_namespace() -> None:
    plan = golden.run(capability, FOLDER / "tests" / "cases" / "first")
    specs = {
        item.manifest["kind"]: item.manifest["spec"].get("template", {}).get("spec") or item.manifest["spec"]
        for item in plan.apply
        if item.manifest["kind"] in ("Pod", "Job")
    }
    assert all(spec["automountServiceAccountToken"] is False for spec in specs.values())
    assert specs["Pod"]["hostUsers"] is False
    (step,) = specs["Job"]["containers"]
    assert step["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert specs["Job"]["securityContext"]["runAsNonRoot"] is True
    assert "token" not in yaml.safe_dump(step["env"]).lower()


def test_a_run_may_push_to_its_own_project_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = new_key()
    (tmp_path / "key.pem").write_bytes(key)
    (tmp_path / "token").write_text("shared secret\n")
    monkeypatch.setattr(actions, "REGISTRY_KEY", tmp_path / "key.pem")
    monkeypatch.setattr(actions, "GIT_SECRET", tmp_path / "token")
    now = datetime.now(UTC)
    run = {"metadata": {"name": "hello-1-x"}, "spec": {"project": "hello"}}
    data = actions.secret_data(run, "registry:5000", ("acme", ["hello", "tools"]), now, timedelta(minutes=10))
    assert json.loads(data["config.json"])["auths"]["registry:5000"]["registrytoken"] == data["registry"]
    assert fetch_token.opens("shared secret", data["fetch"], ("acme", "hello"), now)
    claims = jwt.decode(data["registry"], ECKey.import_key(key), algorithms=["ES256"]).claims
    assert {item["name"]: item["actions"] for item in claims["access"]} == {
        **{name: ["pull"] for name in BASES},
        "acme/tools": ["pull"],
        "acme/hello": ["pull", "push"],
    }


def test_a_job_and_a_builder_are_read() -> None:
    failed = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}
    job = read_job({"metadata": {"uid": "u"}, "status": {"conditions": [failed]}})
    assert job is not None and job.failed == "BackoffLimitExceeded" and not job.complete
    pod = {
        "metadata": {"uid": "u", "deletionTimestamp": "x"},
        "spec": {"containers": [{"image": "i"}]},
        "status": {"phase": "Failed"},
    }
    builder = read_builder(pod)
    assert builder is not None and builder.ended and builder.deleting
    assert read_job(None) is None and read_builder(None) is None


STEPS = FOLDER / "tests" / "cases" / "steps"


def containers(case: Path) -> dict[str, dict[str, Any]]:
    """The containers of the Job that a case plans, by name."""
    (job,) = [item.manifest for item in golden.run(capability, case).apply if item.manifest["kind"] == "Job"]
    return {item["name"]: item for item in job["spec"]["template"]["spec"]["containers"]}


def test_a_step_sees_nothing_of_the_runs_own_secret_nor_of_other_steps() -> None:
    found = containers(STEPS)
    conductor, steps = found.pop("step"), found
    assert {"credentials", "work"} <= {item["name"] for item in conductor["volumeMounts"]}
    for place, name in enumerate(("test", "lint")):
        mounts = {item["name"]: item for item in steps[name]["volumeMounts"]}
        assert set(mounts) == {"bin", "turns", f"own-{place}", "workspace", "home", "trust"}
        assert all(mounts[read_only]["readOnly"] for read_only in ("bin", "turns", "trust"))
        locked = steps[name]["securityContext"]
        assert locked == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        assert "envFrom" not in steps[name]


def secrets_of(container: Mapping[str, Any]) -> list[str]:
    return [item["valueFrom"]["secretKeyRef"]["name"] for item in container["env"] if "valueFrom" in item]


def test_a_step_has_the_secrets_that_it_names_and_none_with_reduced_rights() -> None:
    assert [secrets_of(containers(STEPS)[name]) for name in ("test", "lint")] == [[], ["npm-token"]]
    reduced = containers(STEPS.parent / "steps-reduced")
    assert [secrets_of(reduced[name]) for name in ("test", "lint")] == [[], []]


def test_kubernetes_replaces_nothing_in_what_a_person_wrote() -> None:
    for name in ("test", "lint"):
        for variable in containers(STEPS)[name]["env"]:
            value = variable.get("value", "")
            assert "$(" not in value.replace("$$", ""), variable


def test_no_variable_of_a_person_takes_the_place_of_the_entrypoints() -> None:
    raw = yaml.safe_load((STEPS / "input.yaml").read_text())
    names = ("ROOST_STEP", "HOME", "ROOST_TRUST", "NPM_TOKEN")
    raw["spec"]["pipeline"]["steps"][1]["env"] = [{"name": name, "value": "mine"} for name in names]
    raw["spec"]["parameters"] = {"ROOST_STEP": "mine"}
    run = Run.parse(raw)
    task = Task(
        tenant="acme",
        project="hello",
        commit="a" * 40,
        attempt=1,
        git_url="http://git",
        registry="registry:5000",
        builder="tcp://builder:1234",
        timeout_s=60,
    )
    spec = steps.add({"containers": [], "volumes": []}, run.spec, task, {})
    told = spec["containers"][1]["env"]
    assert len({item["name"] for item in told}) == len(told)
    assert not [item for item in told if item["name"] in names and item.get("value") == "mine"]
