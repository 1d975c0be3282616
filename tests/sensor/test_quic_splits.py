"""Recorded first flights of real QUIC stacks, and hellos of real stacks sealed anew: shuffled, lost, sent again, cut.

Everywhere the name is the right one or none, never another; it is there as soon as the bytes up to its end are. What is
opened to be cut is opened by aioquic, and sealed by the builder's second writing of RFC 9001, not by the sensor.
"""

from __future__ import annotations

import functools
import itertools

import pytest
from aioquic.buffer import Buffer
from aioquic.quic.crypto import CryptoPair
from aioquic.quic.packet import QuicHeader, pull_quic_header

from pcaps.hellos import hellos
from pcaps.quic_hellos import Flight, flights
from sensor.quic import QuicHello
from sensor.tls import Reading
from tests.sensor.building import (
    CLIENT,
    SALT_V1,
    Packet,
    classify,
    crypto_frame,
    datagram,
    ethernet,
    initial_keys,
    ns,
    seal,
    udp,
)

FLIGHTS = {flight.label: flight for flight in flights()}
SERVER = "203.0.113.7"
KEY_ID = bytes.fromhex("8394c8f03e515708")


# -- flights as they were sent ----------------------------------------------------------------------------------------


MAX_ORDERED = 5


def initials(flight: Flight) -> tuple[bytes, ...]:
    """What the client sent before the server answered, and after it too if that was Retry or Version Negotiation."""
    sent = tuple(data for _, data in itertools.takewhile(lambda d: d[0] == "client", flight.datagrams))
    answer = next((data for sender, data in flight.datagrams if sender == "server"), b"")
    return sent if len(answer) == 0 or len(answer) >= 1200 else flight.client[:MAX_ORDERED]


def fed(*datagrams: bytes, name: str) -> Reading:
    """The last reading; every one on the way is right or none. Nothing is fed after it is complete."""
    hello, reading = QuicHello(), Reading(False, False)
    for data in datagrams:
        reading = hello.feed(data)
        assert reading.name in (None, name.encode())
        if reading.complete:
            break
    return reading


def header_of(data: bytes) -> QuicHeader:
    return pull_quic_header(Buffer(data=data), host_cid_length=8)


def every_flight(test: object) -> object:
    return pytest.mark.parametrize("flight", FLIGHTS.values(), ids=FLIGHTS)(test)  # type: ignore[operator]


@every_flight
def test_every_order_of_a_flight(flight: Flight) -> None:
    for order in itertools.permutations(initials(flight)):
        assert fed(*order, name=flight.name)[:3] == (True, True, flight.name.encode())


@every_flight
def test_each_datagram_lost_or_sent_twice(flight: Flight) -> None:
    sent = initials(flight)
    for n in range(len(sent)):
        fed(*sent[:n], *sent[n + 1 :], name=flight.name)
        again = (*sent[: n + 1], *sent[n:])
        assert fed(*again, name=flight.name).name == flight.name.encode()
        late = (*sent[:n], *sent[n + 1 :], sent[n])  # lost on the way to us, and caught when it comes again
        assert fed(*late, name=flight.name).complete


@every_flight
def test_packets_of_a_flight_in_one_datagram(flight: Flight) -> None:
    """Without the padding behind a packet, as whoever coalesces packets pads only the datagram's end."""
    sent = [data[: header_of(data).packet_length] for data in initials(flight)]
    same = [data for data in sent if header_of(data).destination_cid == header_of(sent[0]).destination_cid][:4]
    for order in itertools.permutations(same):
        assert fed(b"".join(order), name=flight.name).complete == fed(*order, name=flight.name).complete


@every_flight
def test_every_cut_of_a_datagram_is_no_other_name(flight: Flight) -> None:
    first, *others = initials(flight)
    for size in range(0, len(first), 7):
        fed(first[:size], *others, name=flight.name)


def packets(flight: Flight, order: list[int], *, server_port: int = 443, client_port: int = 50000) -> list[Packet]:
    out = []
    for time, n in enumerate(order):
        sender, data = flight.datagrams[n]
        ends = (CLIENT, client_port, SERVER, server_port)
        packet = udp(*ends, data) if sender == "client" else udp(*ends[2:], *ends[:2], data)
        out.append(Packet(ns(time / 100), ethernet(packet)))
    return out


