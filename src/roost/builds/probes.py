"""Paths that frameworks answer when an instance serves (pure): what a repository need not say. `detect` asks.

Spring Boot with actuator    /actuator/health/readiness
Quarkus with health          /q/health/ready
Micronaut with management    /health/readiness
a static site                /

Only where the repository's own settings do not move or lock them; else the port decides, or app.json says it.
"""

import re
from dataclasses import dataclass

from roost.builds.files import Files

_RESOURCES = "src/main/resources"
_SETTINGS = re.compile(r"application(-[a-z0-9]+)?\.(properties|ya?ml)")
_SPRING_PARENT = re.compile(
    r"<artifactId>\s*spring-boot-(?:starter-parent|dependencies)\s*</artifactId>\s*<version>\s*(\d+)\.(\d+)"
)


@dataclass(frozen=True)
class Framework:
    """What it is called, the artefact in pom.xml that brings the path, the path, and settings that move it."""

    name: str
    artefact: str
    path: str
    moved: re.Pattern[str]
    locked: str = "\0"  # An artefact that puts a password before it.


_FRAMEWORKS = (
    Framework(
        "Spring Boot's actuator",
        "spring-boot-starter-actuator",
        "/actuator/health/readiness",
        re.compile(r"management|servlet|base-path|context-path"),
        "spring-boot-starter-security",
    ),
    Framework(
        "Quarkus' health",
        "quarkus-smallrye-health",
        "/q/health/ready",
        re.compile(r"root-path|quarkus\.management|^\s*management:", re.MULTILINE),
    ),
    Framework(
        "Micronaut's management",
        "micronaut-management",
        "/health/readiness",
        re.compile(r"endpoints|context-path"),
        "micronaut-security",
    ),
)


@dataclass(frozen=True)
class Probe:
    """A path, and why."""

    path: str
    why: str


def of_java(files: Files) -> Probe | None:
    """The path that the framework in pom.xml answers; None where there is none, or the repository changed it."""
    pom = files.read("pom.xml") or ""
    for framework in _FRAMEWORKS:
        if f">{framework.artefact}<" not in pom or framework.locked in pom or _is_old_spring(framework, pom):
            continue
        if not any(framework.moved.search(text) for text in _settings(files)):
            return Probe(framework.path, f"{framework.name} answers there")
    return None


def _settings(files: Files) -> list[str]:
    names = [name for name in files.names(_RESOURCES) if _SETTINGS.fullmatch(name)]
    return [files.read(f"{_RESOURCES}/{name}") or "" for name in names[:20]]


def _is_old_spring(framework: Framework, pom: str) -> bool:
    """Spring Boot answers of readiness since 2.3."""
    said = _SPRING_PARENT.search(pom)
    return framework.artefact.startswith("spring") and (said is None or (int(said[1]), int(said[2])) < (2, 3))
