"""The restricted level of Pod Security, which stands in front of the policies in every environment."""

from typing import Any

import pytest

from tests.attack.table import POD, SAFE, changed
from tests.attack.world import World, collection

pytestmark = pytest.mark.integration
SPACE = "acme-prod"
CREATOR = "system:serviceaccount:kube-system:replicaset-controller"
INSIDE = "spec__containers__0__securityContext"

EVIL: dict[str, dict[str, Any]] = {
    "privileged": {INSIDE: {"privileged": True}},
    "capability": {INSIDE: {**SAFE, "capabilities": {"drop": ["ALL"], "add": ["NET_RAW"]}}},
    "escalation": {INSIDE: {**SAFE, "allowPrivilegeEscalation": True}},
    "root": {"spec__securityContext__runAsNonRoot": False},
    "no-seccomp": {"spec__securityContext__seccompProfile": {"type": "Unconfined"}},
    "host-path": {"spec__volumes": [{"name": "h", "hostPath": {"path": "/"}}]},
    "host-network": {"spec__hostNetwork": True},
    "unsafe-sysctl": {"spec__securityContext__sysctls": [{"name": "kernel.msgmax", "value": "1"}]},
}


@pytest.mark.parametrize("changes", EVIL.values(), ids=EVIL)
def test_a_pod_beyond_the_restricted_level_is_refused(world: World, changes: dict[str, Any]) -> None:
    twin = changed(POD, metadata__namespace=SPACE)
    dry = {"dryRun": "All"}
    harmless = world.call(CREATOR, "POST", collection(twin), twin, params=dry)
    assert harmless.status_code == 201, harmless.text
    refused = world.call(CREATOR, "POST", collection(twin), changed(twin, **changes), params=dry)
    assert refused.status_code == 403 and "PodSecurity" in refused.text, refused.text


def test_an_image_that_runs_as_root_is_let_in_with_a_user_namespace_only(world: World) -> None:
    root = changed(POD, metadata__namespace=SPACE, spec__securityContext__runAsNonRoot=None)
    dry = {"dryRun": "All"}
    assert world.call(CREATOR, "POST", collection(root), root, params=dry).status_code == 403
    apart = changed(root, spec__hostUsers=False)
    allowed = world.call(CREATOR, "POST", collection(apart), apart, params=dry)
    assert allowed.status_code == 201, allowed.text
