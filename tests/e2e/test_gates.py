"""Production behind gates: approvals by other people, freeze windows, and no way around them, as a team meets it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.e2e.conftest import Person, commit, get, kubectl_json, made_person, repository, small_app, until
from tests.e2e.page import CONTAINERFILE, PROGRAM

pytestmark = pytest.mark.e2e
NOT_ALLOWED, REFUSED = 4, 7


@dataclass(frozen=True)
class Team:
    """A developer with a pushed application, an approver and an owner; prod asks for one approval."""

    developer: Person
    approver: Person
    owner: Person
    administrator: Person
    path: Path
    url: str

    def promote(self) -> str:
        """Bring what serves in dev into prod, and leave it there: the Promotion's name."""
        made = self.developer.roost("promote", "-a", "shop", "--to", "prod", "--yes", "--detach", "-o", "json")
        return str(made.json()["metadata"]["name"])

    def ready(self, promotion: str) -> dict[str, str]:
        """The Ready condition of a Promotion."""
        found = kubectl_json("-n", f"{self.developer.tenant}-prod", "get", "promotions.roost.dev", promotion)
        conditions = (found.get("status") or {}).get("conditions") or [{"reason": ""}]
        return next(item for item in conditions if item.get("type", "Ready") == "Ready")

    def waits(self, promotion: str, reason: str) -> dict[str, str]:
        """The condition, once it says that."""
        until(lambda: self.ready(promotion)["reason"] == reason, f"{promotion} to be {reason}")
        return self.ready(promotion)

    def push(self, version: str) -> None:
        """A new version in dev."""
        commit(self.developer, self.path, {"app.py": PROGRAM.replace("VERSION", version)}, version)
        self.developer.git("push", self.developer.remote("shop"), "main", cwd=self.path)


@pytest.fixture(scope="module")
def team(administrator: Person, member: Person, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    tenant = member.tenant
    member.roost("project", "create", "shop")
    small_app(tenant, "shop")
    files = {"Containerfile": CONTAINERFILE, "app.py": PROGRAM.replace("VERSION", "one")}
    path = repository(member, tmp_path_factory.mktemp("gates") / "shop", files)
    member.git("push", member.remote("shop"), "main", cwd=path)
    administrator.roost("gate", "set", "-t", tenant, "-e", "prod", "--approvals", "1")
    homes = [tmp_path_factory.mktemp("home") for _ in range(2)]
    with (
        made_person(administrator, f"{tenant}-appr", tenant, "approver", homes[0]) as approver,
        made_person(administrator, f"{tenant}-own", tenant, "owner", homes[1]) as owner,
    ):
        yield Team(member, approver, owner, administrator, path, f"http://shop-prod.{tenant}.roost.localhost")


def test_a_version_comes_in_when_somebody_else_approved_it(team: Team) -> None:
    waiting = team.developer.roost("promote", "-a", "shop", "--to", "prod", "--yes", "-o", "json")
    assert "0 of 1 approvals" in waiting.err and get(team.url).status != 200
    (listed,) = team.approver.roost("approval", "-e", "prod", "-o", "json").json()
    name = listed["metadata"]["name"]
    own = team.developer.roost("approve", name, "-e", "prod", ok=False)
    assert own.code == NOT_ALLOWED, own.err
    team.approver.roost("approve", name, "-e", "prod", "--comment", "Looks right.")
    until(lambda: get(team.url).body == "one", "the approved version to serve")


def test_who_made_the_change_does_not_approve_it(team: Team) -> None:
    team.push("two")
    made = team.owner.roost("promote", "-a", "shop", "--to", "prod", "--yes", "--detach", "-o", "json").json()
    name = made["metadata"]["name"]
    team.waits(name, "AwaitingApproval")
    team.owner.roost("approve", name, "-e", "prod")
    until(lambda: team.approver.roost("approval", "list", "-e", "prod", "-o", "json").json(), "the word given")
    said = team.waits(name, "AwaitingApproval")["message"]
    assert "0 of 1 approvals" in said and team.owner.name in said and team.developer.name in said
    team.approver.roost("reject", name, "-e", "prod", "--comment", "Not on a Friday.")
    assert "Not on a Friday." in team.waits(name, "Rejected")["message"]
    assert get(team.url).body == "one"


def test_there_is_no_way_past_the_gate(team: Team) -> None:
    image = team.developer.roost("releases", "show", "v2", "-a", "shop", "-o", "json").json()
    wanted = image["spec"]["content"]["artefact"]["image"]
    direct = team.owner.roost("deploy", wanted, "-a", "shop", "-e", "prod", ok=False)
    assert direct.code == REFUSED and "by a promotion only" in direct.err, direct.err
    assert get(team.url).body == "one"


def test_a_freeze_holds_until_an_owner_lets_something_in(team: Team) -> None:
    where = ("-t", team.developer.tenant, "-e", "prod")
    team.administrator.roost("gate", "freeze", *where, "--reason", "Christmas trade")
    name = team.promote()
    team.waits(name, "AwaitingApproval")
    team.approver.roost("approve", name, "-e", "prod")
    assert "Christmas trade" in team.waits(name, "Frozen")["message"]
    why = ("--in-freeze", "--comment", "The till is down.")
    sneaky = team.approver.roost("approve", name, "-e", "prod", *why, ok=False)
    assert sneaky.code == REFUSED and "Only an owner" in sneaky.err, sneaky.err
    team.owner.roost("approve", name, "-e", "prod", *why)
    until(lambda: get(team.url).body == "two", "the version that the owner let in")


def test_going_back_needs_no_approval(team: Team) -> None:
    team.developer.roost("rollback", "v1", "-a", "shop", "-e", "prod", "--yes")
    until(lambda: get(team.url).body == "one", "the version from before")
