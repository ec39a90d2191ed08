"""Nouns and their verbs: versions and the way back, runs, projects, tenants, people."""

import json

from roost.cli.tests.conftest import Roost
from roost.cli.tests.fake_api import APP, ENV, IMAGE, MOMENT, OTHER_IMAGE, meta, ready, release


def test_releases_come_newest_first(roost: Roost) -> None:
    said = roost("releases")
    lines = said.out.splitlines()
    assert lines[1].startswith("v2")
    assert lines[2].startswith("v1")


def test_the_difference_of_two_versions_is_told_by_field(roost: Roost) -> None:
    said = roost("releases", "diff", "v1", "v2")
    assert "artefact.image" in said.out
    assert f"  - {IMAGE}" in said.out
    assert "processes[web].replicas" in said.out
    assert "  + 2" in said.out


def test_a_difference_for_machines_is_json(roost: Roost) -> None:
    read = json.loads(roost("releases", "diff", "1", "2", "-o", "json").out)
    assert {item["name"] for item in read} == {"artefact.image", "processes[web].replicas"}


def test_rollback_shows_difference_and_verdict_and_wants_a_yes(roost: Roost) -> None:
    said = roost("rollback")
    assert said.code == 2
    assert "Looks safe." in said.err
    assert "artefact.image" in said.err
    assert roost.api.asked("POST", f"{APP}/rollback") == []


def test_rollback_goes_to_the_version_before_and_says_that_pushes_pause(roost: Roost) -> None:
    said = roost("rollback", "--yes")
    assert said.code == 0, said.err
    assert roost.api.asked("POST", f"{APP}/rollback") == [{"to": 1}]
    assert "roost resume" in said.err


def test_rollback_without_a_version_passes_over_one_that_failed(roost: Roost) -> None:
    objects = roost.api.objects
    objects[f"{ENV}/releases/shop-v2"]["status"] = {"phase": "Failed"}
    objects[f"{ENV}/releases/shop-v3"] = release(3, IMAGE)
    objects[APP]["spec"] = release(3, IMAGE)["spec"]["content"]
    objects[APP]["status"] |= {"release": "shop-v3", "live": "shop-v3"}
    assert roost("rollback", "--yes").code == 0
    assert roost.api.asked("POST", f"{APP}/rollback") == [{"to": 1}]


def test_rollback_of_a_version_that_does_not_come_up_goes_to_what_serves(roost: Roost) -> None:
    objects = roost.api.objects
    objects[f"{ENV}/releases/shop-v3"] = release(3, IMAGE)
    objects[APP]["spec"] = release(3, IMAGE)["spec"]["content"]
    objects[APP]["status"] |= {"release": "shop-v3", "live": "shop-v2"}
    assert roost("rollback", "--yes").code == 0
    assert roost.api.asked("POST", f"{APP}/rollback") == [{"to": 2}]


def test_rollback_warns_of_a_release_command_and_changed_secrets(roost: Roost) -> None:
    roost.api.objects[f"{ENV}/releases/shop-v1"] = release(1, IMAGE, secretVersion="0123456789abcdef")
    roost.api.objects[f"{ENV}/releases/shop-v2"] = release(2, OTHER_IMAGE, releaseCommand=["migrate"])
    said = roost("rollback", "v1")
    assert "Take care." in said.err
    assert "A release command ran since (v2)" in said.err and "no longer be valid" in said.err
    assert "0123456789abcdef" not in said.err


def test_a_verdict_that_refuses_exits_with_7_and_force_passes_over_some(roost: Roost) -> None:
    roost.api.judged_by = {"lost": ("shop.example.com",)}
    said = roost("rollback", "--yes")
    assert (said.code, roost.api.asked("POST", f"{APP}/rollback")) == (7, [])
    assert "shop.example.com" in said.err and "--force" in said.err
    assert roost("rollback", "--yes", "--force").code == 0
    assert roost.api.asked("POST", f"{APP}/rollback") == [{"to": 1, "force": True}]
    roost.api.judged_by = {"image": "gone"}
    said = roost("rollback", "v1", "--yes", "--force")
    assert said.code == 7 and "no longer in the registry" in said.err and "--force" not in said.err


