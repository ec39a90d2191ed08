"""Signatures and the allow-list, from a run's report to what kube-apiserver lets run: the controller with its own
rights, the real registry, the real kube-apiserver. There are no nodes: tests say what pods of runs reported.
"""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from roost.capabilities.run.manifests.job import CONDUCTOR
from roost.capabilities.tenant import admission
from roost.kube.errors import RefusedError
from roost.model.kinds.app import App, AppSpec, Artefact
from roost.model.kinds.delivery import Project, ProjectSpec, Promotion, PromotionSpec, Run, RunSpec
from roost.model.kinds.gates import Gates
from roost.model.kinds.images import NAME
from roost.model.kinds.tenant import Environment, Tenant, TenantSpec
from roost.model.names import API_VERSION, RUN
from roost.surface import signatures
from tests.attack.table import BUILD_POD, POD, changed
from tests.attack.world import DOMAIN, World
from tests.integration import registry as registries
from tests.integration.apiserver import ApiServer
from tests.integration.capabilities.conftest import Cluster, controlling
from tests.integration.conftest import Eventually
from tests.integration.registry import RegistryServer

pytestmark = pytest.mark.integration
OURS = ("tenant", "app", "promotion", "release", "run", "image")
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def registry() -> Iterator[RegistryServer]:
    """A registry with the platform's configuration."""
    server = registries.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def walls(platform: ApiServer, registry: RegistryServer) -> Iterator[ApiServer]:
    """Admission as an installation has it whose registry is this one."""
    world = World(platform)
    for manifest in admission.policies(DOMAIN, registry.host):
        world.install(manifest)
    yield platform
    for manifest in admission.policies(DOMAIN):
        world.install(manifest)
    world.http.close()


@pytest.fixture
async def cluster(walls: ApiServer, registry: RegistryServer) -> AsyncIterator[Cluster]:
    """The controller works with that registry."""
    registry.sign_with(registry.signing_key, datetime.now(UTC) - timedelta(hours=1))
    async with controlling(walls, OURS, registry.settings(workers=4)) as made:
        yield made


@pytest.fixture
async def tenant(cluster: Cluster, eventually: Eventually) -> str:
    """A tenant with an open environment and a gated one, and a project."""
    name = f"t{secrets.token_hex(4)}"
    environments = (Environment(name="dev"), Environment(name="prod", gates=Gates(approvals=1, four_eyes=False)))
    await cluster.client.apply(Tenant.manifest(name, TenantSpec(environments=environments)), "tests")

    async def ready() -> bool:
        listed = await cluster.ready("ImageAllowlist", NAME, f"{name}-dev")
        return await cluster.ready("Tenant", name) == "True Ready" and listed == "True Verified"

    await eventually(ready, PATIENCE_S)
    await cluster.client.create(Project.manifest("shop", ProjectSpec(), f"{name}-build"))
    return name


async def deploy(cluster: Cluster, tenant: str, image: str, environment: str = "dev") -> None:
    """Say that this image is to run, past every pipeline."""
    spec = AppSpec(artefact=Artefact(image=image))
    await cluster.client.apply(App.manifest("shop", spec, f"{tenant}-{environment}"), "tests")


async def built(cluster: Cluster, tenant: str, image: str, **spec: Any) -> str:
    """A run whose pod has reported this image; the run's name."""
    run, space = f"shop-{secrets.token_hex(4)}", f"{tenant}-build"
    name, _, digest = image.partition("@")
    pod = changed(BUILD_POD, metadata={"name": run, "namespace": space, "labels": {RUN: run}})
    pod["spec"]["containers"][0] |= {"name": CONDUCTOR, "image": "roost.internal/platform:dev"}
    made = await cluster.client.create(pod)
    report = json.dumps({"ok": True, "image": name, "digest": digest, "processes": [{"name": "web", "port": 8080}]})
    state = {"terminated": {"exitCode": 0, "reason": "Completed", "message": report}}
    container = {"name": CONDUCTOR, "image": "x", "imageID": "x", "ready": False, "restartCount": 0, "state": state}
    status = {"phase": "Succeeded", "containerStatuses": [container]}
    await cluster.client.patch(made, {"status": status}, "tests", "status")
    wanted = RunSpec(project="shop", ref="refs/heads/main", commit="c" * 40, author="ada", **spec)
    await cluster.client.create(Run.manifest(run, wanted, space))
    return run


async def condition(cluster: Cluster, eventually: Eventually, kind: str, place: tuple[str, str], wanted: str) -> None:
    """Until Ready of an object is this. place: name, namespace."""

    async def holds() -> bool:
        return await cluster.ready(kind, *place) == wanted

    await eventually(holds, PATIENCE_S, told=lambda: cluster.read(kind, *place))


