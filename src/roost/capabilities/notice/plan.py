"""The plan of a Notice: a Job that sends a webhook, or a mail that the platform sends. Pure.

    Pending -> Delivered | Failed

At least once: a pod that died after the receiver took it is followed by another. The id is the same each time.
"""

from datetime import datetime, timedelta
from typing import Final

from roost.capabilities.notice.manifests import job, text
from roost.capabilities.notice.model import Observed
from roost.model import history, notice_task
from roost.model.conditions import not_ready, ready, timestamp
from roost.model.kinds.channel import ChannelSpec, Notice
from roost.model.names import BUILD, split_namespace
from roost.model.notice_task import NoticeTask
from roost.model.plan import Action, Apply, Plan

ENDED: Final = ("Delivered", "Failed")
KEPT: Final = 100  # Of a tenant.
GIVEN_UP: Final = timedelta(hours=1)
MAILS_AN_HOUR: Final = 60
LOOK_AGAIN: Final = timedelta(seconds=10)


def plan(notice: Notice, observed: Observed, now: datetime) -> Plan:
    """What should be of this Notice."""
    place = split_namespace(notice.metadata.namespace or "")
    if notice.status.phase in ENDED:
        return history.ended(notice, notice.status, notice.status.phase, observed.others, KEPT)
    if place is None or place[1] != BUILD:
        return _end(now, "Failed", "WrongNamespace", "A notice belongs into the build namespace of a tenant.")
    channel = observed.channel
    if channel is None:
        return _end(now, "Failed", "ChannelGone", f"There is no channel {notice.spec.channel}.")
    if channel.type == "mail":
        return _mail(notice, channel, observed, now)
    return _webhook(notice, place[0], channel, observed, now)


def _webhook(notice: Notice, tenant: str, channel: ChannelSpec, observed: Observed, now: datetime) -> Plan:
    pod = observed.pod
    report = notice_task.read(pod.message) if pod and pod.ended else None
    if report is not None:
        return _end(now, "Delivered" if report.ok else "Failed", report.reason or "Delivered", report.message)
    if observed.job_failed:
        why = f": {pod.message[:500]}" if pod and pod.message else ""
        return _end(now, "Failed", "NotTaken", f"The receiver did not take it, with {job.TRIES + 1} tries{why}")
    if observed.secret_missing:
        return _end(now, "Failed", "SecretMissing", f"There is no Secret {channel.secret} to sign with.")
    task = NoticeTask(
        url=channel.url,
        id=f"msg_{notice.metadata.uid}",
        body=text.payload(notice),
        networks=observed.networks,
        proxy=observed.proxy,
    )
    why = f" It was not taken yet: {pod.message[:500]}" if pod and pod.ended and pod.message else ""
    return Plan(
        apply=(Apply(job.job(notice, tenant, observed.platform_image, channel.secret, task), create=True),),
        actions=(Action("prepare", notice.metadata.uid, {"tenant": tenant}, first=True),) if pod is None else (),
        conditions=(not_ready("Sending", f"It is being sent.{why}"),),
        status={"phase": "Pending"},
        next_check=LOOK_AGAIN,
    )


def _mail(notice: Notice, channel: ChannelSpec, observed: Observed, now: datetime) -> Plan:
    """Sent by an action: what it raises becomes the condition, and it is tried again until it is given up."""
    foreign = [one for one in channel.to if observed.domains and one.rpartition("@")[2].lower() not in observed.domains]
    if not observed.mail or foreign:
        return _end(now, "Failed", "NotAllowed", "The channel cannot be used: its condition says why.")
    created = datetime.fromisoformat((notice.metadata.creation_timestamp or timestamp(now)).replace("Z", "+00:00"))
    age = now - created
    if age > GIVEN_UP:
        said = next((one.message for one in notice.status.conditions if one.type == "Ready"), "")
        return _end(now, "Failed", "NotTaken", f"It could not be sent within an hour. {said}"[:1500])
    recent = [at for at in observed.mailed if at > now - timedelta(hours=1)]
    if len(recent) >= MAILS_AN_HOUR:
        again = max(recent[0] + timedelta(hours=1) - now, LOOK_AGAIN)
        waits = not_ready("Slowed", f"{MAILS_AN_HOUR} mails of this tenant went within an hour.")
        return Plan(conditions=(waits,), status={"phase": "Pending"}, next_check=again)
    arguments = {
        "to": list(channel.to),
        "subject": text.subject(notice, channel.language),
        "text": text.text(notice, channel.language, observed.domain),
        # Waits as long as it has waited already: tries come at 10 s, 20 s, 40 s ...
        "afterS": max(LOOK_AGAIN.total_seconds(), min(age.total_seconds(), 600.0)),
    }
    sent = _end(now, "Delivered", "Delivered", f"The mail server took it for {len(channel.to)} people.")
    return Plan(
        actions=(Action("mail", notice.metadata.uid, arguments),),
        conditions=sent.conditions,
        status=sent.status,
        hold=True,
    )


def _end(now: datetime, phase: str, reason: str, message: str) -> Plan:
    condition = ready(reason, message) if phase == "Delivered" else not_ready(reason, message)
    return Plan(conditions=(condition,), status={"phase": phase, "finishedAt": timestamp(now)}, hold=True)
