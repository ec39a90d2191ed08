"""Facts that reading gives: version, rights, nodes, kinds, classes. Writes nothing. `probe` adds what pods find out."""

import json
from dataclasses import replace
from typing import Any

from roost.model.names import MANAGED_BY
from roost.model.names import SYSTEM_NAMESPACE as HERE
from roost.node.installer import record
from roost.node.installer.facts import Facts, SeenNode, Storage
from roost.node.installer.options import Options
from roost.node.kubectl import Kubectl
from roost.node.run import CommandFailed

RIGHTS = (
    ("*", "*", ""),
    ("create", "customresourcedefinitions.apiextensions.k8s.io", ""),
    ("create", "validatingadmissionpolicies.admissionregistration.k8s.io", ""),
    ("escalate", "clusterroles.rbac.authorization.k8s.io", ""),
    ("bind", "clusterroles.rbac.authorization.k8s.io", ""),
    ("create", "namespaces", ""),
    ("create", "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io", ""),
    ("create", "daemonsets.apps", HERE),
    ("create", "secrets", HERE),
)
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


def missing_rights(kubectl: Kubectl) -> tuple[str, ...]:
    """What this kubeconfig may not do. Who may do everything is asked once."""
    found = []
    for verb, resource, namespace in RIGHTS:
        where = (f"--namespace={namespace}",) if namespace else ("--all-namespaces",)
        try:
            allowed = kubectl.call("auth", "can-i", verb, resource, *where).strip() == "yes"
        except CommandFailed:
            allowed = False  # kubectl ends with an error where the answer is no.
        if (verb, resource) == ("*", "*"):
            if allowed:
                return ()
            continue
        if not allowed:
            found.append(f"{verb} {resource}" + (f" in {namespace}" if namespace else ""))
    return tuple(found)


def node(item: dict[str, Any]) -> SeenNode:
    """A node as the checks want it."""
    status = item.get("status") or {}
    info = status.get("nodeInfo") or {}
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions") or ())
    addresses = [one["address"] for one in status.get("addresses") or () if one["type"] == "InternalIP"]
    return SeenNode(
        name=item["metadata"]["name"],
        ready=ready,
        architecture=info.get("architecture", ""),
        runtime=info.get("containerRuntimeVersion", ""),
        address=addresses[0] if addresses else "",
    )


def _items(kubectl: Kubectl, kind: str) -> list[dict[str, Any]]:
    """Objects of a cluster-wide kind; none where it is not served."""
    try:
        found: list[dict[str, Any]] = json.loads(kubectl.call("get", kind, "-o", "json"))["items"]
    except CommandFailed as failed:
        if "the server doesn't have a resource type" in failed.output or "could not find" in failed.output:
            return []
        raise
    return found


def _classes(kubectl: Kubectl) -> Storage:
    found = _items(kubectl, "storageclasses.storage.k8s.io")
    default = [
        item["metadata"]["name"]
        for item in found
        if (item["metadata"].get("annotations") or {}).get(DEFAULT_CLASS) == "true"
    ]
    return Storage(tuple(sorted(item["metadata"]["name"] for item in found)), default[0] if default else "")


def _accepted(item: dict[str, Any]) -> bool:
    conditions = (item.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Accepted" and one["status"] == "True" for one in conditions)


def _namespace(kubectl: Kubectl) -> bool:
    """Whether our namespace is there and somebody else's."""
    found = kubectl.get("namespace", HERE)
    return found is not None and (found["metadata"].get("labels") or {}).get(MANAGED_BY) != "roost"


def observe(kubectl: Kubectl) -> Facts:
    """All that can be read. CommandFailed where the cluster does not answer."""
    version = json.loads(kubectl.call("version", "-o", "json"))["serverVersion"]["gitVersion"]
    served = frozenset(kubectl.call("api-versions").split())
    routes = kubectl.get("customresourcedefinition", "httproutes.gateway.networking.k8s.io")
    classes = _items(kubectl, "gatewayclasses.gateway.networking.k8s.io") if routes else []
    held = record.read(kubectl)
    service = kubectl.get("service", "kubernetes", "default") or {}
    return Facts(
        version=version,
        missing_rights=missing_rights(kubectl),
        served=served,
        nodes=tuple(node(item) for item in _items(kubectl, "nodes")),
        installed=held.name if held and held.version != record.REMOVED else "",
        strange_namespace=_namespace(kubectl),
        gateway_classes=tuple(sorted(item["metadata"]["name"] for item in classes if _accepted(item))),
        gateway_versions=tuple(one["name"] for one in routes["spec"]["versions"] if one["served"]) if routes else (),
        storage=_classes(kubectl),
        service_address=(service.get("spec") or {}).get("clusterIP", ""),
    )


def completed(options: Options, facts: Facts) -> Options:
    """Options with what the cluster itself tells, where nothing was given."""
    addresses = [item.address for item in facts.nodes if item.ready and item.address]
    address = options.address or (addresses[0] if addresses and not options.gateway_class else "")
    networks = options.node_networks or tuple(f"{item}/32" for item in sorted(addresses))
    return replace(options, address=address, node_networks=networks)
