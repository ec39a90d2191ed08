"""Which images an environment's objects name, and what the registry says of those that are not verified yet.

Reads only. The registry is asked by threads, for few images at a time: the rest has its turn in the next look.
"""

import asyncio
from collections.abc import Collection, Iterable
from contextlib import closing
from datetime import datetime
from typing import Final

from roost.adapters.registry import RegistryFailed
from roost.capabilities.image.model import Judged, Observed, own
from roost.kernel.capability import Watch
from roost.kube.reader import Object, Reader
from roost.model import names
from roost.model.attestation import reduced
from roost.model.kinds.images import NAME, ImageAllowlist
from roost.settings import Settings
from roost.surface import signatures
from roost.surface.signatures import SignatureRefused
from roost.surface.signing import SigningKey, key_or_wait, open_registry, subject_of

WATCHES = (
    Watch(names.API_VERSION, "Release", owner=f"named:{NAME}"),
    Watch(names.API_VERSION, "App", owner=f"named:{NAME}"),
    Watch(names.API_VERSION, "Promotion", owner=f"named:{NAME}"),
)
FRESH: Final = 20  # Images that are looked up in one pass,
AGAIN: Final = 5  # and of those that were refused before.
REDUCED: Final = (
    "It was built of another branch than its project's, whose pipeline anybody could have changed: this environment "
    "takes what was merged."
)
ENDED: Final = ("Applied", "Superseded", "Refused")


def _image(artefact: Object | None) -> str:
    return str((artefact or {}).get("image") or "")


def _made(release: Object) -> datetime | None:
    text = release["metadata"].get("creationTimestamp")
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None


def predating(releases: Iterable[Object], since: datetime) -> set[str]:
    """Images of Releases that kube-apiserver took before the installation could sign."""
    found = set()
    for item in releases:
        made = _made(item)
        if made is not None and made < since:
            found.add(_image(item["spec"]["content"].get("artefact")))
    return found - {""}


async def _named(reader: Reader, space: str, releases: Iterable[Object]) -> set[str]:
    found = {_image(item["spec"]["content"].get("artefact")) for item in releases}
    found |= {_image(item["spec"].get("artefact")) for item in await reader.list(names.API_VERSION, "App", space)}
    for item in await reader.list(names.API_VERSION, "Promotion", space):
        if (item.get("status") or {}).get("phase") not in ENDED:
            found.add(_image(item["spec"].get("artefact")))
    return found - {""}


def _turn(allowlist: ImageAllowlist, open_: Collection[str]) -> list[str]:
    """Whose turn it is: who was never looked up, and of those that were refused, whom it was told of first."""
    refused = [item.image for item in allowlist.status.refused]
    fresh = [image for image in sorted(open_) if image not in refused]
    return fresh[:FRESH] + [image for image in refused if image in open_][:AGAIN]


def judge(settings: Settings, key: SigningKey, images: list[str], gated: bool) -> tuple[Judged, ...]:
    """What the registry says of each. Where it does not answer, that is said of all that remain.

    `gated`: versions pass a gate here, so what a run with reduced rights built is not let in.
    """
    found: list[Judged] = []
    away = ""
    for image in images:
        subject = subject_of(image, settings.registry)
        if subject is None:
            found.append(Judged(image=image, reason="ForeignImage", message="It is not named by digest."))
            continue
        try:
            if away:
                raise RegistryFailed(away)
            with closing(open_registry(settings, subject.repository, "pull")) as registry:
                claims = signatures.verify(registry, key.public, subject)
            if gated and all(reduced(item) for item in claims):
                raise SignatureRefused("ReducedRights", REDUCED)
            found.append(Judged(image=image))
        except SignatureRefused as refused:
            found.append(Judged(image=image, reason=refused.reason, message=str(refused)))
        except (RegistryFailed, OSError) as error:
            away = str(error)
            words = f"It is verified as soon as the registry answers: {away}"
            found.append(Judged(image=image, reason="RegistryUnavailable", message=words[:500]))
    return tuple(found)


async def observe(reader: Reader, allowlist: ImageAllowlist, settings: Settings) -> Observed:
    """Images of the environment; the registry's word on some of those that may not run yet."""
    space = allowlist.metadata.namespace or ""
    where = await reader.get("v1", "Namespace", space)
    labels = ((where or {}).get("metadata") or {}).get("labels") or {}
    if names.TENANT not in labels or labels.get(names.ENVIRONMENT) in (None, names.BUILD):
        return Observed()
    key, tenant = key_or_wait(settings), labels[names.TENANT]
    releases = await reader.list(names.API_VERSION, "Release", space)
    wanted = await _named(reader, space, releases)
    before = predating(releases, key.since)
    open_ = wanted - before - set(allowlist.status.admitted)
    # Others' images are refused unseen: the controller reads no repository of theirs for this tenant.
    turn = _turn(allowlist, [image for image in open_ if image.startswith(own(settings.registry, tenant))])
    judged = await asyncio.to_thread(judge, settings, key, turn, names.GATED in labels) if turn else ()
    return Observed(
        tenant=tenant,
        registry=settings.registry,
        signing_key=key.id,
        wanted=tuple(sorted(wanted)),
        predating=tuple(sorted(before)),
        judged=judged,
    )
