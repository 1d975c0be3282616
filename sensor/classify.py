"""`schoolgate classify`: every flow of a capture, with its name and how it is known; or every DNS answer.

Sums the kernel's slices to flows. It prints names as they are, so it is a tool for captures that somebody chose to
record; the monitor itself never writes names out.
"""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sensor import layout
from sensor.capture import open_capture
from sensor.catalogue import Catalogue
from sensor.dns import Answers
from sensor.meter import Meter, MeterLimits
from sensor.names import OUTER
from sensor.readers import EVIDENCE_CODES
from sensor.slices import unpack_address, unpack_vlan

CLASSIFY_LIMITS = MeterLimits(names=1 << 16, first_flows=1 << 11)


@dataclass(slots=True)
class FileReport:
    """What one file gave: flows and answers as printable objects, and remarks for stderr."""

    flows: list[dict[str, Any]] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[tuple[str, int]] = field(default_factory=list)
    packets: int = 0
    note: str = ""


def classify_file(
    path: Path, catalogue: Catalogue, *, dns_only: bool = False, limits: MeterLimits = CLASSIFY_LIMITS
) -> FileReport:
    """Meter one capture file. Raises CaptureError or OSError if it cannot be opened as one."""
    capture = open_capture(path)
    report = FileReport()

    def on_answers(client: bytes, server: bytes, answers: Answers) -> None:
        report.answers.append(_answers_object(path, client, server, answers))

    parts: list[tuple[Any, list[str]]] = []

    def on_slices(slices: layout.Slices, count: int) -> None:
        words = slices.words[:count].copy()
        parts.append((words, [meter.name_of(int(n)) for n in words.view(np.uint32)[:, layout.S_NAME]]))

    numbers: dict[str, int] = {}  # every name its own number: two names told for one address are doubt here

    def lookup(name: str) -> int:
        return OUTER if catalogue.blindness(name) == "ech" else numbers.setdefault(name, len(numbers) + 1)

    if dns_only:  # each message of the file, however often the mirror delivered it
        limits = dataclasses.replace(limits, drop_duplicates=False)
    meter = Meter(lookup, on_slices, limits, emit_all=True, on_answers=on_answers)
    for _ in capture.read(meter.feed):
        pass
    meter.finish()
    report.note = capture.note
    report.packets = int(meter.counters[layout.C_PACKETS])
    report.skipped = list(meter.skipped())
    if not dns_only and parts:
        report.flows = list(
            _flows(path, np.concatenate([w for w, _ in parts]), [t for _, ts in parts for t in ts], catalogue)
        )
    return report


def _answers_object(path: Path, client: bytes, server: bytes, answers: Answers) -> dict[str, Any]:
    """`ech`: whether an HTTPS or SVCB record carries an ECH configuration; absent without such a record."""
    found: dict[str, Any] = {
        "file": str(path),
        "client": unpack_address(client),
        "server": unpack_address(server),
        "qname": answers.qname or None,
        "answers": [{"name": r.name, "type": r.type, "ttl": r.ttl, "data": r.data} for r in answers.records],
    }
    if answers.services:
        found["ech"] = any(service.ech for service in answers.services)
    return found


def _flows(path: Path, words: Any, texts: list[str], catalogue: Catalogue) -> Iterator[dict[str, Any]]:
    """One object a flow, in order of first packet."""
    halves, signed = words.view(np.uint32), words.view(np.int64)
    begun = halves[:, layout.S_BEGUN]
    order = np.lexsort((begun, halves[:, layout.S_MINUTE], halves[:, layout.S_UID]))
    uids = halves[order, layout.S_UID]
    starts = np.flatnonzero(np.r_[True, uids[1:] != uids[:-1]])
    first = signed[order, layout.S_FLOW_FIRST][starts]
    for group in np.argsort(first, kind="stable"):
        stop = starts[group + 1] if group + 1 < len(starts) else len(order)
        rows = order[starts[group] : stop]
        named = next((int(r) for r in rows[::-1] if texts[r]), int(rows[-1]))
        last = words[named]
        flags = int(halves[named, layout.S_FLAGS])
        name = texts[named] or None
        hit = catalogue.lookup(name) if name else None
        service = catalogue.services[hit.service] if hit else None
        ports = int(last[4])
        yield {
            "file": str(path),
            "client": _address(last[0:2]),
            "client_port": ports >> 48,
            "server": _address(last[2:4]),
            "server_port": ports >> 32 & 0xFFFF,
            "transport": "tcp" if ports >> 24 & 0xFF == 6 else "udp",
            "name": name,
            "evidence": str(EVIDENCE_CODES[(flags & layout.EVIDENCE_MASK) >> layout.EVIDENCE_SHIFT])
            if name
            else "none",
            "partial": bool(flags & layout.PARTIAL),
            "ech": bool(flags & layout.ECH),
            "service": service.id if service else None,
            "kind": str(service.kind) if service else None,
            "role": str(hit.role) if hit else None,
            "bytes_up": int(words[rows, layout.S_BYTES_UP].sum()),
            "bytes_down": int(words[rows, layout.S_BYTES_DOWN].sum()),
            "packets_up": int(halves[rows, layout.S_PACKETS_UP].sum()),
            "packets_down": int(halves[rows, layout.S_PACKETS_DOWN].sum()),
            "first": int(signed[rows[0], layout.S_FLOW_FIRST]) / layout.SECOND,
            "last": int(signed[rows, layout.S_LAST].max()) / layout.SECOND,
            "vlan": unpack_vlan(int(words[rows[0], layout.S_VLAN])),
        }


def _address(pair: Any) -> str:
    packed = int(pair[0]) << 64 | int(pair[1])
    address = ipaddress.IPv6Address(packed)
    return str(address.ipv4_mapped or address)
