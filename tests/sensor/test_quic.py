"""QUIC Initials: the RFCs' own vectors, a real stack's flights in any order, and packets sealed by a second hand."""

from __future__ import annotations

import itertools
import struct
import time

import pytest
from aioquic.quic.crypto import CryptoPair
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.quic import MAX_BYTES, MAX_DATAGRAMS, MAX_PACKETS, MAX_PIECES, QuicHello
from sensor.tls import NEED_MORE, UNDECIDED, Reading
from tests.sensor.building import (
    SALT_DRAFT_22,
    SALT_DRAFT_23,
    SALT_DRAFT_29,
    SALT_V1,
    SALT_V2,
    SALT_V2_DRAFT,
    V2,
    bare_hello,
    crypto_frame,
    datagram,
    initial_packet,
    names,
    quic_datagrams,
    varint,
)

NAME = b"www.one.example"
HELLO = bare_hello(NAME, padding=700)

# RFC 9001 A.2 and RFC 9369 A.2: the same CRYPTO frame, then PADDING up to 1162 bytes, packet number 2. Of the sealed
# packets the first 32 bytes and the AEAD tag are quoted; the tag proves all between.
RFC_ID = bytes.fromhex("8394c8f03e515708")
RFC_FRAME = bytes.fromhex(
    "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c000004130113"
    "02010000c000000010000e00000b6578616d706c652e636f6dff01000100000a00080006001d00170018001000070005"
    "04616c706e000500050100000000003300260024001d00209370b2c9caa47fbabaf4559fedba753de171fa71f50f1ce1"
    "5d43e994ec74d748002b0003020304000d0010000e0403050306030203080408050806002d00020101001c0002400100"
    "3900320408ffffffffffffffff05048000ffff07048000ffff0801100104800075300901100f088394c8f03e51570806"
    "048000ffff"
)
VECTORS = {
    1: (
        SALT_V1,
        "c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11",
        "e221af44860018ab0856972e194cd934",
    ),
    V2: (
        SALT_V2,
        "d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485",
        "a18b2faa745b6fe189cf772a9f84cbfc",
    ),
}


def read(*datagrams: bytes) -> Reading:
    hello = QuicHello()
    return [hello.feed(d) for d in datagrams][-1]


@pytest.mark.parametrize("version", VECTORS)
def test_the_vectors_of_the_rfcs(version: int) -> None:
    salt, head, tag = VECTORS[version]
    packet = initial_packet(RFC_FRAME.ljust(1162, b"\0"), version=version, salt=salt, key_id=RFC_ID)
    assert (len(packet), packet[:32].hex(), packet[-16:].hex()) == (1200, head, tag), (
        "the builder disagrees with the RFC"
    )
    assert read(packet) == Reading(True, True, b"example.com")


@pytest.mark.parametrize("version", [1, V2])
def test_a_real_stack_s_flight(version: int) -> None:
    (only,) = quic_datagrams(NAME.decode(), version=version)
    assert read(only) == Reading(True, True, NAME)
    flight = quic_datagrams(NAME.decode(), version=version, alpn=40)
    assert len(flight) == 3
    for order in itertools.permutations(flight):
        readings = [hello.feed(d) for hello in [QuicHello()] for d in order]
        assert readings[-1] == Reading(True, True, NAME)
        assert all(r.name in (None, NAME) and not r.complete for r in readings[:-1])


@pytest.mark.parametrize("version", [1, V2])
def test_a_real_flight_on_the_wire(version: int) -> None:
    flight = quic_datagrams(NAME.decode(), version=version, alpn=40)
    for order in itertools.permutations(flight):
        packets = [datagram(i / 100, data) for i, data in enumerate(order)]
        assert names(packets) == [("www.one.example", "quic_sni", False)]
    assert names([datagram(0, flight[1])]) == [(None, "none", True)]
    assert names([datagram(0, flight[0])]) == [("www.one.example", "quic_sni", True)]


def frames(message: bytes, *cuts: int) -> list[bytes]:
    edges = sorted({0, *(c for c in cuts if c < len(message)), len(message)})
    return [crypto_frame(a, message[a:b]) for a, b in itertools.pairwise(edges)]


