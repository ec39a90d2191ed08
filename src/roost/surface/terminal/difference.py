"""What differs between two contents of an application, field by field, for people. Used before a change is made.

Secrets have a version, never a value.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import click

from roost.surface.terminal.failure import printable
from roost.surface.terminal.words import tr

# Told in other words, or of no interest to a person.
UNTOLD: Final = frozenset(["artefact.run"])
HIDDEN: Final = "********"


@dataclass(frozen=True)
class Change:
    """One field that differs; None: it is not there."""

    field: str
    old: str | None
    new: str | None

    @property
    def text(self) -> str:
        """For a terminal: the field, then what was and what will be."""
        lines = [click.style(printable(self.field), bold=True)]
        if self.old is not None:
            lines.append(click.style(f"  - {printable(self.old)}", fg="red"))
        if self.new is not None:
            lines.append(click.style(f"  + {printable(self.new)}", fg="green"))
        return "\n".join(lines)


def _flat(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key in sorted(value):
            yield from _flat(value[key], f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(item, Mapping) and "name" in item for item in value):
        for item in value:
            rest = {key: part for key, part in item.items() if key != "name"}
            yield from _flat(rest or tr("is there"), f"{path}[{item.get('name')}]")
    elif isinstance(value, list):
        if value:
            yield path, " ".join(str(item) for item in value)
    elif value not in (None, "", False):
        yield path, str(value)


def fields(content: Mapping[str, Any]) -> dict[str, str]:
    """The content as `path -> text`; list items that have a name are told by it."""
    return {path: text for path, text in _flat(content, "") if path not in UNTOLD}


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Change, ...]:
    """The fields that differ from `old` to `new`, by path."""
    before, after = fields(old), fields(new)
    changes = [
        Change(path, before.get(path), after.get(path))
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    ]
    return tuple(_secret(change) if change.field == "secretVersion" else change for change in changes)


def _secret(change: Change) -> Change:
    hidden = [None if text is None else f"{HIDDEN} ({text[:8]})" for text in (change.old, change.new)]
    return Change(tr("secrets"), *hidden)


def tell(changes: Iterable[Change]) -> None:
    """Talk: the changes on stderr, coloured in a terminal."""
    for change in changes:
        click.echo(change.text, err=True)
