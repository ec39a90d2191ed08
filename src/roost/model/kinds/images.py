"""ImageAllowlist: which images may run in an environment. Admission of pods compares with it.

Each tenant's environment has one, named `images`. It is written by the capability `image` alone, after it has verified
the signature of each image that an App, a Release or a Promotion there names; kube-apiserver keeps it in memory, so
that a pod can be made anew while controller and registry are away.
"""

from typing import Annotated, ClassVar, Final

from pydantic import Field

from roost.model.resource import Model, Resource, StatusModel

NAME: Final = "images"
MOST: Final = 6000  # An environment takes 5,500 Releases; most share images.
REFUSALS: Final = 100  # Of those that are told; the rest waits its turn.

Image = Annotated[str, Field(max_length=400)]


class ImageAllowlistSpec(Model):
    """Nothing is asked for: what may run follows from signatures."""


class RefusedImage(Model):
    """An image that is asked for and may not run."""

    image: Image
    reason: str = Field(max_length=60, description="One CamelCase word.")
    message: str = Field("", max_length=600)


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
