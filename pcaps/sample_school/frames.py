"""Fills packets into frames and writes the capture file, in numpy, by copying shapes.

Rows of one shape and length are filled together: copy the shape, overwrite the changing fields, compute both checksums
(bytes that were cut count as zero), scatter into the file's buffer in order of time. The file is a nanosecond pcap.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pcaps.sample_school.packets import Ints, Shelf, numbered, packets
from pcaps.sample_school.shapes import L2, SNAP, Shape
from pcaps.sample_school.wire import DNS, Wire

Bytes = npt.NDArray[np.uint8]
GATEWAY = bytes.fromhex("00005e005301")
SMALLEST = 60  # an Ethernet frame is padded to this length
CHUNK = 40_000  # rows filled at once


def _sum16(rows: Bytes) -> Ints:
    """Sum of big-endian 16-bit words of each row; an odd last byte is padded with zero."""
    if rows.shape[1] % 2:
        rows = np.concatenate([rows, np.zeros((len(rows), 1), np.uint8)], axis=1)
    total: Ints = np.ascontiguousarray(rows).view(">u2").sum(axis=1, dtype=np.int64)
    return total


def _checksum(total: Ints) -> Ints:
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _put(rows: Bytes, offset: int, values: Ints, width: int) -> None:
    for n in range(width):
        rows[:, offset + n] = values >> 8 * (width - 1 - n) & 255


class Writer:
    """Fills frames and writes the capture."""

    def __init__(self, wire: Wire, shelf: Shelf, seed: int) -> None:
        self.wire, self.shelf = wire, shelf
        self.rng = np.random.default_rng([seed, 4])
        self.columns = packets(wire, shelf)
        self.seq, self.ack, self.columns = numbered(self.columns, wire, self.rng)
        order = np.argsort(self.columns[1], kind="stable")
        self.seq, self.ack = self.seq[order], self.ack[order]
        self.columns = tuple(c[order] for c in self.columns)
        flows = wire.flows
        self.address = np.array([list(_packed(a)) for side in (flows.client, flows.server) for a in side], np.uint8)
        self.address = self.address.reshape(2, len(flows.client), 16)
        macs = [list(bytes.fromhex(wire.machines[d].mac.replace(":", ""))) for d in flows.device]
        self.mac = np.array(macs, np.uint8)
        self.cid = np.zeros((2, len(flows.kind), 8), np.uint8)
        for flow, chosen in shelf.cids.items():
            self.cid[:, flow] = [list(c) for c in chosen]
        self.vlan = np.array([wire.machines[d].vlan for d in flows.device], np.int64)
        self.port = np.array(flows.port, np.int64)
        self.dport = np.where(np.array(flows.kind) == DNS, 53, 443)

    def write(self, path: Path, report: Callable[[float], None]) -> int:
        """Write the file; `report` is told the share done. Returns the number of packets."""
        _, at, _, size, shape, _ = self.columns
        header = np.array([s.header for s in self.shelf.shapes], np.int64)
        bulk = np.array([s.bulk for s in self.shelf.shapes], bool)
        used = header[shape] + size
        whole = np.maximum(used, SMALLEST)
        kept = np.where(bulk[shape], np.minimum(whole, SNAP), whole)
        alike = np.minimum(used, kept)
        offset = 24 + np.cumsum(kept + 16) - (kept + 16)
        buffer = np.zeros(int(offset[-1] + 16 + kept[-1]), np.uint8)
        buffer[:24] = np.frombuffer(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1), np.uint8)
        order = np.lexsort((alike, shape))
        edges = np.flatnonzero(np.r_[True, np.diff(shape[order]) | np.diff(alike[order])])
        done = 0
        for begin, end in zip(edges, np.r_[edges[1:], len(order)], strict=True):
            for part in range(begin, end, CHUNK):
                rows = order[part : min(part + CHUNK, end)]
                length = int(kept[rows[0]])
                filled = self._fill(rows, self.shelf.shapes[shape[rows[0]]], length)
                record = np.zeros((len(rows), 16 + length), np.uint8)
                stamps = np.stack([at[rows] // 10**9, at[rows] % 10**9, kept[rows], whole[rows]], axis=1).astype("<u4")
                record[:, :16] = stamps.view(np.uint8)
                record[:, 16:] = filled
                buffer[offset[rows][:, None] + np.arange(16 + length)] = record
                done += len(rows)
            report(done / len(order))
        path.write_bytes(buffer.tobytes())
        return len(order)

    def _fill(self, rows: Ints, shape: Shape, length: int) -> Bytes:
        flow, _, down, size, _, flags = (c[rows] for c in self.columns)
        n = len(rows)
        out = np.zeros((n, length), np.uint8)
        used = int(min(length, shape.header + size[0]))
        out[:, :used] = np.frombuffer(shape.frame[:used], np.uint8)
        four, tcp = shape.family[-1] == "4", shape.family.startswith("tcp")
        l4 = L2 + (20 if four else 40)
        back = down == 1
        gateway = np.frombuffer(GATEWAY, np.uint8)
        out[:, 0:6] = np.where(back[:, None], self.mac[flow], gateway)
        out[:, 6:12] = np.where(back[:, None], gateway, self.mac[flow])
        _put(out, 14, self.vlan[flow], 2)
        header = shape.header - l4
        source = np.where(back[:, None], self.address[1][flow], self.address[0][flow])
        target = np.where(back[:, None], self.address[0][flow], self.address[1][flow])
        _put(out, l4, np.where(back, self.dport[flow], self.port[flow]), 2)
        _put(out, l4 + 2, np.where(back, self.port[flow], self.dport[flow]), 2)
        hops = np.where(back, 54, 128)
        if four:
            out[:, L2 + 12 : L2 + 16], out[:, L2 + 16 : L2 + 20] = source[:, 12:], target[:, 12:]
            _put(out, L2 + 2, 20 + header + size, 2)
            _put(out, L2 + 4, self.seq[rows] % 65521, 2)
            _put(out, L2 + 8, hops, 1)
            out[:, L2 + 10 : L2 + 12] = 0
            _put(out, L2 + 10, _checksum(_sum16(out[:, L2:l4])), 2)
        else:
            out[:, L2 + 8 : L2 + 24], out[:, L2 + 24 : L2 + 40] = source, target
            _put(out, L2 + 4, header + size, 2)
            _put(out, L2 + 7, hops, 1)
        for begin, end in shape.fresh:
            stop = min(shape.header + end, used)
            out[:, shape.header + begin : stop] = self.rng.integers(
                0, 256, (n, max(0, stop - shape.header - begin)), np.uint8
            )
        if tcp:
            _put(out, l4 + 4, self.seq[rows], 4)
            _put(out, l4 + 8, self.ack[rows], 4)
            out[:, l4 + 13] = flags
            if shape.frame[shape.header : shape.header + 5] == b"\x17\x03\x03\0\0":
                _put(out, shape.header + 3, np.minimum(size - 5, 16384), 2)
        else:
            _put(out, l4 + 4, header + size, 2)
            for at, own in ((shape.receiver, ~back), (shape.sender, back)):
                if at:
                    place = slice(shape.header + at, shape.header + at + 8)
                    out[:, place] = np.where(own[:, None], self.cid[1][flow], self.cid[0][flow])
            if shape.dns:
                _put(out, shape.header, flow * 40503 & 0xFFFF, 2)
        cell = l4 + (16 if tcp else 6)
        out[:, cell : cell + 2] = 0
        pseudo = _sum16(source[:, 12:] if four else source) + _sum16(target[:, 12:] if four else target)
        total = _sum16(out[:, l4:used]) + pseudo + (6 if tcp else 17) + header + size
        _put(out, cell, _checksum(total), 2)
        return out


@cache
def _packed(address: str) -> bytes:
    parsed = ipaddress.ip_address(address)
    return parsed.packed if parsed.version == 6 else bytes(12) + parsed.packed
