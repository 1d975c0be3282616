"""What one client's memory of DNS answers may say about its flows, and what it may not."""

from __future__ import annotations

import pytest

from sensor.dns import MAPPED, Answers, Record, Service
from sensor.dnsmemory import MAX_ALIASES, MAX_NAMES_PER_PAIR, MAX_TTL, MIN_PER_CLIENT, DnsMemory, is_local_name
from sensor.slices import pack_address
from tests.sensor.building import CLIENT, OTHER_CLIENT, SERVER

ME, OTHER, HOST = pack_address(CLIENT), pack_address(OTHER_CLIENT), pack_address(SERVER)


def address(name: str, text: str, ttl: int = 60) -> Record:
    packed = pack_address(text)
    return Record(name, "A" if packed.startswith(MAPPED) else "AAAA", ttl, packed, "")


def cname(name: str, target: str, ttl: int = 60) -> Record:
    return Record(name, "CNAME", ttl, b"", target)


def told(name: str, *addresses: str, ttl: int = 60, owner: str = "") -> Answers:
    return Answers(name, tuple(address(owner or name, text, ttl) for text in addresses))


def test_a_name_holds_from_the_answer_until_its_time_is_over() -> None:
    memory = DnsMemory(100)
    memory.learn(ME, told("a.example", SERVER), 1000.0)
    for when, names_then in ((999.9, ()), (1000.0, ("a.example",)), (1060.0, ("a.example",)), (1060.1, ())):
        assert memory.names(ME, HOST, when) == names_then, when
    assert memory.names(OTHER, HOST, 1001.0) == ()
    assert memory.names(ME, OTHER, 1001.0) == ()


def test_telling_it_again_makes_it_longer_and_a_gap_stays_a_gap() -> None:
    memory = DnsMemory(100)
    for now in (1000.0, 1050.0, 1200.0):
        memory.learn(ME, told("a.example", SERVER), now)
    seen = [memory.names(ME, HOST, when) for when in (1005.0, 1109.0, 1150.0, 1201.0)]
    assert seen == [("a.example",), ("a.example",), (), ("a.example",)]


def test_two_names_of_one_address_are_both_there() -> None:
    memory = DnsMemory(100)
    memory.learn(ME, told("a.example", SERVER, ttl=100), 1000.0)
    memory.learn(ME, told("b.example", SERVER, ttl=10), 1005.0)
    assert memory.names(ME, HOST, 1001.0) == ("a.example",)
    assert memory.names(ME, HOST, 1006.0) == ("b.example", "a.example")
    assert memory.names(ME, HOST, 1016.0) == ("a.example",)


def test_a_chain_lives_as_long_as_its_shortest_record_and_long_promises_are_cut() -> None:
    memory = DnsMemory(100)
    chain = Answers("a.example", (cname("a.example", "b.example", 5), address("b.example", SERVER, 900)))
    memory.learn(ME, chain, 0.0)
    assert memory.names(ME, HOST, 5.0) == ("a.example",)
    assert memory.names(ME, HOST, 6.0) == ()
    memory.learn(OTHER, told("a.example", SERVER, ttl=2**31 - 1), 0.0)
    assert memory.names(OTHER, HOST, MAX_TTL) == ("a.example",)
    assert memory.names(OTHER, HOST, MAX_TTL + 1.0) == ()


def test_addresses_of_other_names_in_the_same_message_are_not_believed() -> None:
    memory = DnsMemory(100)
    memory.learn(ME, told("a.example", SERVER, owner="www.bank.example"), 0.0)
    ring = (cname("a.example", "b.example"), cname("b.example", "a.example"))
    memory.learn(ME, Answers("a.example", (*ring, address("c.example", SERVER))), 0.0)
    assert len(memory) == 0


def test_six_addresses_of_both_families() -> None:
    memory = DnsMemory(100)
    memory.learn(ME, told("a.example", "203.0.113.1", "203.0.113.2", "2001:db8::1"), 0.0)
    assert len(memory) == 3
    assert memory.names(ME, pack_address("2001:db8::1"), 1.0) == ("a.example",)


def test_names_beyond_the_cap_leave_doubt() -> None:
    memory = DnsMemory(100)
    for n in range(MAX_NAMES_PER_PAIR + 5):
        memory.learn(ME, told(f"n{n}.example", SERVER), float(n))
    names = memory.names(ME, HOST, 20.0)
    assert names == (*(f"n{n}.example" for n in range(12, 12 - MAX_NAMES_PER_PAIR, -1)), "")


def test_a_ttl_of_nothing_is_for_the_connection_in_progress() -> None:
    """Zero, and what counts as zero because its top bit is set (RFC 2181 8)."""
    for ttl in (0, 1 << 31, 0xFFFFFFFF):
        memory = DnsMemory(100)
        memory.learn(ME, told("a.example", SERVER, ttl=ttl), 0.0)
        assert (memory.names(ME, HOST, 0.5), memory.names(ME, HOST, 1.5)) == (("a.example",), ())


def test_a_chain_in_any_order_leads_to_its_end() -> None:
    links = [cname("a.example", "b.example"), cname("b.example", "c.example"), address("c.example", SERVER)]
    for records in (links, links[::-1]):
        memory = DnsMemory(100)
        memory.learn(ME, Answers("a.example", tuple(records)), 0.0)
        assert memory.names(ME, HOST, 1.0) == ("a.example",)
    memory = DnsMemory(100)
    memory.learn(ME, Answers("a.example", (links[0], links[2])), 0.0)
    assert len(memory) == 0, "a link is missing"


