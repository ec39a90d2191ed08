"""What the promotion capability sees of the cluster. Its kind is in `roost.model.kinds.delivery`."""

from typing import Literal

from pydantic import Field

from roost.model.contributors import Written
from roost.model.kinds.app import AppSpec, Artefact, Health, Variable
from roost.model.kinds.gates import Gates
from roost.model.kinds.images import RefusedImage
from roost.model.notices import Telling
from roost.model.resource import Model


class SeenPromotion(Model):
    """Another Promotion of the same App."""

    name: str
    sequence: int
    uid: str = ""
    created: str = Field("", description="RFC 3339.")
    ended: bool = Field(False, description="Nothing becomes of it any more.")
    health: dict[str, Health] = Field({}, description="What its build said of health, by process.")


class SeenApproval(Model):
    """What a person said of this very Promotion."""

    person: str
    decision: Literal["approve", "reject"] = "approve"
    in_freeze: bool = False
    comment: str = ""


class Makers(Model):
    """Who made the change, or brings it here; asked where an environment wants four eyes."""

    people: tuple[str, ...] = Field((), description="Sorted.")
    written: Written | None = Field(None, description="Who wrote it, by its commits.")
    unknown: str = Field("", description="Why it is not known who wrote it; empty: it is.")
    lasting: bool = Field(False, description="Asking again does not help.")


class SeenRelease(Model):
    """A Release of the App."""

    name: str
    number: int
    artefact: Artefact | None = None


class Observed(Model):
    """All that a plan for a Promotion needs to know."""

    tenant: str = Field("", description="Whose environment this is; empty: nobody's.")
    registry: str = "registry.roost-system.svc:5000"
    source: AppSpec | None = Field(None, description="The App where it comes from, an earlier environment.")
    refused: RefusedImage | None = Field(None, description="Why the image may not run here; None: it may.")
    app: AppSpec | None = Field(None, description="The App as it is; None: there is none yet.")
    deleting: bool = Field(False, description="The App is on its way out.")
    others: tuple[SeenPromotion, ...] = ()
    releases: tuple[SeenRelease, ...] = ()
    environment: str = ""
    gates: Gates = Field(Gates(), description="What the environment asks for.")
    approvals: tuple[SeenApproval, ...] = Field((), description="By age.")
    makers: Makers = Makers()
    preview_open: bool = Field(True, description="The Preview that it is for stands there and is not expired.")
    preview_config: tuple[Variable, ...] = Field((), description="What an App of the preview begins with.")
    previews: bool = Field(False, description="The environment takes previews.")
    app_preview: str = Field("", description="The Preview that the App is for; empty: for none.")
    told: Telling = Field(Telling(), description="Who is told what becomes of it.")