@given(st.lists(st.integers(1, len(HELLO) - 1), max_size=30), st.randoms(use_true_random=False), st.integers(1, 4))
def test_crypto_frames_in_any_order_over_packets_and_datagrams(cuts: list[int], random: object, coalesced: int) -> None:
    parts = frames(HELLO, *cuts)
    random.shuffle(parts)  # type: ignore[attr-defined]
    packets = [
        initial_packet((b"\1" + part + b"\0" * 3).ljust(40, b"\0"), number=n, number_bytes=1 + n % 4)
        for n, part in enumerate(parts)
    ]
    hello, reading = QuicHello(), NEED_MORE
    for i in range(0, len(packets), coalesced):
        reading = hello.feed(b"".join(packets[i : i + coalesced]))
        assert reading.name in (None, NAME)
    if len(packets) <= MAX_DATAGRAMS * coalesced:
        assert reading == Reading(True, True, NAME)


def test_every_cut_of_a_hello_in_both_orders() -> None:
    message = bare_hello(NAME)
    for cut in range(1, len(message)):
        first, second = (initial_packet(f + bytes(60)) for f in frames(message, cut))
        assert read(first, second) == Reading(True, True, NAME)
        assert read(second, first) == Reading(True, True, NAME)
        assert read(second) == NEED_MORE


def test_overlapping_and_repeated_frames() -> None:
    parts = [crypto_frame(at, HELLO[at : at + 300]) for at in range(0, len(HELLO), 100)]
    for order in (parts, parts[::-1], parts * 2):
        assert read(*(initial_packet(b"".join(order[i : i + 3])) for i in range(0, len(order), 3))).name == NAME


def test_a_shorter_frame_does_not_take_the_place_of_a_longer_one() -> None:
    long, short, rest = crypto_frame(0, HELLO[:300]), crypto_frame(0, HELLO[:20]), crypto_frame(300, HELLO[300:])
    for order in ((long, short, rest), (short, long, rest)):
        assert read(*(initial_packet(frame) for frame in order)) == Reading(True, True, NAME)


def test_frames_between_the_crypto_frames() -> None:
    """ACK with two ranges and ECN counts, PING and PADDING (RFC 9000 12.4); anything else ends the packet."""
    first, second = frames(HELLO, 300)
    ack = bytes([3]) + b"".join(varint(v) for v in (70000, 5, 2, 1, 0, 3, 1, 0, 9, 2, 1))
    assert read(initial_packet(first + ack + b"\1\0\0" + second)).complete
    assert not read(initial_packet(first + b"\x1c\0\0" + second)).complete


def test_coalesced_packets_of_other_kinds_are_stepped_over() -> None:
    first, second = (initial_packet(f) for f in frames(HELLO, 300))
    zero_rtt = b"\xd0\0\0\0\1\x08" + RFC_ID + b"\0" + varint(50) + bytes(50)
    assert read(first + zero_rtt + second) == Reading(True, True, NAME)
    assert not read(first + b"\x40" + bytes(60) + second).complete, "a short header takes the rest of the datagram"
    assert not read(zero_rtt * MAX_PACKETS + first).name


def test_retry_and_changed_ids() -> None:
    """After Retry keys come from the new id; after the server's first packet the id changes but not the keys."""
    first, second = frames(HELLO, 300)
    token = bytes(range(90))
    before = initial_packet(first, number=0)
    retried = initial_packet(first, key_id=b"retried!", token=token, number=1)
    rest = initial_packet(second, key_id=b"retried!", destination=b"server's", token=token, number=2)
    assert read(before, retried, rest) == Reading(True, True, NAME)
    assert read(retried, rest) == Reading(True, True, NAME)
    kept = initial_packet(second, destination=b"another id of 18 b")
    assert read(before, kept) == Reading(True, True, NAME)
    assert not read(kept, before).complete, "nobody can open what comes before the id that its keys come from"


@pytest.mark.parametrize("size", [0, 1, 8, 20])
def test_ids_of_every_length(size: int) -> None:
    assert read(initial_packet(crypto_frame(0, HELLO), key_id=bytes(size), source=bytes(size))).name == NAME


