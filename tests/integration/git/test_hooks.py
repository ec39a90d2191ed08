"""Webhooks as forges send them: who signs as the sender makes Roost look once; forged, altered and old ones do nothing.

The forms are those that GitHub, Gitea, GitLab and Standard Webhooks document; GitLab itself cannot run here.
"""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable

import httpx2
import pytest

from roost.surface.fetch_token import hook_secret
from tests.integration.git.conftest import SECRET, Server, StandIn

pytestmark = pytest.mark.integration
BODY = b'{"ref":"refs/heads/main","after":"0123456789012345678901234567890123456789"}'
KEY = hook_secret(SECRET, ("acme", "hello"), "uid-1", 1)


def hub(body: bytes = BODY, key: str = KEY) -> dict[str, str]:
    digest = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={digest}", "X-GitHub-Delivery": "d-1"}


def gitea(body: bytes = BODY, key: str = KEY) -> dict[str, str]:
    digest = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Gitea-Signature": digest, "X-Gitea-Delivery": "d-1"}


def gitlab(body: bytes = BODY, key: str = KEY) -> dict[str, str]:
    return {"X-Gitlab-Token": key, "X-Gitlab-Event-UUID": "d-1"}


def standard(body: bytes = BODY, key: str = KEY, at: float | None = None) -> dict[str, str]:
    stamp = str(int(time.time() if at is None else at))
    signature = base64.b64encode(hmac.digest(key.encode(), f"d-1.{stamp}.".encode() + body, "sha256")).decode()
    return {"webhook-id": "d-1", "webhook-timestamp": stamp, "webhook-signature": f"v1,AAAA v1,{signature}"}


def bearer(body: bytes = BODY, key: str = KEY) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


Form = Callable[..., dict[str, str]]
FORMS: list[Form] = [hub, gitea, gitlab, standard, bearer]


@pytest.fixture
def following(cluster: StandIn) -> StandIn:
    cluster.source = "https://git.example.org/hello.git"
    return cluster


def deliver(server: Server, headers: dict[str, str], body: bytes = BODY, project: str = "hello") -> httpx2.Response:
    url = f"http://127.0.0.1:{server.port}/hooks/acme/{project}"
    return httpx2.post(url, content=body, headers={"X-Roost-Shared": SECRET, **headers}, trust_env=False)


@pytest.mark.parametrize("form", FORMS)
def test_a_signed_delivery_makes_one_look(server: Server, following: StandIn, form: Form) -> None:
    assert deliver(server, form()).status_code == 202
    (look,) = following.looked
    assert look["spec"]["project"] == "hello" and look["spec"]["cause"] == "hook"
    assert deliver(server, form()).status_code == 202 and len(following.looked) == 1
    following.looked[0]["status"] = {"startedAt": "2026-01-01T00:00:00Z"}
    assert deliver(server, form()).status_code == 202
    assert len(following.looked) == (2 if form is bearer else 1), "The same delivery is the same look."


@pytest.mark.parametrize("form", FORMS)
def test_a_forged_delivery_does_nothing(server: Server, following: StandIn, form: Form) -> None:
    other = hook_secret(SECRET, ("acme", "hello"), "uid-1", 2)
    assert deliver(server, form(key=other)).status_code == 401
    assert deliver(server, form(key="x")).status_code == 401
    assert following.looked == []


@pytest.mark.parametrize("form", [hub, gitea, standard])
def test_an_altered_delivery_does_nothing(server: Server, following: StandIn, form: Form) -> None:
    assert deliver(server, form(), BODY + b" ").status_code == 401
    assert following.looked == []


def test_an_old_delivery_does_nothing(server: Server, following: StandIn) -> None:
    assert deliver(server, standard(at=time.time() - 3600)).status_code == 401
    assert deliver(server, {**standard(), "webhook-timestamp": "12a"}).status_code == 401
    assert following.looked == []


def test_a_worse_form_beside_a_better_one_does_not_count(server: Server, following: StandIn) -> None:
    assert deliver(server, {"X-Hub-Signature-256": "sha256=00", **bearer()}).status_code == 401
    assert following.looked == []


def test_the_secret_of_another_project_opens_nothing(server: Server, following: StandIn) -> None:
    assert deliver(server, bearer(key=hook_secret(SECRET, ("acme", "other"), "uid-1", 1))).status_code == 401
    following.uid = "uid-2"
    assert deliver(server, bearer()).status_code == 401, "The project was made anew."


@pytest.mark.parametrize("project", ["missing", "NOT-A-NAME", "a/b", "%2e%2e"])
def test_no_project_answers_as_a_forged_delivery_does(server: Server, following: StandIn, project: str) -> None:
    assert deliver(server, bearer(), project=project).status_code == 401


def test_only_the_api_passes_deliveries_on(server: Server, following: StandIn) -> None:
    assert deliver(server, {**bearer(), "X-Roost-Shared": "x" * 32}).status_code == 403
    assert deliver(server, bearer(), b"x" * (5 << 20)).status_code == 413
    assert following.looked == []


def test_a_project_that_people_push_to_says_so(server: Server, cluster: StandIn) -> None:
    assert deliver(server, bearer()).status_code == 409


def test_when_kubernetes_does_not_answer_the_sender_is_told_to_come_back(server: Server, following: StandIn) -> None:
    following.down = 1
    assert deliver(server, bearer()).status_code == 503
    assert deliver(server, bearer()).status_code == 202
