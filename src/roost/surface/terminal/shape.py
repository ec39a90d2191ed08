"""The shape of every command: click's classes with translated help, and the option decorators that all share.

`@command()` and `@group()` in place of click's; `@target("app")` for -t, -e, -a; `@output` for -o; `@waits` for
--detach and --timeout; `@dry_run`; `@named` for verbs that destroy. The common options store into the `Session`.
"""

import inspect
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

import click

from roost.surface.terminal.failure import Failure
from roost.surface.terminal.output import FORMATS
from roost.surface.terminal.session import Session
from roost.surface.terminal.words import tr

F = TypeVar("F", bound=Callable[..., Any])
CONTEXT: Final[dict[str, Any]] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
SHORT: Final = 60  # Characters of a first sentence in a list of commands; a longer one ends at its first pause.
COMMON: Final = ("tenant", "env", "app", "output")


def _records(params: Iterable[click.Parameter], ctx: click.Context) -> list[tuple[str, str]]:
    records = []
    for param in params:
        record = param.get_help_record(ctx)
        if record is None:
            continue
        records.append((record[0], tr(getattr(param, "help", None) or "")))
    return records


class _Speaking(click.Command):
    """Help in the chosen language, with the common options in a section of their own and examples at the end."""

    def __init__(self, *args: Any, examples: tuple[str, ...] = (), **kwargs: Any) -> None:
        kwargs["context_settings"] = CONTEXT | dict(kwargs.get("context_settings") or {})
        super().__init__(*args, **kwargs)
        self.examples = examples

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """`Usage: roost ...`"""
        formatter.write_usage(ctx.command_path, " ".join(self.collect_usage_pieces(ctx)), prefix=tr("Usage: "))

    def get_short_help_str(self, limit: int = 45) -> str:
        """The first sentence of the help."""
        text = tr(inspect.cleandoc(self.help or ""))
        first = text.split("\n\n")[0].replace("\n", " ")
        for end in (". ", "。"):
            first = first.split(end)[0]
        for end in (": ", "; ", "：", "；"):
            first = first.split(end)[0] if len(first) > SHORT else first
        return first.rstrip(".。")

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The help, paragraph by paragraph."""
        text = tr(inspect.cleandoc(self.help or ""))
        if text:
            formatter.write_paragraph()
            with formatter.indentation():
                formatter.write_text(text)

    def format_arguments(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Arguments stand in the usage line."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Own options first, then those that many commands share."""
        params = [param for param in self.get_params(ctx) if not isinstance(param, click.Argument)]
        common = [param for param in params if param.name in COMMON and not param.expose_value]
        own = _records((param for param in params if param not in common), ctx)
        for title, records in ((tr("Options"), own), (tr("Common options"), _records(common, ctx))):
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Examples, as one types them."""
        if self.examples:
            with formatter.section(tr("Examples")):
                for line in self.examples:
                    formatter.write(" " * formatter.current_indent + line + "\n")


class Command(_Speaking):
    """A command of `roost`."""


class Group(_Speaking, click.Group):
    """A group of commands: a noun with its verbs, in the order in which they were written."""

    command_class = Command
    group_class = type

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("subcommand_metavar", "COMMAND ...")
        super().__init__(*args, **kwargs)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which they were written."""
        return list(self.commands)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Commands before options: that is what one looks for."""
        self.format_commands(ctx, formatter)
        _Speaking.format_options(self, ctx, formatter)

    def sections(self, ctx: click.Context) -> list[tuple[str, list[str]]]:
        """Titles, with the names of the commands beneath them."""
        return [(tr("Commands"), self.list_commands(ctx))]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Names and first sentences, all in one column."""
        sections = [(title, self._visible(ctx, names)) for title, names in self.sections(ctx)]
        widest = max((len(name) for _, rows in sections for name, _ in rows), default=0)
        for title, rows in sections:
            if rows:
                with formatter.section(title):
                    formatter.write_dl([(name.ljust(widest), text) for name, text in rows])

    def _visible(self, ctx: click.Context, names: list[str]) -> list[tuple[str, str]]:
        found = ((name, self.get_command(ctx, name)) for name in names)
        return [(name, item.get_short_help_str(80)) for name, item in found if item is not None and not item.hidden]


def command(name: str, examples: tuple[str, ...] = (), **attributes: Any) -> Callable[[Callable[..., Any]], Command]:
    """A command outside a group, to be mounted by the CLI."""
    return click.command(name, cls=Command, examples=examples, **attributes)


def group(name: str, **attributes: Any) -> Callable[[Callable[..., Any]], Group]:
    """A group, to be mounted by the CLI. Its callback does nothing."""
    return click.group(name, cls=Group, **attributes)


def _store(key: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    def callback(ctx: click.Context, _: click.Parameter, value: Any) -> Any:
        session = ctx.find_object(Session)
        if value is not None and session is not None:
            session.choose(key, value)
        return value

    return callback


def _completer(key: str) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    def complete(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
        session = ctx.find_object(Session)
        try:
            return [name for name in session.names(key) if name.startswith(incomplete)] if session else []
        except Failure:
            return []  # Nobody wants an error between two presses of Tab.

    return complete


def _choice(short: str, key: str, help: str) -> Callable[[F], F]:
    return click.option(
        short,
        f"--{key}",
        metavar=key.upper(),
        expose_value=False,
        callback=_store(key),
        shell_complete=_completer(key),
        help=help,
    )


_TARGETS: Final = {
    "tenant": _choice("-t", "tenant", "The tenant."),
    "env": _choice("-e", "env", "The environment."),
    "app": _choice("-a", "app", "The application."),
}


def target(depth: str) -> Callable[[F], F]:
    """The options -t (depth `tenant`), -e (`env`), -a (`app`); each depth has those before it too."""

    def decorate(function: F) -> F:
        wanted = COMMON[: COMMON.index(depth) + 1]
        for name in reversed(wanted):
            function = _TARGETS[name](function)
        return function

    return decorate


output: Callable[[F], F] = click.option(
    "-o",
    "--output",
    type=click.Choice(FORMATS),
    metavar="FORMAT",
    expose_value=False,
    callback=_store("output"),
    help="How data is printed: table, wide, json, yaml or name.",
)

dry_run: Callable[[F], F] = click.option(
    "--dry-run", is_flag=True, help="Check everything at the server and change nothing."
)


def waits(default_s: int) -> Callable[[F], F]:
    """--detach and --timeout of a verb that starts long work. The function gets `detach` and `timeout` (seconds)."""

    def decorate(function: F) -> F:
        function = click.option(
            "--timeout",
            type=click.IntRange(1, 86400),
            default=default_s,
            metavar="SECONDS",
            help="Leave after that long (exit code 6); the work goes on.",
        )(function)
        return click.option("--detach", is_flag=True, help="Do not wait for the end.")(function)

    return decorate


confirm: Callable[[F], F] = click.option(
    "--confirm", metavar="NAME", default=None, help="The name of what goes, typed once more; asked for without it."
)
yes: Callable[[F], F] = click.option("-y", "--yes", is_flag=True, help="Do not ask.")
pass_session: Callable[[Callable[..., Any]], Callable[..., Any]] = click.make_pass_decorator(Session)
