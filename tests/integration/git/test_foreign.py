"""Imports against real servers: what is new at a foreign repository arrives in the hosted one, once."""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from roost.builds.foreign import carry_out
from roost.builds.sources.bench import Place
from roost.model.fetch_task import FetchReport, FetchTask
from roost.surface import fetch_token
from roost.surface.fetch_token import hook_secret
from tests.integration.git import sources
from tests.integration.git.conftest import SECRET, Clone, Server, StandIn
from tests.integration.git.gate import gate
from tests.integration.git.sources import PASSWORD, USER, call

pytestmark = pytest.mark.integration


@dataclass
class Desk:
    """Imports into one hosted repository, each in a folder of its own as in a pod of its own."""

    server: Server
    cluster: StandIn
    folder: Path
    secret: dict[str, str] = field(default_factory=dict)
    count: int = 0

    def look(self, url: str, type_: str = "git", path: str = "", branch: str = "main", **more: Any) -> FetchReport:
        """One import; `more` fields of its task."""
        self.count += 1
        root = self.folder / f"look-{self.count}"
        place = Place(root / "credentials", root / "source", root / "trust", root / "work", 60)
        for item in (place.credentials, place.source, place.trust, place.work):
            item.mkdir(parents=True)
        token = fetch_token.mint(SECRET, ("acme", "hello"), datetime.now(UTC), timedelta(minutes=5), fetch_token.PUSH)
        (place.credentials / "push").write_text(token)
        (place.trust / "ca.crt").write_text("")
        for key, value in self.secret.items():
            (place.source / key).write_text(value)
        task = FetchTask.model_validate(
            {
                "tenant": "acme",
                "project": "hello",
                "type": type_,
                "url": url,
                "path": path,
                "branch": branch,
                "gitUrl": f"http://127.0.0.1:{self.server.port}",
                "timeoutS": 60,
                **more,
            }
        )
        return carry_out(task, place)

    def head(self) -> str:
        """Where the hosted branch stands."""
        return call("git", "rev-parse", "refs/heads/main", cwd=self.server.repository())

    def files(self) -> dict[str, str]:
        """The hosted branch's files."""
        names = call("git", "ls-tree", "-r", "--name-only", "main", cwd=self.server.repository()).splitlines()
        return {name: call("git", "show", f"main:{name}", cwd=self.server.repository()) for name in names}


@pytest.fixture
def desk(server: Server, cluster: StandIn, tmp_path: Path) -> Desk:
    cluster.source = "https://git.example.org/hello.git"
    return Desk(server, cluster, tmp_path / "desk")


@pytest.fixture(scope="module", autouse=True)
def programs() -> None:
    sources.install()


@pytest.fixture
def repositories(tmp_path: Path) -> Path:
    """A folder with `private.git` and `open.git`, each with one commit on main."""
    folder = tmp_path / "foreign"
    for name in ("private.git", "open.git"):
        call("git", "init", "--quiet", "--bare", "--initial-branch=main", str(folder / name))
        commit(folder / name, {"app.py": "one"})
    return folder


def commit(repository: Path, files: dict[str, str], branch: str = "main") -> str:
    """A commit of exactly these files after the branch's last."""
    work = repository.parent / f"work-{repository.name}"
    with contextlib.suppress(FileNotFoundError):
        subprocess.run(["rm", "-rf", str(work)], check=True)
    work.mkdir()
    options = [
        f"--git-dir={repository}",
        f"--work-tree={work}",
        "-c",
        "user.name=Mei",
        "-c",
        "user.email=m@example.org",
    ]
    for name, text in files.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(text)
    call("git", *options, "symbolic-ref", "HEAD", f"refs/heads/{branch}")
    call("git", *options, "add", "--all")
    call("git", *options, "commit", "--quiet", "--allow-empty", "-m", "A change.")
    return call("git", *options, "rev-parse", "HEAD")


