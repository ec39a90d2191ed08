"""Versions that take over by steps, on the real gateway: who answers how often, and what a bad version costs."""

import json
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.e2e.conftest import KUBECONFIG, Person, kubectl, kubectl_json, repository, small_app, until

pytestmark = [pytest.mark.e2e, pytest.mark.full]
CANDIDATE = "web--next"  # What instances of a version on trial are told apart by.

# It answers who it is, or fails, and just exits when it is told to end.
PROGRAM = """\
import http.server
import os
import signal


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        broken = os.environ.get("BROKEN") and self.path != "/up"
        self.send_response(500 if broken else 200)
        self.end_headers()
        self.wfile.write(os.environ.get("COLOUR", "none").encode())

    def log_message(self, *arguments):
        pass


signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
http.server.ThreadingHTTPServer(("", 8080), Page).serve_forever()
"""
CONTAINERFILE = 'FROM base/python:3.13\nCOPY app.py /srv/app.py\nUSER 1000\nCMD ["python3", "/srv/app.py"]\n'


# What an instance can ask about the end of instances; it prints what it was told, line by line.
CURIOUS = """\
import socket
import urllib.request


def told(url):
    try:
        return urllib.request.urlopen(url, timeout=4).read().decode().strip()
    except OSError as error:
        return type(error).__name__


host = "http://roost-drain.roost-system.svc"
print(told(host + "/served?port=8080"))
print(told(host + "/served?port=8080&address=OTHER"))
print(told(host + "/traffic?address=OTHER"))
print(told(host + ":8083/traffic?address=OTHER"))
with socket.socket() as door:
    door.settimeout(4)
    print("open" if door.connect_ex(("NODE", 9181)) == 0 else "closed")
"""


@dataclass
class Answers:
    """What came back, status and body, in order."""

    seen: list[tuple[int, str]] = field(default_factory=list)

    def failed(self) -> int:
        """Requests that were not answered by 200."""
        return sum(status != 200 for status, _ in self.seen)

    def bodies(self, last: int) -> Counter[str]:
        """Who answered the last requests."""
        return Counter(body for _, body in self.seen[-last:])


@contextmanager
def asking(url: str) -> Iterator[Answers]:
    """Requests one after the other, about twenty a second, as long as it lasts."""
    answers, over = Answers(), threading.Event()

    def ask() -> None:
        while not over.is_set():
            command = ["curl", "-s", "--max-time", "10", "-w", "\n%{http_code}", url]
            body, _, status = subprocess.run(command, capture_output=True, text=True, check=False).stdout.rpartition(
                "\n"
            )
            answers.seen.append((int(status or 0), body))
            time.sleep(0.03)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield answers
    finally:
        over.set()
        thread.join()


@dataclass(frozen=True)
class Shop:
    """A pushed application."""

    owner: Person
    url: str

    def roost(self, *arguments: str) -> None:
        """A command on it."""
        self.owner.roost(*arguments, "-a", "shop", "-e", "dev")

    def set(self, *variables: str) -> None:
        """A new version by configuration."""
        self.roost("config", "set", *variables, "--detach")

    def app(self) -> dict[str, Any]:
        """The App."""
        return kubectl_json("-n", f"{self.owner.tenant}-dev", "get", "apps.roost.dev", "shop")

    def stands(self) -> tuple[str, int]:
        """(phase, percent of the requests) of the version that takes over."""
        state = self.app().get("status", {}).get("rollout") or {}
        return str(state.get("phase", "")), int(state.get("weight", 0))

    @property
    def space(self) -> str:
        """Its namespace."""
        return f"{self.owner.tenant}-dev"

    def patch(self, spec: dict[str, Any]) -> None:
        """Change fields of its spec, for which there is no command."""
        kubectl("-n", self.space, "patch", "apps.roost.dev", "shop", "--type=merge", "-p", json.dumps({"spec": spec}))

    def instances(self, process: str = "web") -> list[dict[str, Any]]:
        """Its instances, also those that end."""
        selected = f"roost.dev/app=shop,roost.dev/process={process}"
        return list(kubectl_json("-n", self.space, "get", "pods", "-l", selected)["items"])

    def serves(self) -> bool:
        """Whether what was asked for last does."""
        app = self.app()
        status = app["status"]
        seen = status.get("observedGeneration") == app["metadata"]["generation"]
        return seen and status.get("live") == status.get("release") and self.reason() == "Ready"

    def message(self) -> str:
        """Of its Ready condition."""
        conditions = self.app()["status"]["conditions"]
        return next(str(item["message"]) for item in conditions if item["type"] == "Ready")

    def reason(self) -> str:
        """Of its Ready condition."""
        conditions = self.app()["status"]["conditions"]
        return next(str(item["reason"]) for item in conditions if item["type"] == "Ready")


