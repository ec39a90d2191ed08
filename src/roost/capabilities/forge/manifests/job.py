"""The Job of one word to a forge: unprivileged, without a Kubernetes token, the only pod with the forge's token. Pure.

The label of a run, by which the builder is reached, it lacks.
"""

from typing import Any, Final

from roost.model import build_pod
from roost.model.forge_task import VARIABLE, ForgeTask
from roost.model.kinds.forge import CommitStatus
from roost.model.names import BUILD, MANAGED_BY, PROJECT, REPORT, TENANT, namespace

DEADLINE_S: Final = 300
KEEP_S: Final = 600


def job(item: CommitStatus, tenant: str, image: str, token: str, task: ForgeTask) -> dict[str, Any]:
    """The Job, named as the CommitStatus, which owns it. `token`: the name of the Secret with the forge's token."""
    labels = {TENANT: tenant, PROJECT: item.spec.project, REPORT: item.metadata.name, MANAGED_BY: "roost"}
    container = {
        "name": "forge",
        "image": image,
        "command": ["python", "-m", "roost.mains.forge"],
        "volumeMounts": build_pod.mounts(),
    }
    told = (VARIABLE, task.model_dump_json(by_alias=True, exclude_none=True))
    pod = build_pod.pod(container, told, "64Mi", build_pod.volumes(token, scratch="16Mi"))
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": item.metadata.name, "namespace": namespace(tenant, BUILD), "labels": labels},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": DEADLINE_S,
            "ttlSecondsAfterFinished": KEEP_S,
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
