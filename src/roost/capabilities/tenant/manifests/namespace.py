"""The namespace of an environment, or of a tenant's builds."""

from typing import Any

from roost.model import names
from roost.model.names import BUILD


def labels(tenant: str, environment: str) -> dict[str, str]:
    """The labels that every object of the walls carries."""
    return {names.TENANT: tenant, names.ENVIRONMENT: environment, names.MANAGED_BY: "roost"}


def namespace(tenant: str, environment: str, gated: bool = False, signed: bool = False) -> dict[str, Any]:
    """Environments hold pods to the restricted level. Builds need a user namespace with SYS_ADMIN in it, which no level
    but privileged lets pass: there a ValidatingAdmissionPolicy admits the builder's one shape and holds all other pods
    to what restricted asks for. `gated`: versions come in by promotion only; `signed`: only images of the namespace's
    ImageAllowlist run. Admission holds both by their labels.
    """
    level = "privileged" if environment == BUILD else "restricted"
    security = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("warn", "audit")}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": names.namespace(tenant, environment),
            "labels": {
                **labels(tenant, environment),
                **({names.GATED: "true"} if gated else {}),
                **({names.SIGNED: "true"} if signed else {}),
                **({} if environment == BUILD else security),
                "pod-security.kubernetes.io/enforce": level,
            },
        },
    }


def metadata(tenant: str, environment: str, name: str) -> dict[str, Any]:
    """ObjectMeta of a wall in a tenant's namespace."""
    return {
        "name": name,
        "namespace": names.namespace(tenant, environment),
        "labels": {**labels(tenant, environment), names.PLATFORM: "tenant"},
    }