@every_flight
def test_both_sides_on_the_wire_whoever_is_seen_first(flight: Flight) -> None:
    """On ports that say nothing about who is the client, as well."""
    everything = list(range(len(flight.datagrams)))
    server_first = sorted(everything, key=lambda n: flight.datagrams[n][0] == "client")
    for order, port in itertools.product((everything, server_first), (443, 4433, 50443)):
        (flow,) = classify(packets(flight, order, server_port=port)).flows
        assert (flow["name"], flow["evidence"], flow["partial"]) == (flight.name, "quic_sni", False)
        assert (flow["client"], flow["server_port"]) == (CLIENT, port)


@every_flight
def test_each_datagram_missing_from_the_capture(flight: Flight) -> None:
    whole = list(range(len(flight.datagrams)))
    for n in whole:
        for flow in classify(packets(flight, [k for k in whole if k != n])).flows:
            assert flow["name"] in (flight.name, None)


@every_flight
def test_a_server_alone_is_no_client(flight: Flight) -> None:
    server = [n for n, (sender, _) in enumerate(flight.datagrams) if sender == "server"]
    assert all(flow["name"] is None for flow in classify(packets(flight, server, server_port=4433)).flows)
    reader = QuicHello()
    assert not any(reader.feed(flight.datagrams[n][1]).is_hello for n in server)


def test_the_same_flight_before_and_after_nat() -> None:
    for flight in FLIGHTS.values():
        sent = initials(flight)
        both = [
            datagram(n / 100 + m / 1000, data, client=client, port=port)
            for n, data in enumerate(sent)
            for m, (client, port) in enumerate(((CLIENT, 50000), ("198.51.100.1", 61000)))
        ]
        found = [(flow["client"], flow["name"]) for flow in classify(both).flows]
        assert found == [(CLIENT, flight.name), ("198.51.100.1", flight.name)], flight.label


def test_what_was_recorded() -> None:
    """The runs with a server hold what they are for."""
    kinds = {label: [data[0] >> 4 & 3 for s, data in f.datagrams if s == "server"] for label, f in FLIGHTS.items()}
    assert kinds["aioquic-retry"][0] == 3
    assert FLIGHTS["aioquic-version-negotiation"].datagrams[1][1][1:5] == bytes(4)
    versions = {int.from_bytes(d[1:5], "big") for d in FLIGHTS["aioquic-version-negotiation"].client if d[0] & 0x80}
    assert versions >= {1, 0x6B3343CF}
    assert len(FLIGHTS) >= 20
    assert len({flight.stack for flight in FLIGHTS.values()}) >= 6


# -- hellos sealed anew -----------------------------------------------------------------------------------------------


def opened(flight: Flight) -> bytes:
    """The hello of a first flight, opened and put together by aioquic's cryptography."""
    pieces: dict[int, bytes] = {}
    crypto = CryptoPair()
    for data in initials(flight):
        buffer = Buffer(data=data)
        header = pull_quic_header(buffer, host_cid_length=8)
        if not pieces:
            crypto.setup_initial(cid=header.destination_cid, is_client=False, version=header.version)
        _, payload, _ = crypto.decrypt_packet(data[: header.packet_length], buffer.tell(), 0)
        frames = Buffer(data=payload)
        while not frames.eof():
            kind = frames.pull_uint_var()
            if kind == 6:
                offset = frames.pull_uint_var()
                pieces[offset] = frames.pull_bytes(frames.pull_uint_var())
            else:
                assert kind in (0, 1)
    return b"".join(pieces[offset] for offset in sorted(pieces))


@functools.cache
def messages() -> dict[str, tuple[bytes, bytes]]:
    """At least 20 hellos of many stacks and their names: some from QUIC, some from TCP without their records."""
    out = {}
    for hello in hellos():
        if hello.name and not hello.label.endswith(("-tls12", "-again")):
            data, message = hello.stream, b""
            while data:
                size = int.from_bytes(data[3:5], "big")
                message, data = message + data[5 : 5 + size], data[5 + size :]
            out[hello.label] = message, hello.name.encode()
    chosen = [
        *("aioquic", "qh3", "chromium", "chromium-no-mlkem", "firefox", "curl", "curl-chrome"),
        *("boringssl-safari", "boringssl-firefox", "curl-openssl3", "curl-gnutls", "gnutls", "go", "java25"),
        *("mbedtls", "node", "nss", "nss-ech", "openssl", "openssl4", "openssl-long-name", "rustls", "tlslite", "wget"),
    ]
    quic = {label: (opened(FLIGHTS[label]), FLIGHTS[label].name.encode()) for label in chosen[:7]}
    return {label: (quic | out)[label] for label in chosen if label in quic | out}


