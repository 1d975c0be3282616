"""One flow of a capture, packet by packet, as the sensor reads it: `schoolgate explain`.

Theory of operation. The capture goes through an ordinary `sensor.meter.Meter`, so what is shown is what the monitor
does, not a second writing of it. The first time it is fed in small chunks, and the rows that the kernel decoded show
which frames belong to the flow, or told its client something over DNS. The second time those frames are fed one by
one, and after each the meter is asked what it knows of the flow by now. The words for what a packet carries come from
`sensor.carried`; they describe and decide nothing.

Frames are numbered from 1 as in Wireshark. It does not know tshark (`sensor.tshark`), and prints nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from sensor import layout, walk
from sensor.capture import open_capture
from sensor.carried import HelloFacts, TcpWords, UdpWords
from sensor.classify import CLASSIFY_LIMITS
from sensor.dns import Answers
from sensor.frames import ACK, BATCH, FIN, PSH, RST, SKIP_FRAGMENT, SYN, new_batch
from sensor.meter import Meter
from sensor.readers import EVIDENCE_CODES
from sensor.slices import pack_address, unpack_address
from sensor.words import Evidence

Flow = Mapping[str, Any]  # as sensor.classify gives it
MAX_TOLD = 1000
SLACK_NS = 1000  # a flow's first and last time are floating-point seconds
_FLAG_LETTERS = ((SYN, "S"), (FIN, "F"), (RST, "R"), (PSH, "P"), (ACK, "A"))
_END = r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):([0-9]{1,5})"
_SELECTOR = re.compile(f"{_END}-{_END}")


class ExplainError(ValueError):
    """What was asked for cannot be explained; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Step:
    """One packet of the flow. `sequence` is relative to the sender's first; `named` says what became known with it."""

    frame: int
    time: float  # Unix seconds
    up: bool
    bytes: int  # IP total length
    payload: int  # bytes of transport payload on the wire
    flags: str
    sequence: int | None
    carried: tuple[str, ...]
    named: str


@dataclass(frozen=True, slots=True)
class Told:
    """A DNS answer that this client was given and that leads to this server. `ttl`: the shortest of its chain, s."""

    frame: int
    time: float
    resolver: str
    name: str
    ttl: int
    in_time: bool  # the flow began within the answer's time to live


@dataclass(slots=True)
class FlowReading:
    """Everything that we read of one flow. `steps` are its first packets, `packets` counts all of them."""

    flow: Flow
    steps: list[Step] = field(default_factory=list)
    packets: int = 0
    first_frame: int = 0
    last_frame: int = 0
    named_at: int | None = None  # frame
    told: list[Told] = field(default_factory=list)
    hello: HelloFacts | None = None


def flow_text(flow: Flow) -> str:
    """CLIENT:PORT-SERVER:PORT, IPv6 addresses in brackets."""
    return f"{_end_text(flow['client'], flow['client_port'])}-{_end_text(flow['server'], flow['server_port'])}"