def test_git_over_http_with_a_password(desk: Desk, repositories: Path, tmp_path: Path) -> None:
    with sources.apache(tmp_path / "apache", repositories) as address:
        url = f"{address}/git/private.git"
        refused = desk.look(url)
        assert (refused.ok, refused.reason) == (False, "CredentialsRefused")
        desk.secret = {"username": USER, "password": "wrong"}
        assert desk.look(url).reason == "CredentialsRefused"
        desk.secret = {"username": USER, "password": PASSWORD}
        first = desk.look(url)
        assert first.ok and first.moved and first.commit == desk.head()
        assert len(desk.cluster.runs) == 1
        again = desk.look(url)
        assert again.ok and not again.moved and len(desk.cluster.runs) == 1
        assert PASSWORD not in refused.message + first.message


def test_a_branch_that_returns_to_an_earlier_commit_runs_again(desk: Desk, repositories: Path, tmp_path: Path) -> None:
    source = repositories / "open.git"
    with sources.apache(tmp_path / "apache", repositories) as address:
        url = f"{address}/git/open.git"
        one = desk.look(url).commit
        two = commit(source, {"app.py": "two"})
        assert desk.look(url).commit == two
        call("git", "-c", "safe.directory=*", "update-ref", "refs/heads/main", one, cwd=source)
        assert desk.look(url).commit == one == desk.head()
        assert [run["spec"]["commit"] for run in desk.cluster.runs.values()] == [one, two, one]
        assert {run["spec"]["author"] for run in desk.cluster.runs.values()} == {""}


def test_git_over_ssh_wants_the_hosts_key(desk: Desk, repositories: Path, tmp_path: Path) -> None:
    with sources.sshd(tmp_path / "sshd") as (address, key, hosts):
        url = f"{address}{repositories}/open.git"
        assert desk.look(url).ok is False, "There is no key."
        desk.secret = {"ssh-privatekey": key}
        assert desk.look(url).reason == "HostUnknown"
        other = call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")) or "other.pub"
        false_host = " ".join((tmp_path / other).read_text().split()[:2])
        desk.secret = {"ssh-privatekey": key, "known_hosts": f"{hosts.split(' ')[0]} {false_host}\n"}
        assert desk.look(url).reason == "HostUnknown"
        desk.secret = {"ssh-privatekey": key, "known_hosts": hosts}
        found = desk.look(url)
        assert found.ok and found.moved and desk.files() == {"app.py": "one"}


@pytest.fixture
def subversion(tmp_path: Path) -> Iterator[Path]:
    """A folder with the repository `private`: revision 1 has trunk/app.py."""
    folder = tmp_path / "subversion"
    folder.mkdir()
    call("svnadmin", "create", str(folder / "private"))
    put(folder, "trunk/app.py", "one", new=("trunk",))
    yield folder


def put(folder: Path, name: str, text: str, new: tuple[str, ...] = ()) -> None:
    """One revision in which the file has this text."""
    work = folder / "work"
    subprocess.run(["rm", "-rf", str(work)], check=True)
    call("svn", "checkout", "--quiet", f"file://{folder}/private", str(work))
    for item in new:
        call("svn", "mkdir", str(work / item))
    known = (work / name).exists()
    (work / name).write_text(text)
    if not known:
        call("svn", "add", str(work / name))
    call("svn", "commit", "--quiet", "-m", "A change.", str(work))


def test_subversion_by_svnserve_and_by_revision(desk: Desk, subversion: Path) -> None:
    with sources.svnserve(subversion) as address:
        url = f"{address}/private"
        first = desk.look(url, "svn", "trunk")
        assert (first.ok, first.moved, first.revision) == (True, True, "1") and desk.files() == {"app.py": "one"}
        assert not desk.look(url, "svn", "trunk").moved
        put(subversion, "tags/v1/notes", "elsewhere", new=("tags", "tags/v1"))
        assert not desk.look(url, "svn", "trunk").moved, "Only what is beneath trunk counts."
        put(subversion, "trunk/app.py", "two")
        third = desk.look(url, "svn", "trunk")
        assert third.moved and third.revision == "3" and desk.files() == {"app.py": "two"}
        assert len(desk.cluster.runs) == 2
        assert desk.look(url, "svn", "branches/none").reason == "BranchMissing"


