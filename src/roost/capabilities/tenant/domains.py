"""Which host names outside the platform's domain were granted, and to whom. Reads only; for `observe`."""

from roost.capabilities.tenant.model import SeenDomain
from roost.kube.reader import Object, Reader
from roost.model import names
from roost.model.kinds.domain import Domain


async def read_domains(reader: Reader) -> tuple[SeenDomain, ...]:
    """Every host name that was granted, sorted. What is about to be taken back is granted no more."""
    found = [Domain.parse(item) for item in await reader.list(names.API_VERSION, Domain.KIND)]
    standing = sorted((item for item in found if not item.metadata.deletion_timestamp), key=lambda it: it.metadata.name)
    return tuple(
        SeenDomain(name=item.metadata.name, tenant=item.spec.tenant, environment=item.spec.environment)
        for item in standing
    )


def certified_domains(secret: Object | None) -> tuple[str, ...]:
    """Of the names in the gateway's certificate, those that were granted; they stand with its Secret."""
    notes = ((secret or {}).get("metadata") or {}).get("annotations") or {}
    return tuple(notes.get(names.DOMAINS, "").split())
