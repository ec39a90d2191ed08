"""Node, Go, Java and static sites: what is written for them, which version they get, and hostile manifests.

Golden files: golden/<case>.Containerfile, where the first lines tell what was detected. A case whose file is removed is
written anew by the next run, which fails once, so that somebody reads it.
"""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.builds import containerfile, golang, java, semver
from roost.builds.detect import Detected, detect
from roost.builds.errors import Unbuildable
from roost.builds.files import Listing
from roost.model.bases import OFFERED
from roost.model.kinds.delivery import Build

GOLDEN = Path(__file__).parent / "golden"
MAIN = "package main\n\nfunc main() {}\n"


def package(**about: object) -> str:
    return json.dumps({"name": "shop", **about})


def found(files: dict[str, str], **build: object) -> Detected:
    return detect(Listing(files), Build.model_validate(build), OFFERED)


def refused(files: dict[str, str], **build: object) -> tuple[str, str]:
    with pytest.raises(Unbuildable) as error:
        found(files, **build)
    return error.value.reason, str(error.value)


CASES: dict[str, dict[str, str]] = {
    "node-npm": {
        "package.json": package(scripts={"start": "node server.js", "prepare": "husky"}, engines={"node": ">=18 <23"}),
        "package-lock.json": "{}",
    },
    "node-npm-build": {
        "package.json": package(
            scripts={"start": "next start", "build": "next build"}, dependencies={"next": "15", "bcrypt": "5"}
        ),
        "package-lock.json": "{}",
        ".nvmrc": "lts/jod\n",
    },
    "node-pnpm": {
        "package.json": package(packageManager="pnpm@9.15.0+sha512.0", scripts={"start": "pnpm run serve"}),
        "pnpm-lock.yaml": "lockfileVersion: '9.0'\n",
    },
    "node-yarn-1": {
        "package.json": package(main="./lib/index.js", scripts={"postinstall": "node setup.js"}),
        "lib/index.js": "",
        "yarn.lock": "# yarn lockfile v1\n",
        "Procfile": "web: node lib/index.js\nworker: node lib/worker.js\nrelease: node migrate.js\n",
    },
    "node-yarn-4": {
        "package.json": package(scripts={"start": "node ."}),
        "yarn.lock": "__metadata:\n  version: 8\n",
        ".yarnrc.yml": "",
    },
    "node-bin-alone": {"package.json": package(bin={"shop": "./bin/shop.js"})},
    "node-site": {
        "package.json": package(scripts={"dev": "vite", "build": "vite build", "preview": "vite preview"}),
        "package-lock.json": "{}",
        "index.html": "<script>",
    },
    "go-top": {"go.mod": "module example.org/shop/v2\n\ngo 1.22\n", "main.go": MAIN, "cmd/tool/main.go": MAIN},
    "go-cmd": {
        "go.mod": "module example.org/shop\n\ngo 1.99.1\n",
        "shop.go": "package shop\n",
        "cmd/shop/main.go": MAIN,
        "cmd/admin/main.go": MAIN,
    },
    "go-procfile": {
        "go.mod": "module example.org/shop\n",
        "cmd/web/main.go": MAIN,
        "cmd/worker/main.go": MAIN,
        "Procfile": "web: web --port $PORT\nworker: worker\n",
    },
    "java-jar": {"pom.xml": "<project><properties><java.version>11</java.version></properties></project>"},
    "java-procfile": {
        "pom.xml": "<project/>",
        "system.properties": "java.runtime.version=21\n",
        "Procfile": "web: java -cp target/classes:target/dependency/* Main\n",
    },
    "static": {"index.html": "<h1>"},
}


@pytest.mark.parametrize("case", CASES)
def test_the_containerfile_is_the_golden_one(case: str) -> None:
    result = found(CASES[case])
    told = "".join(f"# {line}\n" for line in result.lines) + result.containerfile
    path = GOLDEN / f"{case}.Containerfile"
    if not path.exists():
        path.write_text(told)
        pytest.fail(f"{path.name} was missing and is written: read it, and run again.")
    assert told == path.read_text()


@pytest.mark.parametrize("case", CASES)
def test_all_builds_on_what_is_offered_and_runs_as_nobody_special(case: str) -> None:
    result = found(CASES[case])
    contexts = containerfile.check_bases(result.containerfile, "registry", "acme", OFFERED)
    assert set(contexts) <= set(OFFERED)
    last = result.containerfile.rpartition("\nFROM ")[2]
    own = last.partition("\n")[0] in ("base/nginx:1.26", "base/busybox:1.37")
    assert "USER 1000:1000" in last or own


