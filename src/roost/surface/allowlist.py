"""Whether an image may run in an environment, as far as its ImageAllowlist says. For the capabilities `app` and
`promotion`: what may not run makes no version, and what waits for its signature is told so.
"""

from collections.abc import Mapping

from roost.kube.reader import Reader
from roost.model.kinds.images import NAME, UNVERIFIED, ImageAllowlist, RefusedImage
from roost.model.names import API_VERSION, SIGNED


async def refusal(reader: Reader, labels: Mapping[str, str], space: str, image: str) -> RefusedImage | None:
    """Why this image may not run there; None where it may. `labels`: of the namespace.

    A namespace without the label `roost.dev/signed` is on its way to an allow-list: an upgrade fills it first.
    """
    if not image or SIGNED not in labels:
        return None
    raw = await reader.get(API_VERSION, ImageAllowlist.KIND, NAME, space)
    status = ImageAllowlist.parse(raw).status if raw is not None else None
    if status is not None and status.allows(image):
        return None
    known = status.refusal(image) if status is not None else None
    return known or RefusedImage(image=image, reason=UNVERIFIED, message="Its signature is being verified.")
