"""A pod that was started ahead is taken by one run, with the controller's real rights and the real admission policies.

There is no kubelet: tests say what became of a pod.
"""

import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from roost.capabilities.run import actions
from roost.gitserver.cluster import KubeCluster
from roost.gitserver.repositories import Name
from roost.kube.client import Client
from roost.kube.errors import Forbidden, RefusedError
from roost.model.build_report import BuildReport, seal
from roost.model.kinds.delivery import Project, ProjectSpec, Run, RunSpec
from roost.model.names import AUTHOR, ORDER, OUTCOME, RUN, SPARE, SYSTEM_NAMESPACE
from roost.settings import Settings
from roost.surface.registry import new_key
from roost.surface.signatures import new_key as new_signing_key
from roost.surface.signing import report_key
from tests.integration.apiserver import ApiServer
from tests.integration.capabilities.conftest import Cluster, controlling
from tests.integration.conftest import Eventually

pytestmark = [pytest.mark.integration, pytest.mark.full]
RUNS = ("tenant", "user", "run")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """With a signing key."""
    (tmp_path / "signing").mkdir()
    (tmp_path / "signing" / "key.pem").write_bytes(new_signing_key())
    (tmp_path / "signing" / "since").write_text("2026-01-01T00:00:00Z")
    return Settings(workers=4, signing=str(tmp_path / "signing"))


@pytest.fixture
async def cluster(
    platform: ApiServer, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Cluster]:
    """The controller sees to runs."""
    (tmp_path / "key.pem").write_bytes(new_key())
    (tmp_path / "token").write_text("shared secret\n")
    monkeypatch.setattr(actions, "REGISTRY_KEY", tmp_path / "key.pem")
    monkeypatch.setattr(actions, "GIT_SECRET", tmp_path / "token")
    async with controlling(platform, RUNS, settings) as made:
        trust = {"name": "roost-trust", "namespace": SYSTEM_NAMESPACE}
        data = {"ca.crt": "", "bundle.crt": ""}
        await made.client.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": trust, "data": data}, "tests")
        yield made


class Site:
    """The build namespace of a tenant with a project."""

    def __init__(self, cluster: Cluster, space: str, eventually: Eventually) -> None:
        self.cluster, self.space, self.eventually = cluster, space, eventually

    async def run(self, number: int) -> dict[str, Any]:
        """A run that is open."""
        spec = RunSpec(project="shop", ref="refs/heads/main", commit=f"{number}" * 40, attempt=number)
        return await self.cluster.client.create(Run.manifest(f"shop-{number}-0123456789", spec, self.space))

    async def status(self, run: dict[str, Any]) -> dict[str, Any]:
        """What became of it."""
        return (await self.cluster.read("Run", run["metadata"]["name"], self.space)).get("status") or {}

    async def phase(self, run: dict[str, Any], wanted: str) -> dict[str, Any]:
        """Its status, once it is in that phase."""

        async def there() -> dict[str, Any] | None:
            status = await self.status(run)
            return status if status.get("phase") == wanted else None

        return dict(await self.eventually(there))

    async def spares(self) -> list[dict[str, Any]]:
        """The pods that waited, and those that wait."""
        return await self.cluster.client.list("v1", "Pod", self.space, SPARE)

    async def jobs(self) -> list[str]:
        """Names."""
        return [item["metadata"]["name"] for item in await self.cluster.client.list("batch/v1", "Job", self.space)]

    async def waiting(self) -> dict[str, Any]:
        """The one that waits, after a first run; the kubelet has started it."""
        first = await self.run(1)
        await self.cluster.client.patch(first, {"spec": {"cancel": True}})
        await self.phase(first, "Cancelled")

        async def there() -> dict[str, Any] | None:
            return next(iter(await self.spares()), None)

        pod: dict[str, Any] = await self.eventually(there, timeout_s=20)
        await self.became(pod, "Running", {"running": {"startedAt": "2026-11-29T12:00:00Z"}})
        return pod

    async def became(self, pod: dict[str, Any], phase: str, state: dict[str, Any]) -> None:
        """Play the kubelet."""
        said = {
            "name": "step",
            "state": state,
            "ready": phase == "Running",
            "restartCount": 0,
            "image": "",
            "imageID": "",
        }
        status = {"phase": phase, "containerStatuses": [said]}
        await self.cluster.client.patch(pod, {"status": status}, "tests", "status")


@pytest.fixture
async def site(cluster: Cluster, eventually: Eventually) -> Site:
    """A new tenant's."""
    tenant = f"t{secrets.token_hex(4)}"
    await cluster.tenant(tenant)

    async def ready() -> bool:
        return await cluster.ready("Tenant", tenant) == "True Ready"

    await eventually(ready)
    await cluster.client.create(Project.manifest("shop", ProjectSpec(), f"{tenant}-build"))
    return Site(cluster, f"{tenant}-build", eventually)


