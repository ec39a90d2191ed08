"""`roost doctor` finds what stands between the terminal and the application; `roost domain` says which names it may."""

import json
import socket

from roost.cli.tests.conftest import Roost
from roost.cli.tests.fake_api import APP, instance, ready


def marks(roost: Roost, *arguments: str, **environment: str) -> dict[str, str]:
    """The mark of each finding by name."""
    said = roost("doctor", "-o", "json", *arguments, **environment)
    assert "Traceback" not in said.err
    return {item["name"]: item["mark"] for item in json.loads(said.out)}


def test_what_is_well_is_told_step_by_step(roost: Roost) -> None:
    roost.api.objects[APP]["status"]["url"] = f"{roost.api.url}/healthz"
    said = roost("doctor")
    assert said.code == 0, said.out
    assert "✓ API" in said.out
    assert "✓ clock" in said.out
    assert "✓ URL" in said.out


def test_who_is_not_signed_in_is_told_and_nothing_after_it_is_looked_at(stranger: Roost) -> None:
    found = marks(stranger)
    assert found["login"] == "bad"
    assert "API" not in found
    assert stranger("doctor").code == 1


def test_a_server_that_does_not_answer_is_a_matter_of_the_network(roost: Roost) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    found = marks(roost, ROOST_SERVER=f"http://127.0.0.1:{port}")
    assert (found["DNS"], found["network"], "API" in found) == ("ok", "bad", False)


def test_a_token_that_nobody_knows_is_told_with_what_to_do(roost: Roost) -> None:
    said = roost("doctor", ROOST_TOKEN="rst_old")
    assert said.code == 1
    assert "roost login" in said.out


def test_a_login_that_others_can_read_is_told(roost: Roost) -> None:
    file = roost.directory / ".config/roost/config.toml"
    file.parent.mkdir(parents=True)
    file.write_text("")
    file.chmod(0o644)
    assert f"chmod 600 {file}" in roost("doctor").out


def test_a_ca_file_that_is_none_is_told(roost: Roost) -> None:
    (roost.directory / "ca.crt").write_text("nothing")
    assert marks(roost, ROOST_CA=str(roost.directory / "ca.crt"))["CA"] == "bad"


def test_an_application_that_fails_tells_its_reason_and_its_instances(roost: Roost) -> None:
    roost.api.objects[APP]["status"]["conditions"] = ready("False", "CrashLooping", "web ended with exit code 1.")
    roost.api.instances = [instance(ready=False, reason="CrashLoopBackOff", lastEnd={"exitCode": 1})]
    said = roost("doctor")
    assert said.code == 1
    assert "web ended with exit code 1." in said.out
    assert "It ended with exit code 1." in said.out


def test_without_an_application_in_mind_the_rest_is_looked_at(roost: Roost) -> None:
    (roost.directory / "roost.yaml").write_text("tenant: acme\n")
    assert roost("doctor").code == 0
    assert marks(roost)["application"] == "care"


def test_an_environment_that_is_not_there_is_told_with_those_that_are(roost: Roost) -> None:
    said = roost("doctor", "-e", "moon")
    assert said.code == 1
    assert "There are: dev." in said.out


def test_a_host_name_of_the_environment_is_added_over_what_was_read(roost: Roost) -> None:
    said = roost("domain", "add", "store-dev.acme.roost.localhost")
    assert said.code == 0, said.err
    assert roost.api.asked("PATCH", APP) == [{"spec": {"domains": ["store-dev.acme.roost.localhost"]}}]
    assert "store-dev.acme.roost.localhost. CNAME shop-dev.acme.roost.localhost." in said.err
    assert "store-dev.acme" in roost("domain", "list").out
    assert roost("domain", "remove", "store-dev.acme.roost.localhost").code == 0
    assert roost.api.objects[APP]["spec"]["domains"] == []


def test_a_host_name_of_somebody_else_is_refused_here_already(roost: Roost) -> None:
    for name in ("shop.example.com", "x-dev.other.roost.localhost", "a.b-dev.acme.roost.localhost", "-dev.acme.x"):
        said = roost("domain", "add", "--", name)
        assert said.code == 7
        assert "NAME-dev.acme.roost.localhost" in said.err
    assert roost.api.asked("PATCH", APP) == []


def test_a_name_that_admission_refused_is_told_as_such(roost: Roost) -> None:
    app = roost.api.objects[APP]
    app["spec"]["domains"] = ["a-dev.acme.roost.localhost", "b.example.com"]
    refused = {"type": "Domains", "status": "False", "message": "These lead nowhere: b.example.com."}
    app["status"]["conditions"] = [*ready(), refused]
    states = {item["name"]: item["state"] for item in json.loads(roost("domain", "list", "-o", "json").out)}
    assert states["b.example.com"] == "Refused"
    assert states["a-dev.acme.roost.localhost"] == "Ready"
