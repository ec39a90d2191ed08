"""What already runs, looked at again when the vulnerability database has changed. Called by `roost.mains.advisories`.

Judged are the bills of materials of the images that kept Releases name: each image once for each database. What is
found is stored beside the image, with the day on which it was seen first. Of each App whose version serves a
VulnerabilityReport is made of it, from which the capability `vulnerability` tells of what is new.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from roost.adapters.registry import Registry, RegistryFailed
from roost.builds import bill, scan_findings
from roost.builds.scanner import IMAGE, ScanFailed, Scanner
from roost.model import findings
from roost.model.findings import LEVELS, Finding, Findings
from roost.model.kinds.vulnerabilities import (
    FRESH,
    Counts,
    KnownVulnerability,
    VulnerabilityReport,
    VulnerabilityReportSpec,
)
from roost.model.names import API_VERSION, MANAGED_BY, TENANT, split_namespace

MOST: Final = 2000  # Images at once; the next run goes on where this one ended.


@dataclass(frozen=True, order=True)
class Image:
    """One image of a tenant."""

    repository: str
    digest: str


@dataclass(frozen=True)
class Serving:
    """An App and the version of it that serves. made: when that Release was; RFC 3339."""

    namespace: str
    app: str
    uid: str
    release: str
    made: str
    image: Image


@dataclass
class Report:
    """What a run did. known: judged by this database before. unbilled: without a bill, or it could not be read."""

    judged: int = 0
    known: int = 0
    unbilled: int = 0
    vulnerable: int = 0
    left: int = 0


def _image(release: Mapping[str, Any], registry: str) -> Image | None:
    """The image of a Release; None where it is none of the tenant's own in this registry.

    The repository must be the tenant's whose namespace the Release is in: what stands in it is the tenant's text.
    """
    content = (release.get("spec") or {}).get("content") or {}
    host, _, rest = str((content.get("artefact") or {}).get("image", "")).partition("/")
    name, _, digest = rest.partition("@")
    tenant = str(release["metadata"].get("namespace", "")).rpartition("-")[0]
    if host == registry and digest.startswith("sha256:") and tenant and name.startswith(f"{tenant}/"):
        return Image(name.partition(":")[0], digest)
    return None


def images(releases: Iterable[Mapping[str, Any]], registry: str) -> list[Image]:
    """The images that Releases name, as far as they are tenants' own in this registry; the newest Release's first."""
    ordered = sorted(releases, key=lambda item: str(item["metadata"].get("creationTimestamp", "")), reverse=True)
    found = (_image(item, registry) for item in ordered)
    return list(dict.fromkeys(image for image in found if image is not None))


def serving(apps: Iterable[Mapping[str, Any]], releases: Iterable[Mapping[str, Any]], registry: str) -> list[Serving]:
    """The Apps of which a version serves whose image is the tenant's own."""
    by_name = {(item["metadata"]["namespace"], item["metadata"]["name"]): item for item in releases}
    found = []
    for app in apps:
        meta, live = app["metadata"], str((app.get("status") or {}).get("live") or "")
        release = by_name.get((meta["namespace"], live))
        image = _image(release, registry) if release else None
        if release is None or image is None or (app.get("spec") or {}).get("stopped"):
            continue
        made = str(release["metadata"].get("creationTimestamp", ""))
        found.append(Serving(meta["namespace"], meta["name"], meta["uid"], live, made, image))
    return found


def report(of: Serving, found: Findings) -> dict[str, Any]:
    """The VulnerabilityReport of an App: what its image has, and what of it was found since its Release was made."""
    fresh = [item for item in found.items if item.first_seen > of.made]
    spec = VulnerabilityReportSpec(
        app=of.app,
        release=of.release,
        project=of.image.repository.partition("/")[2][:30],
        image=f"{of.image.repository}@{of.image.digest}",
        database=found.database,
        counts=Counts(**{level: sum(item.severity == level for item in found.items) for level in LEVELS}),
        fresh=tuple(_known(item) for item in fresh[:FRESH]),
        more=max(0, len(fresh) - FRESH),
    )
    place = split_namespace(of.namespace)
    owner = {"apiVersion": API_VERSION, "kind": "App", "name": of.app, "uid": of.uid}
    labels = {MANAGED_BY: "roost"} | ({TENANT: place[0]} if place else {})
    return VulnerabilityReport.manifest(of.app, spec, of.namespace, labels=labels, ownerReferences=[owner])


def _known(item: Finding) -> KnownVulnerability:
    return KnownVulnerability(
        rule=item.rule,
        severity=item.severity,
        package=item.path,
        fix=item.fix,
        fingerprint=item.fingerprint,
        first_seen=item.first_seen,
    )


def judge(registry: Registry, asking: Scanner, image: Image, database: str, now: str) -> Findings | None:
    """What the database knows of the image, stored beside it; None where it has no bill. ScanFailed, RegistryFailed."""
    text = registry.artefact(image.repository, bill.KIND, subject=image.digest)
    if text is None:
        return None
    asking.ask_image(bill.for_matching(text))
    answer = asking.answer(IMAGE)
    found = scan_findings.of_packages(answer.results, "image", Path("/"), ())
    told = findings.since(findings.ordered(found, database=database), earlier(registry, image), now)
    content = told.model_dump_json(by_alias=True).encode()
    registry.put_artefact(image.repository, findings.IMAGE_KIND, content, subject=image.digest)
    return told


def earlier(registry: Registry, image: Image) -> Findings | None:
    """What is known of an image so far; None where nothing is, or where it cannot be read."""
    text = registry.artefact(image.repository, findings.IMAGE_KIND, subject=image.digest)
    try:
        return Findings.model_validate_json(text) if text else None
    except ValueError:
        return None


def all_of(
    registry: Registry, asking: Scanner | None, wanted: list[Image], database: str, now: str
) -> tuple[Report, dict[Image, Findings]]:
    """Judge every image that this database has not judged, and say what is known of each.

    One that cannot be judged holds no other up. `asking`: None where the database is not at hand, so nothing is judged.
    """
    told, known = Report(left=max(0, len(wanted) - MOST)), dict[Image, Findings]()
    for image in wanted[:MOST]:
        try:
            found = earlier(registry, image)
            if found is not None and (found.database == database or asking is None):
                told.known += 1
                known[image] = found
                continue
            found = judge(registry, asking, image, database, now) if asking is not None else None
        except (RegistryFailed, ScanFailed):
            told.unbilled += 1
            continue
        told.judged += found is not None
        told.unbilled += found is None
        if found is not None:
            known[image] = found
            told.vulnerable += any(findings.at_least(item.severity, "high") for item in found.items)
    return told, known
