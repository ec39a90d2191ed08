"""The allow-list of an environment's images. Empty: the capability `image` fills in what it has verified."""

from typing import Any

from roost.capabilities.tenant.manifests.namespace import metadata
from roost.model.kinds.images import NAME, ImageAllowlist
from roost.model.names import API_VERSION


def allowlist(tenant: str, environment: str) -> dict[str, Any]:
    """The one of an environment. It bears the platform's label, so no tenant's identity writes or deletes it."""
    return {
        "apiVersion": API_VERSION,
        "kind": ImageAllowlist.KIND,
        "metadata": metadata(tenant, environment, NAME),
        "spec": {},
    }
