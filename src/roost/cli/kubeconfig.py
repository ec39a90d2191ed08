"""`roost kubeconfig`: kubectl as the person who signed in. Kubernetes' own rights decide there as they do here.

The file holds no secret: kubectl asks `roost kubeconfig credential` for a token, and again when it has ended.
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import click

from roost.surface.terminal import output as out
from roost.surface.terminal.failure import USAGE, Failure
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import group, pass_session, target
from roost.surface.terminal.words import tr

PATH: Final = "/v1/me/kubernetes"
MARK: Final = "# Written by `roost kubeconfig`.\n"
STATIC_S: Final = 12 * 3600


@group(
    "kubeconfig",
    invoke_without_command=True,
    subcommand_metavar="",
    examples=("roost kubeconfig -t acme -e dev", "export KUBECONFIG=~/.config/roost/kubeconfig", "kubectl get apps"),
)
@click.option("--file", "-f", "file", type=click.Path(dir_okay=False), help="Where to write it.")
@click.option("--print", "printed", is_flag=True, help="Print it and write nothing.")
@click.option(
    "--static", is_flag=True, help="With a token inside that is good for 12 hours, for machines without roost."
)
@target("env")
@click.pass_context
def kubeconfig(ctx: click.Context, file: str | None, printed: bool, static: bool) -> None:
    """Write a kubeconfig: kubectl with your own rights.

    One context for each environment that you may see. kubectl asks `roost` for a token that is good for an hour, and
    for the next one by itself.
    """
    if ctx.invoked_subcommand:
        return
    session = ctx.ensure_object(Session)
    text = MARK + _yaml(_config(session, static))
    if printed:
        out.write(text.rstrip("\n"))
        return
    path = Path(file) if file else _default(session)
    _write(path, text)
    out.say(tr("Written to {file}, for you alone to read.", file=path))
    out.say(f"export KUBECONFIG={path}")


@kubeconfig.command("credential", hidden=True)
@pass_session
def credential(session: Session) -> None:
    """Answer kubectl's question for a credential (an exec plugin of client-go)."""
    made = session.api.send("POST", PATH, {})
    status = {"token": made["token"], "expirationTimestamp": made["expiresAt"]}
    answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    out.write(json.dumps(answer))


def _default(session: Session) -> Path:
    from roost.surface.terminal import state

    return state.path(session.environment).with_name("kubeconfig")


def _config(session: Session, static: bool) -> dict[str, Any]:
    import base64

    made = session.api.send("POST", PATH, {"expiresInSeconds": STATIC_S} if static else {})
    spaces = [
        f"{tenant['name']}-{env}"
        for tenant in session.api.get("/v1/me").get("tenants", ())
        for env in [*tenant["environments"], "build"]
    ]
    wanted = _wanted(session)
    if wanted and wanted not in spaces:
        raise Failure(tr("There is no environment {name} for you.", name=wanted), code=USAGE)
    cluster: dict[str, Any] = {"server": made["server"]}
    if made["authority"]:
        cluster["certificate-authority-data"] = base64.b64encode(made["authority"].encode()).decode()
    user = {"token": made["token"]} if static else {"exec": _plugin(session)}
    contexts = [
        {"name": space, "context": {"cluster": "roost", "user": "roost", "namespace": space}} for space in spaces
    ]
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "roost", "cluster": cluster}],
        "users": [{"name": "roost", "user": user}],
        "contexts": contexts or [{"name": "roost", "context": {"cluster": "roost", "user": "roost"}}],
        "current-context": wanted or (spaces[0] if spaces else "roost"),
    }


def _wanted(session: Session) -> str:
    """The namespace to begin in, empty where it is not clear which."""
    try:
        tenant = session.tenant
    except Failure:
        return ""
    return f"{tenant}-{session.env}"


def _plugin(session: Session) -> dict[str, Any]:
    program = Path(sys.argv[0]).resolve()
    command = str(program) if program.name == "roost" and os.access(program, os.X_OK) else shutil.which("roost")
    found: dict[str, Any] = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": command or "roost",
        "args": ["kubeconfig", "credential"],
        "interactiveMode": "Never",
        "provideClusterInfo": False,
        "installHint": "Install the roost command and sign in with `roost login`.",
    }
    chosen = session.environment.get("ROOST_CONFIG")
    return found | ({"env": [{"name": "ROOST_CONFIG", "value": str(Path(chosen).resolve())}]} if chosen else {})


def _yaml(config: dict[str, Any]) -> str:
    import yaml

    return str(yaml.safe_dump(config, sort_keys=False))


def _write(path: Path, text: str) -> None:
    """Replace the file at once, readable by its owner only; a kubeconfig of somebody else's making stays."""
    if path.exists() and not path.read_text(encoding="utf-8", errors="replace").startswith(MARK.rstrip()):
        raise Failure(
            tr("{file} is there already, and not written by roost.", file=path),
            hint=tr("Choose another file with --file."),
            code=USAGE,
        )
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".kubeconfig-")  # mkstemp makes it 0600.
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(text)
    os.replace(temporary, path)
