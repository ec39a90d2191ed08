"""An instance ends without a failed request, by what the real gateway says; without the helper some fail.

The program is the one of P2: it exits the moment that it gets SIGTERM, whatever it is doing.
"""

import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from roost.node import engine
from roost.node.manifests import gateway
from tests.integration.gateway.stage import Instance, Stage, failed, sent

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A gateway with one instance behind it."""
    made = Stage(tmp_path_factory.mktemp("gateway"), engine.build(["traefik", "drain", "load"]))
    try:
        made.start()
        yield made
    finally:
        made.stop()


def replaced(stage: Stage, helped: bool, times: int) -> dict[str, Any]:
    """What a load says while instances are replaced."""
    told: dict[str, Any] = {}
    with stage.load(told):
        for _ in range(times):
            stage.replace(helped)
            stage.reached(stage.serving[-1])
        stage.settled()
    return told


@pytest.mark.full
def test_no_request_fails_while_instances_are_replaced_and_without_the_helper_some_do(stage: Stage) -> None:
    told = replaced(stage, helped=True, times=4)
    assert failed(told) == {}
    assert min(sent(told).values()) > 10, "every kind of request was there"
    assert failed(replaced(stage, helped=False, times=4)), "the load does not see what it is for"


def test_an_instance_is_told_when_the_gateway_leads_elsewhere(stage: Stage) -> None:
    stage.replace(helped=True)
    assert stage.served(stage.serving[0].port) == "yes"
    stage.settled()
    assert stage.served(9) == "no"


def test_it_ends_in_time_when_nobody_knows(stage: Stage) -> None:
    """roost-drain is away: the instance waits as long as it was told to, and ends."""
    extra = stage.begin()
    stage.serving.remove(extra)
    began = time.monotonic()
    stage.hook(extra, "--view=http://192.0.2.1:9", "--fallback=2s").wait(60)
    assert time.monotonic() - began >= 2


def test_it_ends_at_its_limit_while_a_gateway_still_leads_to_it(stage: Stage) -> None:
    """Nobody can put off the end of an instance for longer than its limit, not even by being served."""
    instance: Instance = stage.serving[-1]
    began = time.monotonic()
    stage.hook(instance, "--limit=3s").wait(60)
    assert time.monotonic() - began >= 3
    stage.serving.remove(instance)
    stage.begin()
    stage.publish()


def asked(stage: Stage, path: str, client: str = "", host: str = gateway.VIEW_NAME) -> int:
    """The status that the gateway's view answers with; 0 where it takes no connection."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if client:
        place = Path(stage.folder / client)
        context.load_cert_chain(place / "tls.crt", place / "tls.key")
    url = f"https://{stage.address}:{stage.ports['view']}{path}"
    try:
        with urlopen(Request(url, headers={"Host": host}), timeout=30, context=context) as answer:
            return int(answer.status)
    except HTTPError as refused:
        return refused.code
    except OSError:
        return 0


def test_the_view_answers_nobody_without_the_certificate_for_it(stage: Stage) -> None:
    # Without the gateway's name in the handshake, other options would count: then the name in the request is refused.
    assert asked(stage, "/api/http/services") == 421
    assert asked(stage, "/api/http/services", host="anybody.example") == 404


def test_what_a_tenant_sees_of_the_gateway_has_no_view(stage: Stage) -> None:
    for host in (gateway.VIEW_NAME, "shop-dev.acme.roost.localhost"):
        url = f"http://{stage.address}:{stage.ports['web']}/api/http/services"
        try:
            with urlopen(Request(url, headers={"Host": host}), timeout=30) as answer:
                own = [str(item.port) for item in stage.serving]
                assert answer.read().decode() in own, "the application itself answers"
        except HTTPError as refused:
            assert refused.code == 404