def test_version_negotiation_starts_anew() -> None:
    """The first hello is dropped, not mixed with the second one (RFC 9000 6.2)."""
    other = bare_hello(b"www.two.example", padding=700)
    grease = initial_packet(crypto_frame(0, other[:300]), version=0x0A1A2A3A)
    first, second = (initial_packet(f, key_id=b"anotherid") for f in frames(HELLO, 40))
    assert read(grease).name == b"www.two.example"
    assert read(grease, second, first) == Reading(True, True, NAME)


VERSIONS = [
    (0xFF000016, SALT_DRAFT_22),
    (0xFF000017, SALT_DRAFT_23),
    (0xFF00001B, SALT_DRAFT_23),
    (0xFF00001D, SALT_DRAFT_29),
    (0xFF000020, SALT_DRAFT_29),
    (0xFF000018, SALT_DRAFT_23),
    (0xFF00001C, SALT_DRAFT_23),
    (0xFF000021, SALT_V1),
    (0xFF000022, SALT_V1),
    (0xFF020000, SALT_V2_DRAFT),
    (0xFACEB001, SALT_DRAFT_22),
    (0xFACEB002, SALT_DRAFT_23),
    (0xFACEB002, SALT_V1),
]
GREASED = [
    (0x0A0A0A0A | x, salt) for x in (0, 0x10305070) for salt in (SALT_V1, SALT_DRAFT_29, SALT_DRAFT_23, SALT_DRAFT_22)
]


@pytest.mark.parametrize(("version", "salt"), VERSIONS + GREASED)
def test_drafts_and_greased_versions(version: int, salt: bytes) -> None:
    first, second = (initial_packet(f, version=version, salt=salt) for f in frames(HELLO, 500))
    assert read(second, first) == Reading(True, True, NAME)
    assert names([datagram(0, first), datagram(0.1, second)]) == [("www.one.example", "quic_sni", False)]


def test_wrong_keys_and_changed_bytes_open_nothing() -> None:
    packet = initial_packet(crypto_frame(0, HELLO))
    assert read(initial_packet(crypto_frame(0, HELLO), salt=SALT_V2)) == UNDECIDED
    assert read(initial_packet(crypto_frame(0, HELLO), key_id=b"unseen", destination=b"another")) == UNDECIDED
    for at in (6, 20, 30, 100, len(packet) - 1):
        changed = bytearray(packet)
        changed[at] ^= 1
        assert read(bytes(changed)) == UNDECIDED, at
    assert names([datagram(0, bytes(changed))]) == [(None, "none", False)], "no hello was seen, so none is partial"


RFC_SERVER_INITIAL = bytes.fromhex(  # RFC 9001 A.3
    "cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a5816b6394100f37a1c69797554780bb3"
    "8cc5a99f5ede4cf73c3ec2493a1839b3dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bded74b562bfb19fb84"
    "022f8ef4cdd93795d77d06edbb7aaf2f58891850abbdca3d20398c276456cbc42158407dd074ee"
)


def test_a_server_s_initial_is_not_a_client_s() -> None:
    """Its keys come from the same id, but are others."""
    client = CryptoPair()
    client.setup_initial(cid=RFC_ID, is_client=True, version=1)
    assert client.decrypt_packet(RFC_SERVER_INITIAL, 18, 0)[1][5:6] == b"\x06", "the RFC's packet"
    reader = QuicHello()
    assert reader.feed(RFC_SERVER_INITIAL) == UNDECIDED
    first, second = (initial_packet(f) for f in frames(HELLO, 400))
    before = reader.feed(first)
    assert reader.feed(RFC_SERVER_INITIAL) == before
    assert reader.feed(second) == Reading(True, True, NAME)


def long_header(kind: int, size: int, *, version: int = 1) -> bytes:
    """A 0-RTT (1) or Handshake (2) packet of this many sealed bytes."""
    return (
        bytes([0xC0 | kind << 4]) + version.to_bytes(4, "big") + b"\x08" + RFC_ID + b"\0" + varint(size) + bytes(size)
    )


