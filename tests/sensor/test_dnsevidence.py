"""DNS as evidence: from packets to a flow's name, by UDP and TCP, and what must never become one."""

from __future__ import annotations

import struct

import pytest

from sensor.readers import Readers
from tests.sensor.building import (
    CLIENT,
    OTHER_CLIENT,
    RESOLVER,
    SERVER,
    Packet,
    Talk,
    classify,
    client_hello,
    dns_answer,
    dns_message,
    ethernet,
    feed,
    names,
    new_sensor,
    ns,
    udp,
)


def nameless(time: float, *, client: str = CLIENT, port: int = 50000, server: str = SERVER) -> list[Packet]:
    """A TCP flow without a hello."""
    talk = Talk(client=client, server=server, client_port=port, server_port=993).open(time)
    return talk.up(time + 0.1, b"hello, world").down(time + 0.2, b"hello, you").packets


def found(packets: list[Packet]) -> list[tuple[str | None, str]]:
    """(name, evidence) of the flows that are not DNS."""
    return [(f["name"], f["evidence"]) for f in classify(packets).flows if f["server_port"] != 53]


def test_an_answer_names_the_flow_that_follows() -> None:
    assert found([dns_answer(0, "www.one.example", [SERVER]), *nameless(1)]) == [("www.one.example", "dns")]
    assert found([dns_answer(0, "www.one.example", ["2001:db8::7"]), *nameless(1)]) == [(None, "none")]


@pytest.mark.parametrize(
    ("answer", "flow", "name"),
    [(0.0, 59.9, "www.one.example"), (0.0, 60.2, None), (5.0, 4.0, None), (5.0, 5.1, "www.one.example")],
    ids=["just in time", "too late", "the flow was first", "at once"],
)
def test_the_answer_must_be_alive_when_the_flow_begins(answer: float, flow: float, name: str | None) -> None:
    packets = sorted([dns_answer(answer, "www.one.example", [SERVER]), *nameless(flow)], key=lambda p: p.time)
    assert [n for n, _ in found(packets)] == [name]


def test_a_later_answer_does_not_unname_a_flow_or_name_an_older_one() -> None:
    answers = [dns_answer(t, "www.one.example", [SERVER], ttl=30) for t in (0, 100)]
    packets = [answers[0], *nameless(10), *nameless(50, port=50001), answers[1], *nameless(110, port=50002)]
    assert [n for n, _ in found(packets)] == ["www.one.example", None, "www.one.example"]


def test_what_another_client_was_told_names_nothing_of_mine() -> None:
    packets = [dns_answer(0, "www.one.example", [SERVER], client=OTHER_CLIENT), *nameless(1)]
    assert found(packets) == [(None, "none")]
    assert found([*packets, *nameless(2, client=OTHER_CLIENT)]) == [(None, "none"), ("www.one.example", "dns")]


def test_two_names_for_one_address_are_doubt() -> None:
    first, second = dns_answer(0, "www.one.example", [SERVER]), dns_answer(0.5, "www.two.example", [SERVER])
    assert found([first, second, *nameless(1)]) == [(None, "none")]
    assert found([first, *nameless(0.2), second]) == [("www.one.example", "dns")], "the second came later"


def test_the_hello_goes_before_the_answer() -> None:
    talk = Talk().open(1).up(1.1, client_hello("www.two.example"))
    assert found([dns_answer(0, "www.one.example", [SERVER]), *talk.packets]) == [("www.two.example", "sni")]
    silent = Talk().open(1).up(1.1, client_hello(None))
    assert found([dns_answer(0, "www.one.example", [SERVER]), *silent.packets]) == [("www.one.example", "dns")]


def test_a_flow_to_a_resolver_is_never_named_by_its_address() -> None:
    packets = [dns_answer(0, "dns.one.example", [RESOLVER]), dns_answer(1, "www.two.example", [SERVER])]
    assert {name for name, _, _ in names(packets)} == {None}


