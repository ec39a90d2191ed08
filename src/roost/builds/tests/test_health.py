"""What app.json and frameworks say of health: the formats of Heroku and Dokku, and hostile ones."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.builds import appjson, probes
from roost.builds.detect import Detected, detect
from roost.builds.errors import Unbuildable
from roost.builds.files import Listing
from roost.model.bases import OFFERED
from roost.model.kinds.app import Health, Process
from roost.model.kinds.delivery import Build

NODE = {"package.json": json.dumps({"scripts": {"start": "node server.js"}})}
POM = """<project><parent><artifactId>spring-boot-starter-parent</artifactId><version>{version}</version></parent>
<dependencies><dependency><artifactId>spring-boot-starter-actuator</artifactId></dependency>{more}</dependencies>
</project>"""


def checks(*items: dict[str, object]) -> dict[str, str]:
    return {"app.json": json.dumps({"healthchecks": {"web": list(items)}})}


def found(files: dict[str, str], **build: object) -> Detected:
    return detect(Listing(files), Build.model_validate(build), OFFERED)


def web(detected: Detected) -> Process:
    return next(item for item in detected.processes if item.name == "web")


@pytest.mark.parametrize(
    ("items", "health"),
    [
        ([{"type": "startup", "path": "/health"}], Health(path="/health")),
        ([{"type": "liveness", "path": "/l"}, {"type": "readiness", "path": "/r"}], Health(path="/r")),
        ([{"type": "startup", "path": "/s", "attempts": 30, "wait": 5, "timeout": 5}], Health(path="/s", start_s=300)),
        ([{"type": "startup", "path": "/s", "attempts": 1}], Health(path="/s")),
        ([{"type": "startup", "path": "/s", "attempts": 1e5, "initialDelay": 9}], Health(path="/s", start_s=3600)),
        ([{"type": "startup", "command": ["./check"]}], Health()),
        ([{"type": "startup", "uptime": 10}], Health()),
        ([{"type": "startup", "path": "no-slash"}], Health()),
        ([{"type": "startup", "path": "/a b"}], Health()),
    ],
)
def test_checks_of_app_json(items: list[dict[str, object]], health: Health) -> None:
    result = found(NODE | checks(*items))
    assert web(result).health == health
    assert any(line.startswith("Health of web") for line in result.lines)


def test_the_number_of_instances_is_what_the_formation_says() -> None:
    about = {"formation": {"web": {"quantity": 2}, "worker": {"quantity": 0}, "x": {"quantity": 9999}, "y": 1}}
    files = NODE | {"app.json": json.dumps(about), "Procfile": "web: node web\nworker: node worker\n"}
    assert {item.name: item.replicas for item in found(files).processes} == {"web": 2, "worker": 0}


def test_a_process_without_a_port_cannot_be_asked() -> None:
    said = appjson.Said({"worker": Health(path="/health")})
    assert said.applied([Process(name="worker")])[0].health == Health()


def test_what_a_containerfile_builds_is_asked_as_well() -> None:
    result = found({"Containerfile": "FROM base/debian\n"} | checks({"type": "startup", "path": "/up"}))
    assert result.said.applied([Process(name="web", port=80)])[0].health.path == "/up"


@pytest.mark.parametrize("text", ["{", "[]", '"x"', "[" * 3000])
def test_what_is_no_object_is_told(text: str) -> None:
    with pytest.raises(Unbuildable, match=r"app\.json"):
        found(NODE | {"app.json": text})


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=9,
)


@given(st.fixed_dictionaries({}, optional={"healthchecks": JSON, "formation": JSON, "scripts": JSON}))
def test_whatever_stands_in_it_is_borne(data: object) -> None:
    found(NODE | {"app.json": json.dumps(data)})


@pytest.mark.parametrize(
    ("version", "more", "settings", "path"),
    [
        ("3.5.7", "", "spring.application.name=shop\n", "/actuator/health/readiness"),
        ("2.2.9.RELEASE", "", "", ""),
        ("3.5.7", "<artifactId>spring-boot-starter-security</artifactId>", "", ""),
        ("3.5.7", "", "management.server.port=9000\n", ""),
        ("3.5.7", "", "server.servlet.context-path=/shop\n", ""),
    ],
)
def test_the_path_of_a_framework_where_nothing_moves_or_locks_it(
    version: str, more: str, settings: str, path: str
) -> None:
    pom = POM.replace("{version}", version).replace("{more}", more)
    files = {"pom.xml": pom, "src/main/resources/application.properties": settings}
    assert web(found(files)).health.path == path


@pytest.mark.parametrize(
    ("artefact", "path"),
    [("quarkus-smallrye-health", "/q/health/ready"), ("micronaut-management", "/health/readiness")],
)
def test_other_frameworks_have_their_own(artefact: str, path: str) -> None:
    probe = probes.of_java(Listing({"pom.xml": f"<artifactId>{artefact}</artifactId>"}))
    assert probe is not None and probe.path == path


def test_what_the_repository_says_goes_before_what_its_framework_answers() -> None:
    pom = POM.replace("{version}", "3.5.7").replace("{more}", "")
    result = found({"pom.xml": pom} | checks({"type": "readiness", "path": "/mine"}))
    assert web(result).health.path == "/mine"
    assert [line for line in result.lines if line.startswith("Health")] == ["Health of web: /mine, as app.json says"]


def test_a_static_site_is_asked_for_its_front_page() -> None:
    assert web(found({"index.html": "<h1>"})).health.path == "/"
