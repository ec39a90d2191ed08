"""Whole-state releases on the cluster: versions and their difference, the way back, a host name of one's own."""

import json
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import Person, commit, get, kubectl, kubectl_json, repository, small_app, until
from tests.e2e.page import CONTAINERFILE

pytestmark = pytest.mark.e2e
# Answers with all that a version is made of and that a program can see.
PAGE = """\
import http.server
import json
import os
import signal
import threading


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        seen = {"version": "VERSION", "level": os.environ.get("LEVEL"), "token": os.environ.get("TOKEN")}
        self.wfile.write(json.dumps(seen).encode())

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("", 8080), Page)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
"""


class Shop:
    """An application that was pushed once, and its repository."""

    def __init__(self, member: Person, path: Path) -> None:
        self.member, self.path = member, path
        self.space = f"{member.tenant}-dev"
        self.url = f"http://shop-dev.{member.tenant}.roost.localhost"

    def roost(self, *words: str, ok: bool = True) -> Any:
        """A command about it."""
        return self.member.roost(*words, "-a", "shop", ok=ok)

    def says(self) -> dict[str, Any]:
        """What the program sees, {} where it does not answer."""
        answer = get(self.url)
        found: dict[str, Any] = json.loads(answer.body) if answer.status == 200 else {}
        return found

    def push(self, word: str) -> None:
        """Another version of the program."""
        commit(self.member, self.path, {"app.py": PAGE.replace("VERSION", word)}, f"Say {word}.")
        self.member.git("push", self.member.remote("shop"), "main", cwd=self.path)

    def state(self) -> dict[str, Any]:
        """All of it that one sees in the cluster and from outside."""
        deployment = kubectl_json("-n", self.space, "get", "deployment", "shop-web")["spec"]
        route = kubectl_json("-n", self.space, "get", "httproute", "shop")["spec"]
        [container] = deployment["template"]["spec"]["containers"]
        return {
            "image": container["image"],
            "env": container.get("env"),
            "secrets": container.get("envFrom"),
            "resources": container["resources"],
            "replicas": deployment["replicas"],
            "host names": sorted(route["hostnames"]),
            "answer": self.says(),
        }

    def newest(self) -> dict[str, Any]:
        """The newest version."""
        found: dict[str, Any] = self.roost("releases", "-o", "json").json()[0]
        return found