def test_subversion_by_apache_with_a_password(desk: Desk, subversion: Path, tmp_path: Path) -> None:
    with sources.apache(tmp_path / "apache", subversion) as address:
        url = f"{address}/svn/private"
        assert desk.look(url, "svn", "trunk").reason == "CredentialsRefused"
        desk.secret = {"username": USER, "password": PASSWORD}
        assert desk.look(url, "svn", "trunk").moved and desk.files() == {"app.py": "one"}


def test_what_a_hostile_tree_brings_does_nothing(desk: Desk, subversion: Path, tmp_path: Path) -> None:
    mark = tmp_path / "owned"
    work = subversion / "work"
    call("svn", "checkout", "--quiet", f"file://{subversion}/private", str(work))
    hostile = work / "trunk/.git/hooks"
    hostile.mkdir(parents=True)
    (hostile / "pre-commit").write_text(f"#!/bin/sh\ntouch {mark}\n")
    (hostile / "pre-commit").chmod(0o755)
    (work / "trunk/.git/config").write_text(f"[core]\n\tfsmonitor = touch {mark}\n")
    (work / "trunk/.gitattributes").write_text("* filter=evil\n")
    (work / "trunk/--upload-pack=x").write_text("a name")
    call("svn", "add", "--force", str(work / "trunk"))
    call("svn", "propset", "svn:externals", f"file://{subversion}/private/trunk stolen", str(work / "trunk"))
    call("svn", "commit", "--quiet", "-m", "Evil.", str(work))
    with sources.svnserve(subversion) as address:
        assert desk.look(f"{address}/private", "svn", "trunk").moved
    assert sorted(desk.files()) == ["--upload-pack=x", ".gitattributes", "app.py"] and not mark.exists()


def test_people_do_not_push_to_what_follows_another(clone: Clone, server: Server, desk: Desk) -> None:
    clone.commit("app.py")
    done = clone.git("push", server.url(), "main")
    assert done.code and "follows https://git.example.org/hello.git" in done.text
    desk.cluster.source = ""
    assert clone.git("push", server.url(), "main").code == 0


def test_a_token_to_fetch_opens_no_push(desk: Desk, repositories: Path, tmp_path: Path) -> None:
    token = fetch_token.mint(SECRET, ("acme", "hello"), datetime.now(UTC), timedelta(minutes=5))
    header = f"http.extraHeader=Authorization: Bearer {token}"
    command = ["git", "-c", header, "push", "--quiet", desk.server.url(), "main"]
    done = subprocess.run(command, cwd=repositories / "open.git", capture_output=True, text=True, check=False)
    assert done.returncode and not desk.cluster.runs
    other = fetch_token.mint(SECRET, ("acme", "other"), datetime.now(UTC), timedelta(minutes=5), fetch_token.PUSH)
    command[2] = f"http.extraHeader=Authorization: Bearer {other}"
    done = subprocess.run(command, cwd=repositories / "open.git", capture_output=True, text=True, check=False)
    assert done.returncode and not desk.cluster.runs


def test_a_report_fits_into_a_termination_message(desk: Desk) -> None:
    report = desk.look("http://127.0.0.1:9/none.git")
    assert report.reason == "Unreachable"
    assert len(json.dumps(report.wire())) < 4096


def names(desk: Desk) -> dict[str, int]:
    """How many runs each ref has."""
    refs = [run["spec"]["ref"] for run in desk.cluster.runs.values()]
    return {ref: refs.count(ref) for ref in refs}


TRIGGERS = {"tags": [{"pattern": "v*"}], "branches": [{"pattern": "release/*"}, {"pattern": "next"}]}
REFS = ("refs/heads/release/*", "refs/heads/next", "refs/tags/v*")


