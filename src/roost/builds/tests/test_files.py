"""A checkout that a stranger filled gives nothing away but its own files."""

import os
from pathlib import Path

import pytest

from roost.builds.files import Checkout, Listing


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    (tmp_path / "secret").write_text("canary")
    root = tmp_path / "root"
    (root / "inner").mkdir(parents=True)
    (root / "a.txt").write_text("a\r\n")
    (root / "inner" / "b.txt").write_text("b")
    (root / "link").symlink_to("../secret")
    (root / "folder").symlink_to("..")
    os.mkfifo(root / "pipe")
    (root / "large").write_bytes(b"x" * (2 << 20))
    return Checkout(root)


def test_files_and_folders_are_seen(checkout: Checkout) -> None:
    assert checkout.read("a.txt") == "a\n"
    assert checkout.read("./inner//b.txt") == "b"
    assert checkout.names() == ["a.txt", "folder", "inner/", "large", "link", "pipe"]
    assert checkout.names("inner/") == ["b.txt"]


@pytest.mark.parametrize(
    "path",
    ["link", "folder/secret", "../secret", "/../secret", "inner/../../secret", "pipe", "large", "inner", "none", "a\0"],
)
def test_links_pipes_large_files_and_ways_out_are_not_read(checkout: Checkout, path: str) -> None:
    assert checkout.read(path) is None


def test_folders_are_not_listed_through_links(checkout: Checkout) -> None:
    assert checkout.names("folder") == checkout.names("..") == checkout.names("a.txt") == []


def test_a_listing_in_memory_is_the_same() -> None:
    files = Listing({"a.txt": "a", "inner/b.txt": "b"})
    assert files.names() == ["a.txt", "inner/"] and files.names("inner") == ["b.txt"]
    assert files.read("inner/b.txt") == "b" and files.read("../a.txt") is None
