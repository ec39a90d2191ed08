"""The daily verbs: what they send, what they print where, and the exit code that scripts read."""

import json

import pytest
import yaml

from roost.cli.tests.conftest import Roost
from roost.cli.tests.fake_api import APP, ENV, IMAGE, OTHER_IMAGE, instance, ready


def test_deploy_sends_the_digest_and_follows_until_it_serves(roost: Roost) -> None:
    said = roost("deploy", IMAGE)
    assert said.code == 0, said.err
    assert roost.api.asked("POST", f"{APP}/deploy") == [{"image": IMAGE}]
    assert said.out == ""
    assert "✓ Version v3" in said.err
    assert "http://shop-dev.acme.roost.localhost" in said.err


def test_deploy_refuses_a_tag_before_anything_is_sent(roost: Roost) -> None:
    said = roost("deploy", "registry.example.com/acme/shop:latest")
    assert said.code == 2
    assert roost.api.calls == []


def test_deploy_detached_leaves_at_once_and_says_how_to_look(roost: Roost) -> None:
    roost.api.settles = False
    said = roost("deploy", IMAGE, "--detach")
    assert said.code == 0
    assert "`roost status`" in said.err


def test_deploy_that_takes_too_long_exits_with_6(roost: Roost) -> None:
    roost.api.settles = False
    said = roost("deploy", IMAGE, "--timeout", "1")
    assert said.code == 6
    assert "roost status" in said.err


def test_deploy_that_fails_tells_why(roost: Roost) -> None:
    api = roost.api
    api.objects[APP]["status"] |= {"release": "shop-v3", "observedGeneration": 3, "conditions": ready("False", "Down")}
    failed = {"spec": {"number": 3}, "status": {"phase": "Failed"}}
    api.objects[f"{ENV}/releases/shop-v3"] = failed
    api.instances = [instance(ready=False, reason="CrashLoopBackOff", message="exit code 1")]
    api.settles = False
    said = roost("deploy", IMAGE)
    assert said.code == 1
    assert "CrashLoopBackOff (exit code 1)" in said.err


def test_a_dry_run_asks_the_server_and_changes_nothing(roost: Roost) -> None:
    said = roost("deploy", IMAGE, "--dry-run")
    assert said.code == 0
    assert ("POST", f"{APP}/deploy", {"dryRun": ["true"]}, {"image": IMAGE}) in roost.api.calls
    assert f"  - {OTHER_IMAGE}\n  + {IMAGE}" in said.err
    assert roost.api.objects[APP]["spec"]["artefact"]["image"] == OTHER_IMAGE


def test_following_survives_an_api_that_is_away_for_a_while(roost: Roost) -> None:
    roost.api.fail(APP, "unavailable", times=1)
    said = roost("deploy", IMAGE, "--timeout", "30")
    assert said.code == 0, said.err
    assert "Trying again" in said.err


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("invalid", 2),
        ("unauthenticated", 4),
        ("forbidden", 4),
        ("not-found", 3),
        ("conflict", 5),
        ("refused", 7),
        ("timeout", 6),
        ("internal", 1),
    ],
)
def test_problems_become_exit_codes_and_tell_what_why_and_the_request(roost: Roost, kind: str, code: int) -> None:
    roost.api.fail(f"{APP}/scale", kind)
    said = roost("scale", "web=3")
    assert said.code == code
    assert "Because of the test." in said.err
    assert "req-42" in said.err
    assert said.out == ""


def test_scale_sends_all_processes_in_one_request(roost: Roost) -> None:
    assert roost("scale", "web=3", "worker=0").code == 0
    assert roost.api.asked("POST", f"{APP}/scale") == [{"processes": {"web": 3, "worker": 0}}]


@pytest.mark.parametrize("text", ["web", "web=", "=3", "web=-1", "web=many"])
def test_scale_refuses_what_is_no_number(roost: Roost, text: str) -> None:
    assert roost("scale", text).code == 2
    assert roost.api.calls == []


