"""`roost tenant`: teams, their environments and members."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import click

from roost.surface.terminal import output as out
from roost.surface.terminal.failure import CONFLICT, NOT_FOUND, Failure
from roost.surface.terminal.follow import Progress, Step, follow
from roost.surface.terminal.session import Session
from roost.surface.terminal.shape import confirm, dry_run, group, output, pass_session, waits
from roost.surface.terminal.words import tr

ROLES: Final = ("owner", "developer", "viewer", "approver")
TRIES: Final = 3


def _environments(tenant: Any) -> str:
    return ", ".join(item["name"] for item in out.at(tenant, "spec.environments", ()))


COLUMNS = (
    out.Column("NAME", out.name_of),
    out.field("TITLE", "spec.title"),
    out.Column("ENVIRONMENTS", _environments),
    out.Column("MEMBERS", lambda row: str(len(out.at(row, "spec.members", ())))),
    out.Column("STATE", out.state),
    out.age(),
)
MEMBERS = (
    out.field("PERSON", "person"),
    out.field("ROLE", "role"),
    out.Column("ENVIRONMENTS", lambda row: ", ".join(row.get("environments") or ()) or tr("all")),
    out.field("VIA", "by"),
)
GROUPS = (
    out.field("GROUP", "group"),
    out.field("ROLE", "role"),
    out.Column("ENVIRONMENTS", lambda row: ", ".join(row.get("environments") or ()) or tr("all")),
)
INVITATIONS = (
    out.field("ID", "id"),
    out.field("MAIL", "mail"),
    out.field("ROLE", "role"),
    out.Column("ENVIRONMENTS", lambda row: ", ".join(row.get("environments") or ()) or tr("all")),
    out.field("BY", "by"),
    out.field("EXPIRES", "expiresAt"),
)
QUOTAS = (
    out.field("ENVIRONMENT", "name"),
    out.field("CPU", "quota.cpu"),
    out.field("MEMORY", "quota.memory"),
    out.field("INSTANCES", "quota.pods"),
    out.field("STORAGE", "quota.storage"),
)


def _path(name: str) -> str:
    from urllib.parse import quote

    return f"/v1/tenants/{quote(name, safe='')}"


@group("tenant")
def commands() -> None:
    """Teams (tenants): list, show, create, delete, member, group, invite."""


@commands.command("list")
@output
@pass_session
def list_(session: Session) -> None:
    """List the tenants that you may see."""
    out.show_list(session.api.items("/v1/tenants"), COLUMNS, session.output, tr("There is no tenant for you yet."))


@commands.command("show")
@click.argument("name", required=False)
@output
@pass_session
def show(session: Session, name: str | None) -> None:
    """Show a tenant: environments, quota, members."""
    tenant = session.api.get(_path(name or session.tenant))
    out.show_one(tenant, session.output, lambda: _tell(tenant))


def _tell(tenant: Mapping[str, Any]) -> None:
    found = out.condition(tenant)
    out.facts(
        [
            ("Tenant", out.name_of(tenant)),
            ("Title", out.at(tenant, "spec.title", "")),
            ("State", out.state(tenant)),
            ("Why", "" if found.get("status") == "True" else str(found.get("message", ""))),
        ]
    )
    out.write("")
    build = {"name": "build", "quota": out.at(tenant, "spec.buildQuota", {})}
    out.table([*out.at(tenant, "spec.environments", ()), build], QUOTAS)
    if members := _members(tenant):
        out.write("")
        out.table(members, MEMBERS)
    if groups := out.at(tenant, "spec.groups", ()):
        out.write("")
        out.table(groups, GROUPS)


@commands.command("create", examples=("roost tenant create acme --env dev --env prod --owner mei",))
@click.argument("name")
@click.option("--title", default="", help="The name that people see.")
@click.option(
    "--env", "envs", multiple=True, metavar="ENV", help="An environment, in the order of promotion; dev without it."
)
@click.option("--owner", "owners", multiple=True, metavar="PERSON", help="An owner of the tenant.")
@click.option("--cpu", default=None, help="CPU quota of each environment, in cores.")
@click.option("--memory", default=None, help="Memory quota of each environment, e.g. 8Gi.")
@dry_run
@waits(120)
@output
@pass_session
def create(session: Session, name: str, detach: bool, timeout: int, dry_run: bool, **given: Any) -> None:
    """Make a tenant with its environments (administrators)."""
    quota = {key: given[key] for key in ("cpu", "memory") if given[key]}
    environments = [{"name": env, **({"quota": quota} if quota else {})} for env in given["envs"] or ("dev",)]
    members = [{"person": person, "role": "owner"} for person in given["owners"]]
    body = {
        "metadata": {"name": name},
        "spec": {"title": given["title"], "environments": environments, "members": members},
    }
    made: Mapping[str, Any] = session.api.send("POST", "/v1/tenants", body, params={"dryRun": dry_run})
    if dry_run:
        out.say(tr("It would be made; nothing was changed."))
    elif not detach:
        made = _wait(session, name, timeout)
    if session.machine:
        out.show_one(made, session.output, lambda: None)


def _wait(session: Session, name: str, timeout: int) -> Mapping[str, Any]:
    seen: dict[str, Any] = {}

    def look() -> Progress:
        seen.update(session.api.get(_path(name)))
        found = out.condition(seen)
        ready = found.get("status") == "True"
        text = "" if ready else str(found.get("message", ""))
        step = Step(tr("Tenant {name}", name=name), "done" if ready else "running", text)
        return Progress((step,), finished=ready)

    follow(look, timeout, f"roost tenant show {name}")
    return seen


@commands.command("delete")
@click.argument("name")
@confirm
@pass_session
def delete(session: Session, name: str, confirm: str | None) -> None:
    """Delete a tenant with all its environments, applications, repositories and data."""
    warning = tr("Tenant {name} goes, with all its environments, applications, repositories and data.", name=name)
    session.confirm(warning, name, confirm)
    session.api.send("DELETE", _path(name))
    out.say(tr("Tenant {name} is being deleted.", name=name))


@commands.command("invite", examples=("roost tenant invite acme --mail lin@example.com --role developer --env dev",))
@click.argument("tenant")
@click.option("--mail", default="", help="The mail address; who signs in through a provider must have it.")
@click.option("--title", default="", help="The name that people see.")
@click.option(
    "--role", type=click.Choice(ROLES), default="developer", help="What the person may do; developer without it."
)
@click.option("--env", "envs", multiple=True, metavar="ENV", help="Only in this environment; all without it.")
@click.option(
    "--days", type=click.IntRange(1, 30), default=7, metavar="DAYS", help="How long the link is good for, at most 30."
)
@output
@pass_session
def invite(session: Session, tenant: str, envs: tuple[str, ...], days: int, **given: str) -> None:
    """Invite somebody into a tenant: a link that is good once, printed this once (owners)."""
    body = {**given, "environments": list(envs), "expiresInDays": days}
    made = session.api.send("POST", f"{_path(tenant)}/invitations", body)
    out.show_one(made, session.output, lambda: out.write(made["url"]))
    out.say(tr("Give the link to whom you mean, and to nobody else; good until {moment}.", moment=made["expiresAt"]))


@commands.group("invitation")
def invitation() -> None:
    """Invitations that are open: list, revoke."""


@invitation.command("list")
@click.argument("tenant", required=False)
@output
@pass_session
def invitation_list(session: Session, tenant: str | None) -> None:
    """List the open invitations of a tenant."""
    found = session.api.get(f"{_path(tenant or session.tenant)}/invitations")
    out.show_list(found, INVITATIONS, session.output, tr("No invitation is open."))


@invitation.command("revoke")
@click.argument("tenant")
@click.argument("id")
@pass_session
def invitation_revoke(session: Session, tenant: str, id: str) -> None:
    """Take an invitation back."""
    session.api.send("DELETE", f"{_path(tenant)}/invitations/{id}")
    out.say(tr("Invitation {id} is taken back.", id=id))


@commands.group("member")
def member() -> None:
    """Members of a tenant: list, add, remove."""


@member.command("list")
@click.argument("tenant", required=False)
@output
@pass_session
def member_list(session: Session, tenant: str | None) -> None:
    """List the members of a tenant."""
    found = session.api.get(_path(tenant or session.tenant))
    out.show_list({"items": _members(found)}, MEMBERS, session.output, tr("The tenant has no members."))


def _members(tenant: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Those who were named, and those who are members by a group."""
    named = out.at(tenant, "spec.members", ())
    grouped = [{**item, "by": tr("a group")} for item in out.at(tenant, "status.byGroup", ())]
    return [{**item, "name": item.get("person")} for item in (*named, *grouped)]