def test_a_dry_run_gives_the_plan_to_machines_and_changes_nothing(roost: Roost) -> None:
    said = roost("rollback", "--dry-run", "-o", "json")
    assert said.code == 0 and json.loads(said.out)["verdict"] == "safe"
    assert json.loads(said.out)["target"] == 1
    assert roost.api.asked("POST", f"{APP}/rollback") == []


def test_a_verdict_is_told_in_chinese(roost: Roost) -> None:
    roost.api.judged_by = {"image": "gone"}
    assert "镜像" in roost("rollback", ROOST_LANG="zh").err


def test_versions_show_which_are_pinned_and_what_each_changed(roost: Roost) -> None:
    roost.api.objects[APP]["spec"]["history"] = {"pins": [1]}
    lines = roost("releases").out.splitlines()
    assert [("yes" in line.split()) for line in lines[1:]] == [False, True]
    shown = roost.api.objects[f"{ENV}/releases/shop-v2"]
    shown["spec"]["changes"] = [{"field": "secrets", "before": "01234567", "after": "89abcdef"}]
    shown["status"]["dataPoints"] = [{"kind": "Postgres", "name": "db", "point": "0/1A", "at": MOMENT}]
    said = roost("releases", "show", "v2").out
    assert "******** (89abcdef)" in said and "Postgres db: 0/1A" in said


def test_rollback_to_a_version_that_is_not_there(roost: Roost) -> None:
    assert roost("rollback", "v9", "--yes").code == 3
    assert roost("rollback", "nine").code == 2


def test_rollback_to_what_runs_changes_nothing(roost: Roost) -> None:
    said = roost("rollback", "v2", "--yes")
    assert said.code == 5
    assert roost.api.asked("POST", f"{APP}/rollback") == []


def test_a_run_shows_how_long_it_took_and_why_it_failed(roost: Roost) -> None:
    said = roost("build", "show")
    assert "90s" in said.out
    assert "The build ended with 1." in said.out


def test_following_a_run_that_fails_exits_with_7(roost: Roost) -> None:
    roost.api.lines = [{"time": MOMENT, "instance": "shop-1-abc", "process": "build", "line": "RUN make"}]
    said = roost("build", "logs", "-f")
    assert said.code == 7
    assert said.out == "RUN make\n"
    assert "The build ended with 1." in said.err


def test_a_project_tells_how_to_push(roost: Roost) -> None:
    said = roost("project", "create", "wiki", "--start", "gunicorn wiki:app", "--port", "8000")
    assert said.code == 0, said.err
    body = roost.api.asked("POST", "/v1/tenants/acme/projects")[0]
    build = {"strategy": "auto", "start": "gunicorn wiki:app", "port": 8000}
    assert body == {"metadata": {"name": "wiki"}, "spec": {"branch": "main", "build": build}}
    assert f"git remote add roost {roost.api.url}/acme/wiki.git" in said.err


def test_a_tenant_is_made_with_environments_quota_and_owner(roost: Roost) -> None:
    said = roost("tenant", "create", "beta", "--env", "dev", "--env", "prod", "--owner", "mei", "--cpu", "2")
    assert said.code == 0, said.err
    spec = roost.api.asked("POST", "/v1/tenants")[0]["spec"]
    assert spec["environments"] == [{"name": "dev", "quota": {"cpu": "2"}}, {"name": "prod", "quota": {"cpu": "2"}}]
    assert spec["members"] == [{"person": "mei", "role": "owner"}]


def test_adding_a_member_keeps_the_others_and_never_writes_over_somebody_elses_change(roost: Roost) -> None:
    roost.api.fail("/v1/tenants/acme", "conflict", times=0)
    assert roost("tenant", "member", "add", "acme", "lin", "--role", "viewer", "--env", "dev").code == 0
    assert roost.api.objects["/v1/tenants/acme"]["spec"]["members"] == [
        {"person": "mei", "role": "owner"},
        {"person": "lin", "role": "viewer", "environments": ["dev"]},
    ]
    assert roost("tenant", "member", "add", "acme", "lin", "--role", "developer", "--env", "prod").code == 0
    assert [item["role"] for item in roost.api.objects["/v1/tenants/acme"]["spec"]["members"]] == [
        "owner",
        "viewer",
        "developer",
    ]
    assert roost("tenant", "member", "add", "acme", "lin", "--role", "approver").code == 0
    assert [item["role"] for item in roost.api.objects["/v1/tenants/acme"]["spec"]["members"]] == ["owner", "approver"]
    assert roost("tenant", "member", "remove", "acme", "mei").code == 0
    assert roost("tenant", "member", "remove", "acme", "nobody").code == 3