def test_answers_are_given_out_with_their_ends() -> None:
    report = classify([dns_answer(0, "www.one.example", [SERVER, "2001:db8::7"], ttl=9)], dns_only=True)
    (row,) = report.answers
    assert (row["client"], row["server"], row["qname"]) == (CLIENT, RESOLVER, "www.one.example")
    assert [(a["type"], a["ttl"], a["data"]) for a in row["answers"]] == [("A", 9, SERVER), ("AAAA", 9, "2001:db8::7")]
    assert report.flows == []


def test_an_answer_over_ipv6() -> None:
    client = "fd00:20::5"
    message = dns_message("www.one.example", ["2001:db8::7"])
    answer = Packet(ns(0), ethernet(udp("fd00:20::1", 53, client, 40053, message)))
    assert found([answer, *nameless(1, client=client, server="2001:db8::7")]) == [("www.one.example", "dns")]


# -- TCP ---------------------------------------------------------------------------------------------------------------


def framed(*messages: bytes) -> bytes:
    return b"".join(len(m).to_bytes(2, "big") + m for m in messages)


def query(qname: str) -> bytes:
    question = dns_message(qname, [])
    return question[:2] + b"\1\0" + question[4:]


ONE, TWO = dns_message("www.one.example", [SERVER]), dns_message("www.two.example", ["203.0.113.8"] * 90)


def over_tcp(*parts: bytes, order: tuple[int, ...] = ()) -> list[Packet]:
    """A client asks, the server's stream comes in these segments."""
    talk = Talk(server=RESOLVER, server_port=53, client_port=40053).open(0).up(0.1, framed(query("www.one.example")))
    before = len(talk.packets)
    for part in parts:
        talk.down(0.2, part)
    answers = talk.packets[before:]
    return talk.packets[:before] + [answers[n] for n in order or range(len(parts))]


def test_answers_over_tcp_name_flows() -> None:
    report = classify([*over_tcp(framed(ONE, TWO)), *nameless(1), *nameless(2, server="203.0.113.8", port=50001)])
    assert [f["name"] for f in report.flows] == [None, "www.one.example", "www.two.example"]
    assert [(a["client"], a["server"], a["qname"]) for a in report.answers] == [
        (CLIENT, RESOLVER, "www.one.example"),
        (CLIENT, RESOLVER, "www.two.example"),
    ]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 2, 1, 3), (0, 3, 2, 1), (0, 1, 1, 2, 3, 2)])
def test_answers_over_tcp_in_segments_of_any_order(order: tuple[int, ...]) -> None:
    stream = framed(TWO, ONE)
    packets = over_tcp(stream[:40], stream[40:900], stream[900:1500], stream[1500:], order=order)
    assert found([*packets, *nameless(1)]) == [("www.one.example", "dns")]


def test_many_answers_on_one_connection() -> None:
    """No limit of looking stops a resolver's long connection."""
    messages = [dns_message(f"n{n}.one.example", [f"203.0.113.{n}"]) for n in range(100)]
    packets = over_tcp(*(framed(m) for m in messages))
    assert len(classify(packets, dns_only=True).answers) == 100


def test_a_client_s_bytes_to_port_53_teach_nothing() -> None:
    talk = Talk(server=RESOLVER, server_port=53, client_port=40053).open(0).up(0.1, framed(ONE))
    assert classify(talk.packets, dns_only=True).answers == []


def test_tls_on_port_53_is_read_as_such() -> None:
    talk = (
        Talk(server_port=53).open(0).up(0.1, client_hello("www.one.example")).down(0.2, b"\x16\3\3\0\x50" + bytes(80))
    )
    assert [(f["name"], f["evidence"]) for f in classify(talk.packets).flows] == [("www.one.example", "sni")]


# -- where answers come from -------------------------------------------------------------------------------------------


def from_port(port: int, message: bytes, *, client: str = CLIENT, to: int = 40053) -> Packet:
    return Packet(ns(0), ethernet(udp(RESOLVER, port, client, to, message)))


