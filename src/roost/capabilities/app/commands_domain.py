"""`roost domain`: more host names that lead to an application, and the DNS record that each needs.

Which names an environment may use is decided by admission (`roost-routes`): one belongs to it because the tenant and
the environment stand in it, or because an administrator granted it (`grant`, which makes a Domain of that name).
"""

from typing import Any, Final
from urllib.parse import urlsplit

import click

from roost.surface.terminal import output as out
from roost.surface.terminal.failure import NOT_FOUND, REFUSED, Failure
from roost.surface.terminal.rollout import conclude
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import confirm, dry_run, group, output, pass_session, target, waits
from roost.surface.terminal.words import tr

WAIT_S: Final = 600


@group("domain")
def domain() -> None:
    """Host names of an application: list, add, remove; of an environment: grant, revoke, grants."""


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


@domain.command("add", examples=("roost domain add store-dev.acme.example.com", "roost domain add shop.example.org"))
@click.argument("name")
@dry_run
@waits(WAIT_S)
@target("app")
@output
@pass_session
def add(session: Session, name: str, dry_run: bool, detach: bool, timeout: int) -> None:
    """Let a host name lead to the application: one of this environment's and tenant's names, or one granted to it."""
    app = session.api.get(session.of_app())
    name, ending = name.lower().rstrip("."), suffix(session, app)
    if not allowed(name, ending):
        _granted(session, name, ending)
    known = list(out.at(app, "spec.domains", ()))
    _change(session, app, sorted({*known, name}), {"dry_run": dry_run, "detach": detach, "timeout": timeout})
    if not dry_run:
        out.say(tr("Where no wildcard record covers it, make: {record}", record=f"{name}. CNAME {own(app)}."))
        out.say(tr("The gateway's certificate for HTTPS covers it: it names all of the tenant's hosts."))


def _granted(session: Session, name: str, ending: str) -> None:
    """Go on only if an administrator granted the name to the environment, and no other application has it."""
    found = session.api.get(session.of_env("domains")).get("items", [])
    mine = next((item for item in found if item["name"] == name), None)
    if mine is None:
        raise Failure(
            tr("{name} is not one of this environment's names.", name=name),
            why=tr("A host name belongs to one tenant: here they are NAME{ending}", ending=ending or "-"),
            hint=tr(
                "Choose such a name, or have an administrator grant it: `{command}`",
                command=f"roost domain grant {name} -t {session.tenant} -e {session.env}",
            ),
            code=REFUSED,
        )
    if mine.get("app") not in (None, session.app):
        raise Failure(
            tr("{name} leads to {app} already.", name=name, app=mine["app"]),
            hint=tr("Remove it there first: `{command}`", command=f"roost domain remove {name} -a {mine['app']}"),
            code=REFUSED,
        )


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


# Host names outside the platform's domain: an administrator says whose they are

GRANTS = (
    out.Column("NAME", out.name_of),
    out.field("TENANT", "spec.tenant"),
    out.field("ENV", "spec.environment"),
    out.age(),
)


@domain.command("grant", examples=("roost domain grant shop.example.org -t acme -e prod",))
@click.argument("name")
@dry_run
@target("env")
@output
@pass_session
def grant(session: Session, name: str, dry_run: bool) -> None:
    """Let applications of an environment have a host name outside the platform's domain (administrators).

    Make sure that the name is the team's: nobody else gets it from then on.
    """
    spec = {"tenant": session.tenant, "environment": session.env}
    body = {"metadata": {"name": name.lower().rstrip(".")}, "spec": spec}
    made = session.api.send("POST", "/v1/domains", body, params={"dryRun": dry_run})
    if session.machine:
        out.show_one(made, session.output, lambda: None)
    place = f"{session.tenant}/{session.env}"
    out.say(tr("{name} is for applications of {place}.", name=out.name_of(made), place=place))


@domain.command("revoke")
@click.argument("name")
@confirm
@pass_session
def revoke(session: Session, name: str, confirm: str | None) -> None:
    """Take a granted host name back (administrators): it leads nowhere from then on."""
    session.confirm(tr("{name} leads nowhere from then on.", name=name), name, confirm)
    session.api.send("DELETE", f"/v1/domains/{name}")
    out.say(tr("{name} was taken back.", name=name))


@domain.command("grants")
@output
@pass_session
def grants(session: Session) -> None:
    """List all granted host names and whose they are (administrators)."""
    out.show_list(session.api.items("/v1/domains"), GRANTS, session.output)
