"""The real scanner over real files: what it finds, and that the repository has no say in it."""

import os
from pathlib import Path

import pytest

from roost.builds import scan
from roost.builds.scanner import ScanFailed
from roost.node import engine

pytestmark = pytest.mark.integration
# Made up, in the form of a token of GitHub; in two parts, so that this file is none of the findings of its own scan.
TOKEN = "ghp_" + "016C7e7yqw3FdR8fK2sLw0aQ1xZ5bN9mTcVu"


@pytest.fixture(autouse=True)
def scanner(monkeypatch: pytest.MonkeyPatch) -> None:
    """gitleaks on the path, from the engine's cache."""
    try:
        programs = engine.existing(("gitleaks",))
    except engine.EngineIncomplete:
        programs = engine.build(("gitleaks",))
    monkeypatch.setenv("PATH", f"{programs.path('gitleaks').parent}:{os.environ['PATH']}")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "app.py").write_text(f'import os\nTOKEN = "{TOKEN}"\n')
    (folder / "README.md").write_text("Set TOKEN in the configuration.\n")
    return folder


def look(checkout: Path, *waived: str) -> list[tuple[str, str, bool]]:
    work = checkout.parent / "work"
    work.mkdir(exist_ok=True)
    return [(item.rule, item.place, item.waived) for item in scan.secrets(checkout, work, waived).items]


def test_a_secret_is_found_where_it_stands(checkout: Path) -> None:
    assert look(checkout) == [("github-pat", "app.py:2", False)]


def test_a_clean_commit_passes(checkout: Path) -> None:
    (checkout / "app.py").write_text('import os\nTOKEN = os.environ["TOKEN"]\n')
    assert look(checkout) == []


def test_a_waived_finding_is_told_as_such(checkout: Path) -> None:
    work = checkout.parent / "work"
    work.mkdir()
    (found,) = scan.secrets(checkout, work, ()).items
    assert look(checkout, found.fingerprint) == [("github-pat", "app.py:2", True)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".gitleaks.toml", 'title = "mine"\n[allowlist]\npaths = [".*"]\n'),
        (".gitleaksignore", "app.py:github-pat:2\nsource/app.py:github-pat:2\n"),
        ("gitleaks.toml", 'title = "mine"\n'),
    ],
)
def test_what_the_repository_says_about_scanning_does_not_count(checkout: Path, name: str, text: str) -> None:
    (checkout / name).write_text(text)
    assert ("github-pat", "app.py:2", False) in look(checkout)
    assert (checkout / name).read_text() == text, "The build gets the files as they were."


def test_a_comment_does_not_hide_a_secret(checkout: Path) -> None:
    (checkout / "app.py").write_text(f'TOKEN = "{TOKEN}"  # gitleaks:allow\n')
    assert look(checkout) == [("github-pat", "app.py:1", False)]


def test_hostile_files_do_nothing(checkout: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text(f'TOKEN = "{TOKEN}"\n')
    (checkout / "app.py").write_text("")
    (checkout / "link.py").symlink_to(outside)
    (checkout / "--config=x").write_text("a name")
    (checkout / ".gitleaksignore").symlink_to(outside)
    assert look(checkout) == []
    assert (checkout / ".gitleaksignore").is_symlink()


def test_a_scanner_that_is_not_there_stops_the_run(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ScanFailed):
        look(checkout)
