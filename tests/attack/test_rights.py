"""What RBAC must refuse, each with what the same actor may do: people, deployers, the API, the controller."""

from dataclasses import dataclass
from typing import Any

import pytest

from roost.model import names
from tests.attack.registrar import REGISTRAR
from tests.attack.table import CONFIG, POD, SECRET, SERVICE, changed, meta
from tests.attack.world import ADA, API, APPROVER, BOB, CONTROLLER, DEPLOYER, RICK, ROOT, VIV, World, collection

pytestmark = pytest.mark.integration

ROOST = f"/apis/{names.API_VERSION}"
DEV, BUILD, RIVAL, PROD = (f"/namespaces/{space}" for space in ("acme-dev", "acme-build", "rival-dev", "acme-prod"))
APP: dict[str, Any] = {
    "apiVersion": names.API_VERSION,
    "kind": "App",
    "metadata": meta("mine", "acme-dev"),
    "spec": {},
}
GRANT: dict[str, Any] = {
    "apiVersion": names.API_VERSION,
    "kind": "Domain",
    "metadata": {"name": "mine.example.com"},
    "spec": {"tenant": "acme", "environment": "dev"},
}
TASK: dict[str, Any] = {
    "apiVersion": names.API_VERSION,
    "kind": "Task",
    "metadata": meta("mine", "acme-dev"),
    "spec": {"app": "shop", "command": ["true"]},
}
WAIVER: dict[str, Any] = {
    "apiVersion": names.API_VERSION,
    "kind": "Waiver",
    "metadata": meta("mine", "acme-build"),
    "spec": {"project": "shop", "fingerprint": "0" * 16, "reason": "x", "until": "2026-01-01T00:00:00Z"},
}
DRY = {"dryRun": "All"}


@dataclass(frozen=True)
class Try:
    """One request. body: what is sent."""

    who: str
    method: str
    path: str
    body: Any = None


def post(who: str, manifest: dict[str, Any]) -> Try:
    return Try(who, "POST", collection(manifest), changed(manifest, metadata__name="acme-rights"))


def at(manifest: dict[str, Any], space: str) -> dict[str, Any]:
    return changed(manifest, metadata__namespace=space)


