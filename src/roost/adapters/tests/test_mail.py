"""Mail out, over a real SMTP server; nothing that a tenant names becomes a header or a command."""

import asyncio
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from email.policy import default
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from hypothesis import given
from hypothesis import strategies as st

from roost.adapters.mail import Mail, MailFailed, Server, written

LETTER = Mail(("team@example.org", "boss@example.org"), "[acme] shop: the run failed", "Line 3 failed.\n", "n-1")


class Inbox:
    """What the server took, and what it says to recipients."""

    def __init__(self) -> None:
        self.taken: list[tuple[list[str], Message]] = []
        self.says = ""

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.says:
            return self.says
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        self.taken.append((list(envelope.rcpt_tos), message_from_bytes(content, policy=default)))
        return "250 OK"


class Listening(Controller):
    """The server on a port that the kernel chose."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def port(inbox: Inbox) -> Iterator[int]:
    controller = Listening(inbox, hostname="127.0.0.1", port=0)
    controller.start()
    yield controller.port
    controller.stop()


def server(port: int, folder: Path, scheme: str = "smtp") -> Server:
    return Server(f"{scheme}://127.0.0.1:{port}", "roost@example.org", folder)


def test_a_mail_arrives(inbox: Inbox, port: int, tmp_path: Path) -> None:
    server(port, tmp_path).send(LETTER)
    ((recipients, message),) = inbox.taken
    assert recipients == ["team@example.org", "boss@example.org"]
    assert message["Subject"] == "[acme] shop: the run failed" and message["From"] == "roost@example.org"
    assert message["Message-ID"] == "<n-1@example.org>" and message["Auto-Submitted"] == "auto-generated"
    assert "Line 3 failed." in str(message.get_payload())


def test_the_same_mail_sent_twice_is_known_by_its_id(inbox: Inbox, port: int, tmp_path: Path) -> None:
    for _ in range(2):
        server(port, tmp_path).send(LETTER)
    assert len({str(message["Message-ID"]) for _, message in inbox.taken}) == 1


@pytest.mark.parametrize(
    "hostile",
    [
        "x\r\nBcc: victim@example.org",
        "x\nContent-Type: text/html\n\n<script>",
        "x\r\n.\r\nMAIL FROM:<a@example.org>",
        "x\x00y",
        "x\u2028Bcc: victim@example.org",
        "=?utf-8?q?x=0ABcc:_victim@example.org?=",
        "==?utf-8?q?x=0ABcc:_victim@example.org?=",
        "=?utf-8?b?eApCY2M6IHZpY3RpbUBleGFtcGxlLm9yZw==?=",
        "ü" * 5000,
    ],
)
def test_what_a_tenant_names_is_no_header_and_no_command(inbox: Inbox, port: int, tmp_path: Path, hostile: str) -> None:
    server(port, tmp_path).send(Mail(("team@example.org",), hostile, hostile, "n-1"))
    ((recipients, message),) = inbox.taken
    assert recipients == ["team@example.org"] and message["Bcc"] is None
    assert message.get_content_type() == "text/plain" and not message.is_multipart()
    assert sorted(key.lower() for key in message).count("subject") == 1


PIECES = st.sampled_from(
    ["=?", "?=", "utf-8", "?q?", "?b?", "=0A", "=0D=0A", "Bcc:", " ", "\r", "\n", "a@b.org", "eAo=", "ü"]
)


@given(st.one_of(st.text(max_size=300), st.lists(PIECES, max_size=30).map("".join)))
def test_any_text_makes_one_sound_message(text: str) -> None:
    message = written(Mail(("team@example.org",), text, text, "n-1"), "roost@example.org")
    again = message_from_bytes(message.as_bytes(), policy=default)
    assert {key.lower() for key in again} <= {
        "from",
        "to",
        "subject",
        "message-id",
        "auto-submitted",
        "content-type",
        "content-transfer-encoding",
        "mime-version",
    }


def test_a_server_that_says_no_is_named(inbox: Inbox, port: int, tmp_path: Path) -> None:
    inbox.says = "450 Try again later"
    with pytest.raises(MailFailed, match="none of the recipients") as later:
        server(port, tmp_path).send(LETTER)
    assert not later.value.refused
    inbox.says = "550 No such user"
    with pytest.raises(MailFailed) as never:
        server(port, tmp_path).send(LETTER)
    assert never.value.refused


def test_who_cannot_be_reached_or_has_no_tls_gets_nothing(inbox: Inbox, port: int, tmp_path: Path) -> None:
    with pytest.raises(MailFailed, match="does not answer"):
        server(1, tmp_path).send(LETTER)
    with pytest.raises(MailFailed):
        server(port, tmp_path, "smtp+starttls").send(LETTER)
    with pytest.raises(MailFailed, match="names no server"):
        Server("mail.example.org", "roost@example.org", tmp_path).send(LETTER)
    assert inbox.taken == []


@pytest.mark.filterwarnings("ignore:Requiring AUTH")  # The test's server speaks no TLS.
def test_it_signs_in_where_it_has_a_name_and_a_password(inbox: Inbox, tmp_path: Path) -> None:
    def known(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword) -> AuthResult:
        # handled: whether the answer was given already.
        return AuthResult(success=(data.login, data.password) == (b"roost", b"right"), handled=False)

    controller = Listening(
        inbox, hostname="127.0.0.1", port=0, authenticator=known, auth_required=True, auth_require_tls=False
    )
    controller.start()
    try:
        port = controller.port
        (tmp_path / "username").write_text("roost\n")
        (tmp_path / "password").write_text("wrong\n")
        with pytest.raises(MailFailed, match="answered 535"):
            server(port, tmp_path).send(LETTER)
        (tmp_path / "password").write_text("right\n")
        server(port, tmp_path).send(LETTER)
    finally:
        controller.stop()
    assert len(inbox.taken) == 1
