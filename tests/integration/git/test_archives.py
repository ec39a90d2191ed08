"""Archives into hosted repositories: a commit and one run; what is hostile does nothing."""

import base64
import gzip
import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from roost.gitserver.tests.archives import FILES, tar, tgz, zipped
from tests.integration.git.conftest import SECRET, Clone, Server, StandIn, wait_for
from tests.integration.git.sources import call

pytestmark = pytest.mark.integration
API = {"X-Roost-Shared": SECRET, "X-Roost-Tenant": "acme", "X-Roost-Project": "hello", "X-Roost-Person": "ada"}


@pytest.fixture
def taking(cluster: StandIn) -> StandIn:
    """The project takes archives."""
    cluster.source_type = "archive"
    return cluster


def put(server: Server, body: bytes, query: str = "", project: str = "hello", **headers: str) -> httpx2.Response:
    """What the server says to an upload, which the API passes on."""
    url = f"http://127.0.0.1:{server.port}/archives/acme/{project}{query}"
    told = API | {"X-Roost-Project": project} | {key.replace("_", "-"): value for key, value in headers.items()}
    return httpx2.put(url, content=body, headers=told, trust_env=False, timeout=60)


def files_of(server: Server) -> dict[str, str]:
    repository = server.repository()
    names = call("git", "ls-tree", "-r", "--name-only", "main", cwd=repository).splitlines()
    return {name: call("git", "show", f"main:{name}", cwd=repository) for name in names}


@pytest.mark.parametrize("form", [tar, tgz, zipped])
def test_an_archive_becomes_a_commit_and_one_run(
    server: Server, taking: StandIn, form: Callable[[dict[str, bytes]], bytes]
) -> None:
    first = put(server, form(FILES))
    assert first.status_code == 200, first.text
    told = first.json()
    assert told["moved"] and told["files"] == 2 and told["run"] in taking.runs
    assert files_of(server) == {"app.py": "one", "templates/page.html": "<p>"}
    assert taking.runs[told["run"]]["spec"]["author"] == "ada"
    again = put(server, form(FILES)).json()
    assert (again["moved"], again["commit"], again["run"]) == (False, told["commit"], "")
    assert len(taking.runs) == 1


def test_the_same_files_in_another_format_are_the_same(server: Server, taking: StandIn) -> None:
    assert put(server, tgz(FILES)).json()["moved"]
    assert not put(server, zipped(FILES)).json()["moved"] and len(taking.runs) == 1


def test_files_that_return_run_again_and_gone_ones_go(server: Server, taking: StandIn) -> None:
    assert put(server, tgz(FILES)).json()["moved"]
    assert put(server, tgz({"app.py": b"two"})).json()["moved"] and files_of(server) == {"app.py": "two"}
    assert put(server, tgz(FILES)).json()["moved"]
    assert len(taking.runs) == 3 and [run["spec"]["attempt"] for run in taking.runs.values()] == [1, 2, 3]


def test_one_folder_around_all_is_left_out_unless_it_is_to_stay(server: Server, taking: StandIn) -> None:
    around = {f"shop-1.0/{name}": content for name, content in FILES.items()}
    told = put(server, zipped(around)).json()
    assert told["folder"] == "shop-1.0" and "app.py" in files_of(server)
    told = put(server, zipped(around), "?folder=keep").json()
    assert told["folder"] == "" and "shop-1.0/app.py" in files_of(server)


def test_links_inside_and_modes_are_kept(server: Server, taking: StandIn) -> None:
    link = tarfile.TarInfo("bin/run")
    link.type, link.linkname = tarfile.SYMTYPE, "../start.sh"
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        member = tarfile.TarInfo("start.sh")
        member.mode = 0o755
        archive.addfile(member)
        archive.addfile(link)
    assert put(server, out.getvalue()).status_code == 200
    listing = call("git", "ls-tree", "-r", "main", cwd=server.repository())
    assert "120000" in listing and "100755" in listing


def test_a_working_copy_and_a_macs_zip_leave_their_own_out(server: Server, taking: StandIn) -> None:
    extra = {".git/config": b"[core]\n\tfsmonitor = touch /x\n", "__MACOSX/._app.py": b"x", "a/.DS_Store": b"x"}
    assert put(server, zipped(FILES | extra)).status_code == 200
    assert set(files_of(server)) == set(FILES)


