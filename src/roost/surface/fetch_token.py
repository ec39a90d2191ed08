"""Tokens with which the pod of one run or import, and the controller, reach one repository of the hosted git server;
webhook secrets.

Made by the capabilities run, source and promotion, checked by the git server; all know the shared secret (Secret
`roost-system/git-shared`). A token is `<expiry>.<signature>`: HMAC-SHA-256 over the purpose, tenant, project and
expiry, so that it opens one repository, for one purpose, until then. A webhook's secret is such a signature too, over
the Project's uid and the number of the secret, so nobody has to keep it.
"""

import hashlib
import hmac
from datetime import datetime, timedelta

FETCH = "roost-git-fetch-v1"
PUSH = "roost-git-push-v1"
HISTORY = "roost-git-history-v1"  # Who wrote which commits: the controller alone asks.
_HOOK = "roost-hook-v1"


def _signature(secret: str, purpose: str, tenant: str, project: str, expiry: str) -> str:
    text = "\0".join((purpose, tenant, project, expiry))
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def mint(secret: str, where: tuple[str, str], now: datetime, ttl: timedelta, purpose: str = FETCH) -> str:
    """A token for the repository of `where` (tenant, project) from `now` (UTC) on, as long as `ttl`."""
    expiry = str(int((now + ttl).timestamp()))
    return f"{expiry}.{_signature(secret, purpose, *where, expiry)}"


def opens(secret: str, token: str, where: tuple[str, str], now: datetime, purpose: str = FETCH) -> bool:
    """Whether `token` opens that repository now, for that purpose. Any text may be given."""
    expiry, _, signature = token.partition(".")
    if not (expiry.isascii() and expiry.isdigit() and len(expiry) < 15 and signature.isascii()):
        return False
    genuine = hmac.compare_digest(signature, _signature(secret, purpose, *where, expiry))
    return genuine and now.timestamp() < int(expiry)


def hook_secret(secret: str, where: tuple[str, str], uid: str, number: int) -> str:
    """What a sender of webhooks signs with for the Project of that uid; another `number` is another secret."""
    return "rsh_" + _signature(secret, _HOOK, *where, f"{uid}\0{number}")[:40]
