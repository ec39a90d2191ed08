"""The plans of allow-lists: golden cases, and whose turn it is."""

from pathlib import Path

import pytest

from roost.capabilities.image import capability
from roost.capabilities.image.model import Judged, Observed
from roost.capabilities.image.observe import AGAIN, FRESH, _turn
from roost.capabilities.image.plan import plan
from roost.kernel import golden
from roost.model.kinds.images import ImageAllowlist, ImageAllowlistStatus, RefusedImage

FOLDER = Path(__file__).parent.parent
OWN = "registry.roost-system.svc:5000/acme/shop@sha256:"


@pytest.mark.parametrize("case", golden.cases(FOLDER), ids=lambda case: str(case.name))
def test_golden(case: Path) -> None:
    golden.check(capability, case)


def _image(number: int) -> str:
    return f"{OWN}{number:064x}"


def _standing(*refused: str) -> ImageAllowlist:
    told = tuple(RefusedImage(image=image, reason="Unsigned") for image in refused)
    return ImageAllowlist(status=ImageAllowlistStatus(refused=told))


def test_each_refused_image_has_its_turn_again() -> None:
    images = [_image(number) for number in range(AGAIN * 3)]
    standing, seen = _standing(*images), list[str]()
    for _ in range(3):
        turn = _turn(standing, images)
        seen += turn
        judged = tuple(Judged(image=image, reason="Unsigned") for image in turn)
        made = plan(standing, Observed(tenant="acme", wanted=tuple(images), judged=judged), golden.NOW)
        standing = _standing(*(item["image"] for item in made.status["refused"]))
    assert sorted(seen) == sorted(images)


def test_new_images_never_wait_for_refused_ones() -> None:
    old = [_image(number) for number in range(50)]
    new = [_image(number) for number in range(100, 103)]
    assert _turn(_standing(*old), [*old, *new])[:3] == new
    assert len(_turn(_standing(*old), [*old, *(_image(number) for number in range(200, 290))])) == FRESH + AGAIN
