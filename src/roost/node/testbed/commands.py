"""`roost node testbed`: test hosts by hand. Parses and presents; `bed` does it."""

import os
import sys

import click

NAME = click.option("--name", default="bed", show_default=True, help="1 to 8 letters and digits.")
HOSTS = click.option("--hosts", default=3, show_default=True, type=click.IntRange(1, 9))
NETWORK = click.option("--network", default="", help="As 10.111.7.0/24; by default chosen by the name.")


@click.group()
def testbed() -> None:
    """Several machines on this one, for tests; each can become a node."""


@testbed.command()
@NAME
@HOSTS
@NETWORK
def up(name: str, hosts: int, network: str) -> None:
    """Make test hosts; what was left of this name is cleared first."""
    from roost.node.testbed.bed import Bed

    bed = Bed.named(name, hosts, network)
    bed.up()
    for host in bed.hosts.values():
        click.echo(f"{host.name}  {host.address}")


@testbed.command()
@NAME
def down(name: str) -> None:
    """Remove test hosts with all that is in them."""
    from roost.node.testbed.bed import Bed

    Bed.named(name).down()


@testbed.command("list")
def list_() -> None:
    """Show which test hosts there are and whether they run."""
    from roost.node.testbed.bed import directory, existing

    for path in sorted(directory().glob("*")):
        bed = existing(path.name)
        for host in bed.hosts.values():
            click.echo(f"{host.name}  {host.address}  {'runs' if bed.inner(host.name) else 'is off'}")


@testbed.command(context_settings={"ignore_unknown_options": True})
@click.argument("host")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(host: str, command: tuple[str, ...]) -> None:
    """Run a command in a test host, in place of this process."""
    from roost.node.run import environment
    from roost.node.testbed.bed import existing

    bed = existing(host.rsplit("-", 1)[0])
    argv = bed.command(host, command)
    bed.entering(host)()
    sys.stdout.flush()
    os.execvpe(argv[0], argv, environment())