def test_there_are_enough_hellos() -> None:
    assert len(messages()) >= 20
    for label, (message, name) in messages().items():
        assert message[0] == 1, label
        assert len(message) == 4 + int.from_bytes(message[1:4], "big"), label
        assert message.count(name) == 1, label


KEYS = initial_keys(SALT_V1, KEY_ID)
_number = itertools.count()


def packet(*frames: tuple[int, bytes]) -> bytes:
    """An Initial with these CRYPTO frames (offset, data) and a packet number never used before."""
    payload = b"".join(crypto_frame(offset, data) for offset, data in frames)
    return seal(payload.ljust(20, b"\0"), KEYS, key_id=KEY_ID, number=next(_number) & 0xFFFF)


def check(reading: Reading, name: bytes, prefix: int, name_end: int, *, whole: bool) -> None:
    """With `prefix` contiguous bytes known, the name is there if it ends among them."""
    assert reading.complete == whole
    assert reading.name == (name if prefix >= name_end else None)


def cut_everywhere(message: bytes, name: bytes) -> None:
    size, name_end = len(message), message.index(name) + len(name)
    wrong = bytes(b ^ 0x55 for b in message)
    for cut in range(1, size):
        head, tail = (0, message[:cut]), (cut, message[cut:])
        for frames in ((head, tail), (tail, head)):
            check(QuicHello().feed(packet(*frames)), name, size, name_end, whole=True)
        first, second = packet(head), packet(tail)
        reader = QuicHello()
        check(reader.feed(first), name, cut, name_end, whole=False)
        check(reader.feed(second), name, size, name_end, whole=True)
        reader = QuicHello()
        check(reader.feed(second), name, 0, name_end, whole=False)
        check(reader.feed(first), name, size, name_end, whole=True)
        check(QuicHello().feed(second + first), name, size, name_end, whole=True)
        # Frames overlap and disagree: what came first stays.
        low, high = max(0, cut - 9), min(size, cut + 9)
        reader = QuicHello()
        check(reader.feed(packet((0, message[:high]))), name, high, name_end, whole=high == size)
        if high < size:
            check(reader.feed(packet((low, wrong[low:high] + message[high:]))), name, size, name_end, whole=True)
        reader = QuicHello()
        reader.feed(packet((low or 1, message[low or 1 :])))
        check(reader.feed(packet((0, message[: low or 1] + wrong[low or 1 : high]))), name, size, name_end, whole=True)
        # A byte is missing, and comes.
        reader = QuicHello()
        reader.feed(packet((cut + 1, message[cut + 1 :]), head) if cut + 1 < size else first)
        check(reader.feed(first), name, cut, name_end, whole=False)
        check(reader.feed(packet((cut, message[cut : cut + 1]))), name, size, name_end, whole=True)


@pytest.mark.parametrize("label", messages())
def test_crypto_cut_at_every_byte(label: str) -> None:
    cut_everywhere(*messages()[label])


@pytest.mark.parametrize("label", messages())
def test_crypto_in_small_pieces_in_three_orders(label: str) -> None:
    message, name = messages()[label]
    for step in (1, 3, 17, 61):
        pieces = [(at, message[at : at + step]) for at in range(0, len(message), step)]
        if len(pieces) > 250:
            pieces = [*pieces[:249], (249 * step, message[249 * step :])]
        middle = pieces[1::2] + pieces[::2]
        for order in (pieces, pieces[::-1], middle):
            reader, reading = QuicHello(), Reading(False, False)
            for n in range(0, len(order), 40):
                reading = reader.feed(packet(*order[n : n + 40]))
                assert reading.name in (None, name)
            assert (reading.complete, reading.name) == (True, name), (step, order[0])


@pytest.mark.parametrize("label", messages())
def test_a_lost_first_initial_is_sent_again_under_another_number(label: str) -> None:
    message, name = messages()[label]
    half = len(message) // 2
    first = packet((0, message[:half]))
    again = packet((0, message[:half]))
    assert first != again
    reader = QuicHello()
    assert not reader.feed(packet((half, message[half:]))).complete
    assert reader.feed(again).name == name
    assert reader.feed(first).name == name
