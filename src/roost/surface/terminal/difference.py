"""What differs between two contents of an application, told to people. Used before a change is made.

What differs is found by `roost.model.difference`; here it gets words and colours.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import click

from roost.model import difference as pure
from roost.surface.terminal.failure import printable
from roost.surface.terminal.words import tr

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


def told(changes: Iterable[pure.Change]) -> tuple[Change, ...]:
    """Changes in the chosen language; of secrets only that they are others."""
    return tuple(_told(change) for change in changes)


def _told(change: pure.Change) -> Change:
    if change.field == pure.SECRETS:
        hidden = [None if text is None else f"{HIDDEN} ({text})" for text in (change.before, change.after)]
        return Change(tr("secrets"), *hidden)
    words = [tr("is there") if text == pure.THERE else text for text in (change.before, change.after)]
    return Change(change.field, *words)


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Change, ...]:
    """The fields that differ from `old` to `new`, by path."""
    return told(pure.difference(old, new))


def tell(changes: Iterable[Change]) -> None:
    """Talk: the changes on stderr, coloured in a terminal."""
    for change in changes:
        click.echo(change.text, err=True)
