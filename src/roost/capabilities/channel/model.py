"""What the channel capability sees of the cluster. Its kind is `roost.model.kinds.channel.Channel`."""

from pydantic import Field

from roost.model.resource import Model


class Observed(Model):
    """All that a plan for a Channel needs to know."""

    secret_missing: bool = Field(False, description="The Secret that it names is not there.")
    mail: bool = Field(True, description="The site has a mail server.")
    domains: tuple[str, ...] = Field((), description="Domains that mail goes to; empty: any.")
    failed: int = Field(0, description="Its notices that could not be delivered and are still there.")
    room: bool = Field(True, description="The tenant has room for more notices.")
