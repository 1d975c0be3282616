"""What may go before a hello: dialogues that end in STARTTLS, proxies' headers and requests, remote desktops.

Each on a port that is not the protocol's own, each with the hello whole and cut; and what must not be taken for one.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable

import pytest

from pcaps.hellos import hellos
from sensor.layout import LOOK_BUDGET, LOOK_BYTES
from tests.sensor.building import Talk, bare_hello, classify, client_hello, in_records, names, record_of

NAME = "www.hello.example"
HELLO = next(h.stream for h in hellos() if h.label == "chromium")
SMALL = client_hello(NAME)
OTHER = record_of(bare_hello(b"www.other.example"))
PROXY2 = b"\r\n\r\n\0\r\nQUIT\n"

Dialogue = list[tuple[str, bytes]]  # "up" or "down", bytes

DIALOGUES: dict[str, Dialogue] = {
    "smtp": [
        ("down", b"220 mail.example ESMTP\r\n"),
        ("up", b"EHLO pc.example\r\n"),
        ("down", b"250-mail.example\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-STARTTLS\r\n250 HELP\r\n"),
        ("up", b"STARTTLS\r\n"),
        ("down", b"220 go ahead\r\n"),
    ],
    "smtp, a line a packet": [
        ("down", b"220-mail.example ESMTP\r\n"),
        ("down", b"220 no spam\r\n"),
        ("up", b"EHLO pc.example\r\n"),
        *(("down", b"250-FEATURE%d\r\n" % n) for n in range(12)),
        ("down", b"250 STARTTLS\r\n"),
        ("up", b"STARTTLS\r\n"),
        ("down", b"220 go ahead\r\n"),
    ],
    "imap": [
        ("down", b"* OK ready\r\n"),
        ("up", b"a1 CAPABILITY\r\n"),
        ("down", b"* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\n"),
        ("down", b"a1 OK done\r\n"),
        ("up", b'a2 ID ("name" "pc")\r\n'),
        ("down", b'* ID ("name" "dovecot")\r\na2 OK\r\n'),
        ("up", b"a3 STARTTLS\r\n"),
        ("down", b"a3 OK begin\r\n"),
    ],
    "pop3": [
        ("down", b"+OK ready\r\n"),
        ("up", b"CAPA\r\n"),
        ("down", b"+OK\r\nUSER\r\nSTLS\r\n.\r\n"),
        ("up", b"STLS\r\n"),
        ("down", b"+OK begin\r\n"),
    ],
    "ftp": [
        ("down", b"220 ftp.example\r\n"),
        ("up", b"FEAT\r\n"),
        ("down", b"211-Features:\r\n AUTH TLS\r\n211 End\r\n"),
        ("up", b"AUTH TLS\r\n"),
        ("down", b"234 AUTH TLS successful\r\n"),
    ],
    "xmpp": [
        ("up", b"<?xml version='1.0'?><stream:stream to='example' xmlns='jabber:client' version='1.0'>"),
        ("down", b"<?xml version='1.0'?><stream:stream id='1' from='example' xmlns='jabber:client'>"),
        ("down", b"<stream:features>" + b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>" * 12),
        ("up", b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
        ("down", b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
    ],
    "ldap": [
        ("up", b"\x30\x1d\x02\x01\x01\x77\x18\x80\x16" + b"1.3.6.1.4.1.1466.20037"),
        ("down", b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"),
    ],
    "postgresql": [("up", b"\0\0\0\x08\x04\xd2\x16\x2f"), ("down", b"S")],
    "mysql": [
        ("down", b"\x4a\0\0\0\x0a8.0.36\0" + bytes(67)),
        ("up", b"\x20\0\0\1\x05\xae\xff\x01" + b"\0\0\0\1\x2d" + bytes(23)),
    ],
    "rdp": [
        ("up", b"\x03\0\0\x13\x0e\xe0\0\0\0\0\0\x01\0\x08\0\x0b\0\0\0"),
        ("down", b"\x03\0\0\x13\x0e\xd0\0\0\x12\x34\0\x02\x0f\x08\0\x02\0\0\0"),
    ],
    "socks4": [("up", b"\x04\x01\x01\xbb\xcb\0\x71\x07user\0"), ("down", b"\0\x5a\0\0\0\0\0\0")],
    "socks4a": [("up", b"\x04\x01\x01\xbb\0\0\0\x01\0www.hello.example\0"), ("down", b"\0\x5a\0\0\0\0\0\0")],
    "socks5": [
        ("up", b"\x05\x02\0\x02"),
        ("down", b"\x05\x02"),
        ("up", b"\x01\x04user\x04word"),
        ("down", b"\x01\0"),
        ("up", b"\x05\x01\0\x03\x11www.hello.example\x01\xbb"),
        ("down", b"\x05\0\0\x01\0\0\0\0\0\0"),
    ],
    "proxy v1": [("up", b"PROXY TCP4 10.20.0.5 203.0.113.7 50000 443\r\n")],
    "proxy v2": [("up", PROXY2 + b"\x21\x11" + struct.pack(">HIIHH", 12, 0x0A140005, 0xCB007107, 50000, 443))],
    "connect": [
        ("up", b"CONNECT www.proxied.example:443 HTTP/1.1\r\nHost: www.proxied.example:443\r\n\r\n"),
        ("down", b"HTTP/1.1 200 OK\r\n\r\n"),
    ],
    "connect after proxy v1": [
        ("up", b"PROXY UNKNOWN\r\nCONNECT www.proxied.example:443 HTTP/1.0\r\n\r\n"),
        ("down", b"HTTP/1.1 200 OK\r\n\r\n"),
    ],
}


def spoken(dialogue: Dialogue, *, syn: bool = True, port: int = 7777) -> tuple[Talk, float]:
    talk, time = Talk(server_port=port), 0.0
    if syn:
        talk.open(0)
    for who, data in dialogue:
        time += 0.05
        talk.up(time, data) if who == "up" else talk.down(time, data)
    return talk, time


@pytest.mark.parametrize("which", DIALOGUES)
@pytest.mark.parametrize("hello", [HELLO, SMALL, in_records(SMALL, 100)], ids=["two segments", "one", "two records"])
def test_the_hello_after_it_names_the_flow(which: str, hello: bytes) -> None:
    for cuts in ((), (1400,), (3,), (100,), (6, 90, 200)):
        edges = [0, *(c for c in cuts if c < len(hello)), len(hello)]
        pieces = [(a, hello[a:b]) for a, b in itertools.pairwise(edges)]
        talk, time = spoken(DIALOGUES[which])
        for _, data in pieces:
            time += 0.01
            talk.up(time, data)
        assert names(talk.packets) == [(NAME, "sni", False)], (which, cuts)


@pytest.mark.parametrize("which", DIALOGUES)
def test_its_segments_in_any_order(which: str) -> None:
    for cut in (10, 100, 400):
        talk, time = spoken(DIALOGUES[which])
        at = talk.sent
        for n, (offset, data) in enumerate(((cut, SMALL[cut:]), (0, SMALL[:cut]))):
            talk.segment(time + 0.01 * (n + 1), at + offset, data)
        assert names(talk.packets) == [(NAME, "sni", False)], (which, cut)


@pytest.mark.parametrize("which", ["proxy v1", "proxy v2", "mysql", "connect"])
def test_all_in_one_segment_or_cut_anywhere(which: str) -> None:
    """Headers that show where the hello begins, sent without waiting for an answer."""
    before = next(data for who, data in DIALOGUES[which] if who == "up")
    data = before + SMALL
    for cut in range(len(data)):
        talk = Talk(server_port=7777).open(0)
        for part in (data[:cut], data[cut:]):
            if part:
                talk.up(0.1 + cut / 1e4, part)
        assert names(talk.packets) == [(NAME, "sni", False)], cut


@pytest.mark.parametrize("which", DIALOGUES)
def test_a_capture_that_begins_with_it_but_after_the_syn(which: str) -> None:
    talk, time = spoken(DIALOGUES[which], syn=False)
    talk.up(time + 0.1, SMALL)
    assert [name for name, _, _ in names(talk.packets)] == [NAME]


def test_a_plain_request_through_socks() -> None:
    talk, time = spoken(DIALOGUES["socks5"])
    talk.up(time + 0.1, b"GET /a HTTP/1.1\r\nHost: www.hello.example\r\n\r\n")
    assert names(talk.packets) == [(NAME, "http_host", False)]


def test_the_server_s_bytes_name_nothing() -> None:
    """Whoever sent the SYN is the client; a hello from the other end is not his."""
    talk = Talk().open(0).down(0.1, OTHER)
    assert names(talk.packets) == [(None, "none", False)]
    talk = Talk().open(0).down(0.1, OTHER[:60]).down(0.2, OTHER[60:]).up(0.3, SMALL)
    assert names(talk.packets) == [(NAME, "sni", False)]
    talk = Talk().open(0).down(0.1, b"GET / HTTP/1.1\r\nHost: www.other.example\r\n\r\n")
    assert names(talk.packets) == [(None, "none", False)]


def test_what_was_said_before_cannot_be_said_again_as_a_hello() -> None:
    """A retransmission of bytes already seen does not count, whatever it holds; nor does a keep-alive's."""
    talk = Talk().open(0).up(0.1, b"\x00" * 3 + b"x" * 500).segment(0.2, 0, OTHER)
    assert names(talk.packets) == [(None, "none", False)]
    talk = Talk().open(0).up(0.1, b"x" * 20).segment(0.2, 19, b"\x16").up(0.3, SMALL)
    assert names(talk.packets) == [(NAME, "sni", False)]