def test_tags_and_branches_of_git_come_along_and_run_once(desk: Desk, repositories: Path, tmp_path: Path) -> None:
    desk.cluster.more = {"triggers": TRIGGERS}
    desk.secret = {"username": USER, "password": PASSWORD}
    source = repositories / "private.git"
    for number in range(5):
        call("git", f"--git-dir={source}", "tag", f"v0.{number}")
    with sources.apache(tmp_path / "apache", repositories) as address:
        url = f"{address}/git/private.git"
        assert desk.look(url, refs=REFS).ok, "That there is no branch `next` is no mistake."
        assert names(desk) == {"refs/heads/main": 1}, "Five tags at once, as a first look meets them."
        assert not desk.look(url, refs=REFS).moved
        call("git", f"--git-dir={source}", "tag", "v1")
        call("git", f"--git-dir={source}", "tag", "other")
        call("git", f"--git-dir={source}", "branch", "next")
        call("chown", "-R", "www-data:", str(source))
        second = desk.look(url, refs=REFS)
        assert second.moved and names(desk) == {"refs/heads/main": 1, "refs/tags/v1": 1, "refs/heads/next": 1}
        assert not desk.look(url, refs=REFS).moved and len(desk.cluster.runs) == 3


def test_tags_of_subversion_come_along_as_they_are_made(desk: Desk, subversion: Path) -> None:
    desk.cluster.more = {"triggers": TRIGGERS}
    with sources.svnserve(subversion) as address:
        url = f"{address}/private"
        put(subversion, "tags/v0/app.py", "old", new=("tags", "tags/v0"))
        assert desk.look(url, "svn", "trunk", refs=REFS, tags="tags").moved
        assert not desk.look(url, "svn", "trunk", refs=REFS, tags="tags").moved
        assert names(desk) == {"refs/heads/main": 1}, "v0 was there before anybody followed."
        assert desk.look(url, "svn", "trunk", refs=REFS, tags="none").reason in ("BranchMissing", "Unreachable")
        put(subversion, "tags/v1/app.py", "tagged", new=("tags/v1",))
        put(subversion, "tags/other/app.py", "tagged", new=("tags/other",))
        second = desk.look(url, "svn", "trunk", refs=REFS, tags="tags")
        assert second.moved and names(desk) == {"refs/heads/main": 1, "refs/tags/v1": 1}
        assert call("git", "show", "v1:app.py", cwd=desk.server.repository()) == "tagged"
        assert not desk.look(url, "svn", "trunk", refs=REFS, tags="tags").moved
        put(subversion, "trunk/app.py", "three")
        put(subversion, "tags/v2/app.py", "tagged", new=("tags/v2",))
        assert desk.look(url, "svn", "trunk", refs=REFS, tags="tags").moved
        assert names(desk) == {"refs/heads/main": 2, "refs/tags/v1": 1, "refs/tags/v2": 1}


@pytest.mark.parametrize("name", ["v--upload-pack", "v a", "v..x", "v.lock", "v$(touch x)", "-v"])
def test_names_of_subversion_that_are_none_of_git_stay_away(desk: Desk, subversion: Path, name: str) -> None:
    desk.cluster.more = {"triggers": {"tags": [{"pattern": "*"}]}}
    with sources.svnserve(subversion) as address:
        url = f"{address}/private"
        assert desk.look(url, "svn", "trunk", refs=("refs/tags/*",)).ok
        work = f"file://{subversion}/private/tags"
        call("svn", "mkdir", "--quiet", "-m", "Tags.", work)
        call("svn", "mkdir", "--quiet", "-m", "A tag.", "--", f"{work}/{name}")
        looked = desk.look(url, "svn", "trunk", refs=("refs/tags/*",), tags="tags")
        assert looked.ok, looked.message
        refs = call("git", "tag", cwd=desk.server.repository()).split()
        assert refs == ([name] if name == "v--upload-pack" else [])


