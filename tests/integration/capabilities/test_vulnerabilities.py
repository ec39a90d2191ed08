"""The vulnerability database, from a mirror to the mail that tells of what is new: the program of the CronJob with the
rights of its ServiceAccount, the controller with its own, the real registry, scanner and kube-apiserver.
"""

import asyncio
import json
import os
import secrets
import shutil
import subprocess
import threading
import time
import zipfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from roost.adapters.tests.test_mail import Inbox
from roost.builds import bill
from roost.builds.bill import Part
from roost.kube.client import Client
from roost.kube.errors import Forbidden
from roost.mains import advisories
from roost.mains.advisories import Places
from roost.model.advisories import CONFIG_MAP, ECOSYSTEMS
from roost.model.kinds.app import App, AppSpec, Artefact, Release, ReleaseSpec
from roost.model.kinds.channel import Channel, ChannelSpec
from roost.model.kinds.delivery import Project, ProjectSpec
from roost.model.kinds.scan import Waiver, WaiverSpec
from roost.model.names import API_VERSION, SYSTEM_NAMESPACE
from roost.node import engine
from roost.node.manifests import advisories as manifests
from roost.settings import Settings
from tests.integration import registry as registries
from tests.integration.apiserver import ApiServer, die_with_parent
from tests.integration.builds.conftest import ENTRIES, SCANNERS, SERVE
from tests.integration.capabilities.conftest import Cluster, controlling
from tests.integration.conftest import Eventually
from tests.integration.registry import RegistryServer

