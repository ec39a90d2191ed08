"""Attacks on host names outside the platform's own domain. Tried beside those of `table`.

acme-dev was granted shop.example.com, acme-prod prod.example.com, rival-dev shop.example.org.
"""

from typing import Any

from roost.model import names
from tests.attack.table import ROUTE, Attack, changed
from tests.attack.world import DEPLOYER, DOMAIN, ROOT

_ROUTE = changed(ROUTE, spec__hostnames=["shop.example.com"])
_DOMAIN: dict[str, Any] = {
    "apiVersion": names.API_VERSION,
    "kind": "Domain",
    "metadata": {"name": "free.example.net"},
    "spec": {"tenant": "acme", "environment": "dev"},
}


def _route(name: str, *hosts: str) -> Attack:
    evil = changed(_ROUTE, spec__hostnames=list(hosts))
    return Attack(name, DEPLOYER, _ROUTE, evil, "roost-routes", "Host names")


def _grant(name: str, host: str) -> Attack:
    evil = changed(_DOMAIN, metadata__name=host)
    return Attack(name, ROOT, _DOMAIN, evil, "roost-domains", "belong to the platform", ("post", "apply-new"))


DOMAINS = [
    _route("domain-of-another-tenant", "shop.example.org"),
    _route("domain-of-another-environment", "prod.example.com"),
    _route("domain-of-nobody", "free.example.com"),
    _route("domain-beneath-a-granted-one", "deep.shop.example.com"),
    _route("domain-that-ends-like-a-granted-one", "myshop.example.com"),
    _route("domain-of-another-beside-the-own", "shop.example.com", "shop.example.org"),
    _grant("grant-of-the-platforms-own-domain", DOMAIN),
    _grant("grant-of-the-platforms-api", f"api.{DOMAIN}"),
    _grant("grant-of-a-tenants-host-name", f"shop-dev.rival.{DOMAIN}"),
    _grant("grant-of-a-name-of-the-cluster", "kubernetes.default.svc"),
]
