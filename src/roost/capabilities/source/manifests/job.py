"""The Job of one import: unprivileged, without a Kubernetes token, bounded in time and size. Pure.

It is the only pod that mounts the source's credentials. The label of a run, by which the builder is reached, it lacks.
"""

from collections.abc import Mapping
from typing import Any, Final

from roost.model import build_pod
from roost.model.fetch_task import FORGE, SOURCE, VARIABLE, FetchTask
from roost.model.kinds.source import Import
from roost.model.names import BUILD, IMPORT, MANAGED_BY, PROJECT, TENANT, namespace

SPARE_S: Final = 120
KEEP_S: Final = 600
TRIES: Final = 2
PLACES: Final = {"source": SOURCE, "forge": FORGE}


def _pod(item: Import, image: str, secrets: Mapping[str, str], task: FetchTask) -> dict[str, Any]:
    mounts, volumes = build_pod.mounts(), build_pod.volumes(item.metadata.name, scratch="64Mi")
    for name, secret in sorted(secrets.items()):
        mounts.append({"name": name, "mountPath": PLACES[name], "readOnly": True})
        held = {"secretName": secret, "defaultMode": 0o440}
        # Without the forge's token the branch comes all the same, and the look says what is missing.
        volumes.append({"name": name, "secret": held | ({"optional": True} if name == "forge" else {})})
    container = {
        "name": "fetch",
        "image": image,
        "command": ["python", "-m", "roost.mains.fetch"],
        "volumeMounts": mounts,
    }
    told = (VARIABLE, task.model_dump_json(by_alias=True, exclude_none=True))
    return build_pod.pod(container, told, "64Mi", volumes)


def job(item: Import, tenant: str, image: str, secrets: Mapping[str, str], task: FetchTask) -> dict[str, Any]:
    """The Job, named as the import, which owns it. `secrets`: names of Secrets by what they are for (PLACES)."""
    labels = {TENANT: tenant, PROJECT: item.spec.project, IMPORT: item.metadata.name, MANAGED_BY: "roost"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": item.metadata.name, "namespace": namespace(tenant, BUILD), "labels": labels},
        "spec": {
            "backoffLimit": TRIES,
            "activeDeadlineSeconds": task.timeout_s + SPARE_S,
            "ttlSecondsAfterFinished": KEEP_S,
            "template": {"metadata": {"labels": labels}, "spec": _pod(item, image, secrets, task)},
        },
    }
