"""`roost` as a process of its own against the API of the integration tests: a real kube-apiserver, real rights."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.api.conftest import (
    Running,
    Team,
    administrator,
    api,
    kubeconfig,
    settings,
    team,
)


@dataclass(frozen=True)
class Said:
    """What one call left behind."""

    code: int
    out: str
    err: str


Roost = Callable[..., Awaitable[Said]]


@pytest.fixture
def roost(api: Running, tmp_path: Path) -> Roost:
    """`await roost(person, "app", "list", ...)`: signed in by a token as that person; stdin, input for it."""
    tokens: dict[str, str] = {}

    async def call(person: str, *arguments: str, stdin: str = "") -> Said:
        if person and person not in tokens:
            tokens[person] = await api.token(person)
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8"}
        if person:
            environment |= {"ROOST_SERVER": api.url, "ROOST_TOKEN": tokens[person]}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "roost.cli.main",
            *arguments,
            env=environment,
            cwd=tmp_path,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(stdin.encode()), 60)
        return Said(int(process.returncode or 0), out.decode(), err.decode())

    return call


__all__ = ["Roost", "Said", "Team", "administrator", "api", "kubeconfig", "settings", "team"]
