"""What the registry holds: images, and bulky results next to them. For `bills`, `findings` and `rollback`."""

from collections.abc import Iterator
from datetime import datetime
from http.client import HTTPException
from typing import Final

import anyio
import anyio.to_thread
from starlette.concurrency import run_in_threadpool

from roost.adapters.registry import Connect, Registry, RegistryFailed, over_tls
from roost.api.context import Context
from roost.surface import registry as tokens
from roost.surface.problems import unavailable

TRIES: Final = 2
PART: Final = 256 << 10
PATIENCE_S: Final = 5


def read(connect: Connect, key: bytes, repository: str, kind: str, now: datetime, **which: str) -> bytes | None:
    """The artefact of that kind; None where there is none. `which`: its `subject` or its `tag`. RegistryFailed."""
    token = tokens.mint(key, "roost-api", [tokens.Access(repository, ("pull",))], now)
    registry = Registry(connect, token, lambda _: None, tries=TRIES)
    try:
        return registry.artefact(repository, kind, **which)
    finally:
        registry.close()


def _stream(registry: Registry, repository: str, digest: str) -> Iterator[bytes]:
    try:
        with registry.blob(repository, digest) as content:
            while part := content.read(PART):
                yield part
    except (RegistryFailed, OSError, HTTPException):
        return  # Its length was told first, so that the caller sees that it broke off.


async def fetch_layer(ctx: Context, repository: str, kind: str, tag: str) -> tuple[int, Iterator[bytes]] | None:
    """(size in bytes, content) of the only layer of the artefact of that kind; None where there is none. Problem
    unavailable where the registry does not answer.
    """

    def look() -> tuple[int, Iterator[bytes]] | None:
        connect = over_tls(ctx.settings.registry, ctx.settings.trust_bundle)
        access = [tokens.Access(repository, ("pull",))]
        token = tokens.mint(ctx.registry_key(), "roost-api", access, ctx.clock())
        registry = Registry(connect, token, lambda _: None, tries=TRIES)
        manifest = registry.manifest(repository, tag) or {}
        layers = manifest.get("layers") or []
        if manifest.get("artifactType") != kind or len(layers) != 1:
            return None
        return int(layers[0]["size"]), _stream(registry, repository, str(layers[0]["digest"]))

    try:
        return await run_in_threadpool(look)
    except (RegistryFailed, OSError) as error:
        raise unavailable("The registry does not answer. Try again in a moment.") from error


async def fetch(ctx: Context, repository: str, kind: str, **which: str) -> bytes | None:
    """As `read`, from the cluster's registry; Problem unavailable where it does not answer."""

    def look() -> bytes | None:
        connect = over_tls(ctx.settings.registry, ctx.settings.trust_bundle)
        return read(connect, ctx.registry_key(), repository, kind, ctx.clock(), **which)

    try:
        return await run_in_threadpool(look)
    except (RegistryFailed, OSError) as error:  # Also where the certificates are not there yet.
        raise unavailable("The registry does not answer. Try again in a moment.") from error


def holds(connect: Connect, key: bytes, repository: str, digest: str, now: datetime) -> bool:
    """Whether the registry has that manifest. RegistryFailed."""
    token = tokens.mint(key, "roost-api", [tokens.Access(repository, ("pull",))], now)
    registry = Registry(connect, token, lambda _: None, tries=TRIES)
    try:
        return registry.manifest(repository, digest) is not None
    finally:
        registry.close()


async def has(ctx: Context, repository: str, digest: str) -> bool:
    """As `holds`, of the cluster's registry; Problem unavailable where it does not answer soon."""

    def look() -> bool:
        connect = over_tls(ctx.settings.registry, ctx.settings.trust_bundle)
        return holds(connect, ctx.registry_key(), repository, digest, ctx.clock())

    try:
        # A rollback waits for this, and is wanted most when other things fail.
        with anyio.fail_after(PATIENCE_S):
            return await anyio.to_thread.run_sync(look, abandon_on_cancel=True)
    except (RegistryFailed, OSError) as error:  # Also where the certificates are not there yet, or it took too long.
        raise unavailable("The registry does not answer. Try again in a moment.") from error
