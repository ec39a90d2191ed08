"""Previews and commit statuses with the controller's and the git server's real rights before a real kube-apiserver."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest
import yaml

from roost.gitserver.cluster import KubeCluster, run_for
from roost.gitserver.moves import Move
from roost.kube.client import Client
from roost.kube.errors import AlreadyExists, Forbidden
from roost.model import previews
from roost.model.kinds.app import App, AppSpec, Artefact, Variable
from roost.model.kinds.delivery import Project, ProjectSpec, Promotion, PromotionSpec
from roost.model.kinds.forge import Forge, Previews
from roost.model.kinds.source import Source
from roost.model.kinds.tenant import Environment, Tenant, TenantSpec
from roost.model.names import API_VERSION, REPORT, SYSTEM_NAMESPACE
from tests.integration.apiserver import ApiServer
from tests.integration.capabilities.conftest import Cluster, controlling, verify_images
from tests.integration.conftest import Eventually

pytestmark = pytest.mark.integration
OURS = ("tenant", "project", "promotion", "preview", "forge")
REF = "refs/merge-requests/7/head"
COMMIT = "a" * 40


@pytest.fixture
async def trying(platform: ApiServer) -> AsyncIterator[Cluster]:
    async with controlling(platform, OURS) as made:
        trust = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"ca.crt": "", "bundle.crt": ""}}
        with contextlib.suppress(AlreadyExists):
            meta = {"name": "roost-trust", "namespace": SYSTEM_NAMESPACE}
            await made.client.create({**trust, "metadata": meta}, "tests")
        task = asyncio.ensure_future(verify_images(made.client))
        yield made
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def git(platform: ApiServer) -> AsyncIterator[KubeCluster]:
    """The git server's view, as its own ServiceAccount."""
    admin = platform.client("tests")
    account = {"apiVersion": "v1", "kind": "ServiceAccount"}
    with contextlib.suppress(AlreadyExists):
        await admin.create({**account, "metadata": {"name": "roost-git", "namespace": SYSTEM_NAMESPACE}}, "tests")
    path = f"api/v1/namespaces/{SYSTEM_NAMESPACE}/serviceaccounts/roost-git/token"
    answer = await admin.request("POST", path, {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"})
    await admin.close()
    config = yaml.safe_load(platform.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": answer["status"]["token"]}
    file = platform.folder / "git"
    file.write_text(yaml.safe_dump(config))
    client = Client.connect(str(file), "roost-git")
    yield KubeCluster(client)
    await client.close()


@pytest.fixture
async def project(trying: Cluster, eventually: Eventually) -> Project:
    """A project of a fresh tenant that tries merge requests out in dev."""
    tenant = f"t{secrets.token_hex(4)}"
    environments = (Environment(name="dev", previews=True), Environment(name="prod"))
    await trying.client.apply(Tenant.manifest(tenant, TenantSpec(environments=environments)), "tests")

    async def ready() -> bool:
        return (await trying.ready("Tenant", tenant)).startswith("True")

    await eventually(ready, 60)
    spec = ProjectSpec(
        source=Source(type="git", url="https://git.example.org/acme/shop.git", poll_s=0),
        forge=Forge(type="gitea", token="shop-forge"),
        previews=Previews(environment="dev"),
    )
    await trying.client.create(Project.manifest("shop", spec, f"{tenant}-build"), "tests")
    secret = {"apiVersion": "v1", "kind": "Secret", "stringData": {"token": "t"}}
    where = {"name": "shop-forge", "namespace": f"{tenant}-build"}
    await trying.client.create({**secret, "metadata": where}, "tests")
    return Project.parse(await trying.read("Project", "shop", f"{tenant}-build"))


def promotion(tenant: str, environment: str = "dev", app: str = "shop-mr-7") -> dict[str, Any]:
    """What the run of the merge request makes at its end."""
    image = f"registry.roost-system.svc:5000/{tenant}/shop@sha256:{'a' * 64}"
    spec = PromotionSpec(app=app, artefact=Artefact(image=image), preview="shop-mr-7", sequence=1)
    return Promotion.manifest(f"shop-{secrets.token_hex(3)}", spec, f"{tenant}-{environment}")


async def test_a_previews_application_comes_and_goes_with_it(
    trying: Cluster, git: KubeCluster, project: Project, eventually: Eventually
) -> None:
    tenant = (project.metadata.namespace or "").removesuffix("-build")
    await git.create_preview(previews.manifest(project, tenant, REF))
    await git.create_preview(previews.manifest(project, tenant, REF))
    (preview,) = await git.previews(f"{tenant}-build", "shop")
    await trying.client.create(promotion(tenant), "tests")

    async def there() -> bool:
        app = await trying.read("App", "shop-mr-7", f"{tenant}-dev")
        return bool(app) and app["metadata"]["labels"]["roost.dev/preview"] == "shop-mr-7"

    await eventually(there, 60)
    await git.delete_preview(preview)

    async def gone() -> bool:
        left = [await trying.read("App", "shop-mr-7", f"{tenant}-dev")]
        left += await trying.client.list(API_VERSION, Promotion.KIND, f"{tenant}-dev")
        left += await trying.client.list(API_VERSION, "Preview", f"{tenant}-build")
        return not any(left)

    await eventually(gone, 60)


async def test_it_begins_with_what_the_project_says_and_is_its_own_from_then_on(
    trying: Cluster, git: KubeCluster, project: Project, eventually: Eventually
) -> None:
    tenant = (project.metadata.namespace or "").removesuffix("-build")
    space, client = f"{tenant}-dev", trying.client
    secret = "5" * 16
    own = AppSpec(config=(Variable(name="COLOUR", value="green"),), secret_version=secret)
    await client.create(App.manifest("shop", own, space), "tests")
    raw = await trying.read("Project", "shop", f"{tenant}-build")
    said = {"copies": True, "config": [{"name": "SHAPE", "value": "round"}]}
    await client.patch(raw, {"spec": {"previews": said}}, "tests")

    async def noted() -> bool:
        return bool((await trying.read("Project", "shop", f"{tenant}-build"))["status"].get("observedGeneration") == 2)

    await eventually(noted, 60)
    await git.create_preview(previews.manifest(project, tenant, REF))
    await client.create(promotion(tenant), "tests")

    async def config() -> dict[str, str]:
        spec = (await trying.read("App", "shop-mr-7", space)).get("spec") or {}
        assert spec.get("secretVersion", "") == "", "No secret comes along."
        return {item["name"]: item["value"] for item in spec.get("config") or ()}

    async def begun() -> bool:
        return await config() == {"COLOUR": "green", "SHAPE": "round"}

    await eventually(begun, 60)
    changed = {"spec": {"config": [{"name": "COLOUR", "value": "blue"}]}}
    await client.patch(await trying.read("App", "shop-mr-7", space), changed, "a-person")
    again = promotion(tenant)
    again["spec"]["sequence"], again["spec"]["artefact"]["commit"] = 2, "b" * 40
    await client.create(again, "tests")

    async def followed() -> bool:
        spec = (await trying.read("App", "shop-mr-7", space))["spec"]
        return bool(spec["artefact"].get("commit") == "b" * 40)

    await eventually(followed, 60)
    assert await config() == {"COLOUR": "blue"}


async def refused(trying: Cluster, made: dict[str, Any], eventually: Eventually) -> str:
    """Why a Promotion is refused."""
    await trying.client.create(made, "tests")
    meta = made["metadata"]

    async def told() -> str:
        found = await trying.read("Promotion", meta["name"], meta["namespace"])
        status = found.get("status") or {}
        return str(status["conditions"][0]["reason"]) if status.get("phase") == "Refused" else ""

    return str(await eventually(told, 60))


async def test_what_is_for_a_preview_comes_nowhere_else(
    trying: Cluster, git: KubeCluster, project: Project, eventually: Eventually
) -> None:
    tenant = (project.metadata.namespace or "").removesuffix("-build")
    assert await refused(trying, promotion(tenant), eventually) == "PreviewClosed"
    await git.create_preview(previews.manifest(project, tenant, REF))
    assert await refused(trying, promotion(tenant, "prod"), eventually) == "PreviewClosed", "It is of another one."
    body = {"apiVersion": API_VERSION, "kind": "App", "metadata": {"name": "shop-mr-7", "namespace": f"{tenant}-dev"}}
    await trying.client.create({**body, "spec": {}}, "tests")
    assert await refused(trying, promotion(tenant), eventually) == "NameTaken"


async def test_the_forge_hears_of_a_run_by_a_pod_with_its_token_alone(
    trying: Cluster, git: KubeCluster, project: Project, eventually: Eventually
) -> None:
    tenant = (project.metadata.namespace or "").removesuffix("-build")
    await git.create_preview(previews.manifest(project, tenant, REF))
    await git.create_run(tenant, run_for(project, tenant, Move(REF, COMMIT, 1, "~import", "p", 1), COMMIT))

    async def job() -> dict[str, Any]:
        found = await trying.client.list("batch/v1", "Job", f"{tenant}-build", REPORT)
        return found[0] if found else {}

    made = await eventually(job, 60)
    pod = made["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert [one["secret"]["secretName"] for one in pod["volumes"] if "secret" in one] == ["shop-forge"]
    told = await trying.client.list(API_VERSION, "CommitStatus", f"{tenant}-build")
    assert [(one["spec"]["state"], one["spec"]["commit"]) for one in told] == [("pending", COMMIT)]


async def test_people_make_neither_previews_nor_words_to_forges(trying: Cluster, project: Project) -> None:
    tenant = (project.metadata.namespace or "").removesuffix("-build")
    who = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding"}
    meta = {"name": "mallory", "namespace": f"{tenant}-build"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "roost-build-owner"}
    subject = {"kind": "ServiceAccount", "name": "mallory", "namespace": "roost-people"}
    await trying.client.create({**who, "metadata": meta, "roleRef": role, "subjects": [subject]}, "tests")
    client: Client = trying.client.act_as("person:mallory")
    with pytest.raises(Forbidden):
        await client.create(previews.manifest(project, tenant, REF), "tests")
    word = {"project": "shop", "run": "x", "commit": COMMIT, "state": "success"}
    body = {
        "apiVersion": API_VERSION,
        "kind": "CommitStatus",
        "metadata": {"name": "x", "namespace": f"{tenant}-build"},
    }
    with pytest.raises(Forbidden):
        await client.create({**body, "spec": word}, "tests")
    assert await client.list(API_VERSION, "Preview", f"{tenant}-build") == []
