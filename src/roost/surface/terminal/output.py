"""Data on stdout: tables for people, JSON, YAML or names for machines; talk on stderr.

rich is loaded only when a table or live text is printed. Cells are plain text: control characters of others' data
never reach the terminal.
"""

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from typing import TYPE_CHECKING, Any, Final, Literal

from roost.surface.terminal.failure import printable
from roost.surface.terminal.words import tr

if TYPE_CHECKING:
    from rich.console import Console

Format = Literal["table", "wide", "json", "yaml", "name"]
# Colours may reach the terminal; every other sequence could steer it.
COLOUR_SEQUENCE: Final = re.compile(r"(\x1b\[[0-9;]{0,32}m)")
FORMATS: Final = ("table", "wide", "json", "yaml", "name")
Object = Mapping[str, Any]

# Words that stand in a cell, and the colour that they get in a terminal. Everything else is plain.
GOOD: Final = frozenset(["Ready", "True", "Live", "Succeeded", "Applied", "Running", "yes"])
BAD: Final = frozenset(
    [
        "False",
        "no",
        "Failed",
        "Refused",
        "CrashLooping",
        "Disabled",
        "ImagePull",
        "InstanceRefused",
        "Invalid",
        "NameTaken",
        "NoRoom",
        "OOMKilled",
        "OutOfMemory",
        "PortNeverOpened",
        "StartRefused",
        "TimedOut",
        "TookTooLong",
    ]
)
BUSY: Final = frozenset(
    [
        "Unknown",
        "Pending",
        "Building",
        "Deleting",
        "ConfigurationPending",
        "HandingOver",
        "Held",
        "Queued",
        "Retrying",
        "RollingOut",
        "RunningReleaseCommand",
        "Starting",
        "Waiting",
    ]
)


@dataclass(frozen=True)
class Column:
    """A column of a table: its title (translated when printed) and how a row's text is had. wide: only with -o wide."""

    title: str
    text: Callable[[Any], str]
    wide: bool = False


def at(row: Any, dotted: str, default: Any = None) -> Any:
    """What stands at `a.b.c` of nested mappings, or the default."""
    for part in dotted.split("."):
        if not isinstance(row, Mapping) or part not in row:
            return default
        row = row[part]
    return default if row is None else row


def field(title: str, dotted: str, wide: bool = False) -> Column:
    """A column that shows the value at `a.b.c`; `-` where there is none."""

    def text(row: Any) -> str:
        value = at(row, dotted)
        return "-" if value is None or value == "" else str(value)

    return Column(title, text, wide)


