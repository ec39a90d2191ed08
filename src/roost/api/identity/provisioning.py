"""Provisioning: who a provider's identity is here, who may become somebody, and how a User is made for them.

The API itself has no right to make Users. It becomes `roost-registrar` of `roost-people` for that, whose right is
bounded by admission: people without a role, the groups that the provider gives them, and the removal of machines.
"""

import hashlib
import logging
import re
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from roost.adapters.oidc import Identity
from roost.api import kinds as shapes
from roost.api.access import may
from roost.api.context import Caller, Context, acting_as
from roost.api.identity.records import Owner, Records
from roost.api.objects import MANAGER, Collection
from roost.kube.errors import AlreadyExists, NotFound
from roost.model.conditions import timestamp
from roost.model.kinds.people import MAX_GROUPS, User, UserSpec
from roost.model.kinds.tenant import Tenant
from roost.model.names import API_VERSION, REGISTRAR, NameRefused
from roost.surface.people import person_name
from roost.surface.principal import Principal
from roost.surface.problems import Problem, forbidden, invalid

_LOG = logging.getLogger("roost.api")
TRIES: Final = 8
NOTE_AGAIN: Final = timedelta(hours=12)


def identities(ctx: Context) -> Records:
    """(issuer, subject) -> User, one record each."""
    return Records("identity", ctx.client, ctx.clock)


def identity_id(identity: Identity) -> str:
    """The one id of (issuer, subject)."""
    return hashlib.sha256(f"{identity.issuer}\0{identity.subject}".encode()).hexdigest()[:40]


async def known(ctx: Context, identity: Identity) -> User | None:
    """The User that this identity is; None where it is nobody yet. Problem forbidden where the person is disabled."""
    records = identities(ctx)
    record = await records.find(identity_id(identity))
    if record is None:
        return None
    user = await ctx.people.user(record.owner.person)
    if user is None or user.metadata.uid != record.owner.uid:
        # Whoever it was is gone; whoever bears the name now is somebody else.
        await records.take(record)
        return None
    if user.spec.disabled:
        raise forbidden("You are disabled here. Ask an administrator.")
    return user


async def bind(ctx: Context, identity: Identity, user: User) -> None:
    """From now on this identity is that User. Problem refused where it is somebody already."""
    owner = Owner(user.metadata.name, user.metadata.uid)
    content = {"issuer": identity.issuer, "subject": identity.subject}
    try:
        await identities(ctx).add(identity_id(identity), owner, content)
    except AlreadyExists as error:
        raise Problem("refused", "This identity belongs to somebody here already. Sign in again.") from error


def of_allowed_domain(identity: Identity, domains: tuple[str, ...]) -> bool:
    """Whether the provider vouches for a mail address in one of the domains."""
    return identity.mail_verified and identity.mail.rpartition("@")[2] in domains and "@" in identity.mail


async def note_groups(ctx: Context, user: User, identity: Identity) -> None:
    """Remember which groups the provider gives somebody, so that tenants can tell what they may. Those that were
    before and are no more, go. Of very many, those are kept that some tenant names.
    """
    if identity.groups is None:
        return
    groups = identity.groups
    if len(groups) > MAX_GROUPS:
        named = {item.group for tenant in await ctx.tenants.all() for item in tenant.spec.groups}
        groups = tuple(group for group in groups if group in named)[:MAX_GROUPS]
    now = ctx.clock()
    if groups == user.spec.groups and (not groups or _noted_lately(user, now)):
        return
    registrar = ctx.client.act_as(f"person:{REGISTRAR}")
    target = {"apiVersion": API_VERSION, "kind": User.KIND, "metadata": {"name": user.metadata.name}}
    spec = {"groups": list(groups), "groupsAt": timestamp(now)}
    await registrar.patch(target, {"metadata": {"uid": user.metadata.uid}, "spec": spec}, MANAGER)


def _noted_lately(user: User, now: datetime) -> bool:
    """Not written at each sign-in: every tenant is looked at again when somebody's groups are."""
    return bool(user.spec.groups_at) and now - datetime.fromisoformat(user.spec.groups_at) < NOTE_AGAIN


async def new_person(ctx: Context, name: str, spec: UserSpec, request_id: str) -> User:
    """Make a User without a role. AlreadyExists where one has the name."""
    return await _made(ctx, User.manifest(person_name(name), spec), request_id)


