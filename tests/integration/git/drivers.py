"""Every type of source behind one interface, each with its real server. `test_sources` is the contract over all."""

import contextlib
import io
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import httpx2

from roost.builds.foreign import carry_out
from roost.builds.sources.bench import Place
from roost.model.fetch_task import FetchReport, FetchTask
from roost.surface import fetch_token
from tests.integration.git import registries, sources
from tests.integration.git.conftest import SECRET, Clone, Server, StandIn, make_clone
from tests.integration.git.sources import PASSWORD, USER, call

Files = Mapping[str, str]
HOSTILE: Files = {"app.py": "one", "--upload-pack=touch x": "a name", ".gitattributes": "* filter=evil\n"}


@dataclass(frozen=True)
class Outcome:
    """What came of bringing what is new. reason: as an import's; of people's own ways, what they were told."""

    ok: bool
    moved: bool = False
    reason: str = ""
    words: str = ""


class Driver(Protocol):
    """One type of source with its server."""

    def put(self, files: Files) -> None:
        """The source holds exactly these files from now on."""

    def bring(self) -> Outcome:
        """What is new there comes to the hosted repository: a look, a push or an upload."""

    def spoil(self) -> None:
        """The credentials are wrong from now on."""

    def vanish(self) -> None:
        """The server is gone from now on."""


Make = Callable[["Bench"], AbstractContextManager[Driver]]


@dataclass
class Bench:
    """The hosted side, and looks at sources: each in a folder of its own, as in a pod of its own."""

    server: Server
    cluster: StandIn
    folder: Path
    secret: dict[str, str] = field(default_factory=dict)
    own: registries.Store | None = None
    bundle: str = ""
    forge: str = ""  # The forge's token.
    count: int = 0

    def look(self, **task: Any) -> FetchReport:
        """One import of the project acme/hello."""
        self.count += 1
        root = self.folder / f"look-{self.count}"
        place = Place(root / "credentials", root / "source", root / "trust", root / "work", 60, root / "forge")
        for item in (place.credentials, place.source, place.trust, place.work, root / "forge"):
            item.mkdir(parents=True)
        (root / "forge" / "token").write_text(self.forge)
        token = fetch_token.mint(SECRET, ("acme", "hello"), datetime.now(UTC), timedelta(minutes=5), fetch_token.PUSH)
        (place.credentials / "push").write_text(token)
        (place.credentials / "registry").write_text("any")
        (place.trust / "ca.crt").write_text(self.own.ca.read_text() if self.own else "")
        (place.trust / "bundle.crt").write_text(self.bundle or (place.trust / "ca.crt").read_text())
        for key, value in self.secret.items():
            (place.source / key).write_text(value)
        told = {
            "tenant": "acme",
            "project": "hello",
            "branch": "main",
            "gitUrl": f"http://127.0.0.1:{self.server.port}",
            "registry": self.own.host if self.own else "",
            "timeoutS": 60,
        }
        return carry_out(FetchTask.model_validate(told | task), place)

    def bring(self, **task: Any) -> Outcome:
        """A look, as the contract tells it."""
        report = self.look(**task)
        assert PASSWORD not in report.message, "A password stands in what people are told."
        return Outcome(report.ok, report.moved, report.reason, report.message)

    def head(self) -> str:
        """Where the hosted branch stands; empty: nowhere."""
        if not self.server.repository().exists():
            return ""
        return call("git", "for-each-ref", "--format=%(objectname)", "refs/heads/main", cwd=self.server.repository())

    def files(self) -> dict[str, str]:
        """The hosted branch's files."""
        names = call("git", "ls-tree", "-r", "-z", "--name-only", "main", cwd=self.server.repository())
        found = [name for name in names.split("\0") if name]
        return {name: call("git", "show", f"main:{name}", cwd=self.server.repository()) for name in found}


def commit(repository: Path, files: Files, branch: str = "main") -> str:
    """A commit of exactly these files after the branch's last, in a bare repository."""
    work = repository.parent / f"work-{repository.name}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    options = [f"--git-dir={repository}", f"--work-tree={work}", "-c", "user.name=Mei", "-c", "user.email=m@x.org"]
    for name, text in files.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(text)
    call("git", *options, "-c", "safe.directory=*", "symbolic-ref", "HEAD", f"refs/heads/{branch}")
    call("git", *options, "-c", "safe.directory=*", "add", "--all", "--force")
    call("git", *options, "-c", "safe.directory=*", "commit", "--quiet", "--allow-empty", "-m", "A change.")
    return call("git", *options, "-c", "safe.directory=*", "rev-parse", "HEAD")


