"""What the sensor knows that it cannot see: DNS over TLS, QUIC and HTTPS, and clients whose DNS passes elsewhere."""

from __future__ import annotations

import ipaddress

import pytest

from sensor.settings import SegmentRule
from sensor.words import Segment
from tests.sensor.building import (
    CLIENT,
    OTHER_CLIENT,
    RESOLVER,
    Packet,
    Talk,
    client_hello,
    datagram,
    dns_answer,
    feed,
    initial_packet,
    new_sensor,
    quic_datagrams,
    taken,
)


def hello(name: str | None, *, client: str = CLIENT, port: int = 443, client_port: int = 50000) -> list[Packet]:
    talk = Talk(client=client, server_port=port, client_port=client_port).open(0)
    return talk.up(0.1, client_hello(name)).down(0.2, bytes(400)).packets


def counted(packets: list[Packet], *names: str) -> tuple[int, ...]:
    sensor = new_sensor()
    feed(sensor, packets)
    sensor.meter.finish()
    assert taken(sensor) == [], "none of it is use"
    return tuple(sensor.counters()[name] for name in names)


def test_dns_over_tls_is_known_by_its_port() -> None:
    packets = [*hello("resolver.example", port=853), *hello(None, port=853, client_port=50001), *hello(None)]
    assert counted(packets, "flows_dot", "flows_doq", "flows_doh", "flows") == (2, 0, 0, 3)


@pytest.mark.parametrize("port", [853, 784, 8853])
def test_dns_over_quic_is_known_by_its_port(port: int) -> None:
    (initial,) = quic_datagrams("resolver.example")
    packets = [datagram(n / 10, initial, port=50000 + n % 2, server_port=port) for n in range(4)]
    assert counted(packets, "flows_dot", "flows_doq") == (0, 2), "flows, however many datagrams"
    assert counted([datagram(0, initial, server_port=443)], "flows_doq") == (0,)


def test_dns_over_https_is_known_by_the_resolver_s_name() -> None:
    (initial,) = quic_datagrams("doh.example")
    minutes = Talk(client_port=50003).open(0).up(0.1, client_hello("doh.example"))
    for n in range(1, 5):
        minutes.up(60 * n, bytes(400))
    packets = [*hello("doh.example"), *hello("doh.example", client_port=50001), datagram(0, initial), *minutes.packets]
    assert counted(packets, "flows_doh", "names_blind") == (4, 1), "flows, in however many minutes"
    assert counted(hello("doh.example", port=853), "flows_dot", "flows_doh") == (1, 0), "counted once"


def test_dns_over_https_to_an_address_that_was_looked_up() -> None:
    nameless = Talk(server="203.0.113.9").open(1).up(1.1, client_hello(None)).packets
    assert counted([dns_answer(0, "doh.example", ["203.0.113.9"]), *nameless], "flows_doh") == (1,)


def clients(packets: list[Packet], *rules: SegmentRule) -> tuple[int, int]:
    sensor = new_sensor(rules)
    feed(sensor, packets)
    sensor.table()
    counters = sensor.counters()
    return counters["clients"], counters["clients_without_dns"]


def test_clients_that_were_given_no_dns_answer_are_counted() -> None:
    packets = [*hello(None), *hello(None, client_port=50001), *hello(None, client=OTHER_CLIENT)]
    assert clients(packets) == (2, 2)
    assert clients([dns_answer(0, "www.one.example", ["203.0.113.9"]), *packets]) == (2, 1)
    assert clients([dns_answer(0, "www.one.example", ["203.0.113.9"], client=RESOLVER), *packets]) == (2, 2)
    (initial,) = quic_datagrams("www.one.example")
    assert clients([datagram(0, initial, client="fd00::5", server="2001:db8::7")]) == (1, 1)
    assert clients([datagram(0, b"no hello" * 20)]) == (0, 0)


def test_only_clients_inside_count() -> None:
    outside = hello(None, client="198.51.100.9")
    assert clients(outside) == (0, 0)
    subnet = SegmentRule(segment=Segment.STAFF, subnets=[ipaddress.ip_network("198.51.100.0/24")])
    assert clients(outside, subnet) == (1, 1)


def test_each_table_counts_its_own_clients() -> None:
    sensor = new_sensor()
    feed(sensor, hello(None))
    sensor.table()
    sensor.table()
    assert sensor.counters()["clients"] == 1
    feed(sensor, hello(None, client_port=50009))
    sensor.table()
    assert sensor.counters()["clients"] == 2


def test_a_flood_of_clients_is_bounded() -> None:
    packets = [
        datagram(n / 1e5, initial_packet(bytes(60)), client=f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}")
        for n in range(20_000)
    ]
    count, without = clients(packets)
    assert 4096 < count == without <= 8192
