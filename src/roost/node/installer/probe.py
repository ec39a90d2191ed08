"""Tries a cluster with real objects and pods: admission, images, user namespaces, storage, network policy.

Takes half a minute to a minute and leaves nothing. Network policy is judged by what two pods meet, with its opposite
each time: an engine that lets everything through is found, and so is one that lets nothing through.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from roost.node.installer import trials
from roost.node.installer.facts import Facts, Network, Storage
from roost.node.installer.options import Options
from roost.node.installer.trials import CLIENT_SPACE, NAME, SERVER_SPACE
from roost.node.kubectl import Kubectl, NotReady, describe_pods, wait_until
from roost.node.run import CommandFailed

POD_S = 90.0
HOLDS_S = 10.0  # A policy that does not hold within this long does not hold.
GONE_S = 120.0
CILIUM = "cilium.io/v2"
CLUSTERWIDE = "ciliumclusterwidenetworkpolicies.cilium.io"


class Probe:
    """One trial of a cluster with the platform's image."""

    def __init__(self, kubectl: Kubectl, image: str) -> None:
        self.kubectl = kubectl
        self.image = image
        self.address = ""

    def clear(self, wait: bool) -> None:
        """Remove all that this or a killed trial made."""
        names = [name for name in trials.SPACES if self.kubectl.get("namespace", name) is not None]
        for kind in trials.CLUSTER_WIDE:
            self.kubectl.call("delete", kind, NAME, "--ignore-not-found")
        if self._served(CILIUM):
            self.kubectl.call("delete", CLUSTERWIDE, NAME, "--ignore-not-found")
        if names:
            self.kubectl.call("delete", "namespaces", *names, "--ignore-not-found", "--wait=false")

        def gone() -> bool:
            return all(self.kubectl.get("namespace", name) is None for name in names)

        if wait:
            wait_until("The end of an earlier trial", gone, GONE_S)

    def _served(self, version: str) -> bool:
        return version in self.kubectl.call("api-versions").split()

    def refuses(self, manifest: dict[str, Any], word: str) -> bool:
        """Whether the server would refuse an object for the reason that `word` tells."""
        try:
            self.kubectl.apply([manifest], dry_run=True)
        except CommandFailed as failed:
            return word in failed.output
        return False

    def soon(self, true: Callable[[], bool]) -> bool:
        """Whether it comes true within the time that a policy has."""
        try:
            wait_until("It", true, HOLDS_S)
        except NotReady:
            return False
        return True

    def admission(self, facts: Facts) -> Facts:
        """Policies of our own, Pod Security, external addresses: by dry run."""
        self.kubectl.apply(trials.admission_policy())
        policies = self.soon(lambda: self.refuses(trials.denied(), "the trial"))
        return replace(
            facts,
            admission_policies=policies,
            pod_security=self.refuses(trials.privileged(self.image), "PodSecurity"),
            external_ips=self.refuses(trials.external(), "externalIPs"),
        )

    def phase(self, name: str, space: str) -> str:
        """The phase of a pod."""
        found = self.kubectl.get("pod", name, space) or {}
        return str(found.get("status", {}).get("phase", ""))

    def pods(self, facts: Facts) -> Facts:
        """Whether the image can be had: the pods of the network's trial start."""
        self.kubectl.apply([trials.server(self.image), trials.client(self.image)])

        def ready() -> bool:
            found = self.kubectl.get("pod", "server", SERVER_SPACE) or {}
            status = found.get("status", {})
            conditions = {item["type"]: item["status"] for item in status.get("conditions", [])}
            self.address = status.get("podIP", "")
            return conditions.get("Ready") == "True" and self.phase("client", CLIENT_SPACE) == "Running"

        try:
            wait_until("A pod", ready, POD_S)
        except NotReady:
            why = [describe_pods(self.kubectl, space) for space in (SERVER_SPACE, CLIENT_SPACE)]
            return replace(
                facts, pulls=False, pull_trouble=" ".join(text.strip() for text in why if text) or "no reason"
            )
        return replace(facts, pulls=True, pod_address=self.address)

    def ended(self, name: str, space: str) -> str:
        """Wait for the end of a pod; empty where it ended well, else what it said."""
        try:
            wait_until("A pod", lambda: self.phase(name, space) in ("Succeeded", "Failed"), POD_S)
        except NotReady:
            return describe_pods(self.kubectl, space).strip() or f"the pod {name} did not run within {POD_S:.0f} s"
        if self.phase(name, space) == "Succeeded":
            return ""
        return self.kubectl.call("logs", name, f"--namespace={space}").strip()[-300:] or "it failed without a word"

    def builder(self, facts: Facts) -> Facts:
        """User namespaces."""
        trouble = self.ended("builder", trials.BUILD_SPACE)
        return replace(facts, user_namespaces=not trouble, user_namespace_trouble=trouble)

    def storage(self, facts: Facts, options: Options) -> Facts:
        """A claim that is written."""
        trouble = self.ended("writer", CLIENT_SPACE)
        held = facts.storage
        return replace(facts, storage=Storage(held.classes, held.default, not trouble, trouble))

    def connects(self) -> bool:
        """Whether the client reaches the server now. CommandFailed where it could not be asked."""
        where = (f"--namespace={CLIENT_SPACE}", "client", "--")
        return self.kubectl.call("exec", *where, *trials.ask(self.address), timeout_s=20).strip() == trials.REACHED

    @contextmanager
    def during(self, *manifests: dict[str, Any]) -> Iterator[None]:
        """While these stand."""
        self.kubectl.apply(list(manifests))
        try:
            yield
        finally:
            for item in manifests:
                space = item["metadata"].get("namespace", "")
                where = (f"--namespace={space}",) if space else ()
                kind = CLUSTERWIDE if item["kind"].startswith("Cilium") else "networkpolicies"
                self.kubectl.call("delete", kind, item["metadata"]["name"], *where, "--ignore-not-found")

    def network(self, facts: Facts) -> Facts:
        """What two pods meet under policies, and under none."""
        if not self.soon(self.connects):
            return replace(facts, network=Network(False))
        with self.during(trials.deny(SERVER_SPACE, "Ingress")):
            ingress = self.soon(lambda: not self.connects())
        with self.during(trials.deny(CLIENT_SPACE, "Egress")):
            egress = self.soon(lambda: not self.connects())
        open_to_all = (trials.allow(SERVER_SPACE, "Ingress"), trials.allow(CLIENT_SPACE, "Egress"))
        outranks = None
        with self.during(*open_to_all):
            reopens = self.soon(self.connects)
            cilium = self._served(CILIUM)
            if cilium and reopens:
                with self.during(trials.outranking()):
                    outranks = self.soon(lambda: not self.connects())
        found = Network(True, ingress, egress, reopens, outranks, "cilium" if cilium else "")
        return replace(facts, network=found)


