"""Asks kube-apiserver whether a person may do something (SubjectAccessReview): for git, registry and open streams."""

from roost.kube.client import Client
from roost.model.names import GROUP
from roost.surface.principal import Principal


async def may(
    client: Client, principal: Principal, verb: str, resource: str, namespace: str, name: str = "", group: str = GROUP
) -> bool:
    """May the person do `verb` on `resource` (or `resource/subresource`) in that namespace? KubeError."""
    resource, _, subresource = resource.partition("/")
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": principal.username,
            "groups": list(principal.groups),
            "resourceAttributes": {
                "group": group,
                "resource": resource,
                "verb": verb,
                "namespace": namespace,
                **({"subresource": subresource} if subresource else {}),
                **({"name": name} if name else {}),
            },
        },
    }
    answer = await client.request("POST", "apis/authorization.k8s.io/v1/subjectaccessreviews", body)
    return (answer.get("status") or {}).get("allowed") is True
