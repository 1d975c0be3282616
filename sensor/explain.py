"""One flow of a capture, packet by packet, as the sensor reads it: `schoolgate explain`.

Theory of operation. The capture goes through an ordinary `sensor.meter.Meter`, so what is shown is what the monitor
does, not a second writing of it. The first time it is fed in small chunks, and the rows that the kernel decoded show
which frames belong to the flow, or told its client something over DNS. The second time those frames are fed one by
one, and after each the meter is asked what it knows of the flow by now. The words for what a packet carries come from
`sensor.carried`; they describe and decide nothing.

Frames are numbered from 1 as in Wireshark. It does not know tshark (`sensor.tshark`), and prints nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from sensor import layout
from sensor.carried import HelloFacts, TcpWords
from sensor.carriedudp import UdpWords
from sensor.choose import Flow
from sensor.classify import CLASSIFY_LIMITS
from sensor.dns import Answers
from sensor.frames import ACK, BATCH, FIN, PSH, RST, SYN, TCP, UDP
from sensor.meter import Meter
from sensor.readers import EVIDENCE_CODES
from sensor.slices import pack_address, unpack_address
from sensor.stepping import Fed, feed_few
from sensor.table import find
from sensor.wire import SKIP_FRAGMENT
from sensor.words import Evidence

MAX_TOLD = 1000
SLACK_NS = 1000  # a flow's first time is floating-point seconds
_FLAG_LETTERS = ((SYN, "S"), (FIN, "F"), (RST, "R"), (PSH, "P"), (ACK, "A"))


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
    """Everything that we read of one flow. `steps` are its first packets, `packets` counts all of them.

    `first_frame` and `last_frame` bound the frames with its ports; 0 where there are none.
    """

    flow: Flow
    steps: list[Step] = field(default_factory=list)
    packets: int = 0
    first_frame: int = 0
    last_frame: int = 0
    names: list[str] = field(default_factory=list)  # as they became known, a hello's outer name included
    named_at: int | None = None  # frame
    told: list[Told] = field(default_factory=list)
    hello: HelloFacts | None = None


def read_flow(path: Path, flow: Flow, limit: int = 200) -> FlowReading:
    """Read one flow of a capture; `flow` is one of `classify_file`'s, `limit` bounds the packets that are read out.

    Raises CaptureError or OSError as `open_capture` does.
    """
    reading = FlowReading(flow, packets=flow["packets_up"] + flow["packets_down"])
    _Stepper(reading, limit).run(path, _find_frames(path, _Watch.of(flow), reading))
    return reading


# -- driving the meter ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Watch:
    """The flow's key as the kernel's rows have it, and its ends."""

    key: Any  # uint64[5]
    client: bytes
    client_is_b: bool

    @classmethod
    def of(cls, flow: Flow) -> _Watch:
        client = pack_address(flow["client"]), flow["client_port"]
        server = pack_address(flow["server"]), flow["server_port"]
        (a, a_port), (b, b_port) = sorted([client, server])
        words = [int.from_bytes(address[n : n + 8], "big") for address in (a, b) for n in (0, 8)]
        ports = a_port << 48 | b_port << 32 | (TCP if flow["transport"] == "tcp" else UDP) << 24 | 1
        return cls(np.array([*words, ports], np.uint64), client[0], client > server)

    def own(self, batch: Any, n: int) -> Any:
        """Which of the first n rows have the flow's addresses and ports."""
        return (batch.key[:n] == self.key).all(axis=1) & (batch.skip[:n] == 0)

    def may_tell(self, batch: Any, n: int) -> Any:
        """Which of the first n rows are DNS responses to the client, or fragments, which may become anything."""
        b = batch.source_is_b[:n] != 0
        ports = np.where(b, batch.key[:n, 4] >> np.uint64(32), batch.key[:n, 4] >> np.uint64(48)) & np.uint64(0xFFFF)
        target = np.where(b[:, None], batch.key[:n, 0:2], batch.key[:n, 2:4])
        to_client = (target == np.frombuffer(self.client, ">u8").astype(np.uint64)).all(axis=1)
        tells = (batch.skip[:n] == 0) & to_client & np.isin(ports, layout.DNS_PORTS)
        return tells | (batch.skip[:n] == SKIP_FRAGMENT)


def _new_meter(on_answers: Callable[[bytes, bytes, Answers], None] | None = None) -> Meter:
    numbers: dict[str, int] = {}  # every name its own number, as in sensor.classify
    return Meter(
        lambda name: numbers.setdefault(name, len(numbers) + 1),
        lambda slices, count: None,
        CLASSIFY_LIMITS,
        emit_all=True,
        on_answers=on_answers,
    )


def _find_frames(path: Path, watch: _Watch, reading: FlowReading) -> list[int]:
    """Numbers of the frames to look at one by one, in order."""
    meter = _new_meter()
    watched: list[int] = []
    for fed in feed_few(path, meter, lambda _: BATCH):
        own = watch.own(meter.decoded, fed.count)
        marked = own | watch.may_tell(meter.decoded, fed.count) | fed.elsewhere(meter.decoded)
        watched += (fed.number + np.flatnonzero(marked)).tolist()
        if own.any():
            reading.last_frame = fed.number + int(np.flatnonzero(own)[-1])
    return watched