@pytest.fixture(scope="module")
def shop(member: Person, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """It serves, with configuration and a secret."""
    member.roost("project", "create", "shop")
    small_app(member.tenant, "shop")
    files = {"app.py": PAGE.replace("VERSION", "one"), "Containerfile": CONTAINERFILE}
    path = repository(member, tmp_path_factory.mktemp("shop") / "shop", files)
    made = Shop(member, path)
    made.roost("config", "set", "LEVEL=first", "--detach")
    made.roost("config", "set", "TOKEN=canary-one", "--secret", "--detach")
    member.git("push", member.remote("shop"), "main", cwd=path)
    until(lambda: made.says().get("version") == "one", "the first version answers")
    return made


def test_a_version_tells_its_change_its_run_and_its_author(shop: Shop) -> None:
    shop.roost("config", "set", "LEVEL=second")
    newest = shop.newest()["spec"]
    assert newest["cause"] == "LEVEL set" and newest["author"] == shop.member.name
    assert {"field": "config[LEVEL].value", "before": "first", "after": "second"} in newest["changes"]
    first = shop.roost("releases", "show", "v1", "-o", "json").json()["spec"]
    assert first["run"].startswith("shop-")
    number = newest["number"]
    said = shop.roost("releases", "diff", "v1", f"v{number}").out
    assert "config[LEVEL].value" in said and "  - first" in said and "  + second" in said


def test_no_value_of_a_secret_is_told_by_any_of_it(shop: Shop) -> None:
    shop.roost("config", "set", "TOKEN=canary-two", "--secret")
    number = shop.newest()["spec"]["number"]
    told = [
        shop.roost("releases", "show", f"v{number}").out,
        shop.roost("releases", "diff", "v1", f"v{number}", "-o", "json").out,
        shop.roost("rollback", "v1", "--dry-run", "-o", "json").out,
        kubectl("-n", shop.space, "get", "releases.roost.dev", "-o", "json"),
    ]
    assert not [text for text in told if "canary" in text or "Y2FuYXJ5" in text]
    assert "secrets[TOKEN]" in told[1]


def test_the_verdict_knows_the_registry_and_refuses_with_7(shop: Shop) -> None:
    plan = shop.roost("rollback", "v1", "--dry-run", "-o", "json").json()
    reasons = {item["reason"] for item in plan["checks"]}
    assert reasons == {"SecretsReplaced"}, "The registry has the image, and answers."
    image = shop.newest()["spec"]["content"]["artefact"]["image"].partition("@")[0] + "@sha256:" + "0" * 64
    app = kubectl_json("-n", shop.space, "get", "apps.roost.dev", "shop")
    spec = {"app": "shop", "number": 999_999, "digest": "0" * 64}
    spec["content"] = app["spec"] | {"artefact": {"image": image}}
    labels = {"roost.dev/app": "shop"}
    meta = {"name": "shop-v999999", "namespace": shop.space, "labels": labels}
    gone = {"apiVersion": "roost.dev/v1alpha1", "kind": "Release", "metadata": meta, "spec": spec}
    kubectl("create", "-f", "-", stdin=json.dumps(gone))
    try:
        refused = shop.roost("rollback", "v999999", "--yes", "--force", ok=False)
        assert refused.code == 7 and "no longer in the registry" in refused.err
    finally:
        kubectl("-n", shop.space, "delete", "releases.roost.dev", "shop-v999999")


def test_a_crash_loop_is_left_by_one_command(shop: Shop) -> None:
    before = shop.says()
    commit(shop.member, shop.path, {"app.py": "raise SystemExit('broken on purpose')\n"}, "Break it.")
    shop.member.git("push", shop.member.remote("shop"), "main", cwd=shop.path, ok=False)
    assert shop.says() == before
    shop.roost("rollback", "--yes")
    assert shop.newest()["spec"]["restores"] and shop.says() == before
    shop.roost("resume")
    shop.push("mended")
    until(lambda: shop.says().get("version") == "mended", "the mended version answers")


@pytest.fixture
def own_name(administrator: Person, member: Person) -> Iterator[str]:
    """A host name outside the platform's domain, granted to the member's environment."""
    name = f"shop-{secrets.token_hex(4)}.example.com"
    administrator.roost("domain", "grant", name, "-t", member.tenant, "-e", "dev")
    yield name
    administrator.roost("domain", "revoke", name, "--confirm", name, ok=False)


def asks(name: str, ca: str, scheme: str = "https") -> tuple[int, str]:
    """(status, body) of a name that no DNS knows, from this machine's gateway; its certificate is checked."""
    port = 443 if scheme == "https" else 80
    command = ["curl", "--silent", "--max-time", "10", "--cacert", ca, "--resolve", f"{name}:{port}:127.0.0.1"]
    command += ["--write-out", "\n%{http_code}", f"{scheme}://{name}/"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    body, _, status = done.stdout.rpartition("\n")
    return int(status or 0), body


def test_a_host_name_of_ones_own_serves_by_https_until_it_is_taken_back(
    shop: Shop, administrator: Person, own_name: str, ca: str
) -> None:
    foreign = shop.roost("domain", "add", "www.bank.example", ok=False)
    assert foreign.code == 7 and "roost domain grant www.bank.example" in foreign.err
    shop.roost("domain", "add", own_name)
    until(lambda: asks(own_name, ca)[0] == 200, "the name answers by HTTPS")
    assert json.loads(asks(own_name, ca, "http")[1])["version"] == shop.says()["version"]
    number = shop.newest()["spec"]["number"]
    shop.roost("domain", "remove", own_name)
    until(lambda: asks(own_name, ca, "http")[0] == 404, "it leads nowhere")
    administrator.roost("domain", "revoke", own_name, "--confirm", own_name)
    refused = shop.roost("rollback", f"v{number}", "--yes", ok=False)
    assert refused.code == 7 and own_name in refused.err and "--force" in refused.err


@pytest.mark.full
def test_twenty_versions_later_the_first_comes_back_whole(shop: Shop) -> None:
    shop.roost("rollback", "v1", "--yes", ok=False)
    until(lambda: shop.says().get("version") == "one", "the first version answers")
    shop.roost("resume")
    shop.roost("domain", "add", f"first-dev.{shop.member.tenant}.roost.localhost")
    base, first = shop.newest()["spec"]["number"], shop.state()
    for step in range(20):
        kind = step % 5
        if kind == 0:
            shop.push(f"later{step}")
        elif kind == 1:
            shop.roost("config", "set", f"LEVEL=n{step}")
        elif kind == 2:
            shop.roost("config", "set", f"TOKEN=canary-{step}", "--secret")
        elif kind == 3:
            shop.roost("scale", f"web={2 - step // 5 % 2}")
        else:
            shop.roost("domain", "add", f"n{step}-dev.{shop.member.tenant}.roost.localhost")
    until(lambda: shop.newest()["spec"]["number"] >= base + 20, "twenty versions were made")
    later = shop.state()
    differs = [key for key in first if first[key] != later[key]]
    assert {"image", "env", "secrets", "host names", "answer"} <= set(differs), "Else it shows nothing."
    shop.roost("rollback", f"v{base}", "--yes")
    until(lambda: shop.state() == first, "all is as it was")
    newest = shop.newest()["spec"]
    assert newest["restores"] == base and newest["number"] > base + 20
