"""The plan of a Tenant: a namespace per environment and one for builds, each with its walls. Pure.

The walls are applied by the platform itself; no tenant's identity may touch them. What is in the way (a namespace of
somebody else, applications in an environment that is to go) stops only that part, and pruning with it.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from roost.capabilities.tenant import checks
from roost.capabilities.tenant.manifests import identities, images, limits, network
from roost.capabilities.tenant.manifests.namespace import namespace
from roost.capabilities.tenant.model import AUTHORITY, Observed
from roost.capabilities.tenant.walls import between_tenants
from roost.model import names
from roost.model.conditions import Condition, not_ready, ready
from roost.model.kinds.tenant import Member, Quota, Tenant
from roost.model.names import BUILD
from roost.model.plan import Action, Apply, Plan

LOOK_AGAIN = timedelta(seconds=15)
RENEW_BEFORE = timedelta(days=30)


def _owner(tenant: Tenant) -> dict[str, Any]:
    meta = tenant.metadata
    return {"apiVersion": names.API_VERSION, "kind": Tenant.KIND, "name": meta.name, "uid": meta.uid}


def _environment(
    tenant: Tenant, environment: str, quota: Quota, members: tuple[Member, ...], observed: Observed
) -> list[Apply]:
    """Everything of one namespace, in the order that is safe: the walls stand before anybody has a right in it."""
    name = tenant.metadata.name
    policies = (
        network.build_policies(name, observed.platform)
        if environment == BUILD
        else network.environment_policies(name, environment, observed.platform)
    )
    accounts = [] if environment == BUILD else [identities.account(name, environment, names.DEPLOYER)]
    # Not owned: on its way out a namespace loses its pods first and these last, so no pod ever runs without its walls.
    # `default` is made by Kubernetes itself and only changed here.
    within = [identities.account(name, environment, "default"), *policies]
    for manifest in within:
        manifest["metadata"]["ownerReferences"] = [_owner(tenant)]
    walls: list[dict[str, Any]] = [
        *([] if environment == BUILD else [images.allowlist(name, environment)]),
        limits.quota(name, environment, quota),
        limits.limits(name, environment),
        *accounts,
        *identities.platform_bindings(name, environment),
        *identities.member_bindings(name, environment, members),
    ]
    seen = {item.name: item for item in observed.namespaces}
    there = seen.get(names.namespace(name, environment))
    # Made, not applied, as long as it was not seen: a namespace that somebody makes in between is not adopted.
    gated = any(item.name == environment and item.gates.closed for item in tenant.spec.environments)
    signed = environment != BUILD and (there is None or there.signed)
    made = Apply(namespace(name, environment, gated, signed), create=there is None)
    return [
        _named(made, name, environment, observed),
        *[Apply(manifest, owned=False) for manifest in within],
        *[Apply(manifest) for manifest in walls],
    ]


def _named(made: Apply, tenant: str, environment: str, observed: Observed) -> Apply:
    """The namespace with the host names that it was granted: admission reads them there."""
    mine = [item.name for item in observed.domains if (item.tenant, item.environment) == (tenant, environment)]
    if not mine or environment == BUILD:
        return made
    metadata = {**made.manifest["metadata"], "annotations": {names.DOMAINS: " ".join(mine)}}
    return replace(made, manifest={**made.manifest, "metadata": metadata})


def _certificate(tenant: Tenant, observed: Observed, now: datetime) -> tuple[Action, ...]:
    """Ask for a certificate that names every tenant and domain, where the gateway's lacks one of this tenant's, or
    soon ends. One that names what was taken back is the first tenant's to replace.
    """
    wildcards = sorted(f"*.{name}.{observed.platform.domain}" for name in {*observed.tenants, tenant.metadata.name})
    until = observed.certified_until
    lasts = until is not None and until - RENEW_BEFORE > now
    mine = {item.name for item in observed.domains if item.tenant == tenant.metadata.name}
    named = {f"*.{tenant.metadata.name}.{observed.platform.domain}", *mine} <= set(observed.certified)
    first = tenant.metadata.name == min(observed.tenants, default="")
    if not observed.authority or (lasts and named and not (first and _taken_back(observed))):
        return ()
    granted = [item.name for item in observed.domains]
    key = names.short_digest(*wildcards, *granted, str(until), length=16)
    return (Action("certify", key, {"domain": observed.platform.domain}),)


def _taken_back(observed: Observed) -> set[str]:
    """Names that the certificate has because they were granted, and that nobody is granted any more."""
    return set(observed.certified_domains) - {item.name for item in observed.domains}


def _conditions(tenant: Tenant, wanted: list[str], observed: Observed) -> tuple[Condition, ...]:
    people = checks.people_known(tenant, observed)
    members = Condition("MembersKnown", "True" if people.ok else "False", people.reason, people.message)
    for verdict in (
        checks.not_taken(tenant, wanted, observed),
        checks.terminating(wanted, observed),
        checks.nothing_left_behind(tenant, wanted, observed),
        checks.environments_named(tenant),
        checks.zones_known(tenant),
        checks.counted(wanted, observed),
    ):
        if not verdict.ok:
            return (not_ready(verdict.reason, verdict.message), members)
    if not observed.authority:
        message = f"HTTPS waits for the internal authority (Secret {names.SYSTEM_NAMESPACE}/{AUTHORITY})."
        return (ready(message=message), members)
    return (ready(message=f"{len(wanted) - 1} environments and the builds are set up."), members)


def plan(tenant: Tenant, observed: Observed, now: datetime) -> Plan:
    """What should be of this Tenant. Time matters only to the gateway's certificate and to members by groups."""
    allowed = checks.names_allowed(tenant)
    if not allowed.ok:
        return Plan(conditions=(not_ready(allowed.reason, allowed.message),), hold=True)
    name = tenant.metadata.name
    quotas = {environment.name: environment.quota for environment in tenant.spec.environments}
    quotas[BUILD] = tenant.spec.build_quota
    wanted = [names.namespace(name, environment) for environment in quotas]
    foreign = {seen.name for seen in checks.taken(tenant, wanted, observed)}
    going = {seen.name for seen in observed.namespaces if seen.terminating}
    entitled = set(observed.people) - set(checks.replaced(tenant, observed))
    by_group = checks.by_group(tenant, observed, now)
    members = (*(member for member in tenant.spec.members if member.person in entitled), *by_group)

    apply = [Apply(manifest) for manifest in identities.tenant_access(name, members)]
    if observed.platform.cilium:
        apply.append(Apply(between_tenants(name)))
    for environment, quota in quotas.items():
        if names.namespace(name, environment) not in foreign | going:
            apply += _environment(tenant, environment, quota, members, observed)
    # Where an environment may not go yet, people who lost their rights lose them there too.
    for seen in checks.leaving(tenant, wanted, observed):
        environment = seen.labels.get(names.ENVIRONMENT, "")
        if seen.apps and names.namespace(name, environment) == seen.name:
            apply += [Apply(manifest) for manifest in identities.member_bindings(name, environment, members)]
    waiting = bool(foreign | (going & set(wanted)))
    unlisted = any(not seen.signed for seen in observed.namespaces if seen.name in wanted and seen.name != wanted[-1])
    in_use = not checks.nothing_left_behind(tenant, wanted, observed).ok
    return Plan(
        apply=tuple(apply),
        actions=_certificate(tenant, observed, now),
        conditions=_conditions(tenant, wanted, observed),
        status={
            "namespaces": [item for item in wanted if item not in foreign],
            "people": [{"person": person, "uid": uid} for person, uid in checks.known(tenant, observed).items()],
            **({"byGroup": [item.wire() for item in by_group]} if by_group or tenant.status.by_group else {}),
        },
        next_check=LOOK_AGAIN if waiting or in_use or unlisted else checks.next_lapse(observed, now),
        hold=waiting or in_use,
    )
