"""The git repository of the working directory, for commands that push from it or compare with it.

git is a program of its own: what it says goes to the person as it comes. Roost's login answers git's question for name
and password through `roost credential`, which git calls; nothing secret is written into the repository.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from roost.surface.terminal.failure import CONFLICT, REFUSED, USAGE, Failure
from roost.surface.terminal.state import Login
from roost.surface.terminal.words import tr

if TYPE_CHECKING:
    import subprocess

REMOTE: Final = "roost"
UNSET: Final = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_SSL_CAINFO")


class Repository:
    """A folder, which may be a git repository."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        # Where git stands is the folder alone, whatever the caller's hooks had set; whom it trusts is what `connect`
        # wrote, which a variable would beat.
        self._environment = {key: value for key, value in environment.items() if key not in UNSET}

    def _run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        import shutil
        import subprocess

        if shutil.which("git", path=self._environment.get("PATH", os.defpath)) is None:
            raise Failure(tr("git is not installed here."), hint=tr("Install git and repeat the command."))
        return subprocess.run(
            ["git", "-C", str(self.folder), *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )

    def program(self) -> str:
        """Which git there is; empty: none."""
        try:
            return self._run("--version").stdout.strip()
        except Failure:
            return ""

    def ask(self, *arguments: str) -> str:
        """What git answers, without the line end; empty where it does not."""
        done = self._run(*arguments)
        return done.stdout.strip() if done.returncode == 0 else ""

    def do(self, *arguments: str) -> None:
        """A change in the repository; Failure with git's own words where git refuses."""
        done = self._run(*arguments)
        if done.returncode != 0:
            raise Failure(tr("git did not do it."), why=done.stderr.strip() or done.stdout.strip())

    @property
    def exists(self) -> bool:
        """Whether the folder itself is the top of a repository."""
        top = self.ask("rev-parse", "--show-toplevel")
        return bool(top) and Path(top).resolve() == self.folder.resolve()

    @property
    def branch(self) -> str:
        """The branch that is checked out; `main` where none is."""
        return self.ask("symbolic-ref", "--short", "HEAD") or "main"

    @property
    def commit(self) -> str:
        """The commit that is checked out; empty before the first one."""
        return self.ask("rev-parse", "--verify", "--quiet", "HEAD")

    @property
    def remote(self) -> str:
        """Where `roost` leads; empty where it is not there."""
        return self.ask("remote", "get-url", REMOTE)

    def unsaved(self) -> int:
        """How many files are changed or new and in no commit."""
        return len(self.ask("status", "--porcelain").splitlines())

    def begin(self, branch: str) -> None:
        """Make the folder a repository with all that is in it as the first commit."""
        self.do("init", "--quiet", f"--initial-branch={branch}")
        self.do("add", "--all")
        name = [] if self.ask("config", "user.email") else ["-c", "user.name=roost", "-c", "user.email=roost@localhost"]
        self.do(*name, "commit", "--quiet", "--message", "First version.")

    def connect(self, url: str, base: str, login: Login) -> None:
        """Let `git push roost` lead to `url`, trusted and signed in as the login has it. `base` ends with a slash."""
        known = self.remote
        if known and known != url:
            raise Failure(
                tr("The remote {name} of this repository leads elsewhere.", name=REMOTE),
                why=known,
                hint=tr("Remove it with `git remote remove {name}` and repeat the command.", name=REMOTE),
                code=CONFLICT,
            )
        if not known:
            self.do("remote", "add", REMOTE, url)
        if login.ca:
            self.do("config", f"http.{base}.sslCAInfo", str(Path(login.ca).resolve()))
        self.do("config", "--replace-all", f"credential.{base}.helper", f"!{_ourselves()} credential")
        if login.name:
            self.do("config", f"credential.{base}.username", login.name)

    def push(self, branch: str) -> None:
        """Push what is checked out; the build's log comes over git's own lines. Failure where it ends badly."""
        if not self.remote:
            raise Failure(
                tr("This directory is not connected with a project."),
                hint=tr("Connect it with `{command}`.", command="roost app create ."),
                code=USAGE,
            )
        import subprocess

        done = subprocess.run(
            ["git", "-C", str(self.folder), "push", REMOTE, f"HEAD:refs/heads/{branch}"],
            env=self._environment,
            check=False,
            stdout=sys.stderr.fileno() if _real(sys.stderr) else None,
        )
        if done.returncode != 0:
            raise Failure(
                tr("The push did not become a version that serves."),
                hint=tr("What git printed above says why; `{command}` shows it again.", command="roost build logs"),
                code=REFUSED,
            )


def _real(stream: object) -> bool:
    try:
        return stream.fileno() >= 0  # type: ignore[attr-defined, no-any-return]
    except (AttributeError, OSError, ValueError):
        return False  # A stand-in, as tests have it.


def _ourselves() -> str:
    """How a shell starts this very `roost`."""
    import shlex

    script = Path(sys.argv[0])
    if script.name in ("roost", "kubectl-roost") and script.is_file():
        return shlex.quote(str(script.resolve()))
    return f"{shlex.quote(sys.executable)} -m roost.cli.main"
