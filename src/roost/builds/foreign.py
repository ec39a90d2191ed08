"""An import in its pod: what is new at a foreign repository goes to the hosted one.

`roost.mains.fetch` calls `carry_out`.

Every program is started by argv, without a shell, with an environment of its own; nothing of the foreign repository is
run: no hook, filter, external or submodule. Credentials reach git and svn by files and pipes, never by argv.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from roost.model.fetch_task import PUSH_TOKEN, FetchReport, FetchTask

# git tells a helper's caller `username=` and `password=`; both are read from the mounted Secret.
HELPER: Final = (
    '!f() { test "$1" = get && echo "username=$(cat {0}/username)" && echo "password=$(cat {0}/password)"; }; f'
)
TRAILER: Final = "Svn-Revision"
MAX_SAID: Final = 800


class FetchFailed(Exception):
    """It ended in a way that the project's owner must see; `reason` is CamelCase."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Place:
    """Folders of an import, and the time it has. source: the Secret that the project names; it may be missing."""

    credentials: Path
    source: Path
    trust: Path
    work: Path
    timeout_s: int

    def bundle(self) -> str:
        """The certificates that the site trusts; the platform's own where there are no others."""
        both = self.trust / "bundle.crt"
        return str(both if both.exists() else self.trust / "ca.crt")

    def secret(self, key: str) -> str:
        """One entry of the source's Secret, or nothing."""
        path = self.source / key
        return path.read_text().strip("\n") if path.exists() else ""


def carry_out(task: FetchTask, place: Place) -> FetchReport:
    """The whole import; a report in every case."""
    try:
        return _git(task, place) if task.type == "git" else _svn(task, place)
    except FetchFailed as error:
        return FetchReport(ok=False, reason=error.reason, message=str(error)[:1500])
    except subprocess.TimeoutExpired:
        words = f"It took longer than {task.timeout_s} s: the source does not answer, or it is too large."
        return FetchReport(ok=False, reason="TimedOut", message=words)


def _run(
    place: Place, command: Sequence[str], environment: Mapping[str, str], what: str, stdin: str | None = None
) -> str:
    """What the program printed; FetchFailed with its last words."""
    base = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": str(place.work), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        list(command),
        env=base | dict(environment),
        cwd=place.work,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=place.timeout_s,
        check=False,
    )
    if done.returncode:
        raise FetchFailed(*_explained(what, done.stderr.strip()))
    return done.stdout


def _explained(what: str, said: str) -> tuple[str, str]:
    """(reason, message) for what git or svn said."""
    low, told = said.lower(), said[-MAX_SAID:]
    for reason, hint, signs in (
        (
            "CredentialsRefused",
            "The source refuses the credentials, or asks for some: `roost source credentials`.",
            (
                "authentication failed",
                "could not read username",
                "permission denied",
                "authorization failed",
                "e170001",
            ),
        ),
        (
            "HostUnknown",
            "The host's key is none of `known_hosts` in the credentials.",
            ("host key verification failed",),
        ),
        (
            "BranchMissing",
            "The source has no such branch or folder.",
            ("couldn't find remote ref", "e160013", "e170000: url", "non-existent"),
        ),
        (
            "Unreachable",
            "The source cannot be reached from here, or there is no repository at its address.",
            (
                "could not resolve",
                "failed to connect",
                "unable to connect",
                "couldn't connect",
                "connection refused",
                "not found",
                "timed out",
                "e170013",
            ),
        ),
    ):
        if any(sign in low for sign in signs):
            return reason, f"{hint} It said: {told}"
    return "FetchFailed", f"{what} failed: {told}"


def _ssh(place: Place) -> dict[str, str]:
    """The command by which git reaches ssh: this key, these hosts, nothing else of the machine."""
    key, hosts = place.source / "ssh-privatekey", place.source / "known_hosts"
    if not key.exists():
        return {"GIT_SSH_COMMAND": "false"}
    if not hosts.exists():
        raise FetchFailed("HostUnknown", "The credentials hold a key but no `known_hosts`: add the host's public key.")
    own = place.work / "key"  # ssh takes no key that others may read.
    own.write_text(key.read_text().rstrip("\n") + "\n")
    own.chmod(0o600)
    options = ["BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=yes", "ConnectTimeout=20"]
    words = [
        "ssh",
        "-F",
        "none",
        "-i",
        str(own),
        "-o",
        f"UserKnownHostsFile={hosts}",
        "-o",
        "GlobalKnownHostsFile=none",
    ]
    return {"GIT_SSH_COMMAND": " ".join([*words, *(word for option in options for word in ("-o", option))])}


