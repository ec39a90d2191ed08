"""A part of the platform dies in the middle of a run with steps, a scan and signing: one run, resumed or failed with a
reason.

A table of who is killed and during which step. However the run ends, it is the only one of its move; the version before
serves meanwhile without a failed request; and where the run failed, it says why, and is run again to its end by hand.
"""

import concurrent.futures
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from roost.model import step_lines
from tests.e2e.conftest import Person, get, kubectl, repository, small_app, until
from tests.e2e.page import CONTAINERFILE, PROGRAM
from tests.fault.test_push import Load, Site, listed, live, of_commit
from tests.fault.victims import VICTIMS, kill, of_pods

pytestmark = [pytest.mark.e2e, pytest.mark.full, pytest.mark.usefixtures("well")]
PROJECT = "phoenix"
PIPELINE = """\
pipeline:
  image: base/busybox:1.37
  steps:
    - name: make
      commands: [echo made > made, sleep 4]
    - name: check
      commands: [test -f made, sleep 4]
"""
ENDED = ("Succeeded", "Failed", "Cancelled")


def steps_of(site: Site, sha: str) -> set[str]:
    """Whose words the log of the commit's run holds so far, as its pod has them."""
    found: set[str] = set()
    for run in site.runs(sha):
        label = f"roost.dev/run={run['metadata']['name']}"
        space = f"{site.person.tenant}-build"
        text = kubectl("-n", space, "logs", "-l", label, "-c", "step", "--tail=-1", check=False)
        found |= {step_lines.read(line)[0] for line in text.splitlines()}
    return found


def during(step: str) -> Callable[[Site, str], bool]:
    """The step has said something."""
    return lambda site, sha: step in steps_of(site, sha)


# In the order in which a run passes. Signing has no pod: it stands between the report and the promotion.
MOMENTS: dict[str, Callable[[Site, str], bool]] = {
    "fetch": during("fetch"),
    "scan": during("scan"),
    "make": during("make"),
    "check": during("check"),
    "build": during("build"),
    "sign": during("bill"),
    "promote": lambda site, sha: bool(site.promotions(sha)),
}
# Found at the blow: a run's pod does not exist before.
PARTS: dict[str, Callable[[str], set[int]]] = {
    "run": lambda tenant: of_pods(f"{tenant}-build", "-l", "roost.dev/run"),
}
HURT: dict[str, tuple[str, ...]] = {  # By whom each step can be hurt; the others have no part in it.
    "fetch": ("run", "controller", "git", "kube-apiserver"),
    "scan": ("run", "controller", "kube-apiserver"),
    "make": ("run", "controller", "registry", "kube-apiserver"),
    "check": ("run", "controller", "kube-apiserver"),
    "build": ("run", "controller", "builder", "registry", "kube-apiserver"),
    "sign": ("controller", "registry", "kube-apiserver"),
    "promote": ("controller", "kube-apiserver"),
}


@pytest.fixture(scope="module")
def site(member: Person, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The application, pushed once."""
    member.roost("project", "create", PROJECT)
    small_app(member.tenant, PROJECT)
    versions = (f"version-{number}" for number in itertools.count(1))
    files = {"Containerfile": CONTAINERFILE, "roost.yaml": PIPELINE, "app.py": PROGRAM.replace("VERSION", "version-0")}
    made = Site(member, repository(member, tmp_path_factory.mktemp("site") / "site", files), versions, "version-0")
    first = made.push()
    assert first.code == 0, first.err
    until(lambda: get(made.url).body == "version-0", "the first version answers", 30)
    return made


def cases() -> Iterator[Any]:
    """Every step with everybody who can hurt it; victims take turns."""
    for moment, victims in HURT.items():
        for victim in victims:
            yield pytest.param(moment, victim, id=f"{victim} during {moment}")


def ended(site: Site, sha: str) -> list[Any]:
    """The commit's runs, when all are over."""
    found = site.runs(sha)
    return found if found and all((run.get("status") or {}).get("phase") in ENDED for run in found) else []


def said(run: Any) -> tuple[str, str]:
    """(reason, message) of how it ended."""
    ready = next(item for item in run["status"]["conditions"] if item["type"] == "Ready")
    return ready["reason"], ready["message"]


@pytest.mark.parametrize(("moment", "victim"), list(cases()))
def test_a_run_survives_or_says_why_not(site: Site, moment: str, victim: str) -> None:
    until(lambda: get(site.url).body == site.serves, "the version before answers", 60)
    early = VICTIMS[victim](site.person.tenant) if victim in VICTIMS else set()
    version, sha = site.commit()
    load = Load(site.url, {site.serves, version})
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        asking, pushing = pool.submit(load.run), pool.submit(site.push)
        try:
            until(lambda: MOMENTS[moment](site, sha), f"the run to come to {moment}", 180, pause_s=0.05)
            struck = early or PARTS[victim](site.person.tenant)
            assert struck, f"no process of {victim} was found"
            kill(struck)
            (run,) = until(lambda: ended(site, sha), "the run to end", 420)
            pushing.result(420)
            if run["status"]["phase"] == "Failed":
                reason, message = said(run)
                assert reason and len(message) > 20, f"it failed without a reason: {reason} {message}"
                assert victim == "run", f"only a run whose own pod died may fail: {reason} {message}"
                site.person.roost("build", "rerun", run["metadata"]["name"])
            until(lambda: get(site.url).body == version, f"{version} answers", 420)
            until(lambda: live(of_commit(site.releases(), sha)), "the Release is Live")
        finally:
            load.over.set()
        asking.result(30)
    site.serves = version
    assert load.failed == [] and load.answers > 10
    runs = site.runs(sha)
    assert len([item for item in runs if not item["spec"].get("origin")]) == 1, "one run of a move"
    assert [item["status"]["phase"] for item in runs].count("Succeeded") == 1
    (good,) = [item for item in runs if item["status"]["phase"] == "Succeeded"]
    assert good["status"].get("signedBy"), "what was released was signed"
    assert len(of_commit(site.releases(), sha)) == 1


@pytest.mark.parametrize("victim", ["controller", "git", "kube-apiserver"])
def test_a_start_by_hand_is_one_run_whoever_dies(site: Site, victim: str) -> None:
    """The start has a key, so that asking again for one whose answer was lost makes no second."""
    before = {run["metadata"]["name"] for run in _manual(site)}
    pids = VICTIMS[victim](site.person.tenant)
    assert pids
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        starting = pool.submit(site.person.roost, "build", "start", PROJECT, "--detach", ok=False)
        kill(pids)
        done = starting.result(120)
    if done.code:
        until(lambda: not site.person.roost("build", "start", PROJECT, "--detach", ok=False).code, "a start", 180)

    def over() -> list[Any]:
        fresh = [run for run in _manual(site) if run["metadata"]["name"] not in before]
        return fresh if fresh and all(run["status"].get("phase") in ENDED for run in fresh if "status" in run) else []

    fresh = until(over, "the started run to end", 420)
    # Whose answer was lost may have begun: then the second start is a second wish. Each of them ended well.
    assert len(fresh) <= 1 + bool(done.code)
    assert {run["status"]["phase"] for run in fresh} == {"Succeeded"}


def _manual(site: Site) -> list[Any]:
    items = listed(f"{site.person.tenant}-build", "runs.roost.dev")
    return [run for run in items if run["spec"].get("cause") == "manual"]