class _Stepper:
    """Feeds the watched frames one by one, and notes what each did."""

    def __init__(self, reading: FlowReading, limit: int) -> None:
        self._reading, self._limit = reading, limit
        self._watch = _Watch.of(reading.flow)
        self._words = TcpWords() if reading.flow["transport"] == "tcp" else UdpWords()
        self._bases: dict[bool, int] = {}
        self._before = ""
        self._told: list[tuple[bytes, Answers]] = []
        self._meter = _new_meter(self._on_answers)

    def run(self, path: Path, watched: list[int]) -> None:
        reading, at = self._reading, 0

        def sizes(number: int) -> int:
            nonlocal at
            while at < len(watched) and watched[at] < number:
                at += 1
            until = watched[at] - number if at < len(watched) else BATCH
            return min(until, BATCH) or 1

        for fed in feed_few(path, self._meter, sizes):
            if fed.count == 1:
                self._note(fed.number, int(self._meter.decoded.time[0]))
                if self._watch.own(self._meter.decoded, 1)[0]:
                    self._step(fed)
            self._told.clear()
            if len(reading.steps) == self._limit:
                break
        self._finish()

    def _on_answers(self, client: bytes, server: bytes, answers: Answers) -> None:
        if client == self._watch.client:
            self._told.append((server, answers))

    def _note(self, number: int, time: int) -> None:
        """Keep what the client has just been told about the flow's server."""
        began = round(self._reading.flow["first"] * layout.SECOND)
        for resolver, answers in self._told:
            if any(a.data == self._reading.flow["server"] for a in answers.records):
                ttl = min(a.ttl for a in answers.records)
                in_time = time - SLACK_NS <= began <= time + ttl * layout.SECOND
                told = Told(number, time / layout.SECOND, unpack_address(resolver), answers.qname, ttl, in_time)
                self._reading.told = [*self._reading.told[1 - MAX_TOLD :], told]

    def _step(self, fed: Fed) -> None:
        """The one frame just fed has the flow's ports: is it of the same connection, and what did it bring?"""
        reading, batch = self._reading, self._meter.decoded
        known = _known(self._meter, batch.hash[0])
        if known is None or known.first / layout.SECOND != reading.flow["first"]:
            return
        up = bool(batch.source_is_b[0]) == self._watch.client_is_b
        together = fed.elsewhere(batch)
        payload = b"" if together else fed.buffer[int(batch.payload[0]) : int(batch.payload_end[0])].tobytes()
        flags, sequence = int(batch.flags[0]), None
        carried: tuple[str, ...] = ("put together from fragments",) if together else ()
        if isinstance(self._words, TcpWords):
            raw = int(batch.sequence[0]) & 0xFFFFFFFF
            sequence = (raw - self._bases.setdefault(up, raw)) & 0xFFFFFFFF
            self._words.add(up, raw, bool(flags & SYN), bool(flags & PSH), payload)
        else:
            carried += self._words.add(up, payload)
        named = known.words if known.words != self._before else ""
        if named:
            reading.named_at = reading.named_at or fed.number
            reading.names.append(known.name)
        self._before = known.words
        reading.first_frame = reading.first_frame or fed.number
        reading.last_frame = max(reading.last_frame, fed.number)
        reading.steps.append(
            Step(
                fed.number,
                int(batch.time[0]) / layout.SECOND,
                up,
                int(batch.length[0]),
                int(batch.payload_length[0]),
                "".join(letter for bit, letter in _FLAG_LETTERS if flags & bit),
                sequence,
                carried,
                named,
            )
        )

    def _finish(self) -> None:
        reading = self._reading
        reading.hello = self._words.hello_facts()
        if isinstance(self._words, TcpWords):
            said = zip(reading.steps, self._words.words(), strict=True)
            reading.steps = [replace(step, carried=(*step.carried, *words)) for step, words in said]
        if reading.flow["evidence"] == Evidence.DNS:
            names = [told.frame for told in reading.told if told.in_time and told.name == reading.flow["name"]]
            reading.named_at = names[-1] if names else None


@dataclass(frozen=True, slots=True)
class _Known:
    """What the flow table holds of a flow: time of its first packet (ns), its name, how it is known; '' while not."""

    first: int
    name: str
    words: str


def _known(meter: Meter, key_hash: Any) -> _Known | None:
    """What is known by now of the flow with this `Batch.hash`."""
    flows = meter.flows
    row = int(find(flows, key_hash))
    if row == 0:
        return None
    flags = int(flows.halves[row, layout.FLAGS])
    name = words = meter.name_of(int(flows.halves[row, layout.NAME]))
    if name:
        words += f" by {EVIDENCE_CODES[(flags & layout.EVIDENCE_MASK) >> layout.EVIDENCE_SHIFT]}"
        words += ", from a hello that is not whole yet" if flags & layout.PARTIAL else ""
    return _Known(int(flows.cold[row, layout.FLOW_FIRST]), name, words)
