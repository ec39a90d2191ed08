"""The one way in which the platform gets into a cluster: `roost node up`, `install`, `upgrade` and the way back.

    begin     note what was installed before, so that there is a way back
    apply     phase by phase, in order, server-side: what did not change is not written
    finish    remove what this version has no longer, write down what is installed now

Each looks before it acts; an interrupted one is gone through again. Whatever is removed was recorded as applied by us.
Definitions of kinds, namespaces, claims and secrets are never removed on the way: people's data hangs on them.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from roost.model.names import GROUP
from roost.model.names import SYSTEM_NAMESPACE as HERE
from roost.node.installer import kinds, record, rendering
from roost.node.installer.record import BEFORE, CURRENT, Installation
from roost.node.installer.rendering import KINDS
from roost.node.kubectl import Kubectl, describe_pods, wait_until, workload_ready
from roost.node.manifests.common import Manifest
from roost.node.run import CommandFailed

NEVER_REMOVED: Final = frozenset({"CustomResourceDefinition", "Namespace", "PersistentVolumeClaim", "Secret"})
WORKLOADS: Final = ("Deployment", "DaemonSet", "StatefulSet")
READY_S: Final = 300.0


class UpgradeRefused(RuntimeError):
    """Nothing was changed; the text says what stands against it, and what to do."""


def begin(kubectl: Kubectl, wanted: Installation) -> Installation | None:
    """Keep what is installed as the way back, unless it is the same; what that is, or None at the first time."""
    held = record.read(kubectl)
    if held is not None and held.digest != wanted.digest:
        record.write(kubectl, BEFORE, held)
    return held


def apply(kubectl: Kubectl, wanted: Installation, *phases: str) -> None:
    """Apply phases, in their order; all of them where none is named."""
    for phase in phases or tuple(wanted.phases):
        kubectl.apply_patiently(list(wanted.phases[phase]))


def surplus(held: Installation | None, wanted: Installation) -> list[rendering.Identity]:
    """What the version before had and this one has not; last applied goes first."""
    if held is None:
        return []
    kept = wanted.identities()
    return [item for item in reversed(held.identities()) if item not in kept and item[1] not in NEVER_REMOVED]


def remove(kubectl: Kubectl, item: rendering.Identity) -> None:
    """Delete one object; one that is gone, with its kind or by itself, is as good."""
    api_version, kind, namespace, name = item
    group, _, version = api_version.rpartition("/")
    where = (f"--namespace={namespace}",) if namespace else ()
    resource = f"{kind}.{version}.{group}" if group else kind
    try:
        kubectl.call("delete", resource, name, *where, "--ignore-not-found", "--wait=false")
    except CommandFailed as failed:
        if "the server doesn't have a resource type" not in failed.output:
            raise


def finish(kubectl: Kubectl, held: Installation | None, wanted: Installation) -> int:
    """Remove what is no longer, write down what is; how many objects went."""
    gone = surplus(held, wanted)
    for item in gone:
        remove(kubectl, item)
    record.write(kubectl, CURRENT, wanted)
    return len(gone)


def definitions(phases: Mapping[str, Sequence[Manifest]]) -> list[Manifest]:
    """The definitions of our own kinds. Those of the Gateway API are the cluster's: others may use them too."""
    return [item for item in phases[KINDS] if item["spec"]["group"] == GROUP]


def held_definitions(kubectl: Kubectl) -> dict[str, Manifest]:
    """Definitions of our kinds as the cluster has them."""
    listed = json.loads(kubectl.call("get", "customresourcedefinitions", "-o", "json"))["items"]
    return {item["metadata"]["name"]: item for item in listed if item["spec"]["group"] == GROUP}


def objects(kubectl: Kubectl, definition: Mapping[str, Any]) -> list[Manifest]:
    """Every object of a kind."""
    return kubectl.list(definition["metadata"]["name"])


