"""Gathering: what is kept, what is only counted, and that clients stay themselves."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pipeline.gather
from pipeline.gather import Clients, Scope, gather
from pipeline.traffic import Part, Traffic, merge
from sensor.slices import pack_address
from tests.pipeline.judging import Slice, minute, slice_rows

SCOPE = Scope(("facebook", "youtube"), dns_named_flows=True)
AT = minute("10:02")


def test_only_staff_and_telling_hosts_are_kept_the_rest_is_counted() -> None:
    given_slices = [
        Slice(AT, "10.0.0.1", "facebook", down=5, up=7, bursts=1, first=20, last=30),
        Slice(AT, "10.0.0.1", "facebook", down=6, up=1, bursts=2, first=10, last=25, evidence="quic_sni"),
        Slice(AT, "10.0.0.1", "facebook", "cdn", down=9),
        Slice(AT, "10.0.0.1", "facebook", "widget"),
        Slice(AT, "10.0.0.1", "unheard"),
        Slice(AT, "10.0.0.2", "youtube", evidence="dns"),
        Slice(AT + 5, "10.0.0.3", "youtube", segment="pupil"),
        Slice(AT, "10.0.0.4", "youtube", segment="guest"),
        Slice(AT, "10.0.0.5", "youtube", segment="unknown"),
        Slice(AT, "10.0.0.6", "youtube", segment="no such word"),
    ]
    clients = Clients()
    traffic, counts = gather(slice_rows(given_slices), clients, SCOPE)
    assert len(traffic) == 4
    assert (traffic.down.tolist()[0], traffic.up.tolist()[0], traffic.asked.tolist()[0]) == (11, 8, 0b10000001)
    assert (traffic.first.tolist()[0], traffic.last.tolist()[0], traffic.named.tolist()[0]) == (10, 30, 0b110)
    assert traffic.part.tolist() == [Part.SITE, Part.CONTENT, Part.ASIDE, Part.SITE]
    start = AT - 2
    assert counts == {
        (start, "slices"): 9,
        (start + 5, "slices"): 1,
        (start, "slices_staff"): 6,
        (start + 5, "slices_pupil"): 1,
        (start, "slices_guest"): 1,
        (start, "slices_unknown"): 2,
        (start, "slices_unlisted"): 1,
        (start, "slices_unscored"): 1,
    }
    assert len(clients) == 2, "addresses outside the staff segment are not even numbered"
    strict, counts = gather(slice_rows(given_slices), Clients(), Scope(SCOPE.services, dns_named_flows=False))
    assert len(strict) == 3
    assert counts[start, "slices_unscored"] == 2


def test_broken_clocks_cost_no_memory() -> None:
    given_slices = [Slice(m, "10.0.0.1", "facebook") for m in (0, AT, (1 << 32) - 1)]
    traffic, counts = gather(slice_rows(given_slices), Clients(), SCOPE)
    assert traffic.minute.tolist() == [0, AT, (1 << 32) - 1]
    assert sum(n for (_, metric), n in counts.items() if metric == "slices") == 3


@given(st.lists(st.integers(0, 30), min_size=1, max_size=60), st.integers(1, 9))
def test_pieces_give_the_same_as_the_whole(numbers: list[int], at_once: int) -> None:
    table = slice_rows(
        Slice(AT + n % 3, f"10.0.0.{n % 4}", "facebook", ("primary", "cdn")[n % 2], down=n) for n in numbers
    )
    whole, counts = gather(table, Clients(), SCOPE)
    usual, pipeline.gather._AT_ONCE = pipeline.gather._AT_ONCE, at_once
    try:
        pieces, counted = gather(table, Clients(), SCOPE)
    finally:
        pipeline.gather._AT_ONCE = usual
    assert counted == counts
    for name in Traffic.__slots__:
        assert getattr(pieces, name).tolist() == getattr(whole, name).tolist(), name


def test_chunks_with_dictionaries_of_their_own() -> None:
    tables = [slice_rows([Slice(AT, "10.0.0.1", service, down=n)]) for n, service in enumerate(("youtube", "facebook"))]
    traffic, _ = gather(pa.concat_tables(tables), Clients(), SCOPE)
    assert [(SCOPE.services[s], d) for s, d in zip(traffic.service, traffic.down, strict=True)] == [
        ("facebook", 1),
        ("youtube", 0),
    ]


def test_clients_that_are_not_needed_are_forgotten() -> None:
    clients = Clients()
    numbers = clients.numbers([pack_address(f"10.0.0.{n}") for n in (1, 2, 3, 1)])
    assert numbers.tolist() == [0, 1, 2, 0]
    kept, renumbered = clients.keep(np.array([2, 0, 2]))
    assert len(kept) == 2
    assert kept.addresses()[renumbered].tolist() == [pack_address(f"10.0.0.{n}") for n in (3, 1, 3)]


def test_merge_refuses_what_its_keys_cannot_hold() -> None:
    big = np.array([1 << 40, 1]), np.array([1 << 20, 0]), np.array([0, 1 << 20])
    zeros = np.zeros(2, np.int64)
    with pytest.raises(ValueError, match="shorter time"):
        merge(Traffic(*big, zeros, *[zeros] * 10))
