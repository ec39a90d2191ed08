"""What already runs is judged once by each database; nobody's text leads to somebody else's image."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from roost.adapters.registry import MANIFEST, Registry, digest_of
from roost.adapters.tests.memory_registry import MemoryRegistry
from roost.builds import bill, recheck, scan_findings
from roost.builds.bill import Part
from roost.builds.recheck import Image
from roost.builds.sarif import Result
from roost.builds.scanner import Answer, ScanFailed, Scanner
from roost.model import findings
from roost.model.findings import Findings
from roost.model.kinds.vulnerabilities import VulnerabilityReport

REGISTRY = "registry:5000"
MADE = {"schemaVersion": 2, "mediaType": MANIFEST, "config": {}, "layers": []}
DIGEST = digest_of(json.dumps(MADE, sort_keys=True).encode())


def release(namespace: str, image: str, made: str = "2026-01-01T00:00:00Z") -> dict[str, Any]:
    meta = {"name": "shop-v1", "namespace": namespace, "creationTimestamp": made}
    return {"metadata": meta, "spec": {"content": {"artefact": {"image": image}}}}


@pytest.mark.parametrize(
    ("namespace", "image", "found"),
    [
        ("acme-prod", f"{REGISTRY}/acme/shop@{DIGEST}", ["acme/shop"]),
        ("acme-prod", f"{REGISTRY}/other/shop@{DIGEST}", []),
        ("acme-prod", f"elsewhere:5000/acme/shop@{DIGEST}", []),
        ("acme-prod", f"{REGISTRY}/base/advisories@{DIGEST}", []),
        ("acme-prod", f"{REGISTRY}/acme/shop:latest", []),
        ("acme-prod", "", []),
    ],
)
def test_only_a_tenants_own_images_are_judged(namespace: str, image: str, found: list[str]) -> None:
    assert [item.repository for item in recheck.images([release(namespace, image)], REGISTRY)] == found


def test_an_image_of_many_versions_is_judged_once_and_the_newest_first() -> None:
    old = release("acme-dev", f"{REGISTRY}/acme/old@{DIGEST}", "2025-01-01T00:00:00Z")
    new = [release(f"acme-{name}", f"{REGISTRY}/acme/shop@{DIGEST}") for name in ("dev", "prod")]
    assert [item.repository for item in recheck.images([old, *new], REGISTRY)] == ["acme/shop", "acme/old"]


class Asked:
    """Stands in for the scanner: it finds what it is told to."""

    def __init__(self, *found: Result) -> None:
        self.found, self.bills = list(found), list[bytes]()

    def ask_image(self, text: bytes) -> None:
        self.bills.append(text)

    def answer(self, name: str) -> Answer:
        if self.found and self.found[0].rule == "dies":
            raise ScanFailed("It died.")
        return Answer(self.found, ())


@pytest.fixture
def registry() -> Iterator[Registry]:
    client = MemoryRegistry().registry()
    assert client.put_manifest("acme/shop", "run-1", MADE)["digest"] == DIGEST
    text = bill.document("acme/shop", "1", DIGEST, [Part("npm", "lodash", "4.17.20")]).encode()
    client.put_artefact("acme/shop", bill.KIND, text, subject=DIGEST)
    yield client


def vulnerable(rule: str = "CVE-2021-23337", score: float = 7.2) -> Result:
    return Result("osv-scanner", rule, "", score, f"Package 'lodash@4.17.20' is vulnerable to '{rule}'.", "", "", 0, "")


def run(registry: Registry, asked: Asked, database: str, now: str) -> recheck.Report:
    wanted = [Image("acme/shop", DIGEST)]
    return recheck.all_of(registry, cast(Scanner, asked), wanted, database, now)[0]


def kept(registry: Registry) -> Findings:
    text = registry.artefact("acme/shop", findings.IMAGE_KIND, subject=DIGEST)
    return Findings.model_validate_json(text or b"{}")


def test_an_image_is_judged_once_by_each_database(registry: Registry) -> None:
    asked = Asked(vulnerable())
    assert run(registry, asked, "sha256:1", "2026-01-01T00:00:00Z").judged == 1
    again = run(registry, asked, "sha256:1", "2026-01-02T00:00:00Z")
    assert (again.judged, again.known, len(asked.bills)) == (0, 1, 1)
    asked.found.append(vulnerable("CVE-2026-0001"))
    assert run(registry, asked, "sha256:2", "2026-02-01T00:00:00Z").vulnerable == 1
    assert {item.rule: item.first_seen[:7] for item in kept(registry).items} == {
        "CVE-2021-23337": "2026-01",
        "CVE-2026-0001": "2026-02",
    }
    assert kept(registry).database == "sha256:2"


def test_one_that_cannot_be_judged_holds_no_other_up(registry: Registry) -> None:
    asked = Asked(vulnerable())
    wanted = [Image("acme/gone", "sha256:" + "b" * 64), Image("acme/shop", DIGEST)]
    report, known = recheck.all_of(registry, cast(Scanner, asked), wanted, "sha256:1", "2026-01-01T00:00:00Z")
    assert list(known) == [Image("acme/shop", DIGEST)]
    assert (report.unbilled, report.judged) == (1, 1)
    assert run(registry, Asked(vulnerable("dies")), "sha256:3", "2026-01-01T00:00:00Z").unbilled == 1
    assert kept(registry).database == "sha256:1"


def test_how_many_are_judged_is_bounded(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recheck, "MOST", 1)
    wanted = [Image("acme/shop", DIGEST), Image("acme/other", DIGEST)]
    assert recheck.all_of(registry, cast(Scanner, Asked()), wanted, "d", "2026-01-01T00:00:00Z")[0].left == 1


def test_places_of_images_are_packages(tmp_path: Path) -> None:
    (found,) = scan_findings.of_packages([vulnerable()], "image", tmp_path, ())
    assert (found.path, found.kind, found.severity) == ("lodash", "image", "high")


def test_without_a_database_at_hand_what_is_known_is_told(registry: Registry) -> None:
    run(registry, Asked(vulnerable()), "sha256:1", "2026-01-01T00:00:00Z")
    wanted = [Image("acme/shop", DIGEST), Image("acme/other", DIGEST)]
    report, known = recheck.all_of(registry, None, wanted, "sha256:1", "2026-01-02T00:00:00Z")
    assert (report.judged, report.known, report.unbilled) == (0, 1, 1)
    assert known[Image("acme/shop", DIGEST)].database == "sha256:1"


def app(live: str = "shop-v1", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "shop", "namespace": "acme-prod", "uid": "a"}, "spec": spec, "status": {"live": live}}


def test_judged_for_an_app_is_what_serves() -> None:
    own = release("acme-prod", f"{REGISTRY}/acme/shop@{DIGEST}")
    foreign = release("acme-prod", f"{REGISTRY}/other/shop@{DIGEST}")
    (found,) = recheck.serving([app()], [own], REGISTRY)
    assert (found.app, found.release, found.image) == ("shop", "shop-v1", Image("acme/shop", DIGEST))
    for apps, releases in (([app("shop-v2")], [own]), ([app("")], [own]), ([app(stopped=True)], [own])):
        assert not recheck.serving(apps, releases, REGISTRY)
    assert not recheck.serving([app()], [foreign], REGISTRY)


def test_a_report_tells_new_from_what_the_build_knew(registry: Registry) -> None:
    """What was found before the version was made is counted; what was found since is fresh, the gravest first."""
    asked = Asked(vulnerable())
    run(registry, asked, "sha256:1", "2026-01-01T00:00:00Z")
    asked.found += [vulnerable("CVE-2026-0001"), vulnerable("CVE-2026-0002", 9.8)]
    run(registry, asked, "sha256:2", "2026-02-01T00:00:00Z")
    made = release("acme-prod", f"{REGISTRY}/acme/shop@{DIGEST}", "2026-01-15T00:00:00Z")
    (serving,) = recheck.serving([app()], [made], REGISTRY)
    report = recheck.report(serving, kept(registry))
    assert [item["rule"] for item in report["spec"]["fresh"]] == ["CVE-2026-0002", "CVE-2026-0001"]
    assert report["spec"]["counts"] == {"critical": 1, "high": 2, "medium": 0, "low": 0}
    assert report["spec"]["database"] == "sha256:2" and report["metadata"]["ownerReferences"][0]["uid"] == "a"
    assert VulnerabilityReport.parse(report).spec.project == "shop"
