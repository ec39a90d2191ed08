"""A secret in a commit stops its run before anything is built; an owner may let it stay for a while."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.conftest import Person, commit, kubectl_json, made_person, repository, small_app
from tests.e2e.page import CONTAINERFILE, PROGRAM

pytestmark = pytest.mark.e2e
NOT_ALLOWED = 4
# Made up, in the form of a token of GitHub; in two parts, so that this file is none of the findings of its own scan.
TOKEN = "ghp_" + "016C7e7yqw3FdR8fK2sLw0aQ1xZ5bN9mTcVu"


@pytest.fixture(scope="module")
def owner(administrator: Person, member: Person, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    name = f"{member.tenant}-own"
    with made_person(administrator, name, member.tenant, "owner", tmp_path_factory.mktemp("home")) as person:
        yield person


def test_a_secret_stops_the_run_until_an_owner_waives_it(member: Person, owner: Person, tmp_path: Path) -> None:
    member.roost("project", "create", "leaky")
    small_app(member.tenant, "leaky")
    files = {"Containerfile": CONTAINERFILE, "app.py": PROGRAM, "settings.py": f'TOKEN = "{TOKEN}"\n'}
    path = repository(member, tmp_path / "leaky", files)
    stopped = member.git("push", member.remote("leaky"), "main", cwd=path, ok=False)
    assert stopped.code != 0 and "settings.py:1" in stopped.err and "roost waive" in stopped.err, stopped.err
    assert TOKEN not in stopped.err
    assert kubectl_json("-n", f"{member.tenant}-dev", "get", "releases.roost.dev")["items"] == []
    (found,) = member.roost("findings", "-p", "leaky", "-o", "json").json()
    assert (found["path"], found["severity"]) == ("settings.py", "high")
    waive = ("waive", found["fingerprint"], "-p", "leaky", "--reason", "Only a test's.")
    assert member.roost(*waive, ok=False).code == NOT_ALLOWED
    owner.roost(*waive)
    commit(member, path, {"notes": "Once more."}, "Once more.")
    pushed = member.git("push", member.remote("leaky"), "main", cwd=path)
    assert "waived" in pushed.err and f"leaky-dev.{member.tenant}" in pushed.err
