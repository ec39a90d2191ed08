"""The Release of an App: its content, the digest of that, and in words what was changed."""

from collections.abc import Sequence
from typing import Any

from roost.capabilities.app.model import SeenRelease
from roost.model import names
from roost.model.content import content, content_digest
from roost.model.difference import difference
from roost.model.kinds.app import HANDLED, App, AppSpec, ContentChange, Process, Release, ReleaseSpec
from roost.model.resource import Model

MAX_CHANGES = 40
TOLD = (*HANDLED, "artefact", "processes", "config", "secret_version", "domains")  # In words of their own.


def owner(app: App) -> dict[str, Any]:
    """An owner reference to the App: what bears it goes when the App does."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": App.KIND,
        "name": app.metadata.name,
        "uid": app.metadata.uid,
        "controller": False,
        "blockOwnerDeletion": False,
    }


def _process_changes(old: Sequence[Process], new: Sequence[Process]) -> list[str]:
    before = {process.name: process for process in old}
    words = []
    for process in new:
        previous = before.pop(process.name, None)
        if previous is None:
            words.append(f"process {process.name} added")
            continue
        if previous.replicas != process.replicas:
            words.append(f"{process.name} scaled from {previous.replicas} to {process.replicas}")
        others = _differing(previous, process, ("name", "replicas"))
        if others:
            words.append(f"{', '.join(others)} of {process.name} changed")
    return words + [f"process {name} removed" for name in before]


def _differing(old: Model, new: Model, told: Sequence[str]) -> list[str]:
    """Fields that differ, as words, but for those that are told otherwise."""
    others = [name for name in type(new).model_fields if name not in told]
    return [name.replace("_", " ") for name in others if getattr(old, name) != getattr(new, name)]


def _config_changes(old: AppSpec, new: AppSpec) -> list[str]:
    before = {variable.name: variable.value for variable in old.config}
    after = {variable.name: variable.value for variable in new.config}
    was_set = sorted(name for name in after if before.get(name) != after[name])
    words = [f"{', '.join(was_set)} set"] if was_set else []
    unset = sorted(before.keys() - after.keys())
    if unset:
        words.append(f"{', '.join(unset)} unset")
    if old.secret_version != new.secret_version:
        words.append("secret configuration changed")
    return words


def same(spec: AppSpec, releases: Sequence[SeenRelease]) -> SeenRelease | None:
    """The last version before the newest that had this very content."""
    wanted = content_digest(spec)
    return next((seen for seen in reversed(releases[:-1]) if seen.digest == wanted), None)


def cause(spec: AppSpec, releases: Sequence[SeenRelease]) -> str:
    """What the newest version changes, in words of at most 300 characters. Values of variables never appear."""
    if not releases:
        return "First version"
    earlier = same(spec, releases)
    if earlier is not None:
        return f"Back to v{earlier.number}"
    old, new = releases[-1].content, content(spec)
    words = []
    before = old.artefact.image if old.artefact else ""
    if new.artefact is not None and new.artefact.image != before:
        what = new.artefact.commit[:10] or new.artefact.image.rpartition(":")[2][:12]
        words.append(f"deploy of {what}")
    words += _process_changes(old.processes, new.processes) + _config_changes(old, new)
    if old.domains != new.domains:
        words.append("host names changed")
    words += [f"{name} changed" for name in _differing(old, new, TOLD)]
    text = "; ".join(words) or "changed"
    return text if len(text) <= 300 else text[:299] + "…"


def release(app: App, releases: Sequence[SeenRelease]) -> dict[str, Any]:
    """The next Release of an App, numbered after the last."""
    number = releases[-1].number + 1 if releases else 1
    name, made = app.metadata.name, content(app.spec)
    before = releases[-1].content if releases else None
    changes = difference(before.wire(), made.wire()) if before is not None else ()
    brought = made.artefact
    new_image = brought is not None and not (before and before.artefact and before.artefact.image == brought.image)
    restored = same(app.spec, releases) if app.spec.hold else None
    spec = ReleaseSpec(
        app=name,
        number=number,
        content=made,
        digest=content_digest(app.spec),
        author=app.metadata.annotations.get(names.AUTHOR, "")[:100],
        cause=cause(app.spec, releases),
        run=brought.run if brought is not None and new_image else "",
        previous=releases[-1].name if releases else None,
        restores=restored.number if restored is not None else None,
        changes=tuple(map(ContentChange.of, changes[:MAX_CHANGES])),
        omitted=len(changes[MAX_CHANGES:]),
    )
    return Release.manifest(
        names.release_name(name, number),
        spec,
        app.metadata.namespace,
        labels={names.APP: name, names.MANAGED_BY: "roost"},
        ownerReferences=[owner(app)],
    )
