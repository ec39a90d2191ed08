"""The walls between tenants, seen from inside an application: what an attacker reaches, and the harmless twin."""

import json
import subprocess
from collections.abc import Iterator

import pytest
from tests.e2e.conftest import PREFIX, Person, kubectl, kubectl_json, made_tenant, until

from roost.model import names
from roost.node import bases, paths

pytestmark = pytest.mark.e2e

SERVE = "python3 -m http.server 8080 --directory /tmp"
BASE = "base/python:3.13"
PROBE = (
    "import socket, sys\n"
    "try:\n"
    "    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3).close()\n"
    "    print('open')\n"
    "except OSError as refused:\n"
    "    print('closed', refused)\n"
)


def _image() -> str:
    """An offered base by digest: every tenant may run it, and none may run another tenant's image."""
    archive = paths.cache() / "images" / bases.pushed()[BASE]
    command = ["skopeo", "inspect", "--format", "{{.Digest}}", f"oci-archive:{archive}"]
    digest = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()
    return f"{names.REGISTRY}/{BASE.partition(':')[0]}@{digest}"


def serving_app(namespace: str, name: str) -> None:
    body = {
        "apiVersion": "roost.dev/v1alpha1",
        "kind": "App",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "artefact": {"image": _image(), "runsAsRoot": True},
            "processes": [
                {
                    "name": "web",
                    "port": 8080,
                    "command": ["sh", "-c", SERVE],
                    "resources": {"cpu": "20m", "memory": "64Mi"},
                }
            ],
        },
    }
    kubectl("apply", "-f", "-", stdin=json.dumps(body))


def instance(namespace: str, app: str) -> dict[str, str]:
    def find() -> dict[str, str] | None:
        pods = kubectl_json("-n", namespace, "get", "pods", "-l", f"roost.dev/app={app}")["items"]
        for pod in pods:
            ready = [c for c in pod["status"].get("conditions", []) if c["type"] == "Ready" and c["status"] == "True"]
            if ready and "deletionTimestamp" not in pod["metadata"]:
                return {"name": pod["metadata"]["name"], "ip": pod["status"]["podIP"], "node": pod["status"]["hostIP"]}
        return None

    found: dict[str, str] = until(find, f"an instance of {namespace}/{app} is ready")
    return found


@pytest.fixture(scope="module")
def pods(administrator: Person) -> Iterator[dict[str, dict[str, str]]]:
    """The attacker with a neighbour in its own environment, and the victim in another tenant."""
    attacker, victim = f"{PREFIX}mallory", f"{PREFIX}victim"
    with made_tenant(administrator, attacker, ("dev", "prod")), made_tenant(administrator, victim, ("dev", "prod")):
        serving_app(f"{attacker}-dev", "mallory")
        serving_app(f"{attacker}-dev", "friend")
        serving_app(f"{attacker}-prod", "own")
        serving_app(f"{victim}-dev", "alice")
        yield {
            "attacker": instance(f"{attacker}-dev", "mallory"),
            "friend": instance(f"{attacker}-dev", "friend"),
            "production": instance(f"{attacker}-prod", "own"),
            "victim": instance(f"{victim}-dev", "alice"),
        }


def _reaches(host: str, port: int) -> bool:
    attacker = f"{PREFIX}mallory-dev"
    name = instance(attacker, "mallory")["name"]
    out = kubectl("-n", attacker, "exec", name, "--", "python3", "-c", PROBE, host, str(port))
    assert out.startswith(("open", "closed")), out
    return out.startswith("open")


def test_a_neighbour_in_the_same_environment_is_reached(pods: dict[str, dict[str, str]]) -> None:
    assert _reaches(pods["friend"]["ip"], 8080)
    assert _reaches("friend-web", 80)


def test_another_environment_of_the_own_tenant_is_not_reached(pods: dict[str, dict[str, str]]) -> None:
    assert not _reaches(pods["production"]["ip"], 8080)
    assert not _reaches(f"own-web.{PREFIX}mallory-prod.svc", 80)


def test_another_tenants_instance_is_not_reached(pods: dict[str, dict[str, str]]) -> None:
    assert not _reaches(pods["victim"]["ip"], 8080)


def test_another_tenants_service_is_not_reached(pods: dict[str, dict[str, str]]) -> None:
    services = kubectl_json("-n", f"{PREFIX}victim-dev", "get", "services")["items"]
    assert services
    for service in services:
        for port in service["spec"]["ports"]:
            assert not _reaches(f"{service['metadata']['name']}.{PREFIX}victim-dev.svc", port["port"])


@pytest.mark.parametrize("port", [10250, 6443, 2379, 4240])
def test_the_node_is_not_reached(pods: dict[str, dict[str, str]], port: int) -> None:
    assert not _reaches(pods["attacker"]["node"], port)


def test_kube_apiserver_is_not_reached_by_its_service(pods: dict[str, dict[str, str]]) -> None:
    assert not _reaches("kubernetes.default.svc", 443)


@pytest.mark.parametrize(
    "target",
    [("registry.roost-system.svc", 5000), ("roost-git.roost-system.svc", 8080), ("roost-api.roost-system.svc", 80)],
)
def test_the_platforms_services_are_not_reached(pods: dict[str, dict[str, str]], target: tuple[str, int]) -> None:
    assert not _reaches(*target)


def test_an_own_policy_that_allows_all_opens_no_wall(pods: dict[str, dict[str, str]]) -> None:
    attacker = f"{PREFIX}mallory-dev"
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "all", "namespace": attacker},
        "spec": {
            "podSelector": {},
            "policyTypes": ["Egress"],
            "egress": [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}, {}],
        },
    }
    kubectl("apply", "-f", "-", stdin=json.dumps(policy))
    try:
        assert _reaches(pods["friend"]["ip"], 8080)
        until(lambda: not _reaches(pods["attacker"]["node"], 10250), "the kubelet stays closed", 10)
        assert not _reaches(pods["attacker"]["node"], 6443)
        assert not _reaches(pods["victim"]["ip"], 8080)
    finally:
        kubectl("-n", attacker, "delete", "networkpolicy", "all")
