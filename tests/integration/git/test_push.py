"""A real git client pushes to the real server."""

import os
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from roost.gitserver import app, moves
from roost.gitserver.ledger import Ledger
from roost.gitserver.pktline import FLUSH, packet
from roost.gitserver.repositories import Repositories
from roost.kernel.clock import SystemClock
from tests.integration.git.conftest import SECRET, Clone, Server, StandIn, make_clone, wait_for

pytestmark = pytest.mark.integration


def git_processes(server: Server) -> list[str]:
    """git processes that serve from this server's folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"HOME={server.root}".encode() in path.read_bytes().split(b"\0"):
                found.append((path.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def test_a_push_shows_the_run_and_ends_with_the_url(server: Server, clone: Clone, cluster: StandIn) -> None:
    commit = clone.commit("app.py")
    done = clone.git("push", server.url(), "main")
    assert done.code == 0, done.text
    assert "remote: -----> Detected Python 3.13" in done.text
    assert "\x1b" not in done.text
    assert "Live: http://hello-dev.acme.roost.localhost serves hello-v1" in done.text
    (run,) = cluster.runs.values()
    assert run["spec"]["commit"] == commit and run["spec"]["attempt"] == 1 and run["spec"]["author"] == "ada"
    assert run["metadata"]["ownerReferences"][0]["uid"] == "uid-1"
    assert clone.git("push", server.url(), "main").code == 0
    assert len(cluster.runs) == 1


def test_a_push_that_waits_for_an_approval_was_no_failure(server: Server, clone: Clone, cluster: StandIn) -> None:
    cluster.ends = "AwaitingApproval"
    clone.commit("app.py")
    done = clone.git("push", server.url(), "main")
    assert done.code == 0 and "-----> Waiting: 0 of 1 approvals" in done.text


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ("Failed", "could not find flsk"),
        ("Refused", "kept, but not live"),
        ("NotStarting", "RuntimeError: broken"),
        ("Held", "roost resume"),
    ],
)
def test_a_failure_is_told_and_the_push_ends_with_it(
    server: Server, clone: Clone, cluster: StandIn, ends: str, words: str
) -> None:
    cluster.ends = ends
    commit = clone.commit("app.py")
    done = clone.git("push", server.url(), "main")
    assert done.code == 1
    assert "[remote rejected] main -> main (kept, but not live:" in done.text and words in done.text
    assert clone.git("ls-remote", server.url(), "refs/heads/main").text.split()[0] == commit


def test_other_branches_and_tags_are_kept_and_not_built(server: Server, clone: Clone, cluster: StandIn) -> None:
    clone.commit("app.py")
    clone.git("tag", "v1")
    done = clone.git("push", server.url(), "main:topic", "v1")
    assert done.code == 0 and "topic is kept. Only main is built" in done.text
    assert cluster.runs == {}


def test_a_ref_that_returns_to_an_earlier_commit_runs_again(server: Server, clone: Clone, cluster: StandIn) -> None:
    clone.commit("a")
    clone.git("push", server.url(), "main")
    clone.commit("b")
    clone.git("push", server.url(), "main")
    assert clone.git("push", "--force", server.url(), "HEAD~1:refs/heads/main").code == 0
    assert [run["spec"]["attempt"] for run in cluster.runs.values()] == [1, 2, 3]


def test_a_push_that_is_too_large_is_refused_in_words(server: Server, clone: Clone, cluster: StandIn) -> None:
    clone.commit("small")
    assert clone.git("push", server.url(), "main").code == 0
    clone.commit("large", os.urandom(12 << 20))
    done = clone.git("push", server.url(), "main")
    assert done.code == 1
    assert "exceeds maximum allowed size" in done.text and "larger than 4 MiB" in done.text, done.text
    assert len(cluster.runs) == 1
    wait_for(lambda: not git_processes(server), "no git process is left")


def test_a_full_repository_is_told_before_anything_is_sent(tmp_path: Path, clone: Clone, cluster: StandIn) -> None:
    (tmp_path / "full").mkdir()
    server = Server(tmp_path / "full", cluster, max_repository_mib=0).start()
    clone.commit("app.py")
    done = clone.git("push", server.url(), "main")
    assert done.code == 128 and "takes 0 MiB, the most that it may" in done.text
    server.stop()


def test_what_cannot_be_built_is_refused_by_the_hook(server: Server, clone: Clone, cluster: StandIn) -> None:
    commit = clone.commit("app.py")
    clone.git("update-index", "--add", "--cacheinfo", f"160000,{commit},vendor/lib")
    clone.git("commit", "--quiet", "--message", "Add a submodule.")
    done = clone.git("push", server.url(), "main")
    assert done.code == 1 and "vendor/lib is a submodule" in done.text and "pre-receive hook declined" in done.text
    assert clone.git("push", server.url(), "HEAD:refs/notes/x").code == 1
    assert cluster.runs == {} and moves.read(server.repository()) == []


def test_a_missing_project_and_a_stranger_are_told(server: Server, clone: Clone) -> None:
    clone.commit("app.py")
    assert "not found" in clone.git("push", server.url("missing"), "main", project="missing").text
    stranger = subprocess.run(
        ["git", "push", server.url(), "main"],
        cwd=clone.path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true"},
    )
    assert stranger.returncode == 128


def test_a_full_disk_is_told(server: Server, clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Repositories, "_make", full)
    clone.commit("app.py")
    assert "returned error: 507" in clone.git("push", server.url(), "main").text


def test_two_pushes_at_once_are_one_move_each(server: Server, clone: Clone, cluster: StandIn, tmp_path: Path) -> None:
    clone.commit("base")
    clone.git("push", server.url(), "main")
    others = []
    for number in range(4):
        other = make_clone(tmp_path / f"clone{number}")
        other.git("pull", "--quiet", server.url(), "main")
        other.commit(f"file{number}")
        others.append(subprocess.Popen(other.command("push", server.url(), "main"), cwd=other.path))
    won = sum(process.wait(60) == 0 for process in others)
    assert won >= 1
    wait_for(lambda: len(cluster.runs) == 1 + won, "one run for each push that was taken")
    assert cluster.creations == 1 + won


def test_kubernetes_down_delays_the_run_and_loses_nothing(server: Server, clone: Clone, cluster: StandIn) -> None:
    cluster.down = 2
    clone.commit("app.py")
    done = clone.git("push", server.url(), "main")
    assert done.code == 0 and "waiting for Kubernetes" in done.text
    assert len(cluster.runs) == 1


def test_a_pusher_who_hangs_up_during_the_run_loses_nothing(server: Server, clone: Clone, cluster: StandIn) -> None:
    cluster.slow_s = 60
    clone.commit("app.py")
    command = clone.command("push", server.url(), "main")
    pushing = subprocess.Popen(command, cwd=clone.path, stderr=subprocess.DEVNULL, start_new_session=True)
    wait_for(lambda: cluster.runs, "the run is made")
    os.killpg(pushing.pid, signal.SIGKILL)
    pushing.wait()
    wait_for(lambda: not git_processes(server), "no git process is left")
    assert len(cluster.runs) == 1
    cluster.slow_s = 0
    clone.commit("next")
    assert clone.git("push", server.url(), "main").code == 0


def body_of_a_push(clone: Clone, commit: str, ref: str = "refs/heads/main") -> bytes:
    """What a git client would send to make a ref point to `commit`."""
    capabilities = b"report-status side-band-64k"
    command = f"{moves.ZERO} {commit} {ref}\0".encode() + capabilities
    pack = subprocess.run(
        ["git", "pack-objects", "--all", "--stdout", "-q"], cwd=clone.path, capture_output=True, check=True, input=b""
    )
    return packet(command) + FLUSH + pack.stdout


def begin_push(server: Server, length: int) -> socket.socket:
    """A connection on which the head of a push was sent."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    head = [
        "POST /acme/hello.git/git-receive-pack HTTP/1.1",
        "Host: git",
        "Connection: close",
        f"Content-Length: {length}",
        "Content-Type: application/x-git-receive-pack-request",
        f"X-Roost-Shared: {SECRET}",
        "X-Roost-Tenant: acme",
        "X-Roost-Project: hello",
        "X-Roost-Person: ada",
    ]
    connection.sendall("\r\n".join([*head, "", ""]).encode())
    return connection


