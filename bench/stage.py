"""What P6 and P7 play on: a kube-apiserver with etcd, an API before it, a tenant with applications and a viewer."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
from tests.integration import apiserver as servers

from bench.measure import say
from roost.capabilities.tenant import roles
from roost.kernel import discovery
from roost.kube.client import Client
from roost.model.kinds.people import UserSpec
from roost.model.names import API_VERSION, PEOPLE_NAMESPACE
from roost.surface.people import People

IMAGE = "registry.roost-system.svc:5000/acme/shop@sha256:" + "a" * 64
NAMESPACE, PATH = "acme-dev", "/v1/tenants/acme/environments/dev/apps"


@dataclass(frozen=True)
class Stage:
    """`client` is the cluster's administrator; `token` the viewer's; `pid` the API's process."""

    port: int
    token: str
    client: Client
    pid: int

    def api_cpu_s(self) -> float:
        """CPU seconds that the API has spent, all threads, in user and kernel."""
        with open(f"/proc/{self.pid}/stat") as file:
            user, kernel = file.read().rpartition(")")[2].split()[11:13]
        return (int(user) + int(kernel)) / float(os.sysconf("SC_CLK_TCK"))


def _named(kind: str, name: str, namespace: str = "", api_version: str = "v1") -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


def app(number: int) -> dict[str, Any]:
    """An App."""
    spec = {"artefact": {"image": IMAGE}, "config": [{"name": f"V{each}", "value": "x" * 20} for each in range(5)]}
    return {**_named("App", f"app{number}", NAMESPACE, API_VERSION), "spec": spec}


@asynccontextmanager
async def stage(apps: int) -> AsyncIterator[Stage]:
    """All of it, with so many applications; gone at the end."""
    server = servers.start()
    process = None
    try:
        client = server.client()
        token = await _fill(client, apps)
        command = [sys.executable, "-m", "bench.api", str(server.kubeconfig)]
        root = Path(__file__).resolve().parent.parent
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)
        assert process.stdout is not None
        port = int(process.stdout.readline())
        await _warm(port, token)
        yield Stage(port, token, client, process.pid)
        await client.close()
    finally:
        if process is not None:
            process.terminate()
            process.wait(30)
        server.stop()


async def _fill(client: Client, apps: int) -> str:
    for name in ("roost-system", PEOPLE_NAMESPACE, NAMESPACE, "acme-build"):
        await client.create(_named("Namespace", name))
    for role in roles.cluster_roles([kind.PLURAL for kind in discovery.kinds()]):
        await client.apply(role, "bench")
    people = People(client, lambda: datetime.now(UTC))
    await people.create("ada", UserSpec(), client)
    tenant = _named("Tenant", "acme", api_version=API_VERSION)
    member = {"person": "ada", "role": "viewer"}
    await client.create({**tenant, "spec": {"environments": [{"name": "dev"}], "members": [member]}})
    binding = _named("RoleBinding", "viewer", NAMESPACE, "rbac.authorization.k8s.io/v1")
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "roost-viewer"}
    subject = {"kind": "ServiceAccount", "namespace": PEOPLE_NAMESPACE, "name": "ada"}
    await client.create({**binding, "roleRef": role, "subjects": [subject]})
    for number in range(apps):
        await client.create(app(number))
    user = await people.user("ada")
    assert user is not None
    _, token = await people.new_token("ada", user.metadata.uid, "bench", "named", timedelta(hours=3))
    return token


async def _warm(port: int, token: str) -> None:
    async with httpx2.AsyncClient(trust_env=False, timeout=60) as http:
        headers = {"Authorization": f"Bearer {token}"}
        for _ in range(100):
            answer = await http.get(f"http://127.0.0.1:{port}{PATH}?sort=metadata.name", headers=headers)
            if answer.status_code == 200 and "total" in answer.json()["metadata"]:
                return
            await asyncio.sleep(0.2)
        say(f"The API does not get warm: {answer.status_code} {answer.text[:300]}")
        raise SystemExit(1)
