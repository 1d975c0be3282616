"""Floods, small ones against small caps: memory stays where it is, what goes is counted, honest flows keep their names.

Each runs in a process of its own, so that its growth can be seen. Full size: `python -m tests.fuzz.floods`.
"""

from __future__ import annotations

import pytest

from tests.fuzz.flood_traffic import FLOODS
from tests.fuzz.floods import apart

MAX_GROWTH_MIB = 64  # a table that grows without bound passes this: every flood brings more than its caps hold
EVICTED = {  # one of these must have been counted
    "tuples": {"evicted"},
    "datagrams": {"evicted"},
    "half_hellos": {"hellos_dropped"},
    "half_hellos_of_one": {"hellos_dropped"},
    "fat_half_hellos": {"hellos_dropped"},
    "names": {"evicted"},
    "hosts": {"evicted"},
    "quic_garbage": {"hellos_dropped"},
    "quic_halves": {"hellos_dropped"},
    "fragments": {"evicted", "fragments_dropped"},
    "nestings": {"skipped"},
    "dns_names": {"dns_evicted", "dns_evicted_noisy"},
}


@pytest.mark.parametrize("flood", FLOODS)
def test_honest_flows_keep_their_names(flood: str) -> None:
    said = apart(flood, small=True)
    assert min(said["named"].values()) >= 0.99, said
    assert said["honest"] >= 100
    assert said["grown_mib"] <= MAX_GROWTH_MIB, said
    assert not EVICTED.get(flood) or EVICTED[flood] & set(said["counters"]), said
