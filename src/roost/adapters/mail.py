"""Mail out, over the site's SMTP server. Used by the notice capability, in a thread of its own.

Source: RFC 5321, RFC 8314 (TLS from the first byte), RFC 3207 (STARTTLS).

    MailFailed      the server is away or says no; `refused`: it will not take this mail, however often it is tried
"""

import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

TIMEOUT_S: Final = 20
PORTS: Final = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
MAX_SUBJECT: Final = 200


class MailFailed(Exception):
    """The server is away or says no."""

    def __init__(self, message: str, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


@dataclass(frozen=True)
class Mail:
    """One mail. key: the same for every try; it becomes the Message-ID, by which a reader drops a repeated one."""

    to: tuple[str, ...]
    subject: str
    text: str
    key: str


@dataclass(frozen=True)
class Server:
    """The site's server: `smtp://host`, `smtp+starttls://host:587` or `smtps://host:465`.

    credentials: a folder with the files `username` and `password`; where there are none, nobody signs in.
    """

    url: str
    sender: str
    credentials: Path
    trust: ssl.SSLContext | None = None

    def send(self, mail: Mail) -> None:
        """Hand the mail over. MailFailed."""
        where = urlsplit(self.url)
        if where.scheme not in PORTS or not where.hostname:
            raise MailFailed("ROOST_SMTP names no server: smtp+starttls://mail.example.org:587, for example.")
        message = written(mail, self.sender)
        context = self.trust or ssl.create_default_context()
        port = where.port or PORTS[where.scheme]
        try:
            with self._connect(where.scheme, where.hostname, port, context) as server:
                if where.scheme == "smtp+starttls":
                    server.starttls(context=context)
                if (self.credentials / "username").exists():
                    server.login(_read(self.credentials / "username"), _read(self.credentials / "password"))
                server.send_message(message, self.sender, list(mail.to))
        except smtplib.SMTPRecipientsRefused as error:
            codes = sorted({code for code, _ in error.recipients.values()})
            raise MailFailed(f"The mail server takes none of the recipients ({codes}).", codes[0] >= 500) from error
        except smtplib.SMTPResponseException as error:
            said = (
                error.smtp_error.decode(errors="replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
            )
            words = "".join(char for char in said if char.isprintable())[:200]
            raise MailFailed(f"The mail server answered {error.smtp_code}: {words}") from error
        except (OSError, smtplib.SMTPException) as error:
            raise MailFailed(f"The mail server does not answer: {str(error)[:200] or type(error).__name__}") from error

    def _connect(self, scheme: str, host: str, port: int, context: ssl.SSLContext) -> smtplib.SMTP:
        if scheme == "smtps":
            return smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_S, context=context)
        return smtplib.SMTP(host, port, timeout=TIMEOUT_S)


def _read(path: Path) -> str:
    return path.read_text().strip()


def written(mail: Mail, sender: str) -> EmailMessage:
    """The message. What a tenant names stands in the subject, and stays text there: no control character gets in, nor
    an encoded word (RFC 2047), which Python's email would decode, line breaks among it, and write out as headers.
    """
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = ", ".join(mail.to)
    subject = "".join(char if char.isprintable() else " " for char in mail.subject)
    message["Subject"] = subject.replace("=?", "= ?")[:MAX_SUBJECT]
    message["Message-ID"] = f"<{mail.key}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence is told to us.
    message.set_content("".join(char for char in mail.text if char.isprintable() or char in "\n\t"))
    return message
