"""What differs between two contents of an application, field by field. Pure.

The controller notes it on each Release, the API answers with it, the command line paints it (and so nothing heavy is
imported here). Secrets have a fingerprint (the first digits of their version), never a value: neither an App nor a
Release holds one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

# Told in other words, or nothing that runs.
UNTOLD: Final = frozenset(["artefact.run"])
SECRETS: Final = "secrets"
THERE: Final = "is there"  # The value of a list item that has a name and nothing else.
FINGERPRINT: Final = 8
MAX_PATH: Final = 300  # Characters.
MAX_VALUE: Final = 200


@dataclass(frozen=True)
class Change:
    """One field that differs. `field` is a path, e.g. `processes[web].replicas`; None: it is not there."""

    field: str
    before: str | None
    after: str | None


def _flat(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key in sorted(value):
            yield from _flat(value[key], f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(item, Mapping) and "name" in item for item in value):
        for item in value:
            rest = {key: part for key, part in item.items() if key != "name"}
            yield from _flat(rest or THERE, f"{path}[{item.get('name')}]")
    elif isinstance(value, list):
        if value:
            yield path, " ".join(str(item) for item in value)
    elif value not in (None, "", False):
        yield path, str(value)


def fields(content: Mapping[str, Any]) -> dict[str, str]:
    """The content, as it stands on the wire, as `path -> text`; list items that have a name are told by it."""
    found = {path: text for path, text in _flat(content, "") if path not in UNTOLD}
    version = found.pop("secretVersion", "")
    return {**found, SECRETS: version[:FINGERPRINT]} if version else found


def _short(text: str | None) -> str | None:
    return text if text is None or len(text) <= MAX_VALUE else text[: MAX_VALUE - 1] + "…"


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Change, ...]:
    """The fields that differ from `old` to `new` (both as on the wire), by path. Long values are cut."""
    before, after = fields(old), fields(new)
    return tuple(
        Change(path[:MAX_PATH], _short(before.get(path)), _short(after.get(path)))
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    )
