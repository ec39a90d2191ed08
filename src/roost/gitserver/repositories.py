"""The repositories on the disk: where each lies, how it is made, what git is told about it.

    <root>/<tenant>/<project>.git      bare; `roost-project` holds the uid of its Project
    <root>/.aside/                     repositories of Projects that are gone, for a week
    <root>/.hooks/                     the two scripts that git runs, written at start

All configuration reaches git by its environment, so nothing in a repository can weaken it.
"""

import asyncio
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from roost.gitserver import hook_scripts, hooks
from roost.model.names import APP_PATTERN, TENANT_PATTERN

OWNER = "roost-project"
ASIDE = ".aside"
MANY_PACKS = 50
MANY_LOOSE = 27  # In one of 256 folders.
_TIMEOUT_S = 60.0
_TIDY_S = 600.0

# What git must not do, and what it must check, in every repository. Some mistakes of old clients in commits that
# cannot be changed any more are harmless and only warned of.
_CONFIG = {
    "safe.directory": "*",
    "core.fsync": "all",
    "core.logAllRefUpdates": "false",
    "core.bigFileThreshold": "8m",  # Larger files are streamed, never held in memory.
    "gc.auto": "0",
    "http.getanyfile": "false",
    "http.uploadpack": "true",
    "http.receivepack": "true",
    "pack.deltaCacheSize": "32m",
    "pack.threads": "1",
    "pack.windowMemory": "64m",
    "protocol.version": "2",
    "receive.autogc": "false",
    "receive.denyDeleteCurrent": "refuse",
    "receive.denyNonFastForwards": "false",
    "receive.fsckObjects": "true",
    "receive.fsck.badTimezone": "warn",
    "receive.fsck.missingSpaceBeforeDate": "warn",
    "receive.fsck.zeroPaddedFilemode": "warn",
    "receive.keepAlive": "5",
    "receive.unpackLimit": "1",  # Loose objects would be unpacked in memory.
    "receive.updateServerInfo": "false",
    "transfer.advertiseSID": "false",
    "uploadpack.allowFilter": "true",
    "uploadpack.allowAnySHA1InWant": "true",  # A run fetches its commit also after the branch moved on.
}


class NoRepository(Exception):
    """A path that names no repository."""


@dataclass(frozen=True)
class Name:
    """Which repository. Both names follow the patterns of tenants and projects, so they are safe in paths."""

    tenant: str
    project: str

    @classmethod
    def parse(cls, tenant: str, project: str) -> "Name":
        """NoRepository where one of the two cannot be a name."""
        if not re.fullmatch(TENANT_PATTERN, tenant) or not re.fullmatch(APP_PATTERN, project):
            raise NoRepository(f"{tenant}/{project}")
        return cls(tenant, project)

    def __str__(self) -> str:
        return f"{self.tenant}/{self.project}"