NOISE = b"".join(hashlib.sha256(bytes([at])).digest() for at in range(250))
HOSTILE = {
    "climbs": (tar({"../evil": b"x"}), "leads out"),
    "torn": (tgz({"app.py": NOISE})[:2000], "broken"),
    "a bomb": (tgz({"zeros": b"\0" * (60 << 20)}), "larger than"),
    "a submodule's settings": (
        tar({".gitmodules": b'[submodule "x"]\n\tpath = x\n\turl = --upload-pack=touch /x\n'}),
        "gitmodules",
    ),
    "git's folder in disguise": (tar({"a/.g\u200cit/config": b"x"}), "hasDotgit"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_hostile_is_refused_whole(server: Server, taking: StandIn, name: str) -> None:
    body, words = HOSTILE[name]
    answer = put(server, body)
    assert answer.status_code == 422 and words in answer.text, answer.text
    assert taking.runs == {}
    left = [path for path in server.root.iterdir() if path.name.startswith(".new-upload")]
    assert left == [] and call("git", "for-each-ref", cwd=server.repository()) == ""


def test_what_arrives_altered_or_too_large_changes_nothing(server: Server, taking: StandIn) -> None:
    body = tgz(FILES)
    digest = f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
    assert put(server, body + b"x", Content_Digest=digest).status_code == 400
    assert put(server, b"").status_code == 400
    assert put(server, b"\x1f\x8b" + b"x" * (5 << 20)).status_code == 413
    assert taking.runs == {}
    assert put(server, body, Content_Digest=digest).status_code == 200


def test_an_upload_that_breaks_off_changes_nothing(server: Server, taking: StandIn) -> None:
    import socket

    with socket.create_connection(("127.0.0.1", server.port)) as line:
        head = "".join(f"{key}: {value}\r\n" for key, value in (API | {"Content-Length": "100000"}).items())
        line.sendall(f"PUT /archives/acme/hello HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode() + tgz(FILES))
    wait_for(lambda: not list(server.root.glob(".new-upload*")), "the scratch folder to be gone")
    assert taking.runs == {} and put(server, tgz(FILES)).json()["moved"]


def test_only_the_api_uploads_and_only_where_archives_are_taken(server: Server, cluster: StandIn, clone: Clone) -> None:
    assert put(server, tgz(FILES)).status_code == 409, "People push to it."
    cluster.source_type = "archive"
    assert put(server, tgz(FILES), X_Roost_Shared="x" * 20).status_code == 403
    assert put(server, tgz(FILES), X_Roost_Project="other").status_code == 403
    assert put(server, tgz(FILES), X_Roost_Person="").status_code == 403
    assert put(server, tgz(FILES), project="missing").status_code == 404
    assert put(server, tgz(FILES), project="..%2f..").status_code == 404
    clone.commit("app.py")
    pushed = clone.git("push", server.url(), "main")
    assert pushed.code and "takes archives" in pushed.text and cluster.runs == {}


def test_the_run_follows_when_kubernetes_comes_back(server: Server, taking: StandIn) -> None:
    taking.down = 1
    told = put(server, tgz(FILES)).json()
    assert told["moved"]
    wait_for(lambda: len(taking.runs) == 1, "the run to be made")


def test_gzip_around_nothing_and_a_stream_without_end_are_refused(server: Server, taking: StandIn) -> None:
    assert put(server, gzip.compress(b"")).status_code == 422
    endless = gzip.compress(b"\0" * (70 << 20))
    assert put(server, endless).status_code == 422 and taking.runs == {}


def test_two_uploads_at_once_make_their_runs_one_after_the_other(server: Server, taking: StandIn) -> None:
    from concurrent.futures import ThreadPoolExecutor

    bodies = [tgz({"app.py": str(at).encode()}) for at in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda body: put(server, body), bodies))
    assert {answer.status_code for answer in answers} <= {200, 409}
    done = [answer.json() for answer in answers if answer.status_code == 200]
    assert done and len(taking.runs) == len(done) == len({item["run"] for item in done})


def test_a_file_of_a_hundred_folders_is_found_where_it_was(tmp_path: Path, server: Server, taking: StandIn) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / 'a "quoted" \\ name.txt').write_text("kept")
    from roost.cli.upload import packed

    with packed(tmp_path) as file:
        assert put(server, file.read(), "?folder=keep").status_code == 200
    listing = call("git", "ls-tree", "-r", "-z", "--name-only", "main", cwd=server.repository())
    assert 'deep/er/a "quoted" \\ name.txt' in listing
