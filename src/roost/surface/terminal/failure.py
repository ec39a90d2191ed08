"""How a command fails: what happened, why, what to do, the request id; and the exit code that scripts read.

Failure (click.ClickException)    every problem of the API, of the network and of the working directory
└── Unreachable                   the API does not answer; who follows something looks again
"""

import re
import sys
from typing import IO, Any, Final

import click

from roost.surface.terminal.words import tr

ERROR: Final = 1
USAGE: Final = 2
NOT_FOUND: Final = 3
NOT_ALLOWED: Final = 4
CONFLICT: Final = 5
TIMED_OUT: Final = 6
REFUSED: Final = 7
INTERRUPTED: Final = 130


# Control characters, and those that turn the direction of writing: a line would read otherwise than it is.
_STEERING: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """`text` without control characters, so that data of others cannot steer the terminal."""
    return _STEERING.sub("\N{REPLACEMENT CHARACTER}", text)


class Failure(click.ClickException):
    """A command that did not do what was asked. `code` is the exit code."""

    def __init__(self, what: str, why: str = "", hint: str = "", code: int = ERROR, request_id: str = "") -> None:
        super().__init__(what)
        self.why = why
        self.hint = hint
        self.code = code
        self.request_id = request_id

    # click reads the exit code from this name; here it belongs to the object, not to the class.
    @property
    def exit_code(self) -> int:  # type: ignore[override]
        """The exit code for scripts."""
        return self.code

    def show(self, file: IO[Any] | None = None) -> None:
        """Tell it on stderr: one line what happened, then why, what to do and the request id where there are any."""
        click.echo(f"{click.style(tr('Error:'), fg='red', bold=True)} {printable(self.message)}", err=True, file=file)
        for label, text in (
            (tr("Why:"), self.why),
            (tr("What to do:"), self.hint),
            (tr("Request:"), self.request_id),
        ):
            if text:
                click.echo(
                    f"  {click.style(label, bold=True)} {_wrapped(printable(text), len(label) + 3)}",
                    err=True,
                    file=file,
                )


def _wrapped(text: str, used: int) -> str:
    """On a terminal, lines end between words; a pipe gets them as they are, and so do wide characters."""
    if not sys.stderr.isatty() or not text.isascii():
        return text
    # Loaded only for a failure on a terminal: both take long.
    import shutil
    import textwrap

    width = max(40, shutil.get_terminal_size().columns - 1)
    lines = [
        textwrap.wrap(line, width - used, break_long_words=False, break_on_hyphens=False) for line in text.split("\n")
    ]
    return ("\n" + " " * used).join(part for line in lines for part in line)


class Unreachable(Failure):
    """The API does not answer at all, or says that it cannot just now."""
