"""Stock kopf doing for Apps what Roost's controller does, as an operator's author would write it. `bench.stock_kopf`
runs it with a kopf of its own; its settings are kopf's defaults.

Nothing is planned here: what belongs to each App stands ready in the file that $BENCH_REQUESTS names, one request of
kube-writer a line: the children, then the two statuses that follow when the Deployment is available.
"""

import json
import os
import ssl
from collections import defaultdict
from typing import Any

import aiohttp  # type: ignore[import-not-found, unused-ignore]
import kopf  # type: ignore[import-not-found, unused-ignore]
import yaml

GROUP = "roost.dev"
_requests: dict[str, list[dict[str, Any]]] = defaultdict(list)
_served: set[str] = set()
_session: list[Any] = []


async def begin(**_: Any) -> None:
    """Read what to write, and say that the work begins."""
    with open(os.environ["BENCH_REQUESTS"]) as file:
        for line in file:
            request = json.loads(line)
            _requests[request["group"]].append(request)
    with open(os.environ["KUBECONFIG"]) as file:
        config = yaml.safe_load(file)
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    trust = ssl.create_default_context(cafile=cluster["certificate-authority"])
    headers = {"Authorization": f"Bearer {user['token']}"}
    _session.append(
        aiohttp.ClientSession(cluster["server"], headers=headers, connector=aiohttp.TCPConnector(ssl=trust))
    )
    print(json.dumps({"ready": True}), flush=True)


async def end(**_: Any) -> None:
    """Close what is open."""
    await _session[0].close()


async def made(name: str, **_: Any) -> None:
    """A new App: its children."""
    for request in _requests[name]:
        if not request["path"].partition("?")[0].endswith("/status"):
            await _send(request)


async def changed(labels: Any, spec: Any, status: Any, **_: Any) -> None:
    """A Deployment: once it is available, the statuses of its Release and App."""
    name = labels[f"{GROUP}/app"]
    if name in _served or status.get("availableReplicas") != spec["replicas"]:
        return
    _served.add(name)
    for request in _requests[name]:
        if request["path"].partition("?")[0].endswith("/status"):
            await _send(request)


async def _send(request: dict[str, Any]) -> None:
    headers = {"Content-Type": request["type"]}
    if request["user"]:
        headers["Impersonate-User"] = request["user"]
    body = json.dumps(request["body"])
    async with _session[0].request(request["method"], request["path"], data=body, headers=headers) as answer:
        if answer.status >= 300:
            raise kopf.TemporaryError(f"{answer.status}: {(await answer.text())[:500]}", delay=1)


def login(**given: Any) -> Any:
    """As $KUBECONFIG says."""
    return kopf.login_with_kubeconfig(**given)


kopf.on.login()(login)
kopf.on.startup()(begin)
kopf.on.cleanup()(end)
kopf.on.create(GROUP, "v1alpha1", "apps")(made)
kopf.on.event("apps", "v1", "deployments", labels={f"{GROUP}/app": kopf.PRESENT})(changed)
