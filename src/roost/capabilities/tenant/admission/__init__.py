"""ValidatingAdmissionPolicies: the walls that RBAC cannot build. Installed with the platform, before there is a tenant.

They hold for people and for deployers alike, on every way to write. Where RBAC already refuses, they stand behind it: a
role that is widened by mistake opens nothing. Pure builders; `roost.node` applies what `policies` gives.
"""

from typing import Any

from roost.capabilities.tenant.admission import delivery, named, objects, outcomes, pods
from roost.model import names


def policies(domain: str, registry: str = names.REGISTRY, platform: str = names.PRELOADED) -> list[dict[str, Any]]:
    """Every policy with its binding. `domain`: beneath which applications answer; `registry`: whose images may run;
    `platform`: what the names of the platform's own images begin with.
    """
    return [
        *pods.in_environments(registry),
        *pods.signed(),
        *pods.in_builds(registry, platform),
        *pods.no_way_in(),
        *objects.services(),
        *objects.routes(domain),
        *objects.domains(domain),
        *objects.secrets(),
        *objects.volumes(),
        *objects.platform_kinds(),
        *objects.labelled(),
        *objects.statuses(),
        *objects.authors(),
        *named.makers(),
        *delivery.gates(),
        *delivery.scans(),
        *delivery.waivers(),
        *delivery.destinations(),
        *outcomes.outcomes(),
        *objects.namespaces(),
        *objects.tenants(),
        *objects.registrar(),
        *objects.controller(),
    ]