@member.command("add", examples=("roost tenant member add acme mei --role developer --env dev --env test",))
@click.argument("tenant")
@click.argument("person")
@click.option(
    "--role", type=click.Choice(ROLES), default="developer", help="What the person may do; developer without it."
)
@click.option("--env", "envs", multiple=True, metavar="ENV", help="Only in this environment; all without it.")
@pass_session
def member_add(session: Session, tenant: str, person: str, role: str, envs: tuple[str, ...]) -> None:
    """Add a person to a tenant, or change what they may do there."""
    entry: dict[str, Any] = {"person": person, "role": role}
    if envs:
        entry["environments"] = list(envs)
    _change(session, tenant, lambda members: [*_beside(members, person, envs), entry])
    out.say(tr("{person} is {role} of {tenant}.", person=person, role=role, tenant=tenant))


def _beside(members: list[Any], name: str, envs: tuple[str, ...], key: str = "person") -> Iterator[Any]:
    """What stays when one of them gets a role in these environments (none: in all): others, other environments."""
    for item in members:
        if item[key] != name:
            yield item
            continue
        left = [env for env in item.get("environments") or () if env not in envs]
        if envs and left:
            yield {**item, "environments": left}


@member.command("remove")
@click.argument("tenant")
@click.argument("person")
@pass_session
def member_remove(session: Session, tenant: str, person: str) -> None:
    """Take a person out of a tenant."""

    def without(members: list[Any]) -> list[Any]:
        kept = [item for item in members if item["person"] != person]
        if len(kept) == len(members):
            raise Failure(tr("{person} is no member of {tenant}.", person=person, tenant=tenant), code=NOT_FOUND)
        return kept

    _change(session, tenant, without)
    out.say(tr("{person} is no longer a member of {tenant}.", person=person, tenant=tenant))


