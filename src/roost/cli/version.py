"""`roost version`."""

from roost.surface.terminal.output import write
from roost.surface.terminal.shape import command


@command("version")
def version() -> None:
    """Print the version of this program."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as read

    try:
        write(f"roost {read('roost')}")
    except PackageNotFoundError:
        write("roost (from its sources)")
