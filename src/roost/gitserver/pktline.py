"""Git's pkt-line framing and the report of a push (pure). The server reads and writes the answer to a push with it.

Source: gitprotocol-common(5), gitprotocol-pack(5): four hex digits of length (itself included), then the payload;
`0000` is a flush. In a side band the first byte of a payload is 1 (data), 2 (progress for people) or 3 (fatal).
"""

from collections.abc import Iterator

FLUSH = b"0000"
MAX_PAYLOAD = 65516
DATA, PROGRESS = 1, 2


class Malformed(ValueError):
    """Bytes that are no pkt-line."""


def packet(payload: bytes) -> bytes:
    """One pkt-line around `payload` (at most 65,516 bytes)."""
    if len(payload) > MAX_PAYLOAD:
        raise Malformed(f"A packet holds {MAX_PAYLOAD} bytes at most, not {len(payload)}.")
    return b"%04x" % (len(payload) + 4) + payload


def band(number: int, data: bytes) -> bytes:
    """`data` in side band `number`, in as many packets as it needs."""
    step = MAX_PAYLOAD - 1
    return b"".join(packet(bytes([number]) + data[at : at + step]) for at in range(0, len(data), step))


def refusal(message: str) -> bytes:
    """An `ERR` packet: git shows it as `fatal: remote error: <message>`."""
    return packet(b"ERR " + message.encode()[: MAX_PAYLOAD - 4])


class Splitter:
    """Cuts a stream of bytes into pkt-lines, however it arrives."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[bytes | None]:
        """The payloads that are complete now; None for a flush (and the other packets without payload)."""
        self._rest += data
        while len(self._rest) >= 4:
            try:
                length = int(self._rest[:4], 16)
            except ValueError as error:
                raise Malformed(f"{self._rest[:4]!r} is no length of a packet.") from error
            if length < 4:
                self._rest = self._rest[4:]
                yield None
                continue
            if len(self._rest) < length:
                return
            payload, self._rest = self._rest[4:length], self._rest[length:]
            yield payload


def with_failures(report: bytes, failures: dict[str, str]) -> bytes:
    """A report-status (its own pkt-lines) in which the refs of `failures` are `ng` with that reason.

    A reason becomes one line without control characters, at most 300 characters. What is no `ok` stays as it is.
    """
    out = b""
    dropping = False
    for payload in Splitter().feed(report):
        if payload is None:
            out += FLUSH
            continue
        word, _, rest = payload.partition(b" ")
        ref = rest.strip().decode(errors="replace")
        if word == b"ok" and ref in failures:
            reason = "".join(char if char.isprintable() else " " for char in failures[ref])[:300]
            out += packet(f"ng {ref} {reason.strip() or 'failed'}\n".encode())
            dropping = True
            continue
        if word == b"option" and dropping:
            continue
        dropping = False
        out += packet(payload)
    return out
