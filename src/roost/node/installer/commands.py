"""`roost install`, `roost upgrade`, `roost uninstall`. Parses and presents; the work is in the modules beside it, which
are loaded when needed. They talk to Kubernetes with a kubeconfig, not to Roost's API: it may not be there.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from roost.surface.terminal.failure import REFUSED, Failure
from roost.surface.terminal.output import Format, show_list, write
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import command, confirm, output, pass_session
from roost.surface.terminal.words import tr

if TYPE_CHECKING:
    from roost.node.installer.options import Options
    from roost.node.installer.record import Installation
    from roost.node.kubectl import Kubectl
    from roost.node.preflight import Finding

EMBEDDED = "/etc/kubernetes/admin.conf"


def cluster(function: Callable[..., Any]) -> Callable[..., Any]:
    """--kubeconfig and --context."""
    function = click.option("--context", default="", metavar="NAME", help="Context of that file: its current one.")(
        function
    )
    return click.option(
        "--kubeconfig",
        type=click.Path(exists=True, dir_okay=False),
        envvar="KUBECONFIG",
        help="Of a cluster administrator: $KUBECONFIG, else the cluster of this machine.",
    )(function)


@contextmanager
def explained() -> Iterator[None]:
    """Errors that we know become one message each, with an exit code; anything else is a bug and shows its trace."""
    from roost.adapters.registry import RegistryFailed
    from roost.node.commands import explained as machine_errors
    from roost.node.installer import deploy, foreign, options, record, removal, versions

    gone = (removal.NothingInstalled, versions.NoWayBack)
    try:
        with machine_errors():
            yield
    except (deploy.UpgradeRefused, foreign.ClusterRefused) as refused:
        raise Failure(str(refused), code=REFUSED) from refused
    except (options.OptionsRefused, record.RecordUnreadable, RegistryFailed, *gone) as failed:
        raise Failure(str(failed)) from failed


def told(text: str) -> None:
    """What is being done, on stderr."""
    click.echo(f"  {text} ...", err=True)


def kubectl_of(kubeconfig: str | None, context: str) -> "Kubectl":
    """kubectl of the engine, talking to that cluster."""
    from roost.node import engine, paths
    from roost.node.kubectl import Kubectl

    program = engine.build(["kubernetes"]).path("kubectl")
    return Kubectl(Path(kubeconfig or EMBEDDED), program, paths.cache() / "kubectl", context)


def report(findings: Sequence["Finding"], form: Format) -> None:
    """What was found, for people or for programs."""
    rows = [{"check": item.check, "verdict": item.verdict, "text": item.text} for item in findings]
    if form in ("json", "yaml"):
        show_list({"items": rows}, (), form)
        return
    marks = {"ok": ("ok  ", "green"), "note": ("note", "yellow"), "refuse": ("NO  ", "red")}
    for item in findings:
        mark, colour = marks[item.verdict]
        write(f"{click.style(mark, fg=colour)}  {item.check}")
        if item.text:
            click.echo(click.wrap_text(item.text, 100, "      ", "      "))


@command(
    "install",
    examples=(
        "roost install --domain apps.example.com --registry registry.example.com/roost --check-only",
        "roost install --kubeconfig company.conf --domain apps.example.com --registry registry.example.com/roost",
    ),
)
@cluster
@click.option("--domain", required=True, help="Applications answer beneath it.")
@click.option("--registry", default="", metavar="HOST/PATH", help="Registry that nodes pull Roost's images from.")
@click.option(
    "--registry-login", default="", metavar="FILE", help="Login for pushing there: skopeo's or docker's file."
)
@click.option(
    "--registry-ca", default="", metavar="FILE", help="Certificate of the authority that registry is known by."
)
@click.option("--storage-class", default="", help="For registry and repositories: the cluster's default one.")
@click.option("--gateway-class", default="", help="A GatewayClass of the cluster, in place of Roost's own gateway.")
@click.option("--address", default="", help="Where Roost's own gateway is reached: a node's address.")
@click.option("--kubernetes-url", default="", metavar="URL", help="Where people's kubectl reaches kube-apiserver.")
@click.option("--node-network", multiple=True, metavar="CIDR", help="Network that nodes are in; may be repeated.")
@click.option("--pod-network", multiple=True, metavar="CIDR", help="Network that pods are in; may be repeated.")
@click.option("--service-network", multiple=True, metavar="CIDR", help="Network of services; may be repeated.")
@click.option("--trust", default="", metavar="FILE", help="PEM bundle that builds trust: this machine's.")
@click.option("--bases", default="", metavar="NAMES", help="Bases to offer, with commas between: all.")
@click.option("--check-only", is_flag=True, help="Judge the cluster and install nothing.")
@output
@pass_session
def install(session: Session, kubeconfig: str | None, context: str, check_only: bool, **given: Any) -> None:
    """Install Roost into a cluster, after checking that it can carry it.

    The checks run pods for about a minute and leave nothing. What is missing is named, with what to do.
    """
    with explained():
        _install(kubectl_of(kubeconfig, context), given, check_only, session.output)


INSTALLED: Final = ("domain", "registry", "storage_class", "gateway_class", "address", "kubernetes_url")


def _options(given: dict[str, Any]) -> "Options":
    from roost.node.installer.options import Options

    named = {key: given[key] for key in INSTALLED}
    networks = {f"{key}_networks": list(given[f"{key}_network"]) for key in ("pod", "service", "node")}
    return Options.of({**named, **{key: value for key, value in networks.items() if value}})


def _install(kubectl: "Kubectl", given: dict[str, Any], check_only: bool, form: Format) -> None:
    from roost.node import engine, images
    from roost.node.installer import deploy, foreign, observe
    from roost.node.installer.options import IMAGES

    options, facts, findings = foreign.look(kubectl, _options(given))
    if foreign.refused(findings):
        report(findings, form)
        foreign.require(findings)
    offered = [name for name in given["bases"].split(",") if name]
    names = [*IMAGES, *(offered or _bases())]
    built = images.build(engine.build(images.components(names)), names)
    with tempfile.TemporaryDirectory(prefix="roost-install-") as scratch:
        told("images")
        access = foreign.Access(given["registry_login"], given["registry_ca"])
        references = foreign.push(built.images, options, access, Path(scratch))
        options, findings = foreign.tried(kubectl, references["platform"], options, facts, told)
        report(findings, form)
        foreign.require(findings)
        if check_only:
            return
        gateway_kinds = engine.build(["gateway-api"]).component_dir("gateway-api") / "crds"
        kinds = foreign.definitions(gateway_kinds, observe.observe(kubectl))
        outside = Path(given["trust"]).read_text() if given["trust"] else _machines_bundle()
        told("kinds, namespaces, trust")
        wanted, made = foreign.prepared(kubectl, options, references, kinds, outside)
        foreign.install(kubectl, wanted, told)
        told("bases")
        pushed = [image for image in built.images.values() if image.offered]
        foreign.offer(kubectl, made, pushed, Path(scratch), told)
        deploy.finish(kubectl, None, wanted)
    _closing(kubectl, wanted, made.authority.certificate)


def _bases() -> list[str]:
    from roost.node.image_recipe import load_recipes

    return [name for name, recipe in load_recipes().items() if recipe.offered]


def _machines_bundle() -> str:
    from roost.node import trust

    return trust.machines_bundle()


def _closing(kubectl: "Kubectl", wanted: "Installation", authority: str) -> None:
    """The administrator, and where to sign in."""
    from roost.node import demo

    password = demo.make_administrator(str(kubectl.kubeconfig))
    file = Path("roost-ca.crt")
    file.write_text(authority)
    domain, address = wanted.options.domain, wanted.options.address
    write(tr("Roost {version} is installed.", version=wanted.name))
    if address:
        write(tr("Let *.{domain} and {domain} lead to {address}.", domain=domain, address=address))
    write(f"roost login https://api.{domain} --name admin --ca {file}")
    if password:
        write(tr("Password: {password} (shown only now)", password=password))


@command("upgrade", examples=("roost upgrade", "roost upgrade --check-only", "roost upgrade --back"))
@cluster
@click.option("--back", is_flag=True, help="Go back to the version that was installed before.")
@click.option("--accept-loss", is_flag=True, help="Go on although fields that are in use would be lost.")
@click.option(
    "--registry-login", default="", metavar="FILE", help="Login for pushing there: skopeo's or docker's file."
)
@click.option(
    "--registry-ca", default="", metavar="FILE", help="Certificate of the authority that registry is known by."
)
@click.option("--check-only", is_flag=True, help="Judge the change and change nothing.")
@output
def upgrade(kubeconfig: str | None, context: str, **given: Any) -> None:
    """Bring the platform of a cluster to the version of this program, or back.

    Applications are not touched. Everything is tried on the server before anything is changed.
    """
    with explained():
        _upgrade(kubectl_of(kubeconfig, context), given)


def _upgrade(kubectl: "Kubectl", given: dict[str, Any]) -> None:
    from roost.node.installer import deploy, foreign, removal, versions

    held = removal.installed(kubectl)
    machine = None
    with tempfile.TemporaryDirectory(prefix="roost-upgrade-") as scratch:
        if given["back"]:
            wanted = versions.before(kubectl)
        elif held.options.embedded:
            machine = versions.embedded(kubectl)
            wanted = machine.installation
        else:
            told("images")
            access = foreign.Access(given["registry_login"], given["registry_ca"])
            wanted = versions.elsewhere(kubectl, held, access, Path(scratch))
    if given["check_only"]:
        deploy.check(kubectl, wanted, given["accept_loss"])
        write(tr("{before} can become {after}.", before=held.name, after=wanted.name))
        return
    if machine is not None:
        deploy.check(kubectl, wanted, given["accept_loss"])
        versions.upgrade_machine(machine)
    elif wanted.digest != held.digest:
        if held.options.embedded:
            versions.preload(wanted)
        deploy.change(kubectl, wanted, told, given["accept_loss"])
    if wanted.digest == held.digest:
        write(tr("Roost {version} is installed.", version=held.name))
    else:
        write(tr("{before} is now {after}; `roost upgrade --back` goes back.", before=held.name, after=wanted.name))


@command(
    "uninstall",
    examples=(
        "roost uninstall --keep-applications --confirm apps.example.com",
        "roost uninstall --everything",
    ),
)
@cluster
@click.option("--keep-applications", is_flag=True, help="Leave applications running, with what serves them.")
@click.option("--everything", is_flag=True, help="Remove tenants, applications and all their data too.")
@confirm
@pass_session
def uninstall(
    session: Session,
    kubeconfig: str | None,
    context: str,
    keep_applications: bool,
    everything: bool,
    confirm: str | None,
) -> None:
    """Remove Roost from a cluster: --keep-applications or --everything says how far.

    The name to type is the installation's domain.
    """
    if keep_applications == everything:
        raise click.UsageError(tr("Say either --keep-applications or --everything."))
    with explained():
        from roost.node.installer import removal

        kubectl = kubectl_of(kubeconfig, context)
        domain = removal.installed(kubectl).options.domain
        warning = (
            tr("All tenants of {domain} go, with applications, databases, repositories and images.", domain=domain)
            if everything
            else tr("Roost goes from {domain}; applications run on, and nobody manages them.", domain=domain)
        )
        session.confirm(warning, domain, confirm)
        left = removal.everything(kubectl, told) if everything else removal.keep_applications(kubectl, told)
        write(tr("Roost is gone. What is left:"))
        for line in left:
            write(f"  {line}")
        sys.stdout.flush()
