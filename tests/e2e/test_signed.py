"""Only what a run built and signed runs on the cluster: from a push to a pod, and what meets who goes around it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from tests.e2e.conftest import DOMAIN, Person, get, kubectl, kubectl_json, repository, small_app, until
from tests.e2e.page import CONTAINERFILE, PROGRAM

pytestmark = pytest.mark.e2e
REFUSED = 7
SYSTEM = "roost-system"


@dataclass(frozen=True)
class Site:
    """An application that was pushed and serves."""

    person: Person
    image: str
    run: str

    @property
    def space(self) -> str:
        """Its environment."""
        return f"{self.person.tenant}-dev"

    def listed(self) -> dict[str, list[str]]:
        """What the environment's allow-list holds."""
        status: dict[str, list[str]] = kubectl_json("-n", self.space, "get", "imageallowlists", "images")["status"]
        return status


@pytest.fixture(scope="module")
def site(member: Person, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    member.roost("project", "create", "shop")
    small_app(member.tenant, "shop")
    files = {"Containerfile": CONTAINERFILE, "app.py": PROGRAM.replace("VERSION", "signed")}
    path = repository(member, tmp_path_factory.mktemp("signed") / "shop", files)
    member.git("push", member.remote("shop"), "main", cwd=path)
    until(lambda: "signed" in get(f"http://shop-dev.{member.tenant}.{DOMAIN}/").body, "the application serves")
    app = kubectl_json("-n", f"{member.tenant}-dev", "get", "apps.roost.dev", "shop")
    artefact = app["spec"]["artefact"]
    yield Site(member, artefact["image"], artefact["run"])


def _pod(image: str) -> str:
    container = {
        "name": "web",
        "image": image,
        "command": ["sleep", "1"],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "16Mi"}},
    }
    spec = {
        "automountServiceAccountToken": False,
        "restartPolicy": "Never",
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "direct"}, "spec": spec})


def test_what_was_pushed_is_signed_and_listed(site: Site) -> None:
    run = kubectl_json("-n", f"{site.person.tenant}-build", "get", "runs.roost.dev", site.run)
    assert len(run["status"]["signedBy"]) == 16
    assert site.listed()["admitted"] == [site.image]
    labels = kubectl_json("get", "namespace", site.space)["metadata"]["labels"]
    assert labels["roost.dev/signed"] == "true"


def test_the_key_is_where_only_the_controller_reads_it(site: Site) -> None:
    pods = kubectl_json("get", "pods", "--all-namespaces")["items"]
    holding = {
        pod["metadata"]["labels"].get("app.kubernetes.io/name")
        for pod in pods
        if any(item.get("secret", {}).get("secretName") == "image-signing" for item in pod["spec"].get("volumes", ()))
    }
    assert holding == {"roost-controller"}


@pytest.mark.parametrize("digit", ["0", "f"])
def test_a_digest_that_nobody_signed_makes_no_version(site: Site, digit: str) -> None:
    evil = site.image.partition("@")[0] + "@sha256:" + digit * 64
    said = site.person.roost("deploy", evil, "-a", "shop", "--timeout", "60", ok=False)
    assert said.code == REFUSED, (said.code, said.err)
    assert "signed" in get(f"http://shop-dev.{site.person.tenant}.{DOMAIN}/").body
    refused = kubectl("-n", site.space, "create", "--dry-run=server", "-f", "-", stdin=_pod(evil), check=False)
    assert not refused
    # The twin: what was signed, by the same way.
    assert "direct" in kubectl("-n", site.space, "create", "--dry-run=server", "-f", "-", stdin=_pod(site.image))
    site.person.roost("deploy", site.image, "-a", "shop", "--timeout", "120")


def test_an_instance_is_started_again_while_registry_and_controller_are_away(site: Site) -> None:
    replicas = {
        name: kubectl_json("-n", SYSTEM, "get", "deployment", name)["spec"]["replicas"]
        for name in ("registry", "roost-controller")
    }
    before = kubectl_json("-n", site.space, "get", "pods", "-l", "roost.dev/app=shop")["items"][0]["metadata"]["uid"]

    def another() -> bool:
        pods = kubectl_json("-n", site.space, "get", "pods", "-l", "roost.dev/app=shop")["items"]
        return any(pod["metadata"]["uid"] != before and pod["status"]["phase"] == "Running" for pod in pods)

    try:
        for name in replicas:
            kubectl("-n", SYSTEM, "scale", "deployment", name, "--replicas=0")
            kubectl(
                "-n", SYSTEM, "wait", "--for=delete", "pod", "-l", f"app.kubernetes.io/name={name}", "--timeout=60s"
            )
        kubectl("-n", site.space, "delete", "pods", "-l", "roost.dev/app=shop", "--wait=false")
        until(another, "another instance runs", 90)
    finally:
        for name, count in replicas.items():
            kubectl("-n", SYSTEM, "scale", "deployment", name, f"--replicas={count}")
        for name in replicas:
            kubectl("-n", SYSTEM, "rollout", "status", f"deployment/{name}", "--timeout=120s")
