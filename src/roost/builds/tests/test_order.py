"""How a pod that waited learns what to do, and how its report comes to the Run before its end."""

import http.server
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from roost.builds import order, outcome
from roost.builds.bench import Bench
from roost.model.build_report import BuildReport, unseal
from roost.model.build_task import FETCH_TOKEN, REPORT_KEY, Task


class Volume:
    """A folder as the kubelet fills it: files are links into a folder that is replaced as a whole."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._number = 0
        self.put("")
        (root / "task").symlink_to("..data/task")

    def put(self, text: str) -> None:
        """Another content."""
        self._number += 1
        folder = self.root / f"..{self._number}"
        folder.mkdir()
        (folder / "task").write_text(text)
        fresh = self.root / "..data_tmp"
        fresh.symlink_to(folder.name)
        fresh.rename(self.root / "..data")


def test_it_waits_until_it_is_told_and_learns_of_it_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "LOOK_S", 60.0)  # Only the kernel's word can be in time.
    volume, told = Volume(tmp_path), list[str]()
    waiting = threading.Thread(target=lambda: told.append(order.wait(tmp_path / "task")), daemon=True)
    waiting.start()
    time.sleep(0.1)
    volume.put("")
    assert waiting.is_alive() and not told
    volume.put("build it\n")
    waiting.join(20)
    assert told == ["build it"]


def test_what_stands_there_already_is_read(tmp_path: Path) -> None:
    Volume(tmp_path).put("build it")
    assert order.wait(tmp_path / "task") == "build it"


class Server(http.server.BaseHTTPRequestHandler):
    """Takes one report."""

    status = 204
    taken: ClassVar[list[tuple[str, str, str]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.taken.append((self.path, self.headers["Authorization"], body))
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def url() -> Iterator[str]:
    Server.taken = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def bench(folder: Path, **secrets: str) -> Bench:
    for name, text in secrets.items():
        (folder / name).write_text(text)
    return Bench(folder, folder, folder, lambda _: None)


def task(url: str) -> Task:
    return Task(
        tenant="acme",
        project="shop",
        commit="a" * 40,
        attempt=1,
        run="shop-1-abc",
        uid="run-1",
        git_url=url,
        registry="registry:5000",
        builder="tcp://builder:1234",
        timeout_s=60,
    )


def test_the_report_is_brought_sealed(url: str, tmp_path: Path) -> None:
    report = BuildReport(ok=False, reason="BuildFailed", message="It does not compile.")
    own = bench(tmp_path, **{REPORT_KEY: "key", FETCH_TOKEN: "token"})
    assert outcome.bring(task(url), own, report)
    ((path, authorization, body),) = Server.taken
    assert (path, authorization) == ("/outcomes/acme/shop/shop-1-abc", "Bearer token")
    assert unseal(["key"], "run-1", body) == report and unseal(["other"], "run-1", body) is None


def test_whatever_goes_wrong_the_run_ends_by_its_pods_last_words(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = BuildReport(ok=True)
    assert not outcome.bring(task(url), bench(tmp_path, **{FETCH_TOKEN: "token"}), report), "without a key"
    own = bench(tmp_path, **{REPORT_KEY: "key", FETCH_TOKEN: "token"})
    assert not outcome.bring(task("http://127.0.0.1:9"), own, report), "nobody there"
    monkeypatch.setattr(Server, "status", 503)
    assert not outcome.bring(task(url), own, report), "not taken"
