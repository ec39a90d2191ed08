"""Versions that take over by steps, on the real gateway: who answers how often, and what a bad version costs."""

import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.e2e.conftest import Person, kubectl, kubectl_json, repository, small_app, until

pytestmark = [pytest.mark.e2e, pytest.mark.full]

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
        time.sleep(10)
        assert answers.failed() == failed, "it got requests again"
    assert failed > 0
    message = next(item["message"] for item in shop.app()["status"]["conditions"] if item["type"] == "Ready")
    assert "requests failed" in message


def test_the_way_back_is_at_once(shop: Shop) -> None:
    shop.roost("config", "unset", "BROKEN", "COLOUR", "--detach")
    until(lambda: shop.reason() == "Ready", "it serves", timeout_s=180)
    with asking(shop.url) as answers:
        until(lambda: answers.bodies(20)["none"] == 20, "none alone", timeout_s=60)


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
