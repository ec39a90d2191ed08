"""A part of the platform dies in the middle of a push: the push is kept, once, and the old version serves meanwhile.

A table of who is killed and when. However the push ends for the person (their connection may die with the part), an
accepted commit goes live, in exactly one Run and one Release, and no request to the application fails.
"""

import concurrent.futures
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Person, Result, commit, get, kubectl, repository, small_app, until
from tests.e2e.page import CONTAINERFILE, PROGRAM
from tests.fault.victims import VICTIMS, kill

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("well")]
REPOSITORIES = Path("/var/lib/roost/git")
PROJECT = "phoenix"


@dataclass
class Site:
    """An application under fire: who pushes, the repository, and the version that serves."""

    person: Person
    path: Path
    versions: Iterator[str]
    serves: str = ""

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{PROJECT}-dev.{self.person.tenant}.roost.localhost"

    def commit(self) -> tuple[str, str]:
        """(what the new version answers, its commit)."""
        version = next(self.versions)
        commit(self.person, self.path, {"app.py": PROGRAM.replace("VERSION", version)}, f"Say {version}.")
        return version, self.person.git("rev-parse", "HEAD", cwd=self.path).out.strip()

    def push(self) -> Result:
        """One push, however it ends."""
        return self.person.git("push", self.person.remote(PROJECT), "main", cwd=self.path, ok=False)

    def accepted(self, sha: str) -> bool:
        """Whether the ref was moved: seen in the repository itself, so that nothing has to answer."""
        ref = REPOSITORIES / self.person.tenant / f"{PROJECT}.git/refs/heads/main"
        return ref.exists() and ref.read_text().strip() == sha

    def runs(self, sha: str) -> list[Any]:
        """Runs of the commit."""
        items = listed(f"{self.person.tenant}-build", "runs.roost.dev")
        return [item for item in items if item["spec"]["commit"] == sha]

    def promotions(self, sha: str) -> list[Any]:
        """Promotions of the commit."""
        items = listed(f"{self.person.tenant}-dev", "promotions.roost.dev")
        return [item for item in items if item["spec"]["artefact"].get("commit") == sha]

    def releases(self) -> list[Any]:
        """All Releases, the first first."""
        items = listed(f"{self.person.tenant}-dev", "releases.roost.dev")
        return sorted(items, key=lambda item: int(item["spec"]["number"]))

    def building(self) -> bool:
        """Whether a build's pod runs: one of a Job, or one that had waited and was taken by a run."""
        pods = listed(f"{self.person.tenant}-build", "pods", "-l", "roost.dev/run")
        return any(pod["status"]["phase"] == "Running" and owner(pod) in ("Job", "Run") for pod in pods)

    def waits(self) -> bool:
        """Whether a pod waits for the next run."""
        pods = listed(f"{self.person.tenant}-build", "pods", "-l", "roost.dev/spare")
        return any(pod["status"]["phase"] == "Running" and owner(pod) == "Project" for pod in pods)


def listed(namespace: str, kind: str, *more: str) -> list[Any]:
    """Objects, or none while kube-apiserver does not answer."""
    told = kubectl("-n", namespace, "get", kind, *more, "-o", "json", check=False)
    return list(json.loads(told)["items"]) if told else []


def owner(pod: Any) -> str:
    """The kind of what a pod belongs to."""
    return next((str(item["kind"]) for item in pod["metadata"].get("ownerReferences") or ()), "")


def of_commit(releases: list[Any], sha: str) -> list[Any]:
    """Releases that carry the commit."""
    return [item for item in releases if item["spec"]["content"]["artefact"].get("commit") == sha]


def live(releases: list[Any]) -> list[Any]:
    """Releases that serve."""
    return [item for item in releases if (item.get("status") or {}).get("phase") == "Live"]


