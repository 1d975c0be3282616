"""Captures for measuring: interleaved TLS flows in memory, with the sizes of a gateway, over half an hour.

`capture` draws flows that are used evenly, or with 80 % of the packets in 2 % of the flows; `brief` many flows of four
packets; `storm` flows that do nothing but begin and end. A capture is planned first, one row a packet, with numpy; then
one compiled loop writes the frames: addresses, sequence numbers and IP identifications as a real stack counts them, IP
checksums, TLS record headers; the rest of a payload is zero and TCP checksums are, too. Sizes are laid out, not drawn,
so a capture has the mean that was asked for. It makes bytes; it measures nothing.

Sources: RFC 8446 4.1 (hellos), RFC 791, RFC 9293, draft-ietf-opsawg-pcap.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from sensor.load import kernel

NAMES = (
    "www.facebook.com", "static.xx.fbcdn.net", "x.com", "abs.twimg.com", "en.wikipedia.org", "www.youtube.com",
    "rr3---sn-aigl6nsr.googlevideo.com", "www.tiktok.com", "www.instagram.com", "www.reddit.com", "www.bbc.co.uk",
    "hwb.gov.wales", "login.microsoftonline.com", "outlook.office365.com", "www.google.com", "fonts.gstatic.com",
    "teams.microsoft.com", "classroom.google.com", "www.sims.co.uk", "update.googleapis.com",
)  # fmt: skip
MANY_NAMES = NAMES + tuple(f"www{n}.site-{n * 7919 % 1000}.example" for n in range(980))
START_NS = 1_794_909_600 * 1_000_000_000  # Tuesday 2026-11-17 10:00 UTC: a school day, in the middle of a lesson
MINUTE_NS = 60_000_000_000
MEAN_BYTES = 755  # of a frame
SEGMENT = 1400  # payload of a full segment
HEADERS = 54  # Ethernet, IPv4, TCP
HANDSHAKE_GAP_NS = 1_000_000
FIN, SYN, ACK, PUSH_ACK, SYN_ACK, FIN_ACK = 0x01, 0x02, 0x10, 0x18, 0x12, 0x11
TCP, UDP = 6, 17
OPENING = ((SYN, True), (SYN_ACK, False), (ACK, True), (PUSH_ACK, True), (PUSH_ACK, False))
RECORD = -1  # instead of a place in the contents: a record of application data


class Plan(NamedTuple):
    """A capture before it is written: per packet its flow, time, direction, TCP flags and payload."""

    flow: Any  # int32
    time: Any  # int64, ns
    up: Any  # bool
    flags: Any  # uint8
    content: Any  # int64: where the payload lies in the contents, or RECORD
    payload: Any  # int32, bytes


def client_hello(name: str, *, key_share: bytes = b"\x00\x1d\x00\x20" + b"k" * 32, late: bool = True) -> bytes:
    """A TLS 1.3 ClientHello record of a browser's size; `late`: the name comes after the key share."""
    message = hello_message(name, key_share=key_share, late=late)
    return b"\x16\x03\x01" + struct.pack(">H", len(message)) + message


def hello_message(name: str, *, key_share: bytes, late: bool = True, more: tuple[tuple[int, bytes], ...] = ()) -> bytes:
    """The handshake message itself (RFC 8446 4.1.2); `more` extensions come first."""
    host = name.encode()
    server_name = (0, struct.pack(">HBH", len(host) + 3, 0, len(host)) + host)
    shares = (51, struct.pack(">H", len(key_share)) + key_share)
    extensions = (
        *more, (0x0A0A, b""), (10, b"\x00\x04\x00\x1d\x00\x17"), (16, b"\x00\x0c\x02h2\x08http/1.1"),
        (43, b"\x04\x03\x04\x03\x03"), *((shares, server_name) if late else (server_name, shares)), (21, bytes(150)),
    )  # fmt: skip
    listed = b"".join(struct.pack(">HH", kind, len(body)) + body for kind, body in extensions)
    body = b"\x03\x03" + b"r" * 32 + b"\x20" + b"s" * 32 + struct.pack(">H", 32) + b"\x13\x01" * 16 + b"\x01\x00"
    body += struct.pack(">H", len(listed)) + listed
    return b"\x01" + len(body).to_bytes(3, "big") + body


HYBRID_SHARE = b"\x11\xec" + struct.pack(">H", 1216) + b"m" * 1216 + b"\x00\x1d\x00\x20" + b"k" * 32  # X25519MLKEM768