def test_0_rtt_first() -> None:
    """Many 0-RTT packets overtake the Initial; later ones, a Retry and short headers change nothing."""
    early = [long_header(1, 1100) for _ in range(30)]
    first, second = (initial_packet(f) for f in frames(HELLO, 400))
    retry = b"\xf0\0\0\0\1\0\x08" + RFC_ID + bytes(60)
    assert read(*early, first, retry, b"\x41" + bytes(60), early[0], second) == Reading(True, True, NAME)
    assert read(*early[:3], second + early[3], early[4] + first) == Reading(True, True, NAME)
    hello = QuicHello()
    assert [hello.feed(data).complete for data in (early * 3)[:64]] == [False] * 63 + [True], "not for ever"


def test_packets_for_another_connection_in_a_datagram_are_not_looked_at() -> None:
    """RFC 9000 12.2: they are somebody's play, and each would cost a key schedule."""
    first, second = frames(HELLO, 400)
    other = initial_packet(second, key_id=b"another")
    assert not read(initial_packet(first) + other).complete
    assert read(initial_packet(first) + initial_packet(second) + other).complete


def test_versions_do_not_share_a_hello() -> None:
    """Halves of two hellos, which Version Negotiation separates, are never put together."""
    other = bare_hello(b"www.two.example", padding=700)
    before, after = (
        initial_packet(frames(other, 400)[0]),
        initial_packet(frames(HELLO, 400)[1], version=V2, salt=SALT_V2),
    )
    reading = read(before, after)
    assert reading.name in (None, b"www.two.example")
    assert not reading.complete


def unopenable(n: int) -> bytes:
    packet = initial_packet(bytes(100), version=0x1A2A3A4A)
    return packet.replace(RFC_ID, n.to_bytes(8, "big"), 1)


def test_a_flood_of_initials_that_nobody_can_open_is_bounded() -> None:
    """Eight packets in a datagram, in a version that could have any salt: one key schedule for each salt at most."""
    begun = time.process_time()
    for n in range(300):
        QuicHello().feed(unopenable(n) * 8)
    assert time.process_time() - begun < 1.0


def chlo(name: bytes) -> bytes:
    """A gQUIC CHLO message with PAD and SNI tags (QUIC Crypto, 2016: tag, count, tag-end table, values)."""
    values = [(b"PAD\0", b"-" * 900), (b"SNI\0", name), (b"VER\0", b"Q050")]
    table, end = b"", 0
    for tag, value in values:
        end += len(value)
        table += tag + struct.pack("<I", end)
    return b"CHLO" + struct.pack("<HH", len(values), 0) + table + b"".join(v for _, v in values)


Q050_SALT = bytes.fromhex("504574efd066fe2f9d945cfcdbd3a7f0d3b56b45")
T050_SALT = bytes.fromhex("7ff579e5acd072915580304c43a2367c60488310")
T051_SALT = bytes.fromhex("7a4edef4e7ccee5fa4506c19124fc8ccda6e033d")


PUBLIC_HEADERS = [  # flags, connection id and version, packet number (gQUIC wire layout, 2016; Q032 and older)
    *((b"\x0d" + b"connects" + version, 1) for version in (b"Q024", b"Q030", b"Q033", b"Q035", b"Q039", b"Q043")),
    (b"\x09" + b"connects" + b"Q039", 1),
    (b"\x19" + b"connects" + b"Q043", 2),
    (b"\x29" + b"connects" + b"Q043", 4),
    (b"\x39" + b"connects" + b"Q043", 6),
    (b"\x09" + b"four" + b"Q025", 1),
    (b"\x05" + b"1" + b"Q025", 1),
    (b"\x01" + b"Q025", 1),
]


@pytest.mark.parametrize(("head", "number"), PUBLIC_HEADERS)
def test_google_quic_with_a_public_header(head: bytes, number: int) -> None:
    plain = head + bytes(number) + bytes(12) + b"\xa0\1\0\4" + chlo(NAME)
    assert read(plain) == Reading(True, True, NAME)
    assert names([datagram(0, plain)]) == [("www.one.example", "quic_sni", False)]


@pytest.mark.parametrize("version", [b"Q044", b"Q046"])
def test_google_quic_with_a_long_header(version: bytes) -> None:
    plain = b"\xc3" + version + b"\x50" + b"connects" + bytes(4) + bytes(12) + b"\xa0\1\0\4" + chlo(NAME)
    later = b"\xc3" + version + b"\x50" + b"connects" + bytes(4) + bytes(900)
    assert read(plain) == read(later, plain) == Reading(True, True, NAME)
    assert names([datagram(0, plain)]) == [("www.one.example", "quic_sni", False)]