# When the blow falls, in the order in which a push passes.
MOMENTS: dict[str, Callable[[Site, str], bool]] = {
    "sending": lambda site, sha: True,
    "accepted": lambda site, sha: site.accepted(sha),
    "claiming": lambda site, sha: bool(site.runs(sha)),
    "building": lambda site, sha: site.building(),
    "promoting": lambda site, sha: bool(site.promotions(sha)),
    "rolling out": lambda site, sha: bool(of_commit(site.releases(), sha)),
}
EVERY_TIME = {  # The others only in `make test-full`.
    ("accepted", "git"),
    ("building", "controller"),
    ("building", "builder"),
}


class Load:
    """Requests one after the other; what was not answered by the old or the new version is kept."""

    def __init__(self, url: str, versions: set[str]) -> None:
        self.url, self.versions = url, versions
        self.over = threading.Event()
        self.answers = 0
        self.failed: list[str] = []

    def run(self) -> None:
        """Until it is over."""
        while not self.over.wait(0.05):
            answer = get(self.url)
            self.answers += 1
            if answer.status != 200 or answer.body not in self.versions:
                self.failed.append(f"request {self.answers}: {answer.status} {answer.body[:200]}")


@pytest.fixture(scope="module")
def site(member: Person, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The application, pushed once: builder and caches are warm."""
    member.roost("project", "create", PROJECT)
    small_app(member.tenant, PROJECT)
    versions = (f"version-{number}" for number in itertools.count(1))
    files = {"Containerfile": CONTAINERFILE, "app.py": PROGRAM.replace("VERSION", "version-0")}
    made = Site(member, repository(member, tmp_path_factory.mktemp("site") / "site", files), versions, "version-0")
    first = made.push()
    assert first.code == 0, first.err
    until(lambda: get(made.url).body == "version-0", "the first version answers", 30)
    return made


def cases() -> Iterator[Any]:
    """Every moment with every victim; victims take turns, so that none is in back-off when it is struck again."""
    for moment, victim in itertools.product(MOMENTS, VICTIMS):
        often = (moment, victim) in EVERY_TIME
        yield pytest.param(moment, victim, marks=() if often else pytest.mark.full, id=f"{victim} while {moment}")


@pytest.mark.parametrize(("moment", "victim"), list(cases()))
def test_a_push_survives_the_death_of(site: Site, moment: str, victim: str) -> None:
    until(lambda: get(site.url).body == site.serves, "the version before answers", 30)
    before = site.releases()
    if victim == "spare":
        until(site.waits, "a pod waits for the next run", 60)
    pids = VICTIMS[victim](site.person.tenant)
    assert pids, f"no process of {victim} was found"
    version, sha = site.commit()
    load = Load(site.url, {site.serves, version})
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        asking, pushing = pool.submit(load.run), pool.submit(site.push)
        try:
            until(lambda: MOMENTS[moment](site, sha), f"the push is {moment}", 120, pause_s=0.05)
            kill(pids)
            pushed = pushing.result(300)
            if not site.accepted(sha):
                assert pushed.code != 0, "a push that was not accepted was called accepted"
                again = until(lambda: (done := site.push()).code == 0 and done, "the push is taken again", 120)
                assert PROJECT in again.err
            until(lambda: get(site.url).body == version, f"{version} answers", 180)
            until(lambda: live(of_commit(site.releases(), sha)), "the Release is Live")
        finally:
            load.over.set()
        asking.result(30)
    site.serves = version
    assert load.failed == []
    assert load.answers > 10
    runs, releases = site.runs(sha), site.releases()
    assert [run["status"]["phase"] for run in runs] == ["Succeeded"]
    assert len(site.promotions(sha)) == 1
    assert [item["metadata"]["name"] for item in releases[: len(before)]] == [
        item["metadata"]["name"] for item in before
    ]
    assert len(of_commit(releases, sha)) == 1
    assert releases[-1]["spec"]["number"] == before[-1]["spec"]["number"] + 1
    assert live(releases) == [releases[-1]]
