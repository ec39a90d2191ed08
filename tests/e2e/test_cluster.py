"""The cluster that `make up` leaves: upstream Kubernetes, the platform in it with manners, a demo that answers."""

import json
import subprocess
import sys

import pytest
from tests.e2e.conftest import ROOT, get, kubectl, kubectl_json, until

pytestmark = pytest.mark.e2e
DEMO = "hello-dev.demo.roost.localhost"


def test_kubernetes_is_upstream() -> None:
    assert kubectl_json("version")["serverVersion"]["gitVersion"].startswith("v1.36.")


def test_the_demo_answers_over_http_and_https(ca: str) -> None:
    plain = until(lambda: (a := get(f"http://{DEMO}")).status == 200 and a, "the demo answers over HTTP")
    assert "Hello from Roost" in plain.body
    encrypted = until(lambda: (a := get(f"https://{DEMO}", ca=ca)).status == 200 and a, "the demo answers over HTTPS")
    assert encrypted.body == plain.body


def test_an_unknown_name_is_not_found() -> None:
    assert get("http://nobody-dev.demo.roost.localhost").status == 404


def test_every_container_of_the_platform_has_requests_limits_and_probes() -> None:
    lacking = []
    for pod in kubectl_json("-n", "roost-system", "get", "pods")["items"]:
        for container in pod["spec"]["containers"]:
            name = f"{pod['metadata']['name']}/{container['name']}"
            resources = container.get("resources") or {}
            lacking += [f"{name}: requests"] if "memory" not in (resources.get("requests") or {}) else []
            lacking += [f"{name}: limits"] if "memory" not in (resources.get("limits") or {}) else []
            lacking += [f"{name}: readinessProbe"] if "readinessProbe" not in container else []
    assert lacking == []


def test_the_platform_runs_without_root_and_without_writing_to_its_file_system() -> None:
    bad = []
    for pod in kubectl_json("-n", "roost-system", "get", "pods")["items"]:
        for container in pod["spec"]["containers"]:
            context = (pod["spec"].get("securityContext") or {}) | (container.get("securityContext") or {})
            if not (context.get("runAsNonRoot") and context.get("readOnlyRootFilesystem")):
                bad.append(f"{pod['metadata']['name']}/{container['name']}")
    assert bad == []


def test_figures_of_nodes_and_pods_come_from_a_server_that_is_verified() -> None:
    service = kubectl_json("get", "apiservice", "v1beta1.metrics.k8s.io")
    assert service["spec"]["caBundle"] and not service["spec"].get("insecureSkipTLSVerify")
    available = next(item for item in service["status"]["conditions"] if item["type"] == "Available")
    assert available["status"] == "True", available
    figures = "/apis/metrics.k8s.io/v1beta1/nodes"
    nodes = until(lambda: json.loads(kubectl("get", "--raw", figures))["items"], "figures of the nodes")
    assert all(item["usage"]["memory"] for item in nodes)


def test_two_controllers_run_and_one_leads() -> None:
    pods = kubectl_json("-n", "roost-system", "get", "pods", "-l", "app.kubernetes.io/name=roost-controller")["items"]
    assert len(pods) == 2
    lease = until(
        lambda: kubectl_json("-n", "roost-system", "get", "lease")["items"],
        "a Lease of the controller",
    )
    holders = [item["spec"].get("holderIdentity", "") for item in lease if "controller" in item["metadata"]["name"]]
    assert len(holders) == 1
    assert any(pod["metadata"]["name"] in holders[0] for pod in pods)


def test_a_second_up_changes_nothing() -> None:
    def pods() -> set[tuple[str, int]]:
        return {
            (pod["metadata"]["uid"], sum(s["restartCount"] for s in pod["status"].get("containerStatuses", [])))
            for pod in kubectl_json("get", "pods", "-A", "-l", "!roost.dev/run")["items"]
            if pod["status"]["phase"] == "Running" and not pod["metadata"]["namespace"].startswith("e2e")
        }

    before = pods()
    done = subprocess.run(
        [sys.executable, "-m", "roost.node.commands", "up"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert pods() == before


def test_status_finds_nothing_wrong() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "roost.node.commands", "status"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
    assert "BAD" not in done.stdout
