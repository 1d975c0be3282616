"""From packets to slice tables: a meter, the catalogue's services and the school's segments, joined.

`Sensor` is what a capture replay and a live worker both use: `feed` blocks, `table` takes what is ready as Arrow
(sensor.slices.SLICE_SCHEMA) with counters in its metadata (`from`: packet time since which they count). It does not know files, rings or clocks.
"""

from __future__ import annotations

import functools
import ipaddress
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from sensor import kernel as k
from sensor.catalogue import Catalogue
from sensor.meter import EVIDENCE_CODES, Meter, MeterLimits, RawSlices
from sensor.settings import SegmentRule
from sensor.slices import slice_table
from sensor.words import Role, Segment

SEGMENT_CODES = tuple(Segment)
_LOW16 = np.uint64(0xFFFF)


class SegmentMap:
    """Addresses and VLANs to segments. If a client's subnet and its VLAN disagree, the answer is unknown."""

    def __init__(self, rules: Sequence[SegmentRule]) -> None:
        self._by_vlan = np.zeros(4096, np.int16)
        ranges = []
        for rule in rules:
            code = SEGMENT_CODES.index(rule.segment)
            for vlan in rule.vlans:
                self._by_vlan[vlan] = code
            for subnet in rule.subnets:
                first, last = int(subnet.network_address), int(subnet.broadcast_address)
                if isinstance(subnet, ipaddress.IPv4Network):
                    first, last = first | 0xFFFF << 32, last | 0xFFFF << 32
                ranges.append((last - first, first, last, code))
        ranges.sort(reverse=True)  # narrower subnets are laid over wider ones
        self._ranges = [(_halves(first), _halves(last), code) for _, first, last, code in ranges]

    def codes(self, high: Any, low: Any, vlan: Any) -> Any:
        """Segment codes (positions in SEGMENT_CODES) of clients: two uint64 address halves and packed VLAN stacks."""
        by_subnet = np.zeros(len(high), np.int16)
        for (first_high, first_low), (last_high, last_low), code in self._ranges:
            above = (high > first_high) | ((high == first_high) & (low >= first_low))
            below = (high < last_high) | ((high == last_high) & (low <= last_low))
            by_subnet[above & below] = code
        by_vlan = np.where(vlan != 0, self._by_vlan[(vlan & np.uint64(0xFFF)).astype(np.int64)], 0)
        agreed = np.where(by_subnet == 0, by_vlan, np.where((by_vlan == 0) | (by_vlan == by_subnet), by_subnet, 0))
        return agreed.astype(np.int16)


def _halves(address: int) -> tuple[Any, Any]:
    return np.uint64(address >> 64), np.uint64(address & (1 << 64) - 1)


