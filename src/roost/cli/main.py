"""`roost`: the entry of the CLI. Reads the environment, chooses the language, mounts the commands, ends with a code.

Exit codes: 0 ok, 1 error, 2 usage, 3 not found, 4 not allowed, 5 conflict, 6 timed out, 7 refused, 130 interrupted.
"""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from roost.cli import mount
from roost.cli.wording import usage_failure
from roost.surface.terminal import words
from roost.surface.terminal.failure import INTERRUPTED, USAGE, Failure
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import CONTEXT, Group, output, target


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
    except BrokenPipeError:
        return _broken_pipe()
    except OSError as error:
        Failure(words.tr("This machine did not do what was needed."), why=str(error)).show()
        return 1
    return result if isinstance(result, int) else 0


def _broken_pipe() -> int:
    # The reader of our stdout left (`roost logs | head`): no error, and nothing may be flushed into it at exit.
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    return 0


def main() -> None:
    """The process: Ctrl-C always interrupts, also where the caller had it ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    code = run(sys.argv[1:], dict(os.environ), Path.cwd())
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = _broken_pipe()
    sys.exit(code)


if __name__ == "__main__":
    main()
