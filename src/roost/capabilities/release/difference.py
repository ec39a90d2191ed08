"""What differs between two versions of an application, and whether going back looks safe. Pure; used by the commands."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from roost.surface.terminal.output import at
from roost.surface.terminal.words import tr

# Filled in by kube-apiserver as defaults, or told in another line: no difference for a person.
UNTOLD = frozenset(["artefact.run", "hold"])
HIDDEN = "********"


@dataclass(frozen=True)
class Change:
    """One field that differs; None: it is not there."""

    field: str
    old: str | None
    new: str | None


@dataclass(frozen=True)
class Advice:
    """Whether going back looks safe, and why."""

    verdict: Literal["safe", "care", "against", "same"]
    reasons: tuple[str, ...] = ()


def _flat(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key in sorted(value):
            yield from _flat(value[key], f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(item, Mapping) and "name" in item for item in value):
        for item in value:
            rest = {key: part for key, part in item.items() if key != "name"}
            yield from _flat(rest or "", f"{path}[{item.get('name')}]")
    elif isinstance(value, list):
        if value:
            yield path, " ".join(str(item) for item in value)
    elif value not in (None, "", False):
        yield path, str(value)


def fields(content: Mapping[str, Any]) -> dict[str, str]:
    """The content of a version as `path -> text`; list items that have a name are told by it."""
    return {path: text for path, text in _flat(content, "") if path not in UNTOLD}


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Change, ...]:
    """The fields that differ from `old` to `new`, by path. Secrets have a version, never a value."""
    before, after = fields(old), fields(new)
    changes = [
        Change(path, before.get(path), after.get(path))
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    ]
    return tuple(_secret(change) if change.field == "secretVersion" else change for change in changes)


def _secret(change: Change) -> Change:
    hidden = [None if text is None else f"{HIDDEN} ({text[:8]})" for text in (change.old, change.new)]
    return Change(tr("secrets"), *hidden)


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
