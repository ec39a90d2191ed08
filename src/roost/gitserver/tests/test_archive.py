"""Archives by themselves: what is hostile is refused before the first byte goes to git."""

import hashlib
import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from roost.gitserver import archive
from roost.gitserver.archive import Refused, allowed, check_link, checked, clean, opened, quoted, stream, top
from roost.gitserver.tests.archives import FILES, tar, tgz, zipped

MOST = 1 << 30


def member(name: str, kind: bytes, target: str = "", size: int = 0) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size = kind, target, size
    return made


def symlink_in_zip(name: str, target: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, target)
    return out.getvalue()


def twice() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for _ in range(2):
            archive.addfile(tarfile.TarInfo("app.py"))
    return out.getvalue()


NOISE = b"".join(hashlib.sha256(bytes([at])).digest() for at in range(250))
LINK, HARD, FIFO = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE
HOSTILE = {
    "climbs": (tar({"../evil": b"x"}), "leads out"),
    "climbs inside": (zipped({"a/../../evil": b"x"}), "leads out"),
    "climbs as windows does": (zipped({"a\\..\\..\\evil": b"x"}), "no path has"),
    "absolute": (tar({"/etc/evil": b"x"}), "root of a disk"),
    "a drive": (tar({"C:/evil": b"x"}), "root of a disk"),
    "control characters": (tar({"a\nb": b"x"}), "control characters"),
    "not UTF-8": (tar({"a\udcff": b"x"}), "not UTF-8"),
    "link out": (tar(FILES, x=member("l", LINK, "../x")), "leads out"),
    "link to the root": (tar(FILES, x=member("l", LINK, "/etc/passwd")), "leads out"),
    "link by a link": (tar(FILES, x=member("l", LINK, "templates/../../x")), "leads out"),
    "link in a zip": (symlink_in_zip("l", "/etc/passwd"), "leads out"),
    "file beneath a link": (tar({"l/x": b"x"}, x=member("l", LINK, "templates")), "file and a folder"),
    "hard link": (tar(FILES, x=member("l", HARD, "app.py")), "hard link"),
    "pipe": (tar(FILES, x=member("p", FIFO)), "special file"),
    "device": (tar(FILES, x=member("d", tarfile.CHRTYPE)), "special file"),
    "twice": (twice(), "twice"),
    "twice, written differently": (tar({"app.py": b"x", "./app.py": b"y"}), "same place"),
    "too deep": (tar({"d/" * 70 + "x": b"x"}), "folders deep"),
    "too long": (tar({"x" * 1200: b"x"}), "more than 1000 bytes"),
    "bzip2": (tar(FILES, "w:bz2"), "no archive that is taken"),
    "lzma in a zip": (zipped(FILES, zipfile.ZIP_LZMA), "use deflate"),
    "no archive": (b"hello" * 1000, "no archive that is taken"),
    "nothing in it": (tgz({}), "no files"),
    "torn": (tgz({"app.py": NOISE})[:2000], "broken"),
    "torn zip": (zipped(FILES)[:-30], "broken"),
    "a bomb": (tgz({"zeros": b"\0" * (60 << 20)}), "larger than"),
    "a bomb in a zip": (zipped({f"z{at}": b"\0" * (9 << 20) for at in range(8)}), "larger than"),
}


def read(tmp_path: Path, body: bytes) -> bytes:
    """The stream that git would get; Refused."""
    file = tmp_path / "archive"
    file.write_bytes(body)
    limit = allowed(len(body), MOST)
    found, out = opened(file, limit), io.BytesIO()
    wanted, _ = checked(found.items(), limit, strip=True)
    stream(found, wanted, b"commit x\n", out)
    return out.getvalue()


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_hostile_is_refused(tmp_path: Path, name: str) -> None:
    body, words = HOSTILE[name]
    with pytest.raises((Refused, tarfile.TarError, zipfile.BadZipFile, EOFError)) as refused:
        read(tmp_path, body)
    assert words == "broken" or (isinstance(refused.value, Refused) and words in str(refused.value))


@pytest.mark.parametrize("body", [tar(FILES), tgz(FILES), zipped(FILES)])
def test_what_is_harmless_comes_whole(tmp_path: Path, body: bytes) -> None:
    told = read(tmp_path, body)
    assert b'M 100644 inline "app.py"\ndata 3\none\n' in told and told.endswith(b"done\n")


def test_a_zip_that_lies_about_a_size_is_refused(tmp_path: Path) -> None:
    raw = bytearray(zipped({"app.py": b"x" * 1000}, zipfile.ZIP_STORED))
    at = raw.rindex(b"PK\x01\x02") + 24  # The size in the table of contents.
    raw[at : at + 4] = (900).to_bytes(4, "little")
    with pytest.raises((Refused, zipfile.BadZipFile)):
        read(tmp_path, bytes(raw))


def test_more_files_than_there_may_be_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_ENTRIES", 10)
    assert read(tmp_path, tgz({f"f{at}": b"" for at in range(10)}))
    with pytest.raises(Refused, match="more than 10 files"):
        read(tmp_path, tgz({f"f{at}": b"" for at in range(11)}))


def test_how_much_may_come_out() -> None:
    assert allowed(10, MOST) == 32 << 20, "A small one may hold a few files that shrink well."
    assert allowed(1 << 20, MOST) == 100 << 20 and allowed(1 << 28, MOST) == MOST


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("./a//b", "a/b"),
        ("a/.git/config", ""),
        ("a/.GIT/x", ""),
        ("__MACOSX/._a", ""),
        ("a/.gitignore", "a/.gitignore"),
    ],
)
def test_names_as_git_has_them(name: str, path: str) -> None:
    assert clean(name) == path


@pytest.mark.parametrize(("path", "target"), [("a", "b"), ("d/a", "../b"), ("d/e/a", "../../b/c"), ("d/a", "./b")])
def test_links_inside_are_kept(path: str, target: str) -> None:
    check_link(path, target)


def test_the_one_folder_around_all() -> None:
    assert top(["shop-1/a", "shop-1/b/c"]) == "shop-1/" and top(["a", "b/c"]) == "" and top(["x/a", "y/b"]) == ""


def test_a_path_is_quoted_as_fast_import_reads_it() -> None:
    assert quoted('a "b" \\ c') == b'"a \\"b\\" \\\\ c"'
