"""What is read of pods, Deployments and release commands."""

from typing import Any

import pytest

from roost.capabilities.app.observe import deployment, observe, pod
from roost.kube.reader import Object
from roost.model.kinds.app import App, AppStatus
from roost.model.resource import Metadata
from roost.settings import Settings


class Shelf:
    """A Reader over a list of objects."""

    def __init__(self, *items: Object) -> None:
        self.items = items

    async def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Object | None:
        found = [item for item in await self.list(api_version, kind, namespace) if item["metadata"]["name"] == name]
        return found[0] if found else None

    async def list(self, api_version: str, kind: str, namespace: str | None = None, labels: str = "") -> list[Object]:
        return [
            item
            for item in self.items
            if (item["apiVersion"], item["kind"], item["metadata"].get("namespace")) == (api_version, kind, namespace)
        ]


def running(**status: Any) -> Object:
    return {"metadata": {"name": "shop-web-1", "labels": {"roost.dev/process": "web"}}, "status": status}


def test_a_crash_is_read_from_the_last_end() -> None:
    ended = {
        "exitCode": 3,
        "reason": "Error",
        "message": "boom",
        "startedAt": "2026-11-28T12:00:00Z",
        "finishedAt": "2026-11-28T12:00:07Z",
    }
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
    seen = pod(running(containerStatuses=[{"restartCount": 2, "state": waiting, "lastState": {"terminated": ended}}]))
    assert (seen.exit_code, seen.last_words, seen.lived_s, seen.waiting) == (3, "boom", 7, "CrashLoopBackOff")


def test_a_pod_that_no_node_took_says_why() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no memory"}
    assert pod(running(conditions=[condition])).unschedulable == "no memory"


def test_a_pod_without_a_status_is_pending() -> None:
    seen = pod({"metadata": {"name": "shop-web-1"}})
    assert (seen.phase, seen.ready, seen.started) == ("Pending", False, False)


@pytest.mark.parametrize(
    ("progress", "refused", "old"),
    [
        ('ReplicaSet "shop-web-5d54598cdc" is progressing.', "shop-web-5d54598cdc-x1", False),
        ('ReplicaSet "shop-web-5d54598cdc" is progressing.', "shop-web-77b8bcc58b-x1", True),
        ('Created new replica set "shop-web-5d54598cdc"', "shop-web-77b8bcc58b-x1", True),
        ("something else", "shop-web-77b8bcc58b-x1", False),
    ],
)
def test_a_refusal_of_an_older_versions_instances_is_known(progress: str, refused: str, old: bool) -> None:
    conditions = [
        {"type": "Progressing", "status": "True", "message": progress},
        {"type": "ReplicaFailure", "status": "True", "message": f'pods "{refused}" is forbidden: no'},
    ]
    item = {
        "metadata": {"name": "shop-web"},
        "spec": {"replicas": 1, "template": {"metadata": {}}},
        "status": {"conditions": conditions},
    }
    assert deployment(item).refusal_is_old is old


@pytest.mark.parametrize(("status", "refusal"), [("True", "exceeded quota"), ("False", "")])
def test_a_refusal_of_instances_is_read(status: str, refusal: str) -> None:
    condition = {"type": "ReplicaFailure", "status": status, "message": "exceeded quota"}
    item = {
        "metadata": {"name": "shop-web", "generation": 2},
        "spec": {"replicas": 1, "template": {"metadata": {}}},
        "status": {"observedGeneration": 1, "conditions": [condition]},
    }
    seen = deployment(item)
    assert seen.refusal == refusal and not seen.settled


def namespace(**labels: str) -> Object:
    meta = {"name": "acme-dev", "labels": {f"roost.dev/{key}": value for key, value in labels.items()}}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": meta}


APP = App(metadata=Metadata(name="shop", namespace="acme-dev", uid="a-1"))


async def test_the_environment_is_read_from_the_namespaces_labels_not_its_name() -> None:
    seen = await observe(Shelf(namespace(tenant="acme", environment="dev")), APP, Settings(domain="apps.example"))
    assert (seen.tenant, seen.environment, seen.domain) == ("acme", "dev", "apps.example")


@pytest.mark.parametrize("labels", [{}, {"tenant": "acme"}, {"tenant": "acme", "environment": "build"}])
async def test_what_is_no_environment_runs_nothing(labels: dict[str, str]) -> None:
    assert (await observe(Shelf(namespace(**labels)), APP, Settings())).tenant == ""


def kept_by(uid: str) -> tuple[Object, Object]:
    """A Release and a copy of secrets that belong to an App."""
    meta = {"namespace": "acme-dev", "labels": {"roost.dev/app": "shop"}, "ownerReferences": [{"uid": uid}]}
    spec = {"app": "shop", "number": 1, "digest": "d", "content": {}}
    release = {
        "apiVersion": "roost.dev/v1alpha1",
        "kind": "Release",
        "metadata": {**meta, "name": "shop-v1"},
        "spec": spec,
    }
    copy = {"apiVersion": "v1", "kind": "Secret", "metadata": {**meta, "name": "shop-config-0123456789abcdef"}}
    return release, copy


@pytest.mark.parametrize(("uid", "there"), [("a-1", True), ("a-0", False)])
async def test_what_an_earlier_app_of_the_name_left_does_not_count(uid: str, there: bool) -> None:
    """The garbage collector is about to take it: a new App that relied on it would be left with nothing."""
    asked = APP.model_copy(update={"spec": APP.spec.model_copy(update={"secret_version": "0123456789abcdef"})})
    shelf = Shelf(namespace(tenant="acme", environment="dev"), *kept_by(uid))
    seen = await observe(shelf, asked, Settings())
    assert (len(seen.releases) == 1, seen.copied) == (there, there)


async def test_of_a_report_counts_what_is_about_the_version_that_serves() -> None:
    def report(release: str, reason: str) -> Object:
        ready = {"type": "Ready", "status": "False", "reason": reason, "message": "CVE-2026-0001 in openssl."}
        meta = {"name": "shop", "namespace": "acme-prod"}
        kind = {"apiVersion": "roost.dev/v1alpha1", "kind": "VulnerabilityReport", "metadata": meta}
        return kind | {"spec": {"release": release}, "status": {"conditions": [ready]}}

    labels = {"roost.dev/tenant": "acme", "roost.dev/environment": "prod"}
    space: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "acme-prod", "labels": labels}}
    app = App(metadata=Metadata(name="shop", namespace="acme-prod"), status=AppStatus(live="shop-v3"))
    for told, expected in (
        (report("shop-v3", "NewVulnerabilities"), "CVE-2026-0001 in openssl."),
        (report("shop-v2", "NewVulnerabilities"), ""),
        (report("shop-v3", "NothingNew"), ""),
    ):
        seen = await observe(Shelf(space, told), app, Settings())
        assert seen.vulnerable == expected
