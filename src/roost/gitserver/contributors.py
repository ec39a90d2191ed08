"""Who wrote the commits between two points: asked by the controller before an environment that wants four eyes takes a
version. `app` calls `answer` for `GET /contributors/<tenant>/<project>?to=<commit>&from=<commit>`.

What git prints is hostile text: fields end with NUL, which no header of a commit can hold; a `.mailmap` in the
repository counts for nothing, else who wrote a commit could say that it was somebody else.
"""

import asyncio
from collections.abc import Iterator
from datetime import datetime
from typing import Final
from urllib.parse import parse_qs

import structlog

from roost.gitserver.exchange import NO_CACHE, Exchange, Scope, headers_of, named
from roost.gitserver.repositories import Name, Repositories
from roost.gitserver.requests import COMMIT, Refused, token_of
from roost.model.contributors import MOST, MOST_COMMITS, Contributor, Contributors
from roost.surface import fetch_token

log = structlog.get_logger(__name__)

PATH: Final = "/contributors/"
MOST_BYTES: Final = 16 << 20  # Of what git prints; messages may be long.
MOST_ENDS: Final = 20
TIMEOUT_S: Final = 20.0
_FIELDS: Final = ("%an", "%ae", "%cn", "%ce", "%(trailers:key=Co-authored-by,valueonly,unfold)")
_FORMAT: Final = "%x00".join(_FIELDS)


async def answer(exchange: Exchange, scope: Scope, repositories: Repositories, secret: str, now: datetime) -> None:
    """Tell the controller, who brings a token for this repository and this purpose."""
    try:
        name = named(scope["path"].removeprefix(PATH))
        where = (name.tenant, name.project)
        if not fetch_token.opens(secret, token_of(headers_of(scope)), where, now, fetch_token.HISTORY):
            raise Refused(401, "This is for the controller.")
        found = await told(repositories, name, *read(scope["query_string"]))
    except Refused as refused:
        await exchange.text(refused.status, str(refused))
    except OSError as error:  # TimeoutError among them.
        log.warning("contributors not told", path=scope["path"], error=str(error))
        await exchange.text(503, "git did not answer. Ask again.")
    else:
        await exchange.start(200, [(b"content-type", b"application/json"), *NO_CACHE])
        await exchange.write(found.model_dump_json().encode(), more=False)


def read(query: bytes) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(the commits that are asked about, those that are known already) of a query. Refused."""
    asked = parse_qs(query.decode("latin-1"), max_num_fields=2 * MOST_ENDS)
    ends, bases = asked.get("to", []), asked.get("from", [])
    if not ends or len(ends) > MOST_ENDS or any(not COMMIT.fullmatch(item) for item in (*ends, *bases)):
        raise Refused(400, "Ask with to=<commit>, and from=<commit> where one is known.")
    return tuple(ends), tuple(bases)


async def told(repositories: Repositories, name: Name, ends: tuple[str, ...], bases: tuple[str, ...]) -> Contributors:
    """Who wrote what leads to `ends` and not to `bases`. A base that is not there counts for nothing.

    Refused where an end is not there; OSError, TimeoutError.
    """
    for end in ends:
        if await repositories.commit(name, end) != end:
            raise Refused(404, f"the repository of {name} has no commit {end}.")
    known = [base for base in bases if await repositories.commit(name, base) == base]
    arguments = ("log", "-z", f"--max-count={MOST_COMMITS + 1}", f"--format={_FORMAT}", *ends, "--not", *known, "--")
    raw, whole = await _printed(repositories, f"--git-dir={repositories.path(name)}", *arguments)
    return await asyncio.to_thread(of, raw, whole)


async def _printed(repositories: Repositories, *arguments: str) -> tuple[bytes, bool]:
    """(what git printed, at most MOST_BYTES; whether that is all)."""
    process = await asyncio.create_subprocess_exec(
        "git",
        *arguments,
        env=repositories.environment({"GIT_NO_REPLACE_OBJECTS": "1"}),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    raw = bytearray()
    try:
        async with asyncio.timeout(TIMEOUT_S):
            while len(raw) <= MOST_BYTES and (chunk := await process.stdout.read(1 << 16)):
                raw += chunk
            whole = len(raw) <= MOST_BYTES
            if whole and await process.wait():
                raise OSError("git log failed.")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return bytes(raw[:MOST_BYTES]), whole


def of(raw: bytes, whole: bool) -> Contributors:
    """What the output of git means. Pure. whole: nothing was cut off."""
    fields = raw.split(b"\0")
    commits = len(fields) // len(_FIELDS)
    found: dict[tuple[str, bool], Contributor] = {}
    for at in range(min(commits, MOST_COMMITS)):
        of_commit = fields[at * len(_FIELDS) : (at + 1) * len(_FIELDS)]
        for key, name in dict(_people(of_commit)).items():
            seen = found.get(key)
            found[key] = Contributor(
                name=name if seen is None else seen.name,
                mail=key[0],
                wrote=key[1],
                commits=1 if seen is None else seen.commits + 1,
            )
    writers = {mail for mail, wrote in found if wrote}
    people = [item for (mail, wrote), item in found.items() if wrote or mail not in writers]
    people.sort(key=lambda item: not item.wrote)  # Those who wrote come first: it is they who must not be cut off.
    complete = whole and commits <= MOST_COMMITS and len(people) <= MOST
    return Contributors(people=tuple(people[:MOST]), commits=min(commits, MOST_COMMITS), complete=complete)


def _people(fields: list[bytes]) -> Iterator[tuple[tuple[str, bool], str]]:
    """((mail, whether they wrote), name) of one commit."""
    author, mail, committer, committers, trailers = (item.decode(errors="replace") for item in fields)
    yield (_mail(mail), True), _plain(author, 100)
    for line in trailers.split("\n"):
        name, _, rest = line.rpartition("<")
        if rest.rstrip().endswith(">"):
            yield (_mail(rest.rstrip().removesuffix(">")), True), _plain(name, 100)
        elif line.strip():
            yield (_mail(line), True), _plain(line, 100)
    yield (_mail(committers), False), _plain(committer, 100)


def _mail(text: str) -> str:
    return _plain(text, 200).lower()


def _plain(text: str, most: int) -> str:
    """Without what could move a cursor or hide in a terminal."""
    return "".join(char for char in text if char.isprintable()).strip()[:most]
