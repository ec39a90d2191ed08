"""What scanners found: one model, whichever tool it came from. Made in the pod of a run, kept in the registry.

The findings of a run are an artefact named by `tag`, which also refers to the image where one was built. What is known
of an image by the vulnerability database is a second one (IMAGE_KIND), renewed when the database changes.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from pydantic import Field

from roost.model.resource import Model

KIND: Final = "application/vnd.roost.findings+json"  # Of the artefact in the registry.
IMAGE_KIND: Final = "application/vnd.roost.image-findings+json"
MOST: Final = 2000  # Of a run; further ones are counted.
LEVELS: Final = ("low", "medium", "high", "critical")

Severity = Literal["low", "medium", "high", "critical"]
Kind = Literal["secret", "source", "dependency", "image"]


def tag(attempt: int, commit: str) -> str:
    """The tag by which the registry knows the findings of a run, in the project's own repository."""
    return f"findings-{attempt}-{commit[:12]}"


class Finding(Model):
    """One finding. It is the same one as long as rule, file and what was found are; its line may move."""

    kind: Kind = Field("secret", description="Which scan found it.")
    tool: str = Field(max_length=40)
    rule: str = Field(max_length=120)
    severity: Severity
    path: str = Field(max_length=300, description="In the repository; of an image, the package.")
    line: int = Field(0, ge=0)
    message: str = Field("", max_length=500, description="What it is; never the secret itself.")
    fix: str = Field("", max_length=500, description="What to do about it.")
    fingerprint: str = Field(pattern=r"^[0-9a-f]{16}$", max_length=16)
    waived: bool = False
    new: bool = Field(True, description="The last successful run of the project's branch did not have it.")
    first_seen: str = Field("", max_length=40, description="When the project had it first; RFC 3339.")

    @property
    def place(self) -> str:
        """`path:line`."""
        return f"{self.path}:{self.line}" if self.line else self.path


class Findings(Model):
    """All of a run, the gravest first."""

    items: tuple[Finding, ...] = Field((), max_length=MOST)
    more: int = Field(0, ge=0, description="How many were left off.")
    database: str = Field("", max_length=100, description="The vulnerability database that was asked; empty: none.")


def at_least(severity: Severity, limit: Severity) -> bool:
    """Whether a severity reaches the limit."""
    return LEVELS.index(severity) >= LEVELS.index(limit)


def blocking(found: Findings, limit: Severity | Literal["never"], only_new: bool = False) -> tuple[Finding, ...]:
    """Those that stop a run: grave enough, not waived, and new where only these count."""
    if limit == "never":
        return ()
    grave = (item for item in found.items if at_least(item.severity, limit) and not item.waived)
    return tuple(item for item in grave if item.new or not only_new)


def ordered(found: Iterable[Finding], more: int = 0, database: str = "") -> Findings:
    """Each finding once, the gravest first, no more than anyone reads."""
    unique = {item.fingerprint: item for item in reversed(list(found))}.values()
    by_weight = sorted(unique, key=lambda item: (-LEVELS.index(item.severity), item.path, item.line, item.rule))
    left = more + max(0, len(by_weight) - MOST)
    return Findings(items=tuple(by_weight[:MOST]), more=left, database=database)


def merged(parts: Iterable[Findings]) -> Findings:
    """The findings of several scans as one list."""
    held = list(parts)
    database = next((part.database for part in held if part.database), "")
    return ordered((item for part in held for item in part.items), sum(part.more for part in held), database)


def since(found: Findings, base: Findings | None, now: str) -> Findings:
    """The same with what the base, the last successful run's, tells: which are new, and when each was seen first."""
    before: Mapping[str, Finding] = {item.fingerprint: item for item in base.items} if base else {}

    def told(item: Finding) -> Finding:
        known = before.get(item.fingerprint)
        seen = (known.first_seen if known else "") or now
        return item.model_copy(update={"new": known is None, "first_seen": seen})

    return found.model_copy(update={"items": tuple(told(item) for item in found.items)})