def test_a_segment_that_begins_before_what_is_known() -> None:
    """The part that is new is looked at."""
    talk, _ = spoken(DIALOGUES["smtp"])
    at = talk.sent
    talk.segment(1, at - 10, b"STARTTLS\r\n" + SMALL)
    assert names(talk.packets) == [(NAME, "sni", False)]


def bulk(talk: Talk, step: Callable[[Talk, float], object], count: int) -> Talk:
    for n in range(count):
        step(talk, 0.1 + n / 1000)
    return talk


@pytest.mark.parametrize(
    ("step", "count"),
    [
        (lambda t, time: t.up(time, b"\x01" * 1000), LOOK_BUDGET // 8),
        (lambda t, time: t.down(time, b"\x01" * 1400), LOOK_BUDGET // 8),
        (lambda t, time: t.up(time, b"\x01" * 40), LOOK_BUDGET // 3),
        (lambda t, time: t.down(time, b"line\n"), LOOK_BUDGET),
    ],
    ids=["upload", "download", "game", "lines"],
)
def test_flows_without_a_hello_are_soon_left_alone(step: Callable[[Talk, float], object], count: int) -> None:
    """A hello just inside the budget counts, one beyond it is not looked for."""
    inside = bulk(Talk().open(0), step, count - 1).up(1, SMALL)
    beyond = bulk(Talk().open(0), step, count + 1).up(1, SMALL)
    assert names(inside.packets) == [(NAME, "sni", False)]
    assert names(beyond.packets) == [(None, "none", False)]


def test_a_long_upload_is_left_alone_by_bytes() -> None:
    talk = Talk().open(0).up(0.1, bytes(range(1, 200)) * (LOOK_BYTES // 199 + 1)).up(0.2, SMALL)
    assert names(talk.packets) == [(None, "none", False)]


def test_http2_without_tls_ends_the_search() -> None:
    talk = Talk(server_port=80).open(0).up(0.1, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert names(talk.packets) == [(None, "none", False)]


def test_the_port_does_not_matter() -> None:
    packets = [
        p for n in range(30) for p in Talk(client_port=40000 + n, server_port=1 + n * 2000).open(n).up(n, SMALL).packets
    ]
    assert [f["name"] for f in classify(packets).flows] == [NAME] * 30
