"""Admission of pods in tenants' namespaces. Every workload kind ends in pods, so pods are what counts. Pure."""

from typing import Any, Final

from roost.capabilities.tenant.admission import words
from roost.capabilities.tenant.admission.words import check, literal
from roost.model import names
from roost.model.kinds.images import NAME, ImageAllowlist

PODS: Final = [words.rule([""], ["pods", "pods/ephemeralcontainers", "pods/resize"])]
BUILDER: Final = "builder"
# Of a repository; no part of it climbs out (`..`).
PATH: Final = "[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"

_ALL_CONTAINERS: Final = (
    "(dyn({0}.spec.containers)"
    " + (has({0}.spec.initContainers) ? dyn({0}.spec.initContainers) : dyn([]))"
    " + (has({0}.spec.ephemeralContainers) ? dyn({0}.spec.ephemeralContainers) : dyn([])))"
)
CONTAINERS: Final = _ALL_CONTAINERS.format("object")
VOLUMES: Final = "(has(object.spec.volumes) ? dyn(object.spec.volumes) : dyn([]))"
# Every image but the one by which instances end: it is the platform's, holds one program and no secret, and is in all.
IMAGES: Final = (
    "(variables.containers.map(c, c.image)"
    " + variables.volumes.filter(v, has(v.image)).map(v, has(v.image.reference) ? v.image.reference : ''))"
    f".filter(i, i != '{names.DRAIN_IMAGE}')"
)

# Kubernetes gives these two to every pod.
_TOLERATED: Final = (
    "!has(object.spec.tolerations) || object.spec.tolerations.all(t, has(t.key)"
    " && t.key in ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']"
    " && has(t.effect) && t.effect == 'NoExecute')"
)
_NO_TOKEN: Final = (
    "variables.volumes.all(v, !has(v.projected) || !has(v.projected.sources)"
    " || v.projected.sources.all(s, !has(s.serviceAccountToken)))"
)
_NO_HOST_PORT: Final = (
    "variables.containers.all(c, !has(c.ports) || c.ports.all(p, !has(p.hostPort) || p.hostPort == 0))"
)
_NO_HOST: Final = (
    "(!has(object.spec.hostNetwork) || !object.spec.hostNetwork) && (!has(object.spec.hostPID) || !object.spec.hostPID)"
    " && (!has(object.spec.hostIPC) || !object.spec.hostIPC)"
)
_VOLUME_TYPES: Final = (
    "variables.volumes.all(v, !has(v.hostPath) && !has(v.nfs) && !has(v.iscsi) && !has(v.csi) && !has(v.flexVolume)"
    " && (has(v.emptyDir) || has(v.configMap) || has(v.secret) || has(v.projected) || has(v.downwardAPI)"
    " || has(v.persistentVolumeClaim) || has(v.ephemeral) || has(v.image)))"
)
# Everything that the restricted level of Pod Security asks for; in build namespaces nothing else does.
_POD_SECURITY: Final = "(has(object.spec.securityContext) ? dyn(object.spec.securityContext) : dyn({}))"
RESTRICTED: Final = {
    "podNonRoot": f"has({_POD_SECURITY}.runAsNonRoot) && {_POD_SECURITY}.runAsNonRoot",
    "podSeccomp": f"has({_POD_SECURITY}.seccompProfile)"
    f" && {_POD_SECURITY}.seccompProfile.type in ['RuntimeDefault', 'Localhost']",
    "restricted": "variables.containers.all(c, has(c.securityContext)"
    " && (!has(c.securityContext.privileged) || !c.securityContext.privileged)"
    " && has(c.securityContext.allowPrivilegeEscalation) && !c.securityContext.allowPrivilegeEscalation"
    " && has(c.securityContext.capabilities) && has(c.securityContext.capabilities.drop)"
    " && 'ALL' in c.securityContext.capabilities.drop"
    " && (!has(c.securityContext.capabilities.add)"
    " || c.securityContext.capabilities.add.all(a, a == 'NET_BIND_SERVICE'))"
    " && (has(c.securityContext.runAsNonRoot) ? c.securityContext.runAsNonRoot : variables.podNonRoot)"
    " && (!has(c.securityContext.runAsUser) || c.securityContext.runAsUser != 0)"
    " && (has(c.securityContext.seccompProfile)"
    " ? c.securityContext.seccompProfile.type in ['RuntimeDefault', 'Localhost'] : variables.podSeccomp)"
    " && (!has(c.securityContext.procMount) || c.securityContext.procMount == 'Default'))"
    f" && (!has({_POD_SECURITY}.runAsUser) || {_POD_SECURITY}.runAsUser != 0)"
    f" && (!has({_POD_SECURITY}.sysctls) || {_POD_SECURITY}.sysctls.size() == 0)",
}


