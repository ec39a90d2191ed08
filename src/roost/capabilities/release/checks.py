"""Named checks of going back to a version: what speaks against it, from facts. Pure.

Each gives a RollbackCheck or None. What refuses keeps `roost rollback` from happening; some of it `--force` passes
over.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final, Literal

from roost.capabilities.release.advice import SAYS
from roost.capabilities.release.model import Observed, RollbackCheck, RollbackPlan, Room, SeenVersion
from roost.model.content import content, content_digest, gate_digest
from roost.model.difference import difference
from roost.model.kinds.app import AppSpec, ContentChange, Process
from roost.model.quantity import amount

MAX_CHANGES: Final = 400


def _refuse(reason: str, force: bool = False, **values: str) -> RollbackCheck:
    return _say(reason, "refuse", force, values)


def _care(reason: str, **values: str) -> RollbackCheck:
    return _say(reason, "care", False, values)


def _say(reason: str, level: Literal["care", "refuse"], force: bool, values: dict[str, str]) -> RollbackCheck:
    message = SAYS[reason].format(**values)
    return RollbackCheck(reason=reason, level=level, force=force, message=message[:2000], values=values)


def same(observed: Observed) -> RollbackCheck | None:
    """There is something to go back to."""
    if content_digest(observed.spec) == content_digest(observed.target.content):
        return _refuse("Same")
    return None


def image_there(observed: Observed) -> RollbackCheck | None:
    """The image can still be had."""
    if observed.target.content.artefact is None:
        return _refuse("NoImage")
    if observed.image == "gone":
        return _refuse("ImageGone")
    if observed.image == "unknown":
        return _care("ImageUnknown")
    return _care("ImageForeign") if observed.image == "foreign" else None


def image_admitted(observed: Observed) -> RollbackCheck | None:
    """The signature of the image was verified here."""
    return _refuse("NotSigned", message=observed.unsigned) if observed.unsigned else None


def secrets_kept(observed: Observed) -> RollbackCheck | None:
    """The copy of the secret configuration is there."""
    if not observed.secrets:
        return _refuse("SecretsGone")
    if observed.spec.secret_version != observed.target.content.secret_version:
        return _care("SecretsReplaced")
    return None


def has_served(observed: Observed) -> RollbackCheck | None:
    """The version was good once."""
    return None if observed.target.served else _refuse("NeverServed", True)


def data_unchanged(observed: Observed) -> RollbackCheck | None:
    """No release command ran for a later version: it may have changed what a database looks like."""
    known = {gate_digest(item.content) for item in observed.versions if item.number <= observed.target.number}
    ran = []
    for item in observed.versions:
        if item.number <= observed.target.number or not item.content.release_command:
            continue
        gate = gate_digest(item.content)
        if gate not in known:
            ran.append(item)
            known.add(gate)
    if not ran:
        return None
    return _care("CommandRan", versions=", ".join(f"v{item.number}" for item in ran[-20:]))


def processes_stay(observed: Observed) -> RollbackCheck | None:
    """No process ends for good."""
    gone = {item.name for item in observed.spec.processes} - {item.name for item in observed.target.content.processes}
    return _care("ProcessesEnd", names=", ".join(sorted(gone))) if gone else None


def _asks(process: Process, resource: str) -> Decimal:
    asked = {"cpu": process.resources.cpu, "memory": process.resources.memory, "pods": "1"}[resource]
    return amount(asked) or Decimal(0)


def _told(resource: str, value: Decimal) -> str:
    if resource == "memory":
        return f"{(value / (1 << 20)).quantize(Decimal(1))}Mi"
    return f"{value.normalize():f}"


def _room(reason: str, room: Room, wanted: Decimal) -> RollbackCheck:
    told = {"wanted": _told(room.resource, wanted), "hard": _told(room.resource, room.hard)}
    if reason == "NoRoom":
        return _refuse(reason, True, resource=room.resource, **told)
    return _care(reason, resource=room.resource, **told)


def has_room(observed: Observed) -> RollbackCheck | None:
    """The environment's quota takes its instances, and one more while the versions change."""
    if observed.spec.stopped:
        return None
    processes = observed.target.content.processes
    for room in observed.rooms:
        total = sum((item.replicas * _asks(item, room.resource) for item in processes), Decimal(0))
        if room.others + total > room.hard:
            return _room("NoRoom", room, room.others + total)
    for room in observed.rooms:
        more = max((_asks(item, room.resource) for item in processes if item.replicas), default=Decimal(0))
        if room.others + room.own + more > room.hard:
            return _room("TightRoom", room, room.others + room.own + more)
    return None


def hostnames_kept(observed: Observed) -> RollbackCheck | None:
    """Its host names still lead here."""
    if not observed.lost:
        return None
    return _refuse("HostnamesLost", True, names=", ".join(observed.lost))


def runs_at_all(observed: Observed) -> RollbackCheck | None:
    """The application is not stopped."""
    return _care("Stopped") if observed.spec.stopped else None


def allowed(observed: Observed) -> RollbackCheck | None:
    """The cluster takes the change from whoever asks: rights, and rules of admission."""
    return _refuse("NotAllowed", message=observed.refusal) if observed.refusal else None


CHECKS: Final[Sequence[Callable[[Observed], RollbackCheck | None]]] = (
    image_there,
    image_admitted,
    secrets_kept,
    has_served,
    data_unchanged,
    processes_stay,
    has_room,
    hostnames_kept,
    runs_at_all,
    allowed,
)


def judge(app: str, observed: Observed) -> RollbackPlan:
    """What going back to the target would change, and the verdict."""
    nothing = same(observed)
    found = (nothing,) if nothing else tuple(item for item in (check(observed) for check in CHECKS) if item is not None)
    refusals = [item for item in found if item.level == "refuse"]
    old, new = content(observed.spec), observed.target.content
    changes = difference(old.wire(), new.wire())
    return RollbackPlan(
        app=app,
        target=observed.target.number,
        current=observed.versions[-1].number if observed.versions else None,
        verdict="same" if nothing else "refused" if refusals else "care" if found else "safe",
        force=bool(refusals) and all(item.force for item in refusals),
        checks=found,
        changes=tuple(map(ContentChange.of, changes[:MAX_CHANGES])),
        omitted=len(changes[MAX_CHANGES:]),
    )


def default_target(spec: AppSpec, versions: Sequence[SeenVersion], live: str) -> SeenVersion | None:
    """The last version that served well: what still serves while a newer one does not come up, else the one before.

    A version that somebody has rolled back from is none, nor one with the content that is wanted already. `versions`
    by number; `live` names the one that serves.
    """
    left: set[int] = set()
    for item in versions:
        if item.restores is not None:
            left.update(range(item.restores + 1, item.number))
    wanted = content_digest(spec)
    serving = next((item.number for item in versions if item.name == live), None)
    for item in reversed(versions):
        if serving is not None and item.number > serving:
            continue
        if item.served and item.number not in left and content_digest(item.content) != wanted:
            return item
    return None
