"""Asks kube-apiserver whether a person may do something (SubjectAccessReview). For git and the registry."""

from roost.kube.client import Client
from roost.model.names import GROUP
from roost.surface.principal import Principal


async def may(client: Client, principal: Principal, verb: str, resource: str, namespace: str, name: str = "") -> bool:
    """May the person do `verb` on `resource` of our group in that namespace? KubeError."""
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": principal.username,
            "groups": list(principal.groups),
            "resourceAttributes": {
                "group": GROUP,
                "resource": resource,
                "verb": verb,
                "namespace": namespace,
                **({"name": name} if name else {}),
            },
        },
    }
    answer = await client.request("POST", "apis/authorization.k8s.io/v1/subjectaccessreviews", body)
    return (answer.get("status") or {}).get("allowed") is True
