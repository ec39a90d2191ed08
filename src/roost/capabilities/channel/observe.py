"""What stands of a Channel. Reads only, no decisions."""

from roost.capabilities.channel.model import Observed
from roost.kernel.capability import Watch
from roost.kube.reader import Reader
from roost.model.kinds.channel import Channel, Notice
from roost.model.names import API_VERSION
from roost.model.notices import MOST
from roost.settings import Settings

WATCHES = (Watch(API_VERSION, Notice.KIND, owner="field:spec.channel"),)


async def observe(reader: Reader, channel: Channel, settings: Settings) -> Observed:
    """Its Secret and its notices; whether the site sends mail."""
    space, name = channel.metadata.namespace or "", channel.spec.secret
    secret = await reader.get("v1", "Secret", name, space) if name else None
    notices = await reader.list(API_VERSION, Notice.KIND, space)
    mine = [item for item in notices if item["spec"].get("channel") == channel.metadata.name]
    return Observed(
        secret_missing=bool(name) and secret is None,
        mail=bool(settings.smtp),
        domains=tuple(settings.mail_domains.split()),
        failed=sum((item.get("status") or {}).get("phase") == "Failed" for item in mine),
        room=len(notices) < MOST,
    )
