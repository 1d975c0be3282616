"""Encrypted ClientHello: noted on every flow; a name that only hides another is no use, and DNS may know better."""

from __future__ import annotations

from pathlib import Path

import pytest

from pcaps.hellos import hellos
from sensor.catalogue import load_catalogue
from sensor.classify import classify_file
from sensor.layout import NAME
from sensor.sense import Sensor
from tests.sensor.building import (
    CLIENT,
    OTHER_CLIENT,
    SERVER,
    Packet,
    Talk,
    bare_hello,
    classify,
    client_hello,
    crypto_frame,
    datagram,
    dns_answer,
    feed,
    initial_packet,
    pcap,
    record_of,
    taken,
)

HELLOS = {h.label: h for h in hellos()}
REAL = HELLOS["nss-ech"].stream
OUTER = "cloudflare-ech.com"


def connection(
    hello: bytes, *, port: int = 50000, time: float = 1.0, client: str = CLIENT, cut: int = 1400
) -> list[Packet]:
    talk = Talk(client=client, client_port=port).open(time)
    for part in (hello[:cut], hello[cut:]):
        if part:
            talk.up(time + 0.01, part)
    return talk.packets


def sensed(packets: list[Packet]) -> tuple[list[tuple[int, str, str]], dict[str, int]]:
    """(client port, service, evidence) of each slice, and the counters; with the shipped catalogue."""
    sensor = Sensor(load_catalogue(), ())
    feed(sensor, sorted(packets, key=lambda p: p.time))
    sensor.meter.finish()
    return [(r["client_port"], r["service"], r["evidence"]) for r in taken(sensor)], sensor.counters()


@pytest.mark.parametrize("label", HELLOS)
@pytest.mark.parametrize("cut", [70, 700, 1400])
def test_the_extension_is_noted(label: str, cut: int) -> None:
    hello = HELLOS[label]
    (flow,) = classify(connection(hello.stream, cut=cut)).flows
    assert (flow["name"], flow["evidence"], flow["ech"]) == (hello.name, "sni" if hello.name else "none", hello.ech)


def test_in_quic_and_behind_a_tunnel() -> None:
    message = HELLOS["chromium"].stream[5:]
    initial = initial_packet(crypto_frame(0, message[:1000]) + crypto_frame(1000, message[1000:]))
    (flow,) = classify([datagram(1, initial)]).flows
    assert (flow["name"], flow["ech"]) == (HELLOS["chromium"].name, True)
    request = b"CONNECT www.proxied.example:443 HTTP/1.1\r\nHost: www.proxied.example:443\r\n\r\n"
    (flow,) = classify(Talk().open(0).up(0.1, request).up(0.2, HELLOS["firefox"].stream).packets).flows
    assert (flow["name"], flow["ech"]) == (HELLOS["firefox"].name, True)


def test_grease_does_not_make_a_name_worthless() -> None:
    """Browsers send the extension to everyone; only names that are known to hide others are worthless."""
    extension = b"\xfe\x0d\0\x04\0\0\1\1"
    hello = record_of(bare_hello(b"www.reddit.com", extensions=extension))
    rows, counters = sensed(connection(hello))
    assert rows == [(50000, "reddit", "sni")]
    assert counters["flows_ech"] == 0


def test_an_outer_name_is_no_service_and_is_counted() -> None:
    rows, counters = sensed(connection(REAL) + connection(REAL, port=50001, cut=100))
    assert rows == []
    assert (counters["flows_ech"], counters["names_blind"]) == (2, 1)


@pytest.mark.parametrize("cut", [100, 1400])
def test_dns_knows_better_than_an_outer_name(cut: int) -> None:
    told = [dns_answer(0.5, "www.reddit.com", [SERVER])]
    rows, counters = sensed(told + connection(REAL, cut=cut))
    assert rows == [(50000, "reddit", "dns")]
    assert counters["flows_ech"] == 1
    (flow,) = [f for f in classify(told + connection(REAL, cut=cut)).flows if f["transport"] == "tcp"]
    assert (flow["name"], flow["evidence"]) == ("cloudflare-ech.com", "sni"), (
        "the tests' catalogue knows no outer names"
    )


def test_classify_says_what_it_read_and_what_dns_told(tmp_path: Path) -> None:
    catalogue, told = load_catalogue(), dns_answer(0.5, "www.reddit.com", [SERVER])
    for before, expected in (([], (OUTER, "sni", True, None)), ([told], ("www.reddit.com", "dns", True, "reddit"))):
        path = tmp_path / "capture.pcap"
        path.write_bytes(pcap(before + connection(REAL)))
        flow = next(f for f in classify_file(path, catalogue).flows if f["transport"] == "tcp")
        assert (flow["name"], flow["evidence"], flow["ech"], flow["service"]) == expected


def test_what_another_client_was_told_says_nothing() -> None:
    told = [dns_answer(0.5, "www.reddit.com", [SERVER])]
    rows, counters = sensed(told + connection(REAL, client=OTHER_CLIENT))
    assert (rows, counters["flows_ech"]) == ([], 1)


def test_two_services_at_one_address_are_doubt() -> None:
    told = [dns_answer(0.5, "www.reddit.com", [SERVER]), dns_answer(0.6, "www.tiktok.com", [SERVER])]
    assert sensed(told + connection(REAL))[0] == []


def test_dns_of_the_outer_name_itself_is_no_help() -> None:
    told = [dns_answer(0.5, OUTER, [SERVER])]
    rows, counters = sensed(told + connection(REAL))
    assert (rows, counters["flows_ech"]) == ([], 1)


def test_a_long_connection_keeps_the_name_from_dns() -> None:
    """Every minute of it, and it is counted once."""
    talk = Talk().open(1).up(1.1, REAL)
    for minute in range(1, 5):
        talk.up(60 * minute + 5, b"\x17\x03\x03\0\x10" + bytes(16))
    told = [dns_answer(0.5, "www.reddit.com", [SERVER], ttl=30)]
    rows, counters = sensed(told + talk.packets)
    assert rows == [(50000, "reddit", "dns")] * 5
    assert counters["flows_ech"] == 1
    rows, counters = sensed(talk.packets)
    assert rows == []
    assert counters["flows_ech"] == 1


def test_an_inner_name_that_leaks_is_not_looked_for() -> None:
    """A name beside an outer one in the same connection: only the hello's own counts."""
    rows, _ = sensed(connection(REAL) + connection(client_hello("www.reddit.com"), port=50001, time=2))
    assert rows == [(50001, "reddit", "sni")]


def test_outer_names_do_not_spoil_a_full_name_table() -> None:
    """When names are forgotten, one outer name stays an outer name."""
    sensor = Sensor(load_catalogue(), ())
    feed(sensor, connection(REAL))
    book = sensor.meter._book
    for n in range(3000):
        book.number(f"n{n}.nowhere.example")
    sensor.meter._drain()
    book.forget(sensor.meter._flows.halves[:, NAME])
    feed(sensor, connection(REAL, port=50002, time=3))
    sensor.meter.finish()
    assert taken(sensor) == []
    assert sensor.counters()["flows_ech"] == 2
