"""What a run reads of the registry: which bases are offered, and what an image's configuration says."""

from collections.abc import Sequence
from typing import Any

from roost.adapters.registry import Registry, RegistryFailed


def offered(registry: Registry, repositories: Sequence[str]) -> tuple[str, ...]:
    """Images with tags, such as base/python:3.13, sorted. RegistryFailed."""
    found = []
    for name in repositories:
        tags = (registry.load(f"{name}/tags/list") or {}).get("tags") or ()
        # Beside versions there are tags of what is about them, such as bills of materials.
        found += [f"{name}:{tag}" for tag in tags if not str(tag).startswith("sha256-")]
    return tuple(sorted(found))


def config(registry: Registry, repository: str, manifest: dict[str, Any] | None) -> dict[str, Any]:
    """The `config` part of an image's configuration: User, ExposedPorts, Cmd ... RegistryFailed."""
    blob = ((manifest or {}).get("config") or {}).get("digest")
    if not blob:
        raise RegistryFailed(f"The registry has no image in {repository} as it was built.")
    image = registry.load(f"{repository}/blobs/{blob}", "*/*") or {}
    found = image.get("config")
    return found if isinstance(found, dict) else {}


def runs_as_root(config: dict[str, Any]) -> bool:
    """Whether an image's process is root. A user's name may mean anything, so only a number other than 0 is none."""
    user = str(config.get("User") or "").partition(":")[0]
    return not (user.isdigit() and int(user) > 0)


def only_port(config: dict[str, Any]) -> int | None:
    """The TCP port, where the image exposes exactly one."""
    ports = [key.partition("/")[0] for key in config.get("ExposedPorts") or {} if not str(key).endswith("/udp")]
    return int(ports[0]) if len(ports) == 1 and ports[0].isdigit() and 0 < int(ports[0]) < 65536 else None
