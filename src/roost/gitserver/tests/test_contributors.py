"""Who wrote a range of commits, as git itself tells it, and how hostile commits try to hide it."""

import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from roost.gitserver import contributors
from roost.gitserver.contributors import of, read, told
from roost.gitserver.exchange import Exchange
from roost.gitserver.repositories import Name, Repositories
from roost.gitserver.requests import Refused
from roost.model.contributors import MOST, Contributor, Contributors
from roost.surface import fetch_token

NAME = Name("acme", "shop")
SECRET, NOW = "s" * 32, datetime(2026, 11, 29, tzinfo=UTC)
ADA, BOB, EVE = "Ada <ada@example.com>", "Bob <Bob@Example.com>", "Eve <eve@evil.example>"


class Project:
    """A repository that is written straight into the place of the hosted one."""

    def __init__(self, root: Path) -> None:
        self.repositories = Repositories(root, 64, 4)
        self.repositories.prepare()
        self.path = self.repositories.path(NAME)
        self.path.mkdir(parents=True)
        self._git("init", "--quiet", "--bare", "--initial-branch=main")

    def _git(self, *arguments: str, said: bytes = b"", **more: str) -> str:
        env = {"PATH": os.environ["PATH"], "HOME": str(self.path), "GIT_CONFIG_NOSYSTEM": "1", **more}
        done = subprocess.run(["git", *arguments], cwd=self.path, input=said, env=env, capture_output=True, check=True)
        return done.stdout.decode().strip()

    def commit(self, author: str, *parents: str, message: str = "x", committer: str = ADA, mailmap: str = "") -> str:
        """A commit on top of `parents`: its id."""
        listing = b""
        if mailmap:
            blob = self._git("hash-object", "-w", "--stdin", said=mailmap.encode())
            listing = f"100644 blob {blob}\t.mailmap\n".encode()
        tree = self._git("mktree", said=listing)
        people = {"AUTHOR": author, "COMMITTER": committer}
        who = {f"GIT_{role}_NAME": text.partition(" <")[0] for role, text in people.items()}
        who |= {f"GIT_{role}_EMAIL": text.partition("<")[2].rstrip(">") for role, text in people.items()}
        on = [item for parent in parents for item in ("-p", parent)]
        made = self._git("commit-tree", tree, *on, said=message.encode(), **who)
        self._git("update-ref", "refs/heads/main", made)
        return made

    async def between(self, end: str, *bases: str) -> dict[str, Contributor]:
        """Who wrote, by mail."""
        found = await told(self.repositories, NAME, (end,), bases)
        return {item.mail: item for item in found.people}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


async def test_authors_co_authors_and_committers_of_the_range_and_of_no_more(project: Project) -> None:
    first = project.commit(EVE)
    side = project.commit(BOB, first, committer="Forge <noreply@forge.example>")
    message = "Merge.\n\nMore.\n\nCo-authored-by: Cy <cy@example.com>\nCo-Authored-By: no-brackets@example.com\n"
    last = project.commit(ADA, first, side, message=message)
    found = await project.between(last, first)
    assert {mail: (item.name, item.wrote) for mail, item in found.items()} == {
        "ada@example.com": ("Ada", True),
        "bob@example.com": ("Bob", True),
        "cy@example.com": ("Cy", True),
        "no-brackets@example.com": ("no-brackets@example.com", True),
        "noreply@forge.example": ("Forge", False),
    }
    assert "eve@evil.example" in await project.between(last), "Without a base, the whole history counts."
    assert await project.between(first, last) == {}, "Going back brings nothing that somebody wrote."


async def test_a_base_that_is_gone_makes_the_whole_history_count(project: Project) -> None:
    first = project.commit(EVE)
    last = project.commit(BOB, first)
    assert set(await project.between(last, "f" * 40)) == {"ada@example.com", "bob@example.com", "eve@evil.example"}


async def test_a_commit_that_is_not_there_is_told(project: Project) -> None:
    project.commit(ADA)
    with pytest.raises(Refused, match="no commit"):
        await told(project.repositories, NAME, ("f" * 40,), ())


async def test_a_mailmap_of_the_repository_renames_nobody(project: Project) -> None:
    last = project.commit(EVE, committer=EVE, mailmap="Ada <ada@example.com> <eve@evil.example>\n")
    assert set(await project.between(last)) == {"eve@evil.example"}


async def test_text_of_a_commit_neither_moves_a_cursor_nor_shifts_the_fields(project: Project) -> None:
    hostile = "\x1b[2JEve\x1f\x1eAda <ada@example.com\x1b[A"
    last = project.commit(
        "Eve\x1f\x1e\x1b[2J <eve@evil.example>", committer=EVE, message=f"x\n\nCo-authored-by: {hostile}>\n"
    )
    found = await project.between(last)
    assert set(found) == {"eve@evil.example", "ada@example.com[a"}
    assert all(item.name.isprintable() and item.mail.isprintable() for item in found.values())


def record(mail: str, trailers: str = "") -> bytes:
    return "\0".join(("N", mail, "C", "c@x", trailers)).encode() + b"\0"


def test_too_many_people_or_a_torn_end_are_no_whole_answer() -> None:
    many = b"".join(record(f"p{number}@x") for number in range(MOST + 5))
    assert (len(of(many, True).people), of(many, True).complete) == (MOST, False)
    assert of(record("a@x"), True) == Contributors(
        people=(Contributor(name="N", mail="a@x"), Contributor(name="C", mail="c@x", wrote=False)), commits=1
    )
    assert not of(record("a@x") + b"torn\0half", False).complete
    assert of(b"", True) == Contributors()


@pytest.mark.parametrize("query", [b"", b"from=" + b"a" * 40, b"to=HEAD", b"to=--all", b"to=" + b"a" * 40 + b"&from=x"])
def test_only_commits_by_their_id_can_be_asked_for(query: bytes) -> None:
    with pytest.raises(Refused):
        read(query)


async def asked(project: Project, path: str, query: str, token: str) -> tuple[int, bytes]:
    told: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        told.append(dict(message))

    scope = {"path": path, "query_string": query.encode(), "headers": [(b"authorization", f"Bearer {token}".encode())]}
    await contributors.answer(Exchange(receive, send), scope, project.repositories, SECRET, NOW)
    return told[0]["status"], told[1]["body"]


async def test_only_the_controller_is_told(project: Project) -> None:
    commit = project.commit(ADA)

    def token(purpose: str, repository: str = "shop") -> str:
        return fetch_token.mint(SECRET, ("acme", repository), NOW, timedelta(minutes=1), purpose)

    path, query = "/contributors/acme/shop", f"to={commit}"
    status, body = await asked(project, path, query, token(fetch_token.HISTORY))
    assert status == 200 and msgspec.json.decode(body)["people"][0]["mail"] == "ada@example.com"
    for wrong in (token(fetch_token.FETCH), token(fetch_token.PUSH), token(fetch_token.HISTORY, "other"), ""):
        assert (await asked(project, path, query, wrong))[0] == 401
    assert (await asked(project, "/contributors/acme/../shop", query, ""))[0] == 404
