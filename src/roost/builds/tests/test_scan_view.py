"""What of a commit a scanner sees: regular files that rules are about, and nothing by which a repository has a say."""

import os
from pathlib import Path

import pytest

from roost.builds import scan_view


def seen(root: Path, into: Path) -> set[str]:
    return {str(path.relative_to(into)) for path in into.rglob("*") if path.is_file()} - {".semgrepignore"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


def put(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x\n")


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("app.py", "python"),
        ("web/App.TSX", "javascript"),
        ("Main.java", "java"),
        ("main.go", "go"),
        ("Containerfile", "containerfile"),
        ("Dockerfile.prod", "containerfile"),
        ("api.dockerfile", "containerfile"),
        ("README.md", ""),
        ("Dockerfile-notes.md", ""),
        ("pyproject.toml", ""),
    ],
)
def test_a_name_says_the_language(name: str, language: str) -> None:
    assert scan_view.language(name.rpartition("/")[2]) == language


def test_a_view_holds_what_rules_are_about(root: Path, tmp_path: Path) -> None:
    put(root, "app.py", "src/web.ts", "Containerfile", "README.md", ".semgrepignore", "src/.semgrepignore")
    put(root, "node_modules/x/index.js", "vendor/x/x.go", ".venv/lib/python3.13/site-packages/x.py", ".git/hooks/x.py")
    view = scan_view.of_source(root, tmp_path / "view")
    assert seen(root, tmp_path / "view") == {"app.py", "src/web.ts", "Containerfile.roost.dockerfile"}
    assert view.files == 3 and sorted(view.languages) == ["containerfile", "javascript", "python"]
    assert scan_view.original("Containerfile.roost.dockerfile") == "Containerfile"
    assert "*" not in (tmp_path / "view" / ".semgrepignore").read_text()


def test_links_and_other_things_than_files_are_left_out(root: Path, tmp_path: Path) -> None:
    put(tmp_path, "outside/secret.py")
    (root / "link.py").symlink_to(tmp_path / "outside" / "secret.py")
    (root / "folder").symlink_to(tmp_path / "outside")
    os.mkfifo(root / "pipe.py")
    assert scan_view.of_source(root, tmp_path / "view").files == 0


def test_what_is_left_out_for_its_size_or_number_is_told(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(root, "a.py", "b.py", "c.py")
    (root / "large.py").write_bytes(b"x" * (scan_view.LARGEST + 1))
    monkeypatch.setattr(scan_view, "MOST", 2)
    view = scan_view.of_source(root, tmp_path / "view")
    assert (view.files, view.skipped, view.left_out) == (2, 2, ("c.py", "large.py"))


def test_no_depth_hides_a_file(root: Path, tmp_path: Path) -> None:
    put(root, "/".join(["d"] * 400) + "/app.py")
    assert scan_view.of_source(root, tmp_path / "view").files == 1


def test_lock_files_are_seen_wherever_they_are(root: Path, tmp_path: Path) -> None:
    put(root, "requirements.txt", "web/package-lock.json", "osv-scanner.toml", "web/osv-scanner.toml", "a/go.mod")
    scan_view.of_locks(root, tmp_path / "view")
    assert seen(root, tmp_path / "view") == {"requirements.txt", "web/package-lock.json", "a/go.mod"}


def test_what_a_repository_says_to_scanners_is_told(root: Path) -> None:
    put(root, "osv-scanner.toml", "src/.semgrepignore", ".gitleaks.toml", "app.py")
    assert scan_view.settings(root) == (".gitleaks.toml", "osv-scanner.toml", "src/.semgrepignore")