ALLOWED = {
    "developer makes an app": post(BOB, APP),
    "developer reads logs' pods": Try(BOB, "GET", f"/api/v1{DEV}/pods"),
    "developer writes a secret": post(BOB, SECRET),
    "developer runs a command once": post(BOB, TASK),
    "developer sees the own tenant": Try(BOB, "GET", f"{ROOST}/tenants/acme"),
    "developer sees the projects": Try(BOB, "GET", f"{ROOST}{BUILD}/projects"),
    "viewer sees apps": Try(VIV, "GET", f"{ROOST}{PROD}/apps"),
    "owner deletes projects": Try(ADA, "DELETE", f"{ROOST}{BUILD}/projects/none"),
    "owner lets a finding stay": post(ADA, WAIVER),
    "owner ends a waiver": Try(ADA, "DELETE", f"{ROOST}{BUILD}/waivers/none"),
    "developer sees what may stay": Try(BOB, "GET", f"{ROOST}{BUILD}/waivers"),
    "viewer sees what is known of versions": Try(VIV, "GET", f"{ROOST}{PROD}/vulnerabilityreports"),
    "owner makes somebody a member": Try(
        ADA, "PATCH", f"{ROOST}/tenants/acme", {"spec": {"members": [{"person": "ada", "role": "owner"}]}}
    ),
    "deployer makes services": post(DEPLOYER, SERVICE),
    "deployer makes apps": post(DEPLOYER, APP),
    "deployer writes an app's status": Try(DEPLOYER, "PATCH", f"{ROOST}{DEV}/apps/any/status", {"status": {}}),
    "controller writes a tenant's status": Try(CONTROLLER, "PATCH", f"{ROOST}/tenants/acme/status", {"status": {}}),
    "administrator changes a tenant": Try(ROOT, "PATCH", f"{ROOST}/tenants/acme", {"spec": {"title": "theirs"}}),
    "administrator grants a domain": Try(ROOT, "POST", f"{ROOST}/domains", GRANT),
    "administrator sees tenants": Try(ROOT, "GET", f"{ROOST}/tenants"),
    "api sees tenants": Try(API, "GET", f"{ROOST}/tenants"),
    "controller brings certificates to builds": post(CONTROLLER, at(CONFIG, "acme-build")),
    "controller sees pods": Try(CONTROLLER, "GET", "/api/v1/pods"),
}
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "acme-mine"}}
RBAC = "rbac.authorization.k8s.io/v1"
ESCALATION = {
    "apiVersion": RBAC,
    "kind": "RoleBinding",
    "metadata": meta("mine", "acme-dev"),
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
    "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "acme-dev"}],
}
TOKEN = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
REVIEW = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": meta("mine", "acme-dev"),
    "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{}]},
}
PEOPLE = f"/api/v1/namespaces/{names.PEOPLE_NAMESPACE}"
SYSTEM = f"/api/v1/namespaces/{names.SYSTEM_NAMESPACE}"
REFUSED = {
    "developer in an environment not given": post(BOB, at(APP, "acme-prod")),
    "developer in another tenant": post(BOB, at(APP, "rival-dev")),
    "developer sees another tenant's apps": Try(BOB, "GET", f"{ROOST}{RIVAL}/apps"),
    "developer sees another tenant": Try(BOB, "GET", f"{ROOST}/tenants/rival"),
    "developer lists tenants": Try(BOB, "GET", f"{ROOST}/tenants"),
    "developer lists apps of all": Try(BOB, "GET", f"{ROOST}/apps"),
    "developer lists secrets": Try(BOB, "GET", f"/api/v1{DEV}/secrets"),
    "developer reads a build secret": Try(BOB, "GET", f"/api/v1{BUILD}/secrets/any"),
    "developer reads a build secret by touching it": Try(BOB, "PATCH", f"/api/v1{BUILD}/secrets/any", {"metadata": {}}),
    "developer makes a pod": post(BOB, POD),
    "developer makes a pod in builds": post(BOB, at(POD, "acme-build")),
    "developer makes a service": post(BOB, SERVICE),
    "developer makes a namespace": post(BOB, NAMESPACE),
    "developer labels the namespace": Try(BOB, "PATCH", "/api/v1/namespaces/acme-dev", {"metadata": {"labels": {}}}),
    "developer finalizes the namespace": Try(BOB, "PUT", "/api/v1/namespaces/acme-dev/finalize", NAMESPACE),
    "developer binds a role": post(BOB, ESCALATION),
    "developer opens the network": post(BOB, REVIEW),
    "developer deletes the network rules": Try(BOB, "DELETE", f"/apis/networking.k8s.io/v1{DEV}/networkpolicies"),
    "developer deletes the quota": Try(BOB, "DELETE", f"/api/v1{DEV}/resourcequotas/roost-quota"),
    "developer writes a release": Try(BOB, "PATCH", f"{ROOST}{DEV}/releases/any", {"spec": {}}),
    "developer writes an app's status": Try(BOB, "PATCH", f"{ROOST}{DEV}/apps/any/status", {"status": {}}),
    "developer makes a run": Try(BOB, "POST", f"{ROOST}{BUILD}/runs", {}),
    "developer lets a finding stay": post(BOB, WAIVER),
    "developer lets a finding stay longer": Try(BOB, "PATCH", f"{ROOST}{BUILD}/waivers/any", {"spec": {}}),
    "developer ends a waiver": Try(BOB, "DELETE", f"{ROOST}{BUILD}/waivers/any"),
    "owner lets a finding stay longer": Try(ADA, "PATCH", f"{ROOST}{BUILD}/waivers/any", {"spec": {}}),
    "owner writes a waiver's status": Try(ADA, "PATCH", f"{ROOST}{BUILD}/waivers/any/status", {"status": {}}),
    "owner lets another tenant's finding stay": post(ADA, at(WAIVER, "rival-build")),
    "viewer lets a finding stay": post(VIV, WAIVER),
    "approver lets a finding stay": post(APPROVER, WAIVER),
    "other tenant's developer lets a finding stay": post(RICK, WAIVER),
    "deployer lets a finding stay": post(DEPLOYER, WAIVER),
    "controller lets a finding stay": post(CONTROLLER, WAIVER),
    "api lets a finding stay by itself": post(API, WAIVER),
    "owner says what is known of a version": Try(
        ADA, "PATCH", f"{ROOST}{DEV}/vulnerabilityreports/any", {"spec": {"fresh": []}}
    ),
    "deployer removes what is known of a version": Try(DEPLOYER, "DELETE", f"{ROOST}{DEV}/vulnerabilityreports/any"),
    "developer gets the deployer's token": Try(
        BOB, "POST", f"/api/v1{DEV}/serviceaccounts/roost-deployer/token", TOKEN
    ),
    "developer gets somebody's token": Try(BOB, "POST", f"{PEOPLE}/serviceaccounts/ada/token", TOKEN),
    "developer reads a password": Try(BOB, "GET", f"{PEOPLE}/secrets/password-ada"),
    "developer reads the authority's key": Try(BOB, "GET", f"{SYSTEM}/secrets/roost-ca"),
    "developer grants a domain": Try(BOB, "POST", f"{ROOST}/domains", GRANT),
    "owner grants a domain": Try(ADA, "POST", f"{ROOST}/domains", GRANT),
    "deployer grants a domain": Try(DEPLOYER, "POST", f"{ROOST}/domains", GRANT),
    "owner moves a domain": Try(ADA, "PATCH", f"{ROOST}/domains/any", {"spec": {"tenant": "acme"}}),
    "developer sees whose domains there are": Try(BOB, "GET", f"{ROOST}/domains"),
    "developer notes a domain with the namespace": Try(
        BOB, "PATCH", "/api/v1/namespaces/acme-dev", {"metadata": {"annotations": {names.DOMAINS: "shop.example.org"}}}
    ),
    "developer runs a command in an environment not given": post(BOB, at(TASK, "acme-prod")),
    "developer runs a command in another tenant": post(BOB, at(TASK, "rival-dev")),
    "developer says how a command ended": Try(BOB, "PATCH", f"{ROOST}{DEV}/tasks/any/status", {"status": {}}),
    "viewer runs a command": post(VIV, TASK),
    "approver runs a command": post(APPROVER, TASK),
    "deployer runs a command": post(DEPLOYER, TASK),
    "developer deletes the tenant": Try(BOB, "DELETE", f"{ROOST}/tenants/acme"),
    "developer changes the tenant": Try(BOB, "PATCH", f"{ROOST}/tenants/acme", {"spec": {"title": "mine"}}),
    "developer makes a user": Try(BOB, "POST", f"{ROOST}/users", {}),
    "developer reads nodes": Try(BOB, "GET", "/api/v1/nodes"),
    "other tenant's developer": post(RICK, APP),
    "viewer makes an app": post(VIV, APP),
    "viewer reads a secret": Try(VIV, "GET", f"/api/v1{DEV}/secrets/any"),
    "approver changes an app": post(APPROVER, APP),
    "owner deletes the tenant": Try(ADA, "DELETE", f"{ROOST}/tenants/acme"),
    "owner makes a tenant": Try(ADA, "POST", f"{ROOST}/tenants", {}),
    "owner says who somebody is": Try(
        ADA, "PATCH", f"{ROOST}/tenants/acme/status", {"status": {"people": [{"person": "bob", "uid": "other"}]}}
    ),
    "owner writes an app's status": Try(ADA, "PATCH", f"{ROOST}{DEV}/apps/any/status", {"status": {}}),
    "administrator writes an app's status": Try(ROOT, "PATCH", f"{ROOST}{DEV}/apps/any/status", {"status": {}}),
    "administrator writes a run's status": Try(ROOT, "PATCH", f"{ROOST}{BUILD}/runs/any/status", {"status": {}}),
    "administrator writes a tenant's status": Try(ROOT, "PATCH", f"{ROOST}/tenants/acme/status", {"status": {}}),
    "administrator writes a user's status": Try(ROOT, "PATCH", f"{ROOST}/users/root/status", {"status": {}}),
    "administrator jams a user's deletion": Try(ROOT, "PUT", f"{ROOST}/users/root/finalizers", {}),
    # The garbage collector would take the tenant away with an owner that is not there.
    "owner gives the tenant an owner": Try(
        ADA,
        "PATCH",
        f"{ROOST}/tenants/acme",
        {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "none", "uid": "none"}]}},
    ),
    "owner changes another tenant": Try(ADA, "PATCH", f"{ROOST}/tenants/rival", {"spec": {"title": "mine"}}),
    "deployer makes a pod": post(DEPLOYER, POD),
    "deployer opens the network": post(DEPLOYER, REVIEW),
    "deployer deletes the quota": Try(DEPLOYER, "DELETE", f"/api/v1{DEV}/resourcequotas/roost-quota"),
    "deployer in another environment": post(DEPLOYER, at(SERVICE, "acme-prod")),
    "deployer in another tenant": post(DEPLOYER, at(SERVICE, "rival-dev")),
    "deployer in builds": post(DEPLOYER, at(CONFIG, "acme-build")),
    "deployer binds a role": post(DEPLOYER, ESCALATION),
    "deployer makes a daemon set": Try(DEPLOYER, "POST", f"/apis/apps/v1{DEV}/daemonsets", {}),
    "administrator reads a tenant's secrets": Try(ROOT, "GET", f"/api/v1{DEV}/secrets"),
    "registrar replaces somebody": Try(REGISTRAR, "PUT", f"{ROOST}/users/root", {"spec": {"disabled": True}}),
    "registrar reads people": Try(REGISTRAR, "GET", f"{ROOST}/users"),
    "registrar reads a password": Try(REGISTRAR, "GET", f"{PEOPLE}/secrets/password-ada"),
    "registrar makes a tenant": Try(REGISTRAR, "POST", f"{ROOST}/tenants", {}),
    "api makes a person by itself": Try(API, "POST", f"{ROOST}/users", {}),
    "administrator binds a role": post(ROOT, ESCALATION),
    # It reads Roost's own kinds for its cache, and nothing else of a tenant.
    "api makes an app by itself": Try(API, "POST", f"{ROOST}{DEV}/apps", {}),
    "api reads instances": Try(API, "GET", f"/api/v1{DEV}/pods"),
    "api reads a tenant's secrets": Try(API, "GET", f"/api/v1{DEV}/secrets"),
    "api reads the authority's key": Try(API, "GET", f"{SYSTEM}/secrets/roost-ca"),
    "controller reads secrets of the cluster": Try(CONTROLLER, "GET", "/api/v1/secrets"),
    "controller replaces the authority": Try(CONTROLLER, "PATCH", f"{SYSTEM}/secrets/roost-ca", {"data": {}}),
    "controller reads passwords": Try(CONTROLLER, "GET", f"{PEOPLE}/secrets"),
    "controller binds cluster-admin": post(CONTROLLER, ESCALATION),
    "controller makes a pod among applications": post(CONTROLLER, POD),
    "controller writes what pods of the platform mount": post(CONTROLLER, at(CONFIG, names.SYSTEM_NAMESPACE)),
    "controller makes a pod in roost-system": post(CONTROLLER, at(POD, names.SYSTEM_NAMESPACE)),
}


