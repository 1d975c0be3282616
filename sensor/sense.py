"""From packets to slice tables: a meter, the catalogue's services and the school's segments, joined.

`Sensor` is what a capture replay and a live worker both use: `feed` blocks, `table` takes what is ready as Arrow
(sensor.slices.SLICE_SCHEMA) with counters in its metadata (`from`: packet time since which they count), `sightings`
what is new of who has which address (sensor.sightings.SIGHTING_SCHEMA). It does not know files, rings or clocks.
"""

from __future__ import annotations

import functools
import ipaddress
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from sensor import late, layout, walk
from sensor.catalogue import Catalogue, load_catalogue
from sensor.clients import count_clients, inside_ranges
from sensor.columns import Columns, Segments, Sink, new_columns, unpack
from sensor.dnsmemory import is_local_name
from sensor.memory import as_slices, new_slices
from sensor.meter import Meter, MeterLimits
from sensor.names import DOH, OUTER, VPN
from sensor.openings import MARK, Openings
from sensor.readers import EVIDENCE_CODES
from sensor.settings import SegmentRule, SensorSettings
from sensor.sightings import SIGHTING_SCHEMA, Sightings, Watched
from sensor.slices import slice_table
from sensor.uploads import Uploads
from sensor.words import Role, Segment

SEGMENT_CODES = tuple(Segment)
ROLE_CODES = tuple(Role)
_SEGMENT_WORDS, _ROLE_WORDS, _EVIDENCE_WORDS = (
    pa.array([str(code) for code in codes], pa.string()) for codes in (SEGMENT_CODES, ROLE_CODES, EVIDENCE_CODES)
)
CHUNK_ROWS = 1 << 15
SINK_ROWS = 1 << 10  # room for a few batches, so that the kernel goes on for a while
HIDDEN = {"ech": OUTER, "doh": DOH, "vpn": VPN}
_OPENED = np.arange(MARK + 1, dtype=np.int32)  # stands for "pair of a name" where the name is the mark of an opening


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
    """One stream of packets, metered and named. `name` tells a school's sensors apart, `seed` keys the flow table,
    `watched`: of whom to note which address they have; of nobody if it is None."""

    def __init__(
        self,
        catalogue: Catalogue,
        segments: Sequence[SegmentRule],
        limits: MeterLimits | None = None,
        name: str = "replay",
        seed: int = 0,
        watched: Watched | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._number: dict[tuple[str, Role], int] = {}
        self._segments = segment_table(segments)
        self._counted: dict[str, int] = {}
        self.blind = 0
        self._inside = inside_ranges(segments)
        self._clients = self._clients_without_dns = 0
        self._flows_doh = self._flows_vpn = 0
        self.ring_drops = 0
        self.ring_freezes = 0
        self.nic_drops = 0
        self.spool_dropped = 0  # tables that the disk refused for too long, or that lay beyond the cap
        self._name = name
        self._from = 0.0
        self._service_of = np.zeros(1, np.int16)  # by pair; 0 = none
        self._role_of = np.zeros(1, np.int16)
        self._services: list[str] = []
        self._chunks: list[tuple[Columns, Any]] = []  # columns and (int64[1]) the rows of them that are filled
        self._sightings = Sightings(watched) if watched else None
        self._opened = Openings(self._segments, SEGMENT_CODES.index(Segment.STAFF))
        limits = limits or MeterLimits()
        key = seed.to_bytes(8, "big") if seed else b""
        self.uploads = Uploads(catalogue.wiki, self._segments, key)
        self.meter = Meter(
            self._lookup,
            self._collect,
            limits,
            openings=self._opened,
            sightings=self._sightings,
            seed=seed,
            uploads=self.uploads,
            sink=self._sink,
        )
        self.feed = self.meter.feed
        self.feed_capture = functools.partial(self.meter.feed, to_sweep=True)

    def load(self) -> None:
        """Have every compiled part of the kernel there before the first packet: none should wait for the disk."""
        nothing = new_slices(1)
        self.meter.feed(np.zeros(0, np.uint8), 0, 0, walk.new_state())
        self.meter.sweep(0, 0)
        self.meter.load()
        self._collect(nothing, 0)
        late.settle(self.meter.flows, np.zeros((0, 7), np.int64), self.meter.counters)
        late.refresh(self.meter.flows, as_slices(nothing.words[:0]))
        late.give_up(self.meter.flows, as_slices(nothing.words[:0]), np.zeros(0, np.bool_), self.meter.services)
        self.table()

    def _lookup(self, host: str) -> int:
        if is_local_name(host):  # whatever the catalogue says
            return 0
        hit = self._catalogue.lookup(host)
        if hit is None:
            blindness = self._catalogue.blindness(host)
            if blindness:
                self.blind += 1
            return HIDDEN.get(blindness or "", 0)
        pair = (hit.service, hit.role)
        if pair not in self._number:
            self._number[pair] = len(self._number) + 1
            if hit.service not in self._services:
                self._services.append(hit.service)
            self._service_of = np.append(self._service_of, np.int16(self._services.index(hit.service)))
            self._role_of = np.append(self._role_of, np.int16(ROLE_CODES.index(hit.role)))
        return self._number[pair]

    def counters(self) -> dict[str, int]:
        """Everything that is counted, since the start; names as in the store's coverage table.

        Flows of DNS over TLS and QUIC are known by port, over HTTPS by the resolver's name; none of them is use.
        `clients` adds up the distinct ones between one table and the next, and so does `clients_without_dns`.
        `sightings_elsewhere`: addresses of pupils, guests and single links, which are not noted.
        """
        meter, c, dns = self.meter, self.meter.counters, self.meter.readers.dns
        seen = self._sightings.counts if self._sightings else Counter[str]()
        return {
            "packets": int(c[layout.C_PACKETS]),
            "bytes": int(c[layout.C_BYTES]),
            "flows": int(c[layout.C_NAMEABLE]),
            "flows_all": int(c[layout.C_FLOWS]),
            "flows_named": int(c[layout.C_NAMED]),
            "names_blind": self.blind,
            "flows_dot": int(c[layout.C_DOT]),
            "flows_doq": int(c[layout.C_DOQ]),
            "flows_doh": self._flows_doh,
            "flows_vpn": self._flows_vpn,
            "clients": self._clients,
            "clients_without_dns": self._clients_without_dns,
            "duplicates": int(c[layout.C_DUPLICATES]),
            "fragments_completed": meter.readers.fragments.completed,
            "fragments_dropped": meter.readers.fragments.dropped,
            "fragments_expired": meter.readers.fragments.expired,
            "fragments_overlapping": meter.readers.fragments.overlapping,
            "flows_ech": meter.flows_ech,
            "skipped": sum(count for _, count in meter.skipped()),
            "ring_drops": self.ring_drops,
            "ring_freezes": self.ring_freezes,
            "nic_drops": self.nic_drops,
            "spool_dropped": self.spool_dropped,
            **meter.upstream(),
            "evicted": int(c[layout.C_EVICTED]),
            "hellos_dropped": meter.hellos_dropped,
            "openings_dropped": self._opened.dropped,
            "slices_unnamed_dropped": meter.dropped_waiting,
            "dns_answers": dns.answers,
            "dns_unreadable": dns.unreadable,
            "dns_https": dns.https,
            "dns_https_ech": dns.https_ech,
            "dns_streams_dropped": dns.dropped_streams,
            "dns_evicted": dns.memory.evicted,
            "dns_evicted_noisy": dns.memory.evicted_noisy,
            "sightings": seen["told"],
            "sightings_elsewhere": seen["elsewhere"],
            "sightings_unreadable": seen["unreadable"],
            "sightings_of_routers": seen["of_routers"],
            "sightings_evicted": seen["evicted"],
            "sightings_dropped": seen["dropped"] + int(c[layout.C_UNTOLD]),
            **self.uploads.counters(),
        }

    def table(self) -> pa.Table:
        """Slices that are ready, and what was counted since the last table."""
        self.meter.flush()
        clients, without = count_clients(self.meter.take_clients(), self._inside, self.meter.readers.dns.memory)
        self._clients += clients
        self._clients_without_dns += without
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
        chunks = [(columns, int(filled[0])) for columns, filled in self._chunks if filled[0]]
        self._chunks = [chunk for chunk in self._chunks if not chunk[1][0]]
        opened, count = self._opened.take()
        if count or not chunks:
            chunks.append(self._openings(opened, count))
        return pa.concat_tables([slice_table(self._arrow(columns, rows), metadata) for columns, rows in chunks])

    @property
    def waiting(self) -> int:
        """How many slices of services are ready for the next table, at the least."""
        return sum(int(filled[0]) for _, filled in self._chunks)

    def sightings(self) -> pa.Table:
        """Who was newly seen to have which address, from ARP, NDP and DHCP; nobody unless somebody is watched."""
        return self._sightings.take() if self._sightings else SIGHTING_SCHEMA.empty_table()

    def _collect(self, slices: layout.Slices, count: int) -> None:
        """Take the raw slices from the meter: those that it could not write to columns itself."""
        if self.blind:
            self._count_hidden(slices, count)
        unpack(slices, count, self.meter.services, self._sink(count))

    def _sink(self, rows: int = SINK_ROWS) -> Sink:
        """Columns with room for so many slices more."""
        if not self._chunks or self._chunks[-1][1][0] + rows > len(self._chunks[-1][0].minute):
            self._chunks.append((new_columns(max(CHUNK_ROWS, rows)), np.zeros(1, np.int64)))
        return Sink(*self._chunks[-1], self._service_of, self._role_of, self._segments)

    def _openings(self, raw: layout.Slices, count: int) -> tuple[Columns, int]:
        """Slices with the service "": when staff opened a site that is in no catalogue; pupils and guests never."""
        if count and "" not in self._services:
            self._services.append("")
        service = np.full(MARK + 1, self._services.index("") if count else 0, np.int16)
        role = np.full(MARK + 1, ROLE_CODES.index(Role.PRIMARY), np.int16)
        sink = Sink(new_columns(count), np.zeros(1, np.int64), service, role, self._segments)
        unpack(raw, count, _OPENED, sink)
        return sink.columns, int(sink.filled[0])

    def _count_hidden(self, slices: layout.Slices, count: int) -> None:
        """Count flows whose name hides what they are for, once each; those known by port are counted by the kernel."""
        halves = slices.halves[:count]
        service = self.meter.services[halves[:, layout.S_NAME]]
        begins = halves[:, layout.S_FLAGS] & layout.OLD == 0
        port = slices.words[:count, 4] >> np.uint64(32) & np.uint64(0xFFFF)
        known = np.isin(port, (layout.DOT_PORT, *layout.DOQ_DRAFT_PORTS))
        self._flows_doh += int(np.count_nonzero(begins & (service == DOH) & ~known))
        self._flows_vpn += int(np.count_nonzero(begins & (service == VPN)))

    def _arrow(self, columns: Columns, rows: int) -> dict[str, Any]:
        filled = Columns(*(column[:rows] for column in columns))
        return filled._asdict() | {
            "client": _addresses(filled.client),
            "server": _addresses(filled.server),
            "segment": _coded(filled.segment, _SEGMENT_WORDS),
            "service": _coded(filled.service, pa.array(self._services or [""], pa.string())),
            "role": _coded(filled.role, _ROLE_WORDS),
            "evidence": _coded(filled.evidence, _EVIDENCE_WORDS),
        }


def sensor_of(settings: SensorSettings, name: str = "replay", seed: int = 0) -> Sensor:
    """A sensor as a school set it, with the shipped catalogue and the school's own rows."""
    s = settings
    once = s.duplicates == "once"
    limits = MeterLimits(
        s.max_flows, s.tcp_idle_s, s.udp_idle_s, s.dns_names, claimed_flows=s.max_flows, drop_duplicates=once
    )
    watched = Watched(s.segments, s.exempt) if s.sightings else None
    return Sensor(load_catalogue(s.services, s.exempt_sites), s.segments, limits, name, seed, watched)


def _addresses(pairs: Any) -> pa.Array:
    """uint64[n, 2] in network order as 16-byte binary, without a copy."""
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(pairs), [None, pa.py_buffer(pairs)])


def _coded(codes: Any, words: pa.Array) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int16()), words, safe=False)
