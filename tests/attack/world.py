"""A kube-apiserver with the platform's walls and two tenants, and those who try to get over them.

Everything comes from the builders that install it: roles, admission policies, the plan of a Tenant. Used by every
attack test; `conftest` offers it as the fixture `world`.
"""

import copy
import json
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2

from roost.capabilities.tenant import admission, roles
from roost.capabilities.tenant.model import Observed, SeenDomain
from roost.capabilities.tenant.plan import plan
from roost.kernel import discovery, golden
from roost.model import names
from roost.model.kinds.gates import Gates
from roost.model.kinds.tenant import Environment, Member, Tenant, TenantSpec
from roost.model.resource import Metadata
from tests.integration.apiserver import ApiServer

DOMAIN = "roost.localhost"
PATCHES = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "apply": "application/apply-patch+yaml",
    "strategic": "application/strategic-merge-patch+json",
}
PEOPLE = ("ada", "bob", "viv", "appr", "rick", "mallory", "root")
SETTLE_S = 30.0
GRANTED = tuple(
    SeenDomain(name=name, tenant=tenant, environment=environment)
    for name, tenant, environment in (
        ("prod.example.com", "acme", "prod"),
        ("shop.example.com", "acme", "dev"),
        ("shop.example.org", "rival", "dev"),
        ("www.example.com", "acme", "dev"),
    )
)

ADA, BOB, VIV, APPROVER, RICK, MALLORY, ROOT = (
    f"system:serviceaccount:{names.PEOPLE_NAMESPACE}:{person}" for person in PEOPLE
)
DEPLOYER = f"system:serviceaccount:acme-dev:{names.DEPLOYER}"
CONTROLLER = f"system:serviceaccount:{names.SYSTEM_NAMESPACE}:roost-controller"
API = f"system:serviceaccount:{names.SYSTEM_NAMESPACE}:roost-api"

_PLURALS = {
    "NetworkPolicy": "networkpolicies",
    "Ingress": "ingresses",
    "Endpoints": "endpoints",
    "RuntimeClass": "runtimeclasses",
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    **{kind.KIND: kind.PLURAL for kind in discovery.kinds()},
}


