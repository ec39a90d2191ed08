"""schemathesis over the whole API: whatever it makes of the document, as anybody, no answer is a server error.

A bounded run for every landing, one of many more examples with `full`. Streams are asked for their first answer only.
"""

import asyncio
from typing import Any

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from tests.integration.api.conftest import Running, Team, app_body

pytestmark = pytest.mark.integration
ENDLESS = ("watch", "follow")
# What ends the caller's own access would leave nothing to try.
ENDING = {("DELETE", "/v1/session"), ("PUT", "/v1/me/password"), ("DELETE", "/v1/tokens/{id}")}


def _try_all(url: str, token: str, team: Team, examples: int, every: int, offset: int) -> tuple[int, list[str]]:
    """(requests made, server errors). `every`: only each n-th operation, beginning at `offset`."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    made, errors = 0, []
    with httpx2.Client(base_url=url, headers=headers, trust_env=False, timeout=60) as http:
        schema = schemathesis.openapi.from_dict(http.get("/openapi.json").json())
        for number, found in enumerate(schema.get_all_operations()):
            operation = found.ok()  # type: ignore[union-attr]  # None that cannot be read is in our document.
            if (operation.method.upper(), operation.path) in ENDING or number % every != offset:
                continue

            @settings(
                max_examples=examples,
                deadline=None,
                database=None,
                derandomize=True,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy())
            def one(case: Any) -> None:
                nonlocal made
                answer = _send(http, url, case, team)
                made += 1
                if answer.status_code >= 500 and not _git_is_away(answer):
                    errors.append(f"{case.method} {case.path}: {answer.status_code} {answer.text[:300]}")

            one()
    return made, errors


def _send(http: httpx2.Client, url: str, case: Any, team: Team) -> httpx2.Response:
    """The request as it was made up, but in the tenant of the test where there is one in the path."""
    places = {"tenant": team.name, "environment": "dev"}
    named = {key: value for key, value in places.items() if f"{{{key}}}" in case.path}
    case.path_parameters = {**(case.path_parameters or {}), **named}
    case.query = {key: value for key, value in (case.query or {}).items() if key not in ENDLESS}
    request = case.as_transport_kwargs(base_url=url)
    sent = {key: value for key, value in request.items() if key in ("json", "data", "params") and value is not None}
    if isinstance(sent.get("data"), bytes | str):
        sent["content"] = sent.pop("data")
    own = {key: str(value) for key, value in dict(request.get("headers") or {}).items() if key.isascii()}
    own = {key: value for key, value in own.items() if value.isprintable() and value.isascii()}
    for key in ("Authorization", "User-Agent", "Content-Length"):
        own.pop(key, None)
    return http.request(request["method"], request["url"], headers=own, **sent)


def _git_is_away(answer: httpx2.Response) -> bool:
    """What the API passes on finds no git server in these tests, and says just that; tests/integration/git has one."""
    if answer.status_code != 503:
        return False
    problem = answer.json()
    away: bool = problem["type"].endswith("/problems/unavailable") and "git server" in problem["detail"]
    return away


def _person(role: str, team: Team, administrator: str) -> str:
    return administrator if role == "administrator" else team.person(role) if role else ""


async def _run(api: Running, team: Team, person: str, examples: int, every: int = 1, offset: int = 0) -> None:
    developer = await api.as_(team.person("developer"))
    await developer.post(team.of("apps"), json=app_body())
    token = await api.token(person) if person else ""
    made, errors = await asyncio.to_thread(_try_all, api.url, token, team, examples, every, offset)
    assert made >= 20
    assert not errors, "\n".join(errors[:20])


ROLES = ("", "viewer", "developer", "owner", "administrator")


@pytest.mark.parametrize("number", range(len(ROLES)))
async def test_a_part_of_the_api_never_fails(api: Running, team: Team, administrator: str, number: int) -> None:
    """Each role its fifth of the operations."""
    await _run(api, team, _person(ROLES[number], team, administrator), 1, len(ROLES), number)


@pytest.mark.full
@pytest.mark.parametrize("role", ROLES)
async def test_the_api_never_fails(api: Running, team: Team, administrator: str, role: str) -> None:
    """Each role every operation."""
    await _run(api, team, _person(role, team, administrator), examples=25)