def test_status_shows_processes_instances_and_what_to_do_next(roost: Roost) -> None:
    said = roost("status")
    assert said.code == 0
    assert "acme/dev/shop" in said.out
    assert "shop-web-x7k2p" in said.out
    assert "`roost open`" in said.err
    assert "\x1b" not in said.out


def test_status_of_something_that_fails_says_why_and_points_at_the_logs(roost: Roost) -> None:
    roost.api.objects[APP]["status"] |= {"conditions": ready("False", "Unhealthy", "web does not answer on 8080.")}
    roost.api.instances = [instance(ready=False, reason="CrashLoopBackOff", restarts=4)]
    said = roost("status")
    assert "web does not answer on 8080." in said.out
    assert "CrashLoopBackOff" in said.out
    assert "roost logs" in said.err


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_machines_get_the_objects_and_nothing_else(roost: Roost, form: str) -> None:
    said = roost("status", "-o", form)
    read = json.loads(said.out) if form == "json" else yaml.safe_load(said.out)
    assert read["app"]["spec"]["artefact"]["image"] == OTHER_IMAGE
    assert said.err == ""


def test_names_are_one_a_line(roost: Roost) -> None:
    assert roost("releases", "-o", "name").out == "shop-v2\nshop-v1\n"
    assert roost("app", "list", "-o", "name").out == "shop\n"


def test_other_peoples_data_cannot_steer_the_terminal(roost: Roost) -> None:
    roost.api.objects[APP]["status"] |= {"conditions": ready("False", "Bad", "\x1b]0;owned\x07\x1b[2J")}
    said = roost("status")
    assert "\x1b" not in said.out + said.err


def test_logs_name_the_instance_before_each_line(roost: Roost) -> None:
    line = {"time": "2026-11-28T20:00:00.5Z", "instance": "shop-web-x7k2p", "process": "web", "line": "hello"}
    roost.api.lines = [line, {"time": "", "instance": "", "process": "", "line": "web.x7k2p came"}]
    said = roost("logs", "--since", "10m", "--process", "web", "--tail", "5")
    assert said.out == "web.x7k2p | hello\n"
    assert "web.x7k2p came" in said.err
    assert roost.api.calls[-1][2] == {"since": ["10m"], "process": ["web"], "tail": ["5"]}


def test_a_log_that_breaks_off_goes_on_without_saying_a_line_twice(roost: Roost) -> None:
    first = {"time": "2026-11-28T20:00:00.000000001Z", "instance": "shop-web-x7k2p", "process": "web", "line": "one"}
    roost.api.lines = [first]
    roost.api.breaks = 1
    roost.api.later = [first, first | {"time": "2026-11-28T20:00:00.000000002Z", "line": "two"}]
    said = roost("logs", "-f", "--tail", "1")
    assert said.out == "web.x7k2p | one\nweb.x7k2p | two\n"
    assert "Connecting again" in said.err
    assert roost.api.calls[-1][2] == {"follow": ["true"], "since": ["2026-11-28T19:59:55Z"]}


def test_logs_can_be_searched(roost: Roost) -> None:
    line = {"time": "", "instance": "shop-web-x7k2p", "process": "web", "line": "GET /cart 500"}
    roost.api.lines = [line, line | {"line": "GET / 200"}]
    assert roost("logs", "--grep", "5[0-9]{2}$").out == "web.x7k2p | GET /cart 500\n"
    assert roost("logs", "--grep", "[").code == 2


def test_logs_for_machines_are_one_object_a_line(roost: Roost) -> None:
    line = {"time": "2026-11-28T20:00:00Z", "instance": "shop-web-x7k2p", "process": "web", "line": "hello"}
    roost.api.lines = [line, line | {"time": "2026-11-28T20:00:01Z"}]
    assert [json.loads(text)["line"] for text in roost("logs", "-o", "json").out.splitlines()] == ["hello", "hello"]


def test_open_prints_the_address_where_there_is_no_browser(roost: Roost) -> None:
    assert roost("open").out == "http://shop-dev.acme.roost.localhost\n"


