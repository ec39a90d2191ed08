"""Whether a cluster can carry Roost: facts in, findings out, in the order in which a person would mend them. Pure.

Each finding says what was found, why it matters and what to do. What was not tried is never taken for granted: it
refuses as what failed does.
"""

import re
from collections.abc import Callable, Iterator
from ipaddress import ip_address, ip_network
from typing import Literal

from roost.node.installer.facts import Facts
from roost.node.installer.options import Options
from roost.node.preflight import Finding

MIN_VERSION = (1, 35)
TRIED = ((1, 36), (1, 37))
NEEDED = {
    "admissionregistration.k8s.io/v1": "admission rules of tenants (ValidatingAdmissionPolicy)",
    "networking.k8s.io/v1": "NetworkPolicies",
    "flowcontrol.apiserver.k8s.io/v1": "API Priority and Fairness",
    "policy/v1": "disruption budgets",
}


def _ok(check: str, text: str) -> Finding:
    return Finding(check, "ok", text)


def _note(check: str, text: str) -> Finding:
    return Finding(check, "note", text)


def _refuse(check: str, text: str) -> Finding:
    return Finding(check, "refuse", text)


def parsed(version: str) -> tuple[int, int]:
    """(major, minor) of a version such as v1.36.3; (0, 0) where it is none."""
    found = re.match(r"v?(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def kubernetes(facts: Facts, _: Options) -> Iterator[Finding]:
    """New enough, and with the parts of the API that are needed."""
    version = parsed(facts.version)
    if version < MIN_VERSION:
        yield _refuse(
            "kubernetes",
            f"The cluster is Kubernetes {facts.version or 'of an unknown version'}; Roost needs "
            f"{MIN_VERSION[0]}.{MIN_VERSION[1]} or later (user namespaces, admission policies). Upgrade the cluster.",
        )
    elif version not in TRIED:
        known = " and ".join(f"{major}.{minor}" for major, minor in TRIED)
        yield _note("kubernetes", f"The cluster is Kubernetes {facts.version}; Roost is tried on {known}.")
    for group, what in NEEDED.items():
        if group not in facts.served:
            yield _refuse(
                "kubernetes", f"The cluster does not serve {group}, which is needed for {what}. Switch that API on."
            )


def rights(facts: Facts, _: Options) -> Iterator[Finding]:
    """Who installs may do all that is to be done."""
    if facts.missing_rights:
        yield _refuse(
            "rights",
            f"This kubeconfig may not: {', '.join(facts.missing_rights)}. Take one of a cluster administrator "
            "(ClusterRole cluster-admin).",
        )


def before(facts: Facts, _: Options) -> Iterator[Finding]:
    """Nothing of another installation is overwritten."""
    if facts.installed:
        yield _refuse(
            "earlier installation",
            f"Roost {facts.installed} is installed here. Use `roost upgrade` to go to this version, or "
            "`roost uninstall` first.",
        )
    elif facts.strange_namespace:
        yield _refuse(
            "earlier installation",
            "There is a namespace roost-system that Roost did not make, and it is not taken over. Rename what is in it "
            "or delete it.",
        )


def nodes(facts: Facts, _: Options) -> Iterator[Finding]:
    """Images are for amd64, and trust is written for containerd."""
    if not any(node.ready for node in facts.nodes):
        yield _refuse("nodes", "No node of the cluster is ready, so nothing can run. Look at `kubectl get nodes`.")
    if other := sorted({node.architecture for node in facts.nodes} - {"amd64"}):
        yield _refuse(
            "nodes", f"Some nodes are {', '.join(other)}; Roost's images are made for amd64. Use such nodes only."
        )
    if strange := sorted({node.runtime for node in facts.nodes if not node.runtime.startswith("containerd://")}):
        yield _refuse(
            "nodes",
            f"Some nodes run {', '.join(strange)}. Nodes pull tenants' images by containerd's certs.d, which other "
            "runtimes do not read. Use nodes with containerd 1.7 or later.",
        )
    if down := sorted(node.name for node in facts.nodes if not node.ready):
        yield _note("nodes", f"Not ready: {', '.join(down)}. What runs there is not reached.")


def pulls(facts: Facts, options: Options) -> Iterator[Finding]:
    """Every other probe stands on it: it runs in the platform's own image."""
    if not facts.pulls:
        where = options.registry or "what is preloaded on the nodes (no --registry was given)"
        yield _refuse(
            "images",
            f"A pod with the platform's image from {where} does not start: {facts.pull_trouble or 'it was not tried'}. "
            "Let the nodes reach and trust that registry, and pull without a password or with one of their own.",
        )


def admission(facts: Facts, _: Options) -> Iterator[Finding]:
    """The walls that RBAC cannot build, and Pod Security."""
    if not facts.admission_policies:
        yield _refuse(
            "admission policies",
            "A ValidatingAdmissionPolicy that was made for the trial refused nothing. Without them a tenant could "
            "claim others' host names or run others' images. Switch ValidatingAdmissionPolicy on.",
        )
    if not facts.pod_security:
        yield _refuse(
            "pod security",
            "A privileged pod was accepted in a namespace of the restricted level. Without Pod Security a tenant could "
            "become root of a node. Switch the admission plug-in PodSecurity on, without exemptions.",
        )
    if facts.external_ips is False:
        yield _note(
            "external addresses",
            "The cluster accepts Services with externalIPs. Roost refuses them to tenants; switch the admission "
            "plug-in DenyServiceExternalIPs on to refuse them to everybody else as well.",
        )


def network(facts: Facts, options: Options) -> Iterator[Finding]:
    """What pods met, not what is said to be installed."""
    seen = facts.network
    if seen is None:
        yield _refuse(
            "network", "Whether network policy holds was not tried, because no pod of the trial ran. Mend that first."
        )
        return
    if not seen.reaches:
        yield _refuse(
            "network",
            "Two pods do not reach each other although no policy forbids it, so nothing can be said of policies. Mend "
            "the cluster's network first.",
        )
        return
    broken = [name for name, holds in (("ingress", seen.ingress), ("egress", seen.egress)) if not holds]
    if broken:
        yield _refuse(
            "network policy",
            f"Network policy is not enforced: the API took a default deny of {' and '.join(broken)}, and the pods "
            "still reached each other. Tenants could reach each other's applications and databases, so Roost cannot "
            "offer multi-tenancy here and is not installed. Use a network engine that enforces policy, such as Cilium.",
        )
        return
    if not seen.reopens:
        yield _refuse(
            "network policy",
            "A policy that allows a sender did not let it through again, so applications would not be reached. Look at "
            "the log of the network engine.",
        )
    yield from _outranking(facts, options)


def _outranking(facts: Facts, options: Options) -> Iterator[Finding]:
    assert facts.network is not None
    if facts.network.outranks and facts.network.outranking:
        yield _ok(
            "rules that outrank tenants",
            "Deny rules of Cilium hold against a policy that allows everything: tenants are kept off nodes, the API "
            "server, metadata services and each other, whatever they may write.",
        )
        return
    yield _note(
        "rules that outrank tenants",
        "The network engine has no rules that Roost could set above a tenant's own NetworkPolicies. So tenants get no "
        "right to write NetworkPolicies; the platform's default deny is what keeps them apart, and nodes are kept from "
        f"them by address ({', '.join(options.node_networks) or 'none known'}). Metadata services and nodes that come "
        "later need --node-network with the network that they are in.",
    )
    if not options.node_networks:
        yield _refuse(
            "rules that outrank tenants",
            "The nodes' networks are not known, so tenants could not be kept off them. Name them: --node-network CIDR.",
        )


def networks(facts: Facts, options: Options) -> Iterator[Finding]:
    """Tenants' way out is the world without these: were one wrong, it would lead to the cluster itself."""
    for address, told, name in (
        (facts.pod_address, options.pod_networks, "pod"),
        (facts.service_address, options.service_networks, "service"),
    ):
        if address and not any(ip_address(address) in ip_network(network, strict=False) for network in told):
            yield _refuse(
                "networks",
                f"The {name} address {address} is in none of the networks that were named or taken for granted "
                f"({', '.join(told)}), so tenants would be let out to it. Name the right one: --{name}-network CIDR.",
            )


def storage(facts: Facts, options: Options) -> Iterator[Finding]:
    """Registry and repositories need a disk."""
    seen, wanted = facts.storage, options.storage_class
    if options.node:
        return
    if wanted and wanted not in seen.classes:
        offered = ", ".join(seen.classes) or "none"
        yield _refuse("storage", f"There is no storage class {wanted}; there are: {offered}. Name one of them.")
    elif not wanted and not seen.default:
        offered = ", ".join(seen.classes) or "none"
        yield _refuse(
            "storage",
            f"No storage class is the default one (there are: {offered}), and registry and repositories need disks. "
            "Name one: --storage-class NAME.",
        )
    elif not seen.written:
        yield _refuse(
            "storage",
            f"A claim of class {wanted or seen.default} could not be used by a pod that is not root: "
            f"{seen.trouble or 'it was not tried'}. Look at the storage driver, and at free volumes.",
        )


def gateway(facts: Facts, options: Options) -> Iterator[Finding]:
    """The Gateway API is installed where it is missing, never changed to something older."""
    if not facts.gateway_versions:
        yield _note("gateway", "The Gateway API's kinds are not there; they are installed.")
    elif "v1" not in facts.gateway_versions:
        held = ", ".join(facts.gateway_versions)
        yield _refuse("gateway", f"The Gateway API is there in {held} only, and v1 is needed. Upgrade its kinds.")
    if options.gateway_class and options.gateway_class not in facts.gateway_classes:
        held = ", ".join(facts.gateway_classes) or "none"
        yield _refuse(
            "gateway", f"No controller has accepted a GatewayClass {options.gateway_class}; accepted are: {held}."
        )
    if not options.gateway_class and not options.address:
        yield _refuse("gateway", "No node tells an address for the gateway. Name one: --address ADDRESS.")


def builders(facts: Facts, _: Options) -> Iterator[Finding]:
    """Builds run as root of a user namespace that is nobody outside."""
    if not facts.user_namespaces:
        yield _refuse(
            "user namespaces",
            "A pod in a user namespace of its own, as builders and images that run as root need, does not work: "
            f"{facts.user_namespace_trouble or 'it was not tried'}. Nodes need Linux 6.3 or later, containerd 2.0 or "
            "later, runc 1.2 or later, and user.max_user_namespaces above 0.",
        )


CHECKS: tuple[Callable[[Facts, Options], Iterator[Finding]], ...] = (
    kubernetes,
    rights,
    before,
    nodes,
    pulls,
    admission,
    network,
    networks,
    storage,
    gateway,
    builders,
)
NAMES = {"before": "earlier installation", "pulls": "images", "builders": "user namespaces"}
# What is judged without a pod: where it refuses, no pod is tried.
FIRST = (kubernetes, rights, before, nodes)


def judge(
    facts: Facts, options: Options, checks: tuple[Callable[[Facts, Options], Iterator[Finding]], ...] = CHECKS
) -> list[Finding]:
    """Every check's findings; a check that is content gives one with verdict `ok`."""
    result: list[Finding] = []
    for check in checks:
        name = NAMES.get(check.__name__, check.__name__)
        result += list(check(facts, options)) or [Finding(name, "ok")]
    return result


def walls(facts: Facts) -> Literal["cilium", "policies"]:
    """What keeps tenants apart on this cluster."""
    return "cilium" if facts.network is not None and facts.network.outranks else "policies"