def bare(folder: Path, name: str) -> Path:
    """A new repository."""
    call("git", "init", "--quiet", "--bare", "--initial-branch=main", str(folder / name))
    return folder / name


class _Followed:
    """What imports look at."""

    def __init__(self, bench: Bench, server: ExitStack, **task: Any) -> None:
        self.bench = bench
        self.server = server
        self.task = task

    def bring(self) -> Outcome:
        return self.bench.bring(**self.task)

    def vanish(self) -> None:
        self.server.close()


class _Git(_Followed):
    def __init__(self, bench: Bench, server: ExitStack, repository: Path, **task: Any) -> None:
        super().__init__(bench, server, type="git", **task)
        self.repository = repository
        self._known: dict[str, str] = {}

    def put(self, files: Files) -> None:
        """A set of files that was there before is the commit of then: the branch goes back."""
        key = repr(sorted(files.items()))
        if key in self._known:
            update = ["-c", "safe.directory=*", "update-ref", "refs/heads/main", self._known[key]]
            call("git", *update, cwd=self.repository)
            return
        self._known[key] = commit(self.repository, files)

    def spoil(self) -> None:
        self.bench.secret = {"username": USER, "password": "wrong"}


class _GitByHttp(_Git):
    def put(self, files: Files) -> None:
        super().put(files)
        call("chown", "-R", "www-data:", str(self.repository))


@contextlib.contextmanager
def git_by_http(bench: Bench) -> Iterator[Driver]:
    """git http-backend behind Apache, with a password."""
    folder = bench.folder / "foreign"
    folder.mkdir()
    repository = bare(folder, "private.git")
    bench.secret = {"username": USER, "password": PASSWORD}
    with ExitStack() as stack:
        address = stack.enter_context(sources.apache(bench.folder / "apache", folder))
        yield _GitByHttp(bench, stack, repository, url=f"{address}/git/private.git")


class _GitBySsh(_Git):
    def spoil(self) -> None:
        other = self.bench.folder / "other"
        call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other))
        self.bench.secret |= {"ssh-privatekey": other.read_text()}


@contextlib.contextmanager
def git_by_ssh(bench: Bench) -> Iterator[Driver]:
    """sshd, with a key."""
    folder = bench.folder / "foreign"
    folder.mkdir()
    repository = bare(folder, "open.git")
    with ExitStack() as stack:
        address, key, hosts = stack.enter_context(sources.sshd(bench.folder / "sshd"))
        bench.secret = {"ssh-privatekey": key, "known_hosts": hosts}
        yield _GitBySsh(bench, stack, repository, url=f"{address}{repository}")


class _Svn(_Followed):
    def __init__(self, bench: Bench, server: ExitStack, repository: Path, **task: Any) -> None:
        super().__init__(bench, server, type="svn", path="trunk", **task)
        self.repository = repository

    def put(self, files: Files) -> None:
        """One revision of trunk."""
        work = self.bench.folder / "svn-work"
        shutil.rmtree(work, ignore_errors=True)
        call("svn", "checkout", "--quiet", f"file://{self.repository}", str(work))
        trunk = work / "trunk"
        if not trunk.exists():
            call("svn", "mkdir", "--quiet", str(trunk))
        for path in sorted(trunk.rglob("*")):
            if path.is_file() and str(path.relative_to(trunk)) not in files:
                call("svn", "delete", "--quiet", "--", f"{path}@")
        for name, text in files.items():
            (trunk / name).parent.mkdir(parents=True, exist_ok=True)
            (trunk / name).write_text(text)
        call("svn", "add", "--quiet", "--force", str(trunk))
        call("svn", "commit", "--quiet", "-m", "A change.", str(work))

    def spoil(self) -> None:
        self.bench.secret = {"username": USER, "password": "wrong"}


@contextlib.contextmanager
def svn_by_svnserve(bench: Bench) -> Iterator[Driver]:
    """svnserve, with a password."""
    folder = bench.folder / "subversion"
    folder.mkdir()
    call("svnadmin", "create", str(folder / "private"))
    configuration = folder / "private/conf"
    (configuration / "svnserve.conf").write_text("[general]\nanon-access = none\npassword-db = passwd\nrealm = r\n")
    (configuration / "passwd").write_text(f"[users]\n{USER} = {PASSWORD}\n")
    bench.secret = {"username": USER, "password": PASSWORD}
    with ExitStack() as stack:
        address = stack.enter_context(sources.svnserve(folder))
        yield _Svn(bench, stack, folder / "private", url=f"{address}/private")