def admitted(cluster: Cluster, space: str, image: str) -> bool:
    """Whether kube-apiserver lets a pod of it in, made by Kubernetes' own controller."""
    world = World(cluster.server)
    try:
        pod = changed(POD, metadata__name="probe", metadata__namespace=space, spec__containers__0__image=image)
        who = "system:serviceaccount:kube-system:replicaset-controller"
        answer = world.call(who, "POST", f"/api/v1/namespaces/{space}/pods", pod, params={"dryRun": "All"})
        assert answer.status_code == 201 or "'roost-signed-images'" in answer.text, answer.text
        return answer.status_code == 201
    finally:
        world.http.close()


async def test_what_a_run_built_is_signed_promoted_and_let_in(
    cluster: Cluster, tenant: str, registry: RegistryServer, eventually: Eventually
) -> None:
    image = registry.push(f"{tenant}/shop", "a")
    run = await built(cluster, tenant, image)
    await condition(cluster, eventually, "Run", (run, f"{tenant}-build"), "True Built")
    (claims,) = registry.claims(image)
    assert claims["run"] == run and claims["commit"] == "c" * 40 and claims["project"] == "shop"
    assert claims["rights"] == "full" and claims["gates"].startswith("block=high")
    stood = await cluster.read("Run", run, f"{tenant}-build")
    assert stood["status"]["signedBy"] == signatures.key_id(registry.signing_key)

    async def released() -> bool:
        release = await cluster.read("Release", "shop-v1", f"{tenant}-dev")
        return bool(release) and release["spec"]["content"]["artefact"]["image"] == image

    await eventually(released, PATIENCE_S)
    await eventually(lambda: asyncio.to_thread(admitted, cluster, f"{tenant}-dev", image), PATIENCE_S)
    # Nothing of it reached the other environment.
    assert not admitted(cluster, f"{tenant}-prod", image)


@pytest.mark.parametrize("attack", ["unsigned", "other-key", "other-repository", "other-digest"])
async def test_an_image_without_its_own_signature_makes_no_version(
    cluster: Cluster, tenant: str, registry: RegistryServer, eventually: Eventually, attack: str
) -> None:
    mark = secrets.token_hex(4)
    image, space = registry.push(f"{tenant}/shop", mark), f"{tenant}-dev"
    reason = "Unsigned" if attack == "unsigned" else "WrongSignature"
    if attack == "other-key":
        registry.sign(image, signatures.new_key(), run="x")
    elif attack == "other-repository":
        theirs = registry.push("rival/shop", mark)
        registry.sign(theirs, run="x")
        registry.copy_signature(theirs, image)
    elif attack == "other-digest":
        good = registry.push(f"{tenant}/shop", f"{mark}-good")
        registry.sign(good, run="x")
        registry.copy_signature(good, image)
    await deploy(cluster, tenant, image)
    await condition(cluster, eventually, "App", ("shop", space), f"False {reason}")
    assert await cluster.client.list(API_VERSION, "Release", space) == []
    assert not admitted(cluster, space, image)
    # The twin: signed by the platform, the very same image is let in.
    registry.sign(image, run="x")
    await eventually(lambda: asyncio.to_thread(admitted, cluster, space, image), PATIENCE_S)


async def test_a_run_signs_nothing_but_what_it_reports(
    cluster: Cluster, tenant: str, registry: RegistryServer, eventually: Eventually
) -> None:
    other = registry.push(f"{tenant}/other", "other")
    run = await built(cluster, tenant, other)
    await condition(cluster, eventually, "Run", (run, f"{tenant}-build"), "False ForeignImage")
    missing = f"{registry.host}/{tenant}/shop@sha256:{'0' * 64}"
    run = await built(cluster, tenant, missing)
    await condition(cluster, eventually, "Run", (run, f"{tenant}-build"), "False ImageMissing")
    with pytest.raises(signatures.SignatureRefused):
        registry.claims(other)


async def test_a_rotated_key_lets_versions_run_and_nothing_new_of_the_old_one_in(
    cluster: Cluster, tenant: str, registry: RegistryServer, eventually: Eventually
) -> None:
    space, old = f"{tenant}-dev", registry.signing_key
    image = registry.push(f"{tenant}/shop", "before")
    run = await built(cluster, tenant, image)
    await eventually(lambda: asyncio.to_thread(admitted, cluster, space, image), PATIENCE_S)
    registry.sign_with(signatures.new_key())
    stolen = registry.push(f"{tenant}/shop", "stolen")
    registry.sign(stolen, old, run="x")
    spec = PromotionSpec(app="other", artefact=Artefact(image=stolen))
    await cluster.client.create(Promotion.manifest("stolen", spec, space))
    await condition(cluster, eventually, "Promotion", ("stolen", space), "False WrongSignature")
    assert not admitted(cluster, space, stolen)
    assert admitted(cluster, space, image)
    # What runs have built is signed anew when they are looked at; a touch stands for the next resync.
    seen = await cluster.read("Run", run, f"{tenant}-build")
    await cluster.client.patch(seen, {"metadata": {"annotations": {"tests/again": "1"}}}, "tests")

    def signed() -> bool:
        try:
            return registry.claims(image)[0]["run"] == run
        except signatures.SignatureRefused:
            return False

    await eventually(lambda: asyncio.to_thread(signed), PATIENCE_S)


