"""The CLI against the real API on a real kube-apiserver: what people do, what they may not, and what is wrong."""

import json

import pytest

from tests.integration.api.conftest import IMAGE, Running, Team
from tests.integration.cli.conftest import Roost

pytestmark = pytest.mark.integration


def at(team: Team, app: str = "shop") -> list[str]:
    """The options that name the application."""
    return ["-t", team.name, "-e", "dev", "-a", app]


async def test_signing_in_with_a_password_and_out_again(api: Running, roost: Roost, administrator: str) -> None:
    made = await roost(administrator, "user", "create", "lin", "--title", "Lin")
    if made.code == 5:  # The person is left from an earlier test on the same server.
        made = await roost(administrator, "user", "password", "lin", "--yes")
    assert made.code == 0, made.err
    password = made.out.strip()
    said = await roost("", "login", api.url, "--name", "lin", "--password-stdin", stdin=password + "\n")
    assert said.code == 0, said.err
    assert json.loads((await roost("", "whoami", "-o", "json")).out)["person"] == "lin"
    changed = await roost("", "password", "--stdin", stdin=f"{password}\na much better password\n")
    assert changed.code == 0, changed.err
    wrong = await roost("", "login", api.url, "--name", "lin", "--password-stdin", stdin=password + "\n")
    assert wrong.code == 4
    again = await roost("", "login", "--name", "lin", "--password-stdin", stdin="a much better password\n")
    assert again.code == 0, again.err
    assert (await roost("", "logout")).code == 0
    assert (await roost("", "whoami")).code == 4


async def test_a_developer_makes_configures_scales_and_deletes_an_application(roost: Roost, team: Team) -> None:
    mei, here = team.person("developer"), at(team)
    made = await roost(mei, "app", "create", "shop", "--port", "8000", "--image", IMAGE, "--detach", *here[:4])
    assert made.code == 0, made.err
    assert (await roost(mei, "app", "list", "-o", "name", *here[:4])).out == "shop\n"
    said = await roost(mei, "config", "set", "LEVEL=debug", "--detach", *here)
    assert said.code == 0, said.err
    said = await roost(mei, "config", "set", "KEY=-", "--secret", "--detach", *here, stdin="very secret")
    assert said.code == 0, said.err
    listed = await roost(mei, "config", "list", *here)
    assert "debug" in listed.out
    assert "KEY" in listed.out
    assert "very secret" not in listed.out + listed.err
    assert (await roost(mei, "config", "unset", "LEVEL", "--detach", *here)).code == 0
    scaled = await roost(mei, "scale", "web=3", "--detach", "-o", "json", *here)
    assert json.loads(scaled.out)["spec"]["processes"][0]["replicas"] == 3
    status = await roost(mei, "status", *here)
    assert status.code == 0, status.err
    assert "0/3" in status.out
    assert (await roost(mei, "deploy", IMAGE.replace("a" * 64, "b" * 64), "--detach", *here)).code == 0
    assert (await roost(mei, "logs", *here)).code == 0
    assert (await roost(mei, "app", "delete", "shop", "--confirm", "shop", *here[:4])).code == 0
    assert (await roost(mei, "app", "show", *here)).code == 3


async def test_a_dry_run_is_checked_by_the_server_and_keeps_nothing(roost: Roost, team: Team) -> None:
    mei, here = team.person("developer"), at(team)
    assert (await roost(mei, "app", "create", "shop", "--dry-run", *here[:4])).code == 0
    assert (await roost(mei, "app", "show", *here)).code == 3


async def test_roles_decide_and_the_exit_code_tells(roost: Roost, team: Team) -> None:
    here = at(team)
    assert (await roost(team.person("developer"), "app", "create", "shop", *here[:4])).code == 0
    viewer = team.person("viewer")
    assert (await roost(viewer, "app", "list", *here[:4])).code == 0
    refused = await roost(viewer, "scale", "web=2", "--detach", *here)
    assert refused.code == 4
    assert "Request:" in refused.err
    assert (await roost(viewer, "tenant", "create", "mine", "--detach")).code == 4
    assert (await roost(viewer, "user", "list")).code == 4


