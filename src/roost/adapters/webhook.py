"""Webhooks out: one signed POST to an address that a tenant names. Used by the pod of a Notice.

What a tenant names is not trusted: the host is resolved once, every address that it has must be one of the world (or
of a network that the site allows), and the connection goes to that very address, so that no second answer of a name
server leads elsewhere. Redirects are not followed; little of the answer is read; all of it ends in time.
Source of the signature: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

    AddressRefused      the address is none that may be reached; trying again changes nothing
    NotTaken            the receiver is away or says no; worth another try, unless it is `gone`
"""

import base64
import binascii
import hmac
import http.client
import ipaddress
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import SplitResult, urlsplit

MAX_ANSWER: Final = 64 << 10
SAID: Final = 200  # Characters of an answer that are told.
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[str, int], Sequence[str]]


class AddressRefused(Exception):
    """The address is none that may be reached."""


class NotTaken(Exception):
    """The receiver is away or says no; `gone`: it wants nothing any more."""

    def __init__(self, message: str, gone: bool = False) -> None:
        super().__init__(message)
        self.gone = gone


def key_of(secret: str) -> bytes:
    """The key in a secret: base64 after `whsec_`, as the standard writes it; any other text as it stands."""
    if secret.startswith("whsec_"):
        try:
            return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except binascii.Error:
            return secret.encode()
    return secret.encode()


def signed(secret: str, message_id: str, body: bytes, now: datetime) -> dict[str, str]:
    """The headers of Standard Webhooks 1.0."""
    stamp = str(int(now.timestamp()))
    digest = hmac.digest(key_of(secret), f"{message_id}.{stamp}.".encode() + body, "sha256")
    return {
        "webhook-id": message_id,
        "webhook-timestamp": stamp,
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name. OSError where there is none."""
    return [str(item[4][0]) for item in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def networks(text: str) -> tuple[Network, ...]:
    """CIDRs, divided by spaces. ValueError."""
    return tuple(ipaddress.ip_network(part) for part in text.split())


def _plain(address: Address) -> Address:
    """The IPv4 address within an IPv6 one, where it holds one: that is where the packets go."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return inner or address
    return address


def is_outside(address: Address) -> bool:
    """Whether an address is one of the world: no cluster's, node's, link's, metadata service's."""
    plain = _plain(address)
    return plain.is_global and not (plain.is_multicast or plain.is_reserved or plain.is_loopback)


@dataclass(frozen=True)
class Sender:
    """Sends. allowed: networks beside the world's. proxy: `http://host:port`; then only https goes out, through it."""

    allowed: tuple[Network, ...] = ()
    proxy: str = ""
    timeout_s: float = 15.0
    resolve: Resolve = resolve
    trust: ssl.SSLContext | None = None

    def send(self, url: str, headers: dict[str, str], body: bytes) -> int:
        """The status, from 200 to 299. AddressRefused, NotTaken."""
        where = self._checked(url)
        port = where.port or (443 if where.scheme == "https" else 80)
        host = where.hostname or ""
        address = self._address(host, port)
        target = (where.path or "/") + (f"?{where.query}" if where.query else "")
        connection = self._connection(where.scheme, host, port, address)
        try:
            told = {"Content-Type": "application/json", "User-Agent": "Roost", "Connection": "close", **headers}
            connection.request("POST", target, body=body, headers=told)
            answer = connection.getresponse()
            said = answer.read(MAX_ANSWER)
        except (OSError, http.client.HTTPException) as error:
            raise NotTaken(f"{host} does not answer: {str(error)[:SAID] or type(error).__name__}") from error
        finally:
            connection.close()
        if not 200 <= answer.status < 300:
            words = "".join(char for char in said.decode(errors="replace") if char.isprintable())[:SAID]
            hint = " Redirects are not followed." if 300 <= answer.status < 400 else ""
            raise NotTaken(f"{host} answered {answer.status}.{hint} {words}".strip(), gone=answer.status == 410)
        return answer.status

    def _checked(self, url: str) -> SplitResult:
        try:
            where = urlsplit(url)
            sound = where.scheme in ("http", "https") and bool(where.hostname) and where.port != 0
        except ValueError as error:
            raise AddressRefused(f"This is no address of a webhook: {error}") from error
        if not sound or where.username is not None or where.password is not None:
            raise AddressRefused("A webhook has an address https://host/path, without user and password.")
        if self.proxy and where.scheme != "https":
            raise AddressRefused("Through this site's proxy only https goes out.")
        return where

    def _address(self, host: str, port: int) -> str:
        """The address to connect to, of those that the host has; all of them must be of the world."""
        try:
            found = [ipaddress.ip_address(text.partition("%")[0]) for text in self.resolve(host, port)]
        except (OSError, UnicodeError, ValueError) as error:
            if self.proxy:
                return host  # Only the proxy knows names of the world here; the cluster's own it does not know.
            raise NotTaken(f"{host} has no address: {error}") from error
        if not found:
            raise NotTaken(f"{host} has no address.")
        for address in found:
            if not is_outside(address) and not any(_plain(address) in network for network in self.allowed):
                raise AddressRefused(
                    f"{host} leads to {address}, which is no address of the world outside. A receiver inside the site"
                    " must be allowed by an administrator (ROOST_NOTICE_NETWORKS)."
                )
        return str(found[0])

    def _connection(self, scheme: str, host: str, port: int, address: str) -> http.client.HTTPConnection:
        context = self.trust or ssl.create_default_context()
        if self.proxy:
            proxy = urlsplit(self.proxy)
            through = http.client.HTTPSConnection(
                proxy.hostname or "", proxy.port or 3128, timeout=self.timeout_s, context=context
            )
            through.set_tunnel(host, port)
            return through
        if scheme == "https":
            return _PinnedTLS(host, port, address, self.timeout_s, context)
        return _Pinned(host, port, address, self.timeout_s)


class _Pinned(http.client.HTTPConnection):
    """A connection to one address, whatever the name leads to by now."""

    def __init__(self, host: str, port: int, address: str, timeout_s: float) -> None:
        super().__init__(host, port, timeout=timeout_s)
        self._address = address

    def connect(self) -> None:
        """Connect to the address."""
        self.sock = socket.create_connection((self._address, self.port), self.timeout)


class _PinnedTLS(_Pinned):
    """The same with TLS; the certificate must be the host's."""

    def __init__(self, host: str, port: int, address: str, timeout_s: float, context: ssl.SSLContext) -> None:
        super().__init__(host, port, address, timeout_s)
        self._context = context

    def connect(self) -> None:
        """Connect to the address, and be sure of the host."""
        super().connect()
        self.sock = self._context.wrap_socket(self.sock, server_hostname=self.host)
