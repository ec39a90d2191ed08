"""Steps of a run on the embedded cluster: what they may do, what they must not see, what is left of them."""

import io
import json
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import Person, commit, kubectl, kubectl_json, repository, until

pytestmark = [pytest.mark.e2e, pytest.mark.full]

CONTAINERFILE = (
    'FROM base/busybox:1.37\nCOPY page /srv/page\nUSER 1000\nCMD ["httpd", "-f", "-p", "8080", "-h", "/srv"]\n'
)
REPORT = '<testsuite><testcase name="one"/><testcase name="two"><failure message="no"/></testcase></testsuite>'
PIPELINE = """\
pipeline:
  image: base/busybox:1.37
  steps:
    - name: make
      commands:
        - mkdir -p page reports
        - echo built by a step > page/index.html
        - echo '{report}' > reports/tests.xml
        - echo tool > ~/tool
      junit: reports/*.xml
      artefacts: [reports]
    - name: check
      commands:
        - test -f ~/tool
        - {check}
"""


@dataclass
class Shop:
    """The project's repository, and its pushes."""

    member: Person
    path: Path

    def push(self, files: dict[str, str], branch: str = "main") -> tuple[int, str]:
        """Commit and push; the exit code of git, and what the remote said."""
        commit(self.member, self.path, files, "A change.")
        done = self.member.git("push", self.member.remote("piped"), f"HEAD:{branch}", cwd=self.path, ok=False)
        return done.code, done.err

    def runs(self) -> list[dict[str, Any]]:
        """The project's runs, the newest first."""
        return list(self.member.roost("build", "list", "-p", "piped", "-o", "json").json())


