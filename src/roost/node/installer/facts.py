"""What was found out about a cluster before anything is installed: plain data that `observe` and `probe` fill. Pure."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class SeenNode:
    """One node."""

    name: str
    ready: bool = True
    architecture: str = "amd64"
    runtime: str = "containerd://2.2.0"
    address: str = ""


@dataclass(frozen=True)
class Network:
    """What probe pods met. None: not tried, because what it needs failed before."""

    reaches: bool  # Pods reach each other while nothing forbids it.
    ingress: bool | None = None  # A default deny of the receiver holds.
    egress: bool | None = None  # A default deny of the sender holds.
    reopens: bool | None = None  # A rule that allows the sender lets it through again.
    outranks: bool | None = None  # A rule of the platform holds against a policy that allows everything.
    outranking: Literal["cilium", ""] = ""  # Whose rules they are.


@dataclass(frozen=True)
class Storage:
    """What the cluster offers, and whether a claim was bound and written by a process that is not root."""

    classes: tuple[str, ...] = ()
    default: str = ""
    written: bool | None = None
    trouble: str = ""


@dataclass(frozen=True)
class Facts:
    """Everything that `checks.judge` asks."""

    version: str = ""  # As the API server gives it, e.g. v1.36.3.
    missing_rights: tuple[str, ...] = ()  # In words, e.g. `create customresourcedefinitions`.
    served: frozenset[str] = frozenset()  # `group/version` of the API.
    nodes: tuple[SeenNode, ...] = ()
    installed: str = ""  # The version that the cluster's record names.
    strange_namespace: bool = False  # roost-system is there and not Roost's.
    gateway_classes: tuple[str, ...] = ()  # Those that a controller has accepted.
    gateway_versions: tuple[str, ...] = ()  # Of HTTPRoute.
    admission_policies: bool | None = None  # A ValidatingAdmissionPolicy refuses what it says.
    pod_security: bool | None = None  # The restricted level refuses a privileged pod.
    external_ips: bool | None = None  # Services with external addresses are refused to everybody.
    service_address: str = ""  # Of the Service `kubernetes`.
    pod_address: str = ""  # Of a pod of the trial.
    pulls: bool | None = None  # Nodes run the platform's image.
    pull_trouble: str = ""
    user_namespaces: bool | None = None  # A pod in a user namespace of its own runs, and may mount within it.
    user_namespace_trouble: str = ""
    network: Network | None = None
    storage: Storage = Storage()
