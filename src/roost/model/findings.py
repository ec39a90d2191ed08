"""What scanners found: one model, whichever tool it came from. Made in the pod of a run, kept in the registry."""

from typing import Final, Literal

from pydantic import Field

from roost.model.resource import Model

KIND: Final = "application/vnd.roost.findings+json"  # Of the artefact in the registry.
MOST: Final = 2000  # Of a run; further ones are counted.
LEVELS: Final = ("low", "medium", "high")

Severity = Literal["low", "medium", "high"]


def tag(attempt: int, commit: str) -> str:
    """The tag by which the registry knows the findings of a run, in the project's own repository."""
    return f"findings-{attempt}-{commit[:12]}"


class Finding(Model):
    """One finding. It is the same one as long as rule, file and what was found are; its line may move."""

    tool: str = Field(max_length=40)
    rule: str = Field(max_length=120)
    severity: Severity
    path: str = Field(max_length=300, description="In the repository.")
    line: int = Field(0, ge=0)
    message: str = Field("", max_length=500, description="What it is; never the secret itself.")
    fix: str = Field("", max_length=500, description="What to do about it.")
    fingerprint: str = Field(pattern=r"^[0-9a-f]{16}$", max_length=16)
    waived: bool = False

    @property
    def place(self) -> str:
        """`path:line`."""
        return f"{self.path}:{self.line}" if self.line else self.path


class Findings(Model):
    """All of a run, the gravest first."""

    items: tuple[Finding, ...] = Field((), max_length=MOST)
    more: int = Field(0, ge=0, description="How many were left off.")


def at_least(severity: Severity, limit: Severity) -> bool:
    """Whether a severity reaches the limit."""
    return LEVELS.index(severity) >= LEVELS.index(limit)


def blocking(found: Findings, limit: Severity | Literal["never"]) -> tuple[Finding, ...]:
    """Those that stop a run: grave enough, and not waived."""
    if limit == "never":
        return ()
    return tuple(item for item in found.items if at_least(item.severity, limit) and not item.waived)
