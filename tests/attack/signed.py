"""Attacks on the allow-list of images: what is not signed, and whoever would sign it himself. Tried beside `table`.

`admit` fills the lists as the capability `image` does. They hold every image that other attacks name as well, so that
those are refused by the guard that they try, and not by this one.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from roost.kernel import golden
from roost.kernel.discovery import capabilities
from roost.model import names
from roost.model.kinds.images import NAME, ImageAllowlist
from tests.attack.table import ATTACKS, MADE, OWN, POD, RESOURCES, SAFE, Attack, changed
from tests.attack.world import MALLORY, World

UNSIGNED = f"{names.REGISTRY}/acme/shop@sha256:{'e' * 64}"
PREDATING = f"{names.REGISTRY}/acme/shop@sha256:{'d' * 64}"
# The same digest, signed for the other tenant's repository: only `rival-dev` has it.
THEIRS = f"{names.REGISTRY}/acme/shop@sha256:{'f' * 64}"
SPACES = ("acme-dev", "acme-prod", "rival-dev", "rival-prod")
_IMAGE = re.compile(rf"{re.escape(names.REGISTRY)}/[a-z0-9/-]+@sha256:[0-9a-f]{{64}}")


def list_of(space: str) -> str:
    """The path of an environment's allow-list."""
    return f"/apis/{names.API_VERSION}/namespaces/{space}/{ImageAllowlist.PLURAL}/{NAME}"


def _images(pod: Mapping[str, Any]) -> Iterator[str]:
    spec = pod["spec"]
    for container in [*spec["containers"], *spec.get("initContainers", ())]:
        yield container["image"]
    for volume in spec.get("volumes", ()):
        if "image" in volume:
            yield volume["image"]["reference"]


def _of_golden_cases() -> Iterator[str]:
    for capability in capabilities():
        if capability.plan:
            for case in golden.cases(golden.folder_of(capability)):
                yield from _IMAGE.findall((case / "expected.yaml").read_text())


def admit(world: World) -> None:
    """Fill the allow-lists of all environments."""
    pods = [attack.evil for attack in ATTACKS if attack.evil["kind"] == "Pod"]
    admitted = {OWN, *_of_golden_cases(), *(image for pod in pods for image in _images(pod))}
    for space in SPACES:
        also = {THEIRS.replace("/acme/", "/rival/")} if space.startswith("rival") else set()
        path = f"{list_of(space)}/status"
        body = {"status": {"admitted": sorted(admitted | also), "predating": [PREDATING]}}
        answer = world.call("", "PATCH", path, body)
        assert answer.status_code == 200, answer.text

    def refused() -> bool:
        probe = changed(POD, metadata__name="probe", spec__containers__0__image=UNSIGNED)
        params = {"dryRun": "All"}
        known = changed(probe, spec__containers__0__image=OWN)
        path = "/api/v1/namespaces/acme-dev/pods"
        let = world.call(MALLORY, "POST", path, known, params=params).status_code == 201
        return let and world.call(MALLORY, "POST", path, probe, params=params).status_code == 403

    world.until(refused, "the allow-lists")


def _unsigned(name: str, ways: tuple[str, ...] = MADE, **changes: Any) -> Attack:
    return Attack(name, MALLORY, POD, changed(POD, **changes), "roost-signed-images", "has signed run here", ways)


def _extra(image: str) -> dict[str, Any]:
    return {"name": "extra", "image": image, "securityContext": SAFE, "resources": RESOURCES}


SIGNED = [
    _unsigned("unsigned-image", (*MADE, "put", "json"), spec__containers__0__image=UNSIGNED),
    _unsigned("image-signed-for-another-tenant", spec__containers__0__image=THEIRS),
    _unsigned("unsigned-init-image", spec__initContainers=[_extra(UNSIGNED)]),
    _unsigned("unsigned-image-volume", spec__volumes=[{"name": "v", "image": {"reference": UNSIGNED}}]),
    _unsigned("signed-digest-of-another-repository", spec__containers__0__image=OWN.replace("/shop@", "/other@")),
]