def collection(manifest: Mapping[str, Any]) -> str:
    """The path of the collection that a manifest belongs to."""
    version, kind = manifest["apiVersion"], manifest["kind"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    plural = _PLURALS.get(kind, f"{kind.lower()}s")
    space = manifest["metadata"].get("namespace")
    return f"{root}/namespaces/{space}/{plural}" if space else f"{root}/{plural}"


@dataclass
class World:
    """The API server as one sees it who may impersonate everybody."""

    server: ApiServer
    http: httpx2.Client = field(init=False)

    def __post_init__(self) -> None:
        context = ssl.create_default_context(cafile=str(self.server.authority))
        headers = {"Authorization": f"Bearer {self.server.token}"}
        self.http = httpx2.Client(
            base_url=self.server.url, verify=context, headers=headers, trust_env=False, timeout=30
        )

    def call(self, who: str, method: str, path: str, body: Any = None, **more: Any) -> httpx2.Response:
        """One request as somebody ("" is the administrator). more: `kind` of patch, `params`."""
        headers = {"Impersonate-User": who} if who else {}
        if method == "PATCH":
            headers["Content-Type"] = PATCHES[more.get("kind", "merge")]
        elif body is not None:
            headers["Content-Type"] = "application/json"
        content = None if body is None else json.dumps(body)
        deadline = time.monotonic() + SETTLE_S
        while True:
            answer = self.http.request(method, path, content=content, headers=headers, params=more.get("params") or {})
            if answer.status_code != 429 or time.monotonic() > deadline:  # "storage is (re)initializing"
                return answer
            time.sleep(0.2)

    def install(self, manifest: Mapping[str, Any]) -> None:
        """Apply as the administrator."""
        path = f"{collection(manifest)}/{manifest['metadata']['name']}"
        params = {"fieldManager": "world", "force": "true"}
        answer = self.call("", "PATCH", path, manifest, kind="apply", params=params)
        assert answer.status_code < 300, f"{path}: {answer.text}"

    def remove(self, manifest: Mapping[str, Any]) -> None:
        """Delete as the administrator; that there is none is no error."""
        answer = self.call("", "DELETE", f"{collection(manifest)}/{manifest['metadata']['name']}")
        assert answer.status_code in (200, 202, 404), answer.text

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until something holds: rules reach the admission chain about a second after they are written."""
        deadline = time.monotonic() + SETTLE_S
        while not holds():
            assert time.monotonic() < deadline, f"Waited {SETTLE_S:.0f} s for {what}."
            time.sleep(0.1)


MEMBERS = (
    Member(person="ada", role="owner"),
    Member(person="bob", role="developer", environments=("dev",)),
    Member(person="viv", role="viewer"),
    Member(person="appr", role="approver"),
)


def tenant_spec(*members: Member) -> TenantSpec:
    """What a tenant of this world is given."""
    return TenantSpec(
        environments=(Environment(name="dev"), Environment(name="prod", gates=Gates(approvals=1))), members=members
    )


def _tenant(name: str, *members: Member) -> list[dict[str, Any]]:
    spec = tenant_spec(*members)
    tenant = Tenant(metadata=Metadata(name=name, uid=f"uid-{name}"), spec=spec)
    planned = plan(tenant, Observed(people=PEOPLE, domains=GRANTED), golden.NOW)
    manifests: list[dict[str, Any]] = []
    for item in planned.apply:
        manifest = copy.deepcopy(dict(item.manifest))
        manifest["metadata"].pop("ownerReferences", None)  # There is no garbage collector, nor such an owner.
        manifests.append(manifest)
    return [Tenant.manifest(name, spec), *manifests]


def _people() -> list[dict[str, Any]]:
    spaces = [names.SYSTEM_NAMESPACE, names.PEOPLE_NAMESPACE]
    made: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}} for space in spaces
    ]
    for space, name in [
        *((names.PEOPLE_NAMESPACE, person) for person in PEOPLE),
        *((names.SYSTEM_NAMESPACE, name) for name in ("roost-controller", "roost-api", "default")),
    ]:
        made.append({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": space}})
    return made


def _too_wide(space: str) -> list[dict[str, Any]]:
    """Mallory's rights: everything in a namespace, as if a role had been widened by mistake. Admission must hold."""
    rbac = "rbac.authorization.k8s.io"
    meta = {"name": "too-wide", "namespace": space}
    everything = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
    role = {"apiGroup": rbac, "kind": "Role", "name": "too-wide"}
    subject = {"kind": "ServiceAccount", "namespace": names.PEOPLE_NAMESPACE, "name": "mallory"}
    return [
        {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": meta, "rules": [everything]},
        {"apiVersion": f"{rbac}/v1", "kind": "RoleBinding", "metadata": meta, "roleRef": role, "subjects": [subject]},
    ]


def _namespaces_too() -> list[dict[str, Any]]:
    """And Mallory may write namespaces."""
    rbac = "rbac.authorization.k8s.io"
    meta = {"name": "namespaces-too"}
    resources = ["namespaces", "namespaces/status", "namespaces/finalize"]
    rule = {"apiGroups": [""], "resources": resources, "verbs": ["*"]}
    role = {"apiGroup": rbac, "kind": "ClusterRole", "name": "namespaces-too"}
    subject = {"kind": "ServiceAccount", "namespace": names.PEOPLE_NAMESPACE, "name": "mallory"}
    bound = {"kind": "ClusterRoleBinding", "metadata": meta, "roleRef": role, "subjects": [subject]}
    return [
        {"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": meta, "rules": [rule]},
        {"apiVersion": f"{rbac}/v1", **bound},
        {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "fast"}, "handler": "fast"},
    ]


def _administrator() -> dict[str, Any]:
    rbac = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{rbac}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "root"},
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "roost-administrator"},
        "subjects": [{"kind": "ServiceAccount", "namespace": names.PEOPLE_NAMESPACE, "name": "root"}],
    }


def install_platform(world: World) -> None:
    """Roles, people and admission policies, as an installation has them before there is a tenant."""
    fixed = roles.cluster_roles([kind.PLURAL for kind in discovery.kinds()])
    for manifest in [*_people(), *fixed, *roles.system_bindings(), *admission.policies(DOMAIN)]:
        world.install(manifest)


def build(server: ApiServer) -> World:
    """The world, with every rule in force."""
    world = World(server)
    install_platform(world)
    for manifest in [
        _administrator(),
        *_namespaces_too(),
        *_tenant("acme", *MEMBERS),
        *_tenant("rival", Member(person="rick", role="developer")),
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "other", "namespace": "acme-build"}},
        *(item for space in ("acme-dev", "acme-build", names.SYSTEM_NAMESPACE) for item in _too_wide(space)),
    ]:
        world.install(manifest)
    # Pod Security refuses some attacks as well. It is taken away here, so that what is tried is the policies alone;
    # `test_pod_security` tries it by itself, in acme-prod.
    labels = {"pod-security.kubernetes.io/enforce": "privileged"}
    answer = world.call("", "PATCH", "/api/v1/namespaces/acme-dev", {"metadata": {"labels": labels}})
    assert answer.status_code == 200, answer.text
    # The last policy of the list looks at this: when it refuses, all are in force.
    probe = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "probe", "namespace": names.SYSTEM_NAMESPACE},
        "spec": {"hard": {"count/pods": "0"}},
    }

    def refused() -> bool:
        return world.call(CONTROLLER, "POST", collection(probe), probe, params={"dryRun": "All"}).status_code == 403

    world.until(refused, "the admission policies")
    return world
