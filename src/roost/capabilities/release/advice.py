"""Whether going back to a version of an application looks safe. Pure; used by `roost rollback`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from roost.surface.terminal.difference import difference
from roost.surface.terminal.output import at
from roost.surface.terminal.words import tr


@dataclass(frozen=True)
class Advice:
    """Whether going back looks safe, and why."""

    verdict: Literal["safe", "care", "against", "same"]
    reasons: tuple[str, ...] = ()


def advice(current: Mapping[str, Any], wanted: Mapping[str, Any]) -> Advice:
    """Whether bringing back the Release `wanted` looks safe while `current` is what should run."""
    old, new = at(current, "spec.content", {}), at(wanted, "spec.content", {})
    if not difference(old, new):
        return Advice("same", (tr("It is what should run already."),))
    against, care = [], []
    if at(wanted, "status.phase") == "Failed" or not at(wanted, "status.liveAt"):
        against.append(tr("That version never served."))
    if at(new, "artefact") is None:
        against.append(tr("That version has no image: nothing would run."))
    if at(old, "releaseCommand") or at(new, "releaseCommand"):
        care.append(tr("It has a release command: what that did to a database is not undone."))
    if at(old, "secretVersion") != at(new, "secretVersion"):
        care.append(tr("Its secrets come back too; one that was replaced since may no longer be valid."))
    gone = {item["name"] for item in at(old, "processes", ())} - {item["name"] for item in at(new, "processes", ())}
    if gone:
        care.append(tr("These processes end: {names}.", names=", ".join(sorted(gone))))
    if against:
        return Advice("against", tuple(against + care))
    return Advice("care", tuple(care)) if care else Advice("safe", (tr("That version served before."),))
