"""The kernel's programs, run by a second writing of its machine: all of a client, nothing of an exempt network."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.cbpf import MAX_INSTRUCTIONS, ProgramTooLong
from sensor.filters import PRIVATE, exempt_program, inside_subnets, share_program
from sensor.settings import SegmentRule
from tests.sensor.bpf_machine import Skb, check, run
from tests.sensor.building import ethernet, ip, tcp, udp
from tests.sensor.wrapping import TUNNELS, fanned, mpls, pppoe, received, sent, wrapped

INSIDE = tuple(map(ipaddress.ip_network, ("10.20.0.0/21", "10.30.0.0/20", "fd00:20::/48", "198.51.100.64/27")))
EXEMPT = tuple(map(ipaddress.ip_network, ("10.9.0.0/16", "fd00:9::/64", "192.0.2.7/32")))
SHARE, EXCEPT = share_program(INSIDE), exempt_program(EXEMPT)
MIRROR = (("172.31.0.1", "172.31.0.2"), ("fd77::1", "fd77::2"))

inside4 = st.builds(
    lambda net, n: str(net[n % net.num_addresses]), st.sampled_from(INSIDE[:2]), st.integers(0, 1 << 30)
)
inside6 = st.integers(0, (1 << 80) - 1).map(lambda n: str(INSIDE[2][n]))
outside4 = st.integers(1, (1 << 32) - 1).map(lambda n: str(ipaddress.IPv4Address(n)))
outside6 = st.integers(1, (1 << 128) - 1).map(lambda n: str(ipaddress.IPv6Address(n)))
pairs = st.one_of(st.tuples(inside4, outside4), st.tuples(inside6, outside6)).filter(lambda p: not is_inside(p[1]))
port = st.integers(0, 65535)
tunnels = st.lists(st.sampled_from(sorted(TUNNELS)), max_size=2)
ways = st.sampled_from(["plain", "tagged", "two tags", "four tags", "mpls", "pppoe"])


def is_inside(address: str) -> bool:
    return any(ipaddress.ip_address(address) in net for net in INSIDE)


def on_wire(packet: bytes, way: str) -> bytes:
    """The packet in a frame."""
    if way == "mpls":
        return mpls(packet, 2)
    if way == "pppoe":
        return pppoe(packet)
    return ethernet(packet, {"plain": (), "tagged": (10,), "two tags": (100, 20), "four tags": (1, 2, 3, 4)}[way])


def share(frame: bytes, seen: Callable[[bytes], Skb] = fanned) -> int:
    return run(SHARE, seen(frame))


def plainly(client: str) -> int:
    """What the client's packets give when nothing is wrapped round them."""
    far = "203.0.113.99" if ipaddress.ip_address(client).version == 4 else "2001:db8::99"
    return share(ethernet(udp(client, 40000, far, 53, b"")))


def test_the_kernel_would_take_them() -> None:
    for program in (SHARE, EXCEPT, share_program(()), exempt_program(()), share_program(PRIVATE)):
        check(program)


@settings(max_examples=400)
@given(pairs, port, port, st.booleans(), tunnels, ways, st.sampled_from(MIRROR), st.sampled_from([fanned, sent]))
def test_all_of_a_client_goes_to_one_worker(
    pair: tuple[str, str],
    near: int,
    far: int,
    is_tcp: bool,
    inside_of: list[str],
    way: str,
    mirror: tuple[str, str],
    seen: Callable[[bytes], Skb],
) -> None:
    client, server = pair
    build: Any = tcp if is_tcp else udp
    data = {"data": b"x" * 20} if is_tcp else {"data": b"y" * 20}
    if not is_tcp:
        tunnel_ports = (4789, 8472, 6081, 37008)
        near, far = (n + 1 if n in tunnel_ports else n for n in (near, far))
    for packet in (build(client, near, server, far, **data), build(server, far, client, near, **data)):
        frame = on_wire(wrapped(packet, inside_of, [mirror] * len(inside_of)), way)
        assert share(frame, seen) == plainly(client)


@given(pairs, st.integers(1, 0x1FFF), st.booleans(), ways)
def test_later_fragments_of_a_client_too(pair: tuple[str, str], offset: int, up: bool, way: str) -> None:
    client, server = pair
    source, target = (client, server) if up else (server, client)
    if ipaddress.ip_address(client).version == 4:
        packet = ip(source, target, 17, b"z" * 30, fragment=offset)
    else:
        packet = ip(source, target, 44, bytes([17, 0]) + (offset << 3).to_bytes(2, "big") + bytes(4) + b"z" * 30)
    assert share(on_wire(packet, way)) == plainly(client)


@given(st.one_of(st.tuples(inside4, inside4), st.tuples(outside4, outside4), st.tuples(inside6, inside6)), port, port)
def test_two_inside_ends_or_none_are_told_apart_by_their_ports(pair: tuple[str, str], one: int, other: int) -> None:
    (a, b) = pair
    if is_inside(a) != is_inside(b):
        return
    there, back = ethernet(tcp(a, one, b, other)), ethernet(tcp(b, other, a, one))
    assert share(there) == share(back)
    if one != other:
        client = a if one > other else b
        assert share(there) == hash_of(client)
    else:
        assert share(there) == hash_of(min(a, b, key=ipaddress.ip_address))


