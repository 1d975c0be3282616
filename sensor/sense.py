"""From packets to slice tables: a meter, the catalogue's services and the school's segments, joined.

`Sensor` is what a capture replay and a live worker both use: `feed` blocks, `table` takes what is ready as Arrow
(sensor.slices.SLICE_SCHEMA) with counters in its metadata (`from`: packet time since which they count). It does not
know files, rings or clocks.
"""

from __future__ import annotations

import functools
import ipaddress
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from sensor import layout
from sensor.catalogue import Catalogue, load_catalogue
from sensor.columns import Columns, Segments, new_columns, unpack
from sensor.meter import Meter, MeterLimits, RawSlices
from sensor.readers import EVIDENCE_CODES
from sensor.settings import SegmentRule, SensorSettings
from sensor.slices import slice_table
from sensor.words import Role, Segment

SEGMENT_CODES = tuple(Segment)


def segment_table(rules: Sequence[SegmentRule]) -> Segments:
    """The school's segment rules as the kernel wants them; a narrower subnet is laid over a wider one."""
    by_vlan = np.zeros(4096, np.int16)
    ranges = []
    for rule in rules:
        code = SEGMENT_CODES.index(rule.segment)
        for vlan in rule.vlans:
            by_vlan[vlan] = code
        for subnet in rule.subnets:
            mapped = 0xFFFF << 32 if isinstance(subnet, ipaddress.IPv4Network) else 0
            first, last = int(subnet.network_address) | mapped, int(subnet.broadcast_address) | mapped
            ranges.append((first - last, first, last, code))
    ranges.sort()
    firsts = np.array([_halves(first) for _, first, _, _ in ranges], np.uint64).reshape(-1, 2)
    lasts = np.array([_halves(last) for _, _, last, _ in ranges], np.uint64).reshape(-1, 2)
    return Segments(firsts, lasts, np.array([code for *_, code in ranges], np.int16), by_vlan)


def _halves(address: int) -> tuple[int, int]:
    return address >> 64, address & (1 << 64) - 1


class Sensor:
    """One stream of packets, metered and named. `name` tells a school's sensors apart, `seed` keys the flow table."""

    def __init__(
        self,
        catalogue: Catalogue,
        segments: Sequence[SegmentRule],
        limits: MeterLimits | None = None,
        name: str = "replay",
        seed: int = 0,
    ) -> None:
        self._catalogue = catalogue
        self._pairs: list[tuple[str, Role]] = []
        self._number: dict[tuple[str, Role], int] = {}
        self._segments = segment_table(segments)
        self._counted: dict[str, int] = {}
        self.blind = 0
        self.ring_drops = 0
        self.ring_freezes = 0
        self.nic_drops = 0
        self._name = name
        self._from = 0.0
        self.meter = Meter(self._lookup, limits, seed=seed)
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
            "packets": int(c[layout.C_PACKETS]),
            "bytes": int(c[layout.C_BYTES]),
            "flows": int(c[layout.C_NAMEABLE]),
            "flows_all": int(c[layout.C_FLOWS]),
            "flows_named": int(c[layout.C_NAMED]),
            "names_blind": self.blind,
            "skipped": sum(count for _, count in meter.skipped()),
            "ring_drops": self.ring_drops,
            "ring_freezes": self.ring_freezes,
            "nic_drops": self.nic_drops,
            **meter.upstream(),
            "evicted": int(c[layout.C_EVICTED]),
            "hellos_dropped": meter.readers.dropped_looking,
            "slices_unnamed_dropped": meter.dropped_waiting,
            "dns_evicted": meter.readers.dns.evicted,
        }

    def table(self) -> pa.Table:
        """Slices that are ready, and what was counted since the last table."""
        raw = self.meter.take()
        now = self.counters()
        delta = {name: value - self._counted.get(name, 0) for name, value in now.items()}
        self._counted = now
        until, latest = self.meter.complete_until, self.meter.latest_ns / layout.SECOND
        metadata = {
            "catalogue": self._catalogue.version,
            "sensor": self._name,
            "from": str(self._from or latest),
            "until": str(until),
            "counters": json.dumps(delta),
        }
        self._from = latest
        return slice_table(self._columns(raw), metadata)

    def _columns(self, raw: Sequence[RawSlices]) -> dict[str, Any]:
        services = sorted({service for service, _ in self._pairs}) or [""]
        roles = list(Role)
        service_of = np.array([0, *(services.index(service) for service, _ in self._pairs)], np.int16)
        role_of = np.array([0, *(roles.index(role) for _, role in self._pairs)], np.int16)
        columns = new_columns(sum(len(r.words) for r in raw))
        at = 0
        for r in raw:
            part = Columns(*(column[at : at + len(r.words)] for column in columns))
            unpack(r.words, r.halves, r.gaps, r.service, service_of, role_of, self._segments, part)
            at += len(r.words)
        return columns._asdict() | {
            "client": _addresses(columns.client),
            "server": _addresses(columns.server),
            "segment": _coded(columns.segment, SEGMENT_CODES),
            "service": _coded(columns.service, services),
            "role": _coded(columns.role, roles),
            "evidence": _coded(columns.evidence, EVIDENCE_CODES),
        }


def sensor_of(settings: SensorSettings, name: str = "replay", seed: int = 0) -> Sensor:
    """A sensor as a school set it, with the shipped catalogue and the school's own rows."""
    s = settings
    limits = MeterLimits(s.max_flows, s.tcp_idle_s, s.udp_idle_s, s.dns_names)
    return Sensor(load_catalogue(s.services), s.segments, limits, name, seed)


def _addresses(pairs: Any) -> pa.Array:
    """uint64[n, 2] in host order to 16-byte binary, without a loop."""
    data = pairs.byteswap(inplace=True)
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(pairs), [None, pa.py_buffer(data)])


def _coded(codes: Any, words: Sequence[str]) -> pa.Array:
    dictionary = pa.array([str(w) for w in words], pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int16()), dictionary, safe=False)