def check(kubectl: Kubectl, wanted: Installation, accept_loss: bool = False) -> None:
    """UpgradeRefused where a version must not be applied over what is there. Writes nothing.

    The server itself tries every manifest first, so what it would refuse in the middle is refused before the beginning.
    """
    held, new = held_definitions(kubectl), definitions(wanted.phases)
    found = kinds.problems(held, new)
    lost = [
        words
        for definition in new
        if definition["metadata"]["name"] in held
        for words in kinds.losses(definition, held[definition["metadata"]["name"]], objects(kubectl, definition))
    ]
    if lost and not accept_loss:
        found.append(
            f"{wanted.name} does not know these fields, which are in use and would be lost: {'; '.join(lost)}. Say "
            "--accept-loss where that is meant."
        )
    known = {item["spec"]["names"]["kind"] for item in held.values()}
    fresh = {item["spec"]["names"]["kind"] for item in new} - known
    for phase, manifests in wanted.phases.items():
        try:
            kubectl.apply([item for item in manifests if item["kind"] not in fresh], dry_run=True)
        except CommandFailed as failed:
            found.append(f"The cluster refuses {phase}: {failed.output}")
    if found:
        text = "\n".join(f"  - {line}" for line in found)
        raise UpgradeRefused(f"{wanted.name} cannot be installed over what is there; nothing was changed.\n{text}")


def migrate(kubectl: Kubectl, definition: Mapping[str, Any]) -> int:
    """Write every object of a kind anew, in the version that is stored now, and note that no other is; how many."""
    name, version = definition["metadata"]["name"], kinds.storage(definition)
    plural, _, group = name.partition(".")
    listed = json.loads(kubectl.call("get", f"{plural}.{version}.{group}", "--all-namespaces", "-o", "json"))["items"]
    for item in listed:
        rewrite(kubectl, item, f"{plural}.{version}.{group}")
    patch = json.dumps({"status": {"storedVersions": [version]}})
    kubectl.call("patch", "customresourcedefinition", name, "--subresource=status", "--type=merge", "-p", patch)
    return len(listed)


def rewrite(kubectl: Kubectl, item: Mapping[str, Any], resource: str) -> None:
    """One object, unchanged: the server stores it in its present version. A change in between is as good."""
    meta = item["metadata"]
    where = (f"--namespace={meta['namespace']}",) if meta.get("namespace") else ()
    try:
        kubectl.call("replace", "-f", "-", text=json.dumps(item))
    except CommandFailed:
        if kubectl.call("get", resource, meta["name"], *where, "--ignore-not-found", "-o", "name").strip():
            found = json.loads(kubectl.call("get", resource, meta["name"], *where, "-o", "json"))
            if found["metadata"]["resourceVersion"] == meta["resourceVersion"]:
                raise


def apply_kinds(kubectl: Kubectl, wanted: Sequence[Manifest]) -> int:
    """Apply definitions, and write objects anew that are stored in another version than now; how many were."""
    kubectl.apply_patiently(wanted)
    held = held_definitions(kubectl)
    ours = [item for item in wanted if item["spec"]["group"] == GROUP]
    return sum(migrate(kubectl, item) for item in kinds.migrations(held, ours))


def wait_for(kubectl: Kubectl, wanted: Installation, within_s: float = READY_S) -> None:
    """Until everything of the platform that runs does so in its new form. NotReady says what does not, and why."""
    for kind, name in workloads(wanted):
        wait_until_runs(kubectl, kind, name, within_s)


def wait_until_runs(kubectl: Kubectl, kind: str, name: str, within_s: float = READY_S) -> None:
    """Until a workload in roost-system runs in its present form. NotReady."""

    def ready() -> bool:
        found = kubectl.get(kind, name, HERE)
        return found is not None and workload_ready(found)

    wait_until(f"{kind} {name}", ready, within_s, lambda: describe_pods(kubectl, HERE))


def workloads(wanted: Installation) -> list[tuple[str, str]]:
    """(kind, name) of what runs in roost-system."""
    found = [item for items in wanted.phases.values() for item in items if item["kind"] in WORKLOADS]
    return [(item["kind"], item["metadata"]["name"]) for item in found if item["metadata"]["namespace"] == HERE]


def change(
    kubectl: Kubectl, wanted: Installation, told: Callable[[str], None], accept_loss: bool = False
) -> Installation | None:
    """From what is installed to another version, forwards or back; what was installed. UpgradeRefused, NotReady."""
    told("checking")
    check(kubectl, wanted, accept_loss)
    held = begin(kubectl, wanted)
    for phase, manifests in wanted.phases.items():
        told(phase)
        if phase == KINDS:
            apply_kinds(kubectl, manifests)
        else:
            apply(kubectl, wanted, phase)
    told("waiting for the platform")
    wait_for(kubectl, wanted)
    finish(kubectl, held, wanted)
    return held
