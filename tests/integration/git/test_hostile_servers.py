"""Servers that imports meet and that mean harm: with real git, and servers that say what no good one says."""

import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from roost.builds.sources import git
from tests.integration.git import sources
from tests.integration.git.conftest import Server, StandIn
from tests.integration.git.drivers import Bench
from tests.integration.git.sources import PASSWORD, USER, call

pytestmark = pytest.mark.integration
Answer = Callable[[http.server.BaseHTTPRequestHandler], tuple[int, dict[str, str], bytes]]
ASKS = (401, {"WWW-Authenticate": 'Basic realm="x"'}, b"")


@pytest.fixture
def bench(server: Server, cluster: StandIn, tmp_path: Path) -> Bench:
    cluster.source = "https://git.example.org/hello.git"
    (tmp_path / "desk").mkdir()
    return Bench(server, cluster, tmp_path / "desk", secret={"username": USER, "password": PASSWORD})


class Heard(list[str]):
    """The values of Authorization that a server was sent; `address` is where it is."""

    address = ""


@contextmanager
def serving(answer: Answer) -> Iterator[Heard]:
    """A server that answers everything so."""
    heard = Heard()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.extend(self.headers.get_all("Authorization") or [])
            status, headers, body = answer(self)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    heard.address = f"http://127.0.0.1:{made.server_port}"
    threading.Thread(target=made.serve_forever, daemon=True).start()
    try:
        yield heard
    finally:
        made.shutdown()
        made.server_close()


def _leads_to(address: str) -> Answer:
    return lambda request: (302, {"Location": f"{address}{request.path}"}, b"")


def test_a_redirect_takes_the_credentials_nowhere_else(bench: Bench) -> None:
    with serving(lambda _: ASKS) as thief, serving(_leads_to(thief.address)) as source:
        report = bench.look(type="git", url=f"{source.address}/a.git")
    assert (report.ok, report.reason) == (False, "CredentialsRefused")
    assert thief == []


def test_the_source_itself_is_told_them_also_after_a_redirect_of_its_own(bench: Bench) -> None:
    def answer(request: http.server.BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
        if request.path.startswith("/old"):
            return 302, {"Location": request.path.replace("/old", "/new")}, b""
        return ASKS

    with serving(answer) as source:
        bench.look(type="git", url=f"{source.address}/old.git")
    assert source and source[0].startswith("Basic ")


def test_without_its_guard_a_redirect_takes_them_along(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: ASKS) as thief, serving(_leads_to(thief.address)) as source:
        monkeypatch.setattr(git, "origins", lambda url: [source.address, thief.address])
        bench.look(type="git", url=f"{source.address}/a.git")
    assert thief


def test_a_server_that_gives_the_password_back_shows_it_to_nobody(bench: Bench) -> None:
    def answer(request: http.server.BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
        sent = request.headers.get("Authorization")
        if not sent:
            return ASKS
        words = f"no \x1b]0;owned\x07 {PASSWORD} {sent} for you".encode()
        return 403, {"Content-Type": "text/plain"}, words

    with serving(answer) as source:
        report = bench.look(type="git", url=f"{source.address}/a.git")
    assert not report.ok and "for you" in report.message, report
    assert PASSWORD not in report.message and "\x1b" not in report.message
    assert not [word for sent in source for word in sent.split()[1:] if word in report.message]


@pytest.mark.full
def test_more_refs_than_a_command_takes_are_told(bench: Bench, tmp_path: Path) -> None:
    sources.install()
    folder = tmp_path / "foreign"
    folder.mkdir()
    many = folder / "many.git"
    call("git", "init", "--quiet", "--bare", "--initial-branch=main", str(many))
    tree = call("git", "-C", str(many), "mktree", stdin="")
    who = ("-c", "user.name=m", "-c", "user.email=m@example.org")
    made = call("git", "-C", str(many), *who, "commit-tree", tree, "-m", "x")
    call("git", "-C", str(many), "update-ref", "refs/heads/main", made)
    refs = "".join(f"{made} refs/tags/t{number:06}\n" for number in range(20_000))
    (many / "packed-refs").write_text(f"# pack-refs with: peeled fully-peeled sorted \n{refs}")
    with sources.apache(tmp_path / "apache", folder) as address:
        report = bench.look(type="git", url=f"{address}/git/many.git", refs=["refs/tags/*"])
        assert (report.ok, report.reason) == (False, "TooManyRefs"), report
        assert bench.look(type="git", url=f"{address}/git/many.git", refs=["refs/tags/t00000*"]).ok
