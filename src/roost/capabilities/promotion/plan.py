"""The plan of a Promotion: once, it writes a build's artefact and processes into the App, as the deployer. Pure.

    Pending (held, unapproved, frozen) -> Applied (then the Release it led to is looked for) | Superseded | Refused

Applied, Superseded and Refused are final: what people do to the App later is never undone by an old Promotion.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from roost.capabilities.promotion import checks
from roost.capabilities.promotion.model import Observed, SeenPromotion
from roost.model import names, notices
from roost.model.conditions import Condition, not_ready, ready, timestamp
from roost.model.kinds.app import App, AppSpec, Health, Process
from roost.model.kinds.channel import Event
from roost.model.kinds.delivery import Promotion
from roost.model.kinds.images import look_again
from roost.model.plan import DEPLOYER, Action, Apply, Plan, Verdict
from roost.model.settings_difference import differences

ENDED = ("Applied", "Superseded", "Refused")
HELD = timedelta(seconds=10)
WAITING = timedelta(seconds=30)  # Approvals are watched; this is for windows that end, and gates that change.
AGAIN = timedelta(seconds=5)
FOLLOWING = timedelta(milliseconds=500)
KEPT = 18  # Of an App: an environment takes 100 Apps and 2000 Promotions. Older ones are told by their Releases.
FORGOTTEN_AT_ONCE = 20


def _health(built: Process, own: Process, others: tuple[SeenPromotion, ...]) -> Health:
    """The build's word on health where nobody, or an earlier build, had the last one; what a person set stays."""
    said = [seen.health[own.name] for seen in others if own.name in seen.health] + [Health()]
    changes: dict[str, object] = {}
    if own.health.path in {item.path for item in said}:
        changes["path"] = built.health.path
    if own.health.start_s in {item.start_s for item in said}:
        changes["start_s"] = built.health.start_s
    return own.health.model_copy(update=changes)


def processes(promotion: Promotion, app: AppSpec | None, others: tuple[SeenPromotion, ...] = ()) -> tuple[Process, ...]:
    """What the build says runs, with the scale, resources, grace, and the health that people set, of the App.

    A build that names no process leaves the App's as they are.
    """
    there = app.processes if app is not None else AppSpec().processes
    if not promotion.spec.processes:
        return there
    kept = {process.name: process for process in there} if app is not None else {}
    merged = []
    for built in promotion.spec.processes:
        own = kept.get(built.name)
        if own is not None:
            health = _health(built, own, others)
            own = own.model_copy(update={"command": built.command, "port": built.port, "health": health})
        merged.append(own or built)
    return tuple(merged)


def _app(promotion: Promotion, observed: Observed) -> dict[str, Any]:
    """Only the fields that a build decides: applying them leaves all others to who set them."""
    spec: dict[str, Any] = {
        "artefact": promotion.spec.artefact.wire(),
        "processes": [process.wire() for process in processes(promotion, observed.app, observed.others)],
        "releaseCommand": list(promotion.spec.release_command),
    }
    # A build says for whom it speaks; what a person made, the API signed. Else the App would name who changed it last.
    author = promotion.spec.author or promotion.metadata.annotations.get(names.AUTHOR, "")
    annotations = {names.AUTHOR: author} if author else {}
    labels = {"labels": {names.PREVIEW: promotion.spec.preview}} if promotion.spec.preview else {}
    return {
        "apiVersion": names.API_VERSION,
        "kind": App.KIND,
        "metadata": {
            "name": promotion.spec.app,
            "namespace": promotion.metadata.namespace,
            "annotations": annotations,
            **labels,
        },
        "spec": spec,
    }


def _begins(promotion: Promotion, observed: Observed) -> Plan | None:
    """A preview's App is made with its configuration. From then on that is its own: no later commit writes it again.

    The next look applies the rest as to any App, so it also holds where somebody made one of that name in between.
    """
    if observed.app is not None or not observed.preview_config:
        return None
    made = _app(promotion, observed)
    made["spec"]["config"] = [variable.wire() for variable in observed.preview_config]
    return Plan(
        apply=(Apply(made, DEPLOYER, create=True, owned=False),),
        conditions=(not_ready("Begins", "The preview's application is being made."),),
        status=_pending(observed) | {"phase": "Pending"},
        next_check=FOLLOWING,
    )


