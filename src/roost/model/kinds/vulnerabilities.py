"""VulnerabilityReport: what the vulnerability database knows of the version of an App that serves.

Each App whose image was judged has one, of its name, beside it. The job that judges images by a new database
(`roost.mains.advisories`) writes the spec; the capability `vulnerability` tells of what is new in it.
"""

from typing import ClassVar, Final

from pydantic import Field

from roost.model.findings import Severity
from roost.model.names import APP_PATTERN
from roost.model.resource import Model, Resource, StatusModel

FRESH: Final = 100  # Of those that became known while the version was there; further ones are counted.
TOLD: Final = 1000
NEW: Final = "NewVulnerabilities"  # The reason of Ready while something is open.


class KnownVulnerability(Model):
    """One vulnerability of one package."""

    rule: str = Field(max_length=120, description="The vulnerability, e.g. CVE-2026-0001.")
    severity: Severity
    package: str = Field(max_length=300)
    fix: str = Field("", max_length=500, description="What to do about it.")
    fingerprint: str = Field(pattern=r"^[0-9a-f]{16}$", max_length=16, description="As `roost findings` shows it.")
    first_seen: str = Field("", max_length=40, description="When the image was found to have it; RFC 3339.")


class Counts(Model):
    """How many an image has of each severity."""

    critical: int = Field(0, ge=0, le=1_000_000)
    high: int = Field(0, ge=0, le=1_000_000)
    medium: int = Field(0, ge=0, le=1_000_000)
    low: int = Field(0, ge=0, le=1_000_000)


class VulnerabilityReportSpec(Model):
    """What is known of one version by one database."""

    app: str = Field(pattern=APP_PATTERN, max_length=30)
    release: str = Field(max_length=63, description="The Release that served when it was judged.")
    project: str = Field(max_length=30, description="The project that built the image.")
    image: str = Field(max_length=400)
    database: str = Field(max_length=100, description="The digest of the database.")
    counts: Counts = Field(Counts(), description="All that the image has, waived or not.")
    fresh: tuple[KnownVulnerability, ...] = Field(
        (), max_length=FRESH, description="Those that became known since the version was made, the gravest first."
    )
    more: int = Field(0, ge=0, le=1_000_000, description="Further ones of these.")


class VulnerabilityReportStatus(StatusModel):
    """What was told of it."""

    told: tuple[str, ...] = Field((), max_length=TOLD, description="Fingerprints of those that channels were told of.")


class VulnerabilityReport(Resource):
    """What the vulnerability database knows of the version of an App that serves."""

    KIND: ClassVar[str] = "VulnerabilityReport"
    PLURAL: ClassVar[str] = "vulnerabilityreports"
    COLUMNS: ClassVar[tuple[tuple[str, str, str], ...]] = (
        ("Release", ".spec.release", "string"),
        ("Critical", ".spec.counts.critical", "integer"),
        ("High", ".spec.counts.high", "integer"),
        ("Ready", '.status.conditions[?(@.type=="Ready")].status', "string"),
        ("Reason", '.status.conditions[?(@.type=="Ready")].reason', "string"),
    )
    RULES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("self.metadata.name == self.spec.app", "It has the name of its application."),
    )

    spec: VulnerabilityReportSpec
    status: VulnerabilityReportStatus = VulnerabilityReportStatus()
