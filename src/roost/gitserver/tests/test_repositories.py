"""Repositories on the disk: made whole, kept apart, tidied, and freed of what a killed process left."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from roost.gitserver.repositories import MANY_PACKS, Name, NoRepository, Repositories

NAME = Name("acme", "hello")


@pytest.fixture
def repositories(tmp_path: Path) -> Repositories:
    made = Repositories(tmp_path, max_repository_mib=64, max_push_mib=4)
    made.prepare()
    return made


@pytest.mark.parametrize(
    "names", [("acme", "../x"), ("..", "x"), ("acme", "x\n"), ("acme\n", "x"), ("acme", ""), ("A", "x")]
)
def test_a_name_that_could_lead_elsewhere_names_nothing(names: tuple[str, str]) -> None:
    with pytest.raises(NoRepository):
        Name.parse(*names)


async def test_a_repository_is_made_once_and_follows_the_branch(repositories: Repositories) -> None:
    path = await repositories.ensure(NAME, "uid-1", "main")
    assert await repositories.ensure(NAME, "uid-1", "trunk") == path
    assert (path / "HEAD").read_text() == "ref: refs/heads/trunk\n"
    assert not (path / "hooks").exists() and repositories.owner(NAME) == "uid-1"
    assert list(repositories.all()) == [NAME]
    assert await repositories.heads(NAME) == {}


async def test_another_project_of_the_name_gets_its_own(repositories: Repositories) -> None:
    await repositories.ensure(NAME, "uid-1", "main")
    await repositories.ensure(NAME, "uid-2", "main")
    assert repositories.owner(NAME) == "uid-2"
    assert [path.name.split(".")[:3] for path in (repositories.root / ".aside").iterdir()] == [
        ["acme", "hello", "uid-1"]
    ]


async def test_what_a_killed_process_left_goes_at_start(repositories: Repositories) -> None:
    path = await repositories.ensure(NAME, "uid-1", "main")
    left = [path / "refs/heads/main.lock", path / "packed-refs.lock", path / "objects/pack/tmp_pack_x"]
    for file in left:
        file.touch()
    (path / "objects/tmp_objdir-incoming-x").mkdir()
    (repositories.root / ".new-uid-x").mkdir()
    repositories.prepare()
    assert not any(file.exists() for file in [*left, path / "objects/tmp_objdir-incoming-x"])
    assert not list(repositories.root.glob(".new-*"))


async def test_what_was_set_aside_goes_after_a_while(repositories: Repositories) -> None:
    await repositories.ensure(NAME, "uid-1", "main")
    repositories.set_aside(NAME)
    now = datetime.now(UTC)
    repositories.forget(now - timedelta(days=7))
    assert len(list((repositories.root / ".aside").iterdir())) == 1
    repositories.forget(now + timedelta(seconds=10))
    assert list((repositories.root / ".aside").iterdir()) == [] and list(repositories.all()) == []


async def test_many_packs_become_one(repositories: Repositories) -> None:
    path = await repositories.ensure(NAME, "uid-1", "main")

    def git(*arguments: str, stdin: bytes = b"") -> str:
        done = subprocess.run(["git", *arguments], cwd=path, input=stdin, capture_output=True, check=True)
        return done.stdout.decode().strip()

    for number in range(MANY_PACKS + 1):
        blob = git("hash-object", "-w", "--stdin", stdin=str(number).encode())
        git("pack-objects", "-q", "objects/pack/pack", stdin=f"{blob}\n".encode())
    assert repositories.is_untidy(NAME)
    await repositories.tidy(NAME)
    assert not repositories.is_untidy(NAME)


async def test_a_git_command_that_fails_is_an_error(repositories: Repositories) -> None:
    with pytest.raises(OSError, match="git nonsense failed"):
        await repositories.git("nonsense")