def test_only_parts_of_a_folder_come_and_count(desk: Desk, subversion: Path) -> None:
    put(subversion, "trunk/lib/a.py", "a", new=("trunk/lib",))
    put(subversion, "trunk/films/big.bin", "big", new=("trunk/films",))
    with sources.svnserve(subversion) as address:
        url, parts = f"{address}/private", ["lib", "app.py"]
        assert desk.look(url, "svn", "trunk", only=parts).moved
        assert desk.files() == {"app.py": "one", "lib/a.py": "a"}
        put(subversion, "trunk/films/big.bin", "bigger")
        assert not desk.look(url, "svn", "trunk", only=parts).moved, "A part that does not come does not count."
        put(subversion, "trunk/lib/a.py", "b")
        assert desk.look(url, "svn", "trunk", only=parts).moved and desk.files()["lib/a.py"] == "b"
        assert desk.look(url, "svn", "trunk", only=["lib"]).moved and list(desk.files()) == ["lib/a.py"]
        assert desk.look(url, "svn", "trunk", only=["none"]).reason == "BranchMissing"
    assert len(desk.cluster.runs) == 3


def test_a_branch_and_a_tag_are_folders_like_trunk(desk: Desk, subversion: Path) -> None:
    put(subversion, "branches/next/app.py", "next", new=("branches", "branches/next"))
    put(subversion, "tags/v1/app.py", "v1", new=("tags", "tags/v1"))
    with sources.svnserve(subversion) as address:
        url = f"{address}/private"
        assert desk.look(url, "svn", "branches/next").moved and desk.files() == {"app.py": "next"}
        assert desk.look(url, "svn", "tags/v1").moved and desk.files() == {"app.py": "v1"}
        assert not desk.look(url, "svn", "tags/v1").moved
        assert desk.look(url, "svn", "trunk").moved and desk.files() == {"app.py": "one"}


def test_post_commit_of_a_repository_makes_a_look(desk: Desk, subversion: Path) -> None:
    secret = hook_secret(SECRET, ("acme", "hello"), "uid-1", 1)
    hook = subversion / "private/hooks/post-commit"
    with gate(desk.server) as there:
        ask = (
            f'curl --silent --max-time 20 -X POST -H "Authorization: Bearer {secret}" {there.address}/hooks/acme/hello'
        )
        hook.write_text(f"#!/bin/sh\n{ask}\nexit 0\n")
        hook.chmod(0o755)
        put(subversion, "trunk/app.py", "two")
        assert there.answered == [202] and len(desk.cluster.looked) == 1
        hook.write_text(hook.read_text().replace(secret, "rsh_guessed"))
        put(subversion, "trunk/app.py", "three")
        assert there.answered == [202, 401] and len(desk.cluster.looked) == 1


def test_tags_and_other_branches_come_along_where_they_are_built(
    desk: Desk, repositories: Path, tmp_path: Path
) -> None:
    source = repositories / "open.git"
    desk.cluster.more = {"triggers": {"tags": [{"pattern": "v*"}], "branches": [{"pattern": "release/*"}]}}
    refs = ["refs/tags/v*", "refs/heads/release/*"]
    with sources.apache(tmp_path / "apache", repositories) as address:
        url = f"{address}/git/open.git"
        assert desk.look(url, refs=refs).moved and len(desk.cluster.runs) == 1
        for ref in ("refs/tags/v1", "refs/tags/other", "refs/heads/release/2", "refs/heads/private"):
            call("git", "-c", "safe.directory=*", "update-ref", ref, "refs/heads/main", cwd=source)
        assert desk.look(url, refs=refs).moved
        assert not desk.look(url, refs=refs).moved
    built = sorted(run["spec"]["ref"] for run in desk.cluster.runs.values())
    assert built == ["refs/heads/main", "refs/heads/release/2", "refs/tags/v1"]
