"""How a Maven repository is built and started (pure). `detect` calls `plan`.

system.properties, .java-version,
.sdkmanrc, .tool-versions             the version of Java, exactly
java.version, maven.compiler.*        in pom.xml: the oldest offered that knows it
the one jar that names a class        web runs it, unless the project or a Procfile says what

A current distribution of Gradle comes from its maker's site alone (Debian's package is 4.4.1, of 2017), so it is not
offered; the message says what can be done.
"""

import re
from collections.abc import Sequence

from roost.builds import planned, probes, versions
from roost.builds.errors import Unbuildable
from roost.builds.files import Files
from roost.builds.planned import OWNER, Planned
from roost.builds.procfile import Commands
from roost.builds.versions import Choice
from roost.model.kinds.delivery import Build

GRADLE = ("build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts")
_IN_POM = re.compile(
    r"<(java\.version|maven\.compiler\.(?:release|source|target)|release|source|target)>\s*(?:1\.)?(\d{1,3})\s*</"
)
_EXACT = re.compile(r"(?:[a-z]+-)?(?:1\.)?(\d{1,3})(?:[._+-][0-9A-Za-z._+-]{0,40})?")
_CACHE = "--mount=type=cache,target=/root/.m2,sharing=locked"


def choose(files: Files, offered: Sequence[str]) -> Choice:
    """The version to build and run on. `offered`: tags such as 21, oldest first. Unbuildable where none fits."""
    if not offered:
        raise Unbuildable("BaseNotOffered", "This is a Java repository, and this platform offers no Java image.")
    held = versions.words(offered)
    for path, pattern in (
        ("system.properties", r"^\s*java\.runtime\.version\s*[=:]\s*(\S+)"),
        (".java-version", r"(\S+)"),
        (".sdkmanrc", r"^\s*java\s*=\s*(\S+)"),
        (".tool-versions", r"^java\s+(\S+)"),
    ):
        said = re.search(pattern, files.read(path) or "", re.MULTILINE)
        if not said:
            continue
        found = _EXACT.fullmatch(said[1])
        if not found:
            raise Unbuildable("BadVersion", f"{path} says {said[1][:40]!r}; a version such as 21 is understood.")
        if found[1] not in offered:
            raise Unbuildable("VersionNotOffered", f"{path} asks for Java {found[1]}; offered are {held}.")
        return Choice(found[1], f"{path} asks for it")
    wanted = max((int(found[2]) for found in _IN_POM.finditer(files.read("pom.xml") or "")), default=0)
    if not wanted:
        return Choice(offered[-1], "the newest offered; java.version in pom.xml would choose another")
    fitting = [tag for tag in offered if tag.isdigit() and int(tag) >= wanted]
    if not fitting:
        raise Unbuildable("VersionNotOffered", f"pom.xml asks for Java {wanted}; offered are {held}.")
    return Choice(fitting[0], f"pom.xml asks for {wanted}")


def plan(files: Files, build: Build, commands: Commands, offered: Sequence[str]) -> Planned:
    """How to build it. Unbuildable says what is missing."""
    if "pom.xml" not in files.names():
        raise Unbuildable("BadFile", "There is no pom.xml here, by which Maven builds.")
    runners = planned.tags(offered, "jre")
    choice = choose(files, [tag for tag in planned.tags(offered, "java") if tag in runners])
    asked = planned.asked(build, commands)
    copy = f"COPY --from=build --chown={OWNER}"
    if asked.commands:
        # A command names jars and classes as Maven leaves them, and files of the repository.
        packed, copies = "cp -r . /out", [f"{copy} /out/ ./"]
        found, why = dict(asked.commands), asked.why
    else:
        # The jars of others are a layer of their own: a changed line leaves it as it is.
        packed, copies = "executable-jar /out", [f"{copy} /out/dependencies/ ./", f"{copy} /out/application/ ./"]
        found, why = {"web": "java @app.args"}, "the jar that names a class to start"
    return Planned(
        body=(
            f"FROM base/java:{choice.version} AS build",
            "WORKDIR /src",
            "COPY . .",
            f"RUN {_CACHE} mvn --batch-mode --no-transfer-progress -DskipTests package && {packed}",
            f"FROM base/jre:{choice.version}",
            "WORKDIR /app",
            *copies,
            # Where Spring Boot, Micronaut and Quarkus look for the port.
            f"ENV SERVER_PORT={build.port} MICRONAUT_SERVER_PORT={build.port} QUARKUS_HTTP_PORT={build.port}",
            f"USER {OWNER}",
        ),
        commands=found,
        lines=(f"Detected Java {choice.version}: {choice.why}", "Build: Maven, without tests", f"Start: {why}"),
        probe=probes.of_java(files),
    )


def gradle(name: str) -> Unbuildable:
    """What is said of a repository that only Gradle builds."""
    return Unbuildable(
        "GradleNotOffered",
        f"This is built by Gradle ({name}). No package registry has a current distribution of it (Debian's is 4.4.1),"
        " so it is not offered here. Add a pom.xml for Maven, or a Containerfile that builds FROM base/java: Gradle's"
        " wrapper works there where builds reach its maker's site, and `apt-get install gradle` brings Debian's.",
    )
