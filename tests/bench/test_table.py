"""The table of the bench: nothing is rounded in our favour, targets are judged by exact figures, JSON comes back."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.bench import floored
from tests.bench.table import Report, Row, Target, ceiled, figure, from_json, markdown, ratio_text, text, to_json

MACHINE = dict.fromkeys(("cpu", "cores", "memory", "kernel", "python", "numba"), "?") | {"date": "2026-11-22"}
figures = st.floats(0, 1e9, allow_nan=False)


@given(figures, st.integers(0, 3))
def test_a_figure_is_cut_and_a_cost_rounded_up(value: float, digits: int) -> None:
    unit = Fraction(1, 10**digits)
    down, up = (Fraction(shown.replace(",", "")) for shown in (floored(value, digits), ceiled(value, digits)))
    slack = unit / 10**8  # 0.29 is a little less than that as a float, and is shown as 0.29
    assert Fraction(value) - unit < down <= Fraction(value) + slack
    assert Fraction(value) - slack <= up < Fraction(value) + unit


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (4_419_999, "packets/s", "4.41 M packets/s"),
        (999_999, "packets/s", "999.9 k packets/s"),
        (14_999, "named/s", "14.9 k named/s"),
        (9_999.9, "named/s", "9,999 named/s"),
        (1.999, "x", "1.99 x"),
        (511.2, "MiB", "512 MiB"),
        (1.981, "s", "1.99 s"),
        (0, "packets lost", "0 packets lost"),
        (0.1, "packets lost", "1 packets lost"),
        (1234, "flows", "1,234 flows"),
    ],
)
def test_figures_as_they_are_shown(value: float, unit: str, shown: str) -> None:
    assert figure(value, unit) == shown


def test_ratios_as_they_are_shown() -> None:
    assert [ratio_text(ratio) for ratio in (None, 0.6499, 9.999, 49.99)] == ["", "0.64", "9.99", "49.9"]


@pytest.mark.parametrize(
    ("row", "reached"),
    [
        (Row("sensor", "a", 1, "packets/s"), None),
        (Row("sensor", "a", 1, "packets/s", "limit", 2, 0.65, Target(0.65)), True),
        (Row("sensor", "a", 1, "packets/s", "limit", 2, 0.6499999, Target(0.65)), False),
        (Row("sensor", "a", 1, "packets/s", "limit", None, None, Target(0.65)), False),
        (Row("names", "a", 15_000, "named/s", target=Target(15e3, of_ratio=False)), True),
        (Row("names", "a", 14_999.9, "named/s", target=Target(15e3, of_ratio=False)), False),
        (Row("process", "a", 512, "MiB", target=Target(512, of_ratio=False)), True),
        (Row("process", "a", 512.1, "MiB", target=Target(512, of_ratio=False)), False),
        (Row("live", "a", 1, "packets lost", target=Target(0, of_ratio=False)), False),
    ],
)
def test_a_target_is_judged_by_the_exact_figure(row: Row, reached: bool | None) -> None:
    assert row.reached is reached


REPORT = Report(
    MACHINE,
    {"rounds": 5},
    (
        Row("sensor", "full sensor: even", 8.2e6, "packets/s", "limit", 14.7e6, 0.557, Target(0.65), "755 B"),
        Row("process", "warm start", 1.2, "s", target=Target(2.0, of_ratio=False)),
        Row("live", "500,000 packets/s", 0, "packets lost"),
    ),
    ("NFStream is missing; get it: deploy/peers",),
)


def test_json_comes_back_as_it_was() -> None:
    assert from_json(to_json(REPORT)) == REPORT
    assert '"reached": false' in to_json(REPORT)


def test_text_and_markdown_show_every_row_and_what_is_lacking() -> None:
    shown, section = text(REPORT), markdown(REPORT)
    for out in (shown, section):
        assert all(row.what in out for row in REPORT.rows)
        assert "deploy/peers" in out
        assert "2026-11-22" in out
    assert (
        "| full sensor: even | 8.19 M packets/s | limit 14.69 M packets/s | 0.55 | >= 0.65 | no | 755 B |" in section
        or "| full sensor: even | 8.20 M packets/s | limit 14.70 M packets/s | 0.55 | >= 0.65 | no | 755 B |" in section
    )
    tables = [line for line in section.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in tables} == {8}