async def new_machine(ctx: Context, tenant: Tenant, title: str, request_id: str) -> User:
    """Make the User of a machine; it goes with its tenant."""
    spec = UserSpec(title=title, machine_of=tenant.metadata.name)
    manifest = User.manifest(f"machine-{secrets.token_hex(6)}", spec)
    owner = {"apiVersion": API_VERSION, "kind": Tenant.KIND, "name": tenant.metadata.name, "uid": tenant.metadata.uid}
    manifest["metadata"]["ownerReferences"] = [owner]
    return await _made(ctx, manifest, request_id)


async def _made(ctx: Context, manifest: dict[str, Any], request_id: str) -> User:
    registrar = ctx.client.act_as(f"person:{REGISTRAR}")
    raw = await registrar.create(shapes.sign(manifest, REGISTRAR, request_id), MANAGER)
    await ctx.people.ensure_account(raw["metadata"]["name"])
    return User.parse(raw)


async def remove_machine(ctx: Context, name: str) -> None:
    """Remove a machine with its token; its ServiceAccount's tokens for kubectl end with it."""
    registrar = ctx.client.act_as(f"person:{REGISTRAR}")
    try:
        await registrar.delete({"apiVersion": API_VERSION, "kind": User.KIND, "metadata": {"name": name}})
    except NotFound:
        pass
    await ctx.people.remove(name)
    ctx.authentication.forget()


async def person_for(ctx: Context, identity: Identity, request_id: str) -> User:
    """A new person for an identity that is nobody yet."""
    spec = UserSpec(title=identity.name or identity.username, mail=identity.mail)
    stem = name_from(identity.username or identity.mail.partition("@")[0])
    for number in range(TRIES):
        name = f"{stem}-{secrets.token_hex(2)}" if number else stem
        try:
            user = await new_person(ctx, name, spec, request_id)
        except (AlreadyExists, NameRefused):
            continue
        try:
            await bind(ctx, identity, user)
        except Problem:
            # Two browsers at once: the other one made the person.
            _LOG.warning("a person was made twice at once", extra={"person": name})
            raise
        return user
    raise Problem("refused", "No free name was found for you here. Ask an administrator to make you a person.")


def name_from(text: str) -> str:
    """A person's id made of what somebody is called elsewhere."""
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower().partition("@")[0]).strip("-").lstrip("0123456789-")
    plain = plain.removeprefix("roost-").removeprefix("machine-")[:32].strip("-")
    return plain if len(plain) > 1 else f"person-{plain}".strip("-")


def as_person(ctx: Context, user: User, request_id: str) -> Caller:
    """Somebody else's rights, for what they have set going (an invitation)."""
    principal = Principal(user.metadata.name, None, user.spec.platform_role, user.metadata.uid)
    return acting_as(ctx, principal, request_id)


async def add_member(caller: Caller, tenant: str, entry: dict[str, Any], dry_run: bool = False) -> None:
    """Make somebody a member. Problem forbidden where the caller may not."""

    def more(members: list[Any]) -> list[Any]:
        others = [item for item in members if {"environments": [], **item} != {"environments": [], **entry}]
        return [*others, entry]

    await _change_members(caller, tenant, more, dry_run)


async def remove_member(caller: Caller, tenant: str, person: str) -> None:
    """Take somebody out of the members. Problem forbidden where the caller may not."""
    await _change_members(caller, tenant, lambda members: [item for item in members if item["person"] != person])


async def _change_members(
    caller: Caller, tenant: str, how: Callable[[list[Any]], list[Any]], dry_run: bool = False
) -> None:
    def changed(current: dict[str, Any]) -> dict[str, Any]:
        members = how(list((current.get("spec") or {}).get("members") or []))
        return shapes.patched(Tenant, current, {"spec": {"members": members}})

    await Collection(Tenant, None, caller.client, caller).change(tenant, changed, dry_run=dry_run)


def known_environments(tenant: Tenant, environments: Sequence[str]) -> None:
    """Problem invalid where the tenant lacks one."""
    if unknown := sorted(set(environments) - {item.name for item in tenant.spec.environments}):
        raise invalid("environments", f"There is no environment {unknown[0]!r}.")


async def may_change_members(ctx: Context, caller: Caller, tenant: str) -> Tenant:
    """The tenant, when the caller may say who is in it; Problem not-found, forbidden."""
    found = await ctx.tenants.visible(caller.principal, tenant)
    if not await may(ctx.client, caller.principal, "update", "tenants", "", tenant):
        raise forbidden(f"Only owners of {tenant} may do this.")
    return found
