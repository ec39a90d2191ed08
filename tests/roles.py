"""Who may do what: the one table that drives kubectl, the API and the command line alike. Data only.

`{t}` is the tenant, `{dev}` and `{build}` its namespaces. What destroys names something that is not there: who may gets
"not found", who may not is refused. `cli` is None where the command line has no such verb. Read by
`tests/integration/roles`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

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
    kubectl: str
    api: tuple[str, str, Any]
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