# The builder: one container that needs SYS_ADMIN, which counts only inside the pod's own user namespace.
def _builder_shape(own: str) -> str:
    return (
        f"object.metadata.name == '{BUILDER}'"
        " && !has(object.metadata.ownerReferences)"
        " && has(object.spec.hostUsers) && !object.spec.hostUsers"
        " && object.spec.containers.size() == 1 && variables.containers.size() == 1"
        f" && object.spec.containers[0].image.matches('^{literal(own)}/buildkit[:@]')"
        " && variables.containers.all(c, has(c.securityContext)"
        " && (!has(c.securityContext.privileged) || !c.securityContext.privileged)"
        " && (!has(c.securityContext.capabilities) || !has(c.securityContext.capabilities.add)"
        " || c.securityContext.capabilities.add.all(a, a == 'SYS_ADMIN')))"
        f" && (!has({_POD_SECURITY}.sysctls) || {_POD_SECURITY}.sysctls.size() == 0)"
    )


def _common() -> list[dict[str, Any]]:
    """What no pod of a tenant may have, wherever it runs."""
    return [
        check(
            "request.operation != 'CREATE' || !has(object.spec.nodeName) || object.spec.nodeName == ''",
            "The scheduler chooses the node: leave nodeName out.",
        ),
        check(_NO_HOST, "Pods have no part in the node's network, processes or IPC."),
        check(_NO_HOST_PORT, "Pods open no port of the node: leave hostPort out, a route leads to your application."),
        check(_TOLERATED, "Tolerations are the platform's."),
        check(
            "!has(object.spec.priorityClassName) || !object.spec.priorityClassName.startsWith('system-')",
            "Priorities of the system are the platform's.",
        ),
        check(
            "!has(object.spec.serviceAccountName) || object.spec.serviceAccountName == 'default'",
            "Pods run as the ServiceAccount default, which has no rights.",
        ),
        check(_NO_TOKEN, "Pods get no token for Kubernetes: set automountServiceAccountToken to false."),
        check(_VOLUME_TYPES, "This type of volume is not offered."),
        check(
            "!has(object.spec.runtimeClassName) || object.spec.runtimeClassName == ''",
            "Runtime classes are the platform's.",
        ),
        check(
            "!has(object.spec.schedulerName) || object.spec.schedulerName == 'default-scheduler'",
            "Schedulers are the platform's.",
        ),
    ]


def _images(own: str) -> str:
    return f"variables.images.all(i, {own})"


def in_environments(registry: str) -> list[dict[str, Any]]:
    """Pods of applications: own images by digest, no privilege. Pod Security's restricted level holds beside it."""
    prefix = f"^{literal(registry)}/(' + variables.tenant + '|base)/{PATH}(:[A-Za-z0-9._-]+)?@sha256:[a-f0-9]"
    return words.policy(
        "roost-environment-pods",
        PODS,
        [
            check(
                _images(f"i.matches('{prefix}{{64}}$')"),
                f"Images come from {registry}/<tenant>/ or {registry}/base/, by digest (@sha256:...).",
            ),
            *_common(),
            check(
                "variables.nonRoot || (has(object.spec.hostUsers) && !object.spec.hostUsers)",
                "What may run as root needs a user namespace of its own: set hostUsers to false.",
            ),
        ],
        words.IN_ENVIRONMENTS,
        {
            "tenant": words.TENANT_OF,
            "containers": CONTAINERS,
            "volumes": VOLUMES,
            "images": IMAGES,
            "podNonRoot": RESTRICTED["podNonRoot"],
            "nonRoot": "variables.containers.all(c, has(c.securityContext) && has(c.securityContext.runAsNonRoot)"
            " ? c.securityContext.runAsNonRoot : variables.podNonRoot)",
        },
    )