@commands.group("group")
def group_() -> None:
    """Groups at the site's provider, and what they may do: list, add, remove."""


@group_.command("list")
@click.argument("tenant", required=False)
@output
@pass_session
def group_list(session: Session, tenant: str | None) -> None:
    """List the groups that make people members of a tenant."""
    found = session.api.get(_path(tenant or session.tenant))
    rows = [{**item, "name": item.get("group")} for item in out.at(found, "spec.groups", ())]
    out.show_list({"items": rows}, GROUPS, session.output, tr("No group makes anybody a member of the tenant."))


@group_.command("add", examples=("roost tenant group add acme payments-team --role developer --env dev",))
@click.argument("tenant")
@click.argument("group")
@click.option(
    "--role", type=click.Choice(ROLES), default="developer", help="What its people may do; developer without it."
)
@click.option("--env", "envs", multiple=True, metavar="ENV", help="Only in this environment; all without it.")
@pass_session
def group_add(session: Session, tenant: str, group: str, role: str, envs: tuple[str, ...]) -> None:
    """Make everybody of a group at the provider a member, from their next sign-in on; or change what they may do."""
    entry: dict[str, Any] = {"group": group, "role": role}
    if envs:
        entry["environments"] = list(envs)
    _change(session, tenant, lambda groups: [*_beside(groups, group, envs, "group"), entry], "groups")
    out.say(tr("Who is in {group} is {role} of {tenant}.", group=group, role=role, tenant=tenant))


@group_.command("remove")
@click.argument("tenant")
@click.argument("group")
@pass_session
def group_remove(session: Session, tenant: str, group: str) -> None:
    """Let a group no longer make anybody a member."""

    def without(groups: list[Any]) -> list[Any]:
        kept = [item for item in groups if item["group"] != group]
        if len(kept) == len(groups):
            raise Failure(tr("{group} is no group of {tenant}.", group=group, tenant=tenant), code=NOT_FOUND)
        return kept

    _change(session, tenant, without, "groups")
    out.say(tr("{group} no longer makes anybody a member of {tenant}.", group=group, tenant=tenant))


def _change(session: Session, tenant: str, change: Any, which: str = "members") -> None:
    # It is one list: written only over the version that was read, so that two who add people lose nobody.
    for left in reversed(range(TRIES)):
        found = session.api.get(_path(tenant))
        changed = change(list(out.at(found, f"spec.{which}", ())))
        match = {"If-Match": f'"{out.at(found, "metadata.resourceVersion", "")}"'}
        try:
            session.api.send("PATCH", _path(tenant), {"spec": {which: changed}}, headers=match)
            return
        except Failure as failure:
            if failure.code != CONFLICT or not left:
                raise