async def test_while_the_registry_is_away_versions_are_started_again_and_new_ones_wait(
    cluster: Cluster, tenant: str, registry: RegistryServer, eventually: Eventually
) -> None:
    space = f"{tenant}-dev"
    image, later = registry.push(f"{tenant}/shop", "one"), registry.push(f"{tenant}/shop", "two")
    for each in (image, later):
        registry.sign(each, run="x")
    await deploy(cluster, tenant, image)
    await eventually(lambda: asyncio.to_thread(admitted, cluster, space, image), PATIENCE_S)
    registry.kill()
    try:
        await deploy(cluster, tenant, later)
        await condition(cluster, eventually, "App", ("shop", space), "False RegistryUnavailable")
        assert admitted(cluster, space, image) and not admitted(cluster, space, later)
        assert await cluster.read("Release", "shop-v2", space) == {}
    finally:
        registry.start()
    await eventually(lambda: asyncio.to_thread(admitted, cluster, space, later), PATIENCE_S)


async def test_versions_from_before_signing_run_and_can_be_gone_back_to(
    cluster: Cluster, tenant: str, registry: RegistryServer, eventually: Eventually
) -> None:
    space = f"{tenant}-dev"
    old, new = registry.push(f"{tenant}/shop", "old"), registry.push(f"{tenant}/shop", "new")
    registry.sign(old, run="x")
    registry.sign(new, run="x")
    for number, image in ((1, old), (2, new)):
        await deploy(cluster, tenant, image)

        async def made(number: int = number) -> bool:
            return bool(await cluster.read("Release", f"shop-v{number}", space))

        await eventually(made, PATIENCE_S)
    # As after an upgrade: the key is younger than these versions, and no signature of it is there.
    registry.sign_with(signatures.new_key(), datetime.now(UTC) + timedelta(seconds=1))
    listed = await cluster.read("ImageAllowlist", NAME, space)
    await cluster.client.patch(listed, {"status": {"admitted": [], "predating": []}}, "tests", "status")

    async def remembered() -> bool:
        item = await cluster.read("ImageAllowlist", NAME, space)
        return sorted(item["status"]["predating"]) == sorted([old, new])

    await eventually(remembered, PATIENCE_S)
    await eventually(lambda: asyncio.to_thread(admitted, cluster, space, old), PATIENCE_S)
    await deploy(cluster, tenant, old)  # As a rollback does.

    async def back() -> bool:
        release = await cluster.read("Release", "shop-v3", space)
        return bool(release) and release["spec"]["content"]["artefact"]["image"] == old

    await eventually(back, PATIENCE_S)
    # What no version had is not let in by the same door.
    other = registry.push(f"{tenant}/shop", "never-released")
    await deploy(cluster, tenant, other)
    await condition(cluster, eventually, "App", ("shop", space), "False Unsigned")
    assert not admitted(cluster, space, other)


async def test_a_gated_environment_takes_nothing_of_a_branch_whose_pipeline_anybody_may_edit(
    cluster: Cluster, tenant: str, registry: RegistryServer, eventually: Eventually
) -> None:
    image = registry.push(f"{tenant}/shop", "branch")
    run = await built(cluster, tenant, image, rights="reduced", promote=False)
    await condition(cluster, eventually, "Run", (run, f"{tenant}-build"), "True Built")
    spec = PromotionSpec(app="shop", artefact=Artefact(image=image))
    await cluster.client.create(Promotion.manifest("by-hand", spec, f"{tenant}-prod"))
    await condition(cluster, eventually, "Promotion", ("by-hand", f"{tenant}-prod"), "False ReducedRights")
    assert not admitted(cluster, f"{tenant}-prod", image)
    # The twin: an open environment takes it; and once the project's branch has built the same, so does this one.
    await deploy(cluster, tenant, image)
    await eventually(lambda: asyncio.to_thread(admitted, cluster, f"{tenant}-dev", image), PATIENCE_S)
    await built(cluster, tenant, image)
    await condition(cluster, eventually, "Promotion", ("by-hand", f"{tenant}-prod"), "False AwaitingApproval")


async def test_nobody_but_the_platform_makes_a_pod_of_an_unsigned_image(
    cluster: Cluster, tenant: str, registry: RegistryServer
) -> None:
    image = registry.push(f"{tenant}/shop", "direct")
    pod = changed(POD, metadata__name="direct", metadata__namespace=f"{tenant}-dev", spec__containers__0__image=image)
    with pytest.raises(RefusedError, match="roost-signed-images"):
        await cluster.client.create(pod)  # The cluster's administrator is no exception.