def server_hello() -> bytes:
    """A full segment: ServerHello, ChangeCipherSpec, and encrypted data to the segment's end (RFC 8446 4.1.3)."""
    extensions = b"\x00\x2b\x00\x02\x03\x04" + b"\x00\x33\x00\x24\x00\x1d\x00\x20" + b"k" * 32
    body = b"\x03\x03" + b"R" * 32 + b"\x20" + b"s" * 32 + b"\x13\x01\x00" + struct.pack(">H", len(extensions))
    message = b"\x02" + (len(body) + len(extensions)).to_bytes(3, "big") + body + extensions
    flight = b"\x16\x03\x03" + struct.pack(">H", len(message)) + message + b"\x14\x03\x03\x00\x01\x01"
    rest = SEGMENT - len(flight) - 5
    return flight + b"\x17\x03\x03" + struct.pack(">H", rest) + bytes(rest)


def joined(contents: list[bytes]) -> tuple[Any, Any, Any]:
    """Contents end to end: the bytes, where each begins, and its length."""
    sizes = np.array([len(content) for content in contents], np.int64)
    return np.frombuffer(b"".join(contents), np.uint8).copy(), np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes


@kernel
def _put(buf, at, value, size):
    for k in range(size):
        buf[at + k] = (value >> (8 * (size - 1 - k))) & 255


@kernel
def _write(buf, plan, contents, next_byte, next_packet, transport, client_of, server_of):
    """Every planned packet as a pcap record; next_byte and next_packet: [flow, direction], updated."""
    at = 24
    for n in range(len(plan.flow)):
        f = np.int64(plan.flow[n])
        up = plan.up[n]
        size = np.int64(plan.payload[n])
        header = 40 if transport == 6 else 28
        total = 14 + header + size
        seconds = plan.time[n] // 1_000_000_000
        for k in range(4):  # the pcap header is little-endian
            buf[at + k] = (seconds >> (8 * k)) & 255
            buf[at + 4 + k] = ((plan.time[n] - seconds * 1_000_000_000) >> (8 * k)) & 255
            buf[at + 8 + k] = (total >> (8 * k)) & 255
            buf[at + 12 + k] = (total >> (8 * k)) & 255
        p = at + 16
        client = client_of[f]
        server = server_of[f]
        port = 1024 + (f * 31) % 60000
        side = 0 if up else 1
        _put(buf, p, 0x0200_0000_0001 if up else 0x0210_0000_0000 + client, 6)
        _put(buf, p + 6, 0x0210_0000_0000 + client if up else 0x0200_0000_0001, 6)
        _put(buf, p + 12, 0x0800, 2)
        _put(buf, p + 14, 0x4500, 2)
        _put(buf, p + 16, header + size, 2)
        _put(buf, p + 18, (f * 77 + next_packet[f, side]) & 0xFFFF, 2)
        next_packet[f, side] += 1
        _put(buf, p + 20, 0x4000, 2)
        _put(buf, p + 22, (64 if up else 57) << 8 | transport, 2)
        _put(buf, p + 26, client if up else server, 4)
        _put(buf, p + 30, server if up else client, 4)
        total_16 = 0
        for k in range(10):
            total_16 += np.int64(buf[p + 14 + 2 * k]) << 8 | np.int64(buf[p + 15 + 2 * k])
        total_16 = (total_16 & 0xFFFF) + (total_16 >> 16)
        _put(buf, p + 24, ~(total_16 + (total_16 >> 16)) & 0xFFFF, 2)
        _put(buf, p + 34, port if up else 443, 2)
        _put(buf, p + 36, 443 if up else port, 2)
        if transport == 6:
            flags = np.int64(plan.flags[n])
            _put(buf, p + 38, next_byte[f, side], 4)
            if flags & 0x10:
                _put(buf, p + 42, next_byte[f, 1 - side], 4)
            _put(buf, p + 46, 0x5000 | flags, 2)
            _put(buf, p + 48, 64240, 2)
            next_byte[f, side] += size + (1 if flags & 3 else 0)
        else:
            _put(buf, p + 38, 8 + size, 2)
        body = p + 14 + header
        if plan.content[n] >= 0:
            for k in range(size):
                buf[body + k] = contents[plan.content[n] + k]
        elif size >= 5:
            _put(buf, body, 0x170303, 3)
            _put(buf, body + 3, size - 5, 2)
        at = p + total
    return at


