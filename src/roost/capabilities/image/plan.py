"""The plan of an ImageAllowlist: what was verified once stays admitted as long as something names it. Pure.

So a rotated key, an absent registry or an absent controller never keep a version from being started again.
"""

from datetime import datetime, timedelta

from roost.capabilities.image.model import Judged, Observed
from roost.model.conditions import Condition, not_ready, ready
from roost.model.kinds.images import MOST, REFUSALS, ImageAllowlist, RefusedImage
from roost.model.plan import Action, Plan

AWAY = timedelta(seconds=5)
AGAIN = timedelta(seconds=30)
AT_ONCE = timedelta(milliseconds=100)
UNSIGNED = ("Unsigned", "WrongSignature")


def _to_be_signed(item: Judged, observed: Observed) -> bool:
    """Bases are the platform's: nobody else may push them, so it signs them when the first asks."""
    return item.reason in UNSIGNED and item.image.startswith(observed.own[1])


def _refused(allowlist: ImageAllowlist, observed: Observed, open_: set[str]) -> tuple[RefusedImage, ...]:
    """Whom it was told of before comes first, unless it was looked up again; so each has its turn."""
    looked = {item.image for item in observed.judged}
    held = [item for item in allowlist.status.refused if item.image in open_ and item.image not in looked]
    new = [
        RefusedImage(image=item.image, reason=item.reason, message=item.message[:600])
        for item in observed.judged
        if item.image in open_ and item.reason and not _to_be_signed(item, observed)
    ]
    known = {item.image for item in (*held, *new)}
    foreign = [
        RefusedImage(
            image=image,
            reason="ForeignImage",
            message=f"It stands neither beneath {observed.registry}/{observed.tenant}/ nor among the bases.",
        )
        for image in sorted(open_)
        if not image.startswith(observed.own) and image not in known
    ]
    return tuple([*foreign, *held, *new][:REFUSALS])


def _condition(refused: tuple[RefusedImage, ...], waiting: int, admitted: int, predating: int) -> Condition:
    if refused:
        first = refused[0]
        more = f" ({len(refused) - 1} more)" if len(refused) > 1 else ""
        return not_ready(first.reason, f"{first.image} may not run here{more}: {first.message}"[:1900])
    if waiting:
        return not_ready("Unverified", f"{waiting} images are being verified.")
    old = f" and {predating} of versions from before images were signed" if predating else ""
    return ready("Verified", f"{admitted} signed images{old} may run here.")


def plan(allowlist: ImageAllowlist, observed: Observed, now: datetime) -> Plan:
    """What should be of this ImageAllowlist. Time does not matter."""
    if not observed.tenant:
        return Plan(conditions=(not_ready("NoEnvironment", "This namespace is no environment of a tenant."),))
    wanted = set(observed.wanted)
    valid = {item.image for item in observed.judged if not item.reason and item.image.startswith(observed.own)}
    admitted = (set(allowlist.status.admitted) | valid) & wanted
    predating = set(observed.predating) - admitted
    open_ = wanted - admitted - predating
    refused = _refused(allowlist, observed, open_)
    bases = [item.image for item in observed.judged if _to_be_signed(item, observed)]
    waiting = len(open_) - len(refused) if len(refused) < REFUSALS else 0
    away = any(item.reason == "RegistryUnavailable" for item in refused)
    return Plan(
        actions=tuple(Action("sign-base", f"{observed.signing_key}:{image}", {"image": image}) for image in bases),
        conditions=(_condition(refused, waiting, len(admitted), len(predating)),),
        status={
            "admitted": sorted(admitted)[:MOST],
            "predating": sorted(predating)[:MOST],
            "refused": [item.wire() for item in refused],
        },
        next_check=AT_ONCE if bases or waiting > 0 else AWAY if away else AGAIN if refused else None,
    )