def _settings(config: Sequence[tuple[str, str]]) -> dict[str, str]:
    """git's configuration by its environment; no file of the machine or of the repository counts."""
    common = [("core.hooksPath", os.devnull), ("core.fsmonitor", "false"), ("protocol.allow", "never")]
    common += [("submodule.recurse", "false"), ("fetch.fsckObjects", "true"), ("gc.auto", "0")]
    common += [(f"protocol.{name}.allow", "always") for name in ("http", "https", "ssh")]
    found = {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_COUNT": str(len(common) + len(config)),
    }
    for at, (key, value) in enumerate([*common, *config]):
        found |= {f"GIT_CONFIG_KEY_{at}": key, f"GIT_CONFIG_VALUE_{at}": value}
    return found


def _hosted(task: FetchTask, place: Place) -> tuple[str, dict[str, str]]:
    """(address, environment) of the hosted repository."""
    token = (place.credentials / PUSH_TOKEN).read_text().strip()
    environment = _settings([("http.extraHeader", f"Authorization: Bearer {token}"), ("http.followRedirects", "false")])
    return f"{task.git_url}/{task.tenant}/{task.project}.git", environment | {
        "GIT_SSL_CAINFO": str(place.trust / "ca.crt")
    }


def _hosted_head(task: FetchTask, place: Place, folder: Path) -> str:
    """Where the hosted branch stands; empty: nowhere yet."""
    address, environment = _hosted(task, place)
    command = ["git", "-C", str(folder), "ls-remote", "--end-of-options", address, f"refs/heads/{task.branch}"]
    return _run(place, command, environment, "Reading the hosted repository").partition("\t")[0].strip()


def _push(task: FetchTask, place: Place, folder: Path, commit: str) -> None:
    """The hosted branch stands where the source's does, also where that went back."""
    address, environment = _hosted(task, place)
    ref = f"+{commit}:refs/heads/{task.branch}"
    command = ["git", "-C", str(folder), "push", "--quiet", "--end-of-options", address, ref]
    try:
        _run(place, command, environment, "Keeping what is new")
    except FetchFailed as error:
        raise FetchFailed("Refused", f"The hosted repository does not take it: {error}") from error


def _proxy(task: FetchTask) -> dict[str, str]:
    if not task.proxy:
        return {}
    return dict.fromkeys(("http_proxy", "https_proxy", "HTTPS_PROXY"), task.proxy) | {"no_proxy": ".svc,localhost"}


def _git(task: FetchTask, place: Place) -> FetchReport:
    folder = place.work / "mirror.git"
    config = [("http.sslCAInfo", place.bundle()), ("http.followRedirects", "initial")]
    if place.secret("username") or place.secret("password"):
        config.append(("credential.helper", HELPER.replace("{0}", str(place.source))))
    environment = _settings(config) | _proxy(task) | _ssh(place)
    _run(place, ["git", "init", "--quiet", "--bare", "--template=", str(folder)], environment, "Making a repository")
    wanted = f"+refs/heads/{task.branch}:refs/heads/{task.branch}"
    fetch = ["git", "-C", str(folder), "fetch", "--quiet", "--no-tags", "--end-of-options", task.url, wanted]
    _run(place, fetch, environment, "Fetching")
    parse = ["git", "-C", str(folder), "rev-parse", f"refs/heads/{task.branch}"]
    commit = _run(place, parse, environment, "Reading the branch").strip()
    moved = _hosted_head(task, place, folder) != commit
    if moved:
        _push(task, place, folder, commit)
    return FetchReport(ok=True, commit=commit, moved=moved)


