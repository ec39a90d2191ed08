"""The versions that `roost upgrade` goes to: this program's own, and the one that was installed before."""

from datetime import UTC, datetime
from pathlib import Path

from roost.node import engine, images, install, machine, steps, trust
from roost.node import up as bring
from roost.node.images import Image
from roost.node.installer import foreign, observe, record, rendering
from roost.node.installer.options import IMAGES
from roost.node.installer.record import BEFORE, Installation
from roost.node.installer.removal import NothingInstalled
from roost.node.kubectl import Kubectl
from roost.node.steps import Run


class NoWayBack(RuntimeError):
    """What was installed before cannot run any more; the text says what is missing."""


def before(kubectl: Kubectl) -> Installation:
    """What was installed before. NothingInstalled where nothing is noted."""
    held = record.read(kubectl, BEFORE)
    if held is None:
        raise NothingInstalled("No version before this one is recorded, so there is no way back.")
    return held


def elsewhere(kubectl: Kubectl, held: Installation, access: foreign.Access, scratch: Path) -> Installation:
    """This program's version with the options of what is installed; its images are pushed."""
    built = images.build(engine.build(images.components(IMAGES)), IMAGES)
    references = foreign.push(built.images, held.options, access, scratch)
    gateway = engine.build(["gateway-api"]).component_dir("gateway-api") / "crds"
    theirs = any(item["spec"]["group"] == "gateway.networking.k8s.io" for item in held.phases[rendering.KINDS])
    facts = observe.observe(kubectl)
    kinds = foreign.definitions(gateway, facts, own_gateway=theirs)
    names = (held.options.registry_address, "localhost")
    made = trust.establish(kubectl, held.options.domain, names, trust.held_bundle(kubectl), datetime.now(UTC))
    foreign.client_certificate(kubectl, made, datetime.now(UTC))
    parts = rendering.Parts(references, kinds, made.registry_files)
    return Installation(record.own_version(), held.options, references, rendering.phases(held.options, parts))


def embedded(kubectl: Kubectl) -> Run:
    """This program's version for the cluster of this machine; nothing is started or changed yet."""
    run = Run(node=machine.known_node(), kubectl=kubectl)
    steps.compile_engine(run)
    steps.make_images(run)
    steps.establish_trust(run)
    return run


def upgrade_machine(run: Run) -> None:
    """Engine, control plane, network and platform of this machine's cluster: what `roost node up` does."""
    bring.up(run)


def preload(wanted: Installation) -> None:
    """The images of a version that was, into this machine's containerd. NoWayBack where they are nowhere any more."""
    held = install.imported()
    lacking = [reference for reference in wanted.images.values() if reference not in held]
    found = [image for reference in lacking if (image := _cached(reference)) is not None]
    if missing := sorted(set(lacking) - {image.reference for image in found}):
        raise NoWayBack(
            f"These images of {wanted.name} are neither preloaded nor in the cache: {', '.join(missing)}. Check that "
            "version out and run `roost upgrade` from there."
        )
    install.preload(found)


def _cached(reference: str) -> Image | None:
    name, _, key = reference.rpartition("/")[2].partition(":")
    return images.cached(name, key)
