"""Where a source is looked at: folders, programs, and the hosted repository that what is new goes to.

Every program is started by argv, without a shell, with an environment of its own; nothing of the foreign side is run:
no hook, filter, external or submodule. Credentials reach git and svn by files and pipes, never by argv.

    FetchFailed     it ended in a way that the project's owner must see
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from roost.model.fetch_task import PUSH_TOKEN, FetchTask
from roost.model.redaction import basic, redacted

MAX_SAID: Final = 800
SECRET_KEYS: Final = ("password", "ssh-privatekey")


class FetchFailed(Exception):
    """It ended in a way that the project's owner must see; `reason` is CamelCase."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Place:
    """Folders of an import, and the time it has. source, forge: Secrets that the project names; each may be missing."""

    credentials: Path
    source: Path
    trust: Path
    work: Path
    timeout_s: int
    forge: Path | None = None

    def bundle(self) -> str:
        """The certificates that the site trusts; the platform's own where there are no others."""
        both = self.trust / "bundle.crt"
        return str(both if both.exists() else self.trust / "ca.crt")

    def secret(self, key: str) -> str:
        """One entry of the source's Secret, or nothing."""
        path = self.source / key
        return path.read_text().strip("\n") if path.exists() else ""

    def own(self, key: str) -> str:
        """One entry of the import's own Secret."""
        return (self.credentials / key).read_text().strip()

    def sayable(self, text: str) -> str:
        """A text for people, whatever the other side put into it: no control characters, none of the credentials."""
        held = [self.secret(key) for key in SECRET_KEYS]
        held += [path.read_text() for folder in (self.credentials, self.forge) if folder for path in _files(folder)]
        return redacted(text, [*held, basic(self.secret("username"), self.secret("password"))])


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []


def run(
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


def settings(config: Sequence[tuple[str, str]]) -> dict[str, str]:
    """git's configuration by its environment, beside `config`; no file of the machine or of the repository counts."""
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


def hosted(task: FetchTask, place: Place) -> tuple[str, dict[str, str]]:
    """(address, environment) of the hosted repository."""
    token = place.own(PUSH_TOKEN)
    environment = settings([("http.extraHeader", f"Authorization: Bearer {token}"), ("http.followRedirects", "false")])
    return f"{task.git_url}/{task.tenant}/{task.project}.git", environment | {
        "GIT_SSL_CAINFO": str(place.trust / "ca.crt")
    }


def hosted_head(task: FetchTask, place: Place, folder: Path) -> str:
    """Where the hosted branch stands; empty: nowhere yet."""
    address, environment = hosted(task, place)
    command = ["git", "-C", str(folder), "ls-remote", "--end-of-options", address, f"refs/heads/{task.branch}"]
    return run(place, command, environment, "Reading the hosted repository").partition("\t")[0].strip()


def push(task: FetchTask, place: Place, folder: Path, commit: str, refs: Sequence[str] = ()) -> None:
    """The hosted branch stands where the source's does, also where that went back; and so do other `refs`."""
    address, environment = hosted(task, place)
    moved = [f"+{commit}:refs/heads/{task.branch}", *(f"+{ref}:{ref}" for ref in refs)]
    command = ["git", "-C", str(folder), "push", "--quiet", "--end-of-options", address, *moved]
    try:
        run(place, command, environment, "Keeping what is new")
    except FetchFailed as error:
        raise FetchFailed("Refused", f"The hosted repository does not take it: {error}") from error


def commit_all(place: Place, folder: Path, tree: Path, head: str, said: tuple[str, str, str]) -> str:
    """A commit of all files of `tree` after `head`. `said`: author, date (empty: now), message. Folders named `.git`
    are no files to git, so none gets in.
    """
    author = "".join(char for char in said[0] if char.isprintable() and char not in "<>")[:100].strip() or "nobody"
    who = {"GIT_AUTHOR_NAME": author, "GIT_AUTHOR_EMAIL": f"{author}@source"}
    who |= {"GIT_COMMITTER_NAME": "Roost", "GIT_COMMITTER_EMAIL": "roost@localhost"}
    if said[1]:
        who |= {"GIT_AUTHOR_DATE": said[1], "GIT_COMMITTER_DATE": said[1]}
    environment = settings([("core.autocrlf", "false"), ("core.excludesFile", os.devnull)]) | who
    work = ["git", f"--git-dir={folder}", f"--work-tree={tree}"]
    run(place, [*work, "add", "--all", "--force", "."], environment, "Reading the files")
    written = run(place, [*work, "write-tree"], environment, "Writing the files").strip()
    parent = ["-p", head] if head else []
    return run(place, [*work, "commit-tree", *parent, written], environment, "Writing a commit", said[2]).strip()


def trailer(place: Place, folder: Path, commit: str, key: str) -> str:
    """What the trailer of a commit says; empty: it has none."""
    show = ["git", "-C", str(folder), "show", "-s", f"--format=%(trailers:key={key},valueonly)", commit]
    return run(place, show, settings([]), "Reading a commit").strip()


def proxy(task: FetchTask) -> dict[str, str]:
    """The variables that name the site's proxy."""
    if not task.proxy:
        return {}
    return dict.fromkeys(("http_proxy", "https_proxy", "HTTPS_PROXY"), task.proxy) | {"no_proxy": ".svc,localhost"}


def hosted_commit(task: FetchTask, place: Place, folder: Path) -> str:
    """The hosted branch's last commit, fetched alone; empty: there is none."""
    run(place, ["git", "init", "--quiet", "--bare", "--template=", str(folder)], settings([]), "Making a repository")
    head = hosted_head(task, place, folder)
    if head:
        address, environment = hosted(task, place)
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
        run(place, fetch, environment, "Reading the hosted repository")
    return head