def since(moment: str | None, now: datetime | None = None) -> str:
    """How long ago an RFC 3339 time was: `12s`, `5m`, `3h`, `4d`; `-` where there is none."""
    if not moment:
        return "-"
    try:
        then = datetime.fromisoformat(moment.replace("Z", "+00:00"))
    except ValueError:
        return moment
    seconds = max(0, int(((now or datetime.now(UTC)) - then).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def age(dotted: str = "metadata.creationTimestamp", title: str = "AGE", wide: bool = False) -> Column:
    """A column that shows how old something is."""
    return Column(title, lambda row: since(at(row, dotted)), wide)


def condition(row: Any, type_: str = "Ready") -> Object:
    """The condition of that type in an object's status; empty where there is none."""
    return next((item for item in at(row, "status.conditions", ()) if item.get("type") == type_), {})


def state(row: Any) -> str:
    """`Ready`, or the reason why not, of an object."""
    found = condition(row)
    if at(row, "metadata.deletionTimestamp"):
        return "Deleting"
    if not found:
        return "Pending"
    return "Ready" if found.get("status") == "True" else str(found.get("reason") or "NotReady")


def style(word: str) -> str:
    """The colour of a cell's text."""
    if word in GOOD:
        return "green"
    if word in BAD or word.endswith(("Failed", "Error", "BackOff")):
        return "red"
    return "yellow" if word in BUSY else ""


class _Drawing(StringIO):
    """A text that is drawn on a terminal later: coloured and wrapped as if it were one."""

    def isatty(self) -> bool:
        """It stands for the terminal."""
        return True


@contextmanager
def captured() -> Iterator[Callable[[], str]]:
    """What is written to stdout inside, with its colours, as the text that the given function returns."""
    drawing = _Drawing()
    with redirect_stdout(drawing):
        yield drawing.getvalue


def console(err: bool = False) -> "Console":
    """A rich console on stdout or stderr. Without a terminal it neither colours nor wraps."""
    from rich.console import Console

    stream = sys.stderr if err else sys.stdout
    width = None if stream.isatty() else 10_000
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def json_text(data: Any) -> str:
    """Indented JSON, as the API gave it."""
    import json

    return json.dumps(data, indent=2, ensure_ascii=False)


def yaml_text(data: Any) -> str:
    """YAML in the order of the API."""
    import yaml

    return str(yaml.safe_dump(data, sort_keys=False, allow_unicode=True)).rstrip("\n")


def unsteered(text: str) -> str:
    """`text` without anything that steers a terminal, but for colours."""
    parts = COLOUR_SEQUENCE.split(text)
    return "".join(part if index % 2 else printable(part) for index, part in enumerate(parts))


def write(text: str) -> None:
    """One piece of data on stdout, with a line end. A pipe gets it as it is, a terminal only text and colours."""
    sys.stdout.write((unsteered(text) if sys.stdout.isatty() else text) + "\n")
    sys.stdout.flush()


def table(rows: Iterable[Any], columns: Sequence[Column], wide: bool = False) -> None:
    """A table without lines: titles, then one row each."""
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = [column for column in columns if wide or not column.wide]
    titles = [tr(column.title) for column in shown]
    cells = [[printable(column.text(row)).replace("\n", " ") for column in shown] for row in rows]
    real = console()
    widths = [max(map(cell_len, column)) for column in zip(titles, *cells, strict=True)]
    # Where not all fits side by side, the widest cells go on beneath; nothing is cut off.
    fits = sum(widths) + 2 * (len(widths) - 1) <= real.width
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for index, title in enumerate(titles):
        kept = fits and index < len(shown) - 1
        made.add_column(title, no_wrap=kept, overflow="fold", min_width=cell_len(title))
    for row in cells:
        made.add_row(*(Text(word, style=style(word)) for word in row))
    terminal = real.is_terminal
    buffer = StringIO()
    Console(
        file=buffer,
        width=real.width,
        force_terminal=terminal,
        color_system="auto" if terminal else None,
        highlight=False,
        no_color=real.no_color,
    ).print(made)
    write("\n".join(line.rstrip() for line in buffer.getvalue().splitlines()))


def name_of(row: Any) -> str:
    """An object's name, for `-o name`."""
    return str(at(row, "metadata.name") or at(row, "id") or at(row, "name") or "")


def show_list(answer: Object, columns: Sequence[Column], form: Format, empty: str = "") -> None:
    """Print the items of a list, for machines as the API gave them. `empty`: said in place of an empty table."""
    rows = list(answer.get("items", ()))
    if form == "json":
        write(json_text(rows))
    elif form == "yaml":
        write(yaml_text(rows))
    elif form == "name":
        for row in rows:
            write(name_of(row))
    elif not rows:
        say(empty or tr("There is none."))
    else:
        table(rows, columns, wide=form == "wide")


def show_one(row: Object, form: Format, people: Callable[[], None]) -> None:
    """Print one object; `people` prints it for people."""
    if form == "json":
        write(json_text(row))
    elif form == "yaml":
        write(yaml_text(row))
    elif form == "name":
        write(name_of(row))
    else:
        people()


def facts(pairs: Iterable[tuple[str, str]]) -> None:
    """Lines `Title: value`, aligned; pairs without a value are left out."""
    from rich.cells import cell_len
    from rich.text import Text

    kept = [(tr(title), printable(value)) for title, value in pairs if value]
    widest = max((cell_len(title) for title, _ in kept), default=0)
    out = console()
    for title, value in kept:
        line = Text(title + ":" + " " * (widest - cell_len(title) + 2), style="bold")
        line.append(value, style=style(value) or "not bold")
        out.print(line, soft_wrap=True)


def say(text: str) -> None:
    """Talk: one line on stderr."""
    sys.stderr.write(printable(text) + "\n")
    sys.stderr.flush()


def wrapped(text: str, used: int) -> list[str]:
    """The lines of a text beside `used` other columns: on a terminal wrapped between words, also wide ones."""
    if not sys.stdout.isatty():
        return text.split("\n")
    from rich.text import Text

    room = max(20, console().width - used - 1)
    found = [line for part in text.split("\n") for line in Text(part).wrap(console(), room)]
    return [line.plain.rstrip() for line in found]


def coloured() -> bool:
    """Whether stdout shows colours."""
    return console().color_system is not None and not console().no_color
