"""Signing a terminal in by a code: `roost login --browser` here, a browser that lets it through there."""

import asyncio
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from roost.api.identity.device import GRANT
from roost.cli.main import run
from roost.kube.client import Client
from tests.integration.api.conftest import Running, Team
from tests.integration.identity.conftest import Browser

pytestmark = pytest.mark.integration


async def _sign_in(api: Running, browser: Browser, person: str) -> None:
    user = await api.people.user(person)
    assert user is not None
    password = await api.people.new_password(person, user.metadata.uid)
    assert (await browser.post("/signin", {"name": person, "password": password})).status_code == 303


async def _begin(api: Running) -> dict[str, str]:
    found: dict[str, str] = (await api.client().post("/v1/device/authorization", data={"client_id": "x"})).json()
    return found


async def _ask(api: Running, code: str) -> dict[str, str]:
    fields = {"grant_type": GRANT, "device_code": code, "client_id": "x"}
    found: dict[str, str] = (await api.client().post("/v1/device/token", data=fields)).json()
    return found


async def test_roost_login_waits_until_a_browser_lets_it_through(
    api: Running, team: Team, browser: Browser, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    await _sign_in(api, browser, team.person("developer"))
    environment = {"HOME": str(tmp_path)}
    waiting = asyncio.create_task(asyncio.to_thread(run, ["login", api.url, "--browser"], environment, tmp_path))
    said = ""
    while "Code: " not in said:
        await asyncio.sleep(0.05)
        said += capfd.readouterr().err
    link = next(word for word in said.split() if "/device?code=" in word)
    parts = urlsplit(link)
    page = await browser.get(f"{parts.path}?{parts.query}")
    code = said.partition("Code: ")[2].split()[0]
    assert code in page.text and team.person("developer") in page.text
    assert (await browser.post("/device", {"code": code, "decision": "allow"})).status_code == 200
    assert await waiting == 0
    assert await asyncio.to_thread(run, ["whoami", "-o", "name"], environment, tmp_path) == 0
    assert capfd.readouterr().out.strip() == team.person("developer")


@pytest.mark.full
async def test_nothing_is_kept_before_somebody_lets_it_through(api: Running, client: Client) -> None:
    before = len(await client.list("v1", "Secret", "roost-people", "roost.dev/record=device"))
    begun = [await _begin(api) for _ in range(5)]
    assert len({item["user_code"] for item in begun}) == 5
    assert (await _ask(api, begun[0]["device_code"]))["error"] == "authorization_pending"
    assert len(await client.list("v1", "Secret", "roost-people", "roost.dev/record=device")) == before


async def test_a_code_is_good_once_for_the_terminal_that_shows_it(api: Running, team: Team, browser: Browser) -> None:
    await _sign_in(api, browser, team.person("viewer"))
    mine, other = await _begin(api), await _begin(api)
    assert (await browser.post("/device", {"code": mine["user_code"], "decision": "allow"})).status_code == 200
    assert (await browser.post("/device", {"code": mine["user_code"], "decision": "allow"})).status_code == 422
    assert (await _ask(api, other["device_code"]))["error"] == "authorization_pending"
    answers = await asyncio.gather(*(_ask(api, mine["device_code"]) for _ in range(4)))
    assert len([answer for answer in answers if "access_token" in answer]) == 1


@pytest.mark.full
async def test_refused_forged_and_late_codes_sign_nobody_in(api: Running, team: Team, browser: Browser) -> None:
    await _sign_in(api, browser, team.person("viewer"))
    refused, late = await _begin(api), await _begin(api)
    assert (await browser.post("/device", {"code": refused["user_code"], "decision": "refuse"})).status_code == 200
    assert (await _ask(api, refused["device_code"]))["error"] == "access_denied"
    assert (await _ask(api, refused["device_code"][:-3] + "AAA"))["error"] == "expired_token"
    assert (await _ask(api, ""))["error"] == "expired_token"
    assert (await browser.post("/device", {"code": late["user_code"], "decision": "allow"})).status_code == 200
    api.clock.ahead = timedelta(minutes=11)
    assert (await _ask(api, late["device_code"]))["error"] == "expired_token"


@pytest.mark.full
async def test_who_is_disabled_meanwhile_gets_nothing(
    api: Running, team: Team, browser: Browser, administrator: str
) -> None:
    person = team.person("viewer")
    await _sign_in(api, browser, person)
    begun = await _begin(api)
    assert (await browser.post("/device", {"code": begun["user_code"], "decision": "allow"})).status_code == 200
    admin = await api.as_(administrator)
    assert (await admin.patch(f"/v1/users/{person}", json={"disabled": True})).status_code == 200
    assert (await _ask(api, begun["device_code"]))["error"] == "access_denied"
