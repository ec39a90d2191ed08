"""Webhooks of foreign repositories: who signs as the project's sender makes Roost look at the source.

A delivery only says "look": nothing else of it is used, so a repeated one costs at most a look that finds nothing new,
and while one look is about to begin, further ones are that one. The API passes deliveries on as they came.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from roost.gitserver.requests import Refused
from roost.model.kinds.delivery import Project
from roost.model.kinds.source import Import, ImportSpec
from roost.model.names import API_VERSION, short_digest

TOLERANCE_S: Final = 300  # Of Standard Webhooks; those who send the other forms do not say when they sent.
_DELIVERIES: Final = ("webhook-id", "x-github-delivery", "x-gitea-delivery", "x-gitlab-event-uuid", "x-request-id")


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())


def _standard(headers: Mapping[str, str], body: bytes, secret: str, now: datetime) -> bool:
    """Standard Webhooks 1.0: base64 of HMAC-SHA-256 over `id.timestamp.body`, several signatures may stand there."""
    stamp = headers.get("webhook-timestamp", "")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 15):
        return False
    if abs(now.timestamp() - int(stamp)) > TOLERANCE_S:
        return False
    signed = f"{headers.get('webhook-id', '')}.{stamp}.".encode() + body
    wanted = base64.b64encode(hmac.digest(secret.encode(), signed, "sha256")).decode()
    return any(_same(item.removeprefix("v1,"), wanted) for item in headers["webhook-signature"].split(" ")[:10])


def _bearer(authorization: str) -> str:
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return value.strip() if scheme.lower() == "bearer" else ""


def check(headers: Mapping[str, str], body: bytes, secret: str, now: datetime) -> None:
    """Refused unless the delivery proves that its sender knows `secret`. The first form that is there must hold."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    if "webhook-signature" in headers:
        genuine = _standard(headers, body, secret, now)
    elif "x-hub-signature-256" in headers:
        genuine = _same(headers["x-hub-signature-256"], f"sha256={digest}")
    elif "x-gitea-signature" in headers:
        genuine = _same(headers["x-gitea-signature"], digest)
    elif "x-gitlab-token" in headers:
        genuine = _same(headers["x-gitlab-token"], secret)
    else:
        genuine = _same(_bearer(headers.get("authorization", "")), secret)
    if not genuine:
        raise Refused(401, "The delivery is not signed with this project's webhook secret: `roost source hook`.")


def delivery(headers: Mapping[str, str], body: bytes, now: datetime) -> str:
    """What the sender calls this delivery; where it names none, its content and when it came."""
    named = next((headers[key] for key in _DELIVERIES if headers.get(key)), "")
    return named[:100] or f"{hashlib.sha256(body).hexdigest()[:20]}-{now.timestamp():.3f}"


def look_for(project: Project, name: str) -> dict[str, Any]:
    """The manifest of the Import of a delivery: the same delivery gives the same name."""
    meta = project.metadata
    owner = {"apiVersion": API_VERSION, "kind": Project.KIND, "name": meta.name, "uid": meta.uid}
    return Import.manifest(
        f"{meta.name}-hook-{short_digest(meta.uid, name, length=12)}",
        ImportSpec(project=meta.name, cause="hook", delivery=name),
        meta.namespace,
        ownerReferences=[owner],
    )


def about_to_begin(looks: list[dict[str, Any]], project: str) -> bool:
    """Whether a look at the project's source stands there that has not begun: what is new now, it will see."""
    return any(
        item["spec"].get("project") == project and not (item.get("status") or {}).get("startedAt") for item in looks
    )
