"""A one-off command on the cluster: once, with the version's own image and secrets, and behind the same walls."""

import pytest
from tests.e2e.conftest import Person, get, kubectl, kubectl_json, repository, small_app, until
from tests.e2e.page import CONTAINERFILE, PROGRAM

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def shop(member: Person, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An application with a secret. Its name."""
    member.roost("project", "create", "shop")
    small_app(member.tenant, "shop")
    files = {"app.py": PROGRAM, "Containerfile": CONTAINERFILE}
    path = repository(member, tmp_path_factory.mktemp("shop") / "shop", files)
    member.roost("config", "set", "TOKEN=canary-7351", "--secret", "-a", "shop", "--detach")
    member.git("push", member.remote("shop"), "main", cwd=path)
    until(lambda: get(f"http://shop-dev.{member.tenant}.roost.localhost").status == 200, "the application answers")
    return "shop"


def test_output_and_exit_code_are_those_of_the_command(member: Person, shop: str) -> None:
    said = member.roost("run", "-a", shop, "--", "sh", "-c", "echo $TOKEN; exit 42", ok=False)
    assert (said.code, said.out) == (42, "canary-7351\n")


def test_it_is_no_instance_of_the_application(member: Person, shop: str) -> None:
    name = member.roost("run", "-a", shop, "--detach", "--", "sleep", "60").out.strip()

    def running() -> bool:
        task = kubectl_json("-n", f"{member.tenant}-dev", "get", "tasks.roost.dev", name)
        return bool((task.get("status") or {}).get("phase") == "Running")

    until(running, "the command runs")
    items = member.roost("app", "show", shop, "-o", "json").json()["status"]
    assert items["instances"] == items["wanted"] == 1
    endpoints = kubectl_json("-n", f"{member.tenant}-dev", "get", "endpointslices")["items"]
    addresses = [address for item in endpoints for address in item.get("endpoints") or ()]
    targets = [address["targetRef"]["name"] for address in addresses if "targetRef" in address]
    assert targets and not [target for target in targets if target.startswith(name)], "No request reaches it."
    kubectl("-n", f"{member.tenant}-dev", "delete", "tasks.roost.dev", name)

    def gone() -> bool:
        return not kubectl_json("-n", f"{member.tenant}-dev", "get", "pods", "-l", f"roost.dev/task={name}")["items"]

    until(gone, "its pod goes with it")


@pytest.mark.parametrize(
    "command",
    [
        "cat /var/run/secrets/kubernetes.io/serviceaccount/token",
        "python3 -c \"import socket; socket.create_connection(('kubernetes.default.svc', 443), 5)\"",
        "python3 -c \"import socket; socket.create_connection(('169.254.169.254', 80), 5)\"",
        'python3 -c "import os; os.setuid(0)"',
        "mount -t tmpfs none /mnt",
    ],
)
def test_it_has_no_more_than_an_instance(member: Person, shop: str, command: str) -> None:
    """Each fails in the command itself; the twin is the harmless command before it, which shows that it ran."""
    said = member.roost("run", "-a", shop, "--", "sh", "-c", f"echo began; {command}", ok=False)
    assert said.out.startswith("began") and said.code not in (0, 7), said.err


def test_it_is_ended_when_its_time_is_over(member: Person, shop: str) -> None:
    said = member.roost("run", "-a", shop, "--timeout", "5", "--", "sleep", "600", ok=False)
    assert said.code != 0
