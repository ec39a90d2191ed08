"""A pod that was started ahead serves one run, and only one that wants nothing else of its pod."""

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

from roost.capabilities.run import actions, capability
from roost.capabilities.run.manifests import spare
from roost.capabilities.run.model import Platform
from roost.capabilities.run.observe import is_of, read_spare, reported
from roost.kernel import golden
from roost.kernel.action import ActionContext
from roost.kube.errors import Conflict, Forbidden, KubeError
from roost.model.build_report import BuildReport, seal, unseal
from roost.model.build_task import Task
from roost.model.errors import Waiting
from roost.model.kinds.delivery import Run
from roost.model.names import ORDER, OUTCOME, PLATFORM, RUN, SPARE
from roost.model.plan import Action
from roost.settings import Settings
from roost.surface.signatures import new_key
from roost.surface.signing import report_key

CASES = Path(__file__).parent / "cases"
OURS, THEIRS = {"kind": "Run", "uid": "run-1"}, {"kind": "Run", "uid": "run-2"}
PROJECT = {"kind": "Project", "uid": "project-1"}
NAME = "spare-0123456789"


def raw(owner: dict[str, str], version: str = "7", phase: str = "Running", **meta: Any) -> dict[str, Any]:
    """The pod as the server has it."""
    state = {"running": {}} if phase == "Running" else {"terminated": {"exitCode": 1}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": NAME,
            "uid": "pod-1",
            "resourceVersion": version,
            "creationTimestamp": "2026-11-28T11:58:00Z",
            "labels": {RUN: NAME, SPARE: "shop"},
            "ownerReferences": [owner],
            **meta,
        },
        "status": {"phase": phase, "containerStatuses": [{"name": "step", "state": state}]},
    }


class Cluster:
    """One pod, which takes a patch of its very version. `lost`: the answers to so many patches do not arrive."""

    def __init__(self, pod: dict[str, Any] | None, lost: int = 0) -> None:
        self.pod, self.lost = pod, lost
        self.noted: list[dict[str, Any]] = []

    async def patch(self, _target: Any, changes: dict[str, Any], _manager: str) -> dict[str, Any]:
        meta = changes["metadata"]
        if self.pod is None or meta["resourceVersion"] != self.pod["metadata"]["resourceVersion"]:
            raise Conflict("It changed.", 409, "Conflict")
        self.pod = raw(meta["ownerReferences"][0], "8", annotations=meta["annotations"])
        if self.lost:
            self.lost -= 1
            raise Conflict("The answer was lost and the request was sent again.", 409, "Conflict")
        return self.pod

    async def get(self, *_what: str) -> dict[str, Any] | None:
        return self.pod


def claimed(cluster: Cluster, version: str = "7") -> str:
    """What the pod is told after a claim."""
    run = {"metadata": {"name": "shop-1-abc", "namespace": "acme-build", "uid": "run-1"}}
    context = SimpleNamespace(object=run, client=cluster, note=cluster.noted.append)
    told = {"name": NAME, "version": version, "task": "build it"}
    asyncio.run(actions.claim(Action("claim", "pod-1", told), cast(ActionContext, context)))
    assert cluster.pod is not None
    return str(cluster.pod["metadata"]["annotations"][ORDER])


def test_it_is_given_to_the_run_with_its_order() -> None:
    cluster = Cluster(raw(PROJECT))
    assert claimed(cluster) == "build it"
    assert [item["uid"] for item in cluster.noted[-1]["metadata"]["ownerReferences"]] == ["run-1"]


def test_a_status_of_the_kubelet_in_between_is_no_reason_to_leave_it() -> None:
    assert claimed(Cluster(raw(PROJECT, version="9")), version="7") == "build it"


def test_a_lost_answer_is_no_second_claim() -> None:
    assert claimed(Cluster(raw(PROJECT), lost=1)) == "build it"