def test_config_never_shows_secrets_and_reads_a_value_from_standard_input(roost: Roost) -> None:
    assert roost("config", "set", "KEY=-", "--secret", stdin="very secret").code == 0
    assert roost.api.asked("PATCH", f"{APP}/config") == [{"set": {"KEY": "very secret"}, "secret": True}]
    assert roost("config", "set", "LEVEL=debug", "PAIR=a=b").code == 0
    said = roost("config", "list")
    assert "very secret" not in said.out
    assert "a=b" in said.out
    assert roost("config", "unset", "KEY").code == 0
    assert roost.api.asked("PATCH", f"{APP}/config")[-1] == {"unset": ["KEY"]}


def test_a_variable_that_does_not_fit_is_not_told_again(roost: Roost) -> None:
    said = roost("config", "set", "s3cr3t-without-a-name", "--secret")
    assert said.code == 2
    assert "s3cr3t" not in said.out + said.err


def test_deleting_wants_the_name_typed(roost: Roost) -> None:
    assert roost("app", "delete", "shop").code == 2
    assert roost("app", "delete", "shop", "--confirm", "other").code == 2
    assert APP in roost.api.objects
    assert roost("app", "delete", "shop", "--confirm", "shop").code == 0
    assert APP not in roost.api.objects


def test_options_beat_the_working_directory(roost: Roost) -> None:
    said = roost("status", "-e", "prod")
    assert said.code == 3
    assert roost.api.calls[-1][1] == "/v1/tenants/acme/environments/prod/apps/shop"


def test_the_only_tenant_and_environment_need_not_be_named(stranger: Roost) -> None:
    said = stranger("app", "list", "-o", "name", ROOST_SERVER=stranger.api.url, ROOST_TOKEN="rst_good")
    assert said.out == "shop\n"


def test_without_a_word_it_is_the_first_environment_into_which_pushes_go_too(roost: Roost) -> None:
    roost.api.objects["/v1/tenants/acme"]["spec"]["environments"] = [{"name": "dev"}, {"name": "prod"}]
    (roost.directory / "roost.yaml").write_text("tenant: acme\n")
    assert roost("app", "list", "-o", "name").out == "shop\n"
    assert roost("app", "list", "-o", "name", ROOST_ENV="prod").out == ""


def test_several_tenants_must_be_told_apart(roost: Roost) -> None:
    roost.api.tenants = [{"name": "acme"}, {"name": "beta"}]
    (roost.directory / "roost.yaml").write_text("app: shop\n")
    said = roost("app", "list")
    assert said.code == 2
    assert "acme, beta" in said.err
    assert "-t NAME" in said.err


@pytest.mark.parametrize("text", ["tenant: [a]\n", "- list\n", "a: b: c\n"])
def test_a_roost_yaml_that_does_not_fit_is_told(roost: Roost, text: str) -> None:
    (roost.directory / "roost.yaml").write_text(text)
    said = roost("status")
    assert said.code == 2
    assert "roost.yaml" in said.err


def test_a_project_s_secrets_come_from_standard_input_and_are_never_shown(roost: Roost) -> None:
    secrets = "/v1/tenants/acme/projects/shop/secrets"
    roost.api.objects[f"{secrets}/npm-token"] = {"name": "npm-token", "variable": "NPM_TOKEN", "use": ["steps"]}
    said = roost("project", "secret", "set", "shop", "npm-token", stdin="t0ken\n")
    assert said.code == 0 and "t0ken" not in said.out + said.err
    roost("project", "secret", "set", "shop", "npm-token", "--for", "build", stdin="line\nline\n")
    assert roost.api.asked("PUT", f"{secrets}/npm-token") == [
        {"value": "t0ken", "use": ["steps"]},
        {"value": "line\nline\n", "use": ["build"]},
    ]
    assert roost("project", "secret", "set", "shop", "npm-token", stdin="\n").code == 2
    assert "NPM_TOKEN" in roost("project", "secret", "list", "shop").out
    assert roost("project", "secret", "unset", "shop", "npm-token").code == 0
    assert roost.api.asked("DELETE", f"{secrets}/npm-token") == [None]