def _as_preview(promotion: Promotion, observed: Observed) -> Verdict:
    """What is for a preview comes into an App of that preview, where previews are allowed, and while it is open."""
    name, app = promotion.spec.preview, promotion.spec.app
    if not name:
        return Verdict(True)
    if not observed.preview_open:
        return Verdict(False, "PreviewClosed", f"There is no open preview {name} of {app} in this environment.")
    if not observed.previews:
        words = f"{observed.environment} takes no previews: set `previews` of the environment in the tenant."
        return Verdict(False, "NoPreviews", words)
    if observed.app is not None and observed.app_preview != name:
        return Verdict(False, "NameTaken", f"There is an application {app} already that is not of this preview.")
    return Verdict(True)


def admissible(promotion: Promotion, observed: Observed) -> Verdict:
    """The environment takes this artefact at all."""
    if not observed.tenant:
        return Verdict(False, "NoEnvironment", "This namespace is no environment of a tenant.")
    image = promotion.spec.artefact.image
    if not image.startswith(f"{observed.registry}/{observed.tenant}/"):
        return Verdict(
            False,
            "ForeignImage",
            f"The image is not one of the tenant's own: it must stand beneath {observed.registry}/{observed.tenant}/.",
        )
    if observed.deleting:
        return Verdict(False, "AppDeleting", f"The application {promotion.spec.app} is being deleted.")
    return _as_preview(promotion, observed)


def _newest(promotion: Promotion, observed: Observed) -> Verdict:
    """No later move of the project is there or on its way. Sequence 0 is a person's own choice and always counts.

    Of two runs of the same move, as a schedule or a new base makes them, the one that was promoted later counts.
    """
    sequence = promotion.spec.sequence
    mine = (sequence, promotion.metadata.creation_timestamp or "", promotion.metadata.name)
    newer = [other for other in observed.others if (other.sequence, other.created, other.name) > mine]
    if sequence == 0 or not newer:
        return Verdict(True)
    latest = max(newer, key=lambda other: (other.sequence, other.created, other.name))
    return Verdict(False, "Superseded", f"{latest.name} brings something newer.")


def _followed(promotion: Promotion, observed: Observed) -> Plan:
    """Applied: which Release it became."""
    wanted = promotion.spec.artefact
    # The image decides: where another run built the very same, the application has had it all along.
    releases = sorted(observed.releases, key=lambda seen: seen.number)
    made = [seen for seen in releases if seen.artefact is not None and seen.artefact.image == wanted.image]
    named = observed.app.artefact if observed.app is not None else None
    ours = named is not None and named.image == wanted.image
    # An earlier version may have had the image as well: as long as the App names it, the newest one must be ours.
    if not made or (ours and made[-1] != releases[-1]):
        return Plan(
            conditions=(ready("Applied", "The application has it; its version is being made."),),
            status={"phase": "Applied"},
            next_check=FOLLOWING,
        )
    release = made[-1]
    return Plan(
        conditions=(ready("Applied", f"It became {release.name}."),),
        status={"phase": "Applied", "release": promotion.status.release or release.name},
    )


def _final(phase: str, condition: Condition) -> Plan:
    return Plan(conditions=(condition,), status={"phase": phase})


def _forget(promotion: Promotion, observed: Observed) -> tuple[Action, ...]:
    """The oldest that have ended, beyond what is kept; the newest one of an App sees to it.

    The one with the highest sequence stays: it is what keeps older moves from coming back.
    """
    mine = (promotion.metadata.creation_timestamp or "", promotion.metadata.name)

    def age(seen: SeenPromotion) -> tuple[str, str]:
        return seen.created, seen.name

    if any(age(seen) > mine for seen in observed.others):
        return ()
    highest = max((seen.sequence for seen in observed.others), default=0)
    surplus = sorted(observed.others, key=age, reverse=True)[KEPT - 1 :]
    gone = [seen for seen in reversed(surplus) if seen.ended and (seen.sequence < highest or not seen.sequence)]
    namespace = promotion.metadata.namespace or ""
    return tuple(
        Action("forget", seen.uid, {"name": seen.name, "namespace": namespace}) for seen in gone[:FORGOTTEN_AT_ONCE]
    )


def plan(promotion: Promotion, observed: Observed, now: datetime) -> Plan:
    """What should be of this Promotion, and of older ones of its App; what is told. Time matters to freeze windows."""
    made = _compared(promotion, observed, _own(promotion, observed, now))
    told = _told(promotion, observed, made, now)
    return replace(made, apply=(*made.apply, *told), actions=_forget(promotion, observed))


def _compared(promotion: Promotion, observed: Observed, made: Plan) -> Plan:
    """With what the environments set differently, as it stood when the promotion was let in."""
    if promotion.status.phase in ENDED or observed.source is None:
        return made
    found = differences(observed.source, observed.app)
    return replace(made, status={**made.status, "differences": [item.wire() for item in found]})


