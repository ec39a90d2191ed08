"""Framing of git's answers, and the report that tells of a failed run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.gitserver import pktline
from roost.gitserver.pktline import FLUSH, Splitter, packet, with_failures


@given(st.lists(st.binary(max_size=200)), st.integers(1, 50))
def test_what_was_framed_is_split_again_however_it_arrives(payloads: list[bytes], size: int) -> None:
    stream = b"".join(map(packet, payloads)) + FLUSH
    splitter = Splitter()
    parts = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert [payload for part in parts for payload in splitter.feed(part)] == [*payloads, None]


def test_a_long_text_takes_several_packets() -> None:
    framed = pktline.band(2, b"x" * 70000)
    assert [len(payload or b"") for payload in Splitter().feed(framed)] == [65516, 4486]


def test_other_bytes_are_no_packet() -> None:
    with pytest.raises(pktline.Malformed):
        list(Splitter().feed(b"HTTP/1.1 200"))


def test_a_failed_run_is_told_in_the_report() -> None:
    report = packet(b"unpack ok\n") + packet(b"ok refs/heads/main\n") + packet(b"ok refs/heads/dev\n") + FLUSH
    told = with_failures(report, {"refs/heads/main": "no\nstart\x1b[31m command"})
    assert list(Splitter().feed(told)) == [
        b"unpack ok\n",
        b"ng refs/heads/main no start [31m command\n",
        b"ok refs/heads/dev\n",
        None,
    ]


def test_options_of_a_failed_ref_go_with_it() -> None:
    report = packet(b"ok refs/heads/main\n") + packet(b"option forced-update\n") + FLUSH
    assert b"option" not in with_failures(report, {"refs/heads/main": "x"})
    assert with_failures(report, {}) == report
