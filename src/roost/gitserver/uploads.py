"""An uploaded archive becomes a commit of a project's branch, by the very way of a push.

`app` calls `Uploads.take` for `PUT /archives/<tenant>/<project>`, which the API passes on. The archive is kept beside
the repositories until it is read, its files go into a scratch repository (`archive`), and what is new is handed to
`git http-backend` as if somebody had pushed it: the same limits, checks, hooks and ledger. An archive with the files
that the branch has already moves nothing, so uploading one twice is uploading it once.
"""

import asyncio
import base64
import hashlib
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from roost.gitserver import archive, backend, pktline
from roost.gitserver.moves import ZERO
from roost.gitserver.repositories import Name, Repositories
from roost.gitserver.requests import PUSH, GitRequest, Refused

AT_ONCE: Final = 2  # Archives that are read at the same time; more wait.
ARRIVING: Final = 8  # Archives that arrive at the same time; a slow sender holds up nobody who has sent.
ARRIVE_S: Final = 1800
READ_S: Final = 600
IDLE_S: Final = 120.0
SPARE: Final = 1 << 20
Part = Callable[[], Awaitable[bytes | None]]


@dataclass(frozen=True)
class Upload:
    """What is uploaded and by whom. `push`: the id of the move in the ledger. `strip`: leave out the one folder that
    all stands in. `digest`: of RFC 9530, `sha-256=:<base64>:`; empty: the sender says none.
    """

    name: Name
    branch: str
    person: str
    push: str
    strip: bool
    digest: str = ""


@dataclass(frozen=True)
class Taken:
    """What came of it. `folder`: what was left out of every name."""

    commit: str
    moved: bool
    files: int
    folder: str


