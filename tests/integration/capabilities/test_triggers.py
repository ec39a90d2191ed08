"""Times that start runs, and results that are told, with the controller's real rights before a real kube-apiserver."""

import base64
import hmac
import json
import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from roost.adapters.tests.test_mail import Inbox
from roost.adapters.tests.test_webhook import Receiver, receiving
from roost.kube.errors import Conflict, Forbidden, Invalid
from roost.model.conditions import timestamp
from roost.model.kinds.channel import Channel, ChannelSpec
from roost.model.kinds.delivery import Project, ProjectSpec, Run, RunSpec
from roost.model.kinds.triggers import Schedule, Triggers
from roost.model.names import API_VERSION, PROJECT
from roost.settings import Settings
from tests.integration.apiserver import ApiServer
from tests.integration.capabilities.conftest import Cluster, controlling
from tests.integration.conftest import Eventually

pytestmark = pytest.mark.integration
OURS = ("tenant", "project", "run", "channel", "notice")
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()


@pytest.fixture
def site(inbox: tuple[Inbox, int]) -> Settings:
    """A site that has a mail server, and whose webhooks may reach the tests."""
    return replace(
        Settings(workers=4),
        smtp=f"smtp://127.0.0.1:{inbox[1]}",
        mail_from="roost@example.org",
        notice_networks="127.0.0.0/8",
    )


@pytest.fixture
async def ruled(platform: ApiServer, site: Settings) -> AsyncIterator[Cluster]:
    async with controlling(platform, OURS, site) as made:
        yield made


@pytest.fixture
async def space(ruled: Cluster, eventually: Eventually) -> str:
    """The build namespace of a fresh tenant."""
    tenant = f"t{secrets.token_hex(4)}"
    await ruled.tenant(tenant)

    async def ready() -> bool:
        return await ruled.ready("Tenant", tenant) == "True Ready"

    await eventually(ready, 90)  # Its controllers look at all that other tests left first.
    return f"{tenant}-build"


async def project(cluster: Cluster, space: str) -> dict[str, Any]:
    """A project with a schedule, whose branch was pushed; that run is over."""
    triggers = Triggers(schedules=(Schedule(name="nightly", cron="0 3 * * *"),))
    made = await cluster.client.create(Project.manifest("shop", ProjectSpec(triggers=triggers), space))
    spec = RunSpec(project="shop", ref="refs/heads/main", commit="a" * 40, author="ada", cancel=True)
    await cluster.client.create(Run.manifest("shop-1-head", spec, space, labels={PROJECT: "shop"}))
    return made


async def scheduled(cluster: Cluster, space: str) -> list[dict[str, Any]]:
    runs = await cluster.client.list(API_VERSION, Run.KIND, space)
    return [run for run in runs if run["spec"]["cause"] == "schedule"]


async def missed(cluster: Cluster, space: str, since: str) -> None:
    """As if no controller had lived since then."""
    status = {"schedules": [{"name": "nightly", "rule": "0 3 * * * UTC", "last": since}]}
    for _ in range(20):
        with suppress(Conflict):
            await cluster.client.patch_status(await cluster.read("Project", "shop", space), status, "tests")
            return
    pytest.fail("The controller keeps writing the status.")


async def test_a_time_that_is_due_makes_one_run_whoever_looks(
    platform: ApiServer, ruled: Cluster, site: Settings, space: str, eventually: Eventually
) -> None:
    made = await project(ruled, space)

    async def known() -> bool:
        return bool(((await ruled.read("Project", "shop", space)).get("status") or {}).get("schedules"))

    await eventually(known)
    assert await scheduled(ruled, space) == []
    long_ago = timestamp(datetime.now(UTC) - timedelta(days=3))
    await missed(ruled, space, long_ago)
    (run,) = await eventually(lambda: scheduled(ruled, space))
    assert run["spec"]["commit"] == "a" * 40 and run["spec"]["author"] == ""
    assert run["metadata"]["ownerReferences"][0]["uid"] == made["metadata"]["uid"]
    # It ends; then as after a death between the Run and the status, and with a second leader at the same time.
    await ruled.client.patch(run, {"spec": {"cancel": True}}, "tests")

    async def ended() -> bool:
        return ((await scheduled(ruled, space))[0].get("status") or {}).get("phase") == "Cancelled"

    await eventually(ended, 60.0)
    async with controlling(platform, OURS, site) as again:
        await missed(again, space, long_ago)

        async def noted() -> bool:
            status = (await again.read("Project", "shop", space))["status"]
            return bool(status["schedules"][0]["last"] > long_ago)

        await eventually(noted, 60.0)
        assert len(await scheduled(again, space)) == 1


async def test_runs_of_people_never_change_what_they_were_started_with(ruled: Cluster, space: str) -> None:
    spec = RunSpec(project="shop", ref="refs/tags/v1", commit="a" * 40, cause="manual", parameters={"LEVEL": "info"})
    made = await ruled.client.create(Run.manifest("shop-run-1", spec, space))
    for change in ({"parameters": {"LEVEL": "debug"}}, {"environment": "prod"}, {"sequence": 99}, {"promote": False}):
        with pytest.raises(Invalid, match="never changes"):
            await ruled.client.patch(made, {"spec": change}, "tests")
    for bad in ({"X": "a\nb"}, {"X": "a" * 1001}, {f"P{n}": "" for n in range(21)}):
        raw = Run.manifest("shop-run-2", spec, space)
        raw["spec"]["parameters"] = bad
        with pytest.raises(Invalid):
            await ruled.client.create(raw)


