"""What a stranger left in a folder, packed and unpacked: nothing leads out of it."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from roost.builds import tree
from roost.builds.tree import TreeRefused, TreeTooLarge


def archive(*members: tuple[str, bytes | str]) -> io.BytesIO:
    """Files (bytes), links (`-> target`), hard links (`= target`) and devices (`!`)."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as into:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                member.size = len(content)
            elif content == "!":
                member.type = tarfile.FIFOTYPE
            else:
                member.type = tarfile.SYMTYPE if content.startswith("->") else tarfile.LNKTYPE
                member.linkname = content.split(" ", 1)[1]
            into.addfile(member, io.BytesIO(content) if isinstance(content, bytes) else None)
    made.seek(0)
    return made


def unpack(root: Path, *members: tuple[str, bytes | str], limit: int = 1000) -> None:
    root.mkdir(exist_ok=True)
    tree.unpack(archive(*members), {"w/": root}, limit)


def test_what_is_packed_comes_back(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "bin").mkdir(parents=True)
    (source / "bin" / "run").write_bytes(b"#!/bin/sh\n")
    (source / "bin" / "run").chmod(0o755)
    (source / "link").symlink_to("bin/run")
    (source / "out").symlink_to("/etc/passwd")
    os.mkfifo(source / "pipe")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as into:
        assert tree.pack(source, tree.entries(source), into, 1000, "w/") == 10
    packed.seek(0)
    target = tmp_path / "target"
    target.mkdir()
    tree.unpack(packed, {"w/": target}, 1000)
    assert (target / "bin" / "run").read_bytes() == b"#!/bin/sh\n"
    assert (target / "bin" / "run").stat().st_mode & 0o777 == 0o755
    assert (target / "link").readlink() == Path("bin/run")
    assert (target / "out").readlink() == Path("/etc/passwd"), "a link is kept as a link, never as what it points to"
    assert not (target / "pipe").exists()


@pytest.mark.parametrize(
    "name",
    ["w/../victim", "w//victim", "w//etc/passwd", "w/a/../../victim", "w/."],
)
def test_a_path_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(TreeRefused, match="leads out"):
        unpack(tmp_path / "root", (name, b"x"))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    with pytest.raises(TreeRefused, match="is a folder already"):
        unpack(tmp_path / "root", ("w/a", f"-> {victim}"), ("w/a/secret", b"x"))
    assert not list(victim.iterdir())
    # Neither through one that stands there already, as a step may have left it.
    (tmp_path / "root" / "b").symlink_to(victim)
    with pytest.raises(TreeRefused, match="is no folder"):
        unpack(tmp_path / "root", ("w/b/secret", b"x"))
    assert not list(victim.iterdir())
    (tmp_path / "root" / "c").symlink_to(victim / "file")
    unpack(tmp_path / "root", ("w/c", b"mine"))
    assert not list(victim.iterdir())
    assert (tmp_path / "root" / "c").read_bytes() == b"mine"


@pytest.mark.parametrize("content", ["= /etc/passwd", "!"])
def test_hard_links_and_special_files_are_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(TreeRefused, match="neither"):
        unpack(tmp_path / "root", ("w/x", content))


def test_an_archive_is_bounded(tmp_path: Path) -> None:
    with pytest.raises(TreeTooLarge):
        unpack(tmp_path / "root", ("w/a", b"x" * 600), ("w/b", b"x" * 600))


def test_files_are_opened_through_no_link(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "secret").write_text("s")
    (tmp_path / "root" / "link").symlink_to("../secret")
    (tmp_path / "root" / "up").symlink_to("..")
    os.mkfifo(tmp_path / "root" / "pipe")
    for path in ("link", "up/secret", "pipe", "none", "../secret"):
        file = tree.open_file(tmp_path / "root", path) if ".." not in path else None
        assert file is None, path
    (tmp_path / "root" / "plain").write_text("p")
    opened = tree.open_file(tmp_path / "root", "plain")
    assert opened is not None
    opened.close()


@pytest.mark.parametrize(
    ("path", "pattern", "fits"),
    [
        ("report.xml", "report.xml", True),
        ("reports/a.xml", "reports/*.xml", True),
        ("reports/a/b.xml", "reports/*.xml", False),
        ("reports/a/b.xml", "reports/**/*.xml", True),
        ("reports/b.xml", "reports/**/*.xml", True),
        ("x/reports/b.xml", "**/*.xml", True),
        ("htmlcov/a/b/c", "htmlcov", True),
        ("html", "htmlcov", False),
        ("a/b/c/d/e", "**/c/**/e", True),
        ("a/b/c/d", "**/x/**", False),
    ],
)
def test_patterns_name_files_and_whole_folders(path: str, pattern: str, fits: bool) -> None:
    assert tree.matches(path, [pattern]) is fits


def test_clearing_and_removing_follow_no_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "file").write_text("x")
    root = tmp_path / "root"
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "f").write_text("x")
    (root / "link").symlink_to(victim)
    tree.remove(root, ["link/file", "a", "a/f", "none", "../victim/file"])
    assert sorted(path.name for path in root.iterdir()) == ["link"]
    tree.clear(root)
    assert not list(root.iterdir())
    assert (victim / "file").exists()