@pytest.mark.parametrize(
    "pod",
    [
        pytest.param(raw(THEIRS, "9"), id="another run was quicker"),
        pytest.param(raw(PROJECT, "9", phase="Failed"), id="it died"),
        pytest.param(raw(PROJECT, "9", deletionTimestamp="x"), id="it is being removed"),
        pytest.param(raw(PROJECT, "9", uid="pod-2"), id="another of its name"),
        pytest.param(None, id="it is gone"),
    ],
)
def test_what_is_not_free_is_left_alone(pod: dict[str, Any] | None) -> None:
    cluster = Cluster(pod)
    before = json.dumps(pod)
    with pytest.raises(Waiting):
        claimed(cluster)
    assert json.dumps(cluster.pod) == before


def test_it_is_the_runs_by_its_owner_alone() -> None:
    run = Run.parse({"metadata": {"name": "shop-1-abc", "uid": "run-1"}, "spec": _spec()})
    assert is_of(raw(OURS), run) and not is_of(raw(PROJECT), run) and not is_of(raw(THEIRS), run)
    assert (read_spare(raw(OURS)).run, read_spare(raw(PROJECT)).run) == ("run-1", "")
    assert read_spare(raw(PROJECT)).running and read_spare(raw(PROJECT, phase="Failed")).ended


def _spec(**more: Any) -> dict[str, Any]:
    return {"project": "shop", "ref": "refs/heads/main", "commit": "a" * 40, "attempt": 1, **more}


@pytest.mark.parametrize(
    "more",
    [{"build": {"secrets": ["npm"]}}, {"problem": "It is wrong."}, {"origin": "shop-1-xyz"}],
    ids=lambda more: str(next(iter(more))),
)
def test_a_run_that_wants_more_of_its_pod_makes_its_own(more: dict[str, Any]) -> None:
    plain = Run.parse({"metadata": {"name": "n", "uid": "u"}, "spec": _spec()})
    assert spare.serves(plain.spec)
    assert not spare.serves(Run.parse({"metadata": {"name": "n", "uid": "u"}, "spec": _spec(**more)}).spec)


def test_its_shape_is_all_that_a_pod_is_made_of() -> None:
    run = Run.parse({"metadata": {"name": "n", "uid": "u"}, "spec": _spec()})
    base, off = Platform(), Run.parse({"metadata": {}, "spec": _spec(scan={"source": False})}).spec.scan
    shapes = {
        spare.shape(run.spec.scan, base, ["shop"]),
        spare.shape(run.spec.scan, base, ["shop", "new"]),
        spare.shape(off, base, ["shop"]),
        spare.shape(run.spec.scan, base.model_copy(update={"platform_image": "roost.internal/platform:new"}), ["shop"]),
        spare.shape(run.spec.scan, base.model_copy(update={"scanner_image": "roost.internal/scanner:new"}), ["shop"]),
        spare.shape(run.spec.scan, base.model_copy(update={"advisories": "roost.internal/advisories:1"}), ["shop"]),
    }
    assert len(shapes) == 6


def test_it_is_as_locked_as_the_pod_of_a_job() -> None:
    """The same pod but for the way in which it is told."""
    taken = golden.run(capability, CASES / "ended-and-a-spare-comes").actions[0].arguments["pod"]["spec"]
    (job,) = [item.manifest for item in golden.run(capability, CASES / "first").apply if item.manifest["kind"] == "Job"]
    of_job = job["spec"]["template"]["spec"]
    same = ("automountServiceAccountToken", "enableServiceLinks", "restartPolicy", "securityContext", "initContainers")
    assert {key: taken.get(key) for key in same} == {key: of_job.get(key) for key in same}
    (mine,), (theirs,) = taken["containers"], of_job["containers"]
    differ = {key for key in mine if mine[key] != theirs[key]}
    assert differ == {"env", "volumeMounts"}
    assert [item for item in mine["volumeMounts"] if item not in theirs["volumeMounts"]] == [
        {"name": "order", "mountPath": "/run/roost/order", "readOnly": True}
    ]
    assert taken["activeDeadlineSeconds"] > 3600