class Sensor:
    """One stream of packets, metered and named. `name` tells several sensors of a school apart."""

    def __init__(
        self, catalogue: Catalogue, segments: Sequence[SegmentRule], limits: MeterLimits | None = None, name: str = "replay"
    ) -> None:
        self._catalogue = catalogue
        self._pairs: list[tuple[str, Role]] = []
        self._number: dict[tuple[str, Role], int] = {}
        self._segments = SegmentMap(segments)
        self._counted: dict[str, int] = {}
        self.blind = 0
        self.ring_drops = 0
        self._name = name
        self._from = 0.0
        self.meter = Meter(self._lookup, limits)
        self.feed = self.meter.feed
        self.feed_capture = functools.partial(self.meter.feed, to_sweep=True)

    def _lookup(self, host: str) -> int:
        hit = self._catalogue.lookup(host)
        if hit is None:
            if self._catalogue.blindness(host):
                self.blind += 1
            return 0
        pair = (hit.service, hit.role)
        if pair not in self._number:
            self._pairs.append(pair)
            self._number[pair] = len(self._pairs)
        return self._number[pair]

    def counters(self) -> dict[str, int]:
        """Everything that is counted, since the start; names as in the store's coverage table."""
        meter, c = self.meter, self.meter.counters
        return {
            "packets": int(c[k.C_PACKETS]),
            "bytes": int(c[k.C_BYTES]),
            "flows": int(c[k.C_FLOWS]),
            "flows_named": int(c[k.C_NAMED]),
            "names_blind": self.blind,
            "skipped": sum(count for _, count in meter.skipped()),
            "ring_drops": self.ring_drops,
            "evicted": int(c[k.C_EVICTED]),
            "hellos_dropped": meter.dropped_looking,
            "slices_unnamed_dropped": meter.dropped_waiting,
            "dns_evicted": meter.dns.evicted,
        }

    def table(self) -> pa.Table:
        """Slices that are ready, and what was counted since the last table."""
        raw = self.meter.take()
        now = self.counters()
        delta = {name: value - self._counted.get(name, 0) for name, value in now.items()}
        self._counted = now
        until, latest = self.meter.complete_until, self.meter.latest_ns / k.SECOND
        metadata = {
            "catalogue": self._catalogue.version,
            "sensor": self._name,
            "from": str(self._from or latest),
            "until": str(until),
            "counters": json.dumps(delta),
        }
        self._from = latest
        words = np.concatenate([r.words for r in raw]) if raw else np.zeros((0, k.SLICE), np.uint64)
        service = np.concatenate([r.service for r in raw]) if raw else np.zeros(0, np.int32)
        return slice_table(self._columns(RawSlices(words, service)), metadata)

    def _columns(self, raw: RawSlices) -> dict[str, Any]:
        words, halves, gaps = raw.words, raw.halves, raw.gaps
        minute = words[:, k.S_MINUTE]
        start = minute * np.uint64(k.MINUTE_NS)
        flags = halves[:, k.S_FLAGS]
        ports = words[:, 4]
        evidence = ((flags & k.EVIDENCE_MASK) >> k.EVIDENCE_SHIFT).astype(np.int16)
        pair = (raw.service - 1).astype(np.int16)
        roles = list(Role)
        role_of = np.array([roles.index(role) for _, role in self._pairs] or [0], np.int16)
        services = sorted({service for service, _ in self._pairs}) or [""]
        service_of = np.array([services.index(service) for service, _ in self._pairs] or [0], np.int16)
        return {
            "minute": minute.astype(np.uint32),
            "first_ms": _milliseconds(words[:, k.S_FIRST], start),
            "last_ms": _milliseconds(words[:, k.S_LAST], start),
            "first_of_flow": (flags & k.OLD) == 0,
            "client": _addresses(words[:, 0:2]),
            "server": _addresses(words[:, 2:4]),
            "client_port": (ports >> np.uint64(48)).astype(np.uint16),
            "server_port": (ports >> np.uint64(32) & _LOW16).astype(np.uint16),
            "transport": (ports >> np.uint64(24) & np.uint64(0xFF)).astype(np.uint8),
            "vlan": words[:, k.S_VLAN],
            "segment": _coded(self._segments.codes(words[:, 0], words[:, 1], words[:, k.S_VLAN]), SEGMENT_CODES),
            "service": _coded(service_of[pair], services),
            "role": _coded(role_of[pair], roles),
            "evidence": _coded(evidence, EVIDENCE_CODES),
            "bytes_up": words[:, k.S_BYTES_UP],
            "bytes_down": words[:, k.S_BYTES_DOWN],
            "packets_up": halves[:, k.S_PACKETS_UP],
            "packets_down": halves[:, k.S_PACKETS_DOWN],
            "bursts": halves[:, k.S_BURSTS],
            "burst_bytes": halves[:, k.S_BURST_BYTES],
            "burst_largest": halves[:, k.S_BURST_LARGEST],
            "gap_sum": gaps[:, k.S_GAP_SUM],
            "gap_sumsq": gaps[:, k.S_GAP_SUMSQ],
        }


def _milliseconds(time: Any, start: Any) -> Any:
    return ((time - start) // np.uint64(1_000_000)).clip(0, 59_999).astype(np.uint16)


def _addresses(pairs: Any) -> pa.Array:
    """uint64[n, 2] in host order to 16-byte binary, without a loop."""
    data = np.ascontiguousarray(pairs).byteswap()
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(pairs), [None, pa.py_buffer(data)])


def _coded(codes: Any, words: Sequence[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int16()), pa.array([str(w) for w in words], pa.string()))
