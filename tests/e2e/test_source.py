"""A commit in a Subversion repository elsewhere becomes a running application, told by a webhook."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.conftest import SERVER, Person, get, kubectl_json, small_app, until
from tests.e2e.outside import INSIDE, outside
from tests.e2e.page import CONTAINERFILE, PROGRAM
from tests.integration.git import sources
from tests.integration.git.sources import call

pytestmark = [pytest.mark.e2e, pytest.mark.full]


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A Subversion repository on a host of its own."""
    sources.install()
    call("svnadmin", "create", str(tmp_path / "wiki"))
    serve = ["svnserve", "--daemon", "--foreground", "--listen-host", INSIDE, "--root", str(tmp_path)]
    with outside(tmp_path) as host, host.serving(INSIDE, 3690, *serve):
        yield tmp_path


def put(folder: Path, version: str) -> None:
    """One revision of trunk."""
    work = folder / f"work-{version}"
    call("svn", "checkout", "--quiet", f"file://{folder}/wiki", str(work))
    trunk = work / "trunk"
    new = not trunk.exists()
    trunk.mkdir(exist_ok=True)
    (trunk / "Containerfile").write_text(CONTAINERFILE)
    (trunk / "app.py").write_text(PROGRAM.replace("VERSION", version))
    if new:
        call("svn", "add", "--quiet", str(trunk))
    call("svn", "commit", "--quiet", "-m", version, str(work))


def deliver(person: Person, hook: dict[str, str], secret: str) -> str:
    """The status of a delivery at the gateway."""
    url = hook["url"].replace("https://api.roost.localhost", SERVER)
    command = ["curl", "--silent", "--cacert", person.ca, "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST"]
    return call(*command, "-H", f"Authorization: Bearer {secret}", url)


def test_a_subversion_commit_becomes_a_version(member: Person, elsewhere: Path) -> None:
    put(elsewhere, "one")
    small_app(member.tenant, "wiki")
    member.roost("project", "create", "wiki", "--from", f"svn://{INSIDE}/wiki", "--svn", "trunk", "--poll", "0")
    member.roost("source", "fetch", "wiki")
    url = f"http://wiki-dev.{member.tenant}.roost.localhost"
    until(lambda: get(url).body == "one", "the first revision to serve", 300)
    hook = json.loads(member.roost("source", "hook", "wiki", "-o", "json").out)
    put(elsewhere, "two")
    assert deliver(member, hook, "rsh_guessed") == "401"
    assert deliver(member, hook, hook["secret"]) == "202"
    until(lambda: get(url).body == "two", "the second revision to serve", 300)
    assert deliver(member, hook, hook["secret"]) == "202"
    space = f"{member.tenant}-build"

    def moved() -> list[bool]:
        looks = kubectl_json("-n", space, "get", "imports.roost.dev")["items"]
        return [item["status"]["moved"] for item in looks if (item.get("status") or {}).get("phase") == "Done"]

    until(lambda: len(moved()) == 3, "the third look to end")
    assert sorted(moved()) == [False, True, True]
    assert len(kubectl_json("-n", space, "get", "runs.roost.dev")["items"]) == 2
