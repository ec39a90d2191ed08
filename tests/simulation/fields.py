"""Fields of objects and who manages them: server-side apply, as far as the fake needs it. Lists are atomic. Pure."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

Path = tuple[str, ...]
Owner = tuple[str, str]  # (field manager, "Apply" or "Update")
_NOBODYS = {("apiVersion",), ("kind",)} | {
    ("metadata", name)
    for name in (
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "generation",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    )
}


def leaves(item: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every field that holds no further ones, with its path."""
    if isinstance(item, dict) and item:
        for key, value in item.items():
            yield from leaves(value, (*path, key))
    elif path and path not in _NOBODYS:
        yield path, item


def dig(item: Any, path: Path) -> Any:
    """The value there, or None."""
    for key in path:
        item = item.get(key) if isinstance(item, dict) else None
    return item


def put(item: dict[str, Any], path: Path, value: Any) -> None:
    """Set a field."""
    for key in path[:-1]:
        item = item.setdefault(key, {})
    item[path[-1]] = deepcopy(value)


def drop(item: dict[str, Any], path: Path) -> None:
    """Remove a field, and what becomes empty by that."""
    holder = dig(item, path[:-1]) if len(path) > 1 else item
    if isinstance(holder, dict):
        holder.pop(path[-1], None)
        if not holder and len(path) > 1 and path[:-1] != ("metadata",):
            drop(item, path[:-1])


def merge_patch(item: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return deepcopy(patch)
    merged = deepcopy(item) if isinstance(item, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


class Owners:
    """Who manages which fields of one object."""

    def __init__(self) -> None:
        self._paths: dict[Owner, set[Path]] = {}

    def update(self, owner: Owner, old: dict[str, Any], new: dict[str, Any]) -> None:
        """After a write other than apply: who changed a field has it, and nobody else."""
        before, after = dict(leaves(old)), dict(leaves(new))
        changed = {path for path, value in after.items() if path not in before or before[path] != value}
        for paths in self._paths.values():
            paths -= changed | (before.keys() - after.keys())
        self._paths.setdefault(owner, set()).update(changed)

    def apply(self, owner: Owner, item: dict[str, Any], manifest: dict[str, Any]) -> list[str]:
        """Bring a manifest's fields into `item`; the fields that others hold with another value."""
        wanted = dict(leaves(manifest))
        conflicts = []
        for path, value in wanted.items():
            if dig(item, path) == value:
                continue
            for other, paths in self._paths.items():
                if other != owner and path in paths:
                    conflicts.append(".".join(path))
                    paths.discard(path)
            put(item, path, value)
        for path in sorted(self._paths.get(owner, set()) - wanted.keys()):
            if not any(path in paths for other, paths in self._paths.items() if other != owner):
                drop(item, path)
        self._paths[owner] = set(wanted)
        return conflicts
