"""One table over kubectl, the API and the command line: for each role all three are allowed or refused alike.

kubectl works with what `roost kubeconfig` gives: kube-apiserver's own token of the person's ServiceAccount.
"""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from roost.cli.main import run
from roost.kernel.discovery import kinds
from roost.model.names import API_VERSION
from roost.node import engine
from tests.integration.api.conftest import Running, Team, app_body, make_person
from tests.roles import DELIVERY, MEMBERS, PLATFORM, STRANGER, TABLE, WRITERS, Row

pytestmark = pytest.mark.integration
NOT_ALLOWED, NOT_FOUND = 4, 3


def _filled(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return value.format(**names)
    if isinstance(value, Mapping):
        return {key: _filled(item, names) for key, item in value.items()}
    return [_filled(item, names) for item in value] if isinstance(value, list) else value


async def _kubectl(row: Row, names: Mapping[str, str], config: Path) -> bool:
    assert row.kubectl is not None
    program = engine.existing(["kubernetes"]).path("kubectl")
    arguments = [_filled(word, names) for word in row.kubectl.split(" ")]
    process = await asyncio.create_subprocess_exec(
        str(program),
        f"--kubeconfig={config}",
        f"--cache-dir={config.parent / 'cache'}",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said = json.dumps(_filled(row.stdin, names)).encode() if row.stdin else b""
    out, err = await asyncio.wait_for(process.communicate(said), 60)
    refused = b"Forbidden" in err or b"forbidden" in err or out.strip() == b"no"
    assert refused or process.returncode == 0 or b"NotFound" in err, err.decode()
    return not refused


async def _api(row: Row, names: Mapping[str, str], api: Running, token: str) -> bool:
    assert row.api is not None
    method, path, body = row.api
    http = api.client(Authorization=f"Bearer {token}")
    params = {} if method == "GET" else {"dryRun": "true"}
    answer = await http.request(method, path.format(**names), json=_filled(body, names), params=params)
    assert answer.status_code < 500, answer.text
    if answer.status_code == 404:
        # What belongs to a tenant that is not one's own is "not there"; for a member only the object is missing.
        return "tenant" not in answer.json()["detail"].split(",")[0]
    if answer.status_code in (403, 422):
        assert answer.json()["type"].endswith(("/forbidden", "/refused")), answer.text
        return False
    assert answer.status_code < 300, answer.text
    return True


async def _cli(row: Row, names: Mapping[str, str], api: Running, token: str, home: Path) -> tuple[bool, int]:
    assert row.cli is not None
    environment = {"HOME": str(home), "LANG": "C.UTF-8", "ROOST_SERVER": api.url, "ROOST_TOKEN": token}
    code = await asyncio.to_thread(run, row.cli.format(**names).split(), environment, home)
    assert code in (0, NOT_ALLOWED, NOT_FOUND), code
    return code == 0, code


@pytest.fixture
async def people(api: Running, team: Team) -> dict[str, str]:
    """Who holds each role."""
    found = {role: team.person(role) for role in MEMBERS}
    for role in sorted(PLATFORM | STRANGER):
        found[role] = f"{role}-{team.name}"
        await make_person(api, found[role], "" if role in STRANGER else role)
    return found


async def _stand(api: Running, team: Team) -> None:
    """What the rows of DELIVERY change."""
    run = {"project": "wiki", "ref": "refs/heads/main", "commit": "a" * 40}
    chat = {"url": "https://chat.example.org/hook", "secret": "chat-channel"}
    waits = {"app": "shop", "artefact": {"image": f"registry.roost-system.svc:5000/{team.name}/shop@sha256:{'a' * 64}"}}
    build, dev = f"{team.name}-build", f"{team.name}-dev"
    made = {}
    for kind, name, space, spec in (
        ("Project", "wiki", build, {"source": {"type": "git", "url": "https://git.example.org/wiki"}}),
        ("Run", "wiki-1", build, run),
        ("Run", "wiki-2", build, run),
        ("Channel", "chat", build, chat),
        ("Promotion", "waits", dev, waits),
    ):
        metadata = {"name": name, "namespace": space}
        manifest = {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}
        made[name] = await api.admin.create(manifest, "test")
    await api.admin.patch_status(made["wiki-1"], {"phase": "Failed"}, "test")


QUICK = [pytest.param("developer", TABLE, id="developer")]
ALL = [
    pytest.param(role, [*TABLE, *DELIVERY], marks=pytest.mark.full, id=f"{role}-everything")
    for role in sorted(MEMBERS | PLATFORM | STRANGER)
]


@pytest.mark.parametrize(("role", "table"), [*QUICK, *ALL])
async def test_kubectl_the_api_and_the_command_line_answer_alike(
    api: Running, team: Team, people: Mapping[str, str], role: str, table: list[Row], tmp_path: Path
) -> None:
    maker = await api.as_(people["developer"])
    assert (await maker.post(team.of("apps"), json=app_body())).status_code == 201
    await _stand(api, team)
    token = await api.token(people[role])
    environment = {"HOME": str(tmp_path), "ROOST_SERVER": api.url, "ROOST_TOKEN": token}
    config = tmp_path / "mine"
    arguments = ["kubeconfig", "--static", "--file", str(config)]
    assert await asyncio.to_thread(run, arguments, environment, tmp_path) == 0
    names = {"t": team.name, "dev": f"{team.name}-dev", "build": f"{team.name}-build", "who": people[role]}
    wrong = []
    for row in table:
        expected, ways = role in row.may, {}
        if row.kubectl is not None:
            ways["kubectl"] = await _kubectl(row, names, config)
        if row.api is not None:
            ways["api"] = await _api(row, names, api, token)
        if row.cli is not None:
            allowed, code = await _cli(row, names, api, token, tmp_path)
            ways["cli"] = allowed or (code == NOT_FOUND and ways["api"])
        wrong += [f"{row.what} by {way}" for way, allowed in ways.items() if allowed is not expected]
    assert wrong == []


def test_every_role_is_allowed_and_refused_something() -> None:
    for role in MEMBERS | PLATFORM:
        assert {role in row.may for row in TABLE} == {True, False}


def test_every_kind_is_listed_made_and_removed() -> None:
    """A kind whose makers nobody named has no row that makes one: name them in WRITERS."""
    unnamed = {kind.KIND for kind in kinds()} - {"Tenant", "User"} - set(WRITERS)
    assert not unnamed, f"Who makes {', '.join(sorted(unnamed))}?"
