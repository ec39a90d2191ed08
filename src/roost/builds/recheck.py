"""What already runs, looked at again when the vulnerability database has changed. Called by `roost.mains.advisories`.

Judged are the bills of materials of the images that kept Releases name: each image once for each database. What is
found is stored beside the image, with the day on which it was seen first.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from roost.adapters.registry import Registry, RegistryFailed
from roost.builds import bill, scan_findings
from roost.builds.scanner import IMAGE, ScanFailed, Scanner
from roost.model import findings
from roost.model.findings import Findings

MOST: Final = 2000  # Images at once; the next run goes on where this one ended.


@dataclass(frozen=True, order=True)
class Image:
    """One image of a tenant."""

    repository: str
    digest: str


@dataclass
class Report:
    """What a run did. known: judged by this database before. unbilled: without a bill, or it could not be read."""

    judged: int = 0
    known: int = 0
    unbilled: int = 0
    vulnerable: int = 0
    left: int = 0


def images(releases: Iterable[Mapping[str, Any]], registry: str) -> list[Image]:
    """The images that Releases name, as far as they are tenants' own in this registry; the newest Release's first.

    The repository must be the tenant's whose namespace the Release is in: what stands in it is the tenant's text.
    """
    ordered = sorted(releases, key=lambda item: str(item["metadata"].get("creationTimestamp", "")), reverse=True)
    found: dict[Image, None] = {}
    for item in ordered:
        content = (item.get("spec") or {}).get("content") or {}
        host, _, rest = str((content.get("artefact") or {}).get("image", "")).partition("/")
        name, _, digest = rest.partition("@")
        tenant = str(item["metadata"].get("namespace", "")).rpartition("-")[0]
        if host == registry and digest.startswith("sha256:") and tenant and name.startswith(f"{tenant}/"):
            found.setdefault(Image(name.partition(":")[0], digest))
    return list(found)


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


def all_of(registry: Registry, asking: Scanner, wanted: list[Image], database: str, now: str) -> Report:
    """Judge every image that this database has not judged. One that cannot be judged holds no other up."""
    report = Report(left=max(0, len(wanted) - MOST))
    for image in wanted[:MOST]:
        try:
            known = earlier(registry, image)
            if known is not None and known.database == database:
                report.known += 1
                continue
            found = judge(registry, asking, image, database, now)
        except (RegistryFailed, ScanFailed):
            report.unbilled += 1
            continue
        report.judged += found is not None
        report.unbilled += found is None
        report.vulnerable += bool(found and any(findings.at_least(item.severity, "high") for item in found.items))
    return report