def _end_text(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def parse_flow(text: str) -> tuple[str, int, str, int]:
    """The inverse of `flow_text`, with addresses in their usual spelling. Raises ExplainError."""
    found = _SELECTOR.fullmatch(text.strip())
    try:
        if found is None:
            raise ValueError
        groups = found.groups()
        one, other = (unpack_address(pack_address(groups[n] or groups[n + 1])) for n in (0, 3))
    except ValueError:
        mend = "write CLIENT:PORT-SERVER:PORT, as 10.20.0.5:50000-203.0.113.7:443 or [fd00::5]:50000-[2001:db8::7]:443"
        raise ExplainError(f"{text!r} names no flow; {mend}") from None
    return one, int(groups[2]), other, int(groups[5])


def select(
    flows: Sequence[Flow],
    ends: tuple[str, int, str, int] | None = None,
    client: str | None = None,
    server: str | None = None,
    name: str | None = None,
) -> list[Flow]:
    """Flows that fit: `ends` in either direction; `name` is the flow's own or one above it."""

    def fits(flow: Flow) -> bool:
        own = (flow["client"], flow["client_port"], flow["server"], flow["server_port"])
        if ends is not None and ends not in (own, (*own[2:], *own[:2])):
            return False
        if name is not None and not f".{flow['name'] or ''}".endswith(f".{name.lower().rstrip('.')}"):
            return False
        return (client is None or flow["client"] == client) and (server is None or flow["server"] == server)

    return [flow for flow in flows if fits(flow)]


def read_flow(path: Path, flow: Flow, limit: int = 200) -> FlowReading:
    """Read one flow of a capture; `flow` is one of `classify_file`'s, `limit` bounds the packets that are read out.

    Raises CaptureError or OSError as `open_capture` does.
    """
    reading = FlowReading(flow)
    watched = _find_frames(path, flow, reading)
    _step_through(path, flow, reading, watched, limit)
    return reading


# -- driving the meter ------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Watch:
    """The flow's key and time, as the kernel's rows have them."""

    key: Any
    client: bytes
    first: int  # ns
    last: int

    @classmethod
    def of(cls, flow: Flow) -> _Watch:
        client, server = pack_address(flow["client"]), pack_address(flow["server"])
        ends = sorted([(client, flow["client_port"]), (server, flow["server_port"])])
        protocol = 6 if flow["transport"] == "tcp" else 17
        words = [int.from_bytes(address[n : n + 8], "big") for address, _ in ends for n in (0, 8)]
        key = np.array([*words, ends[0][1] << 48 | ends[1][1] << 32 | protocol << 24 | 1], np.uint64)
        first, last = (round(flow[when] * layout.SECOND) for when in ("first", "last"))
        return cls(key, client, first - SLACK_NS, last + SLACK_NS)

    def rows_of_flow(self, batch: Any, n: int) -> Any:
        """Which of the first n rows are packets of the flow."""
        same = (batch.key[:n] == self.key).all(axis=1) & (batch.skip[:n] == 0)
        return same & (batch.time[:n] >= self.first) & (batch.time[:n] <= self.last)

    def rows_that_may_tell(self, batch: Any, n: int) -> Any:
        """Which rows are DNS responses to the client, or pieces of packets that may become anything."""
        b = batch.source_is_b[:n] != 0
        ports = np.where(b, batch.key[:n, 4] >> np.uint64(32), batch.key[:n, 4] >> np.uint64(48)) & np.uint64(0xFFFF)
        target = np.where(b[:, None], batch.key[:n, 0:2], batch.key[:n, 2:4])
        to_client = (target == np.frombuffer(self.client, ">u8").astype(np.uint64)).all(axis=1)
        tells = (batch.skip[:n] == 0) & to_client & np.isin(ports, layout.DNS_PORTS)
        return tells | (batch.skip[:n] == SKIP_FRAGMENT)


def _chunks(path: Path, meter: Meter, sizes: Any) -> Iterator[tuple[int, int, Any, int]]:
    """Feed a capture a few frames at a time: (number of the first, how many, the bytes, where in them the first lies).

    `sizes(number)` says how many frames to feed at once, at most BATCH, from frame `number` on.
    """
    capture = open_capture(path)
    ahead = new_batch()
    walker = walk.walk_pcap if capture.state[walk.FORMAT] == walk.FORMAT_PCAP else None
    fed: list[tuple[int, Any]] = []
    number = 1

    def feed(buffer: Any, start: int, end: int, state: Any, interfaces: Any) -> int:
        trial, known = state.copy(), interfaces.copy()  # walking ahead must not move the capture's own state
        most = sizes(number)
        if walker is not None:
            n, after = walker(buffer, start, end, trial, ahead, 0, most)
        else:
            n, after = walk.walk_pcapng(buffer, start, end, trial, known, ahead, 0, most)
        fed.append((int(n), buffer))
        if n == 0:
            after = end
        return meter.feed(buffer, start, int(after), state, interfaces)

    for _ in capture.read(feed):
        n, buffer = fed.pop()
        fed.clear()
        meter.take()
        if n:
            yield number, n, buffer, int(ahead.frame[0])
        number += n


def _new_meter(on_answers: Any = None) -> Meter:
    numbers: dict[str, int] = {}
    return Meter(
        lambda name: numbers.setdefault(name, len(numbers) + 1), CLASSIFY_LIMITS, emit_all=True, on_answers=on_answers
    )


def _find_frames(path: Path, flow: Flow, reading: FlowReading) -> set[int]:
    """Numbers of the frames to look at one by one; counts the flow's packets."""
    watch, meter = _Watch.of(flow), _new_meter()
    watched: set[int] = set()
    for number, n, *_ in _chunks(path, meter, lambda _: BATCH):
        own = watch.rows_of_flow(meter.decoded, n)
        mark = own | watch.rows_that_may_tell(meter.decoded, n)
        watched.update(number + int(row) for row in np.flatnonzero(mark))
        if own.any():
            rows = np.flatnonzero(own)
            reading.packets += len(rows)
            reading.first_frame = reading.first_frame or number + int(rows[0])
            reading.last_frame = number + int(rows[-1])
    return watched


def _step_through(path: Path, flow: Flow, reading: FlowReading, watched: set[int], limit: int) -> None:
    """Feed the watched frames one by one and note what each did."""
    watch, tcp = _Watch.of(flow), flow["transport"] == "tcp"
    told: list[tuple[str, Answers]] = []
    meter = _new_meter(
        lambda client, server, answers: (
            told.append((unpack_address(server), answers)) if client == watch.client else None
        )
    )
    words = TcpWords() if tcp else UdpWords()
    drafts: list[Step] = []
    before: tuple[str, int, bool] = ("", 0, False)
    bases: dict[bool, int] = {}
    ordered = sorted(watched)
    position = 0

    def sizes(number: int) -> int:
        nonlocal position
        while position < len(ordered) and ordered[position] < number:
            position += 1
        if position == len(ordered):
            return BATCH
        return 1 if ordered[position] == number else min(BATCH, ordered[position] - number)

    for number, n, buffer, place in _chunks(path, meter, sizes):
        batch = meter.decoded
        if told and n == 1:
            _note(reading, number, int(batch.time[0]), told)
        told.clear()
        if n != 1 or number not in watched or not watch.rows_of_flow(batch, 1)[0]:
            continue
        reading.first_frame = min(reading.first_frame or number, number)
        reading.last_frame = max(reading.last_frame, number)
        if len(drafts) == limit:
            continue
        up = _from_client(batch, flow)
        payload = _payload(batch, buffer, place)
        carried: tuple[str, ...] = ()
        sequence = None
        if isinstance(words, TcpWords):
            control, raw = int(batch.flags[0]), int(batch.sequence[0]) & 0xFFFFFFFF
            words.add(up, raw, bool(control & SYN), bool(control & PSH), payload)
            sequence = (raw - bases.setdefault(up, raw)) & 0xFFFFFFFF
        else:
            carried = words.add(up, payload)
        after = meter.known(batch.hash[0])
        named = _named(after) if after != before and after[0] else ""
        if named and (reading.named_at is None or after[0] != before[0]):
            reading.named_at = number
        before = after
        drafts.append(
            Step(
                number, int(batch.time[0]) / layout.SECOND, up, int(batch.length[0]), int(batch.payload_length[0]),
                _flags(int(batch.flags[0])) if tcp else "", sequence, carried, named,
            )
        )  # fmt: skip
    _finish(reading, drafts, words)


def _finish(reading: FlowReading, drafts: list[Step], words: TcpWords | UdpWords) -> None:
    reading.hello = words.hello_facts()
    said = words.words() if isinstance(words, TcpWords) else [step.carried for step in drafts]
    reading.steps = [replace(step, carried=carried) for step, carried in zip(drafts, said, strict=True)]
    reading.packets = max(reading.packets, len(reading.steps))
    if reading.flow["evidence"] == Evidence.DNS:
        names = [t.frame for t in reading.told if t.in_time and t.name == reading.flow["name"]]
        reading.named_at = names[-1] if names else None


def _from_client(batch: Any, flow: Flow) -> bool:
    """Whether the client sent the packet of row 0."""
    client = (pack_address(flow["client"]), flow["client_port"])
    return int(batch.source_is_b[0]) == (client > (pack_address(flow["server"]), flow["server_port"]))


def _payload(batch: Any, buffer: Any, place: int) -> bytes:
    """What the packet of row 0 carries; nothing if it was put together elsewhere, from fragments."""
    if int(batch.frame[0]) != place:
        return b""
    payload: bytes = buffer[int(batch.payload[0]) : int(batch.payload_end[0])].tobytes()
    return payload


def _flags(control: int) -> str:
    return "".join(letter for bit, letter in _FLAG_LETTERS if control & bit)


def _named(known: tuple[str, int, bool]) -> str:
    name, evidence, partial = known
    return f"{name} by {EVIDENCE_CODES[evidence]}" + (", from a hello that is not whole yet" if partial else "")


def _note(reading: FlowReading, number: int, time: int, told: list[tuple[str, Answers]]) -> None:
    """Keep what the client was told about the flow's server."""
    began = round(reading.flow["first"] * layout.SECOND)
    for resolver, answers in told:
        ttls = [a.ttl for a in answers.answers]
        if any(a.data == reading.flow["server"] for a in answers.answers) and len(reading.told) < MAX_TOLD:
            in_time = time <= began + SLACK_NS and began <= time + min(ttls) * layout.SECOND
            reading.told.append(Told(number, time / layout.SECOND, resolver, answers.qname, min(ttls), in_time))
