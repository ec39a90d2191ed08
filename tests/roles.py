"""Who may do what: the one table that drives kubectl, the API and the command line alike. Data only.

`{t}` is the tenant, `{dev}` and `{build}` its namespaces, `{who}` the person. What destroys names something that is not
there: who may gets "not found", who may not is refused. A way is None where it has no such verb. Read by
`tests/integration/roles`, which makes the objects that the rows of DELIVERY change.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from roost.kernel.discovery import kinds
from roost.model.kinds.images import NAME
from roost.model.names import AUTHOR
from roost.model.resource import Resource
from roost.surface.kinds import BUILD_KINDS

MEMBERS: Final = frozenset(["owner", "developer", "viewer", "approver"])
PLATFORM: Final = frozenset(["administrator", "operator", "auditor"])
STRANGER: Final = frozenset(["stranger"])
EVERYBODY: Final = MEMBERS | PLATFORM | STRANGER
MAKERS: Final = frozenset(["owner", "developer"])
ADMINISTRATOR: Final = frozenset(["administrator"])


@dataclass(frozen=True)
class Row:
    """One thing to do in three ways, and who may. kubectl: words, `stdin` what it reads; api: method, path, body."""

    what: str
    kubectl: str | None
    api: tuple[str, str, Any] | None
    cli: str | None
    may: frozenset[str]
    stdin: Mapping[str, Any] | None = None


def _object(kind: str, name: str, namespace: str = "", **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": "roost.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


_ENV: Final = "/v1/tenants/{t}/environments/dev"
_IMAGE: Final = "registry.roost-system.svc:5000/{t}/shop@sha256:" + "a" * 64
_CREATE: Final = "create --dry-run=server -f -"
_MORE: Final = {"spec": {"buildQuota": {"cpu": "64"}}}
_PROMOTION: Final = {"app": "shop", "image": _IMAGE}

TABLE: Final = [
    Row("list apps", "get apps -n {dev}", ("GET", f"{_ENV}/apps", None), "app list -t {t} -e dev", MEMBERS | PLATFORM),
    Row(
        "see an app",
        "get app shop -n {dev}",
        ("GET", f"{_ENV}/apps/shop", None),
        "app show -t {t} -e dev -a shop",
        MEMBERS | PLATFORM,
    ),
    Row(
        "make an app",
        _CREATE,
        ("POST", f"{_ENV}/apps", {"metadata": {"name": "new"}, "spec": {}}),
        None,
        MAKERS | ADMINISTRATOR,
        _object("App", "new", "{dev}"),
    ),
    Row(
        "scale an app",
        'patch app shop -n {dev} --dry-run=server --type=merge -p {{"spec":{{"stopped":true}}}}',
        ("POST", f"{_ENV}/apps/shop/scale", {"processes": {"web": 2}}),
        "scale web=2 -t {t} -e dev -a shop --dry-run",
        MAKERS | ADMINISTRATOR,
    ),
    Row(
        "delete an app",
        "delete app none -n {dev}",
        ("DELETE", f"{_ENV}/apps/none", None),
        "app delete none -t {t} -e dev --confirm none",
        MAKERS | ADMINISTRATOR,
    ),
    Row(
        "read configuration",
        "get secret shop-config -n {dev}",
        ("GET", f"{_ENV}/apps/shop/config", None),
        "config list -t {t} -e dev -a shop",
        MAKERS,
    ),
    Row(
        "read logs",
        "logs none -n {dev}",
        ("GET", f"{_ENV}/apps/shop/logs", None),
        "logs -t {t} -e dev -a shop",
        MEMBERS | PLATFORM,
    ),
    Row(
        "list releases",
        "get releases -n {dev}",
        ("GET", f"{_ENV}/releases", None),
        "releases -t {t} -e dev -a shop",
        MEMBERS | PLATFORM,
    ),
    Row(
        "make a release by hand",
        _CREATE,
        (
            "POST",
            f"{_ENV}/releases",
            {
                "metadata": {"name": "shop-v9"},
                "spec": {"app": "shop", "number": 9, "content": {}, "digest": "0" * 64},
            },
        ),
        None,
        ADMINISTRATOR,
        _object("Release", "shop-v9", "{dev}", app="shop", number=9, content={}, digest="0" * 64),
    ),
    Row(
        "list projects",
        "get projects -n {build}",
        ("GET", "/v1/tenants/{t}/projects", None),
        "project list -t {t}",
        MEMBERS | PLATFORM,
    ),
    Row(
        "delete a project",
        "delete project none -n {build}",
        ("DELETE", "/v1/tenants/{t}/projects/none", None),
        "project delete none -t {t} --confirm none",
        frozenset(["owner", "administrator"]),
    ),
    Row(
        "list runs",
        "get runs -n {build}",
        ("GET", "/v1/tenants/{t}/runs", None),
        "build list -t {t}",
        MEMBERS | PLATFORM,
    ),
    Row(
        "see the tenant",
        "get tenant {t}",
        ("GET", "/v1/tenants/{t}", None),
        "tenant show {t}",
        MEMBERS | PLATFORM,
    ),
    Row(
        "change the members",
        'patch tenant {t} --type=merge --dry-run=server -p {{"spec":{{"members":[]}}}}',
        ("PATCH", "/v1/tenants/{t}", {"spec": {"members": []}}),
        "tenant member add {t} viewer-{t} --role viewer",
        frozenset(["owner", "administrator"]),
    ),
    Row(
        "change the quota",
        'patch tenant {t} --type=merge --dry-run=server -p {{"spec":{{"buildQuota":{{"cpu":"64"}}}}}}',
        ("PATCH", "/v1/tenants/{t}", _MORE),
        None,
        ADMINISTRATOR,
    ),
    Row(
        "make a tenant",
        _CREATE,
        ("POST", "/v1/tenants", {"metadata": {"name": "brandnew"}, "spec": {}}),
        "tenant create brandnew --dry-run",
        ADMINISTRATOR,
        _object("Tenant", "brandnew", environments=[{"name": "dev"}]),
    ),
    Row(
        "delete a tenant",
        "delete tenant {t} --dry-run=server",
        ("DELETE", "/v1/tenants/{t}", None),
        None,
        ADMINISTRATOR,
    ),
    Row("list people", "get users", ("GET", "/v1/users", None), "user list", PLATFORM),
    Row(
        "make a person",
        _CREATE,
        ("POST", "/v1/users", {"name": "somebody"}),
        None,
        ADMINISTRATOR,
        _object("User", "somebody"),
    ),
    Row(
        "disable a person",
        'patch user stranger-{t} --type=merge --dry-run=server -p {{"spec":{{"disabled":true}}}}',
        ("PATCH", "/v1/users/stranger-{t}", {"disabled": True}),
        "user disable stranger-{t} --yes",
        ADMINISTRATOR,
    ),
    Row("delete a person", "delete user none", ("DELETE", "/v1/users/none", None), None, ADMINISTRATOR),
]

# What every kind has: it is listed, made and removed. None of it is left out when a kind is added.
UNKNOWN: Final = "00000000-0000-0000-0000-000000000000"
SOON: Final = (datetime.now(UTC) + timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%SZ")  # Waivers last a year at most.
_PROJECT_OF: Final = {"project": "wiki"}
# Who makes and who removes, and the spec that is made. Of a kind that is not named: administrators alone.
WRITERS: Final[Mapping[str, tuple[frozenset[str], frozenset[str], Mapping[str, Any]]]] = {
    "App": (MAKERS | ADMINISTRATOR, MAKERS | ADMINISTRATOR, {}),
    "Approval": (
        frozenset(["owner", "approver"]) | ADMINISTRATOR,
        ADMINISTRATOR,
        {"promotion": "none", "uid": UNKNOWN},
    ),
    "Channel": (
        MAKERS | ADMINISTRATOR,
        frozenset(["owner"]) | ADMINISTRATOR,
        {"url": "https://chat.example.org/hook", "secret": "chat-channel"},
    ),
    "CommitStatus": (
        ADMINISTRATOR,
        ADMINISTRATOR,
        {**_PROJECT_OF, "run": "wiki-1", "commit": "a" * 40, "state": "success"},
    ),
    "Domain": (ADMINISTRATOR, ADMINISTRATOR, {"tenant": "{t}", "environment": "dev"}),
    "ImageAllowlist": (ADMINISTRATOR, ADMINISTRATOR, {}),
    "Import": (MAKERS | ADMINISTRATOR, ADMINISTRATOR, _PROJECT_OF),
    "Notice": (
        ADMINISTRATOR,
        ADMINISTRATOR,
        {"channel": "chat", "event": "run.failed", "at": "2026-11-29T12:00:00Z"},
    ),
    "Preview": (
        ADMINISTRATOR,
        ADMINISTRATOR,
        {**_PROJECT_OF, "ref": "refs/heads/x", "app": "wiki-br-1", "environment": "dev"},
    ),
    "Project": (MAKERS | ADMINISTRATOR, frozenset(["owner"]) | ADMINISTRATOR, {}),
    "Promotion": (
        MAKERS | ADMINISTRATOR | {"approver"},
        MAKERS | ADMINISTRATOR | {"approver"},
        {"app": "shop", "artefact": {"image": _IMAGE}},
    ),
    "Release": (
        ADMINISTRATOR,
        frozenset(["owner"]) | ADMINISTRATOR,
        {"app": "shop", "number": 9, "content": {}, "digest": "0" * 64},
    ),
    "Run": (
        ADMINISTRATOR,
        frozenset(["owner"]) | ADMINISTRATOR,
        {**_PROJECT_OF, "ref": "refs/heads/main", "commit": "a" * 40},
    ),
    "Task": (MAKERS | ADMINISTRATOR, MAKERS | ADMINISTRATOR, {"app": "shop", "command": ["true"]}),
    "VulnerabilityReport": (
        ADMINISTRATOR,
        ADMINISTRATOR,
        {"app": "fresh", "release": "fresh-v1", "project": "wiki", "image": _IMAGE, "database": "none"},
    ),
    "Waiver": (
        frozenset(["owner"]) | ADMINISTRATOR,
        frozenset(["owner"]) | ADMINISTRATOR,
        {**_PROJECT_OF, "fingerprint": "0" * 16, "reason": "x", "until": "2026-01-01T00:00:00Z"},
    ),
}
_NOBODY: Final[frozenset[str]] = frozenset()
_NAMED_OTHERWISE: Final = {"Domain": "none.example.org", "ImageAllowlist": NAME}
_OWN_DELETES: Final = {
    "Channel": "channel delete none -t {t} --confirm none",
    "Domain": "domain revoke none.example.org --confirm none.example.org",
    "Waiver": "waiver end none -t {t}",
}


def _place(kind: type[Resource]) -> tuple[str, str, str, str]:
    """(namespace, kubectl's words for it, the API's collection, the command line's words) of a kind."""
    if not kind.NAMESPACED:
        return "", "", f"/v1/{kind.PLURAL}", ""
    if kind.KIND in BUILD_KINDS:
        return "{build}", " -n {build}", f"/v1/tenants/{{t}}/{kind.PLURAL}", " -t {t}"
    return "{dev}", " -n {dev}", f"{_ENV}/{kind.PLURAL}", " -t {t} -e dev"


def rows_of(kind: type[Resource]) -> list[Row]:
    """Listing, making and removing objects of a kind; and its status, which is no person's to write."""
    space, there, collection, where = _place(kind)
    readers = MEMBERS | PLATFORM if kind.NAMESPACED else PLATFORM
    makers, removers, spec = WRITERS.get(kind.KIND, (ADMINISTRATOR, ADMINISTRATOR, None))
    name = _NAMED_OTHERWISE.get(kind.KIND, "none")
    full = f"{kind.PLURAL}.roost.dev"
    rows = [
        Row(
            f"list {kind.PLURAL}", f"get {full}{there}", ("GET", collection, None), f"get {kind.PLURAL}{where}", readers
        ),
        Row(
            f"remove one of {kind.PLURAL}",
            f"delete {full} {name}{there} --dry-run=server",
            ("DELETE", f"{collection}/{name}", None),
            _OWN_DELETES.get(kind.KIND),
            removers,
        ),
        Row(
            f"write the status of one of {kind.PLURAL}",
            f"auth can-i patch {full} --subresource=status{there}",
            None,
            None,
            _NOBODY,
        ),
    ]
    if spec is not None:
        made = _object(kind.KIND, name.replace("none", "fresh"), space, **spec)
        made["metadata"]["annotations"] = {AUTHOR: "{who}"}
        body = {"metadata": {"name": made["metadata"]["name"]}, "spec": dict(spec)}
        rows.append(Row(f"make one of {kind.PLURAL}", _CREATE, ("POST", collection, body), None, makers, made))
    return rows


_BUILDS: Final = "/v1/tenants/{t}"
_PATCH: Final = "--type=merge --dry-run=server -p"
DELIVERY: Final = [
    *(row for kind in kinds() if kind.KIND not in ("Tenant", "User") for row in rows_of(kind)),
    Row(
        "cancel a run",
        f'patch run wiki-2 -n {{build}} {_PATCH} {{{{"spec":{{{{"cancel":true}}}}}}}}',
        ("POST", f"{_BUILDS}/runs/wiki-2/cancel", None),
        "build cancel wiki-2 -t {t}",
        MAKERS | ADMINISTRATOR,
    ),
    Row(
        "run the steps of a run again",
        f'patch run wiki-1 -n {{build}} {_PATCH} {{{{"spec":{{{{"rerun":{{{{"number":99}}}}}}}}}}}}',
        ("POST", f"{_BUILDS}/runs/wiki-1/rerun", {}),
        "build rerun wiki-1 -t {t}",
        MAKERS | ADMINISTRATOR,
    ),
    Row(
        "read what a scan found",
        "get run wiki-1 -n {build}",
        ("GET", f"{_BUILDS}/runs/wiki-1/findings", None),
        "findings --run wiki-1 -p wiki -t {t}",
        MEMBERS | PLATFORM,
    ),
    Row(
        "read what tests said",
        "get run wiki-1 -n {build}",
        ("GET", f"{_BUILDS}/runs/wiki-1/tests", None),
        "build show wiki-1 -t {t}",
        MEMBERS | PLATFORM,
    ),
    Row(
        "read the secret of a webhook",
        f'patch project wiki -n {{build}} {_PATCH} {{{{"spec":{{{{"source":{{{{"hook":2}}}}}}}}}}}}',
        ("GET", f"{_BUILDS}/projects/wiki/hook", None),
        "source hook wiki -t {t}",
        MAKERS | ADMINISTRATOR,
    ),
    Row(
        "look at a source now",
        _CREATE,
        ("POST", f"{_BUILDS}/imports", {"metadata": {"name": "look"}, "spec": _PROJECT_OF}),
        None,
        MAKERS | ADMINISTRATOR,
        _object("Import", "look", "{build}", **_PROJECT_OF),
    ),
    Row(
        "stop what starts runs",
        f'patch project wiki -n {{build}} {_PATCH} {{{{"spec":{{{{"triggers":{{{{"paused":"x"}}}}}}}}}}}}',
        ("PATCH", f"{_BUILDS}/projects/wiki", {"spec": {"triggers": {"paused": "x"}}}),
        "project pause wiki --reason x -t {t}",
        MAKERS | ADMINISTRATOR,
    ),
    Row(
        "try a channel out",
        f'patch channel chat -n {{build}} {_PATCH} {{{{"spec":{{{{"test":99}}}}}}}}',
        ("PATCH", f"{_BUILDS}/channels/chat", {"spec": {"test": 99}}),
        "channel test chat -t {t}",
        MAKERS | ADMINISTRATOR,
    ),
    Row(
        "approve a promotion",
        None,
        ("POST", f"{_ENV}/approvals", {"metadata": {"name": "yes"}, "spec": {"promotion": "none", "uid": UNKNOWN}}),
        "approve waits -t {t} -e dev",
        frozenset(["owner", "approver"]) | ADMINISTRATOR,
    ),
    Row(
        "put an image into an app",
        f'patch app shop -n {{dev}} {_PATCH} {{{{"spec":{{{{"artefact":{{{{"image":"{_IMAGE}"}}}}}}}}}}}}',
        ("POST", f"{_ENV}/apps/shop/deploy", {"image": _IMAGE}),
        None,
        MAKERS | ADMINISTRATOR,
    ),
    Row(
        "see granted host names",
        None,
        ("GET", f"{_ENV}/domains", None),
        None,
        MEMBERS | PLATFORM,
    ),
    Row(
        "grant a host name",
        None,
        (
            "POST",
            "/v1/domains",
            {"metadata": {"name": "a.example.org"}, "spec": {"tenant": "{t}", "environment": "dev"}},
        ),
        "domain grant a.example.org -t {t} -e dev --dry-run",
        ADMINISTRATOR,
    ),
    Row(
        "set a gate",
        None,
        ("PATCH", "/v1/tenants/{t}", {"spec": {"environments": [{"name": "dev", "gates": {"approvals": 1}}]}}),
        None,
        ADMINISTRATOR,
    ),
]
