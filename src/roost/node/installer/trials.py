"""What `probe` puts into the cluster for a moment: namespaces, pods, policies. Pure builders.

Everything lies in three namespaces `roost-probe-*` or bears a name beginning so, and goes at the end.
"""

from typing import Any, Final

from roost.model.names import pull_policy
from roost.node.manifests.common import SAFE_CONTAINER, SAFE_POD, UID, Manifest, namespace

SERVER_SPACE: Final = "roost-probe-server"
CLIENT_SPACE: Final = "roost-probe-client"
BUILD_SPACE: Final = "roost-probe-build"
SPACES: Final = (SERVER_SPACE, CLIENT_SPACE, BUILD_SPACE)
NAME: Final = "roost-probe"
LABEL: Final = {"roost.dev/probe": "true"}
PORT: Final = 8080
REACHED: Final = "reached"
DENIED: Final = "roost-probe-denied"
_SPACE_LABEL: Final = "k8s:io.cilium.k8s.namespace.labels.roost.dev/probe"

SERVE: Final = (
    "import http.server, socketserver\n"
    "class Page(http.server.BaseHTTPRequestHandler):\n"
    "    def do_GET(self):\n        self.send_response(204)\n        self.end_headers()\n"
    f"http.server.ThreadingHTTPServer(('', {PORT}), Page).serve_forever()\n"
)
# Within its namespace the pod is root and may mount; outside it is nobody. Ends well only where both hold.
NAMESPACED: Final = (
    "import ctypes, sys\n"
    "inside, outside, _ = open('/proc/self/uid_map').read().split()[:3]\n"
    "sys.exit('root of the pod is root of the node') if outside == '0' else None\n"
    "libc = ctypes.CDLL(None, use_errno=True)\n"
    "failed = libc.mount(b'none', b'/mnt', b'tmpfs', 0, None)\n"
    "sys.exit(f'mount: error {ctypes.get_errno()}') if failed else None\n"
)
WRITE: Final = "open('/data/written', 'w').write('by nobody'); print('written')"


def spaces() -> list[Manifest]:
    """Two like a tenant's environments, one like its builds."""
    return [
        namespace(SERVER_SPACE, "restricted", LABEL),
        namespace(CLIENT_SPACE, "restricted", LABEL),
        namespace(BUILD_SPACE, "privileged", LABEL),
    ]


def pod(name: str, space: str, image: str, code: str, **spec: Any) -> Manifest:
    """A pod of Python code as a tenant could have it; `spec` adds to its spec, `container` to its container."""
    more = spec.pop("container", {})
    body = {
        "name": "probe",
        "image": image,
        "imagePullPolicy": pull_policy(image),
        "command": ["python", "-c", code],
        "securityContext": SAFE_CONTAINER,
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "96Mi"}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        **more,
    }
    base = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 0,
        "securityContext": SAFE_POD,
        "containers": [body],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": space, "labels": {**LABEL, "app": name}},
        "spec": {**base, **spec},
    }


def server(image: str) -> Manifest:
    """Answers; ready when it does."""
    ready = {"tcpSocket": {"port": PORT}, "periodSeconds": 1}
    return pod("server", SERVER_SPACE, image, SERVE, container={"readinessProbe": ready})


def client(image: str) -> Manifest:
    """Waits to be told whom to ask."""
    return pod("client", CLIENT_SPACE, image, "import signal; signal.pause()")


def ask(address: str) -> list[str]:
    """The command in the client that prints REACHED when the server at `address` takes a connection."""
    code = f"import socket\ntry:\n    socket.create_connection(('{address}', {PORT}), 2)\n    print('{REACHED}')\n"
    return ["python", "-c", code + "except OSError as error:\n    print(error)\n"]


def builder(image: str) -> Manifest:
    """Shaped like a tenant's builder: root and SYS_ADMIN of a user namespace of its own."""
    return pod(
        "builder",
        BUILD_SPACE,
        image,
        NAMESPACED,
        hostUsers=False,
        securityContext={},
        container={
            "securityContext": {
                "runAsUser": 0,
                "capabilities": {"add": ["SYS_ADMIN"]},
                "seccompProfile": {"type": "Unconfined"},
            }
        },
    )


def writer(image: str, storage_class: str) -> list[Manifest]:
    """A claim, and a pod that writes to it as nobody."""
    claim: Manifest = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": CLIENT_SPACE, "labels": LABEL},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "16Mi"}},
            **({"storageClassName": storage_class} if storage_class else {}),
        },
    }
    return [
        claim,
        pod(
            "writer",
            CLIENT_SPACE,
            image,
            WRITE,
            securityContext={**SAFE_POD, "fsGroup": UID},
            volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
            container={"volumeMounts": [{"name": "data", "mountPath": "/data"}]},
        ),
    ]


def network_policy(space: str, **spec: Any) -> Manifest:
    """A NetworkPolicy of the trial over every pod of a namespace."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": NAME, "namespace": space, "labels": LABEL},
        "spec": {"podSelector": {}, **spec},
    }


def deny(space: str, direction: str) -> Manifest:
    """Nothing comes in (`Ingress`), or nothing goes out (`Egress`)."""
    return network_policy(space, policyTypes=[direction])


def allow(space: str, direction: str) -> Manifest:
    """Everything comes in or goes out: what a tenant would write who wants to widen the walls."""
    return network_policy(space, policyTypes=[direction], **{direction.lower(): [{}]})


def outranking() -> Manifest:
    """Cilium's deny rule between the two namespaces, built as the walls of tenants are."""
    chosen = {"matchLabels": {_SPACE_LABEL: "true"}}
    return {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumClusterwideNetworkPolicy",
        "metadata": {"name": NAME, "labels": LABEL},
        "spec": {
            "enableDefaultDeny": {"ingress": False, "egress": False},
            "endpointSelector": chosen,
            "egressDeny": [{"toEndpoints": [chosen]}],
        },
    }


def admission_policy() -> list[Manifest]:
    """Refuses ConfigMaps of one name in one namespace of the trial."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    space = {"matchLabels": {"kubernetes.io/metadata.name": SERVER_SPACE}}
    return [
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": NAME, "labels": LABEL},
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": {"resourceRules": [rule], "namespaceSelector": space},
                "validations": [{"expression": f"object.metadata.name != '{DENIED}'", "message": "the trial"}],
            },
        },
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": NAME, "labels": LABEL},
            "spec": {"policyName": NAME, "validationActions": ["Deny"]},
        },
    ]


def denied() -> Manifest:
    """What the policy refuses."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": DENIED, "namespace": SERVER_SPACE}}


def privileged(image: str) -> Manifest:
    """What the restricted level of Pod Security refuses."""
    return pod("privileged", SERVER_SPACE, image, "", container={"securityContext": {"privileged": True}})


def external() -> Manifest:
    """What DenyServiceExternalIPs refuses."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME, "namespace": SERVER_SPACE},
        "spec": {"ports": [{"port": 80}], "externalIPs": ["192.0.2.1"]},
    }


CLUSTER_WIDE: Final = (
    "validatingadmissionpolicybindings.admissionregistration.k8s.io",
    "validatingadmissionpolicies.admissionregistration.k8s.io",
)