def probe(kubectl: Kubectl, image: str, facts: Facts, options: Options, told: Callable[[str], None]) -> Facts:
    """The facts with what trials found out. CommandFailed or NotReady where the cluster fails under them."""
    trial = Probe(kubectl, image)
    trial.clear(wait=True)
    try:
        kubectl.apply_patiently(trials.spaces())
        told("admission")
        facts = trial.admission(facts)
        told("pods")
        _wait_for_accounts(kubectl)
        facts = trial.pods(facts)
        if not facts.pulls:
            return facts
        wants_claim = not options.node and (options.storage_class or facts.storage.default)
        claims = trials.writer(image, options.storage_class) if wants_claim else []
        kubectl.apply([trials.builder(image), *claims])
        told("network policy")
        facts = trial.network(facts)
        told("user namespaces and storage")
        facts = trial.builder(facts)
        return trial.storage(facts, options) if wants_claim else facts
    finally:
        trial.clear(wait=False)


def _wait_for_accounts(kubectl: Kubectl) -> None:
    """Pods are refused until their namespace has its ServiceAccount `default`."""

    def there() -> bool:
        return all(kubectl.get("serviceaccount", "default", space) is not None for space in trials.SPACES)

    wait_until("The ServiceAccounts of the trial's namespaces", there, 30)