def hash_of(address: str) -> int:
    """The number of an address by itself: as the higher port of a pair without an inside end, or of one inside."""
    program = share_program([ipaddress.ip_network(address)])
    far = "203.0.113.99" if ipaddress.ip_address(address).version == 4 else "2001:db8::99"
    return run(program, fanned(ethernet(udp(address, 1, far, 53, b""))))


def test_a_resolver_inside_is_no_client() -> None:
    answer = ethernet(udp("10.20.0.1", 53, "10.20.0.5", 40053, b"answer"))
    assert share(answer) == plainly("10.20.0.5") != plainly("10.20.0.1")


@pytest.mark.parametrize("workers", [2, 3, 4, 8])
@pytest.mark.parametrize("subnet", ["10.20.0.0/21", "fd00:20::/64"])
def test_clients_are_spread_evenly(workers: int, subnet: str) -> None:
    net = ipaddress.ip_network(subnet)
    taken = Counter(plainly(str(net[n])) % workers for n in range(1, 1001))
    assert set(taken) == set(range(workers))
    assert min(taken.values()) > 0.8 * 1000 / workers


@settings(max_examples=300)
@given(st.binary(max_size=120), st.sampled_from([0x0800, 0x86DD, 0x8100, 0x8864, 0x8847, 0x0806, 4]))
def test_any_bytes_are_taken_by_somebody(data: bytes, protocol: int) -> None:
    run(SHARE, Skb(data, protocol))
    run(SHARE, Skb(data, protocol, 4))
    run(EXCEPT, Skb(data, protocol))


@settings(max_examples=300)
@given(pairs, tunnels, ways, st.data())
def test_a_cut_packet_is_never_refused_for_being_cut(
    pair: tuple[str, str], inside_of: list[str], way: str, data: st.DataObject
) -> None:
    ends = [MIRROR[0]] * len(inside_of)
    frame = received(on_wire(wrapped(tcp(*pair[:1], 1, *pair[1:], 2), inside_of, ends), way))
    if any(ipaddress.ip_address(pair[1]) in net for net in EXEMPT):
        return
    assert run(EXCEPT, Skb(frame.data[: data.draw(st.integers(14, len(frame.data)))], frame.protocol))


@settings(max_examples=300)
@given(
    st.one_of(
        st.tuples(st.integers(0, 65535).map(lambda n: str(EXEMPT[0][n])), outside4),
        st.tuples(st.integers(0, 1 << 60).map(lambda n: str(EXEMPT[1][n])), outside6),
    ),
    st.booleans(),
    tunnels,
    ways,
    st.integers(0, 2),
)
def test_exempt_networks_are_refused_at_every_level(
    pair: tuple[str, str], up: bool, inside_of: list[str], way: str, level: int
) -> None:
    """`level`: where in the tunnels the exempt address is."""
    ends = [pair if up else pair[::-1]] + [MIRROR[n % 2] for n in range(2)]
    ends = ends[1 : 1 + level] + ends[:1] + ends[1 + level :]
    ends = [e if len(inside_of) >= n else MIRROR[0] for n, e in enumerate(ends)]
    frame = on_wire(wrapped(tcp(ends[0][0], 50000, ends[0][1], 443), inside_of, ends[1 : 1 + len(inside_of)]), way)
    is_exempt = level <= len(inside_of)
    assert run(EXCEPT, received(frame)) == (0 if is_exempt else 0xFFFFFFFF)


@given(pairs, tunnels, ways)
def test_everything_else_passes_whole(pair: tuple[str, str], inside_of: list[str], way: str) -> None:
    exempt = any(ipaddress.ip_address(pair[1]) in net for net in EXEMPT)
    frame = on_wire(wrapped(tcp(pair[0], 50000, pair[1], 443), inside_of, [MIRROR[0]] * len(inside_of)), way)
    assert run(EXCEPT, received(frame)) == (0 if exempt else 0xFFFFFFFF)


def test_hundreds_of_subnets_fit_and_thousands_are_refused() -> None:
    many = [ipaddress.ip_network((0x0A000000 + n * 512, 24)) for n in range(1400)]
    program = share_program(many)
    check(program)
    assert len(program) <= MAX_INSTRUCTIONS
    for n in (0, 700, 1399):
        client = str(many[n][9])
        assert run(program, fanned(ethernet(tcp("10.255.0.1", 50000, client, 443)))) == hash_of(client)
    assert len(share_program([ipaddress.ip_network((0x0A000000 + n * 256, 24)) for n in range(4096)])) < 1300, "joined"
    with pytest.raises(ProgramTooLong):
        share_program([ipaddress.ip_network((0x0A000000 + n * 512, 24)) for n in range(3000)])
    check(exempt_program(many[:450]))


def test_private_addresses_are_inside_if_a_segment_is_known_by_vlan_only() -> None:
    staff = SegmentRule(segment="staff", subnets=("10.20.0.0/21",))  # type: ignore[arg-type]
    assert inside_subnets([staff]) == (ipaddress.ip_network("10.20.0.0/21"),)
    by_vlan = SegmentRule(segment="pupil", vlans=(20,))  # type: ignore[arg-type]
    assert inside_subnets([staff, by_vlan]) == (ipaddress.ip_network("10.20.0.0/21"), *PRIVATE)
    assert inside_subnets([]) == PRIVATE