@pytest.fixture
async def git_client(platform: ApiServer, cluster: Cluster) -> AsyncIterator[Client]:
    """The git server, with its own rights."""
    meta = {"name": "roost-git", "namespace": SYSTEM_NAMESPACE}
    await cluster.client.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}, "tests")
    path = f"api/v1/namespaces/{SYSTEM_NAMESPACE}/serviceaccounts/roost-git/token"
    wanted = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
    answer = await cluster.client.request("POST", path, wanted)
    config = yaml.safe_load(platform.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": answer["status"]["token"]}
    file = platform.folder / "git"
    file.write_text(yaml.safe_dump(config))
    client = Client.connect(str(file), "roost-git")
    yield client
    await client.close()


@pytest.fixture
def git(git_client: Client) -> KubeCluster:
    """What it does for pods of runs."""
    return KubeCluster(git_client)


def owners(pod: dict[str, Any]) -> list[tuple[str, str]]:
    return [(item["kind"], item["name"]) for item in pod["metadata"]["ownerReferences"]]


async def test_one_of_two_runs_takes_the_pod_that_waited(site: Site) -> None:
    pod = await site.waiting()
    name = pod["metadata"]["name"]
    assert owners(pod) == [("Project", "shop")] and ORDER not in pod["metadata"]["annotations"]

    async def mounted() -> dict[str, Any] | None:
        return await site.cluster.client.get("v1", "Secret", name, site.space)

    assert owners(await site.eventually(mounted)) == [("Pod", name)]
    both = [await site.run(2), await site.run(3)]

    async def is_taken() -> bool:
        return owners((await site.spares())[0])[0][0] == "Run"

    await site.eventually(is_taken)
    (taken,) = await site.spares()
    assert taken["metadata"]["uid"] == pod["metadata"]["uid"]
    ((kind, run),) = owners(taken)
    assert kind == "Run" and run in ("shop-2-0123456789", "shop-3-0123456789")
    told = json.loads(taken["metadata"]["annotations"][ORDER])
    assert (told["run"], told["commit"][0]) == (run, run[5]) and told["uid"]
    (other,) = {"shop-2-0123456789", "shop-3-0123456789"} - {run}

    async def alone() -> bool:
        told = [(await site.status(item)).get("spare") for item in both]
        return await site.jobs() == [other] and sorted(map(str, told)) == ["None", name]

    await site.eventually(alone)
    # What it waited for is over: it belongs to nobody else any more.
    assert taken["metadata"]["labels"][RUN] == name


async def test_a_run_whose_pod_died_goes_on_in_a_job(site: Site) -> None:
    pod = await site.waiting()
    second = await site.run(2)
    await site.phase(second, "Building")
    assert await site.jobs() == [] or await site.jobs() == ["shop-1-0123456789"]
    await site.became(pod, "Failed", {"terminated": {"exitCode": 137, "reason": "OOMKilled"}})

    async def again() -> bool:
        return second["metadata"]["name"] in await site.jobs()

    await site.eventually(again)
    assert await site.cluster.client.get("v1", "Secret", second["metadata"]["name"], site.space) is not None
    assert (await site.status(second))["phase"] == "Building"


async def test_a_sealed_report_ends_the_run_before_its_pod_and_a_forged_one_does_not(
    site: Site, git: KubeCluster, settings: Settings
) -> None:
    pod = await site.waiting()
    second = await site.run(2)
    await site.phase(second, "Building")
    report = BuildReport(ok=False, reason="BuildFailed", message="It does not compile.")
    run, uid, name = (
        second["metadata"]["name"],
        second["metadata"]["uid"],
        Name(site.space.removesuffix("-build"), "shop"),
    )
    for forged in (report.text(), seal("guessed", uid, report.text())):
        assert await git.bring(name, run, forged)
    assert not await git.bring(replace(name, project="other"), run, "of another project")
    third = await site.run(3)  # By then the controller has looked.
    await site.phase(third, "Pending")
    assert (await site.status(second))["phase"] == "Building"
    key = report_key(settings, site.space, pod["metadata"]["name"])
    assert await git.bring(name, run, seal(key, uid, report.text()))
    ended = await site.phase(second, "Failed")
    assert ended["conditions"][0]["message"] == "It does not compile."
    (still,) = [item for item in await site.spares() if item["metadata"]["uid"] == pod["metadata"]["uid"]]
    assert still["status"]["phase"] == "Running"


async def test_the_git_server_changes_nothing_else_of_a_run(site: Site, git_client: Client) -> None:
    made = await site.run(1)
    harmless = {"metadata": {"annotations": {OUTCOME: "a report"}}}
    changed = await git_client.patch(made, harmless)
    assert changed["metadata"]["annotations"][OUTCOME] == "a report"
    for evil in (
        {"spec": {"cancel": True}},
        {"metadata": {"annotations": {AUTHOR: "somebody"}}},
        {"metadata": {"labels": {RUN: "mine"}}},
        {"metadata": {"ownerReferences": []}, "spec": {"rerun": {"number": 1}}},
    ):
        with pytest.raises(RefusedError, match="The git server lays reports on runs"):
            await git_client.patch(made, evil)
    with pytest.raises(Forbidden):
        await git_client.patch(made, {"status": {"phase": "Succeeded"}}, subresource="status")
