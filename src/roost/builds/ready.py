"""The build of a project that follows a ready image: none. What its commit names stands in the registry already."""

from roost.builds.bench import StepFailed
from roost.builds.detect import Detected
from roost.builds.files import Checkout
from roost.builds.registry import config as config_of
from roost.builds.work import Work
from roost.model import ready_image
from roost.model.ready_image import IMAGE_FILE

STRATEGY = "image"


def take(work: Work) -> None:
    """Set what a build would have: found, digest, manifest, config. StepFailed where there is no such image."""
    said = ready_image.read(Checkout(work.context).read(IMAGE_FILE) or "")
    if said is None:
        raise StepFailed("ImageMissing", f"The commit has no {IMAGE_FILE} that names an image: `roost source fetch`.")
    work.digest = said.digest
    work.manifest = work.store.manifest(work.own, said.digest) or {}
    if not work.manifest:
        words = f"{said.source} is not in the registry any more ({said.digest[:19]}): `roost source fetch` copies it."
        raise StepFailed("ImageMissing", words)
    work.config = config_of(work.store, work.own, work.manifest)
    work.found = Detected("", "", (), (), (f"Ready image {said.source}, {said.digest[:19]}; nothing is built",))
