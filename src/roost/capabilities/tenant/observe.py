"""What stands of a Tenant. Reads only, no decisions."""

import base64
from datetime import datetime

from cryptography import x509

from roost.capabilities.tenant.domains import certified_domains, read_domains
from roost.capabilities.tenant.model import (
    AUTHORITY,
    GATEWAY_TLS,
    SETTINGS,
    Observed,
    Platform,
    SeenNamespace,
    SeenPerson,
)
from roost.capabilities.tenant.walls import FIRST_WALL
from roost.kernel.capability import Watch
from roost.kube.errors import UnknownKind
from roost.kube.reader import Object, Reader
from roost.model import names
from roost.model.kinds.images import NAME as IMAGES
from roost.model.kinds.images import ImageAllowlist
from roost.model.kinds.people import GROUPS_LAST, User
from roost.model.kinds.tenant import Tenant
from roost.settings import Settings

WATCHES = (
    Watch("v1", "Namespace", owner="owner", labels=names.TENANT),
    Watch("v1", "ResourceQuota", owner="owner", labels=names.PLATFORM),
    Watch("v1", "LimitRange", owner="owner", labels=names.PLATFORM),
    Watch("networking.k8s.io/v1", "NetworkPolicy", owner="owner", labels=names.PLATFORM),
    Watch("rbac.authorization.k8s.io/v1", "RoleBinding", owner="owner", labels=names.PLATFORM),
    Watch("v1", "ServiceAccount", owner="owner", labels=names.PLATFORM),
    Watch(names.API_VERSION, "User", owner="all"),
    Watch(names.API_VERSION, "Domain", owner="all"),
)


async def _has_walls(reader: Reader) -> bool:
    """Whether the cluster has rules that outrank a tenant's own: those that were installed with the platform."""
    try:
        return await reader.get("cilium.io/v2", "CiliumClusterwideNetworkPolicy", FIRST_WALL) is not None
    except UnknownKind:
        return False


def _platform(raw: Object | None, settings: Settings, cilium: bool) -> Platform:
    data = (raw or {}).get("data") or {}
    defaults = Platform()
    return Platform(
        domain=settings.domain,
        pod_networks=tuple(data["podNetworks"].split()) if "podNetworks" in data else defaults.pod_networks,
        service_networks=(
            tuple(data["serviceNetworks"].split()) if "serviceNetworks" in data else defaults.service_networks
        ),
        node_networks=tuple(data.get("nodeNetworks", "").split()),
        cilium=cilium,
    )


def read_certificate(secret: Object | None) -> tuple[tuple[str, ...], datetime | None]:
    """(DNS names, end) of the certificate in a TLS Secret; no names and None when it is missing or unreadable."""
    text = ((secret or {}).get("data") or {}).get("tls.crt")
    if not text:
        return (), None
    try:
        certificate = x509.load_pem_x509_certificate(base64.b64decode(text))
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return (), None
    return tuple(sorted(alternative.get_values_for_type(x509.DNSName))), certificate.not_valid_after_utc


def _counted(quota: Object) -> bool:
    used = (quota.get("status") or {}).get("used") or {}
    return set((quota.get("spec") or {}).get("hard") or {}) <= set(used)


def _listed(allowlist: Object | None) -> bool:
    status = (allowlist or {}).get("status") or {}
    return "admitted" in status and "predating" in status


async def _namespaces(reader: Reader, tenant: Tenant) -> tuple[SeenNamespace, ...]:
    name = tenant.metadata.name
    labelled = await reader.list("v1", "Namespace", None, f"{names.TENANT}={name}")
    found = {item["metadata"]["name"]: item for item in labelled}
    for environment in [*(item.name for item in tenant.spec.environments), names.BUILD]:
        wanted = names.namespace(name, environment)
        if wanted not in found and (other := await reader.get("v1", "Namespace", wanted)) is not None:
            found[wanted] = other
    seen = []
    for key, item in sorted(found.items()):
        meta = item["metadata"]
        apps, quotas, images = [], [], None
        if (meta.get("labels") or {}).get(names.TENANT) == name:
            quotas = await reader.list("v1", "ResourceQuota", key, names.PLATFORM)
            images = await reader.get(names.API_VERSION, ImageAllowlist.KIND, IMAGES, key)
            apps = [app["metadata"]["name"] for app in await reader.list(names.API_VERSION, "App", key)]
        seen.append(
            SeenNamespace(
                name=key,
                labels=meta.get("labels") or {},
                terminating=bool(meta.get("deletionTimestamp")),
                apps=tuple(sorted(apps)),
                listed=_listed(images),
                counted=all(_counted(quota) for quota in quotas),
            )
        )
    return tuple(seen)


def _grouped(users: list[Object], tenant: Tenant) -> tuple[SeenPerson, ...]:
    """Who is in a group that the tenant names. A machine is in none, and what cannot be read is no group."""
    named = {item.group for item in tenant.spec.groups}
    found = []
    for raw in users if named else ():
        try:
            user = User.parse(raw)
            noted = datetime.fromisoformat(user.spec.groups_at)
        except ValueError:
            continue
        groups = tuple(sorted(named & set(user.spec.groups)))
        if groups and not user.spec.machine_of and noted.tzinfo is not None:
            meta = user.metadata
            found.append(SeenPerson(person=meta.name, uid=meta.uid, groups=groups, until=noted + GROUPS_LAST))
    return tuple(sorted(found, key=lambda item: item.person))


async def observe(reader: Reader, tenant: Tenant, settings: Settings) -> Observed:
    """Namespaces with the tenant's names or label, people, and the gateway's certificate."""
    users = await reader.list(names.API_VERSION, "User")
    tenants = await reader.list(names.API_VERSION, "Tenant")
    people = {
        user["metadata"]["name"]: user["metadata"]["uid"]
        for user in users
        if not (user.get("spec") or {}).get("disabled") and not user["metadata"].get("deletionTimestamp")
    }
    gateway = await reader.get("v1", "Secret", GATEWAY_TLS, names.SYSTEM_NAMESPACE)
    certified, until = read_certificate(gateway)
    return Observed(
        platform=_platform(
            await reader.get("v1", "ConfigMap", SETTINGS, names.SYSTEM_NAMESPACE), settings, await _has_walls(reader)
        ),
        namespaces=await _namespaces(reader, tenant),
        people=tuple(sorted(people)),
        uids={name: people[name] for name in sorted(people)},
        grouped=_grouped(users, tenant),
        certified=certified,
        certified_until=until,
        authority=await reader.get("v1", "Secret", AUTHORITY, names.SYSTEM_NAMESPACE) is not None,
        tenants=tuple(sorted(item["metadata"]["name"] for item in tenants)),
        domains=await read_domains(reader),
        certified_domains=certified_domains(gateway),
    )
