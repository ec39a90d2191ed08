"""Named checks of a Tenant: what stands in the way, in words for the person who asked. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from roost.capabilities.tenant.model import Observed, SeenNamespace
from roost.model import names
from roost.model.kinds.gates import zone_known
from roost.model.kinds.tenant import GroupMember, Tenant
from roost.model.plan import Verdict

OK = Verdict(True)
MOST_BY_GROUP = 1000


def names_allowed(tenant: Tenant) -> Verdict:
    """The names of the tenant and of its environments can be taken."""
    try:
        names.tenant_name(tenant.metadata.name)
        for environment in tenant.spec.environments:
            names.environment_name(environment.name)
    except names.NameRefused as refused:
        return Verdict(False, "NameRefused", str(refused))
    return OK


def taken(tenant: Tenant, wanted: Sequence[str], observed: Observed) -> tuple[SeenNamespace, ...]:
    """Namespaces that bear a name we need and are not this tenant's: never adopted."""
    return tuple(seen for seen in observed.namespaces if seen.name in wanted and seen.tenant != tenant.metadata.name)


def not_taken(tenant: Tenant, wanted: Sequence[str], observed: Observed) -> Verdict:
    """No namespace of somebody else bears a name that this tenant needs."""
    foreign = taken(tenant, wanted, observed)
    if not foreign:
        return OK
    listed = ", ".join(sorted(seen.name for seen in foreign))
    return Verdict(
        False,
        "NamespaceTaken",
        f"A namespace of this name exists and does not belong to the tenant: {listed}. Roost does not take it over: "
        "rename the environment, or have an administrator remove that namespace.",
    )


def counted(wanted: Sequence[str], observed: Observed) -> Verdict:
    """Every quota is counted: until then Kubernetes refuses whatever is made there ("status unknown for quota")."""
    waiting = [seen.name for seen in observed.namespaces if seen.name in wanted and not seen.counted]
    if not waiting:
        return OK
    return Verdict(False, "CountingQuota", f"Kubernetes counts what the quota names in {', '.join(waiting)}.")


def leaving(tenant: Tenant, wanted: Sequence[str], observed: Observed) -> tuple[SeenNamespace, ...]:
    """Namespaces of environments that the spec no longer names."""
    return tuple(
        seen
        for seen in observed.namespaces
        if seen.tenant == tenant.metadata.name and seen.name not in wanted and not seen.terminating
    )


def nothing_left_behind(tenant: Tenant, wanted: Sequence[str], observed: Observed) -> Verdict:
    """Environments that were taken out of the spec hold no application."""
    kept = [seen for seen in leaving(tenant, wanted, observed) if seen.apps]
    if not kept:
        return OK
    words = "; ".join(f"{seen.labels.get(names.ENVIRONMENT, seen.name)}: {', '.join(seen.apps)}" for seen in kept)
    return Verdict(
        False,
        "EnvironmentInUse",
        f"An environment that is to be removed still holds applications ({words}). Delete them first, or put the "
        "environment back; until then nothing of it is removed.",
    )


def terminating(wanted: Sequence[str], observed: Observed) -> Verdict:
    """No namespace that is wanted is on its way out."""
    going = sorted(seen.name for seen in observed.namespaces if seen.name in wanted and seen.terminating)
    if not going:
        return OK
    return Verdict(
        False,
        "NamespaceTerminating",
        f"Still being deleted: {', '.join(going)}. It is made anew as soon as the old one is gone.",
    )


def known(tenant: Tenant, observed: Observed) -> dict[str, str]:
    """The uid of each member: as it was first seen, else as it is now. A person who is not there has none yet."""
    seen = {item.person: item.uid for item in tenant.status.people}
    people = {member.person for member in tenant.spec.members}
    return {
        person: seen.get(person) or observed.uids[person]
        for person in sorted(people)
        if person in seen or person in observed.uids
    }


def replaced(tenant: Tenant, observed: Observed) -> tuple[str, ...]:
    """Members whose User was deleted and made anew: somebody else, who was never made a member."""
    uids = known(tenant, observed)
    return tuple(person for person, uid in uids.items() if observed.uids.get(person, uid) != uid)


def by_group(tenant: Tenant, observed: Observed, now: datetime) -> tuple[GroupMember, ...]:
    """Who is a member by a group, and as what: as the provider said at their last sign-in, while that is believed."""
    entitled = set(observed.people)
    found = [
        GroupMember(person=seen.person, uid=seen.uid, role=item.role, environments=item.environments)
        for seen in observed.grouped
        if seen.until > now and seen.person in entitled
        for item in tenant.spec.groups
        if item.group in seen.groups
    ]
    return tuple(dict.fromkeys(found))[:MOST_BY_GROUP]


def next_lapse(observed: Observed, now: datetime) -> timedelta | None:
    """When the next of them is no longer believed; None where there is none."""
    ends = [seen.until - now for seen in observed.grouped if seen.until > now]
    return min(ends, default=None)


def people_known(tenant: Tenant, observed: Observed) -> Verdict:
    """Every member is a person who exists and is not disabled; others get no rights."""
    others = replaced(tenant, observed)
    if others:
        return Verdict(
            False,
            "SomebodyElse",
            f"Made anew since they became members, so somebody else: {', '.join(others)}. They have no rights here. "
            "Remove them from the members and add them again if they are meant.",
        )
    unknown = sorted({member.person for member in tenant.spec.members} - set(observed.people))
    if not unknown:
        return Verdict(True, "AllKnown")
    return Verdict(
        False,
        "UnknownPeople",
        f"No such person, or disabled: {', '.join(unknown)}. They have no rights here until the person exists.",
    )


def environments_named(tenant: Tenant) -> Verdict:
    """Members and groups are limited to environments that there are."""
    there = {environment.name for environment in tenant.spec.environments}
    named = {name for member in tenant.spec.members for name in member.environments}
    named |= {name for group in tenant.spec.groups for name in group.environments}
    wrong = sorted(named - there)
    if not wrong:
        return OK
    return Verdict(
        False,
        "UnknownEnvironment",
        f"Members or groups are named for environments that do not exist: {', '.join(wrong)}.",
    )


def zones_known(tenant: Tenant) -> Verdict:
    """The time zones of freeze windows can be told; until then such a window stays closed."""
    unknown = sorted(
        {
            freeze.zone
            for item in tenant.spec.environments
            for freeze in item.gates.freezes
            if not zone_known(freeze.zone)
        }
    )
    if not unknown:
        return OK
    return Verdict(
        False,
        "UnknownZone",
        f"There is no time zone {', '.join(unknown)}: write it as in Europe/Berlin. Until then its freeze window stays "
        "closed and nothing new is brought in.",
    )
