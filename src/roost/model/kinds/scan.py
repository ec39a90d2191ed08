"""What of a scan stops a run, and Waiver: a person's word that one finding may stay for a while.

A waiver is about one finding of whichever scan, known by its fingerprint; its owner is who made it (roost.dev/author).
"""

from typing import ClassVar, Literal

from pydantic import Field

from roost.model.names import APP_PATTERN
from roost.model.resource import Model, Resource, StatusModel


class Scan(Model):
    """What is looked for in a run, and what stops it. The Project says so, not the code."""

    secrets: bool = Field(True, description="Look for passwords, keys and tokens in the commit's files.")
    source: bool = Field(True, description="Look for injection in Python, JavaScript, Java, Go and Containerfiles.")
    dependencies: bool = Field(
        True, description="Look for known vulnerabilities in what lock files name, where the platform has a database."
    )
    image: bool = Field(
        True, description="Look for known vulnerabilities in the packages of the image, where there is a database."
    )
    block: Literal["critical", "high", "medium", "low", "never"] = Field(
        "high", description="Findings of this severity or graver stop the run, unless they are waived."
    )
    block_image: Literal["critical", "high", "medium", "low", "never"] = Field(
        "never", description="The same for the packages of the image, most of which come with its base."
    )
    only_new: bool = Field(
        False, description="What the last successful run of the project's branch had as well stops no run."
    )


class WaiverSpec(Model):
    """One finding that may stay."""

    project: str = Field(pattern=APP_PATTERN, max_length=30)
    fingerprint: str = Field(pattern=r"^[0-9a-f]{16}$", max_length=16, description="As `roost findings` shows it.")
    reason: str = Field(min_length=1, max_length=500)
    until: str = Field(
        max_length=40,
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$",
        description="When it ends; RFC 3339, UTC.",
    )


class WaiverStatus(StatusModel):
    """Who was told of its end."""

    warned: bool = Field(False, description="Channels were told that it ends soon.")


class Waiver(Resource):
    """An owner's word that one finding may stay until a day."""

    KIND: ClassVar[str] = "Waiver"
    PLURAL: ClassVar[str] = "waivers"
    COLUMNS: ClassVar[tuple[tuple[str, str, str], ...]] = (
        ("Project", ".spec.project", "string"),
        ("Finding", ".spec.fingerprint", "string"),
        ("Until", ".spec.until", "string"),
        ("State", '.status.conditions[?(@.type=="Ready")].reason', "string"),
        ("Reason", ".spec.reason", "string"),
    )
    RULES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("self.spec == oldSelf.spec", "A waiver never changes; delete it and make a new one."),
        (
            "timestamp(self.spec.until) > timestamp('1970-01-01T00:00:00Z')",
            "spec.until is a moment, such as 2026-12-31T00:00:00Z.",
        ),
    )

    spec: WaiverSpec
    status: WaiverStatus = WaiverStatus()
