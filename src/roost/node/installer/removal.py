"""`roost uninstall`: takes Roost away, and leaves the applications alone or takes all, as asked.

Keeping the applications: what serves them stays (gateway, registry, nodes' trust, walls); what manages them goes, and
Roost's own objects go without what they own. Taking everything: tenants first, while the controller can still clean up.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from roost.model.names import PEOPLE_NAMESPACE, PLATFORM, TENANT
from roost.model.names import SYSTEM_NAMESPACE as HERE
from roost.node.installer import deploy, record
from roost.node.installer.probe import CLUSTERWIDE
from roost.node.installer.record import BEFORE, CURRENT, REMOVED, Installation
from roost.node.installer.rendering import KINDS, RIGHTS, Identity, identity
from roost.node.kubectl import Kubectl, NotReady, wait_until
from roost.node.manifests import collector, node_trust, platform
from roost.node.run import CommandFailed

Told = Callable[[str], None]

GONE_S: Final = 300.0
MANAGING: Final = (
    ("Deployment", platform.CONTROLLER),
    ("Deployment", platform.API),
    ("StatefulSet", platform.GIT),
    ("CronJob", collector.NAME),
)
# Everything of theirs bears one of these names: accounts, services, routes, budgets, rights.
MANAGERS: Final = frozenset({*(name for _, name in MANAGING), "roost-collector", record.CURRENT})
TENANTS: Final = "tenants.roost.dev"


class NothingInstalled(RuntimeError):
    """The cluster has no record of Roost."""


def installed(kubectl: Kubectl) -> Installation:
    """What is recorded. NothingInstalled."""
    held = record.read(kubectl)
    if held is None:
        raise NothingInstalled("Roost is not installed in this cluster: it has no record in roost-system.")
    return held


def serves(phase: str, item: Identity) -> bool:
    """Whether applications that are left alone need an object of the platform: who serves them, where their images
    are, whom nodes believe, the walls around them. What manages them goes, as do rights and rules of admission.
    """
    _, kind, _, name = item
    if phase in (KINDS, RIGHTS) or (kind == "Namespace" and name == PEOPLE_NAMESPACE):
        return False
    return name not in MANAGERS


def orphan(kubectl: Kubectl, definition: Mapping[str, Any]) -> int:
    """Delete every object of one of our kinds and leave what it owns; how many. Nobody is left to finish them."""
    name = definition["metadata"]["name"]
    found = deploy.objects(kubectl, definition)
    for item in found:
        meta = item["metadata"]
        where = (f"--namespace={meta['namespace']}",) if meta.get("namespace") else ()
        ours = [text for text in meta.get("finalizers") or () if text.startswith("roost.dev/")]
        if ours:
            kept = [text for text in meta["finalizers"] if text not in ours]
            patch = json.dumps({"metadata": {"finalizers": kept or None}})
            kubectl.call("patch", name, meta["name"], *where, "--type=merge", "-p", patch)
        kubectl.call("delete", name, meta["name"], *where, "--cascade=orphan", "--wait=false", "--ignore-not-found")
    wait_until(f"The end of all {name}", lambda: not deploy.objects(kubectl, definition), GONE_S)
    return len(found)


def stop(kubectl: Kubectl) -> None:
    """End what manages applications, and wait until none of it runs."""
    for kind, name in MANAGING:
        kubectl.call("delete", kind, name, f"--namespace={HERE}", "--ignore-not-found", "--cascade=foreground")
    chosen = f"app.kubernetes.io/name in ({', '.join(name for _, name in MANAGING)})"
    wait_until("The end of Roost's own processes", lambda: not kubectl.list("pods", HERE, chosen), GONE_S)


def keep_applications(kubectl: Kubectl, told: Told) -> list[str]:
    """Remove what manages; what is left, in words."""
    held = installed(kubectl)
    told("stopping what manages applications")
    stop(kubectl)
    for definition in deploy.held_definitions(kubectl).values():
        told(f"{definition['metadata']['name']}: {orphan(kubectl, definition)} forgotten")
    told("rights of people, admission, kinds")
    # People's roles; the walls (quota, limits, network) bear the same label and stay.
    kubectl.call("delete", "rolebindings", "--all-namespaces", f"--selector={PLATFORM}", "--ignore-not-found")
    kubectl.call("delete", "clusterrolebindings,clusterroles", f"--selector={TENANT}", "--ignore-not-found")
    for item, phase in reversed(held.identities().items()):
        if not serves(phase, item):
            remove(kubectl, item)
    kubectl.call("delete", "namespace", PEOPLE_NAMESPACE, "--ignore-not-found", "--wait=false")
    kubectl.call("delete", "configmap", BEFORE, f"--namespace={HERE}", "--ignore-not-found")
    record.write(kubectl, CURRENT, rest(held))
    return [
        "applications, their services, routes, configuration and data, in the tenants' namespaces",
        "quotas, limits and network policies of those namespaces, and the walls around them",
        f"gateway, registry and repositories' disk in {HERE}; nodes go on pulling from that registry",
    ]


def rest(held: Installation) -> Installation:
    """What is left, so that it can be removed one day."""
    phases = {
        phase: [item for item in items if serves(phase, identity(item))]
        for phase, items in held.phases.items()
        if phase != KINDS
    }
    return replace(held, version=REMOVED, phases=phases)


def remove(kubectl: Kubectl, item: Identity) -> None:
    """Delete one object of the platform; definitions of our kinds too, those of others never."""
    if item[1] == "CustomResourceDefinition" and not item[3].endswith(".roost.dev"):
        return
    deploy.remove(kubectl, item)


def everything(kubectl: Kubectl, told: Told) -> list[str]:
    """Remove all: tenants with their applications and data, then the platform; what is left, in words."""
    held = installed(kubectl)
    told("tenants and their applications")
    tenants(kubectl, told)
    told("nodes' trust")
    forget_trust(kubectl, held)
    told("platform")
    stop(kubectl)
    for definition in deploy.held_definitions(kubectl).values():
        orphan(kubectl, definition)
    for item in reversed(held.identities()):
        if item[1] != "Namespace":
            remove(kubectl, item)
    kubectl.call("delete", "namespaces", HERE, PEOPLE_NAMESPACE, "--ignore-not-found", "--wait=false")

    def gone() -> bool:
        return all(kubectl.get("namespace", name) is None for name in (HERE, PEOPLE_NAMESPACE))

    wait_until("The end of the platform's namespaces", gone, GONE_S)
    return ["the Gateway API's kinds, which others may use too"]


def tenants(kubectl: Kubectl, told: Told) -> None:
    """Delete every tenant and wait for the end of their namespaces; what is left then is deleted directly."""

    def left() -> list[str]:
        return [item["metadata"]["name"] for item in kubectl.list("namespaces", selector=TENANT)]

    if TENANTS in deploy.held_definitions(kubectl) and left():
        kubectl.call("delete", TENANTS, "--all", "--wait=false")
        try:
            wait_until("The end of the tenants", lambda: not left(), GONE_S)
        except NotReady:
            told("deleting what is left of the tenants directly")
    kubectl.call("delete", "clusterrolebindings,clusterroles", f"--selector={TENANT}", "--ignore-not-found")
    if kubectl.get("customresourcedefinition", CLUSTERWIDE) is not None:
        kubectl.call("delete", CLUSTERWIDE, f"--selector={TENANT}", "--ignore-not-found")
    if names := left():
        kubectl.call("delete", "namespaces", *names, "--ignore-not-found", "--wait=false")
        wait_until("The end of the tenants' namespaces", lambda: not left(), GONE_S)


def forget_trust(kubectl: Kubectl, held: Installation) -> None:
    """Take away what was written on the nodes, where we wrote it."""
    if held.options.embedded or kubectl.get("daemonset", node_trust.NAME, HERE) is None:
        return
    kubectl.apply([node_trust.writer(held.images["platform"], node_trust.REMOVE)])
    try:
        deploy.wait_until_runs(kubectl, "daemonset", node_trust.NAME)
    except (NotReady, CommandFailed):
        return  # A node that is away keeps two files that lead nowhere; that is no reason to stop.
