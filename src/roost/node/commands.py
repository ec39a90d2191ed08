"""Commands of the embedded cluster: `python -m roost.node.commands up|down|status|wipe|build`, behind `make` too, and
mounted as `roost node`. Parses and presents; the work is in the modules beside it, loaded when needed.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from roost.node.member_commands import COMMANDS
from roost.node.testbed.commands import testbed


@contextmanager
def explained() -> Iterator[None]:
    """Errors that we know become one message and exit code 1; anything else is a bug and shows its trace."""
    from roost.builds.advisories import ArchiveWrong
    from roost.kube.errors import KubeError
    from roost.node import (
        backup,
        bundle,
        engine,
        image_builder,
        image_recipe,
        image_roots,
        image_settings,
        kubectl,
        machine,
        members,
        packages,
        paths,
        preflight,
        up,
    )
    from roost.node.run import CommandFailed

    known = (
        ArchiveWrong,
        backup.SnapshotInvalid,
        bundle.BundleInvalid,
        members.NoSuchNode,
        CommandFailed,
        KubeError,
        *engine.FAILURES,
        image_builder.BuildFailed,
        image_recipe.RecipeInvalid,
        image_roots.RootFailed,
        image_settings.MirrorMissing,
        kubectl.NotReady,
        machine.MachineUnfit,
        packages.PackagesMissing,
        paths.SourceMissing,
        preflight.MachineRefused,
        up.AlreadyAtWork,
    )
    try:
        yield
    except known as failed:
        raise click.ClickException(str(failed)) from failed
    except KeyboardInterrupt:
        raise click.ClickException("Stopped. What is done stays done; the same command goes on from here.") from None


@click.group()
def node() -> None:
    """The embedded Kubernetes cluster on this machine."""


node.add_command(testbed)
for _command in COMMANDS:
    node.add_command(_command)


@node.command()
@click.option("--domain", default="", help="Applications answer beneath it: as before, at first roost.localhost.")
@click.option("--api-address", default="", help="A free address that moves between members of the control plane.")
@click.option("--entry-address", default="", help="A free address that moves between nodes: where applications answer.")
@click.option("--until", default="", hidden=True)
def up(domain: str, api_address: str, entry_address: str, until: str) -> None:
    """Bring up Kubernetes and the platform; safe to repeat and to interrupt."""
    with explained():
        from roost.node import join, machine
        from roost.node import up as bring
        from roost.node.steps import Run

        if join.role() is not None:
            join.again()
            return
        run = Run(node=machine.known_node(domain, api_address, entry_address))
        bring.up(run, until)
        if not until:
            click.echo(closing_words(run.node.domain, run.password))


def closing_words(domain: str, password: str | None) -> str:
    """The last lines of `up`: where it answers, how to sign in, three commands to try."""
    from roost.node import demo, trust

    told = f"password {password}   (shown only now; change it with `roost password`)"
    lost = "password: as shown at the first start; `roost node password` gives a new one"
    sign_in = (
        f"Sign in:   .venv/bin/roost login https://api.{domain} --name admin --ca {trust.NODE_FILES / 'ca.crt'}\n"
        f"           {told if password else lost}"
    )
    return (
        f"\nURL:       {demo.url(domain)}\n{sign_in}\n"
        "Try:       roost status -t demo -e dev -a hello\n"
        "           roost logs -t demo -e dev -a hello\n"
        "           export KUBECONFIG=/etc/kubernetes/admin.conf; kubectl get pods -A"
    )


@node.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False))
def advisories(folder: str) -> None:
    """Take the OSV archives in FOLDER, `<ecosystem>/all.zip`, as the vulnerability database, and judge what runs by it.

    Where the site has a mirror of them, set ROOST_ADVISORIES=URL for `make up` instead: they are fetched daily.
    """
    with explained():
        from pathlib import Path

        from roost.node import advisories as database
        from roost.node.kubectl import Kubectl

        click.echo(database.take(Kubectl(), Path(folder)))


@node.command()
def build() -> None:
    """Compile the engine and make the images, without touching the machine otherwise."""
    with explained():
        from roost.node import machine
        from roost.node import up as bring
        from roost.node.steps import Run

        bring.build(Run(node=machine.this_node()))


@node.command()
def down() -> None:
    """Stop the cluster and everything in it; data stays, and `up` brings it back."""
    with explained():
        from roost.node import prepare, runtime, teardown
        from roost.node import up as bring

        if not prepare.BEFORE.exists():
            click.echo("Nothing on this machine is Roost's; nothing was touched.")
            return
        with bring.alone():
            runtime.stop()
            teardown.everything()
        click.echo("Stopped. The data is in /var/lib/roost and /var/lib/etcd; `make up` brings it back.")


@node.command()
def status() -> None:
    """Tell how the cluster on this machine is."""
    with explained():
        from roost.node import status as looking

        lines = looking.look()
        for line in lines:
            mark = {True: "ok ", False: "BAD", None: "   "}[line.well]
            click.echo(f"{mark}  {line.what:<36} {line.words}")
        if any(line.well is False for line in lines):
            sys.exit(1)


@node.command()
def password() -> None:
    """Give the local administrator a new password and print it; all tokens of the administrator end."""
    with explained():
        from roost.node import demo

        click.echo(demo.new_password())


@node.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
def wipe(yes: bool) -> None:
    """Remove the cluster and all its data from this machine. What was compiled stays in the cache."""
    if not yes:
        click.confirm("This deletes the cluster with all its applications, repositories and images. Go on?", abort=True)
    with explained():
        from roost.node import up as bring
        from roost.node import wipe as wiping

        with bring.alone():
            done = wiping.wipe()
            bring.LOCK.unlink(missing_ok=True)
        click.echo(
            "The machine is as it was before the first `make up`."
            if done
            else "Nothing on this machine is Roost's; nothing was touched."
        )


if __name__ == "__main__":
    node()
