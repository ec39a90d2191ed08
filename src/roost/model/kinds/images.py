"""ImageAllowlist: which images may run in an environment. Admission of pods compares with it.

Each tenant's environment has one, named `images`. It is written by the capability `image` alone, after it has verified
the signature of each image that an App, a Release or a Promotion there names; kube-apiserver keeps it in memory, so
that a pod can be made anew while controller and registry are away.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Final

from pydantic import Field

from roost.model.conditions import READY
from roost.model.resource import ConditionStatus, Model, Resource, StatusModel

NAME: Final = "images"
MOST: Final = 6000  # An environment takes 5,500 Releases; most share images.
REFUSALS: Final = 100  # Of those that are told; the rest waits its turn.
UNVERIFIED: Final = "Unverified"
AT_ONCE, SELDOM, PATIENCE = timedelta(milliseconds=25), timedelta(seconds=5), timedelta(seconds=10)

Image = Annotated[str, Field(max_length=400)]


class ImageAllowlistSpec(Model):
    """Nothing is asked for: what may run follows from signatures."""


class RefusedImage(Model):
    """An image that is asked for and may not run."""

    image: Image
    reason: str = Field(max_length=60, description="One CamelCase word.")
    message: str = Field("", max_length=600)


def look_again(refused: RefusedImage, conditions: Iterable[ConditionStatus], now: datetime) -> timedelta:
    """When who waits for an image looks at the list again: at once where its signature was asked for just now.

    Nobody is woken by the list: its changes would wake all that is in the environment. `conditions`: of who waits.
    """
    if refused.reason != UNVERIFIED:
        return SELDOM
    said = next((item for item in conditions if item.type == READY and item.reason == UNVERIFIED), None)
    if said is None or said.last_transition_time is None:
        return AT_ONCE
    since = datetime.fromisoformat(said.last_transition_time.replace("Z", "+00:00"))
    return AT_ONCE if now - since < PATIENCE else SELDOM


class ImageAllowlistStatus(StatusModel):
    """What was verified."""

    admitted: tuple[Image, ...] = Field((), max_length=MOST, description="Signed by Roost for their repository.")
    predating: tuple[Image, ...] = Field(
        (), max_length=MOST, description="Of Releases that were made before this installation signed images."
    )
    refused: tuple[RefusedImage, ...] = Field((), max_length=REFUSALS, description="Asked for, and not signed.")

    def allows(self, image: str) -> bool:
        """Whether pods may run it."""
        return image in self.admitted or image in self.predating

    def refusal(self, image: str) -> RefusedImage | None:
        """Why it may not run, once that was found out."""
        return next((item for item in self.refused if item.image == image), None)


class ImageAllowlist(Resource):
    """The images that may run in an environment: those whose signature was verified."""

    KIND: ClassVar[str] = "ImageAllowlist"
    PLURAL: ClassVar[str] = "imageallowlists"
    COLUMNS: ClassVar[tuple[tuple[str, str, str], ...]] = (
        ("Ready", '.status.conditions[?(@.type=="Ready")].status', "string"),
        ("Reason", '.status.conditions[?(@.type=="Ready")].reason', "string"),
        ("Age", ".metadata.creationTimestamp", "date"),
    )
    RULES: ClassVar[tuple[tuple[str, str], ...]] = ((f"self.metadata.name == '{NAME}'", f"It is named {NAME}."),)

    spec: ImageAllowlistSpec = ImageAllowlistSpec()
    status: ImageAllowlistStatus = ImageAllowlistStatus()