def written(plan: Plan, contents: Any, flows: int, transport: int = TCP) -> Any:
    """A nanosecond pcap of Ethernet frames as a uint8 array."""
    header = HEADERS if transport == TCP else HEADERS - 12
    buf = np.zeros(24 + len(plan.flow) * (16 + header) + int(plan.payload.sum(dtype=np.int64)), np.uint8)
    buf[:24] = np.frombuffer(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1), np.uint8)
    numbers = np.arange(flows, dtype=np.int64)
    next_byte = np.stack([numbers * 2_654_435_761 & 0xFFFFFFFF, numbers * 40_503 + 7 & 0xFFFFFFFF], axis=1)
    clients = 0x0A140000 + numbers * 7 % 1500
    servers = 0x5DB80000 + numbers * 7919 % 0xFFFFFF
    end = _write(buf, plan, contents, next_byte, np.zeros((flows, 2), np.int64), transport, clients, servers)
    assert end == len(buf)
    return buf


def _laid_out(need: float, count: int, random: np.random.Generator) -> tuple[Any, Any]:
    """Directions and payloads of data packets whose mean payload is `need`: requests, full segments, other data, and
    empty acknowledgements as far as the mean has room for them (else more full segments)."""
    share = (np.arange(count) + 0.5) / max(count, 1)
    random.shuffle(share)
    small, mixed = 0.07 * 280 + 0.10 * SEGMENT / 2, 0.07 * 280 + 0.48 * SEGMENT + 0.10 * SEGMENT / 2
    full = 0.48 / 0.65 if need * 0.65 <= mixed else min(1.0, (need - small / 0.17) / (SEGMENT - small / 0.17))
    data = min(1.0, need * 0.65 / mixed)
    requests = (1 - full) * 0.07 / 0.17
    place = share / data  # below 1: requests, then full segments, then other data
    request, other = place < requests, place >= requests + full
    payload = np.full(count, SEGMENT, np.float64)
    payload[request] = 80 + 400 * place[request] / requests
    payload[other] = SEGMENT * (place[other] - requests - full) / max(1 - requests - full, 1e-9)
    payload[place >= 1] = 0
    return request | (place >= 1), payload.astype(np.int32)


def _spread(
    tokens: Any, flows: int, opening: tuple[tuple[int, bool], ...], mean: float, minutes: float, seed: int
) -> Any:
    """A capture: each token is a packet of its flow; a flow's first token is its whole opening: flags and direction of
    each packet. The first upward PUSH_ACK of it is the hello, a downward one the server's."""
    random = np.random.default_rng(seed)
    contents, starts, sizes = joined([*(client_hello(name) for name in NAMES), server_hello()])
    first = np.zeros(len(tokens), bool)
    first[np.unique(tokens, return_index=True)[1]] = True
    count = np.where(first, len(opening), 1)
    flow = np.repeat(tokens, count).astype(np.int32)
    packets = len(flow)
    stage = np.arange(packets) - np.repeat(np.cumsum(count) - count, count)
    opens = np.repeat(first, count)
    up, payload = np.zeros(packets, bool), np.zeros(packets, np.int32)
    content, flags = np.full(packets, RECORD, np.int64), np.full(packets, ACK, np.uint8)
    for n, (flag, upward) in enumerate(opening):
        flags[opens & (stage == n)], up[opens & (stage == n)] = flag, upward
    hello, answer = opens & up & (flags == PUSH_ACK), opens & ~up & (flags == PUSH_ACK)
    which = flow[hello] % len(NAMES)
    content[hello], payload[hello] = starts[which], sizes[which]
    content[answer], payload[answer] = starts[-1], sizes[-1]
    plain = int(packets - opens.sum())
    need = (mean - HEADERS) * packets - float(payload.sum(dtype=np.int64))
    up[~opens], payload[~opens] = _laid_out(need / max(plain, 1), plain, random)
    flags[~opens & (payload > 0)] = PUSH_ACK
    step = int(minutes * MINUTE_NS - HANDSHAKE_GAP_NS * (packets - len(tokens))) // len(tokens)
    gaps = np.full(packets, HANDSHAKE_GAP_NS)
    gaps[stage == 0] = max(step, 1)
    plan = Plan(flow, START_NS + np.cumsum(gaps), up, flags, content, payload)
    return written(plan, contents, flows)


