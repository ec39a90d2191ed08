"""`roost completion`: what a shell needs to complete commands, options and names."""

from typing import Final

import click

from roost.surface.terminal.failure import Failure
from roost.surface.terminal.output import write
from roost.surface.terminal.shape import command
from roost.surface.terminal.words import tr

SHELLS: Final = ("bash", "zsh", "fish")


@command(
    "completion",
    examples=(
        'eval "$(roost completion bash)"        # in ~/.bashrc',
        'eval "$(roost completion zsh)"         # in ~/.zshrc',
        "roost completion fish | source          # in config.fish",
    ),
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise Failure(tr("There is no completion for {shell}.", shell=shell))
    maker = kind(ctx.find_root().command, {}, "roost", "_ROOST_COMPLETE")
    # Not maker.source(): click asks bash for its version first, which fails where bash is another one.
    write(maker.source_template % maker.source_vars())