class Repositories:
    """All repositories beneath `root`. Sizes in MiB."""

    def __init__(self, root: Path, max_repository_mib: int, max_push_mib: int) -> None:
        self.root = root
        self.max_repository_mib = max_repository_mib
        self.max_push_mib = max_push_mib
        self._hooks = root / ".hooks"

    def prepare(self) -> None:
        """Make what must stand before the first request; remove what a killed process left half made."""
        hook_scripts.install(self._hooks)
        for left in (*self.root.glob(".new-*"), *self.root.glob("*/*.git/objects/tmp_objdir-*")):
            shutil.rmtree(left)
        for repository in self.root.glob("*/*.git"):
            # No git process runs yet, so whoever held these locks was killed.
            for lock in (*repository.glob("*.lock"), *(repository / "refs").rglob("*.lock")):
                lock.unlink()
            for part in (repository / "objects" / "pack").glob("tmp_*"):
                part.unlink()

    def path(self, name: Name) -> Path:
        """Where that repository lies or would lie."""
        return self.root / name.tenant / f"{name.project}.git"

    def all(self) -> Iterator[Name]:
        """Every repository there is, sorted."""
        for path in sorted(self.root.glob("*/*.git")):
            try:
                yield Name.parse(path.parent.name, path.name.removesuffix(".git"))
            except NoRepository:
                continue

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """The whole environment of a git process: nothing of this process's own but the search path."""
        config = _CONFIG | {"core.hooksPath": str(self._hooks), "receive.maxInputSize": f"{self.max_push_mib}m"}
        result = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": str(self.root),
            "LC_ALL": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_COUNT": str(len(config)),
            "GIT_TERMINAL_PROMPT": "0",
            "ROOST_MAX_REPOSITORY_MIB": str(self.max_repository_mib),
        }
        for at, (key, value) in enumerate(config.items()):
            result[f"GIT_CONFIG_KEY_{at}"] = key
            result[f"GIT_CONFIG_VALUE_{at}"] = value
        return result | dict(extra or {})

    async def git(self, *arguments: str, timeout_s: float = _TIMEOUT_S) -> str:
        """What a git command printed; OSError where it failed, TimeoutError where it did not end."""
        process = await asyncio.create_subprocess_exec(
            "git",
            *arguments,
            env=self.environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(timeout_s):
                out, error = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        if process.returncode:
            raise OSError(f"git {arguments[0]} failed: {error.decode(errors='replace').strip()[:500]}")
        return out.decode(errors="replace")

    def owner(self, name: Name) -> str:
        """The uid of the Project that the repository was made for; empty where there is none."""
        try:
            return (self.path(name) / OWNER).read_text().strip()
        except FileNotFoundError:
            return ""

    async def ensure(self, name: Name, uid: str, branch: str) -> Path:
        """The repository of the Project with that uid, made when it is not there; HEAD names `branch`."""
        path = self.path(name)
        if path.exists() and self.owner(name) != uid:
            self.set_aside(name)
        if not path.exists():
            await self._make(path, uid, branch)
        head = f"ref: refs/heads/{branch}\n"
        if (path / "HEAD").read_text() != head:
            await self.git(f"--git-dir={path}", "symbolic-ref", "HEAD", f"refs/heads/{branch}")
        return path

    def set_aside(self, name: Name) -> None:
        """Take a repository whose Project is gone out of reach; it is kept for a while."""
        aside = self.root / ASIDE
        aside.mkdir(exist_ok=True)
        target = aside / f"{name.tenant}.{name.project}.{self.owner(name)}.{os.urandom(4).hex()}"
        self.path(name).rename(target)
        os.utime(target)

    def forget(self, before: datetime) -> None:
        """Remove for good what was set aside before that moment."""
        for path in (self.root / ASIDE).glob("*"):
            if path.stat().st_mtime < before.timestamp():
                shutil.rmtree(path)

    async def _make(self, path: Path, uid: str, branch: str) -> None:
        fresh = self.root / f".new-{uid}-{os.urandom(4).hex()}"
        await self.git("init", "--quiet", "--bare", f"--initial-branch={branch}", "--template=", str(fresh))
        (fresh / OWNER).write_text(uid)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            fresh.rename(path)
        except OSError:
            shutil.rmtree(fresh)  # Another request was faster.
            if not path.exists():
                raise

    async def refs(self, name: Name) -> dict[str, str]:
        """What each branch, tag and merge request points to."""
        listing = await self.git(
            f"--git-dir={self.path(name)}",
            "for-each-ref",
            "--format=%(objectname) %(refname)",
            "refs/heads/",
            "refs/tags/",
            "refs/merge-requests/",
        )
        pairs = (line.split(" ", 1) for line in listing.splitlines())
        return {ref: commit for commit, ref in pairs}

    async def heads(self, name: Name) -> dict[str, str]:
        """What each branch points to."""
        return {ref: commit for ref, commit in (await self.refs(name)).items() if ref.startswith("refs/heads/")}

    async def commit(self, name: Name, target: str) -> str:
        """The commit that an object id leads to, through annotated tags; empty where it leads to none."""
        try:
            found = await self.git(
                f"--git-dir={self.path(name)}", "rev-parse", "--verify", "--end-of-options", f"{target}^{{commit}}"
            )
        except TimeoutError:
            raise
        except OSError:
            return ""  # A tag of a file or a folder.
        return found.strip()

    async def is_in(self, name: Name, ref: str, commit: str) -> bool:
        """Whether a ref leads to that commit, now or by an earlier one."""
        listed = await self.git(f"--git-dir={self.path(name)}", "for-each-ref", f"--contains={commit}", "--", ref)
        return any(line.endswith(f"\t{ref}") for line in listed.splitlines())

    async def file(self, name: Name, commit: str, path: str, limit: int) -> bytes | None:
        """A file at the root of a commit, as far as one byte beyond `limit`; None where there is no regular one."""
        where = f"--git-dir={self.path(name)}"
        listed = await self.git(where, "ls-tree", "-l", "--end-of-options", commit, "--", path)
        mode, _, digest, size, *_ = (*listed.split(), "", "", "", "")
        if not mode.startswith("100"):
            return None  # A folder, a link, or nothing.
        if int(size) > limit:
            return b" " * (limit + 1)
        return (await self.git(where, "cat-file", "blob", digest)).encode()

    def is_untidy(self, name: Name) -> bool:
        """Whether pushes have left so many packs or loose objects that fetches become slow (git's own measure)."""
        objects = self.path(name) / "objects"
        packs = sum(1 for _ in (objects / "pack").glob("*.pack"))
        return packs > MANY_PACKS or sum(1 for _ in (objects / "17").glob("*")) > MANY_LOOSE

    async def tidy(self, name: Name) -> None:
        """Repack. What no ref leads to stays for a month: a run of an earlier move may still want it."""
        options = ("-c", "gc.pruneExpire=30.days.ago", "-c", "gc.cruftPacks=true")
        await self.git(*options, f"--git-dir={self.path(name)}", "gc", "--quiet", timeout_s=_TIDY_S)

    async def is_full(self, name: Name) -> bool:
        """Whether the repository already takes all that it may."""
        size = await asyncio.to_thread(hooks.size_of, self.path(name))
        return size > self.max_repository_mib << 20