def test_a_client_that_dies_in_mid_push_leaves_no_process_and_no_move(
    server: Server, clone: Clone, cluster: StandIn
) -> None:
    body = body_of_a_push(clone, clone.commit("large", os.urandom(1 << 20)))
    connection = begin_push(server, len(body))
    connection.sendall(body[: len(body) // 2])
    wait_for(lambda: any("receive-pack" in line for line in git_processes(server)), "git takes the push")
    connection.close()
    wait_for(lambda: not git_processes(server), "no git process is left")
    assert moves.read(server.repository()) == [] and cluster.runs == {}
    assert clone.git("push", server.url(), "main").code == 0


@pytest.mark.parametrize(
    "ref",
    [
        "refs/heads/../../../escape",
        "refs/heads/a..b",
        "refs/heads/.hidden",
        "refs/heads/x.lock",
        "refs/heads/--upload-pack=x",
        "refs/heads/" + "x" * 300,
        "refs/heads/\x1b[31m",
        "HEAD",
        "roost-moves.log",
    ],
)
def test_hostile_refs_change_nothing_but_a_branch(server: Server, clone: Clone, cluster: StandIn, ref: str) -> None:
    """Names that git allows become branches like any other; nothing is ever built from them."""
    body = body_of_a_push(clone, clone.commit("app.py"), ref)
    connection = begin_push(server, len(body))
    connection.sendall(body)
    answer = b""
    while part := connection.recv(65536):
        answer += part
    connection.close()
    assert b"unpack" in answer or b"fatal" in answer or b" 500 " in answer, answer
    assert cluster.runs == {}
    assert {path.name for path in server.root.iterdir()} == {".hooks", "acme"}
    assert all(line.ref.startswith(("refs/heads/", "refs/tags/")) for line in moves.read(server.repository()))
    clone.commit("next")
    assert clone.git("push", server.url(), "main").code == 0


def test_a_slow_push_is_taken(server: Server, clone: Clone, cluster: StandIn) -> None:
    body = body_of_a_push(clone, clone.commit("app.py"))
    connection = begin_push(server, len(body))
    pause = threading.Event()
    for at in range(0, len(body), 50):
        connection.sendall(body[at : at + 50])
        pause.wait(0.1)
    answer = b""
    while b"ok refs/heads/main" not in answer:
        part = connection.recv(65536)
        assert part, answer
        answer += part
    connection.close()
    assert len(cluster.runs) == 1


def test_bytes_that_are_no_push_are_refused(server: Server, cluster: StandIn) -> None:
    connection = begin_push(server, 1000)
    connection.sendall(os.urandom(1000))
    assert b"HTTP/1.1 " in connection.recv(65536)
    connection.close()
    wait_for(lambda: not git_processes(server), "no git process is left")
    assert cluster.runs == {}


def test_a_restart_makes_the_runs_that_were_left_open(server: Server, clone: Clone, cluster: StandIn) -> None:
    cluster.down = 10_000
    clone.commit("app.py")
    pushing = subprocess.Popen(clone.command("push", server.url(), "main"), cwd=clone.path, stderr=subprocess.DEVNULL)
    wait_for(lambda: (server.repository() / "refs/heads/main").exists(), "the ref is updated")
    server.stop()
    assert pushing.wait(30) != 0
    cluster.down = 0
    (server.repository() / "refs/heads/main.lock").touch()  # As a killed git leaves it.
    again = Server(server.root, cluster).start()
    wait_for(lambda: len(cluster.runs) == 1, "the run is made after all")
    clone.commit("b")
    assert clone.git("push", again.url(), "main").code == 0
    assert [run["spec"]["attempt"] for run in cluster.runs.values()] == [1, 2]
    again.stop()


def test_a_server_that_is_told_to_stop_sends_pushers_away_in_words(
    server: Server, clone: Clone, cluster: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "KEEP_ALIVE_S", 0.1)
    cluster.slow_s = 30
    clone.commit("app.py")
    pushing = subprocess.Popen(
        clone.command("push", server.url(), "main"), cwd=clone.path, stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: cluster.runs, "the run is made")
    server.application.closing = True
    _, error = pushing.communicate(timeout=20)
    assert pushing.returncode == 1 and "the git server starts anew; the run goes on" in error


def test_a_project_made_again_gets_a_repository_of_its_own(server: Server, clone: Clone, cluster: StandIn) -> None:
    clone.commit("app.py")
    clone.git("push", server.url(), "main")
    cluster.uid = "uid-2"
    assert clone.git("ls-remote", server.url()).text == ""
    assert list((server.root / ".aside").iterdir())


async def test_repositories_of_deleted_projects_are_set_aside(server: Server, clone: Clone, cluster: StandIn) -> None:
    clone.commit("app.py")
    clone.git("push", server.url(), "main")
    repositories = Repositories(server.root, 64, 4)
    ledger = Ledger(repositories, cluster, SystemClock())
    await ledger.sweep()
    assert server.repository().exists()
    cluster.gone = ("hello",)
    await ledger.sweep()
    assert not server.repository().exists() and list((server.root / ".aside").iterdir())


def test_a_run_fetches_its_commit_by_id(server: Server, clone: Clone, tmp_path: Path) -> None:
    first = clone.commit("a")
    clone.git("push", server.url(), "main")
    clone.git("commit", "--amend", "--quiet", "--message", "Other.")
    clone.git("push", "--force", server.url(), "main")
    other = make_clone(tmp_path / "other")
    assert other.git("fetch", "--quiet", "--depth=1", server.url(), first).code == 0
    assert other.git("cat-file", "-t", first).text.strip() == "commit"
