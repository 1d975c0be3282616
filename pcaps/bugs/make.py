"""Small captures of bugs that were found, each with what `schoolgate classify` must say of it.

`python -m pcaps.bugs.make` writes NAME.pcap for every builder below, NAME.json where there is none yet (look at it
before it is committed: it is what the test expects), and README.md. All packets are put together here; addresses and
names are made up.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sensor.catalogue import load_catalogue
from sensor.classify import classify_file
from tests.sensor.building import (
    Talk,
    bare_hello,
    crypto_frame,
    datagram,
    in_records,
    initial_packet,
    pcap,
    pcapng_interface,
    pcapng_packet,
    pcapng_section,
    record_of,
)

HERE = Path(__file__).parent
HELLO = record_of(bare_hello(b"www.one.example", padding=200))
LONG = record_of(bare_hello(b"www.two.example", extensions=struct.pack(">HH", 21, 1500) + bytes(1500)))

Build = Callable[[], bytes]
BUGS: dict[str, tuple[str, Build]] = {}


def bug(about: str) -> Callable[[Build], Build]:
    """Register a builder under its function's name; `about`: one sentence for README.md."""

    def add(build: Build) -> Build:
        BUGS[build.__name__] = about, build
        return build

    return add


@bug("A hello whose first segment is shorter than a record header was taken for something else.")
def short_first_segment() -> bytes:
    talks = [Talk(client_port=50000 + size).open(size).up(size + 0.1, HELLO[:size]) for size in (1, 2, 3, 4, 5)]
    return pcap(
        p for t, size in zip(talks, (1, 2, 3, 4, 5), strict=True) for p in t.up(size + 0.2, HELLO[size:]).packets
    )


@bug("Ticks and offsets beyond what 64 bits of nanoseconds hold overflowed; such packets have no time now.")
def times_that_no_clock_has() -> bytes:
    out = b""
    for n, (ticks, resolution, offset) in enumerate(((2**64 - 1, 9, 0), (2**63, 0, 0), (2**62, 0, 2**62), (0, 63, -1))):
        talk = Talk(client_port=50000 + n).open(0).up(0.1, HELLO)
        out += pcapng_section() + pcapng_interface(resolution=resolution, offset=offset)
        out += b"".join(pcapng_packet(p.frame, ticks) for p in talk.packets)
    return out


@bug("ACKs that carry link-layer padding inside their IP length were taken for the hello's first bytes.")
def padded_acknowledgements() -> bytes:
    talk = Talk().open(0).segment(0.1, 0, bytes(6), "A").segment(0.2, 0, LONG[:1400]).segment(0.3, 1400, bytes(6), "A")
    return pcap(talk.segment(0.4, 1400, LONG[1400:]).packets)


@bug("A flow that ended, and whose ports were used again, before Python had read its hello lost its name.")
def ended_before_it_was_read() -> bytes:
    first = Talk().open(0).up(0.1, LONG[:1400]).up(0.2, LONG[1400:]).close(0.3)
    again = Talk(isn=900_000).open(0.4).up(0.5, HELLO).close(0.6)
    return pcap([*first.packets, *again.packets])


@bug("An incomplete hello without a name in what has come is no name, whatever bytes lie behind it.")
def half_a_hello() -> bytes:
    return pcap(Talk().open(0).up(0.1, LONG[:900]).down(5, b"", "RA").packets)


@bug("Of CRYPTO frames that overlap the longer one counted, so a later datagram could change the name.")
def overlapping_crypto_frames() -> bytes:
    hello, other = bare_hello(b"www.one.example", padding=300), bare_hello(b"www.two.example", padding=300)
    first, later = initial_packet(crypto_frame(0, hello[:120])), initial_packet(crypto_frame(0, other[:200]), number=3)
    rest = initial_packet(crypto_frame(120, hello[120:]), number=4)
    apart = [datagram(n / 10, d, port=50001) for n, d in enumerate((first, later, rest))]
    return pcap([*apart, datagram(1, first + later + rest, port=50002)])


@bug("A hello in one segment, but in records so short that the first does not hold its header, was passed over.")
def tiny_records() -> bytes:
    sizes = [(1,), (1, 3), (2, 2), (3,), (4,), (1, 1, 1, 1, 1)]
    talks = [Talk(client_port=50000 + n).open(n).up(n + 0.1, in_records(HELLO, *s)) for n, s in enumerate(sizes)]
    return pcap(p for t in talks for p in t.packets)


def said(path: Path) -> list[dict[str, Any]]:
    """What classify says of a capture, the file named without its folder."""
    return [flow | {"file": path.name} for flow in classify_file(path, load_catalogue()).flows]


def main() -> None:
    lines = [
        "# Bugs that were found, as captures",
        "",
        "Written by `python -m pcaps.bugs.make`; each was wrong once:",
        "",
    ]
    for name, (about, build) in sorted(BUGS.items()):
        path = HERE / f"{name}.pcap"
        path.write_bytes(build())
        expected = path.with_suffix(".json")
        if not expected.exists():
            expected.write_text(json.dumps(said(path), indent=1) + "\n", encoding="utf-8")
        lines.append(f"- `{name}.pcap`: {about}")
    (HERE / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
