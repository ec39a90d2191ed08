"""What the tests of the CLI share: a running API, and `roost` called in this process against it."""

import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from roost.cli.main import run
from roost.cli.tests.fake_api import TOKEN, FakeApi, start


@dataclass(frozen=True)
class Said:
    """What one call of `roost` left behind."""

    code: int
    out: str
    err: str


class Roost:
    """`roost` as mei in a working directory that names acme, dev and shop; without a terminal."""

    def __init__(self, api: FakeApi, directory: Path, capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch):
        self.api, self.directory, self.capsys, self.patch = api, directory, capsys, patch
        self.environment = {"HOME": str(directory), "LANG": "en_US.UTF-8"}

    def __call__(self, *arguments: str, stdin: str = "", **environment: str) -> Said:
        """Run it; the exit code and both outputs."""
        self.patch.setattr(sys, "stdin", io.StringIO(stdin))
        code = run(arguments, self.environment | environment, self.directory)
        told = self.capsys.readouterr()
        return Said(code, told.out, told.err)


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """A running API."""
    made, server = start()
    yield made
    made.released.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def stranger(
    api: FakeApi, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Roost:
    """`roost` where nobody signed in and no roost.yaml stands."""
    return Roost(api, tmp_path, capsys, monkeypatch)


@pytest.fixture
def roost(stranger: Roost) -> Roost:
    """`roost` signed in as mei, with a roost.yaml."""
    stranger.environment |= {"ROOST_SERVER": stranger.api.url, "ROOST_TOKEN": TOKEN}
    (stranger.directory / "roost.yaml").write_text("tenant: acme\nenv: dev\napp: shop\n")
    return stranger