async def cancelled(cluster: Cluster, space: str, name: str) -> None:
    """A run that ends as soon as it is looked at."""
    await cluster.client.create(Project.manifest("shop", ProjectSpec(), space))
    spec = RunSpec(project="shop", ref="refs/heads/main\u202e", commit="a" * 40, author="ada", cancel=True)
    await cluster.client.create(Run.manifest(name, spec, space, labels={PROJECT: "shop"}))


async def phases(cluster: Cluster, space: str) -> list[str]:
    found = await cluster.client.list(API_VERSION, "Notice", space)
    return [str((item.get("status") or {}).get("phase")) for item in found]


async def test_a_result_is_mailed_once(
    ruled: Cluster, space: str, inbox: tuple[Inbox, int], eventually: Eventually
) -> None:
    spec = ChannelSpec(type="mail", to=("team@example.org",), events=("run.cancelled",))
    await ruled.client.create(Channel.manifest("team", spec, space))
    await cancelled(ruled, space, "shop-1-x")

    async def delivered() -> bool:
        return await phases(ruled, space) == ["Delivered"]

    await eventually(delivered)
    ((recipients, message),) = inbox[0].taken
    assert recipients == ["team@example.org"]
    assert message["Subject"] == f"[{space.removesuffix('-build')}] shop: the run was cancelled"


async def test_a_mail_server_that_comes_late_gets_it_still(
    ruled: Cluster, space: str, inbox: tuple[Inbox, int], eventually: Eventually
) -> None:
    inbox[0].says = "450 Later"
    spec = ChannelSpec(type="mail", to=("team@example.org",), events=("run.cancelled",))
    await ruled.client.create(Channel.manifest("team", spec, space))
    await cancelled(ruled, space, "shop-1-x")

    async def waits() -> bool:
        found = await ruled.client.list(API_VERSION, "Notice", space)
        return bool(found) and await ruled.ready("Notice", found[0]["metadata"]["name"], space) == "False NotTaken"

    await eventually(waits)
    inbox[0].says = ""

    async def delivered() -> bool:
        return await phases(ruled, space) == ["Delivered"]

    await eventually(delivered, 60.0)
    assert len(inbox[0].taken) == 1


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


async def test_a_result_reaches_a_webhook_signed(
    ruled: Cluster, space: str, receiver: Receiver, eventually: Eventually, tmp_path: Path
) -> None:
    """There is no kubelet: the test starts the pod's process as the Job says."""
    url = f"http://127.0.0.1:{receiver.server_address[1]}/hook"
    spec = ChannelSpec(url=url, secret="chat-channel", events=("run.cancelled",))
    await ruled.client.create(Channel.manifest("chat", spec, space))
    meta = {"name": "chat-channel", "namespace": space}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"secret": SECRET}}
    await ruled.client.create(secret)
    trust = {"name": "roost-trust", "namespace": "roost-system"}
    if await ruled.client.get("v1", "ConfigMap", "roost-trust", "roost-system") is None:
        await ruled.client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": trust, "data": {"ca.crt": ""}})
    await cancelled(ruled, space, "shop-1-x")
    (job,) = await eventually(lambda: ruled.client.list("batch/v1", "Job", space, "roost.dev/notice"))
    pod = job["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False and "roost.dev/run" not in job["metadata"]["labels"]
    (container,) = pod["containers"]
    (tmp_path / "secret").write_text(SECRET)
    environment = {item["name"]: item["value"] for item in container["env"] if "value" in item}
    environment |= {"ROOST_CREDENTIALS": str(tmp_path), "ROOST_TERMINATION_LOG": str(tmp_path / "log")}
    command = [sys.executable, *container["command"][1:]]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    ((path, headers, body),) = receiver.got
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = base64.b64encode(hmac.digest(b"k" * 32, signed, "sha256")).decode()
    assert path == "/hook" and headers["webhook-signature"] == f"v1,{wanted}"
    said = json.loads(body)
    assert said["type"] == "run.cancelled" and said["data"]["author"] == "ada"
    assert "\u202e" not in said["data"]["ref"]
    assert json.loads((tmp_path / "log").read_text())["ok"] is True


async def test_a_tenant_cannot_write_notices_or_name_what_is_no_receiver(ruled: Cluster, space: str) -> None:
    deployer = ruled.client.act_as("deployer", f"{space.removesuffix('-build')}-dev")
    notice = {"channel": "chat", "event": "run.failed", "at": "now", "facts": {}}
    meta = {"name": "n", "namespace": space}
    with pytest.raises(Forbidden):
        await deployer.create({"apiVersion": API_VERSION, "kind": "Notice", "metadata": meta, "spec": notice})
    for url in ("http://localhost/x", "http://kubernetes/x", "https://a:b@example.org/", "file:///etc/passwd"):
        raw = {"type": "webhook", "url": url, "secret": "x"}
        with pytest.raises(Invalid):
            await ruled.client.create({"apiVersion": API_VERSION, "kind": "Channel", "metadata": meta, "spec": raw})