def test_a_tenant_shows_environments_quota_and_members(roost: Roost) -> None:
    said = roost("tenant", "show")
    assert "dev" in said.out
    assert "mei" in said.out
    assert said.code == 0


def test_a_person_gets_a_first_password_on_stdout(roost: Roost) -> None:
    roost.api.objects["/v1/users/lin"] = {"metadata": meta("lin"), "spec": {"title": "Lin"}}
    assert roost("user", "list", "-o", "name").out == "lin\n"
    assert roost("user", "disable", "lin").code == 2


def test_deleting_a_tenant_says_what_goes_and_wants_the_name(roost: Roost) -> None:
    assert roost("tenant", "delete", "acme", "--confirm", "acm").code == 2
    assert roost("tenant", "delete", "acme", "--confirm", "acme").code == 0
    assert "/v1/tenants/acme" not in roost.api.objects


def python_repository(roost: Roost) -> None:
    (roost.directory / "requirements.txt").write_text("flask\n")
    (roost.directory / "Procfile").write_text("web: flask run --port $PORT\n")


def test_eject_writes_the_containerfile_once(roost: Roost) -> None:
    python_repository(roost)
    said = roost("project", "eject")
    assert said.code == 0, said.err
    text = (roost.directory / "Containerfile").read_text()
    assert "FROM" in text
    assert "flask run" in text
    (roost.directory / "Containerfile").write_text("FROM mine\n")
    assert "its own" in roost("project", "eject").err
    assert (roost.directory / "Containerfile").read_text() == "FROM mine\n"


def test_eject_prints_with_the_settings_of_the_project(roost: Roost) -> None:
    (roost.directory / "requirements.txt").write_text("flask\n")
    spec = {"build": {"start": "flask run --port 9000", "port": 9000}}
    roost.api.objects["/v1/tenants/acme/projects/wiki"] = {"metadata": meta("wiki"), "spec": spec}
    said = roost("project", "eject", "wiki", "--print")
    assert "EXPOSE 9000" in said.out
    assert not (roost.directory / "Containerfile").exists()


def test_eject_of_what_cannot_be_built_says_what_is_missing(roost: Roost) -> None:
    said = roost("project", "eject")
    assert said.code == 7
    assert "Why:" in said.err


def test_promote_brings_the_serving_image_into_the_next_environment(roost: Roost) -> None:
    prod = ENV.replace("/dev", "/prod")
    roost.api.objects[f"{prod}/apps/shop"] = roost.api.objects[APP]
    roost.api.promoted = {"phase": "Applied", "release": "shop-v2"}
    assert roost("promote", "--to", "prod").code == 2
    said = roost("promote", "--to", "prod", "--yes")
    assert said.code == 0, said.err
    (body,) = roost.api.asked("POST", f"{prod}/promotions")
    assert body["spec"]["artefact"] == {"image": OTHER_IMAGE}
    assert body["spec"]["sequence"] == 0
    assert body["spec"]["sourceEnvironment"] == "dev"
    assert "acme/prod/shop" in said.err


def test_promote_that_is_refused_says_why_and_exits_with_7(roost: Roost) -> None:
    roost.api.objects[f"{ENV.replace('/dev', '/prod')}/apps/shop"] = roost.api.objects[APP]
    roost.api.promoted = {"phase": "Refused", "conditions": ready("False", "ForeignImage", "It is not yours.")}
    said = roost("promote", "--to", "prod", "--yes")
    assert said.code == 7
    assert "It is not yours." in said.err


def test_promote_of_what_does_not_serve(roost: Roost) -> None:
    del roost.api.objects[APP]["status"]["live"]
    assert roost("promote", "--to", "prod", "--yes").code == 5
