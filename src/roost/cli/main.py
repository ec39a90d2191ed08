"""`roost`: the entry of the CLI. Reads the environment, chooses the language, mounts the commands, ends with a code.

Exit codes: 0 ok, 1 error, 2 usage, 3 not found, 4 not allowed, 5 conflict, 6 timed out, 7 refused, 130 interrupted.
"""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

import click

from roost.cli import mount
from roost.cli.wording import usage_failure
from roost.surface.terminal import words
from roost.surface.terminal.failure import INTERRUPTED, USAGE, Failure
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import CONTEXT, Group, output, target

GRACE_S: Final = 1.5  # Seconds that an interrupted command has to put things back before the process ends.


class Root(Group):
    """The root: its commands come from `mount`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Daily ones first."""
        return mount.names()

    def sections(self, ctx: click.Context) -> list[tuple[str, list[str]]]:
        """Three kinds of commands."""
        titles = (words.tr("Every day"), words.tr("Applications and teams"), words.tr("You and this machine"))
        return list(zip(titles, mount.sections(), strict=True))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Loaded when asked for."""
        return mount.find(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but near misses are looked for among the mounted commands."""
        if (
            args
            and not args[0].startswith("-")
            and not ctx.resilient_parsing
            and self.get_command(ctx, args[0]) is None
        ):
            raise click.NoSuchCommand(args[0], possibilities=mount.names(), ctx=ctx)
        return super().resolve_command(ctx, args)


@click.group(
    "roost",
    cls=Root,
    context_settings=CONTEXT,
    examples=(
        "roost login https://api.roost.localhost --ca ca.crt",
        "roost project create shop        # then: git push",
        "roost status -w",
    ),
)
@target("app")
@output
def root() -> None:
    """Roost: push code, get a running application."""


def table(language: str) -> Mapping[str, str]:
    """The words of a language: English needs none."""
    if language == "en":
        return {}
    import json

    read: dict[str, str] = json.loads((Path(__file__).parent / "locale" / f"{language}.json").read_text("utf-8"))
    return read


def run(arguments: Sequence[str], environment: Mapping[str, str], directory: Path) -> int:
    """One call of `roost`; the exit code. Prints what there is to say."""
    words.use(table(words.language(environment)))
    try:
        result = root.main(
            list(arguments), prog_name="roost", standalone_mode=False, obj=Session(environment, directory)
        )
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return USAGE
    except click.UsageError as error:
        usage_failure(error).show()
        return USAGE
    except click.ClickException as error:
        error.show()
        return int(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo(words.tr("Interrupted."), err=True)
        return INTERRUPTED
    except OSError as error:
        Failure(words.tr("This machine did not do what was needed."), why=str(error)).show()
        return 1
    return result if isinstance(result, int) else 0


def _heed_interrupts(at_once: bool) -> None:
    """Make Ctrl-C end the process at once, also where the caller had it ignored and while C code is waiting.

    Python runs a signal's handler only between two of its own steps: a resolver that does not answer would hold it up
    for half a minute. A thread is woken by the signal itself and ends the process if that did not.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if not at_once:
        return
    woken, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    Thread(target=_end_late, args=(woken, _terminal_state()), daemon=True).start()


def _terminal_state() -> list[Any] | None:
    if not sys.stdin.isatty():
        return None
    import termios

    return termios.tcgetattr(sys.stdin)


def _end_late(woken: int, terminal: list[Any] | None) -> None:
    while signal.SIGINT not in os.read(woken, 1):
        continue
    Event().wait(GRACE_S)
    if terminal is not None:
        import termios

        termios.tcsetattr(sys.stdin, termios.TCSANOW, terminal)
    os._exit(INTERRUPTED)


def main() -> None:
    """The process."""
    # The commands of the machine's cluster put things back when they are interrupted, which may take a while.
    _heed_interrupts(at_once=sys.argv[1:2] != ["node"])
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    sys.exit(run(sys.argv[1:], dict(os.environ), Path.cwd()))


if __name__ == "__main__":
    main()