def _svn(task: FetchTask, place: Place) -> FetchReport:
    """The newest revision as a commit after the hosted branch's last, or nothing where that holds it already."""
    address = "/".join(part for part in (task.url.rstrip("/"), task.path) if part)
    options = ["--non-interactive", "--no-auth-cache", "--config-dir", str(_svn_settings(task, place))]
    stdin = None
    if place.secret("username"):
        options += ["--username", place.secret("username"), "--password-from-stdin"]
        stdin = place.secret("password")
    told = _run(place, ["svn", "info", "--xml", *options, "--", f"{address}@HEAD"], {}, "Asking Subversion", stdin)
    revision, author, date = _commit_of(told)
    folder, tree = place.work / "hosted.git", place.work / "tree"
    head = _hosted_commit(task, place, folder)
    if head and _revision_of(place, folder, head) == revision:
        return FetchReport(ok=True, commit=head, revision=revision, moved=False)
    export = ["svn", "export", "--quiet", "--ignore-externals", "-r", revision, *options]
    _run(place, [*export, "--", f"{address}@{revision}", str(tree)], {}, "Exporting", stdin)
    commit = _commit(place, folder, tree, head, (revision, author, date))
    _push(task, place, folder, commit)
    return FetchReport(ok=True, commit=commit, revision=revision, moved=True)


def _svn_settings(task: FetchTask, place: Place) -> Path:
    """A configuration folder of our own: which certificates count, and no tunnel to any program."""
    folder = place.work / "svn"
    folder.mkdir(exist_ok=True)
    lines = ["[global]", f"ssl-authority-files = {place.bundle()}", "store-passwords = no", "http-timeout = 60"]
    host, _, port = task.proxy.removeprefix("http://").rstrip("/").partition(":")
    if host and port:
        lines += [f"http-proxy-host = {host}", f"http-proxy-port = {port}"]
    (folder / "servers").write_text("\n".join(lines) + "\n")
    (folder / "config").write_text("[tunnels]\nssh = false\n")
    return folder


def _commit_of(xml: str) -> tuple[str, str, str]:
    """(revision, author, date) of the last change beneath the folder."""
    found = ElementTree.fromstring(xml).find("./entry/commit")
    if found is None or not (found.get("revision") or "").isdigit():
        raise FetchFailed("FetchFailed", "Subversion named no revision.")
    return str(found.get("revision")), found.findtext("author") or "nobody", found.findtext("date") or ""


def _hosted_commit(task: FetchTask, place: Place, folder: Path) -> str:
    """The hosted branch's last commit, fetched alone; empty: there is none."""
    _run(place, ["git", "init", "--quiet", "--bare", "--template=", str(folder)], _settings([]), "Making a repository")
    head = _hosted_head(task, place, folder)
    if head:
        address, environment = _hosted(task, place)
        fetch = [
            "git",
            "-C",
            str(folder),
            "fetch",
            "--quiet",
            "--depth=1",
            "--no-tags",
            "--end-of-options",
            address,
            head,
        ]
        _run(place, fetch, environment, "Reading the hosted repository")
    return head


def _revision_of(place: Place, folder: Path, commit: str) -> str:
    show = ["git", "-C", str(folder), "show", "-s", f"--format=%(trailers:key={TRAILER},valueonly)", commit]
    return _run(place, show, _settings([]), "Reading a commit").strip()


def _commit(place: Place, folder: Path, tree: Path, head: str, change: tuple[str, str, str]) -> str:
    """A commit of all files of `tree`. Folders named `.git` are no files to git, so none gets in."""
    revision, author, date = change
    who = {"GIT_AUTHOR_NAME": author, "GIT_AUTHOR_EMAIL": f"{author}@svn", "GIT_AUTHOR_DATE": date or "now"}
    who |= {
        "GIT_COMMITTER_NAME": "Roost",
        "GIT_COMMITTER_EMAIL": "roost@localhost",
        "GIT_COMMITTER_DATE": date or "now",
    }
    environment = _settings([("core.autocrlf", "false"), ("core.excludesFile", os.devnull)]) | who
    work = ["git", f"--git-dir={folder}", f"--work-tree={tree}"]
    _run(place, [*work, "add", "--all", "--force", "."], environment, "Reading the files")
    written = _run(place, [*work, "write-tree"], environment, "Writing the files").strip()
    message = f"Revision {revision} of Subversion\n\n{TRAILER}: {revision}\n"
    parent = ["-p", head] if head else []
    return _run(place, [*work, "commit-tree", *parent, written], environment, "Writing a commit", message).strip()