@contextlib.contextmanager
def svn_by_apache(bench: Bench) -> Iterator[Driver]:
    """Apache with mod_dav_svn, with a password."""
    folder = bench.folder / "subversion"
    folder.mkdir()
    call("svnadmin", "create", str(folder / "private"))
    bench.secret = {"username": USER, "password": PASSWORD}
    with ExitStack() as stack:
        address = stack.enter_context(sources.apache(bench.folder / "apache", folder))
        made = _Svn(bench, stack, folder / "private", url=f"{address}/svn/private")
        yield made


class _Image(_Followed):
    """Its files are the image's text: one of the same text is the same image."""

    def __init__(self, bench: Bench, server: ExitStack, store: registries.Store, **task: Any) -> None:
        super().__init__(bench, server, type="image", image=f"{store.host}/team/app:stable", **task)
        self.store = store
        self.digest = ""

    def put(self, files: Files) -> None:
        self.digest = self.store.image("team/app", "stable", repr(sorted(files.items())))

    def spoil(self) -> None:
        self.bench.secret = {"username": USER, "password": "wrong"}


@contextlib.contextmanager
def image(bench: Bench) -> Iterator[Driver]:
    """A registry with a password, and the platform's own, which stays."""
    bench.secret = {"username": USER, "password": PASSWORD}
    with registries.registry(bench.folder / "own", closed=False) as own, ExitStack() as stack:
        bench.own = own
        store = stack.enter_context(registries.registry(bench.folder / "foreign", closed=True))
        bench.bundle = store.ca.read_text()
        yield _Image(bench, stack, store)


class _Hosted:
    """People push."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.clone: Clone = make_clone(bench.folder / "clone")
        self.secret = SECRET
        self._known: dict[str, str] = {}

    def put(self, files: Files) -> None:
        key = repr(sorted(files.items()))
        if key in self._known:
            assert self.clone.git("reset", "--quiet", "--hard", self._known[key]).code == 0
            return
        for path in self.clone.path.iterdir():
            if path.name != ".git":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for name, text in files.items():
            (self.clone.path / name).parent.mkdir(parents=True, exist_ok=True)
            (self.clone.path / name).write_text(text)
        assert self.clone.git("add", "--all", "--force").code == 0
        assert self.clone.git("commit", "--quiet", "--allow-empty", "-m", "A change.").code == 0
        self._known[key] = self.clone.git("rev-parse", "HEAD").text.strip()

    def bring(self) -> Outcome:
        before = self.bench.head()
        command = self.clone.command("push", "--force", self.bench.server.url(), "HEAD:main")
        command = [word.replace(SECRET, self.secret) for word in command]
        done = subprocess.run(command, cwd=self.clone.path, capture_output=True, text=True, timeout=120, check=False)
        reason = "CredentialsRefused" if "403" in done.stderr else "Unreachable" if done.returncode else ""
        return Outcome(done.returncode == 0, self.bench.head() != before, reason)

    def spoil(self) -> None:
        self.secret = "x" * 20

    def vanish(self) -> None:
        self.bench.server.stop()


@contextlib.contextmanager
def hosted(bench: Bench) -> Iterator[Driver]:
    """People push to the git server itself."""
    bench.cluster.source = ""
    yield _Hosted(bench)


class _Archive:
    """People upload."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.secret = SECRET
        self.body = b""

    def put(self, files: Files) -> None:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w:gz") as archive:
            for name, text in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(text.encode())
                archive.addfile(member, io.BytesIO(text.encode()))
        self.body = out.getvalue()

    def bring(self) -> Outcome:
        named = {"Shared": self.secret, "Tenant": "acme", "Project": "hello", "Person": "ada"}
        headers = {f"X-Roost-{key}": value for key, value in named.items()}
        url = f"http://127.0.0.1:{self.bench.server.port}/archives/acme/hello?folder=keep"
        try:
            answer = httpx2.put(url, content=self.body, headers=headers, trust_env=False, timeout=60)
        except httpx2.HTTPError:
            return Outcome(False, reason="Unreachable")
        if answer.status_code == 403:
            return Outcome(False, reason="CredentialsRefused")
        return Outcome(answer.status_code == 200, answer.status_code == 200 and answer.json()["moved"], answer.text)

    def spoil(self) -> None:
        self.secret = "x" * 20

    def vanish(self) -> None:
        self.bench.server.stop()


@contextlib.contextmanager
def archive(bench: Bench) -> Iterator[Driver]:
    """People upload archives."""
    bench.cluster.source_type, bench.cluster.source = "archive", ""
    yield _Archive(bench)


DRIVERS: Mapping[str, Make] = {
    "hosted": hosted,
    "git by http": git_by_http,
    "git by ssh": git_by_ssh,
    "svn by svnserve": svn_by_svnserve,
    "svn by apache": svn_by_apache,
    "archive": archive,
    "image": image,
}
