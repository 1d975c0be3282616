"""Every bug that was found stays mended: the captures in pcaps/bugs say what is written beside them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pcaps.bugs.make import BUGS, HERE, said
from sensor import layout
from sensor.meter import Meter, MeterLimits
from sensor.names import OUTER
from tests.sensor.building import Packet, Talk, bare_hello, feed, record_of

CAPTURES = sorted(HERE.glob("*.pcap"))


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_capture_says_what_is_written(path: Path) -> None:
    expected = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert expected, "something is expected"
    flows = [{key: flow[key] for key in wanted} for flow, wanted in zip(said(path), expected, strict=True)]
    assert flows == expected


def test_every_capture_is_built_and_told_of() -> None:
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    assert {path.stem for path in CAPTURES} == set(BUGS)
    for name, (about, build) in BUGS.items():
        assert (HERE / f"{name}.pcap").read_bytes() == build(), f"{name} is as its builder makes it"
        assert about in readme


def test_a_slice_that_waits_keeps_no_number_of_a_forgotten_name() -> None:
    """Too long for a capture: a slice waits, as its name hides another; the book forgets; the flow ends."""

    def hello(name: str, padding: int = 0) -> bytes:
        return record_of(bare_hello(name.encode(), padding=padding))

    def named(n: int, time: float, name: str) -> list[Packet]:
        return Talk(client_port=10_000 + n).open(time).up(time, hello(name)).packets

    packets = [p for n in range(5) for p in named(n, 0, f"unknown{n}.example")]
    hiding = Talk(client_port=9, isn=1).open(59).up(59, hello("outer.example", 1500)[:800]).up(60, b"\0")
    packets += hiding.packets
    packets += [p for n in range(5, 6000) for p in named(n, 61, f"wanted{n}.example")]
    packets += Talk(client_port=9, isn=77).open(62).packets
    given: list[tuple[int, str]] = []

    def lookup(name: str) -> int:
        return OUTER if name == "outer.example" else int(name.startswith("wanted"))

    def give(slices: layout.Slices, count: int) -> None:
        ports = slices.words[:count, 4] >> np.uint64(48)
        numbers = slices.halves[:count, layout.S_NAME].tolist()
        given.extend(zip(ports.tolist(), map(meter.name_of, numbers), strict=True))

    meter = Meter(lookup, give, MeterLimits(names=1 << 12))
    feed(meter, packets)
    meter.finish()
    assert {name for port, name in given if port == 9} <= {"", "outer.example"}
    assert sum(name.startswith("wanted") for _, name in given) == 5995
