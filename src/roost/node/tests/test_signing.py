"""The signing key: made once, rotated with its public part, mounted by the controller alone."""

import base64
from typing import Any, cast

import pytest

from roost.model.names import SYSTEM_NAMESPACE as HERE
from roost.node import signing
from roost.node.kubectl import Kubectl, NotReady
from roost.node.manifests import platform
from roost.node.manifests.common import Disk
from roost.surface import signatures


class Cluster:
    """Objects by kind and name; commands in order."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.called: list[tuple[str, ...]] = []

    def get(self, kind: str, name: str, _namespace: str) -> dict[str, Any] | None:
        return self.objects.get((kind, name))

    def apply(self, manifests: list[dict[str, Any]]) -> None:
        for item in manifests:
            held = dict(item)
            if "stringData" in held:
                texts = held.pop("stringData")
                held["data"] = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
            self.objects[(item["kind"].lower(), item["metadata"]["name"])] = held

    def call(self, *arguments: str) -> str:
        self.called.append(arguments)
        return ""

    @property
    def kubectl(self) -> Kubectl:
        return cast(Kubectl, self)


def held(cluster: Cluster, key: str) -> str:
    return base64.b64decode(cluster.objects["secret", platform.SIGNING]["data"][key]).decode()


def test_a_rotation_makes_another_key_and_tells_its_public_part() -> None:
    cluster = Cluster()
    before, since = signatures.new_key().decode(), "2026-11-29T08:00:00Z"
    data = {"key.pem": before, "since": since}
    cluster.apply([{"kind": "Secret", "metadata": {"name": platform.SIGNING}, "stringData": data}])
    assert signing.public(cluster.kubectl) == signatures.public_key(before.encode()).decode()
    told = signing.rotate(cluster.kubectl)
    after = held(cluster, "key.pem")
    assert after != before and held(cluster, "since") == since
    assert told == signatures.public_key(after.encode()).decode() == signing.public(cluster.kubectl)
    assert cluster.objects["configmap", platform.SIGNING]["data"] == {"cosign.pub": told}
    assert cluster.called == [("rollout", "restart", "deployment/roost-controller", f"--namespace={HERE}")]


def test_without_a_key_it_is_said_what_to_do() -> None:
    for act in (signing.public, signing.rotate):
        with pytest.raises(NotReady, match="roost node up"):
            act(Cluster().kubectl)


def test_the_controller_alone_mounts_the_key() -> None:
    told = platform.Platform(
        domain="roost.localhost",
        image="platform:1",
        builder_image="buildkit:1",
        scanner_image="semgrep:1",
        repositories=Disk(claim="repositories"),
    )
    mounting = []
    for item in platform.everything(told):
        spec = item.get("spec", {}).get("template", {}).get("spec", {})
        for volume in spec.get("volumes", ()):
            if volume.get("secret", {}).get("secretName") == platform.SIGNING:
                assert volume["secret"]["defaultMode"] == 0o440
                mounting.append(item["metadata"]["name"])
    assert mounting == [platform.CONTROLLER]
