"""Webhooks out: what is signed, and which addresses are never reached, whatever a name server says."""

import base64
import hmac
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.adapters.webhook import AddressRefused, NotTaken, Sender, is_outside, key_of, networks, signed

LOOPBACK = networks("127.0.0.0/8 ::1/128")


class Receiver(ThreadingHTTPServer):
    """Keeps what it gets; answers as it is told to."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.answer: tuple[int, dict[str, str], bytes] = (204, {}, b"")
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.got.append((self.path, headers, body))
        status, more, said = self.server.answer
        self.send_response(status)
        for name, value in more.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, format: str, *args: object) -> None:
        return


@contextmanager
def receiving() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


def sender(*addresses: str, **more: Any) -> Sender:
    """One whose name server gives these addresses for every name."""
    return Sender(LOOPBACK, resolve=lambda host, port: list(addresses or ("127.0.0.1",)), **more)


def url(receiver: Receiver, path: str = "/hook?a=1") -> str:
    return f"http://chat.example.org:{receiver.server_address[1]}{path}"


def test_it_is_signed_as_the_standard_says() -> None:
    """The example of the specification's own libraries."""
    now = datetime.fromtimestamp(1614265330, UTC)
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    headers = signed(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", body, now)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330")


def test_a_secret_may_be_any_text() -> None:
    assert key_of("plain") == b"plain" and key_of("whsec_!!") == b"whsec_!!"
    assert key_of("whsec_" + base64.b64encode(b"x").decode()) == b"x"


def test_the_receiver_gets_what_was_signed(receiver: Receiver) -> None:
    body = b'{"type":"run.failed"}'
    headers = signed("key", "msg_1", body, datetime.now(UTC))
    assert sender().send(url(receiver), headers, body) == 204
    ((path, got, taken),) = receiver.got
    assert path == "/hook?a=1" and taken == body and got["content-type"] == "application/json"
    assert got["host"] == f"chat.example.org:{receiver.server_address[1]}"
    wanted = hmac.digest(b"key", f"msg_1.{got['webhook-timestamp']}.".encode() + taken, "sha256")
    assert got["webhook-signature"] == "v1," + base64.b64encode(wanted).decode()


INSIDE = [
    "10.0.0.1",
    "10.96.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "100.100.100.200",
    "192.168.1.1",
    "172.16.0.1",
    "0.0.0.0",
    "255.255.255.255",
    "224.0.0.1",
    "::1",
    "::",
    "fe80::1",
    "fd00:ec2::254",
    "::ffff:169.254.169.254",
    "::ffff:10.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", INSIDE)
def test_no_address_of_the_inside_is_reached(address: str, receiver: Receiver) -> None:
    strict = Sender(resolve=lambda host, port: [address])
    with pytest.raises(AddressRefused, match="no address of the world outside"):
        strict.send(url(receiver), {}, b"{}")
    assert receiver.got == []


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "[::1]", "[::ffff:127.0.0.1]"])
def test_however_an_address_is_written(host: str, receiver: Receiver) -> None:
    with pytest.raises((AddressRefused, NotTaken)):
        Sender().send(f"http://{host}:{receiver.server_address[1]}/", {}, b"{}")
    assert receiver.got == []


def test_a_name_with_one_good_and_one_bad_address_is_refused(receiver: Receiver) -> None:
    with pytest.raises(AddressRefused):
        Sender(resolve=lambda host, port: ["8.8.8.8", "10.0.0.1"]).send(url(receiver), {}, b"{}")


def test_a_second_answer_of_the_name_server_leads_nowhere(receiver: Receiver) -> None:
    """DNS rebinding: the address that was judged is the one that is reached, and nobody is asked again."""
    asked: list[str] = []

    def first_good(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    assert Sender(LOOPBACK, resolve=first_good).send(url(receiver), {}, b"{}") == 204
    assert asked == ["chat.example.org"]


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    with receiving() as other:
        receiver.answer = (307, {"Location": url(other)}, b"")
        with pytest.raises(NotTaken, match=r"answered 307\. Redirects are not followed"):
            sender().send(url(receiver), {}, b"{}")
        assert other.got == []


@pytest.mark.parametrize(
    "bad",
    [
        "ftp://example.org/",
        "file:///etc/passwd",
        "http://user:password@example.org/",
        "http://user@example.org/",
        "http:///x",
        "https://example.org:99999/",
        "https://example.org:0/",
        "http://[::1/",
    ],
)
def test_what_is_no_address_of_a_webhook_is_refused(bad: str) -> None:
    with pytest.raises(AddressRefused):
        sender().send(bad, {}, b"{}")


def test_who_says_no_is_tried_again_but_not_who_is_gone(receiver: Receiver) -> None:
    receiver.answer = (503, {}, b"later\x1b[31m")
    with pytest.raises(NotTaken, match=r"answered 503. later\[31m$") as refused:
        sender().send(url(receiver), {}, b"{}")
    assert not refused.value.gone
    receiver.answer = (410, {}, b"")
    with pytest.raises(NotTaken) as gone:
        sender().send(url(receiver), {}, b"{}")
    assert gone.value.gone


def test_a_receiver_that_is_away_or_silent_takes_bounded_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(NotTaken, match="does not answer"):
            sender(timeout_s=0.2).send(f"http://chat.example.org:{port}/", {}, b"{}")
    with pytest.raises(NotTaken, match="does not answer"):
        sender(timeout_s=0.2).send(f"http://chat.example.org:{port}/", {}, b"{}")


def test_an_endless_answer_is_not_read(receiver: Receiver) -> None:
    receiver.answer = (200, {}, b"x" * (5 << 20))
    assert sender().send(url(receiver), {}, b"{}") == 200


def test_through_a_proxy_only_tls_goes_out() -> None:
    with pytest.raises(AddressRefused, match="only https"):
        sender(proxy="http://proxy.example.org:3128").send("http://chat.example.org/", {}, b"{}")
    strict = Sender(resolve=lambda host, port: ["10.96.0.1"], proxy="http://127.0.0.1:1")
    with pytest.raises(AddressRefused, match="no address of the world"):
        strict.send("https://kubernetes.default.svc/", {}, b"{}")


@given(st.integers(min_value=0, max_value=2**32 - 1))
def test_an_address_is_judged_the_same_in_all_its_forms(number: int) -> None:
    plain = ip_address(number)
    for form in (f"::ffff:{plain}", f"64:ff9b::{plain}"):
        assert is_outside(ip_address(form)) == is_outside(plain)
