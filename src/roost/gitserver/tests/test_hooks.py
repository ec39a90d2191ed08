"""What a push is refused for before git updates a ref."""

import subprocess
from pathlib import Path

import pytest

from roost.gitserver import hooks, moves

NEW = "1" * 40


def test_only_branches_and_tags_with_names_of_a_bounded_length() -> None:
    hooks.check_ref("refs/heads/main")
    hooks.check_ref("refs/tags/v1")
    for ref in ("refs/notes/x", "HEAD", "refs/heads/" + "x" * 200):
        with pytest.raises(hooks.Refused):
            hooks.check_ref(ref)


def test_submodules_are_refused_by_name() -> None:
    listing = b"100644 blob aa 12\ta.py\x00160000 commit bb -\tvendor/lib\x00"
    with pytest.raises(hooks.Refused, match="vendor/lib is a submodule"):
        hooks.check_tree(listing)


def test_small_files_may_be_pointers() -> None:
    listing = b"100644 blob aa 12\ta\x00100644 blob bb 130\tb\twith a tab\x00100644 blob cc 90000\tc\x00"
    assert hooks.check_tree(listing) == [b"bb"]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    subprocess.run(["git", "init", "--quiet", "--bare", str(tmp_path)], check=True)
    monkeypatch.setenv("GIT_DIR", str(tmp_path))
    return tmp_path


def commit(repository: Path, content: bytes) -> str:
    def git(*arguments: str, stdin: bytes = b"") -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        done = subprocess.run(["git", *who, *arguments], input=stdin, capture_output=True, check=True, cwd=repository)
        return done.stdout.decode().strip()

    blob = git("hash-object", "-w", "--stdin", stdin=content)
    tree = git("mktree", stdin=f"100644 blob {blob}\tmodel.bin\n".encode())
    return git("commit-tree", tree, "-m", "x")


def test_lfs_pointers_are_refused_on_the_built_branch_only(repository: Path) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"
    new = commit(repository, pointer)
    environment = {"GIT_DIR": str(repository), "ROOST_BRANCH": "main"}
    with pytest.raises(hooks.Refused, match="LFS"):
        hooks.pre_receive([(moves.ZERO, new, "refs/heads/main")], environment)
    hooks.pre_receive([(moves.ZERO, new, "refs/heads/other")], environment)
    plain = commit(repository, b"x" * 130)
    hooks.pre_receive([(moves.ZERO, plain, "refs/heads/main")], environment)


def test_a_full_repository_is_refused(repository: Path) -> None:
    environment = {"GIT_DIR": str(repository), "ROOST_MAX_REPOSITORY_MIB": "0"}
    with pytest.raises(hooks.Refused, match="larger than 0 MiB"):
        hooks.pre_receive([], environment)


def test_moves_are_logged_in_a_push_and_not_when_git_packs_refs(repository: Path) -> None:
    lines = [(moves.ZERO, NEW, "refs/heads/main"), (NEW, NEW, "refs/heads/x"), (moves.ZERO, NEW, "refs/tags/v1")]
    hooks.reference_transaction(lines, {"GIT_DIR": str(repository)})
    assert moves.read(repository) == []
    hooks.reference_transaction(lines, {"GIT_DIR": str(repository), "ROOST_PUSH": "p", "ROOST_PERSON": "ada"})
    assert moves.read(repository) == [
        moves.Line("refs/heads/main", moves.ZERO, NEW, "ada", "p"),
        moves.Line("refs/tags/v1", moves.ZERO, NEW, "ada", "p"),
    ]


def test_names_that_are_no_utf8_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert hooks.main(["pre-receive"], {}, b"0 1 refs/heads/\xff\n") == 1
    assert "UTF-8" in capsys.readouterr().err
