"""Every bug that was found stays mended: the captures in pcaps/bugs say what is written beside them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pcaps.bugs.make import BUGS, HERE, said

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