@pytest.mark.parametrize(
    ("files", "engines", "version"),
    [
        ({}, "", "24"),
        ({}, "*", "24"),
        ({}, ">=18", "24"),
        ({}, "20.x", "20"),
        ({}, "^20.0.0 || ^22.11.0", "22"),
        ({}, "^20.19.0 || >=22.12.0 <23", "22"),
        ({}, "20 - 22", "22"),
        ({}, "~22.20", "22"),
        ({}, "22.3.0", "22"),
        ({}, "< 23", "22"),
        ({".nvmrc": "v20.1.0"}, ">=22", "20"),
        ({".nvmrc": "lts/iron"}, "", "20"),
        ({".node-version": "# a comment\n22\n"}, "", "22"),
        ({".nvmrc": "18"}, ">=18", "24"),
        ({".nvmrc": "node"}, "", "24"),
        ({".tool-versions": "java 21\nnodejs 20.11.0 # old\n"}, ">=22", "20"),
    ],
)
def test_node_is_the_newest_that_satisfies(files: dict[str, str], engines: str, version: str) -> None:
    about = package(scripts={"start": "node ."}, **({"engines": {"node": engines}} if engines else {}))
    assert f"FROM base/node:{version} AS tools\n" in found({"package.json": about} | files).containerfile


@pytest.mark.parametrize(
    ("files", "engines", "reason", "words"),
    [
        ({}, "18.x", "VersionNotOffered", "20.18.0, 22.20.0 and 24.19.0"),
        ({}, ">=24.99", "VersionNotOffered", "asks for Node >=24.99"),
        ({}, "a few", "BadVersion", "no range"),
        ({}, "1" * 300, "BadVersion", "no range"),
        ({".nvmrc": "18"}, "", "VersionNotOffered", "20, 22 and 24"),
        ({".nvmrc": "../../etc"}, "", "VersionNotOffered", ".nvmrc"),
    ],
)
def test_node_that_is_not_to_be_had_is_told(files: dict[str, str], engines: str, reason: str, words: str) -> None:
    about = package(scripts={"start": "node ."}, **({"engines": {"node": engines}} if engines else {}))
    told = refused({"package.json": about} | files)
    assert told[0] == reason and words in told[1]


def test_volta_names_a_version_too() -> None:
    about = package(scripts={"start": "node ."}, volta={"node": "20.11.0"}, engines={"node": ">=18"})
    assert "FROM base/node:20 AS tools\n" in found({"package.json": about}).containerfile


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("^1.2.3", "1.9.0", "2.0.0"),
        ("^0.2.3", "0.2.9", "0.3.0"),
        ("^0.0.3", "0.0.3", "0.0.4"),
        ("~1.2.3", "1.2.9", "1.3.0"),
        ("~1", "1.9.9", "2.0.0"),
        ("1.2.x", "1.2.7", "1.3.0"),
        (">1.2", "1.3.0", "1.2.9"),
        ("<=1.2", "1.2.9", "1.3.0"),
        (">= 1.2.0 <2", "1.9.9", "2.0.0"),
        ("1.2 - 2.3.4", "2.3.4", "2.3.5"),
        ("=v1.2.3-beta.1 || 3", "3.1.1", "1.2.4"),
    ],
)
def test_ranges_are_read_as_npm_reads_them(text: str, inside: str, outside: str) -> None:
    versions = [semver.exact(item) for item in (inside, outside)]
    assert [semver.satisfies(version, text) for version in versions if version] == [True, False]


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({"pom.xml": "<java.version>1.8</java.version>"}, "17"),
        ({"pom.xml": "<maven.compiler.release>18</maven.compiler.release>"}, "21"),
        ({"pom.xml": "<source>${java.version}</source>"}, "21"),
        ({"pom.xml": "<source>11</source>", ".java-version": "21.0.2\n"}, "21"),
        ({"pom.xml": "<release>17</release>", ".sdkmanrc": "# x\njava=21.0.2-tem\n"}, "21"),
        ({"pom.xml": "<release>17</release>", ".tool-versions": "java temurin-21.0.2+13\n"}, "21"),
        ({"pom.xml": "", "system.properties": "a=b\njava.runtime.version = openjdk-17.0.9\n"}, "17"),
    ],
)
def test_java_is_the_nearest_that_satisfies(files: dict[str, str], version: str) -> None:
    text = found(files).containerfile
    assert f"FROM base/java:{version} AS build" in text and f"FROM base/jre:{version}\n" in text


