"""Bulky results that the registry holds next to the images. For `bills` and `findings`."""

from datetime import datetime
from typing import Final

from starlette.concurrency import run_in_threadpool

from roost.adapters.registry import Connect, Registry, RegistryFailed, over_tls
from roost.api.context import Context
from roost.surface import registry as tokens
from roost.surface.problems import unavailable

TRIES: Final = 2


def read(connect: Connect, key: bytes, repository: str, kind: str, now: datetime, **which: str) -> bytes | None:
    """The artefact of that kind; None where there is none. `which`: its `subject` or its `tag`. RegistryFailed."""
    token = tokens.mint(key, "roost-api", [tokens.Access(repository, ("pull",))], now)
    registry = Registry(connect, token, lambda _: None, tries=TRIES)
    try:
        return registry.artefact(repository, kind, **which)
    finally:
        registry.close()


async def fetch(ctx: Context, repository: str, kind: str, **which: str) -> bytes | None:
    """As `read`, from the cluster's registry; Problem unavailable where it does not answer."""

    def look() -> bytes | None:
        connect = over_tls(ctx.settings.registry, ctx.settings.trust_bundle)
        return read(connect, ctx.registry_key(), repository, kind, ctx.clock(), **which)

    try:
        return await run_in_threadpool(look)
    except (RegistryFailed, OSError) as error:  # Also where the certificates are not there yet.
        raise unavailable("The registry does not answer. Try again in a moment.") from error