async def test_what_is_not_there_and_what_is_another_tenants_look_alike(roost: Roost, team: Team) -> None:
    mei = team.person("developer")
    assert (await roost(mei, "app", "list", "-t", "nobody", "-e", "dev")).code == 3
    assert (await roost(mei, "app", "list", "-t", team.name, "-e", "nowhere")).code == 3
    assert (await roost(mei, "rollback", *at(team, "none"))).code == 3
    assert (await roost(mei, "build", "cancel", "none-1-abc", "-t", team.name)).code == 3
    assert (await roost(mei, "exec", *at(team, "none"), "--", "true")).code == 3


@pytest.mark.parametrize("name", ["a" * 31, "Shop", "-shop", "shop_1"])
async def test_a_name_that_does_not_fit_is_refused_with_what_is_allowed(roost: Roost, team: Team, name: str) -> None:
    said = await roost(team.person("developer"), "app", "create", "-t", team.name, "-e", "dev", "--", name)
    assert said.code in (2, 7), said.err
    assert "Why:" in said.err


async def test_an_image_that_is_none_is_refused_with_the_field(roost: Roost, team: Team) -> None:
    mei, here = team.person("developer"), at(team)
    assert (await roost(mei, "app", "create", "shop", *here[:4])).code == 0
    said = await roost(mei, "deploy", "shop@sha256:short", *here)
    assert said.code == 2
    assert "image" in said.err


async def test_making_the_same_thing_twice_is_a_conflict(roost: Roost, team: Team) -> None:
    mei, here = team.person("developer"), at(team)
    assert (await roost(mei, "app", "create", "shop", *here[:4])).code == 0
    assert (await roost(mei, "app", "create", "shop", *here[:4])).code == 5


async def test_a_project_is_made_shown_and_deleted_by_an_owner(roost: Roost, team: Team) -> None:
    owner, where = team.person("owner"), ["-t", team.name]
    made = await roost(owner, "project", "create", "site", "--start", "gunicorn app:app", "--detach", *where)
    assert made.code == 0, made.err
    assert f"/{team.name}/site.git" in made.err
    assert "site" in (await roost(owner, "project", "list", *where)).out
    assert (await roost(owner, "project", "show", "site", *where)).code == 0
    assert (await roost(owner, "build", "list", *where)).code == 0
    assert (await roost(owner, "project", "delete", "site", "--confirm", "site", *where)).code == 0


async def test_an_administrator_makes_a_tenant_and_its_members(roost: Roost, team: Team, administrator: str) -> None:
    name = f"x{team.name[1:]}"
    made = await roost(administrator, "tenant", "create", name, "--env", "dev", "--env", "prod", "--detach")
    assert made.code == 0, made.err
    person = team.person("owner")
    added = await roost(administrator, "tenant", "member", "add", name, person, "--role", "owner")
    assert added.code == 0, added.err
    assert person in (await roost(administrator, "tenant", "member", "list", name)).out
    assert (await roost(administrator, "tenant", "member", "remove", name, person)).code == 0
    assert (await roost(administrator, "tenant", "delete", name, "--confirm", name)).code == 0
    reserved = await roost(administrator, "tenant", "create", "kube", "--detach")
    assert reserved.code in (2, 7), reserved.err
    assert "Why:" in reserved.err


async def test_tokens_are_shown_once_and_end_when_revoked(roost: Roost, team: Team) -> None:
    mei = team.person("developer")
    made = await roost(mei, "token", "create", "ci", "--days", "1")
    assert made.out.startswith("rst_")
    listed = await roost(mei, "token", "list", "-o", "json")
    assert made.out.strip() not in listed.out
    # The one that was made, not the one that mei is signed in with.
    ids = [item["id"] for item in json.loads(listed.out) if item["name"] == "ci"]
    assert len(ids) == 1
    assert (await roost(mei, "token", "revoke", ids[0], "--yes")).code == 0
    assert ids[0] not in (await roost(mei, "token", "list", "-o", "json")).out