def test_a_resolver_on_another_port_is_known_by_what_it_says() -> None:
    asked = Packet(ns(0), ethernet(udp(CLIENT, 40053, RESOLVER, 8053, query("www.one.example"))))
    assert classify([asked, from_port(8053, ONE), *nameless(1)]).flows[-1]["name"] == "www.one.example"
    assert classify([from_port(8053, ONE), *nameless(1)]).flows[-1]["name"] == "www.one.example"


@pytest.mark.parametrize("port", [5353, 5355])
def test_mdns_and_llmnr_name_nothing_but_local_addresses(port: int) -> None:
    printer = dns_message("printer.local" if port == 5353 else "printer", ["10.20.0.9"])
    to_printer = nameless(1, server="10.20.0.9")
    local = from_port(port, printer)
    assert [f["name"] for f in classify([local, *to_printer]).flows][-1:] == [
        "printer.local" if port == 5353 else "printer"
    ]
    for message in (ONE, dns_message("printer.local", [SERVER])):
        assert classify([from_port(port, message), *nameless(1)]).flows[-1]["name"] is None
    assert (
        classify([from_port(port, dns_message("www.one.example", ["10.20.0.9"])), *to_printer]).flows[-1]["name"]
        is None
    )


def test_an_mdns_answer_to_everybody_is_given_out_with_its_additional_records() -> None:
    record = b"\7printer\5local\0" + struct.pack(">HHIH", 1, 0x8001, 120, 4) + bytes([10, 20, 0, 9])
    message = struct.pack(">HHHHHH", 0, 0x8400, 0, 0, 0, 1) + record
    (row,) = classify([from_port(5353, message, client="224.0.0.251", to=5353)], dns_only=True).answers
    assert row["qname"] is None
    assert row["answers"] == [{"name": "printer.local", "type": "A", "ttl": 120, "data": "10.20.0.9"}]


def test_local_names_never_become_a_service() -> None:
    """A school's row may say `local`: still a name of one link is no service."""
    sensor = new_sensor()
    assert sensor._lookup("www.one.example") == 1
    assert [sensor._lookup(name) for name in ("one", "www.one.example.local")] == [0, 0]


# -- what is counted ---------------------------------------------------------------------------------------------------


def https(*, ech: bool) -> bytes:
    params = struct.pack(">HH", 4, 4) + bytes([203, 0, 113, 7]) + (struct.pack(">HH", 5, 3) + b"ech" if ech else b"")
    data = b"\0\1\0" + params
    question = dns_message("www.one.example", [])
    return question[:6] + b"\0\1" + question[8:] + b"\xc0\x0c" + struct.pack(">HHIH", 65, 1, 60, len(data)) + data


@pytest.mark.parametrize("ech", [True, False])
def test_an_https_record_names_a_flow_and_says_whether_ech_is_offered(ech: bool) -> None:
    report = classify([from_port(53, https(ech=ech)), *nameless(1)])
    assert report.flows[-1]["name"] == "www.one.example"
    assert [(a["ech"], a["answers"]) for a in report.answers] == [(ech, [])]
    sensor = new_sensor()
    feed(sensor, [from_port(53, https(ech=ech)), from_port(53, ONE)])
    counted = sensor.counters()
    assert (counted["dns_answers"], counted["dns_https"], counted["dns_https_ech"]) == (2, 1, int(ech))


def test_what_cannot_be_read_is_counted() -> None:
    sensor = new_sensor()
    feed(sensor, [from_port(53, b"\0\1\x81\x80\0\1\0\1" + bytes(4) + b"\xff" * 40), from_port(53, query("a.example"))])
    assert (sensor.counters()["dns_answers"], sensor.counters()["dns_unreadable"]) == (0, 1)


def test_readers_are_told_nothing_of_an_empty_list() -> None:
    sensor = new_sensor()
    assert isinstance(sensor.meter.readers, Readers)
    feed(sensor, [])
    assert sensor.counters()["dns_answers"] == 0
