"""What the image capability sees. Its kind, ImageAllowlist, is in `roost.model.kinds.images`."""

from pydantic import Field

from roost.model.resource import Model


class Judged(Model):
    """What the registry says of one image. reason: empty: a valid signature lies there."""

    image: str
    reason: str = ""
    message: str = ""


class Observed(Model):
    """All that a plan for an ImageAllowlist needs to know."""

    tenant: str = Field("", description="Whose environment this is; empty: nobody's.")
    registry: str = "registry.roost-system.svc:5000"
    signing_key: str = Field("0" * 16, description="Which key signs now; see `roost.surface.signatures.key_id`.")
    wanted: tuple[str, ...] = Field((), description="Images that Apps, Releases and open Promotions name, sorted.")
    predating: tuple[str, ...] = Field(
        (), description="Of Releases older than the installation's first signing key, sorted."
    )
    judged: tuple[Judged, ...] = Field((), description="Those that were looked up this time, in that order.")

    @property
    def own(self) -> tuple[str, ...]:
        """What the names of images begin with that a signature can let in here."""
        return own(self.registry, self.tenant)


def own(registry: str, tenant: str) -> tuple[str, ...]:
    """What the names of images of a tenant, and of bases, begin with."""
    return f"{registry}/{tenant}/", f"{registry}/base/"