def test_a_google_hello_in_two_packets() -> None:
    message = chlo(NAME)
    for cut in (10, 30, 60, len(message) - 30, len(message) - 3):
        halves = (crypto_frame(0, message[:cut]), crypto_frame(cut, message[cut:]))
        packets = [initial_packet(half, version=0x51303530, salt=Q050_SALT) for half in halves]
        for order in (packets, packets[::-1]):
            assert read(*order) == Reading(True, True, NAME)


def test_google_quic_sealed() -> None:
    packet = initial_packet(b"\x08\0" + varint(1200) + chlo(NAME), version=0x51303530, salt=Q050_SALT)
    assert read(packet) == Reading(True, True, NAME)
    assert names([datagram(0, packet)]) == [("www.one.example", "quic_sni", False)]


@pytest.mark.parametrize(("version", "salt"), [(0x54303530, T050_SALT), (0x54303531, T051_SALT)])
def test_google_s_quic_with_tls(version: int, salt: bytes) -> None:
    for kind in (6, 8):
        packet = initial_packet(crypto_frame(0, HELLO, kind), version=version, salt=salt)
        assert read(packet) == Reading(True, True, NAME)
        assert names([datagram(0, packet)]) == [("www.one.example", "quic_sni", False)]


def test_a_google_hello_cut_short_has_no_name() -> None:
    whole = chlo(NAME)
    for size in range(len(whole)):
        name = read(b"\x0dconnectsQ043\1" + whole[:size]).name
        assert name is None or size >= whole.index(NAME) + len(NAME)


def test_caps() -> None:
    hello = QuicHello()
    readings = [
        hello.feed(initial_packet(crypto_frame(9000 + 2 * n, b"x") + bytes(40), number=n)) for n in range(MAX_DATAGRAMS)
    ]
    assert [r.complete for r in readings] == [False] * (MAX_DATAGRAMS - 1) + [True]
    hello = QuicHello()
    for n in range(3):
        hello.feed(initial_packet(b"".join(crypto_frame(1000 * n + 2 * i, b"x") for i in range(200)), number=n))
    assert hello.held <= MAX_PIECES + 1  # one-byte pieces beyond gaps, and the beginning
    far = QuicHello()
    far.feed(initial_packet(crypto_frame(1 << 40, b"x" * 40)))
    assert far.held == 0
    much = QuicHello()
    for n in range(60):
        much.feed(initial_packet(crypto_frame(1000 * n, b"\1\0\xff\xff".ljust(1000, b"x")), number=n))
    assert much.held <= MAX_BYTES


@settings(max_examples=300)
@given(st.lists(st.binary(max_size=120), max_size=20))
def test_arbitrary_datagrams_never_raise(datagrams: list[bytes]) -> None:
    hello = QuicHello()
    for data in datagrams:
        reading = hello.feed(data)
        assert reading.name is None or reading.name in data


@settings(max_examples=300)
@given(st.binary(max_size=200), st.sampled_from([1, V2, 0x51303530, 0xFF00001D, 0x0A0A0A0A]))
def test_arbitrary_payloads_and_headers_never_raise(payload: bytes, version: int) -> None:
    salt = {V2: SALT_V2, 0x51303530: Q050_SALT, 0xFF00001D: SALT_DRAFT_29}.get(version, SALT_V1)
    reading = read(initial_packet(payload.ljust(4, b"\0"), version=version, salt=salt))
    assert reading.name is None or reading.name in payload
    read(bytes([0xC0 | payload[:1][0] if payload else 0xC0]) + version.to_bytes(4, "big") + payload)


@given(st.lists(st.tuples(st.integers(0, 1199), st.integers(0, 255)), min_size=1, max_size=3), st.integers(1, 1200))
def test_changed_flights_give_the_name_or_none(changes: list[tuple[int, int]], size: int) -> None:
    data = bytearray(quic_datagrams(NAME.decode())[0])
    for at, value in changes:
        data[at] = value
    assert read(bytes(data[:size])).name in (None, NAME)
