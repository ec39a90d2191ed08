"""Which digests images of the registry have now: what `observe` reads beside Kubernetes.

Answers are kept for a while, since a project is looked at far more often than its images change. What the registry
does not tell is left out: nothing follows from it, and it is asked again.
"""

import asyncio
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from roost.adapters.registry import Connect, Registry, RegistryFailed, over_tls
from roost.settings import Settings
from roost.surface.registry import Access, mint

FRESH_S: Final = 120.0
TRIES: Final = 2
log = structlog.get_logger(__name__)


def _over_tls(settings: Settings) -> Connect:
    return over_tls(settings.registry, settings.trust_bundle)


class Images:
    """Digests by name, `base/python:3.13` for example. `connect`: how the registry is reached."""

    def __init__(self, connect: Callable[[Settings], Connect] = _over_tls, fresh_s: float = FRESH_S) -> None:
        self._connect = connect
        self._fresh_s = fresh_s
        self._known: dict[str, tuple[float, str]] = {}

    async def digests(self, images: Iterable[str], settings: Settings) -> dict[str, str]:
        """The digest of each image that the registry has."""
        now = asyncio.get_running_loop().time()
        wanted = sorted(set(images))
        stale = [name for name in wanted if self._known.get(name, (0.0, ""))[0] <= now]
        if stale:
            found = await asyncio.to_thread(self._read, stale, settings)
            self._known |= {name: (now + self._fresh_s, digest) for name, digest in found.items()}
        return {name: self._known[name][1] for name in wanted if name in self._known and self._known[name][1]}

    def _read(self, images: list[str], settings: Settings) -> dict[str, str]:
        try:
            connect = self._connect(settings)
            key = Path(settings.registry_key).read_bytes()
            return {name: self._resolve(connect, key, name) for name in images}
        except (RegistryFailed, OSError) as error:
            log.warning("images not looked at", images=images, error=str(error))
            return {}

    def _resolve(self, connect: Connect, key: bytes, image: str) -> str:
        repository, _, tag = image.rpartition(":")
        token = mint(key, "roost-controller", [Access(repository, ("pull",))], datetime.now(UTC))
        registry = Registry(connect, token, lambda _: None, tries=TRIES)
        try:
            return registry.resolve(repository, tag)
        finally:
            registry.close()
