"""What a push is refused for before git updates a ref."""

import hashlib
import subprocess
from contextlib import closing
from itertools import islice
from pathlib import Path

import pytest

from roost.gitserver import hook_scripts, hooks, moves

NEW = "1" * 40


def test_only_branches_and_tags_with_names_of_a_bounded_length() -> None:
    hooks.check_ref("refs/heads/main")
    hooks.check_ref("refs/tags/v1")
    for ref in ("refs/notes/x", "HEAD", "refs/heads/" + "x" * 200):
        with pytest.raises(hooks.Refused):
            hooks.check_ref(ref)


def test_submodules_are_refused_by_name() -> None:
    listing = [b"100644 blob aa 12\ta.py", b"160000 commit bb -\tvendor/lib"]
    with pytest.raises(hooks.Refused, match="vendor/lib is a submodule"):
        hooks.check_tree(listing)


def test_small_files_may_be_pointers() -> None:
    listing = [b"100644 blob aa 12\ta", b"100644 blob bb 130\tb\twith a tab", b"100644 blob cc 90000\tc"]
    assert hooks.check_tree(listing) == [b"bb"]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    subprocess.run(["git", "init", "--quiet", "--bare", str(tmp_path)], check=True)
    monkeypatch.setenv("GIT_DIR", str(tmp_path))
    return tmp_path


def git(repository: Path, *arguments: str, stdin: bytes = b"") -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    done = subprocess.run(["git", *who, *arguments], input=stdin, capture_output=True, check=True, cwd=repository)
    return done.stdout.decode().strip()


def commit(repository: Path, content: bytes) -> str:
    blob = git(repository, "hash-object", "-w", "--stdin", stdin=content)
    tree = git(repository, "mktree", stdin=f"100644 blob {blob}\tmodel.bin\n".encode())
    return git(repository, "commit-tree", tree, "-m", "x")


def bomb(repository: Path, depth: int, wide: int = 10) -> str:
    """A commit of `wide ** depth` files that is `depth + 2` objects: each folder holds the same one many times."""
    below = git(repository, "hash-object", "-w", "--stdin", stdin=b"x")
    for level in range(depth):
        kind = "040000 tree" if level else "100644 blob"
        lines = "".join(f"{kind} {below}\tf{number}\n" for number in range(wide))
        below = git(repository, "mktree", stdin=lines.encode())
    return git(repository, "commit-tree", below, "-m", "x")


def test_a_pack_of_a_few_objects_is_no_tree_without_end(repository: Path) -> None:
    environment = {"GIT_DIR": str(repository), "ROOST_BRANCH": "main"}
    with pytest.raises(hooks.Refused, match="more than 200000 files"):
        hooks.pre_receive([(moves.ZERO, bomb(repository, 9), "refs/heads/main")], environment)
    hooks.pre_receive([(moves.ZERO, bomb(repository, 3), "refs/heads/main")], environment)


def test_git_itself_ends_at_no_number_of_files(repository: Path) -> None:
    """What the limit is for: without it a hook would hold all of them."""
    with closing(hooks.entries(bomb(repository, 9))) as listing:
        assert sum(1 for _ in islice(listing, hooks.MOST_FILES + 1)) == hooks.MOST_FILES + 1


def test_folders_that_are_nested_without_end_are_refused(repository: Path) -> None:
    environment = {"GIT_DIR": str(repository), "ROOST_BRANCH": "main"}
    made = git(repository, "hash-object", "-w", "--stdin", stdin=b"x")
    below, name = git(repository, "mktree", stdin=f"100644 blob {made}\tx\n".encode()), "d" * 200
    # One `mktree` makes them all: an empty line ends a tree. What a tree is called is known before git writes it.
    text = b""
    for _ in range(400):
        text += f"040000 tree {below}\t{name}\n\n".encode()
        raw = f"40000 {name}\0".encode() + bytes.fromhex(below)
        below = hashlib.sha1(b"tree %d\0" % len(raw) + raw, usedforsecurity=False).hexdigest()
    git(repository, "mktree", "--batch", "--missing", stdin=text)
    deep = git(repository, "commit-tree", below, "-m", "x")
    with pytest.raises(hooks.Refused, match="longer than any file system"):
        hooks.pre_receive([(moves.ZERO, deep, "refs/heads/main")], environment)


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


@pytest.mark.parametrize("hook", ["pre-receive", "reference-transaction"])
def test_a_hook_starts_without_what_takes_long_to_import(hook: str, tmp_path: Path) -> None:
    heavy = {"dataclasses", "inspect", "pathlib", "runpy", "site", "pydantic", "asyncio"}
    heavy |= {"subprocess"} if hook == "reference-transaction" else set()
    script = hook_scripts.install(tmp_path / "hooks") / hook
    tell = "import atexit; atexit.register(lambda: print(*sys.modules)); run()"
    script.write_text(script.read_text().replace("run()", tell))
    done = subprocess.run(
        [script, "prepared"], input="", env={"GIT_DIR": str(tmp_path)}, capture_output=True, text=True, check=True
    )
    assert "roost.gitserver.hooks" in done.stdout.split()
    assert not heavy.intersection(done.stdout.split())
