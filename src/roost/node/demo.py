"""The last steps of `up`: the local administrator, and a demo tenant with an application that answers.

The demo is made once: whoever deletes or changes it keeps it so.
"""

import asyncio
import json
from datetime import UTC, datetime

from roost.kube.client import Client
from roost.model.kinds.app import App, AppSpec, Artefact, Health, Process, Resources
from roost.model.kinds.tenant import Environment, Member, Tenant, TenantSpec
from roost.model.names import REGISTRY, hostname, namespace
from roost.node import machine
from roost.node.kubectl import describe_pods, wait_until
from roost.node.pki import write_private
from roost.node.steps import DEMO_BASE, Run, gateway_answers
from roost.surface.people import ADMINISTRATOR, People, ensure_administrator

TENANT = "demo"
ENVIRONMENT = "dev"
APP = "hello"
MARK = machine.MARKS / "demo.json"
PAGE = """\
import http.server


class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b"Hello from Roost. Push a repository of your own next.\\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


http.server.ThreadingHTTPServer(("", 8080), Page).serve_forever()
"""


def url(domain: str) -> str:
    """Where the demo application answers."""
    return f"http://{hostname(APP, ENVIRONMENT, TENANT, domain)}"


def make_administrator(kubeconfig: str) -> str | None:
    """Make a cluster's local administrator where there is none; the password, which is kept nowhere else."""

    async def ensure() -> str | None:
        client = Client.connect(kubeconfig, agent="roost-node")
        try:
            return await ensure_administrator(client, lambda: datetime.now(UTC))
        finally:
            await client.close()

    return asyncio.run(ensure())


def administrator(run: Run) -> str:
    """Make the local administrator once; the password is kept in memory only, to be shown at the end."""
    run.password = make_administrator(str(machine.ADMIN))
    return "made" if run.password else ""


def new_password() -> str:
    """A new password for the administrator, for whoever is root here and has lost it; their tokens end."""

    async def renew() -> str:
        client = Client.connect(str(machine.ADMIN), agent="roost-node")
        try:
            await ensure_administrator(client, lambda: datetime.now(UTC))
            people = People(client, lambda: datetime.now(UTC))
            user = await people.user(ADMINISTRATOR)
            if user is None:
                raise RuntimeError("The User admin is gone; something deletes it.")
            await people.revoke_all(ADMINISTRATOR)
            return await people.new_password(ADMINISTRATOR, user.metadata.uid)
        finally:
            await client.close()

    return asyncio.run(renew())


def tenant_spec() -> TenantSpec:
    """The demo tenant: one environment, the administrator as its owner."""
    return TenantSpec(
        title="Demo",
        environments=(Environment(name=ENVIRONMENT),),
        members=(Member(person=ADMINISTRATOR, role="owner"),),
    )


def app_spec(image: str) -> AppSpec:
    """The demo application: one small web process in a base that Roost offers, which says nothing of its user."""
    web = Process(
        name="web",
        port=8080,
        command=("python3", "-c", PAGE),
        resources=Resources(cpu="10m", memory="64Mi"),
        health=Health(path="/"),
    )
    return AppSpec(artefact=Artefact(image=image, runs_as_root=True), processes=(web,))


def image_of(run: Run) -> str:
    """The demo's image by digest."""
    assert run.images is not None
    image = run.images.images[DEMO_BASE]
    return f"{REGISTRY}/{image.offered.rsplit(':', 1)[0]}@{image.digest}"


def demo(run: Run) -> str:
    """Make the demo once and wait until it answers."""
    if MARK.exists():
        return ""
    run.kubectl.apply_patiently([Tenant.manifest(TENANT, tenant_spec())])
    space = namespace(TENANT, ENVIRONMENT)
    wait_until(f"Namespace {space}", lambda: run.kubectl.get("namespace", space) is not None, within_s=60)
    run.kubectl.apply_patiently([App.manifest(APP, app_spec(image_of(run)), space)])
    address = url(run.node.domain)
    wait_until(
        f"The demo at {address}",
        lambda: gateway_answers(address.removeprefix("http://")),
        180,
        lambda: describe_pods(run.kubectl, space),
    )
    write_private(MARK, json.dumps({"made": datetime.now(UTC).isoformat()}))
    return f"{address} answers"