def send(world: World, attempt: Try) -> Any:
    return world.call(attempt.who, attempt.method, attempt.path, attempt.body, params=DRY)


@pytest.mark.parametrize("attempt", ALLOWED.values(), ids=ALLOWED)
def test_what_somebody_may_do_works(world: World, attempt: Try) -> None:
    answer = send(world, attempt)
    assert answer.status_code in (200, 201, 404), answer.text


@pytest.mark.parametrize("attempt", REFUSED.values(), ids=REFUSED)
def test_what_somebody_may_not_do_is_refused(world: World, attempt: Try) -> None:
    answer = send(world, attempt)
    assert answer.status_code == 403, answer.text


IMPERSONATION = {
    "another namespace": f"system:serviceaccount:{names.SYSTEM_NAMESPACE}:roost-controller",
    "an administrator": "kubernetes-admin",
    "a node": "system:node:node-1",
    "a deployer": DEPLOYER,
}


@pytest.mark.parametrize("whom", IMPERSONATION.values(), ids=IMPERSONATION)
def test_the_api_becomes_nobody_but_people(world: World, whom: str) -> None:
    assert _may_become(world, API, ADA)
    assert not _may_become(world, API, whom)


@pytest.mark.parametrize("whom", [ADA, "kubernetes-admin", API, "system:serviceaccount:kube-system:anything"])
def test_the_controller_becomes_nobody_but_deployers(world: World, whom: str) -> None:
    assert _may_become(world, CONTROLLER, DEPLOYER)
    assert not _may_become(world, CONTROLLER, whom)


def _may_become(world: World, who: str, whom: str) -> bool:
    """What the authorizer says to `impersonate`, as kube-apiserver asks it when the header comes."""
    prefix, _, rest = whom.partition("system:serviceaccount:")
    space, _, name = rest.partition(":")
    attributes: dict[str, Any] = {"verb": "impersonate", "resource": "users", "name": whom}
    if not prefix and rest:
        attributes = {"verb": "impersonate", "resource": "serviceaccounts", "namespace": space, "name": name}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": who, "resourceAttributes": attributes},
    }
    answer = world.call("", "POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    assert answer.status_code == 201, answer.text
    return bool(answer.json()["status"]["allowed"])
