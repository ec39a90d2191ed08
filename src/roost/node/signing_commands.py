"""`roost signing-key show | rotate`: the key that images are signed with. For a cluster's administrator."""

import click

from roost.node.installer.commands import cluster, explained, kubectl_of


@click.group("signing-key")
def signing_key() -> None:
    """The key that images are signed with: show, rotate."""


@signing_key.command()
@cluster
def show(kubeconfig: str | None, context: str) -> None:
    """Show the public key, as `cosign verify --key` takes it."""
    with explained():
        from roost.node import signing

        click.echo(signing.public(kubectl_of(kubeconfig, context)), nl=False)


@signing_key.command()
@cluster
@click.option("--yes", is_flag=True, help="Do not ask.")
def rotate(kubeconfig: str | None, context: str, yes: bool) -> None:
    """Sign with a new key from now on; the old one counts for nothing new.

    Versions that environments have keep running. What kept runs have built is signed again within minutes.
    """
    with explained():
        from roost.node import signing

        if not yes:
            click.confirm("Make a new key? Whoever verifies images elsewhere needs its public part.", abort=True)
        click.echo(signing.rotate(kubectl_of(kubeconfig, context)), nl=False)