def capture(
    packets: int, flows: int, *, hot: float = 0.0, mean: float = MEAN_BYTES, minutes: float = 34, seed: int = 1
) -> Any:
    """Flows that open with SYN, SYN/ACK, ACK and both hellos and then send data both ways among all the others.

    Which flow comes next is drawn evenly, or with the share `hot` of the packets from 2 % of the flows; every flow
    comes.
    """
    rest = packets - len(OPENING) * flows
    if rest < 0:
        raise ValueError(f"{flows} flows need at least {len(OPENING) * flows} packets")
    random = np.random.default_rng(seed)
    among = np.full(rest, flows)
    among[random.random(rest) < hot] = max(1, flows // 50)
    tokens = np.concatenate([np.arange(flows), (among * random.random(rest)).astype(np.int64)])
    random.shuffle(tokens)
    return _spread(tokens, flows, OPENING, mean, minutes, seed)


def brief(flows: int, *, mean: float = MEAN_BYTES, minutes: float = 34, seed: int = 1) -> Any:
    """Flows of four packets each, all open together: SYN and hello, then two of data in any order among the others."""
    tokens = np.repeat(np.arange(flows), 3)
    np.random.default_rng(seed).shuffle(tokens)
    return _spread(tokens, flows, ((SYN, True), (PUSH_ACK, True)), mean, minutes, seed)


def interleaved(flows: int, each: int, wide: int, minutes: float, seed: int) -> tuple[Any, Any, Any]:
    """Flow, place within its flow and time of each packet: flows begin in turn, about `wide` of them at once."""
    random = np.random.default_rng(seed)
    keys = np.cumsum(random.exponential(wide, (flows, each)), axis=1) + np.arange(flows)[:, None] * each
    order = np.argsort(keys, axis=None, kind="stable")
    time = START_NS + (np.arange(flows * each) * (minutes * MINUTE_NS / (flows * each))).astype(np.int64)
    return (order // each).astype(np.int32), order % each, time


def storm(flows: int, *, hybrid: bool = False, minutes: float = 2, seed: int = 1) -> Any:
    """Ten packets a flow, each flow a new one: handshake, hello, server hello, a little data, both FINs.

    A `hybrid` hello has the browsers' ML-KEM key share and so takes two segments; the name lies in the second segment
    of every other one. There are a thousand names.
    """
    share = {"key_share": HYBRID_SHARE} if hybrid else {}
    hellos = [client_hello(name, late=n % 2 == 1, **share) for n, name in enumerate(MANY_NAMES)]
    contents, starts, sizes = joined([*hellos, server_hello()])
    hello_flags: list[tuple[int, bool]] = [(PUSH_ACK, True)] * (2 if hybrid else 1)
    stages = [(SYN, True), (SYN_ACK, False), (ACK, True), *hello_flags, (ACK, False)]
    stages += [(PUSH_ACK, True)] * (10 - len(stages) - 3) + [(PUSH_ACK, False), (FIN_ACK, True), (FIN_ACK, False)]
    flow, stage, time = interleaved(flows, 10, 256, minutes, seed)
    flags = np.array([flag for flag, _ in stages], np.uint8)[stage]
    up = np.array([upward for _, upward in stages])[stage]
    name = flow % len(hellos)
    content, payload = np.full(len(flow), RECORD, np.int64), np.zeros(len(flow), np.int32)
    payload[stage == 3] = np.minimum(sizes[name[stage == 3]], SEGMENT)
    content[stage == 3] = starts[name[stage == 3]]
    if hybrid:
        payload[stage == 4], content[stage == 4] = sizes[name[stage == 4]] - SEGMENT, starts[name[stage == 4]] + SEGMENT
    answer = 4 + hybrid
    payload[stage == answer], content[stage == answer] = SEGMENT, starts[-1]
    payload[(stage > answer) & (stage < 7)], payload[stage == 7] = 80, 600
    return written(Plan(flow, time, up, flags, content, payload), contents, flows)


CAPTURES: dict[str, Callable[[int], Any]] = {
    "even": lambda packets: capture(packets, packets * 3 // 100),
    "hot": lambda packets: capture(packets, packets * 3 // 100, hot=0.8),
    "few": lambda packets: capture(packets, min(500, packets // 8)),
    "million": lambda packets: brief(packets // 2),
    "storm": lambda packets: storm(packets // 10),
    "hybrid": lambda packets: storm(packets // 40, hybrid=True),
}  # by name: how to make it, given about how many packets; of two million: 60,000 flows, 500, a million, 200,000
