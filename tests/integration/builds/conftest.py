"""The scanner as it runs in its container, started by the tests: the same program, the same folders between."""

import os
import subprocess
import time
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from roost.builds.scanner import Scanner
from roost.model.advisories import ECOSYSTEMS, FOLDER
from roost.node import engine

SERVE = Path(__file__).resolve().parents[3] / "images/scanner/serve"
ENTRIES = Path(__file__).parent / "advisories"
SCANNERS = ("semgrep", "osv-scanner")


@pytest.fixture(scope="session")
def scanners() -> str:
    """A PATH with the engine's scanners on it."""
    try:
        programs = engine.existing(SCANNERS)
    except engine.EngineIncomplete:
        programs = engine.build(SCANNERS)
    folders = {str(programs.path(name).parent) for name in ("osemgrep", "osv-scanner")}
    return ":".join([*sorted(folders), "/usr/local/bin:/usr/bin:/bin"])


@pytest.fixture
def advisories(tmp_path: Path) -> Path:
    """The database: the archives as OSV publishes them, of the entries beside this file."""
    found = defaultdict[str, list[Path]](list)
    for path in sorted(ENTRIES.glob("*.json")):
        found[path.name.partition("-")[0]].append(path)
    folder = tmp_path / "advisories" / FOLDER
    for ecosystem in ECOSYSTEMS:
        (folder / ecosystem).mkdir(parents=True)
        with zipfile.ZipFile(folder / ecosystem / "all.zip", "w") as archive:
            for path in found[ecosystem]:
                archive.write(path, path.name.partition("-")[2])
    return folder


@pytest.fixture
def scanner(scanners: str, tmp_path: Path) -> Iterator[Scanner]:
    """A scanner at work; its database is `tmp_path / "advisories"`."""
    asked, told, advisories = (tmp_path / name for name in ("asked", "told", "advisories"))
    for folder in (asked, told, advisories):
        folder.mkdir(exist_ok=True)
    command = [str(SERVE), str(asked), str(told), str(advisories)]
    with subprocess.Popen(command, env={"PATH": scanners}, start_new_session=True) as process:
        yield Scanner(asked, told, time.sleep)
        os.killpg(process.pid, 9)
