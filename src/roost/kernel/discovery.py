"""Discovery: which capabilities and which kinds there are. Folders are found, not listed.

The CLI, the API, the controller and the generators call it; it imports only packages' `__init__` and model modules.
"""

import inspect
import pkgutil
from functools import cache
from importlib import import_module

from roost.kernel.capability import Capability, load
from roost.model.resource import Resource

PARENTS = ("roost.capabilities", "roost.services")
KINDS = "roost.model.kinds"


@cache
def capabilities() -> tuple[Capability, ...]:
    """Every package under PARENTS that exports `capability`, by name. ValueError where two have one name."""
    found: dict[str, Capability] = {}
    for parent in PARENTS:
        for module in pkgutil.iter_modules(import_module(parent).__path__, parent + "."):
            capability = getattr(import_module(module.name), "capability", None) if module.ispkg else None
            if not isinstance(capability, Capability):
                continue
            if capability.name in found:
                raise ValueError(f"Two capabilities are named {capability.name!r}.")
            found[capability.name] = capability
    return tuple(found[name] for name in sorted(found))


@cache
def kinds() -> tuple[type[Resource], ...]:
    """Every kind of ours, by KIND: those of `roost.model.kinds` and those that capabilities bring."""
    found: dict[str, type[Resource]] = {}
    for module in pkgutil.iter_modules(import_module(KINDS).__path__, KINDS + "."):
        for _, value in inspect.getmembers(import_module(module.name), inspect.isclass):
            if issubclass(value, Resource) and value is not Resource and value.__module__ == module.name:
                found[value.KIND] = value
    for capability in capabilities():
        if capability.resource is not None:
            resource = load(capability.resource)
            found.setdefault(resource.KIND, resource)
    return tuple(found[name] for name in sorted(found))
