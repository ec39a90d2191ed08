"""The scanner as it runs in its container, started by the tests: the same program, the same folders between."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from roost.builds.scanner import Scanner
from roost.node import engine

SERVE = Path(__file__).resolve().parents[3] / "images/scanner/serve"
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
def scanner(scanners: str, tmp_path: Path) -> Iterator[Scanner]:
    """A scanner at work; its database is `tmp_path / "advisories"`."""
    asked, told, advisories = (tmp_path / name for name in ("asked", "told", "advisories"))
    for folder in (asked, told, advisories):
        folder.mkdir(exist_ok=True)
    command = [str(SERVE), str(asked), str(told), str(advisories)]
    with subprocess.Popen(command, env={"PATH": scanners}, start_new_session=True) as process:
        yield Scanner(asked, told, time.sleep)
        os.killpg(process.pid, 9)
