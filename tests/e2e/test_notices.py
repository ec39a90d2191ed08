"""What became of a run is told from the cluster: by a signed webhook to a receiver outside, and by mail."""

import base64
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from tests.e2e.conftest import Person, kubectl, kubectl_json, repository, until
from tests.e2e.outside import HERE, WORLD, Received, outside

from roost.adapters.tests.test_mail import Inbox

pytestmark = [pytest.mark.e2e, pytest.mark.full]
MAIL_PORT, HOOK_PORT = 2525, 8088
SYSTEM, SITE = "roost-system", "roost-site"
BROKEN = 'FROM base/busybox:1.37\nRUN echo "the tests do not pass" && exit 3\n'


@pytest.fixture(scope="module")
def inbox() -> Iterator[Inbox]:
    """The site's mail server, on this machine, named to the platform as an administrator does it."""
    before = kubectl("-n", SYSTEM, "get", "configmap", SITE, "-o", "json", "--ignore-not-found")
    made = Inbox()
    listening = Controller(made, hostname="0.0.0.0", port=MAIL_PORT)
    listening.start()
    data = (json.loads(before).get("data") or {}) if before else {}
    try:
        _site(data | {"ROOST_SMTP": f"smtp://{HERE}:{MAIL_PORT}", "ROOST_MAIL_FROM": "roost@example.org"})
        yield made
    finally:
        if before:
            _site(data)
        else:
            kubectl("-n", SYSTEM, "delete", "configmap", SITE, "--ignore-not-found")
            _restart()
        listening.stop()


def _site(data: dict[str, str]) -> None:
    meta = {"name": SITE, "namespace": SYSTEM}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}
    # Replaced whole: what an administrator takes away must go.
    verb = "replace" if kubectl("-n", SYSTEM, "get", "configmap", SITE, "--ignore-not-found") else "create"
    kubectl(verb, "-f", "-", stdin=json.dumps(body))
    _restart()


def _restart() -> None:
    kubectl("-n", SYSTEM, "rollout", "restart", "deployment/roost-controller")
    kubectl("-n", SYSTEM, "rollout", "status", "deployment/roost-controller", "--timeout=180s")


@pytest.fixture(scope="module")
def received(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Received]:
    """A receiver of webhooks at an address of the world; the mail server's address is this machine's on its link."""
    with outside(tmp_path_factory.mktemp("outside")) as host, host.receiving(WORLD, HOOK_PORT) as taken:
        yield taken


@pytest.fixture(scope="module")
def told(member: Person, received: Received, inbox: Inbox, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A run that failed, and the secret of the channel that it is told to; both channels are made before it."""
    url = f"http://{WORLD}:{HOOK_PORT}/hook?team=1"
    secret = member.roost("channel", "create", "chat", "--url", url, "--event", "run.failed", "-o", "json").json()
    member.roost("channel", "create", "team", "--mail", "team@example.org", "--event", "run.failed")
    member.roost("project", "create", "shop")
    path = repository(member, tmp_path_factory.mktemp("shop") / "shop", {"Containerfile": BROKEN})
    pushed = member.git("push", member.remote("shop"), "main", cwd=path, ok=False)
    assert "the tests do not pass" in pushed.err
    run = member.roost("build", "list", "-p", "shop", "-o", "json").json()[0]
    assert run["status"]["phase"] == "Failed"
    return {"run": run["metadata"]["name"], "secret": secret["secret"], "commit": run["spec"]["commit"]}


def test_a_result_is_delivered_to_a_receiver_outside_signed_and_once(told: dict[str, Any], received: Received) -> None:
    until(lambda: received.all(), "the delivery", 180)
    (delivery,) = received.all()
    assert delivery["path"] == "/hook?team=1"
    headers, body = delivery["headers"], delivery["body"]
    key = base64.b64decode(told["secret"].removeprefix("whsec_"))
    text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{body}".encode()
    signature = base64.b64encode(hmac.digest(key, text, "sha256")).decode()
    assert headers["webhook-signature"] == f"v1,{signature}"
    said = json.loads(body)
    assert said["type"] == "run.failed"
    assert (said["data"]["run"], said["data"]["commit"]) == (told["run"], told["commit"])


def test_a_result_is_mailed_once(told: dict[str, Any], inbox: Inbox, member: Person) -> None:
    until(lambda: inbox.taken, "the mail", 180)
    ((recipients, message),) = inbox.taken
    assert recipients == ["team@example.org"] and message["From"] == "roost@example.org"
    assert message["Subject"].startswith(f"[{member.tenant}] shop: ")
    assert told["run"] in str(message)


def test_what_became_of_each_notice_can_be_seen(told: dict[str, Any], member: Person) -> None:
    space = f"{member.tenant}-build"

    def phases() -> dict[str, str]:
        items = kubectl_json("-n", space, "get", "notices.roost.dev")["items"]
        return {item["spec"]["channel"]: (item.get("status") or {}).get("phase", "") for item in items}

    until(lambda: phases() == {"chat": "Delivered", "team": "Delivered"}, "both to be delivered", 180)
    assert "Delivered" in member.roost("channel", "notices", "chat").out


def test_a_result_beyond_the_notices_that_a_tenant_may_have_holds_no_run_up(
    told: dict[str, Any], inbox: Inbox, member: Person, tmp_path: Path
) -> None:
    """The mail server takes nothing, and 500 notices wait for it: the next result is not told, and its run ends."""
    space = f"{member.tenant}-build"
    known = kubectl_json("-n", space, "get", "notices.roost.dev")["items"]
    spec = {**known[0]["spec"], "channel": "team"}
    labels = known[0]["metadata"].get("labels", {}) | {"e2e": "flood"}
    meta = {"namespace": space, "labels": labels}
    items = [
        {"apiVersion": "roost.dev/v1alpha1", "kind": "Notice", "metadata": meta | {"name": f"flood-{at}"}, "spec": spec}
        for at in range(500)
    ]
    inbox.says = "450 Later"
    try:
        kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
        path = repository(member, tmp_path / "shop", {"Containerfile": BROKEN, "again": "x"})
        member.git("push", "--force", member.remote("shop"), "main", cwd=path, ok=False)
        run = member.roost("build", "list", "-p", "shop", "-o", "json").json()[0]
        assert run["metadata"]["name"] != told["run"] and run["status"]["phase"] == "Failed"
        notices = kubectl_json("-n", space, "get", "notices.roost.dev")["items"]
        assert not [item for item in notices if item["spec"]["facts"].get("run") == run["metadata"]["name"]]
    finally:
        kubectl("-n", space, "delete", "notices.roost.dev", "-l", "e2e=flood", "--wait=false")
        inbox.says = ""
