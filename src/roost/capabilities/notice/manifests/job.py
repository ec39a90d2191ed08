"""The Job of one webhook: a pod of the build namespace, behind the tenant's walls, sends it. Pure.

It has no Kubernetes token, and of Secrets only the channel's. A pod that was not answered is followed by another one;
Kubernetes waits 10 s before the second, and twice as long before each further one.
"""

from typing import Any, Final

from roost.model import build_pod
from roost.model.kinds.channel import Notice
from roost.model.names import BUILD, MANAGED_BY, NOTICE, TENANT, namespace
from roost.model.notice_task import VARIABLE, NoticeTask

DEADLINE_S: Final = 3600
KEEP_S: Final = 600
TRIES: Final = 8


def _pod(image: str, secret: str, task: NoticeTask) -> dict[str, Any]:
    container = {
        "name": "notify",
        "image": image,
        "command": ["python", "-m", "roost.mains.notify"],
        "volumeMounts": build_pod.mounts(),
    }
    told = (VARIABLE, task.model_dump_json(by_alias=True, exclude_none=True))
    return build_pod.pod(container, told, "64Mi", build_pod.volumes(secret, scratch="16Mi"))


def job(notice: Notice, tenant: str, image: str, secret: str, task: NoticeTask) -> dict[str, Any]:
    """The Job, named as the notice, which owns it."""
    labels = {TENANT: tenant, NOTICE: notice.metadata.name, MANAGED_BY: "roost"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": notice.metadata.name, "namespace": namespace(tenant, BUILD), "labels": labels},
        "spec": {
            "backoffLimit": TRIES,
            "activeDeadlineSeconds": DEADLINE_S,
            "ttlSecondsAfterFinished": KEEP_S,
            "template": {"metadata": {"labels": labels}, "spec": _pod(image, secret, task)},
        },
    }