@pytest.fixture(scope="module")
def shop(member: Person, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    member.roost("project", "create", "shop")
    small_app(member.tenant, "shop")
    files = {"Containerfile": CONTAINERFILE, "app.py": PROGRAM}
    path = repository(member, tmp_path_factory.mktemp("rollouts") / "shop", files)
    member.git("push", member.remote("shop"), "main", cwd=path)
    made = Shop(member, f"http://shop-dev.{member.tenant}.roost.localhost/")
    made.roost("health", "--path", "/up")
    return made


def test_a_canary_gets_its_share_and_no_request_fails_until_it_has_all(shop: Shop) -> None:
    shop.roost("rollout", "set", "--canary", "50:10", "--bake", "5")
    with asking(shop.url) as answers:
        shop.set("COLOUR=green")
        until(lambda: shop.stands() == ("Testing", 50), "half of the requests", timeout_s=180)
        before = len(answers.seen)
        until(lambda: shop.stands() == ("Testing", 100), "all requests", timeout_s=180)
        shared = Counter(body for _, body in answers.seen[before + 20 :])
        until(lambda: shop.stands()[0] == "Live", "the end", timeout_s=300)
        until(lambda: answers.bodies(40)["green"] == 40, "green alone", timeout_s=60)
    assert shared["none"] > 0
    assert shared["green"] > 0
    assert answers.failed() == 0
    until(lambda: shop.reason() == "Ready", "it serves")


def test_a_version_that_fails_is_taken_back_by_itself(shop: Shop) -> None:
    with asking(shop.url) as answers:
        shop.set("COLOUR=red", "BROKEN=1")
        until(lambda: shop.reason() == "RolledBack", "the way back", timeout_s=300)
        until(lambda: answers.bodies(40)["green"] == 40, "green alone", timeout_s=60)
        failed = answers.failed()
        until(lambda: shop.instances(CANDIDATE) == [], "the end of its instances", timeout_s=60)
        seen = len(answers.seen)
        until(lambda: len(answers.seen) > seen + 100, "a hundred answers", timeout_s=60)
        assert answers.failed() == failed, "it got requests again"
    assert failed > 0
    message = next(item["message"] for item in shop.app()["status"]["conditions"] if item["type"] == "Ready")
    assert "requests failed" in message


def test_the_way_back_is_at_once(shop: Shop) -> None:
    shop.roost("config", "unset", "BROKEN", "COLOUR", "--detach")
    until(lambda: shop.reason() == "Ready", "it serves", timeout_s=180)
    with asking(shop.url) as answers:
        until(lambda: answers.bodies(20)["none"] == 20, "none alone", timeout_s=60)


def number(shop: Shop) -> int:
    """Of the newest version."""
    return int(str(shop.app()["status"]["release"]).rpartition("-v")[2])


def test_blue_green_changes_over_at_once_and_no_request_fails(shop: Shop) -> None:
    shop.roost("rollout", "set", "--blue-green", "--bake", "5")
    with asking(shop.url) as answers:
        shop.set("COLOUR=blue")
        until(lambda: shop.stands() == ("Testing", 100), "all requests", timeout_s=180, pause_s=0.1)
        old = [item for item in shop.instances() if "deletionTimestamp" not in item["metadata"]]
        assert old, "the old instances stay meanwhile"
        before = len(answers.seen)
        until(lambda: len(answers.seen) > before + 60, "answers", timeout_s=60)
        changed = [body for _, body in answers.seen]
        first = changed.index("blue")
        assert changed[first:] == ["blue"] * len(changed[first:]), "all at once: one gateway, one request at a time"
        until(lambda: shop.stands()[0] == "Live", "the end", timeout_s=300)
    assert answers.failed() == 0
    until(shop.serves, "it serves")
    until(lambda: shop.instances(CANDIDATE) == [], "the candidates to end", timeout_s=120)


def test_a_version_is_taken_back_while_the_old_instances_are_replaced(shop: Shop) -> None:
    shop.roost("scale", "web=3")
    until(shop.serves, "three instances", timeout_s=180)
    shop.roost("rollout", "set", "--blue-green", "--bake", "0")
    with asking(shop.url) as answers:
        shop.set("COLOUR=violet")
        until(lambda: shop.stands()[0] == "Replacing", "the last step", timeout_s=180, pause_s=0.05)
        shop.patch({"rollout": {"abort": number(shop)}})
        until(lambda: shop.reason() == "RolledBack", "the way back", timeout_s=60)
        until(lambda: answers.bodies(60)["blue"] == 60, "blue alone", timeout_s=180)
    assert answers.failed() == 0
    assert shop.app()["status"]["live"] != shop.app()["status"]["release"]
    shop.roost("rollout", "set", "--rolling")
    shop.roost("config", "set", "COLOUR=blue", "--detach")
    shop.roost("scale", "web=1")
    until(shop.serves, "it serves", timeout_s=180)


def test_nothing_new_begins_once_the_error_budget_is_spent(shop: Shop) -> None:
    shop.patch({"slo": {"availability": "99", "windowDays": 1}})
    until(lambda: shop.app()["status"].get("budget"), "the budget", timeout_s=60)
    shop.set("COLOUR=blue", "BROKEN=1")
    until(shop.serves, "a version that fails and is ready", timeout_s=180)
    broken = number(shop)
    with asking(shop.url) as answers:
        until(lambda: answers.failed() > 30, "failed requests", timeout_s=60)
    looked_long_ago(shop)
    until(lambda: shop.app()["status"]["budget"].get("leftPercent") == 0, "nothing left", timeout_s=60)
    shop.set("COLOUR=orange")
    until(lambda: shop.reason() == "ErrorBudgetSpent", "the stop", timeout_s=60)
    newest = number(shop)
    assert newest > broken
    assert all(item["metadata"]["labels"]["roost.dev/release"] == f"shop-v{broken}" for item in shop.instances())
    shop.roost("config", "unset", "BROKEN", "--detach")  # Mended, but still a new version.
    until(lambda: number(shop) > newest and shop.reason() == "ErrorBudgetSpent", "the stop", timeout_s=60)
    shop.roost("rollout", "promote", "--detach")
    until(shop.serves, "it serves by a person's word", timeout_s=180)
    with asking(shop.url) as answers:
        until(lambda: answers.bodies(20)["orange"] == 20, "orange alone", timeout_s=60)
    shop.patch({"slo": {"availability": ""}})


def looked_long_ago(shop: Shop) -> None:
    """Have the budget's last look seem to be an hour old, in place of waiting for the next one, in five minutes."""
    hour = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    text = json.dumps({"status": {"budget": {"at": hour}}})
    kubectl("-n", shop.space, "patch", "apps.roost.dev", "shop", "--subresource=status", "--type=merge", "-p", text)


def evicted(space: str, pod: str) -> str:
    """An eviction: what it was answered, or nothing where it was let through."""
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": space}}
    path = f"/api/v1/namespaces/{space}/pods/{pod}/eviction"
    command = ["kubectl", "--kubeconfig", KUBECONFIG, "create", "--raw", path, "-f", "-"]
    done = subprocess.run(command, input=json.dumps(body), capture_output=True, text=True, check=False)
    return done.stderr if done.returncode else ""


def test_what_is_alone_is_not_evicted_until_another_serves(shop: Shop) -> None:
    """The one node is to be emptied, and is not in the end: the new instance starts when it takes pods again."""
    until(lambda: len(shop.instances()) == 1, "one instance", timeout_s=60)
    (pod,) = shop.instances()
    name, node = pod["metadata"]["name"], pod["spec"]["nodeName"]
    with asking(shop.url) as answers:
        assert "disruption budget" in evicted(shop.space, name)
        kubectl("cordon", node)
        try:
            until(lambda: shop.reason() == "Moving", "the move", timeout_s=60)
            until(lambda: "no other node has room" in shop.message(), "the want of room", timeout_s=60)
            assert "disruption budget" in evicted(shop.space, name)
        finally:
            kubectl("uncordon", node)
        until(lambda: name not in [item["metadata"]["name"] for item in shop.instances()], "the end of the old one")
        until(shop.serves, "it serves")
        seen = len(answers.seen)
        until(lambda: len(answers.seen) > seen + 60, "answers of the new one", timeout_s=60)
    assert answers.failed() == 0


def test_an_instance_learns_of_itself_alone(shop: Shop) -> None:
    """Whoever sits in an instance asks what the helper asks, and more."""
    space = f"{shop.owner.tenant}-dev"
    pods = kubectl_json("-n", space, "get", "pods", "-l", "roost.dev/app=shop,roost.dev/process=web")["items"]
    pod = next(item for item in pods if "deletionTimestamp" not in item["metadata"])
    drains = kubectl_json("-n", "roost-system", "get", "pods", "-l", "app.kubernetes.io/name=roost-drain")["items"]
    program = CURIOUS.replace("OTHER", drains[0]["status"]["podIP"]).replace("NODE", pod["status"]["hostIP"])
    name = str(pod["metadata"]["name"])
    said = kubectl("-n", space, "exec", "-i", name, "--", "python3", "-", stdin=program).splitlines()
    own = '{"served":"yes","gateways":[]}'
    assert said == [own, own, "HTTPError", "URLError", "closed"]
