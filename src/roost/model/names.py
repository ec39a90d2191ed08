"""Names: what may be called what, and how names are derived from each other.

Used everywhere. Everything derived stays within 63 characters (RFC 1123 label) or is refused when it is made.
Environment and tenant
names have no hyphen where the text after it must be read back: `<tenant>-<environment>` is split at the last hyphen.
"""

import hashlib
import re
from typing import Final

GROUP: Final = "roost.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"

TENANT: Final = "roost.dev/tenant"
ENVIRONMENT: Final = "roost.dev/environment"
APP: Final = "roost.dev/app"
PROCESS: Final = "roost.dev/process"
RELEASE: Final = "roost.dev/release"
PROJECT: Final = "roost.dev/project"
RUN: Final = "roost.dev/run"
SPARE: Final = "roost.dev/spare"  # On a pod that waits for a run of this project, or waited for the one that it serves.
ORDER: Final = "roost.dev/order"  # An annotation of such a pod: what it is told to do.
OUTCOME: Final = "roost.dev/outcome"  # An annotation of a Run: its report, before the pod's end tells it.
IMPORT: Final = "roost.dev/import"
PREVIEW: Final = "roost.dev/preview"  # On an App: the Preview that it goes with.
REPORT: Final = "roost.dev/report"  # On the pod that tells a forge: the CommitStatus.
NOTICE: Final = "roost.dev/notice"
TASK: Final = "roost.dev/task"
GATED: Final = "roost.dev/gated"  # On a namespace: versions come in by promotion only.
SIGNED: Final = "roost.dev/signed"  # On a namespace: only images of its ImageAllowlist run there.
PLATFORM: Final = "roost.dev/platform"
MANAGED_BY: Final = "app.kubernetes.io/managed-by"
AUTHOR: Final = "roost.dev/author"
REQUEST_ID: Final = "roost.dev/request-id"
DOMAINS: Final = "roost.dev/domains"  # An annotation of a namespace: host names that it was granted, with spaces.
OPERATIONS: Final = "roost.dev/operations"  # An annotation: the last changes of an object, as JSON.

SYSTEM_NAMESPACE: Final = "roost-system"
PEOPLE_NAMESPACE: Final = "roost-people"
BUILD: Final = "build"
DEPLOYER: Final = "roost-deployer"
REGISTRAR: Final = "roost-registrar"  # Of roost-people: the API becomes it to make people.

REGISTRY: Final = "registry.roost-system.svc:5000"
PRELOADED: Final = "roost.internal"  # Before the names of images that every node holds already; nothing answers there.
DRAIN_IMAGE: Final = f"{PRELOADED}/drain:1"  # What ends instances, mounted into them. It keeps its name over upgrades.

ONE_OFF: Final = "one-off"  # The process of a task's pod; processes have no hyphen, so it is none of an application's.

RESERVED: Final = frozenset(
    [
        "admin",
        "api",
        "app",
        "apps",
        "base",
        "build",
        "cilium",
        "console",
        "default",
        "git",
        "kube",
        "public",
        "registry",
        "roost",
        "root",
        "system",
        "www",
    ]
)
TENANT_PATTERN: Final = r"^[a-z][a-z0-9]{1,19}$"
ENVIRONMENT_PATTERN: Final = r"^[a-z][a-z0-9]{0,11}$"
APP_PATTERN: Final = r"^[a-z]([-a-z0-9]{0,28}[a-z0-9])?$"
PROCESS_PATTERN: Final = r"^[a-z][a-z0-9]{0,14}$"
PERSON_PATTERN: Final = r"^[a-z][a-z0-9._-]{0,38}[a-z0-9]$"
# A Kubernetes quantity as people write it: 500m, 1.5, 256Mi; no sign, no exponent.
QUANTITY_PATTERN: Final = r"^[0-9]{1,15}(\.[0-9]{1,9})?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"
# Labels of a host name, at least two; the last is no number, so that no address is one.
HOST_PATTERN: Final = r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?[.])+[a-z]([-a-z0-9]{0,61}[a-z0-9])?$"
SECRET_PATTERN: Final = r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"
OPTIONAL_SECRET_PATTERN: Final = rf"^({SECRET_PATTERN[1:-1]})?$"
VARIABLE_PATTERN: Final = r"^[A-Za-z_][A-Za-z0-9_]{0,126}$"


class NameRefused(ValueError):
    """A name that cannot be taken; its text says what is allowed."""


def _match(pattern: str, name: str, what: str, allowed: str) -> str:
    if not re.fullmatch(pattern, name):
        raise NameRefused(f"{name!r} cannot be the name of {what}: {allowed}.")
    if name in RESERVED and what in ("a tenant", "an environment"):
        raise NameRefused(f"{name!r} is reserved and cannot be the name of {what}: take another.")
    return name


def tenant_name(name: str) -> str:
    """`name`, when a tenant may have it; else NameRefused."""
    return _match(TENANT_PATTERN, name, "a tenant", "2 to 20 lower-case letters and digits, a letter first")


def environment_name(name: str) -> str:
    """`name`, when an environment may have it (no hyphen, so that `<tenant>-<environment>` can be read back)."""
    return _match(ENVIRONMENT_PATTERN, name, "an environment", "1 to 12 lower-case letters and digits, a letter first")


def app_name(name: str) -> str:
    """`name`, when an application or a project may have it."""
    return _match(APP_PATTERN, name, "an application", "1 to 30 lower-case letters, digits and hyphens, a letter first")


def host_name(name: str) -> str:
    """`name`, when it is a full host name in lower case."""
    if len(name) > 253:
        raise NameRefused(f"{name[:80]!r}... is too long for a host name: at most 253 characters.")
    return _match(HOST_PATTERN, name, "a host", "lower-case labels with dots between them, e.g. shop.example.com")


def namespace(tenant: str, environment: str) -> str:
    """The namespace of a tenant's environment, or of its builds (environment `build`)."""
    return f"{tenant}-{environment}"


def split_namespace(name: str) -> tuple[str, str] | None:
    """(tenant, environment) of a tenant's namespace, or None where it is none."""
    tenant, hyphen, environment = name.rpartition("-")
    if not hyphen or not re.fullmatch(TENANT_PATTERN, tenant) or not re.fullmatch(ENVIRONMENT_PATTERN, environment):
        return None
    if tenant in RESERVED:
        return None
    return tenant, environment


def hostname(app: str, environment: str, tenant: str, domain: str) -> str:
    """Where an application answers: `<app>-<environment>.<tenant>.<domain>`."""
    return f"{app}-{environment}.{tenant}.{domain}"


def pull_policy(image: str) -> str:
    """How a node comes by an image of the platform: preloaded ones are never pulled."""
    return "Never" if image.startswith(f"{PRELOADED}/") else "IfNotPresent"


def release_name(app: str, number: int) -> str:
    """`<app>-v<N>`."""
    return f"{app}-v{number}"


def short_digest(*parts: str, length: int = 8) -> str:
    """The first `length` hex digits of SHA-256 over the parts, for names that must be the same each time."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:length]


def run_name(project: str, ref: str, commit: str, attempt: int) -> str:
    """The one name of a Run: the same move of a ref always gives the same name.

    `attempt` counts the moves of the ref (1, 2, ...), so a ref that returns to an earlier commit runs again.
    """
    return f"{project}-{attempt}-{short_digest(ref, commit, str(attempt), length=10)}"


def started_name(project: str, cause: str, *key: str) -> str:
    """The one name of a Run that no move of a ref started: the same `key` always gives the same name."""
    return f"{project}-{cause}-{short_digest(cause, *key, length=12)}"
