"""The certificates that pods of a build namespace trust, copied there from `roost-system` for runs and imports."""

import hashlib
import json
from typing import Final

from roost.kernel.action import ActionContext
from roost.model.build_pod import TRUST_MAP
from roost.model.errors import Waiting
from roost.model.names import BUILD, MANAGED_BY, SYSTEM_NAMESPACE, namespace

DIGEST: Final = "roost.dev/trust-digest"


async def copy_trust(tenant: str, context: ActionContext) -> None:
    """Write the ConfigMap `roost-trust` of the tenant's build namespace where it is not what the platform's is."""
    source = await context.reader.get("v1", "ConfigMap", TRUST_MAP, SYSTEM_NAMESPACE)
    if source is None:
        raise Waiting("TrustMissing", f"ConfigMap {SYSTEM_NAMESPACE}/{TRUST_MAP} is not there yet.", after_s=3.0)
    data = source.get("data") or {}
    digest = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]
    space = namespace(tenant, BUILD)
    copy = await context.client.get("v1", "ConfigMap", TRUST_MAP, space)
    if copy is not None and (copy["metadata"].get("annotations") or {}).get(DIGEST) == digest:
        return
    meta = {"name": TRUST_MAP, "namespace": space, "annotations": {DIGEST: digest}, "labels": {MANAGED_BY: "roost"}}
    await context.client.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}, "roost-run")
