"""What `up`, `status` and `wipe` decide and say, without a cluster."""

import os
from pathlib import Path

import pytest

from roost.model.kinds.app import App
from roost.model.kinds.tenant import Tenant
from roost.node import (
    cgroups,
    commands,
    control_plane,
    demo,
    install,
    machine,
    prepare,
    runtime,
    status,
    steps,
    supervisor,
    teardown,
    trust,
    up,
    wipe,
)
from roost.node.pki import authority


def test_every_step_has_a_name_of_its_own_and_network_comes_before_what_waits_for_it() -> None:
    names = [step.name for step in up.START]
    assert len(set(names)) == len(names)
    for earlier, later in (
        ("machine", "containerd"),
        ("containerd", "control plane"),
        ("trust", "platform"),
        ("platform", "network is up"),
        ("registry is up", "demo"),
    ):
        assert names.index(earlier) < names.index(later)


def test_only_one_command_works_on_a_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(up, "LOCK", tmp_path / "lock")
    with up.alone(), pytest.raises(up.AlreadyAtWork, match="Another"), up.alone():
        pass
    with up.alone():
        assert (tmp_path / "lock").exists()


def test_a_program_is_copied_once_and_replaced_when_it_changed(tmp_path: Path) -> None:
    source, target = tmp_path / "cache" / "x", tmp_path / "bin" / "x"
    source.parent.mkdir()
    source.write_text("one")
    assert install.copy_program(source, target)
    assert not install.copy_program(source, target)
    with target.open() as running:
        source.write_text("other")
        assert install.copy_program(source, target)
        assert running.read() == "one"  # What runs keeps its old file.
    assert target.read_text() == "other" and os.access(target, os.X_OK)
    assert [path.name for path in target.parent.iterdir()] == ["x"]


def test_the_last_lines_tell_where_and_how() -> None:
    told = commands.closing_words("roost.localhost", "secret-once")
    assert "http://hello-dev.demo.roost.localhost" in told and "secret-once" in told
    assert told.count("\n           ") >= 3
    assert "password" in commands.closing_words("roost.localhost", None)


def test_the_demo_is_a_valid_tenant_and_application() -> None:
    Tenant.parse(Tenant.manifest(demo.TENANT, demo.tenant_spec()) | {"status": {}})
    image = "registry.roost-system.svc:5000/base/python@sha256:" + "0" * 64
    App.parse(App.manifest(demo.APP, demo.app_spec(image), "demo-dev"))
    compile(demo.PAGE, "page", "exec")


def test_the_unit_leaves_daemons_alone_when_the_supervisor_goes() -> None:
    text = runtime.unit_text()
    assert "KillMode=process" in text and "Restart=always" in text and "roost.node.supervisor" in text


def test_the_bundle_starts_with_the_internal_authority() -> None:
    from datetime import UTC, datetime

    pair = authority("Test", datetime(2026, 11, 28, tzinfo=UTC))
    assert trust.bundle(pair, trust.machines_bundle()).startswith(pair.certificate)


@pytest.fixture
def run_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(machine, "RUN", tmp_path)
    return tmp_path


def test_status_tells_a_daemon_that_runs_from_one_that_ended(run_directory: Path) -> None:
    assert status.daemon_line("kubelet").well is False
    pidfile = run_directory / "kubelet.pid"
    pidfile.write_text(f"{os.getpid()} {supervisor.started_at(os.getpid())} argv")
    assert status.daemon_line("kubelet") == status.Line("kubelet", True, f"runs as {os.getpid()}")
    pidfile.write_text(f"{os.getpid()} 1 argv")  # Another process has the number now.
    assert status.daemon_line("kubelet").well is False


@pytest.mark.parametrize(
    ("made_before", "stopping", "pods", "clears"),
    [
        (False, False, {7}, False),  # Never ours.
        (True, False, {7}, False),  # Only the supervisor was killed: applications go on.
        (True, False, set(), True),  # A power cut.
        (True, True, {7}, True),  # An interrupted `down`.
    ],
)
def test_a_start_clears_after_a_power_cut_but_not_under_running_pods(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    made_before: bool,
    stopping: bool,
    pods: set[int],
    clears: bool,
) -> None:
    before = tmp_path / "before.json"
    if made_before:
        before.touch()
    monkeypatch.setattr(prepare, "BEFORE", before)
    monkeypatch.setattr(cgroups, "hierarchies", lambda: None)
    monkeypatch.setattr(cgroups, "processes", lambda _: pods)
    assert teardown.needed(stopping) is clears


def test_restarting_what_never_ran_does_nothing(run_directory: Path) -> None:
    runtime.restart("kubelet")
    assert list(run_directory.iterdir()) == []


def test_wipe_names_every_place_of_kubernetes_and_ours() -> None:
    named = {str(path) for path in wipe.DIRECTORIES} | {str(machine.STATE)}
    assert {"/etc/kubernetes", "/var/lib/kubelet", "/var/lib/etcd", "/var/lib/cni", "/etc/roost"} <= named
    assert {"/var/lib/roost", "/run/roost", "/var/log/roost"} <= named
    assert not named & {"/", "/etc", "/var/lib", "/run", "/var/log"}


def test_a_machine_that_is_not_ours_is_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = tmp_path / "kubernetes"
    theirs.mkdir()
    monkeypatch.setattr(prepare, "BEFORE", tmp_path / "none")
    monkeypatch.setattr(wipe, "DIRECTORIES", (theirs,))
    assert wipe.wipe() is False
    assert theirs.exists()


def test_shared_places_go_only_where_we_made_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for path in (ours, theirs):
        path.mkdir()
        (path / "file").touch()
    monkeypatch.setattr(prepare, "SHARED", (ours, theirs))
    monkeypatch.setattr(wipe, "DIRECTORIES", ())
    monkeypatch.setattr(machine, "STATE", tmp_path / "state")
    wipe.remove_directories({str(ours): False, str(theirs): True})
    assert not ours.exists() and theirs.exists()


def test_kinds_are_read_from_every_file_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("kind: A\n---\nkind: B\n---\n")
    (tmp_path / "b.yaml").write_text("kind: C\n")
    assert [item["kind"] for item in steps.crds(tmp_path)] == ["A", "B", "C"]


@pytest.mark.parametrize(
    ("files", "half"),
    [
        ((), False),
        (("pki/ca.crt",), True),
        (("pki/ca.crt", "manifests/etcd.yaml", "admin.conf"), True),
        (("pki/ca.crt", "manifests/etcd.yaml", "admin.conf", "mark"), False),
    ],
)
def test_a_control_plane_is_half_made_until_it_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: tuple[str, ...], half: bool
) -> None:
    monkeypatch.setattr(machine, "KUBERNETES", tmp_path)
    monkeypatch.setattr(machine, "PKI", tmp_path / "pki")
    monkeypatch.setattr(machine, "ADMIN", tmp_path / "admin.conf")
    monkeypatch.setattr(control_plane, "MARK", tmp_path / "mark")
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    assert control_plane.half_made() is half


def test_a_domain_that_was_given_once_stays(tmp_path: Path) -> None:
    noted = tmp_path / "domain"
    assert machine.domain("", noted) == "roost.localhost"
    noted.write_text("apps.example.com\n")
    assert machine.domain("", noted) == "apps.example.com"
    assert machine.domain("other.example.com", noted) == "other.example.com"
