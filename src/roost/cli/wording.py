"""Click's own complaints in the words of `roost`: what is wrong with the call, and which help to read."""

import click
from click.exceptions import BadArgumentUsage, BadOptionUsage

from roost.surface.terminal.failure import USAGE, Failure
from roost.surface.terminal.words import tr


def _what(error: click.UsageError) -> str:
    if isinstance(error, click.NoSuchCommand):
        return tr("There is no command {name!r}.", name=error.command_name)
    if isinstance(error, click.NoSuchOption):
        return tr("There is no option {name!r}.", name=error.option_name)
    if isinstance(error, click.MissingParameter):
        return tr("{name} is missing.", name=_parameter(error))
    if isinstance(error, click.BadParameter):
        return tr("The value of {name} does not fit.", name=_parameter(error))
    if isinstance(error, BadOptionUsage | BadArgumentUsage):
        return tr("An option is not used as it can be.")
    return tr("The command is not complete or not right.")


def _parameter(error: click.BadParameter) -> str:
    if error.param is None:
        return str(error.param_hint or "")
    if isinstance(error.param, click.Argument):
        return error.param.make_metavar(error.ctx) if error.ctx else error.param.human_readable_name
    return " / ".join(error.param.opts)


def _why(error: click.UsageError) -> str:
    if isinstance(error, click.NoSuchCommand | click.NoSuchOption):
        near = error.possibilities or []
        return tr("Did you mean {names}?", names=", ".join(near)) if near else ""
    return error.message


def usage_failure(error: click.UsageError) -> Failure:
    """The complaint as a Failure with exit code 2."""
    path = error.ctx.command_path if error.ctx else "roost"
    return Failure(_what(error), why=_why(error), hint=tr("Read `{command} --help`.", command=path), code=USAGE)
