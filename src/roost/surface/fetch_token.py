"""Tokens with which the pod of one run fetches from one repository of the hosted git server.

Made by the run capability, checked by the git server; both know the shared secret (Secret `roost-system/git-shared`).
A token is `<expiry>.<signature>`: HMAC-SHA-256 over the purpose, tenant, project and expiry, so that it opens one
repository, for reading, until then.
"""

import hashlib
import hmac
from datetime import datetime, timedelta

_PURPOSE = "roost-git-fetch-v1"


def _signature(secret: str, tenant: str, project: str, expiry: str) -> str:
    text = "\0".join((_PURPOSE, tenant, project, expiry))
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def mint(secret: str, tenant: str, project: str, now: datetime, ttl: timedelta) -> str:
    """A token for reading that project's repository from `now` (UTC) on, as long as `ttl`."""
    expiry = str(int((now + ttl).timestamp()))
    return f"{expiry}.{_signature(secret, tenant, project, expiry)}"


def opens(secret: str, token: str, tenant: str, project: str, now: datetime) -> bool:
    """Whether `token` opens that repository now. Any text may be given."""
    expiry, _, signature = token.partition(".")
    if not (expiry.isascii() and expiry.isdigit() and len(expiry) < 15 and signature.isascii()):
        return False
    genuine = hmac.compare_digest(signature, _signature(secret, tenant, project, expiry))
    return genuine and now.timestamp() < int(expiry)
