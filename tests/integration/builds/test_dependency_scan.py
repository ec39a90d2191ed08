"""The real osv-scanner, without a network, over a database of a few entries: lock files, and bills of materials."""

import json
from collections.abc import Collection
from pathlib import Path

import pytest

from roost.builds import bill, scan_findings
from roost.builds import scanner as asking_of
from roost.builds.bill import Part
from roost.builds.scanner import Scanner
from roost.model.findings import Finding
from tests.integration.builds.conftest import ENTRIES

pytestmark = pytest.mark.integration
NPM = '{"name": "shop", "lockfileVersion": 3, "packages": {"node_modules/lodash": {"version": "%s"}}}'
GO = "module shop\n\ngo 1.26\n\nrequire golang.org/x/text v%s\n"
POM = """<project><modelVersion>4.0.0</modelVersion><groupId>a</groupId><artifactId>b</artifactId><version>1</version>
<dependencies><dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-core</artifactId>
<version>%s</version></dependency></dependencies></project>"""
GRADLE = "# Gradle wrote this.\norg.apache.logging.log4j:log4j-core:%s=compileClasspath,runtimeClasspath\nempty=\n"
VERIFICATION = """<?xml version="1.0" encoding="UTF-8"?>
<verification-metadata xmlns="https://schema.gradle.org/dependency-verification">
<components><component group="org.apache.logging.log4j" name="log4j-core" version="%s">
<artifact name="log4j-core.jar"><sha256 value="0"/></artifact></component></components></verification-metadata>"""
LOCKS = {
    "requirements.txt": ("pyyaml==%s\n", "5.3", "6.0.2", "critical"),
    "web/package-lock.json": (NPM, "4.17.20", "4.17.21", "high"),
    "go.mod": (GO, "0.3.0", "0.40.0", "high"),
    "pom.xml": (POM, "2.14.1", "2.25.0", "critical"),
    "gradle.lockfile": (GRADLE, "2.14.1", "2.25.0", "critical"),
    "app/buildscript-gradle.lockfile": (GRADLE, "2.14.1", "2.25.0", "critical"),
    "gradle/verification-metadata.xml": (VERIFICATION, "2.14.1", "2.25.0", "critical"),
}


@pytest.fixture(autouse=True)
def database(advisories: Path) -> Path:
    """The folder of the archives."""
    return advisories


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


def scanned(asking: Scanner, root: Path, waived: Collection[str] = ()) -> list[Finding]:
    view = asking.ask_dependencies(root)
    answer = asking.answer(asking_of.DEPENDENCIES) if view.files else asking_of.Answer([], ())
    found = scan_findings.of_packages(answer.results, "dependency", asking.asked / "dependencies" / "view", waived)
    return [*found, *scan_findings.not_scanned("dependency", view, answer.unread, waived)]


def put(root: Path, name: str, version: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(LOCKS[name][0] % version)


@pytest.mark.parametrize("name", LOCKS)
def test_a_vulnerable_dependency_is_found_and_its_mended_twin_is_not(
    scanner: Scanner, checkout: Path, name: str
) -> None:
    _, bad, good, severity = LOCKS[name]
    put(checkout, name, bad)
    (found,) = scanned(scanner, checkout)
    assert (found.kind, found.path, found.severity) == ("dependency", name, severity)
    assert bad in found.message and "or later" in found.fix
    put(checkout, name, good)
    assert scanned(scanner, checkout) == []


def test_every_language_at_once(scanner: Scanner, checkout: Path) -> None:
    for name, (_, bad, _, _) in LOCKS.items():
        put(checkout, name, bad)
    assert {item.path for item in scanned(scanner, checkout)} == set(LOCKS)


def test_without_a_lock_file_there_is_nothing_to_look_at(scanner: Scanner, checkout: Path) -> None:
    (checkout / "app.py").write_text("import yaml\n")
    assert scanned(scanner, checkout) == []


def test_what_the_repository_says_does_not_count(scanner: Scanner, checkout: Path) -> None:
    put(checkout, "requirements.txt", "5.3")
    ignored = '[[IgnoredVulns]]\nid = "GHSA-8q59-q68h-6hv4"\n[[IgnoredVulns]]\nid = "CVE-2020-14343"\n'
    (checkout / "osv-scanner.toml").write_text(ignored + '[[PackageOverrides]]\necosystem = "PyPI"\nignore = true\n')
    (checkout / ".gitignore").write_text("requirements.txt\n")
    assert [item.path for item in scanned(scanner, checkout)] == ["requirements.txt"]


HOSTILE = {
    "package-lock.json": "[" * 100_000,
    "pom.xml": '<!DOCTYPE p [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><project>&b;</project>',
    "go.mod": "module \x00\n",
}


def test_hostile_lock_files_are_told_and_hide_no_others(scanner: Scanner, checkout: Path) -> None:
    for name, text in HOSTILE.items():
        (checkout / name).write_text(text)
    found = scanned(scanner, checkout)
    assert {(item.rule, item.path) for item in found} <= {("not-scanned", name) for name in HOSTILE} and found
    put(checkout, "requirements.txt", "5.3")
    assert "requirements.txt" in {item.path for item in scanned(scanner, checkout)}


def test_links_lead_nowhere(scanner: Scanner, checkout: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    put(outside, "requirements.txt", "5.3")
    (checkout / "requirements.txt").symlink_to(outside / "requirements.txt")
    (checkout / "web").symlink_to(outside)
    assert scanned(scanner, checkout) == []


def test_packages_of_an_image_are_found_by_its_bill(scanner: Scanner) -> None:
    parts = [
        Part("deb", "base-files", "13.8+deb13u2", "amd64"),
        Part("deb", "zlib1g", "1:1.3.dfsg+really1.3.1-1", "amd64", "zlib"),
        Part("deb", "tzdata", "2026a-1", "all"),
        Part("pypi", "PyYAML", "5.3"),
        Part("npm", "lodash", "4.17.21"),
    ]
    text = bill.document("acme/shop", "1", "sha256:" + "0" * 64, parts).encode()
    scanner.ask_image(bill.for_matching(text))
    found = scan_findings.of_packages(scanner.answer(asking_of.IMAGE).results, "image", scanner.asked, ())
    assert {(item.path, item.severity) for item in found} == {("zlib", "critical"), ("pyyaml", "critical")}


def test_another_release_of_debian_is_another_matter(scanner: Scanner) -> None:
    old = [Part("deb", "base-files", "12.4+deb12u12"), Part("deb", "zlib1g", "1:1.2.13", "amd64", "zlib")]
    unknown = [Part("deb", "zlib1g", "1:1.2.13", "amd64", "zlib")]
    for parts in (old, unknown):
        scanner.ask_image(bill.for_matching(bill.document("a", "1", "sha256:0", parts).encode()))
        assert scanner.answer(asking_of.IMAGE).results == []


def test_no_answer_is_no_clean_bill(scanner: Scanner, checkout: Path, database: Path) -> None:
    put(checkout, "requirements.txt", "5.3")
    (database / "PyPI" / "all.zip").unlink()
    with pytest.raises(asking_of.ScanFailed, match="did not end well"):
        scanned(scanner, checkout)


def test_the_database_says_nothing_of_its_own_accord(database: Path) -> None:
    assert all(json.loads(path.read_text())["id"] in path.name for path in ENTRIES.iterdir())
