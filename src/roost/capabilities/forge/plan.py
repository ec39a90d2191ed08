"""The plan of a CommitStatus: one Job that tells the forge, tried again for a day. Pure.

    Pending -> Sending -> Done | Failed | Superseded

It is told at least once: a pod that dies after the forge took it tells it again, which the forge's module notices.
`pending` never comes after the end of a run: a word that a later one overtakes is left out, and the later one waits
for an earlier one that is on its way.
"""

from datetime import datetime, timedelta

from roost.capabilities.forge.manifests import job
from roost.capabilities.forge.model import Observed
from roost.model import forge_task
from roost.model.conditions import Condition, not_ready, ready, timestamp
from roost.model.forge_task import ForgeTask
from roost.model.kinds.forge import CommitStatus, Forge
from roost.model.names import BUILD, split_namespace
from roost.model.plan import Action, Apply, Plan

ENDED = ("Done", "Failed", "Superseded")
LOOK_AGAIN = timedelta(seconds=5)
FIRST_PAUSE_S, LONGEST_PAUSE_S = 30, 1800
GIVE_UP = timedelta(days=1)


def plan(item: CommitStatus, observed: Observed, now: datetime) -> Plan:
    """What should be of this CommitStatus."""
    place = split_namespace(item.metadata.namespace or "")
    if item.status.phase in ENDED:
        said = next((one for one in item.status.conditions if one.type == "Ready"), None)
        kept = (Condition(said.type, said.status, said.reason, said.message),) if said else ()
        return Plan(conditions=kept, status={"phase": item.status.phase})
    if place is None or place[1] != BUILD:
        return _end("Failed", not_ready("WrongNamespace", "It belongs into the build namespace of a tenant."))
    forge = observed.forge
    if not observed.project or forge is None or not forge.token:
        return _end("Superseded", not_ready("NobodyToTell", "The project has no forge that is told."))
    report = forge_task.read(observed.pod.message) if observed.pod and observed.pod.ended else None
    if report is not None and report.ok:
        return _end("Done", ready("Told", f"The forge shows {item.spec.state}."))
    if report is not None and report.lasting:
        return _end("Failed", not_ready(report.reason or "Refused", report.message))
    if report is not None or observed.job_failed:
        why = report.message if report else "The pod that tells the forge died."
        return _again(item, observed, why, now)
    if item.spec.state == "pending" and observed.others and not observed.job_uid:
        return _end("Superseded", not_ready("Overtaken", "The run has ended before the forge heard of its start."))
    if any(other.sending for other in observed.others) and not observed.job_uid:
        return Plan(
            conditions=(not_ready("Waiting", "An earlier word on this run is on its way."),), next_check=LOOK_AGAIN
        )
    return _send(item, forge, place[0], observed, now)


def _send(item: CommitStatus, forge: Forge, tenant: str, observed: Observed, now: datetime) -> Plan:
    if observed.token_missing:
        return _again(item, observed, f"The Secret {forge.token} does not exist: `roost source token`.", now)
    due = datetime.fromisoformat(item.status.retry_at.replace("Z", "+00:00")) if item.status.retry_at else now
    if now < due and not observed.job_uid:
        said = next((one for one in item.status.conditions if one.type == "Ready"), None)
        message = said.message if said else "It is tried again."
        return Plan(conditions=(not_ready("TriedAgain", message),), status=_status(item), next_check=due - now)
    api, repository = forge.address(observed.url)
    task = ForgeTask(
        type=forge.type,
        api=api,
        repository=repository,
        commit=item.spec.commit,
        state=item.spec.state,
        context=f"roost/{item.spec.project}",
        description=item.spec.description,
        url=item.spec.url,
        proxy=observed.proxy,
    )
    return Plan(
        apply=(Apply(job.job(item, tenant, observed.platform_image, forge.token, task), create=True),),
        actions=()
        if observed.pod and observed.pod.started
        else (Action("prepare", item.metadata.uid, {"tenant": tenant}, first=True),),
        conditions=(not_ready("Sending", "The forge is being told."),),
        status=_status(item) | {"phase": "Sending"},
        next_check=LOOK_AGAIN,
    )


def _status(item: CommitStatus) -> dict[str, object]:
    return {"phase": "Pending", "tries": item.status.tries or 0, "retryAt": item.status.retry_at}


def _again(item: CommitStatus, observed: Observed, why: str, now: datetime) -> Plan:
    """The Job goes, and another one comes after a pause that grows; after a day nobody waits for it any more."""
    created = item.metadata.creation_timestamp
    since = datetime.fromisoformat(created.replace("Z", "+00:00")) if created else now
    if now - since > GIVE_UP:
        return _end("Failed", not_ready("GivenUp", f"The forge could not be told for a day. {why}"))
    tries = (item.status.tries or 0) + 1
    pause = timedelta(seconds=min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(tries - 1, 10)))
    remove = (Action("remove", observed.job_uid),) if observed.job_uid else ()
    return Plan(
        actions=remove,
        conditions=(not_ready("TriedAgain", why),),
        status={"phase": "Pending", "tries": tries, "retryAt": timestamp(now + pause)},
        next_check=pause,
        hold=True,
    )


def _end(phase: str, condition: Condition) -> Plan:
    return Plan(conditions=(condition,), status={"phase": phase}, hold=True)
