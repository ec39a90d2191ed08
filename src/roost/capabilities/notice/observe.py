"""What stands of a Notice. Reads only, no decisions."""

from datetime import datetime

from roost.capabilities.notice.model import Observed
from roost.kernel.capability import Watch
from roost.kube.reader import Object, Reader
from roost.model import single_pod
from roost.model.history import Past
from roost.model.kinds.channel import Channel, Notice
from roost.model.names import API_VERSION, NOTICE
from roost.settings import Settings

WATCHES = (
    Watch("batch/v1", "Job", owner=f"label:{NOTICE}", labels=NOTICE),
    Watch("v1", "Pod", owner=f"label:{NOTICE}", labels=NOTICE),
)
ENDED = ("Delivered", "Failed")


def _others(items: list[Object], mine: Notice) -> tuple[Past, ...]:
    found = [
        Past(
            name=item["metadata"]["name"],
            uid=item["metadata"]["uid"],
            created=item["metadata"].get("creationTimestamp") or "",
            ended=(item.get("status") or {}).get("phase") in ENDED,
        )
        for item in items
        if item["metadata"]["uid"] != mine.metadata.uid
    ]
    return tuple(sorted(found, key=lambda seen: (seen.created, seen.name)))


def _mailed(items: list[Object], channels: list[Object]) -> tuple[datetime, ...]:
    """When mails were delivered."""
    mail = {item["metadata"]["name"] for item in channels if item["spec"].get("type") == "mail"}
    ends = [
        str(item["status"]["finishedAt"])
        for item in items
        if item["spec"].get("channel") in mail and (item.get("status") or {}).get("phase") == "Delivered"
    ]
    return tuple(datetime.fromisoformat(end.replace("Z", "+00:00")) for end in sorted(ends))


async def observe(reader: Reader, notice: Notice, settings: Settings) -> Observed:
    """Its channel with its Secret, its Job and pod, other notices of the tenant."""
    space, name = notice.metadata.namespace or "", notice.metadata.name
    items = await reader.list(API_VERSION, Notice.KIND, space)
    others = _others(items, notice)
    if notice.status.phase in ENDED:
        return Observed(others=others)
    channels = await reader.list(API_VERSION, Channel.KIND, space)
    raw = next((item for item in channels if item["metadata"]["name"] == notice.spec.channel), None)
    gone = raw is None or raw["metadata"].get("deletionTimestamp")
    channel = None if gone or raw is None else Channel.parse(raw).spec
    wanted = channel.secret if channel else ""
    secret = await reader.get("v1", "Secret", wanted, space) if wanted else None
    job = await reader.get("batch/v1", "Job", name, space)
    true = [one for one in ((job or {}).get("status") or {}).get("conditions") or () if one["status"] == "True"]
    return Observed(
        platform_image=settings.platform_image,
        domain=settings.domain,
        networks=settings.notice_networks,
        proxy=settings.http_proxy,
        mail=bool(settings.smtp),
        domains=tuple(settings.mail_domains.split()),
        channel=channel,
        secret_missing=bool(wanted) and secret is None,
        job_uid=job["metadata"]["uid"] if job else "",
        job_failed=any(one["type"] in ("Failed", "FailureTarget") for one in true),
        pod=single_pod.newest(await reader.list("v1", "Pod", space, f"{NOTICE}={name}")),
        mailed=_mailed(items, channels),
        others=others,
    )
