"""The key that images are signed with, as the controller's pod has it, and signing with it.

The key is the Secret `roost-system/image-signing` (`key.pem`, `since`), mounted into the controller and nowhere else:
not into builds, run pods, builders or the API. Used by the capabilities `run`, which signs, and `image`, which
verifies.
"""

import asyncio
import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from roost.adapters.registry import Registry, RegistryFailed, over_tls
from roost.model.errors import Stalled, Waiting
from roost.settings import Settings
from roost.surface import signatures
from roost.surface.registry import Access, mint
from roost.surface.signatures import SignatureRefused, Subject

_REPORTS: Final = "roost-report-v1"
AGENT: Final = "roost-controller"
TOKEN_LASTS: Final = timedelta(minutes=5)
PAUSE_S: Final = 0.2
TRIES: Final = 2  # The kernel tries again; a worker must not hang here.


@dataclass(frozen=True)
class SigningKey:
    """pem: private, PKCS 8; public: PEM; since: when this installation began to sign, with whatever key."""

    pem: bytes
    public: bytes
    id: str
    since: datetime


def read_key(settings: Settings) -> SigningKey | None:
    """The key of today; None where there is none yet. Read anew each time: it may be rotated."""
    folder = Path(settings.signing)
    try:
        pem = (folder / "key.pem").read_bytes()
        since = datetime.fromisoformat((folder / "since").read_text().strip().replace("Z", "+00:00"))
    except FileNotFoundError:
        return None
    return SigningKey(pem, signatures.public_key(pem), signatures.key_id(pem), since)


def report_key(settings: Settings, space: str, secret: str) -> str:
    """What the pod that mounts this Secret seals its report with; only the controller can derive it. Empty: no key."""
    try:
        pem = (Path(settings.signing) / "key.pem").read_bytes()
    except FileNotFoundError:
        return ""
    return hmac.new(pem, "\0".join((_REPORTS, space, secret)).encode(), hashlib.sha256).hexdigest()


def key_or_wait(settings: Settings) -> SigningKey:
    """The key of today; Waiting where there is none."""
    key = read_key(settings)
    if key is None:
        words = "The key that images are signed with is not there: `roost node up`, or `roost install`, makes it."
        raise Waiting("SigningKeyMissing", words)
    return key


def subject_of(image: str, host: str) -> Subject | None:
    """What signatures of an image are about; None where it is not in this registry or not named by digest."""
    name, _, digest = image.partition("@")
    prefix, _, path = name.partition("/")
    repository = path.partition(":")[0]
    if prefix != host or not repository or not digest.startswith("sha256:"):
        return None
    return Subject(host, repository, digest)


def open_registry(settings: Settings, repository: str, *actions: str) -> Registry:
    """The registry, for these actions (`pull`, `push`) on one repository. OSError where a file is missing."""
    access = [Access(repository, actions)]
    token = mint(Path(settings.registry_key).read_bytes(), AGENT, access, datetime.now(UTC), TOKEN_LASTS)
    connect = over_tls(settings.registry, settings.trust_bundle)
    return Registry(connect, token, lambda _: time.sleep(PAUSE_S), tries=TRIES)


async def sign_image(settings: Settings, image: str, claims: Mapping[str, str]) -> None:
    """Sign an image with the key of today. Twice is once.

    Waiting where key or registry are away; Stalled `ImageMissing` where the registry does not hold it.
    """
    key = key_or_wait(settings)
    subject = subject_of(image, settings.registry)
    if subject is None:
        raise Stalled("ForeignImage", f"{image} is no image of this registry by digest, so it is not signed.")

    def work() -> None:
        registry = open_registry(settings, subject.repository, "pull", "push")
        try:
            signatures.sign(registry, key.pem, subject, claims)
        finally:
            registry.close()

    try:
        await asyncio.to_thread(work)
    except SignatureRefused as refused:
        raise Stalled(refused.reason, f"It cannot be signed: {refused}") from refused
    except (RegistryFailed, OSError) as error:
        words = f"The image is signed as soon as the registry answers: {error}"
        raise Waiting("RegistryUnavailable", words[:900], after_s=3.0) from error