@pytest.mark.parametrize(
    ("files", "reason", "words"),
    [
        ({"pom.xml": "", "system.properties": "java.runtime.version=8"}, "VersionNotOffered", "offered are 17 and 21"),
        ({"pom.xml": "<release>25</release>"}, "VersionNotOffered", "Java 25"),
        ({"pom.xml": "", ".java-version": "graal"}, "BadVersion", "'graal'"),
        ({"build.gradle.kts": ""}, "GradleNotOffered", "base/java"),
        ({"go.mod": "module x\n", "x.go": "package x\n"}, "NoStartCommand", "nothing to start"),
        ({"go.mod": "", "cmd/a/a.go": MAIN, "cmd/b/b.go": MAIN}, "NoStartCommand", "`web: a`"),
        ({"package.json": "[]"}, "BadFile", "not an object"),
        ({"package.json": "{"}, "BadFile", "cannot be read"),
        ({"package.json": "[" * 100_000}, "BadFile", "cannot be read"),
        ({"package.json": '{"scripts": {"start": "vite"}}'}, "NoStartCommand", "start script"),
    ],
)
def test_what_is_missing_is_said(files: dict[str, str], reason: str, words: str) -> None:
    told = refused(files)
    assert told[0] == reason and words in told[1]


def test_the_projects_strategy_and_start_command_win() -> None:
    both = {"requirements.txt": "flask", "package.json": package(scripts={"start": "node a.js"}), "app.py": ""}
    assert "base/node" in found(both, strategy="node").containerfile
    assert found(both, strategy="node", start="node b.js").processes[0].command[-1] == "exec node b.js"
    assert refused({"README": ""}, strategy="go")[0] == refused({"README": ""}, strategy="java")[0] == "BadFile"
    assert refused({"README": ""}, strategy="node")[0] == "BadFile"


def test_programs_of_go_are_told_from_packages_and_tests() -> None:
    files = {
        "go.mod": 'module "example.org/x"\n',
        "gen.go": "//go:build ignore\n\npackage main\n",
        "main_test.go": "package main\n",
        "cmd/one/main.go": MAIN,
        "cmd/lib/lib.go": "package lib\n",
        "cmd/bad name/main.go": MAIN,
    }
    assert golang.programs(Listing(files)) == {"one": "./cmd/one"}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    ["scripts", "engines", "bin", "main", "packageManager", "dependencies", "workspaces", "optionalDependencies"]
)
SCRIPTS = st.dictionaries(st.sampled_from(["start", "build", "prepare", "postinstall"]), st.text(max_size=20))


def judged(files: dict[str, str]) -> None:
    """It is built by lines of ours alone, or refused in words."""
    try:
        result = found(files)
    except Unbuildable as error:
        assert error.reason and str(error) and len(str(error)) < 1500
        return
    known = {"FROM", "WORKDIR", "RUN", "COPY", "ENV", "USER", "EXPOSE", "CMD"}
    text = result.containerfile
    assert {item.word for item in containerfile.instructions(text)} <= known
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", text)
    assert containerfile.check_bases(text, "registry", "acme", OFFERED)
    for item in containerfile.instructions(text):
        if item.word in ("RUN", "COPY", "ENV", "FROM"):
            assert "canary" not in item.rest


@given(st.dictionaries(KEYS, VALUES, max_size=6), SCRIPTS)
def test_any_package_json_is_built_or_refused(about: dict[str, object], scripts: dict[str, str]) -> None:
    judged({"package.json": json.dumps({**about, "scripts": scripts})})


@given(st.text(max_size=300), st.sampled_from(["package.json", "go.mod", "pom.xml", ".nvmrc", "system.properties"]))
def test_any_text_is_built_or_refused(text: str, name: str) -> None:
    judged({"package.json": package(scripts={"start": "node ."}), "main.go": MAIN} | {name: text})


@given(st.text(max_size=60))
def test_any_range_is_read_or_refused(text: str) -> None:
    try:
        semver.satisfies((20, 1, 2), text)
    except semver.NoRange as error:
        assert isinstance(error, ValueError)


@pytest.mark.parametrize("hostile", ["canary; rm -rf /", "canary;\nRUN canary", "$(canary)", "`canary`", "--canary"])
def test_nothing_of_a_manifest_becomes_an_instruction(hostile: str) -> None:
    judged({"package.json": package(main=hostile, bin=hostile, packageManager=f"pnpm@{hostile}"), hostile: ""})
    judged({"package.json": package(scripts={"build": hostile, "start": hostile}, dependencies={hostile: hostile})})
    judged({"go.mod": f"module {hostile}\ngo {hostile}\n", "main.go": MAIN, f"cmd/{hostile}/main.go": MAIN})
    judged({"pom.xml": f"<java.version>{hostile}</java.version>"})
    assert java.choose(Listing({"pom.xml": hostile}), ["17", "21"]).version == "21"
