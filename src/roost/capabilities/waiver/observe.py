"""What stands around a Waiver. Reads only, no decisions."""

from roost.capabilities.waiver.model import Observed
from roost.kube.reader import Reader
from roost.model.kinds.channel import Channel, Notice
from roost.model.kinds.scan import Waiver
from roost.model.names import API_VERSION, BUILD, split_namespace
from roost.model.notices import telling


async def observe(reader: Reader, waiver: Waiver) -> Observed:
    """The tenant's channels."""
    space = waiver.metadata.namespace or ""
    names = split_namespace(space)
    if names is None or names[1] != BUILD:
        return Observed()
    channels = await reader.list(API_VERSION, Channel.KIND, space)
    notices = await reader.list(API_VERSION, Notice.KIND, space) if channels else []
    return Observed(tenant=names[0], told=telling(channels, notices))
