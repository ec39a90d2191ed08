"""metrics-server: CPU and memory of pods and nodes for `kubectl top` and the autoscaler."""

import base64
from typing import Final

from roost.node.manifests.common import (
    CRITICAL,
    SYSTEM,
    Manifest,
    binding,
    container,
    deployment,
    http_probe,
    metadata,
    mount,
    pod_template,
    resources,
    role,
    rule,
    service,
    service_account,
)

NAME: Final = "metrics-server"
ACCOUNT: Final = (SYSTEM, NAME)
HOST: Final = f"{NAME}.{SYSTEM}.svc"  # What kube-apiserver expects in the certificate of a service that it asks.
TLS_SECRET: Final = "metrics-server-tls"
FILES: Final = "/etc/metrics-server-tls"


def rights() -> list[Manifest]:
    """Reading the kubelets' figures, and asking the API server who calls."""
    aggregated = role("roost-metrics-reader", [rule("metrics.k8s.io", "pods nodes", "get list watch")])
    aggregated["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-view"] = "true"
    return [
        service_account(NAME, SYSTEM),
        aggregated,
        role(NAME, [rule("-", "nodes/metrics", "get"), rule("-", "pods nodes", "get list watch")]),
        binding(NAME, "ClusterRole", ACCOUNT),
        binding(f"{NAME}-delegator", "ClusterRole", ACCOUNT, role_name="system:auth-delegator"),
        binding(f"{NAME}-reader", "Role", ACCOUNT, SYSTEM, "extension-apiserver-authentication-reader"),
    ]


def server(image: str) -> Manifest:
    """The Deployment. It verifies kubelets by the cluster's authority, which every pod is given, and takes up a
    renewed certificate of its own while it runs.
    """
    body = container(
        NAME,
        image,
        args=[
            "--secure-port=10250",
            f"--tls-cert-file={FILES}/tls.crt",
            f"--tls-private-key-file={FILES}/tls.key",
            "--kubelet-preferred-address-types=InternalIP",
            "--kubelet-certificate-authority=/var/run/secrets/kubernetes.io/serviceaccount/ca.crt",
            "--metric-resolution=15s",
        ],
        ports=[{"name": "https", "containerPort": 10250}],
        livenessProbe=http_probe("/livez", "https", scheme="HTTPS", initialDelaySeconds=30, timeoutSeconds=5),
        readinessProbe=http_probe("/readyz", "https", scheme="HTTPS", periodSeconds=5, timeoutSeconds=5),
        resources=resources("20m", "48Mi", "192Mi"),
        volumeMounts=[mount("tls", FILES, readOnly=True)],
    )
    spec: Manifest = {
        "serviceAccountName": NAME,
        "automountServiceAccountToken": True,
        "priorityClassName": CRITICAL,
        "containers": [body],
        "volumes": [{"name": "tls", "secret": {"secretName": TLS_SECRET}}],
    }
    return deployment(NAME, SYSTEM, 1, pod_template(NAME, spec))


def everything(image: str, authority: str) -> list[Manifest]:
    """All of it, in the order of applying. `authority` (PEM): who signed the certificate in TLS_SECRET for HOST."""
    registration = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": metadata("v1beta1.metrics.k8s.io"),
        "spec": {
            "group": "metrics.k8s.io",
            "version": "v1beta1",
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "caBundle": base64.b64encode(authority.encode()).decode(),
            "service": {"name": NAME, "namespace": SYSTEM, "port": 443},
        },
    }
    return [*rights(), server(image), service(NAME, SYSTEM, {"https": (443, 10250)}), registration]