def signed() -> list[dict[str, Any]]:
    """Pods of applications run images whose signature was verified for this environment, and nothing else.

    What a pod runs already may stay in it: Kubernetes' controllers change pods too, of versions that are long gone.
    Volumes never change in a pod.
    """
    listed = "(has(params.status) && has(params.status.{0}) ? dyn(params.status.{0}) : dyn([]))"
    return words.policy(
        "roost-signed-images",
        PODS,
        [
            check(
                "variables.images.all(i, i in variables.before || i in variables.admitted || i in variables.predating)",
                "Only images that Roost has signed run here: those that a run built and its gates let pass. "
                "See the ImageAllowlist of this namespace for what may run, and why something may not.",
            )
        ],
        words.IN_SIGNED,
        {
            "containers": CONTAINERS,
            "volumes": VOLUMES,
            "images": IMAGES,
            "before": f"oldObject == null ? dyn([]) : dyn({_ALL_CONTAINERS.format('oldObject')}.map(c, c.image)"
            " + (has(oldObject.spec.volumes) ? dyn(oldObject.spec.volumes) : dyn([])).filter(v, has(v.image))"
            ".map(v, has(v.image.reference) ? v.image.reference : ''))",
            "admitted": listed.format("admitted"),
            "predating": listed.format("predating"),
        },
        (ImageAllowlist.KIND, NAME),
    )


def in_builds(registry: str, platform: str) -> list[dict[str, Any]]:
    """Pods of builds: the builder in its one shape, from the controller alone; all others held to restricted.

    `platform`: what the names of the platform's own images begin with.
    """
    own = f"^{literal(registry)}/(' + variables.tenant + '|base)/{PATH}(:[A-Za-z0-9._-]+)?@sha256:[a-f0-9]"
    ours = f"^{literal(platform)}/{PATH}[:@]"
    return words.policy(
        "roost-build-pods",
        PODS,
        [
            check(
                _images(f"i.matches('{ours}') || i.matches('{own}{{64}}$')"),
                "Pods of builds run the platform's images, or the tenant's by digest.",
            ),
            *_common(),
            check(
                "variables.builder || variables.restricted",
                "Only the builder, in its one shape, may have privileges here; every other pod is held to the "
                "restricted level.",
            ),
            check(
                "!variables.builder || request.operation != 'CREATE'"
                f" || request.userInfo.username == '{words.CONTROLLER}'",
                "Only Roost's controller makes builders.",
            ),
        ],
        words.IN_BUILDS,
        {
            "tenant": words.TENANT_OF,
            "containers": CONTAINERS,
            "volumes": VOLUMES,
            "images": IMAGES,
            **RESTRICTED,
            "builder": _builder_shape(platform),
        },
    )


def no_way_in() -> list[dict[str, Any]]:
    """No shell, no tunnel and no proxy into pods of the platform or of builds, whatever a role says."""
    connect = words.rule(
        [""],
        ["pods/exec", "pods/attach", "pods/portforward", "pods/proxy", "services/proxy"],
        ["CONNECT"],
    )
    debug = words.rule([""], ["pods/ephemeralcontainers"], ["UPDATE"])
    message = "Nobody but the cluster's administrator enters pods of the platform or of builds."
    rules = [connect, debug]
    system: list[dict[str, Any]] = [
        {"key": "kubernetes.io/metadata.name", "operator": "In", "values": [names.SYSTEM_NAMESPACE]}
    ]
    return [
        *words.policy("roost-enter-builds", rules, [check(words.TRUSTED, message)], words.IN_BUILDS),
        *words.policy("roost-enter-platform", rules, [check(words.TRUSTED, message)], system),
    ]
