"""`roost domain`: more host names that lead to an application, and the DNS record that each needs.

Which names an environment may use is decided by admission (`roost-routes`): a name belongs to one tenant because the
tenant and the environment stand in it.
"""

from typing import Any, Final
from urllib.parse import urlsplit

import click

from roost.surface.terminal import output as out
from roost.surface.terminal.failure import NOT_FOUND, REFUSED, Failure
from roost.surface.terminal.rollout import conclude
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import dry_run, group, output, pass_session, target, waits
from roost.surface.terminal.words import tr

WAIT_S: Final = 600


@group("domain")
def domain() -> None:
    """Host names of an application: list, add, remove."""


def _state(row: Any) -> str:
    return str(row["state"])


COLUMNS = (
    out.field("NAME", "name"),
    out.Column("STATE", _state),
    out.field("RECORD", "record"),
)


def own(app: Any) -> str:
    """The host name that every application has."""
    return str(urlsplit(str(out.at(app, "status.url", ""))).hostname or "")


def suffix(session: Session, app: Any) -> str:
    """What every host name of this environment ends with."""
    return own(app).removeprefix(session.app)


def allowed(name: str, ending: str) -> bool:
    """Whether a host name is one label and the environment's ending."""
    return bool(ending) and name.endswith(ending) and "." not in name.removesuffix(ending) and name != ending


def _rows(session: Session, app: Any) -> list[dict[str, str]]:
    first, refused = own(app), str(out.condition(app, "Domains").get("message", ""))
    rows = [{"name": first, "state": "Ready", "record": ""}] if first else []
    for name in out.at(app, "spec.domains", ()):
        state = "Refused" if name in refused else "Ready"
        rows.append({"name": str(name), "state": state, "record": f"{name}. CNAME {first}."})
    return rows


@domain.command("list")
@target("app")
@output
@pass_session
def list_(session: Session) -> None:
    """List the host names, with the DNS record that each needs where the domain's wildcard does not cover it."""
    app = session.api.get(session.of_app())
    out.show_list(
        {"items": _rows(session, app)}, COLUMNS, session.output, tr("{place} has no address yet.", place=session.place)
    )


@domain.command("add", examples=("roost domain add store-dev.acme.example.com",))
@click.argument("name")
@dry_run
@waits(WAIT_S)
@target("app")
@output
@pass_session
def add(session: Session, name: str, dry_run: bool, detach: bool, timeout: int) -> None:
    """Let a host name lead to the application; it ends with this environment's and tenant's names."""
    app = session.api.get(session.of_app())
    name, ending = name.lower().rstrip("."), suffix(session, app)
    if not allowed(name, ending):
        raise Failure(
            tr("{name} is not one of this environment's names.", name=name),
            why=tr("A host name belongs to one tenant: here they are NAME{ending}", ending=ending or "-"),
            hint=tr("Choose such a name; let a name of your own lead there by a CNAME at whoever redirects it."),
            code=REFUSED,
        )
    known = list(out.at(app, "spec.domains", ()))
    _change(session, app, sorted({*known, name}), {"dry_run": dry_run, "detach": detach, "timeout": timeout})
    if not dry_run:
        out.say(tr("Where no wildcard record covers it, make: {record}", record=f"{name}. CNAME {own(app)}."))
        out.say(tr("The gateway's certificate for HTTPS covers it: it names all of the tenant's hosts."))


@domain.command("remove")
@click.argument("name")
@dry_run
@waits(WAIT_S)
@target("app")
@output
@pass_session
def remove(session: Session, name: str, dry_run: bool, detach: bool, timeout: int) -> None:
    """Let a host name lead here no longer."""
    app = session.api.get(session.of_app())
    known = list(out.at(app, "spec.domains", ()))
    if name not in known:
        raise Failure(
            tr("{name} does not lead here.", name=name),
            why=tr("There are: {names}.", names=", ".join(known) or "-"),
            code=NOT_FOUND,
        )
    how = {"dry_run": dry_run, "detach": detach, "timeout": timeout}
    _change(session, app, [item for item in known if item != name], how)


def _change(session: Session, app: Any, domains: list[str], how: dict[str, Any]) -> None:
    """Over the version that was read: two people at once do not undo each other."""
    match = {"If-Match": f'"{out.at(app, "metadata.resourceVersion", "")}"'}
    body = {"spec": {"domains": domains}}
    changed = session.api.send("PATCH", session.of_app(), body, params={"dryRun": how["dry_run"]}, headers=match)
    conclude(session, changed, **how)
