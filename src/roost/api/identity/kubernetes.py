"""A credential for kubectl: kube-apiserver's own token of the caller's ServiceAccount, for a bounded time.

kubectl and the API then meet the same RBAC and admission. Such a token cannot be called back before it ends, except by
removing the person (a deleted ServiceAccount has no tokens) or their roles; hence the short life.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import Field

from roost.api.bodies import body_schema, json_response, read_model
from roost.api.context import CallerDep, Context, ContextDep
from roost.api.session import own_user
from roost.model.conditions import timestamp
from roost.model.kinds.people import User
from roost.model.names import PEOPLE_NAMESPACE
from roost.model.resource import Model
from roost.surface.people import moment
from roost.surface.problems import Problem, conflict

router = APIRouter(prefix="/v1/me", tags=["Session"])
SHORTEST_S: Final = 600  # Kubernetes makes no shorter one.
LONGEST_S: Final = 12 * 3600


class KubernetesCredentialWanted(Model):
    """How long the credential is to be good for."""

    expires_in_seconds: int = Field(3600, ge=SHORTEST_S, le=LONGEST_S)


class Credential(Model):
    """What kubectl needs. `authority`: the certificates to trust, as PEM; empty: the system's."""

    server: str
    authority: str
    token: str
    expires_at: str
    username: str


@router.post(
    "/kubernetes",
    status_code=201,
    operation_id="createKubernetesCredential",
    summary="A credential for kubectl",
    responses={201: {"model": Credential}},
    openapi_extra=body_schema("KubernetesCredentialWanted"),
)
async def create(request: Request, ctx: ContextDep, caller: CallerDep) -> Response:
    """A token of the caller's ServiceAccount, and where kube-apiserver is."""
    wanted = await read_model(request, KubernetesCredentialWanted)
    if not ctx.settings.kubernetes_url:
        raise Problem("refused", "This installation does not tell where its kube-apiserver is (kubernetes_url).")
    user = await own_user(ctx, caller)
    await _is_theirs(ctx, user)
    seconds = wanted.expires_in_seconds
    if caller.principal.expires is not None:
        left = int((caller.principal.expires - ctx.clock()).total_seconds())
        if left < SHORTEST_S and caller.principal.machine:
            raise Problem("refused", "The token that you use ends within ten minutes: make a new one first.")
        seconds = max(SHORTEST_S, min(seconds, left))
    spec = {"expirationSeconds": seconds}
    answer = await ctx.client.request(
        "POST",
        f"api/v1/namespaces/{PEOPLE_NAMESPACE}/serviceaccounts/{caller.person}/token",
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec},
    )
    status = answer["status"]
    until = moment(status["expirationTimestamp"]) or ctx.clock() + timedelta(seconds=seconds)
    made = Credential(
        server=ctx.settings.kubernetes_url,
        authority=_authority(ctx.settings.kubernetes_ca),
        token=status["token"],
        expires_at=timestamp(until),
        username=caller.principal.username,
    )
    return json_response(made.wire(), 201)


async def _is_theirs(ctx: Context, user: User) -> None:
    """The ServiceAccount of that name is this person's, not that of somebody who bore the name before."""
    account: dict[str, Any] | None = await ctx.client.get("v1", "ServiceAccount", user.metadata.name, PEOPLE_NAMESPACE)
    references = ((account or {}).get("metadata") or {}).get("ownerReferences") or ()
    others = [item for item in references if item["kind"] == User.KIND and item["uid"] != user.metadata.uid]
    if account is None or others:
        raise conflict("Your account is being made. Repeat this in a few seconds.")


def _authority(path: str) -> str:
    file = Path(path)
    return file.read_text() if path and file.is_file() else ""