def test_what_it_is_told_is_what_a_job_tells() -> None:
    claim = golden.run(capability, CASES / "spare-taken").actions[0].arguments["task"]
    applied = golden.run(capability, CASES / "first").apply
    (job,) = [item.manifest for item in applied if item.manifest["kind"] == "Job"]
    (told,) = [
        item["value"] for item in job["spec"]["template"]["spec"]["containers"][0]["env"] if "TASK" in item["name"]
    ]
    assert Task.model_validate_json(claim) == Task.model_validate_json(told)


REPORT = BuildReport(ok=True, image="registry:5000/acme/shop", digest=f"sha256:{'b' * 64}")


def test_a_report_counts_when_the_pod_of_this_very_run_sealed_it(tmp_path: Path) -> None:
    settings = Settings(signing=str(tmp_path))
    assert report_key(settings, "acme-build", NAME) == ""
    (tmp_path / "key.pem").write_bytes(new_key())
    own, other = (report_key(settings, "acme-build", name) for name in (NAME, "spare-9876543210"))
    assert len({own, other, report_key(settings, "evil-build", NAME)}) == 3

    def read(sealed: str, uid: str = "run-1") -> BuildReport | None:
        meta = {"name": "shop-1-abc", "namespace": "acme-build", "uid": uid, "annotations": {OUTCOME: sealed}}
        return reported(Run.parse({"metadata": meta, "spec": _spec()}), ["shop-1-abc", NAME], settings)

    good = seal(own, "run-1", REPORT.text())
    assert read(good) == REPORT
    assert read(good, "run-2") is None, "a report of another run counted"
    assert read(seal(other, "run-1", REPORT.text())) is None, "the key of another pod counted"
    assert read(good.replace("b" * 64, "c" * 64)) is None, "a changed report counted"
    assert read(REPORT.text()) is None and read("") is None and read("\n") is None and read("ü\nü") is None
    assert unseal([], "run-1", good) is None


class Making:
    """Takes pods and Secrets; `refused`: not the pod. `there`: a Secret that stands already."""

    def __init__(self, refused: KubeError | None = None, there: dict[str, Any] | None = None) -> None:
        self.refused, self.there = refused, there
        self.done: list[str] = []

    async def create(self, manifest: dict[str, Any], _manager: str) -> dict[str, Any]:
        if manifest["kind"] == "Pod" and self.refused:
            raise self.refused
        owner = manifest["metadata"]["ownerReferences"][0]
        self.done.append(f"create {manifest['kind']} of {owner['kind']}")
        return {**manifest, "metadata": {**manifest["metadata"], "uid": "pod-1"}}

    async def delete(self, target: dict[str, Any], uid: str) -> bool:
        self.done.append(f"delete {target['kind']} {uid}")
        return True

    async def get(self, *_what: str) -> dict[str, Any] | None:
        return self.there

    async def list(self, *_what: str) -> list[dict[str, Any]]:
        return []


def made(making: Making, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What happens where a spare is wanted."""

    async def there(_tenant: str, _context: ActionContext) -> None:
        return

    monkeypatch.setattr(actions, "copy_trust", there)
    monkeypatch.setattr(actions, "secret_data", lambda *_: {})
    action = golden.run(capability, CASES / "ended-and-a-spare-comes").actions[0]
    run = yaml.safe_load((CASES / "ended" / "input.yaml").read_text())
    settings = Settings(signing=str(tmp_path))
    context = SimpleNamespace(object=run, client=making, reader=making, settings=settings, note=lambda _: None)
    asyncio.run(actions.spare(action, cast(ActionContext, context)))
    return making.done


def test_the_pod_owns_its_secret_so_that_both_go_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert made(Making(), tmp_path, monkeypatch) == ["create Pod of Project", "create Secret of Pod"]


def test_without_room_none_waits_and_nothing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = Forbidden("exceeded quota", 403, "Forbidden")
    assert made(Making(full), tmp_path, monkeypatch) == []


def test_one_that_could_have_met_somebody_elses_secret_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = {"metadata": {"name": NAME, "uid": "s-1", "labels": {PLATFORM: "run"}, "ownerReferences": [THEIRS]}}
    done = made(Making(there=planted), tmp_path, monkeypatch)
    assert done == ["create Pod of Project", "delete Secret s-1", "create Secret of Pod", "delete Pod pod-1"]