pytestmark = pytest.mark.integration
OURS = ("tenant", "vulnerability", "channel", "notice")
IMAGES = ("roost.internal/platform:1", "roost.internal/scanner:1")
LODASH = "npm-GHSA-35jh-r3h4-6jhm.json"
PATIENCE_S = 120.0


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder and says nothing."""

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@dataclass
class Mirror:
    """A mirror of OSV's bucket, `<ecosystem>/all.zip`, and what it holds."""

    folder: Path
    url: str

    def hold(self, *names: str, at: datetime) -> None:
        """Make every archive anew: of these entries, and of one that is about nothing, changed at that moment."""
        for ecosystem in ECOSYSTEMS:
            (self.folder / ecosystem).mkdir(parents=True, exist_ok=True)
            entry = {"id": f"X-{ecosystem}", "modified": at.strftime("%Y-%m-%dT%H:%M:%SZ"), "affected": []}
            with zipfile.ZipFile(self.folder / ecosystem / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr(f"X-{ecosystem}.json", json.dumps(entry))
                for name in names:
                    if name.startswith(f"{ecosystem}-"):
                        archive.write(ENTRIES / name, name.partition("-")[2])


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    folder = tmp_path / "mirror"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Mirror(folder, f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def registry() -> Iterator[RegistryServer]:
    """A registry with the platform's configuration."""
    server = registries.start()
    yield server
    server.kill()


@pytest.fixture
async def cluster(platform: ApiServer, inbox: tuple[Inbox, int]) -> AsyncIterator[Cluster]:
    site = replace(Settings(workers=4), smtp=f"smtp://127.0.0.1:{inbox[1]}", mail_from="roost@example.org")
    async with controlling(platform, OURS, site) as made:
        for manifest in manifests.everything(*IMAGES, "https://osv.example.com"):
            await made.client.apply(manifest, "tests")
        left = await made.client.get("v1", "ConfigMap", CONFIG_MAP, SYSTEM_NAMESPACE)
        if left is not None:
            await made.client.delete(left)
        yield made


@dataclass
class Job:
    """The CronJob's pod: its program, as its ServiceAccount, with the scanner beside it."""

    cluster: Cluster
    places: Places
    environment: dict[str, str]
    scanners: str  # A PATH with them.

    async def run(self) -> int:
        """One run, in a new pod; its exit code."""
        places = self.places
        for folder in (places.archives, places.work, places.asked, places.told):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        command = [str(SERVE), str(places.asked), str(places.told), str(places.archives)]
        env = {"PATH": self.scanners}
        with subprocess.Popen(command, env=env, start_new_session=True, preexec_fn=die_with_parent) as process:
            try:
                with pytest.MonkeyPatch.context() as patch:
                    for name, value in self.environment.items():
                        patch.setenv(name, value)
                    return await asyncio.to_thread(advisories.main, places)
            finally:
                os.killpg(process.pid, 9)

    async def told(self) -> dict[str, str]:
        """What the ConfigMap says."""
        found = await self.cluster.client.get("v1", "ConfigMap", CONFIG_MAP, SYSTEM_NAMESPACE)
        return dict((found or {}).get("data") or {})


@pytest.fixture
async def job(cluster: Cluster, registry: RegistryServer, mirror: Mirror, tmp_path: Path) -> Job:
    path = f"api/v1/namespaces/{SYSTEM_NAMESPACE}/serviceaccounts/{manifests.NAME}/token"
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
    answer = await cluster.client.request("POST", path, asked)
    config = yaml.safe_load(cluster.server.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": answer["status"]["token"]}
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
    settings = registry.settings()
    environment = {
        "KUBECONFIG": str(tmp_path / "kubeconfig"),
        "ROOST_REGISTRY": settings.registry,
        "ROOST_REGISTRY_KEY": settings.registry_key,
        "ROOST_TRUST_BUNDLE": settings.trust_bundle,
        "ROOST_ADVISORIES": mirror.url,
    }
    places = Places(*(tmp_path / name for name in ("archives", "work", "asked", "told")))
    programs = await asyncio.to_thread(engine.build, SCANNERS)
    folders = {str(programs.path(name).parent) for name in ("osemgrep", "osv-scanner")}
    return Job(cluster, places, environment, ":".join([*sorted(folders), "/usr/local/bin:/usr/bin:/bin"]))


@pytest.fixture
async def tenant(cluster: Cluster, registry: RegistryServer, eventually: Eventually) -> str:
    """A tenant whose application `shop` serves v1: an image with a lodash of old. A mail channel in Chinese."""
    name = f"t{secrets.token_hex(4)}"
    await cluster.tenant(name)

    async def ready() -> bool:
        return await cluster.ready("Tenant", name) == "True Ready"

    await eventually(ready, PATIENCE_S)
    image = registry.push(f"{name}/shop", name)
    subject = registry.subject(image)
    text = bill.document(subject.repository, "1", subject.digest, [Part("npm", "lodash", "4.17.20")]).encode()
    client = registry.open(subject.repository)
    client.put_artefact(subject.repository, bill.KIND, text, subject=subject.digest)
    client.close()
    admin, space = cluster.client, f"{name}-dev"
    await admin.create(Project.manifest("shop", ProjectSpec(), f"{name}-build"))
    content = AppSpec(artefact=Artefact(image=image))
    app = await admin.create(App.manifest("shop", content, space))
    release = ReleaseSpec(app="shop", number=1, content=content, digest="d")
    await admin.act_as("deployer", space).create(Release.manifest("shop-v1", release, space))
    await admin.patch_status(app, {"live": "shop-v1"}, "tests")
    spec = ChannelSpec(type="mail", to=("team@example.org",), language="zh")
    await admin.create(Channel.manifest("team", spec, f"{name}-build"))
    return name


async def ready_is(cluster: Cluster, eventually: Eventually, tenant: str, wanted: str) -> dict[str, Any]:
    """The VulnerabilityReport, once Ready of it is this."""

    async def holds() -> bool:
        return await cluster.ready("VulnerabilityReport", "shop", f"{tenant}-dev") == wanted

    await eventually(holds, PATIENCE_S)
    return await cluster.read("VulnerabilityReport", "shop", f"{tenant}-dev")


def database_of(report: dict[str, Any]) -> str:
    found = [item["message"] for item in report["status"]["conditions"] if item["type"] == "Database"]
    return str(found[0]) if found else ""


@pytest.mark.full
async def test_what_becomes_known_is_told_once(
    cluster: Cluster, job: Job, mirror: Mirror, tenant: str, inbox: tuple[Inbox, int], eventually: Eventually
) -> None:
    now = datetime.now(UTC)
    mirror.hold(at=now - timedelta(days=2))
    assert await job.run() == 0
    report = await ready_is(cluster, eventually, tenant, "True NothingNew")
    assert report["spec"]["fresh"] == [] and not database_of(report)

    time.sleep(1.1)  # Times of objects have whole seconds.
    mirror.hold(LODASH, at=now - timedelta(days=1))
    assert await job.run() == 0
    report = await ready_is(cluster, eventually, tenant, "False NewVulnerabilities")
    assert [item["package"] for item in report["spec"]["fresh"]] == ["lodash"]

    def mailed() -> list[str]:
        return [str(message["Subject"]) for _, message in inbox[0].taken]

    await eventually(mailed, PATIENCE_S)
    # By the same database, and by another one that knows no more of it: nothing is told again.
    assert await job.run() == 0
    mirror.hold(LODASH, at=now - timedelta(hours=1))
    before = report["spec"]["database"]
    assert await job.run() == 0

    async def judged() -> bool:
        found = await cluster.read("VulnerabilityReport", "shop", f"{tenant}-dev")
        seen = found["status"]["conditions"][0]["observedGeneration"] == found["metadata"]["generation"]
        return bool(found["spec"]["database"] != before and seen)

    await eventually(judged, PATIENCE_S)
    assert len(await cluster.client.list(API_VERSION, "Notice", f"{tenant}-build")) == 1
    (subject,) = mailed()
    assert subject.startswith(f"[{tenant}] dev 环境的 shop：新发现 1 个漏洞") and "lodash (high)" in subject
    events = await cluster.client.list("v1", "Event", f"{tenant}-dev")
    assert any(item["reason"] == "NewVulnerabilities" and item["type"] == "Warning" for item in events)


@pytest.mark.full
async def test_what_an_owner_lets_stay_is_not_told(
    cluster: Cluster, job: Job, mirror: Mirror, tenant: str, inbox: tuple[Inbox, int], eventually: Eventually
) -> None:
    now = datetime.now(UTC)
    mirror.hold(at=now - timedelta(days=2))
    assert await job.run() == 0
    await ready_is(cluster, eventually, tenant, "True NothingNew")
    time.sleep(1.1)  # Times of objects have whole seconds.
    mirror.hold(LODASH, at=now - timedelta(days=1))
    paused = await cluster.read("Channel", "team", f"{tenant}-build")
    await cluster.client.patch(paused, {"spec": {"paused": True}}, "tests")
    assert await job.run() == 0
    report = await ready_is(cluster, eventually, tenant, "False NewVulnerabilities")
    mark = report["spec"]["fresh"][0]["fingerprint"]
    until = (datetime.now(UTC) + timedelta(days=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    spec = WaiverSpec(project="shop", fingerprint=mark, reason="Behind the gateway.", until=until)
    await cluster.client.create(Waiver.manifest("shop-lodash", spec, f"{tenant}-build"))
    # The next look of the controller; a touch stands for it.
    await cluster.client.patch(report, {"metadata": {"annotations": {"tests/again": "1"}}}, "tests")
    await ready_is(cluster, eventually, tenant, "True NothingNew")
    assert not inbox[0].taken


@pytest.mark.full
async def test_a_mirror_that_fails_leaves_the_database_in_use_and_says_that_it_is_old(
    cluster: Cluster, job: Job, mirror: Mirror, tenant: str, eventually: Eventually
) -> None:
    now = datetime.now(UTC)
    mirror.hold(LODASH, at=now - timedelta(days=9))
    assert await job.run() == 0
    held = (await job.told())["image"]
    whole = {name: (mirror.folder / name / "all.zip").read_bytes() for name in ECOSYSTEMS}
    (mirror.folder / "npm/all.zip").write_bytes(whole["npm"][:-20])
    assert await job.run() == 1
    told = await job.told()
    assert told["image"] == held and "npm cannot be read" in told["failure"]
    mirror.hold(LODASH, at=now - timedelta(days=12))
    assert await job.run() == 1
    told = await job.told()
    assert told["image"] == held and "older than the one here" in told["failure"]
    report = await cluster.read("VulnerabilityReport", "shop", f"{tenant}-dev")
    assert report["spec"]["database"] == held.partition("@")[2]
    await cluster.client.patch(report, {"metadata": {"annotations": {"tests/again": "1"}}}, "tests")

    async def said() -> bool:
        found = database_of(await cluster.read("VulnerabilityReport", "shop", f"{tenant}-dev"))
        return "9 days old" in found and "older than the one here" in found

    await eventually(said, PATIENCE_S)
    # The twin: a mirror that is mended is taken.
    mirror.hold(LODASH, at=now - timedelta(hours=1))
    assert await job.run() == 0
    told = await job.told()
    assert told["image"] != held and not told["failure"]


async def test_the_pods_are_let_in_where_the_restricted_level_holds(cluster: Cluster) -> None:
    space = f"restricted{secrets.token_hex(3)}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    await cluster.client.create(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space, "labels": labels}}
    )
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": manifests.NAME, "namespace": space}}
    await cluster.client.create(account)
    database = "registry.roost-system.svc:5000/base/advisories@sha256:" + "a" * 64
    cron = manifests.everything(*IMAGES, "https://osv.example.com")[-1]["spec"]["jobTemplate"]["spec"]
    for made in (cron, manifests.by_hand(*IMAGES, database)["spec"]):
        template = made["template"]
        meta = {"name": "probe", "namespace": space, "labels": template["metadata"]["labels"]}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"]}
        await cluster.client.create(pod, dry_run=True)
        wide = json.loads(json.dumps(pod))
        wide["spec"]["initContainers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
        with pytest.raises(Forbidden, match="restricted"):
            await cluster.client.create(wide, dry_run=True)


async def test_the_job_reads_and_writes_what_it_must_and_no_more(cluster: Cluster, job: Job, tenant: str) -> None:
    client = Client.connect(job.environment["KUBECONFIG"], "tests")
    other = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other", "namespace": SYSTEM_NAMESPACE}}
    try:
        for what in (
            client.list("v1", "Secret", SYSTEM_NAMESPACE),
            client.list(API_VERSION, "Project"),
            client.apply(other | {"data": {}}, "tests"),
            client.patch(await cluster.read("App", "shop", f"{tenant}-dev"), {"spec": {"stopped": True}}, "tests"),
            client.create(Waiver.manifest("w", WAIVER, f"{tenant}-build")),
        ):
            with pytest.raises(Forbidden):
                await what
        assert await client.list(API_VERSION, "Release", f"{tenant}-dev")
    finally:
        await client.close()


WAIVER = WaiverSpec(project="shop", fingerprint="0" * 16, reason="x", until="2030-01-01T00:00:00Z")