class Uploads:
    """Takes archives into the hosted repositories."""

    def __init__(self, repositories: Repositories) -> None:
        self._repositories = repositories
        self._arriving = asyncio.Semaphore(ARRIVING)
        self._places = asyncio.Semaphore(AT_ONCE)

    async def take(self, upload: Upload, part: Part) -> Taken:
        """The whole way; Refused where it is not taken, and then nothing has changed."""
        async with self._scratch() as scratch:
            try:
                async with self._arriving, asyncio.timeout(ARRIVE_S):
                    await self._receive(upload, part, scratch / "archive")
            except TimeoutError as error:
                raise Refused(408, "The archive did not arrive in time. Nothing was changed.") from error
            async with self._places:
                return await self._commit(upload, scratch)

    async def _commit(self, upload: Upload, scratch: Path) -> Taken:
        head = (await self._repositories.refs(upload.name)).get(f"refs/heads/{upload.branch}", "")
        files, folder = await self._read(upload, scratch, head)
        commit = (await self._git(upload, scratch, "rev-parse", archive.BRANCH)).strip()
        if head and await self._tree(upload, scratch, commit) == await self._tree(upload, scratch, head):
            return Taken(head, False, files, folder)
        await self._pack(upload, scratch, commit, head)
        await self._push(upload, scratch / "pack", commit, head or ZERO)
        return Taken(commit, True, files, folder)

    @asynccontextmanager
    async def _scratch(self) -> AsyncIterator[Path]:
        """A folder on the repositories' disk; one that a killed process leaves goes at the next start."""
        folder = self._repositories.root / f".new-upload-{os.urandom(8).hex()}"
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _receive(self, upload: Upload, part: Part, file: Path) -> None:
        limit, total, seen = self._repositories.max_push_mib << 20, 0, hashlib.sha256()
        with file.open("wb") as out:
            while (chunk := await asyncio.wait_for(part(), IDLE_S)) is not None:
                total += len(chunk)
                if total > limit:
                    raise Refused(413, f"An archive has {limit >> 20} MiB at most here. Nothing was changed.")
                seen.update(chunk)
                await asyncio.to_thread(out.write, chunk)
        wanted = f"sha-256=:{base64.b64encode(seen.digest()).decode()}:"
        if upload.digest and upload.digest != wanted:
            raise Refused(400, "The archive did not arrive as it was sent. Nothing was changed: upload it again.")
        if not total:
            raise Refused(400, "The archive is empty: send a zip, tar or tar.gz as the body.")

    def _environment(self, upload: Upload, scratch: Path) -> dict[str, str]:
        """git in the scratch repository, which also sees what the hosted one holds."""
        objects = self._repositories.path(upload.name) / "objects"
        return self._repositories.environment(
            {"GIT_DIR": str(scratch / "git"), "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(objects)}
        )

    async def _git(self, upload: Upload, scratch: Path, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            "git",
            *arguments,
            env=self._environment(upload, scratch),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, error = await process.communicate()
        if process.returncode:
            raise OSError(f"git {arguments[0]} failed: {error.decode(errors='replace').strip()[:300]}")
        return out.decode()

    async def _tree(self, upload: Upload, scratch: Path, commit: str) -> str:
        return (await self._git(upload, scratch, "rev-parse", f"{commit}^{{tree}}")).strip()

    async def _read(self, upload: Upload, scratch: Path, head: str) -> tuple[int, str]:
        """The archive's files as a commit of the scratch repository: (how many, the folder that was left out)."""
        await self._git(upload, scratch, "init", "--quiet", "--bare", "--template=", str(scratch / "git"))
        most = str(self._repositories.max_repository_mib << 20)
        strip = "auto" if upload.strip else "keep"
        reader = [sys.executable, "-I", "-m", "roost.gitserver.archive", str(scratch / "archive"), head, strip]
        into = ["git", "fast-import", "--quiet", "--done"]
        environment = self._environment(upload, scratch)
        codes, said = await piped(([*reader, upload.person, most], {}), (into, environment))
        lines = said.strip().splitlines()
        if codes[0] == 1 and lines:
            raise Refused(422, f"{lines[-1]} Nothing was changed.")
        if any(codes):
            raise Refused(422, "The archive could not be read within its limits. Nothing was changed.")
        found = json.loads(lines[-1])
        return int(found["files"]), str(found["folder"])

    async def _pack(self, upload: Upload, scratch: Path, commit: str, head: str) -> None:
        wanted = f"{commit}\n{f'^{head}' if head else ''}\n"
        with (scratch / "pack").open("wb") as out:
            process = await asyncio.create_subprocess_exec(
                *("git", "pack-objects", "--revs", "--stdout", "--thin", "-q"),
                env=self._environment(upload, scratch),
                stdin=asyncio.subprocess.PIPE,
                stdout=out,
                stderr=asyncio.subprocess.DEVNULL,
            )
            await process.communicate(wanted.encode())
        if process.returncode:
            raise OSError("git pack-objects failed.")

    async def _push(self, upload: Upload, pack: Path, commit: str, old: str) -> None:
        """Hand it to git as a push. Refused in the words of the hooks."""
        ref = f"refs/heads/{upload.branch}"
        request = GitRequest(upload.name, PUSH, False, upload.person, "", {})
        variables = request.cgi() | {
            "GIT_PROJECT_ROOT": str(self._repositories.root),
            "ROOST_PUSH": upload.push,
            "ROOST_PERSON": upload.person,
            "ROOST_BRANCH": upload.branch,
        }
        asked = pktline.packet(f"{old} {commit} {ref}\0report-status side-band-64k".encode()) + pktline.FLUSH
        async with backend.run(self._repositories.environment(variables)) as git:
            with pack.open("rb") as file:
                feeding = asyncio.create_task(git.feed(_body(asked, file), pack.stat().st_size + SPARE, IDLE_S))
                await git.head()
                answer = b"".join([chunk async for chunk in git.body()])
                await git.ended()
                await feeding
        problem = failure(answer, ref)
        if problem:
            raise Refused(409 if "already" in problem or "lock" in problem else 422, problem)


def _body(head: bytes, file: IO[bytes]) -> Part:
    left = [head]

    async def part() -> bytes | None:
        return left.pop() if left else (await asyncio.to_thread(file.read, backend.CHUNK) or None)

    return part


def failure(answer: bytes, ref: str) -> str:
    """Why a push was not taken, by its answer with side bands; empty: it was."""
    told, report = b"", b""
    for payload in pktline.Splitter().feed(answer):
        if payload and payload[0] == pktline.PROGRESS:
            told += payload[1:]
        elif payload and payload[0] == pktline.DATA:
            report += payload[1:]
    lines = [payload.decode(errors="replace").strip() for payload in pktline.Splitter().feed(report) if payload]
    if lines[:1] == ["unpack ok"] and f"ok {ref}" in lines:
        return ""
    said = " ".join(told.decode(errors="replace").split())
    return said[:500] or "; ".join(lines)[:500] or "git did not take it."


async def piped(
    first: tuple[list[str], Mapping[str, str]], second: tuple[list[str], Mapping[str, str]]
) -> tuple[tuple[int, int], str]:
    """((exit statuses), what the first said on stderr) of two programs, the first's output into the second."""
    ends = os.pipe()
    reading, writing = ends
    try:
        one = await asyncio.create_subprocess_exec(
            *first[0],
            env=dict(first[1]),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=writing,
            stderr=asyncio.subprocess.PIPE,
        )
        two = await asyncio.create_subprocess_exec(
            *second[0],
            env=dict(second[1]),
            stdin=reading,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
    finally:
        os.close(reading)
        os.close(writing)
    try:
        async with asyncio.timeout(READ_S):
            (_, said), _ = await asyncio.gather(one.communicate(), two.wait())
    except TimeoutError as error:
        raise Refused(422, f"The archive could not be read within {READ_S} s. Nothing was changed.") from error
    finally:
        for process in (one, two):
            if process.returncode is None:
                process.kill()
                await process.wait()
    return (one.returncode or 0, two.returncode or 0), said.decode(errors="replace")
