"""What the notice capability sees of the cluster. Its kind is `roost.model.kinds.channel.Notice`."""

from datetime import datetime

from pydantic import Field

from roost.model.history import Past
from roost.model.kinds.channel import ChannelSpec
from roost.model.resource import Model
from roost.model.single_pod import SeenPod


class Observed(Model):
    """All that a plan for a Notice needs to know."""

    platform_image: str = ""
    domain: str = ""
    networks: str = ""
    proxy: str = ""
    mail: bool = Field(True, description="The site has a mail server.")
    domains: tuple[str, ...] = Field((), description="Domains that mail goes to; empty: any.")
    channel: ChannelSpec | None = Field(None, description="None: there is none, or it is on its way out.")
    secret_missing: bool = False
    job_uid: str = Field("", description="Of the notice's Job; empty: there is none.")
    job_failed: bool = False
    pod: SeenPod | None = None
    mailed: tuple[datetime, ...] = Field((), description="When the tenant's last mails went, the oldest first.")
    others: tuple[Past, ...] = Field((), description="Of the same tenant, the oldest first.")