def test_address_hints_of_an_https_record_are_addresses_of_the_name() -> None:
    memory = DnsMemory(100)
    hints = (HOST, pack_address("2001:db8::7"))
    for n, name in enumerate(("a.example", "elsewhere.example")):
        memory.learn(ME, Answers("a.example", (), (Service(name, 60, 1, "", hints, True),)), 100.0 * n)
    assert memory.names(ME, HOST, 1.0) == memory.names(ME, hints[1], 1.0) == ("a.example",)
    assert memory.names(ME, HOST, 101.0) == (), "another name's record in the same message"


@pytest.mark.parametrize("priority", [0, 1], ids=["AliasMode", "ServiceMode"])
def test_what_an_https_record_points_to_is_still_the_first_name_s(priority: int) -> None:
    """The client asks for the target's addresses next; they are a.example's (RFC 9460 2.4.2, 2.5)."""
    memory = DnsMemory(100)
    memory.learn(
        ME, Answers("a.example", (), (Service("a.example", 60, priority, "pool.cdn.example", (), False),)), 0.0
    )
    memory.learn(ME, told("pool.cdn.example", SERVER), 1.0)
    assert memory.names(ME, HOST, 2.0) == ("a.example",)
    memory.learn(OTHER, told("pool.cdn.example", SERVER), 1.0)
    assert memory.names(OTHER, HOST, 2.0) == ("pool.cdn.example",), "another client was told of no alias"
    memory.learn(ME, told("pool.cdn.example", "203.0.113.9"), 100.0)
    assert memory.names(ME, pack_address("203.0.113.9"), 101.0) == ("pool.cdn.example",), "the alias has expired"
    for n in range(3 * MAX_ALIASES):
        memory.learn(ME, Answers("b.example", (), (Service("b.example", 60, 0, f"n{n}.example", (), False),)), 0.0)
    memory.learn(ME, told("n0.example", "203.0.113.10"), 1.0)
    assert memory.names(ME, pack_address("203.0.113.10"), 1.0) == ("n0.example",), "the oldest alias made room"


def host(n: int) -> str:
    return f"203.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"


def known(memory: DnsMemory, client: bytes, count: int) -> list[int]:
    return [n for n in range(count) if memory.names(client, pack_address(host(n)), 0.0)]


def test_the_oldest_pair_goes_first_and_is_counted() -> None:
    memory = DnsMemory(3)
    for n in (1, 2, 3, 1, 4):
        memory.learn(ME, told("a.example", host(n)), 0.0)
    assert (known(memory, ME, 5), memory.evicted + memory.evicted_noisy, len(memory)) == ([1, 3, 4], 1, 3)


def test_a_noisy_client_pushes_out_only_its_own_names() -> None:
    memory = DnsMemory(32 * MIN_PER_CLIENT)
    memory.learn(OTHER, told("a.example", SERVER), 0.0)
    for n in range(40 * MIN_PER_CLIENT):
        memory.learn(ME, told(f"n{n}.example", host(n)), 0.0)
    assert memory.names(OTHER, HOST, 0.0) == ("a.example",)
    assert known(memory, ME, 40 * MIN_PER_CLIENT) == list(range(39 * MIN_PER_CLIENT, 40 * MIN_PER_CLIENT))
    assert (len(memory), memory.evicted, memory.evicted_noisy) == (MIN_PER_CLIENT + 1, 0, 39 * MIN_PER_CLIENT)


def test_a_flood_of_clients_is_bounded_and_spares_those_who_keep_asking() -> None:
    memory = DnsMemory(200)
    for n in range(3000):
        memory.learn(pack_address(host(n)), told("flood.example", host(n)), 0.0)
        if n % 100 == 0:
            memory.learn(ME, told("a.example", SERVER), 0.0)
    assert len(memory) == 200
    assert memory.names(ME, HOST, 0.0) == ("a.example",)
    assert memory.evicted == 3000 + 1 - 200
    assert memory.count([ME]) == 1
    assert memory.count([pack_address(host(0))]) == 0


@pytest.mark.parametrize(
    ("name", "local"),
    [
        ("printer", True),
        ("printer.local", True),
        ("a.b.local", True),
        ("www.one.example", False),
        ("notlocal.one", False),
    ],
)
def test_names_that_mean_something_on_one_link_only(name: str, local: bool) -> None:
    assert is_local_name(name) == local


def test_from_mdns_and_llmnr_only_local_names_for_local_addresses_are_learnt() -> None:
    memory = DnsMemory(100)
    for name, server in (("printer.local", SERVER), ("www.one.example", "10.20.0.9"), ("printer.local", "10.20.0.9")):
        memory.learn_local(ME, Answers("", (address(name, server),)), 0.0)
    assert len(memory) == 1
    assert memory.names(ME, pack_address("10.20.0.9"), 1.0) == ("printer.local",)


def test_what_may_be_known_leaves_nothing_out() -> None:
    import numpy as np

    memory = DnsMemory(1000)
    for n in range(500):
        memory.learn(ME, told("a.example", host(n)), 0.0)
    low = np.array([int.from_bytes(pack_address(host(n))[8:], "big") for n in range(1000)], np.uint64)
    me = np.full(1000, int.from_bytes(ME[8:], "big"), np.uint64)
    may = memory.may_know(me, low)
    assert may[:500].all()
    assert may[500:].sum() < 10
