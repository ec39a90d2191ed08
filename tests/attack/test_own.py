"""The walls let through what Roost itself writes: every manifest of every golden case, as who writes it.

A wall that stops the platform is found here and not on a running cluster.
"""

import copy
from pathlib import Path
from typing import Any

import pytest

from roost.kernel import golden
from roost.kernel.capability import Capability
from roost.kernel.discovery import capabilities
from roost.model.plan import DEPLOYER as AS_DEPLOYER
from tests.attack.world import CONTROLLER, World, collection

pytestmark = pytest.mark.integration
SPACES = ("acme-dev", "acme-prod", "acme-build")
WORKLOADS = {"Deployment": "replicaset-controller", "Job": "job-controller"}
CASES = [
    pytest.param(capability, case, id=f"{capability.name}-{case.name}")
    for capability in capabilities()
    if capability.plan
    for case in golden.cases(golden.folder_of(capability))
]


def _as_who(identity: str, manifest: dict[str, Any]) -> str:
    space = manifest["metadata"].get("namespace")
    return f"system:serviceaccount:{space}:roost-deployer" if identity == AS_DEPLOYER else CONTROLLER


def _accepted(world: World, who: str, manifest: dict[str, Any]) -> None:
    made = copy.deepcopy(manifest)
    if made["kind"] != "Pod":  # The garbage collector is not there, and so the owners of the cases are not.
        made["metadata"].pop("ownerReferences", None)
    path = f"{collection(made)}/{made['metadata']['name']}"
    params = {"dryRun": "All", "fieldManager": "own", "force": "true"}
    answer = world.call(who, "PATCH", path, made, kind="apply", params=params)
    assert answer.status_code in (200, 201), f"{who} {path}: {answer.text}"


def _pod(workload: dict[str, Any]) -> dict[str, Any]:
    template = workload["spec"]["template"]
    meta = {**template["metadata"], "name": "of-a-workload", "namespace": workload["metadata"]["namespace"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"]}


@pytest.mark.parametrize(("capability", "case"), CASES)
def test_the_walls_let_through_what_roost_writes(world: World, capability: Capability, case: Path) -> None:
    for item in golden.run(capability, case).apply:
        manifest: dict[str, Any] = copy.deepcopy(dict(item.manifest))
        if manifest["metadata"].get("namespace", "acme-dev") not in SPACES or manifest["apiVersion"] == "cilium.io/v2":
            continue
        _accepted(world, _as_who(item.identity, manifest), manifest)
        if manifest["kind"] in WORKLOADS:
            pod = _pod(manifest)
            who = f"system:serviceaccount:kube-system:{WORKLOADS[manifest['kind']]}"
            made = world.call(who, "POST", collection(pod), pod, params={"dryRun": "All"})
            assert made.status_code == 201, made.text