@pytest.fixture(scope="module")
def shop(member: Person, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A project with steps, not pushed yet."""
    member.roost("project", "create", "piped")
    files = {"Containerfile": CONTAINERFILE, "roost.yaml": PIPELINE.format(report=REPORT, check="'true'")}
    yield Shop(member, repository(member, tmp_path_factory.mktemp("piped") / "piped", files))


def test_steps_run_before_the_build_and_what_they_made_is_built(shop: Shop) -> None:
    code, said = shop.push({"README": "x"})
    assert code == 0, said
    assert "-----> make (base/busybox:1.37)" in said and "Tests: 2 tests, 1 failed, 0 skipped" in said
    run = shop.runs()[0]
    assert [(item["name"], item["phase"]) for item in run["status"]["steps"] if item["name"] in ("make", "check")] == [
        ("make", "Succeeded"),
        ("check", "Succeeded"),
    ]
    assert run["status"]["tests"]["failed"] == ["two"]


def test_the_log_of_a_step_stays_when_the_pod_is_gone(shop: Shop) -> None:
    name = shop.runs()[0]["metadata"]["name"]
    space = f"{shop.member.tenant}-build"
    kubectl("-n", space, "delete", "job", name, "--wait=true", "--ignore-not-found")
    until(
        lambda: not kubectl_json("-n", space, "get", "pods", "-l", f"roost.dev/run={name}")["items"],
        "the pod of the run is gone",
    )
    whole = shop.member.roost("build", "logs", name).out
    assert "echo tool > ~/tool" in whole and "test -f ~/tool" in whole
    one = shop.member.roost("build", "logs", name, "--step", "check").out
    assert "test -f ~/tool" in one and "echo tool" not in one


def test_a_step_that_fails_is_named_and_the_run_goes_on_from_it(shop: Shop) -> None:
    code, said = shop.push({"roost.yaml": PIPELINE.format(report=REPORT, check="test -f ~/nothing || exit 9")})
    assert "The step check failed. It ended with exit code 9." in said, (code, said)
    run = shop.runs()[0]
    assert run["status"]["phase"] == "Failed"
    name = run["metadata"]["name"]
    shop.member.roost("build", "rerun", name, "--from", "check")
    again = until(lambda: [item for item in shop.runs() if item["spec"].get("origin") == name], "the run is repeated")[
        0
    ]
    ended = until(
        lambda: next(
            (
                item
                for item in shop.runs()
                if item["metadata"]["name"] == again["metadata"]["name"] and item["status"].get("finishedAt")
            ),
            None,
        ),
        "it ends",
    )
    phases = {item["name"]: item["phase"] for item in ended["status"]["steps"]}
    assert (phases["make"], phases["check"]) == ("Skipped", "Failed")
    log = shop.member.roost("build", "logs", ended["metadata"]["name"]).out
    assert "Taking the workspace from" in log and "echo tool" not in log


def test_each_step_has_a_log_of_its_own_live_and_kept(shop: Shop) -> None:
    slow = json.dumps("echo slow begins; sleep 15; echo slow ends")
    files = {"roost.yaml": PIPELINE.format(report=REPORT, check=slow)}
    commit(shop.member, shop.path, files, "A slow step.")
    known = _names(shop)
    with ThreadPoolExecutor(4) as pool:
        push = shop.member.git
        pushing = pool.submit(push, "push", shop.member.remote("piped"), "HEAD:main", cwd=shop.path, ok=False)
        name = until(lambda: [run for run in _names(shop) if run not in known], "the run is there")[0]
        reading = {step: pool.submit(_follow, shop, name, step) for step in ("fetch", "check", "promote")}
        assert pushing.result(600).code == 0
        live = {step: told.result(120) for step, told in reading.items()}
    assert "-----> Fetching" in live["fetch"] and "slow" not in live["fetch"]
    assert "slow begins" in live["check"] and "slow ends" in live["check"] and "Fetching" not in live["check"]
    assert ": Applied" in live["promote"]
    said = {"fetch": "Fetching", "scan": "", "make": "echo tool", "check": "slow ends", "build": "", "bill": "Built"}
    said |= {"sign": "-----> Signed sha256:", "promote": ": Applied as piped-v"}
    kubectl("-n", f"{shop.member.tenant}-build", "delete", "job", name, "--wait=true", "--ignore-not-found")
    for step, words in said.items():
        kept = shop.member.roost("build", "logs", name, "--step", step)
        assert kept.out.strip() and words in kept.out, (step, kept.out, kept.err)
    assert (
        "There are: fetch, scan, make, check" in shop.member.roost("build", "logs", name, "--step", "x", ok=False).err
    )


def _names(shop: Shop) -> list[str]:
    return [item["metadata"]["name"] for item in shop.runs()]


def _follow(shop: Shop, name: str, step: str) -> str:
    return shop.member.roost("build", "logs", name, "-f", "--step", step).out


def test_a_step_that_takes_too_much_memory_is_told_its_limit(shop: Shop) -> None:
    hungry = PIPELINE.format(report=REPORT, check=json.dumps("tail /dev/zero")) + "      limits: {memory: 64Mi}\n"
    _, said = shop.push({"roost.yaml": hungry})
    run = shop.runs()[0]
    step = next(item for item in run["status"]["steps"] if item["name"] == "check")
    assert (run["status"]["phase"], step["phase"]) == ("Failed", "Failed")
    assert "limits.memory (now 64Mi)" in said, said


def test_a_step_sees_no_credentials(shop: Shop) -> None:
    look = (
        "set +e; ls /run/roost/credentials /run/roost/secrets /run/roost/steps /var/run/secrets 2>&1; "
        "env | sort; cat /proc/1/environ 2>&1 | tr '\\\\0' '\\\\n'; id; "
        "touch /run/roost/turns/x 2>&1; touch /run/roost/bin/x 2>&1; "
        "wget -T 3 -qO- https://kubernetes.default.svc/version 2>&1; echo looked"
    )
    code, said = shop.push({"roost.yaml": PIPELINE.format(report=REPORT, check=json.dumps(look))})
    assert code == 0 and "looked" in said, said
    run = shop.runs()[0]["metadata"]["name"]
    log = shop.member.roost("build", "logs", run, "--step", "check").out
    assert "registrytoken" not in log and "Bearer" not in log and "ROOST_TASK" not in log
    assert log.count("No such file or directory") >= 4, log
    assert log.count("Read-only file system") == 2, log
    assert "uid=65532" in log and "gitVersion" not in log


def test_artefacts_come_back(shop: Shop, tmp_path: Path) -> None:
    run = shop.runs()[0]["metadata"]["name"]
    target = tmp_path / "artefacts.tar.gz"
    shop.member.roost("build", "artefacts", run, "make", "--output-file", str(target))
    with tarfile.open(fileobj=io.BytesIO(target.read_bytes())) as archive:
        assert "reports/tests.xml" in archive.getnames()
