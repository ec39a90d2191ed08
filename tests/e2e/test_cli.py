"""The CLI on the cluster, at a real terminal: what only a running application can show."""

import time
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest
from tests.e2e.conftest import ROOT, Person, get, repository, until

pytestmark = pytest.mark.e2e
WAIT_S = 60
AT_ONCE_S = 5
PAGE = """\
import http.server


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"here")
        print("served", self.path, flush=True)

    def log_message(self, *arguments):
        pass


print("ready to serve", flush=True)
http.server.ThreadingHTTPServer(("", 8080), Page).serve_forever()
"""


@pytest.fixture(scope="module")
def shop(member: Person, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An application that was pushed; roost.yaml in the member's home names it. Its URL."""
    member.roost("project", "create", "shop")
    files = {"app.py": PAGE, "requirements.txt": "", "Procfile": "web: python app.py\n"}
    path = repository(member, tmp_path_factory.mktemp("shop") / "shop", files)
    member.git("push", member.remote("shop"), "main", cwd=path)
    (member.home / "roost.yaml").write_text(f"tenant: {member.tenant}\nenv: dev\napp: shop\n")
    yield f"http://shop-dev.{member.tenant}.roost.localhost"


@pytest.fixture
def terminal(member: Person) -> Iterator["Terminal"]:
    """The member's terminal."""
    made = Terminal(member)
    yield made
    for child in made.children:
        child.close(force=True)


class Terminal:
    """Starts `roost` in a terminal of 120 by 40."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.children: list[pexpect.spawn] = []

    def __call__(self, *arguments: str) -> pexpect.spawn:
        """The running command."""
        environment = self.person.environ() | {"TERM": "xterm-256color", "LANG": "C.UTF-8"}
        child = pexpect.spawn(
            str(ROOT / ".venv/bin/roost"),
            list(arguments),
            env=environment,
            cwd=str(self.person.home),
            dimensions=(40, 120),
            encoding="utf-8",
            timeout=WAIT_S,
        )
        self.children.append(child)
        return child


def interrupted(child: pexpect.spawn) -> None:
    """Ctrl-C ends it at once with 130."""
    begin = time.monotonic()
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130
    assert time.monotonic() - begin < AT_ONCE_S


def test_status_tells_that_it_serves_and_where(member: Person, shop: str) -> None:
    said = member.roost("status")
    assert "Ready" in said.out
    assert shop in said.out
    assert "1/1" in said.out
    assert member.roost("open", "--print").out.strip() == shop


def test_exec_gives_output_and_exit_code_of_the_command(member: Person, shop: str) -> None:
    said = member.roost("exec", "--", "sh", "-c", "echo out; echo err >&2; exit 42", ok=False)
    assert (said.code, said.out, said.err) == (42, "out\n", "err\n")


def test_exec_hands_standard_input_over_and_ends_it(member: Person, shop: str) -> None:
    assert member.roost("exec", "--", "cat", stdin="x" * 100_000).out == "x" * 100_000


def test_a_shell_in_an_instance_is_a_terminal(terminal: Terminal, shop: str) -> None:
    child = terminal("exec", "--", "sh")
    child.sendline("echo $((6 * 7)); stty size")
    child.expect("42")
    child.expect("40 120")
    child.sendline("exit 3")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 3


def test_following_the_log_shows_a_request_as_it_comes(terminal: Terminal, shop: str) -> None:
    child = terminal("logs", "-f", "--tail", "10")
    child.expect("ready to serve")
    assert get(f"{shop}/hello-from-the-test").status == 200
    child.expect(r"web\.\S+ \| served /hello-from-the-test")
    interrupted(child)


def test_a_command_for_what_is_not_there_is_told_as_such(member: Person, shop: str) -> None:
    for words, told in ((("-a", "nosuch"), "no application nosuch"), (("--process", "nosuch"), "no process nosuch")):
        said = member.roost("run", *words, "--", "true", ok=False)
        assert (said.code, told in said.err) == (3, True), said


def test_watching_shows_a_change_of_scale(terminal: Terminal, member: Person, shop: str) -> None:
    child = terminal("status", "-w")
    child.expect("1/1")
    member.roost("scale", "web=2")
    child.expect("2/2")
    interrupted(child)


def test_versions_and_their_difference(member: Person, shop: str) -> None:
    numbers = [item["spec"]["number"] for item in member.roost("releases", "-o", "json").json()]
    assert numbers == sorted(numbers, reverse=True)
    said = member.roost("releases", "diff", f"v{numbers[-1]}", f"v{numbers[0]}")
    assert "replicas" in said.out


def test_promote_brings_the_same_image_into_production(member: Person, shop: str) -> None:
    member.roost("promote", "--to", "prod", "--yes")
    until(lambda: get(shop.replace("-dev.", "-prod.")).body == "here", "production answers")
    here, there = (
        member.roost("app", "show", "-e", env, "-o", "json").json()["spec"]["artefact"] for env in ("dev", "prod")
    )
    assert here["image"] == there["image"]


def test_deploying_the_digest_that_runs_changes_nothing(member: Person, shop: str) -> None:
    before = member.roost("releases", "-o", "name").out
    image = member.roost("app", "show", "-o", "json").json()["spec"]["artefact"]["image"]
    member.roost("deploy", image)
    assert member.roost("releases", "-o", "name").out == before


def test_a_foreign_image_is_refused_before_anything_changes(member: Person, shop: str) -> None:
    image = "registry.example.org/somebody/else@sha256:" + "a" * 64
    said = member.roost("deploy", image, "--timeout", "60", ok=False)
    assert said.code != 0
    assert get(shop).status == 200


def test_deleting_ends_it(member: Person, shop: str) -> None:
    member.roost("app", "delete", "shop", "--confirm", "shop")
    until(lambda: get(shop).status in (404, 503), "the URL answers no more", 60)
    assert Path(member.home / "roost.yaml").exists()
    assert member.roost("status", ok=False).code == 3