def _event(promotion: Promotion, made: Plan) -> Event | None:
    """What happens to it in this pass that people want to hear of."""
    before = promotion.status
    reason = made.conditions[0].reason if made.conditions else ""
    if made.status.get("phase") == "Refused" and before.phase != "Refused":
        return "promotion.refused"
    if made.status.get("release") and not before.release:
        return "promotion.applied"
    waited = any(item.type == "Ready" and item.reason == "AwaitingApproval" for item in before.conditions)
    return "promotion.waiting" if reason == "AwaitingApproval" and not waited else None


def _told(promotion: Promotion, observed: Observed, made: Plan, now: datetime) -> tuple[Apply, ...]:
    event = _event(promotion, made)
    if event is None or not observed.tenant:
        return ()
    spec, said = promotion.spec, made.conditions[0]
    facts = {"app": spec.app, "environment": observed.environment, "promotion": promotion.metadata.name}
    facts |= {"release": made.status.get("release") or "", "image": spec.artefact.image, "run": spec.run}
    facts |= {"author": spec.author, "reason": said.reason, "message": said.message}
    return notices.of(observed.told, observed.tenant, event, promotion.metadata.uid, facts, timestamp(now))


def _gated(promotion: Promotion, observed: Observed, now: datetime) -> Plan | None:
    """What the environment's gates say to it, or None: they are open."""
    verdict = checks.not_rejected(observed)
    if not verdict.ok:
        return _final("Refused", not_ready(verdict.reason, verdict.message))
    verdict = checks.makers_known(observed)
    if not verdict.ok:
        again = WAITING if observed.makers.lasting else AGAIN
        return Plan(
            conditions=(not_ready(verdict.reason, verdict.message),), status=_pending(observed), next_check=again
        )
    for verdict in (checks.approved(promotion.metadata.name, observed), checks.not_frozen(observed, now)):
        if not verdict.ok:
            waits = not_ready(verdict.reason, verdict.message)
            return Plan(conditions=(waits,), status=_pending(observed), next_check=WAITING)
    return None


def _pending(observed: Observed) -> dict[str, Any]:
    """Who wrote it is told to whoever is to approve it, and kept."""
    written = observed.makers.written
    return {"phase": "Pending"} | ({"written": written.wire()} if written is not None else {})


def _own(promotion: Promotion, observed: Observed, now: datetime) -> Plan:
    phase = promotion.status.phase
    if phase in ("Superseded", "Refused"):
        said = [item for item in promotion.status.conditions if item.type == "Ready"]
        kept = tuple(Condition(item.type, item.status, item.reason, item.message) for item in said)
        return Plan(conditions=kept, status={"phase": phase})
    if phase == "Applied":
        if promotion.status.release or not observed.tenant:
            return _kept(promotion)
        return _followed(promotion, observed)
    verdict = admissible(promotion, observed)
    if not verdict.ok:
        return _final("Refused", not_ready(verdict.reason, verdict.message))
    verdict = _newest(promotion, observed)
    if not verdict.ok:
        return _final("Superseded", not_ready(verdict.reason, verdict.message))
    hold = observed.app.hold if observed.app is not None else ""
    if hold and promotion.spec.sequence > 0:
        message = f"Automatic promotion pauses: {hold} Take it up again with `roost resume -a {promotion.spec.app}`."
        return Plan(conditions=(not_ready("Held", message),), status={"phase": "Pending"}, next_check=HELD)
    if observed.refused is not None:
        # Not final: the run that built it may be signing it at this moment, or the registry be away.
        waits = not_ready(observed.refused.reason, f"The image may not run here. {observed.refused.message}")
        again = look_again(observed.refused, promotion.status.conditions, now)
        return Plan(conditions=(waits,), status={"phase": "Pending"}, next_check=again)
    stopped = _gated(promotion, observed, now)
    if stopped is not None:
        return stopped
    begins = _begins(promotion, observed)
    if begins is not None:
        return begins
    let_in = checks.let_in(observed, now)
    return Plan(
        apply=(Apply(_app(promotion, observed), DEPLOYER, owned=False),),
        conditions=(ready("Applied", "The application has it; its version is being made."),),
        status=_pending(observed) | {"phase": "Applied"} | ({"letIn": let_in} if let_in else {}),
        next_check=FOLLOWING,
    )


def _kept(promotion: Promotion) -> Plan:
    """Final: nothing changes any more."""
    release = promotion.status.release
    message = f"It became {release}." if release else "The application has it; its version is being made."
    return Plan(conditions=(ready("Applied", message),), status={"phase": "Applied", "release": release})
