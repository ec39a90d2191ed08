"""The steps of a run, as far as they need neither git nor a builder."""

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from roost.builds import registry, site, step
from roost.builds.bench import Bench, BuilderLost, StepFailed
from roost.builds.detect import Detected
from roost.builds.work import Work
from roost.model import build_report
from roost.model.build_report import BuildReport
from roost.model.build_task import Task
from roost.model.kinds.app import Process

TASK = Task(
    tenant="acme",
    project="hello",
    commit="a" * 40,
    attempt=1,
    git_url="http://127.0.0.1:9",
    registry="registry:5000",
    builder="tcp://builder:1234",
    timeout_s=60,
)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    for name in ("credentials", "trust", "work"):
        (tmp_path / name).mkdir()
    (tmp_path / "credentials" / "fetch").write_text("token")
    return Bench(tmp_path / "credentials", tmp_path / "trust", tmp_path / "work", lambda line: None)


def test_a_context_is_a_folder_of_the_commit_and_no_link(tmp_path: Path) -> None:
    (tmp_path / "backend").mkdir()
    (tmp_path / "link").symlink_to("/")
    assert step.enter(tmp_path, "") == tmp_path
    assert step.enter(tmp_path, "backend") == tmp_path / "backend"
    for context in ("link", "none", "..", "backend/../.."):
        with pytest.raises(StepFailed, match="Folders: backend/"):
            step.enter(tmp_path, context)


def test_a_git_server_that_does_not_answer_is_another_try(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "TRIES", 2)
    with pytest.raises(BuilderLost, match="git fetch failed"):
        step.carry_out(TASK, bench)


@pytest.mark.parametrize(("why", "reason"), [("Cancelled", "Cancelled"), ("TimedOut", "TimedOut")])
def test_a_run_that_is_stopped_says_why(bench: Bench, why: str, reason: str) -> None:
    bench.halt(why)
    report = step.carry_out(TASK, bench)
    assert (report.ok, report.reason) == (False, reason)


def test_the_report_is_told_before_the_log_is_kept(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(Work, "keep_log", lambda _: done.append("kept"))
    bench.halt("Cancelled")
    step.carry_out(TASK, bench, lambda report: done.append(report.reason))
    assert done == ["Cancelled", "kept"]


def test_the_image_says_where_it_listens_when_nothing_else_does() -> None:
    worker = (Process(name="worker", command=("x",)),)
    assert step.settle_processes(worker, {"ExposedPorts": {"80/tcp": {}}}, 8080) == worker
    assert step.settle_processes((), {"ExposedPorts": {"80/tcp": {}, "53/udp": {}}}, 8080)[0].port == 80
    assert step.settle_processes((), {"ExposedPorts": {"80/tcp": {}, "443/tcp": {}}}, 8080)[0].port == 8080
    assert step.settle_processes((), {}, 9000)[0].port == 9000


@pytest.mark.parametrize(
    ("user", "root"),
    [("", True), ("root", True), ("0", True), ("0:0", True), ("app", True), ("1000", False), ("1000:0", False)],
)
def test_only_a_number_other_than_0_is_not_root(user: str, root: bool) -> None:
    assert registry.runs_as_root({"User": user}) is root


def test_the_site_reaches_a_build_by_secrets() -> None:
    found = site.site(
        "/etc/roost/trust/bundle.crt", "pip=https://mirror/simple nonsense go=ftp://x", "", {"npm": "/s/npm"}
    )
    assert (
        "id=roost-trust,target=/run/roost/bundle.crt" in found.flags and "id=roost-PIP_CERT,env=PIP_CERT" in found.flags
    )
    assert found.texts["roost-PIP_INDEX_URL"] == "https://mirror/simple" and "roost-GOPROXY" not in found.texts
    assert found.files == {"roost-trust": "/etc/roost/trust/bundle.crt", "npm": "/s/npm"}
    assert site.site("", "", "", {}).flags == ""


def test_a_report_fits_into_a_termination_message() -> None:
    words = BuildReport(ok=False, reason="BuildFailed", message="ä" * 1500, detected="ö" * 1500)
    assert len(words.text().encode()) <= build_report.LIMIT
    assert build_report.read(words.text()) is not None
    long = tuple(Process(name=f"p{n}", command=("x" * 500,)) for n in range(10))
    short = build_report.read(BuildReport(ok=True, processes=long).text())
    assert short is not None and short.reason == "TooLong"
    assert build_report.read("Killed") is None


def test_halting_stops_a_program(bench: Bench) -> None:
    process = bench.run(["sleep", "60"], {}, bench.work)
    begun = datetime.now(UTC)
    threading.Timer(0.1, bench.halt, ["TimedOut"]).start()
    assert process.wait(10) != 0
    assert process.stderr is not None
    process.stderr.close()
    assert (datetime.now(UTC) - begun).total_seconds() < 9


@pytest.mark.parametrize(("rights", "apart"), [("reduced", True), ("full", False)])
def test_what_is_only_proposed_fills_caches_of_its_own(bench: Bench, rights: str, apart: bool) -> None:
    found = Detected("FROM base/python:3.13\n", "Containerfile", (), (), ())
    task = TASK.model_copy(update={"rights": rights})
    argv = step._command(task, bench, bench.work, found, {}).argv
    assert ("--opt=build-arg:BUILDKIT_CACHE_MOUNT_NS=hello-reduced" in argv) is apart
    assert ("--opt=hostname=reduced" in argv) is apart
