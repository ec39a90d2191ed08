"""`roost node add | join | drain | undrain | remove`: more nodes. Parses and presents; `members` and `join` do it."""

from pathlib import Path

import click


@click.command()
@click.argument("name")
@click.option("--address", required=True, help="The IPv4 address that the other nodes reach the machine by.")
@click.option("--control-plane", is_flag=True, help="It serves the API too; have one or three such nodes.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), default=None, help="NAME.bundle by default.")
def add(name: str, address: str, control_plane: bool, output: Path | None) -> None:
    """Make a bundle with which a machine may join; run it on a node of the control plane.

    NAME is the machine's host name. The bundle opens the cluster for two hours: keep it as you keep a password.
    """
    from roost.node.commands import explained

    with explained():
        from datetime import UTC, datetime

        from roost.node import bundle, members
        from roost.node.kubectl import Kubectl
        from roost.node.machine import known_node

        made = members.add(
            Kubectl(),
            known_node(),
            (name, address),
            "control-plane" if control_plane else "worker",
            datetime.now(UTC),
        )
        path = output or Path(f"{name}.bundle")
        bundle.write(made, path)
        click.echo(
            f"{path} lets {name} ({address}) join until {made.expires:%H:%M} UTC. Bring it there, and run, "
            f"in a checkout of the same version of Roost:\n  roost node join {path.name}"
        )


@click.command()
@click.argument("bundle", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def join(bundle: Path) -> None:
    """Make this machine a node of the cluster that made the BUNDLE; safe to repeat."""
    from roost.node.commands import explained

    with explained():
        from datetime import UTC, datetime

        from roost.node import bundle as bundles
        from roost.node import join as joining

        found = bundles.read(bundle.read_text(), datetime.now(UTC))
        joining.join(found)
        click.echo(f"{found.name} is a node of the cluster now ({found.role}).")


@click.command()
@click.argument("name")
@click.option("--within", "within_s", default=600, show_default=True, help="Seconds.")
def drain(name: str, within_s: int) -> None:
    """Move everything off a node, without a failed request; it takes nothing new until `undrain`."""
    from roost.node.commands import explained

    with explained():
        from roost.node import members
        from roost.node.kubectl import Kubectl

        moved = members.drain(Kubectl(), name, within_s)
        if moved:
            click.echo(f"Started elsewhere first: {', '.join(moved)}.")
        click.echo(f"{name} is empty. `roost node undrain {name}` lets it work again.")


@click.command()
@click.argument("name")
def undrain(name: str) -> None:
    """Let a drained node take pods and requests again."""
    from roost.node.commands import explained

    with explained():
        from roost.node import members
        from roost.node.kubectl import Kubectl

        members.undrain(Kubectl(), name)
        click.echo(f"{name} takes pods again.")


@click.command()
@click.argument("name")
@click.option("--gone", is_flag=True, help="The machine is lost: nothing is drained.")
def remove(name: str, gone: bool) -> None:
    """Drain a node and take it out of the cluster, with its member of etcd."""
    from roost.node.commands import explained

    with explained():
        from roost.node import members
        from roost.node.kubectl import Kubectl
        from roost.node.machine import known_node

        done = members.remove(Kubectl(), name, known_node().name, gone)
        click.echo(f"{name} is no node any more{' ' if done else ''}{done}. On that machine: `roost node wipe`.")


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def snapshot(file: Path) -> None:
    """Write all objects of the cluster, with the keys to read them, to FILE; everything goes on meanwhile.

    Repositories, images and volumes are not in it. FILE opens the cluster: keep it as you keep a password.
    """
    from roost.node.commands import explained

    with explained():
        from datetime import UTC, datetime

        from roost.node import backup
        from roost.node.machine import known_node

        facts = backup.take(file, known_node(), datetime.now(UTC))
        click.echo(f"{file} holds {facts['keys']} entries as of revision {facts['revision']}.")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask.")
def restore(file: Path, yes: bool) -> None:
    """Make the objects in FILE the cluster's; what was written after the snapshot is lost.

    Run it on a node of the control plane. It is the only member afterwards: remove the others (`roost node remove NAME
    --gone`), wipe them and let them join again.
    """
    from roost.node.commands import explained

    if not yes:
        click.confirm("What was written after the snapshot is lost. Go on?", abort=True)
    with explained():
        from datetime import UTC, datetime

        from roost.node import backup
        from roost.node.machine import known_node

        facts = backup.restore(file, known_node(), datetime.now(UTC))
        click.echo(f"The cluster's objects are those of {facts['taken']}. `roost node status` tells how it is.")


@click.command()
def renew() -> None:
    """Sign this node's certificates anew now; by itself it happens 60 days before they end."""
    from roost.node.commands import explained

    with explained():
        from datetime import UTC, datetime

        from roost.node import renewal
        from roost.node.kubectl import Kubectl
        from roost.node.machine import known_node

        done = renewal.renew(Kubectl(), known_node(), datetime.now(UTC), asked=True)
        click.echo(f"Signed anew: {', '.join(done)}.")


COMMANDS = (add, join, drain, undrain, remove, snapshot, restore, renew)
