"""Fuzz target: capture files, pcap and pcapng, from the first byte to the slices; and the same in gzip.

A file is refused with a CaptureError or read to where it stops to make sense. Packed, cut in gzip or not, it says what
it says plain.
"""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path

from sensor.capture import CaptureError, open_capture
from tests.fuzz.metering import Watched
from tests.sensor.twin_captures import conversation, datagrams, pcap, pcapng, pieces, shapes

FOLDER = Path(tempfile.mkdtemp(prefix="schoolgate-fuzz-"))


def seeds() -> list[bytes]:
    talk = conversation()
    few = [*talk[:5], *talk[-4:]]
    return [
        pcap(few),
        pcap(few, order=">", nano=False),
        pcap(pieces()[:9]),
        pcap(datagrams()[-8:]),
        pcap(shapes()),
        pcapng("<", 6),
        pcapng(">", 6),
        gzip.compress(pcap(few[:4])),
    ]


def run(data: bytes) -> None:
    plain = read(data)
    if data[:2] != b"\x1f\x8b":
        assert read(gzip.compress(data, 1)) == plain


def read(data: bytes) -> list[str] | str:
    """Its slices, or why the file was refused."""
    path = FOLDER / "capture"
    path.write_bytes(data)
    try:
        capture = open_capture(path)
    except CaptureError as error:
        return str(error)
    watched = Watched()
    for _ in capture.read(watched.feed):
        pass
    return watched.finish(min(len(data), 1 << 20) * (30 if data[:2] == b"\x1f\x8b" else 1))


def capture(data: bytes) -> bytes:
    """The input as a capture file."""
    return data
