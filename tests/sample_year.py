"""A made-up year of a school in a store, for the tests of what people see and for the bench.

The numbers are those of a real one: 195 school days on which staff use services, and 170 days on which little more
than the sensor's own counts come. Rows are as the pipeline's: three levels, all staff and three groups, five minutes
from 7 to 18 o'clock, twelve bell slots; episodes of 28 days, marks of 7; some alerts, pauses and corrections.
Levels are drawn one by one, so they do not add up as those of a real school do (`tests.dashboards.sample_store` does).
`WHOLE` is the school of 1,500 devices that the numbers of the design speak of, `SMALL` one that is made in seconds:

    python -m tests.sample_year FOLDER [--small]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.native import Values
from pipeline.schema import BY_NAME
from pipeline.store import Store, open_store
from sensor.catalogue import load_catalogue

SCHOOL, ZONE = "ysgol-mawr", "Europe/London"
FIRST, DAYS = date(2025, 9, 1), 365
LAST = FIRST + timedelta(DAYS - 1)
SERVICES = 40
BREAKS = ((date(2025, 10, 27), 5), (date(2025, 12, 22), 12), (date(2026, 2, 16), 5), (date(2026, 3, 30), 12),
          (date(2026, 5, 25), 5), (date(2026, 7, 21), 42))  # fmt: skip
REASONS = {
    "allowed": ("allowed_time",),
    "outside_allowed": ("episode",),
    "official_possible": ("official_site",),
    "count_only": ("non_contact", "dual_use", "incidental", "assigned_device"),
    "unknown": ("no_person", "shared_device", "boundary", "duty_data_missing", "several_people", "no_exceptions"),
}
CELLS = [(outcome, reason) for outcome, reasons in REASONS.items() for reason in reasons]
METRICS = (  # the last ones also come on days on which nobody is at school
    *("minutes_judged", "minutes_inactive", "minutes_embedded", "minutes_background", "minutes_ignored"),
    *(f"metric_{n:02}" for n in range(15)),
    *("flows_doh", "flows_dot", "flows_doq", "flows_vpn"),
    *("packets", "ring_drops", "nic_drops", "slices", "flows", "flows_named", "flows_ech", "minutes_use"),
    *("minutes_person", "minutes_timetabled", "slices_staff", "slices_pupil", "slices_guest", "slices_unknown"),
)
GROUPS = ("all", "other", "support", "teaching")
SLOTS = ("", "Reg", "P1", "P2", "Break", "P3", "P4", "Lunch", "P5", "P6", "Club", "Detention")
Table = dict[str, Values]


@dataclass(frozen=True)
class Size:
    """How much of a school: rows of use in each cell of a day at all levels, marks a day, hours that are counted."""

    five: int
    period: int
    day: int
    marks: int
    hours: tuple[int, int]


WHOLE = Size(five=30, period=70, day=160, marks=2500, hours=(0, 24))
SMALL = Size(five=6, period=14, day=40, marks=50, hours=(7, 18))


def is_school_day(day: date) -> bool:
    """Whether the school is open."""
    return day.isoweekday() < 6 and not any(begin <= day < begin + timedelta(length) for begin, length in BREAKS)


def month_tables(days: list[date], rng: np.random.Generator, size: Size = WHOLE) -> Iterator[tuple[str, Table]]:
    """The rows of these days, table by table."""
    open_days = [day for day in days if is_school_day(day)]
    yield "coverage", _coverage(days, rng, size)
    yield "batch", _batches(days, size)
    yield "school_day", _days(days)
    yield "retention_proof", _deleted(days)
    if open_days:
        yield (
            "use_five",
            _uses("use_five", open_days, rng, 132, size.five, lambda d, n: {"start": _at(d) + 7 * 3600 + n * 300}),
        )
        slots = np.array(SLOTS)
        yield "use_period", _uses(
            "use_period", open_days, rng, len(GROUPS) * len(SLOTS), size.period,
            lambda d, n: {
                "period": slots[n % len(SLOTS)].tolist(),
                "period_kind": [_slot_kind(slot) for slot in slots[n % len(SLOTS)]],
                "people": np.array(GROUPS)[n // len(SLOTS)].tolist(),
            },
        )  # fmt: skip
        yield (
            "use_day",
            _uses(
                "use_day", open_days, rng, len(GROUPS), size.day, lambda d, n: {"people": np.array(GROUPS)[n].tolist()}
            ),
        )
        yield "bell", _bells(open_days)
        yield "alert", _alerts(open_days[::5])
        yield "alert_delivery", _deliveries(open_days[::5])
        recent = [day for day in open_days if day > LAST - timedelta(60)]  # the last ones before the holidays
        if recent:
            yield "episode", _personal("episode", recent[-20:], 25, rng)
            yield "minute_mark", _personal("minute_mark", recent[-5:], size.marks, rng)


def fill(store: Store, size: Size = WHOLE) -> int:
    """The whole year, a month at a time; returns the rows."""
    rng, rows = np.random.default_rng(1), 0
    days = [FIRST + timedelta(n) for n in range(DAYS)]
    for month in sorted({(day.year, day.month) for day in days}):
        for table, columns in month_tables([day for day in days if (day.year, day.month) == month], rng, size):
            rows += store.insert(table, columns, f"{SCHOOL}/{month}")
    info = {"school": SCHOOL, "name": "Ysgol Mawr", "zone": ZONE, "mode": "pseudonymous", "notice": "2025-09-01"}
    info |= {"group_sizes": '{"all": 200, "teaching": 120, "support": 60, "other": 20}', "version": "v1"}
    store.insert("school_info", {**{name: [value] for name, value in info.items()}, "updated": [0]}, "info")
    return rows


def main() -> None:
    """Makes the year in a new store."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--small", action="store_true", help="a school of a tenth")
    options = arguments.parse_args()
    with open_store(options.folder) as store:
        print(f"{fill(store, SMALL if options.small else WHOLE):,} rows")


def _at(day: date) -> int:
    return (day - date(1970, 1, 1)).days * 86_400


def _uses(table: str, days: list[date], rng: np.random.Generator, cells: int, per_cell: int, place: Any) -> Table:
    """Rows of use: `cells` places a day with about `per_cell` rows at three levels each."""
    shares = {"service": 0.7, "kind": 0.22, "all": 0.08}
    services = list(load_catalogue().services.values())[:SERVICES]
    ids, kinds = [service.id for service in services], [service.kind.value for service in services]
    parts: list[Table] = []
    for day in days:
        for level, share in shares.items():
            number = np.sort(rng.integers(0, cells, max(1, int(cells * per_cell * share))))
            service = np.minimum((rng.pareto(1.1, len(number)) * 3).astype(int), SERVICES - 1)
            cell = rng.integers(0, len(CELLS), len(number))
            keys = np.unique(number * 10_000 + service * 100 + cell)  # a sum has one row
            number, service, cell = keys // 10_000, keys // 100 % 100, keys % 100
            parts.append(
                {
                    "day": [day] * len(keys),
                    **place(day, number),
                    "level": [level] * len(keys),
                    "kind": [kinds[n] if level != "all" else "" for n in service],
                    "service": [ids[n] if level == "service" else "" for n in service],
                    "outcome": [CELLS[n][0] for n in cell],
                    "reason": [CELLS[n][1] for n in cell],
                    "minutes": rng.integers(1, 40, len(keys)),
                    "bytes_up": (rng.pareto(1.2, len(keys)) * 20_000).astype("i8") % (1 << 40),
                    "bytes_down": (rng.pareto(1.1, len(keys)) * 200_000).astype("i8") % (1 << 40),
                }
            )
    return _finished(table, parts)


def _starts(day: date, size: Size) -> Any:
    return _at(day) + np.arange(size.hours[0] * 12, size.hours[1] * 12) * 300


def _coverage(days: list[date], rng: np.random.Generator, size: Size) -> Table:
    parts: list[Table] = []
    for day in days:
        seen = METRICS if is_school_day(day) else METRICS[-22:]
        starts = _starts(day, size)
        rows = len(starts) * len(seen)
        scale = np.tile(10.0 ** (np.arange(len(seen)) % 7), len(starts))
        parts.append(
            {
                "day": [day] * rows,
                "start": np.repeat(starts, len(seen)),
                "metric": list(seen) * len(starts),
                "value": (rng.lognormal(0, 1, rows) * scale).astype("u8"),
            }
        )
        if day.day == 2:
            extra = {"minutes_paused": 15, "minutes_retagged": 37, "minutes_withdrawn": 4, "episodes_withdrawn": 1}
            columns: Table = {"day": [day] * len(extra), "start": np.repeat(starts[:1], len(extra))}
            parts.append({**columns, "metric": list(extra), "value": np.array(list(extra.values()), "u8")})
    return _finished("coverage", parts)


def _batches(days: list[date], size: Size) -> Table:
    starts = np.concatenate([_starts(day, size) for day in days])
    names = [f"{SCHOOL}/eth1/{start // 60}" for start in starts.tolist()]
    return _finished(
        "batch", [{"batch": names, "stored": starts + 900, "window": starts, "rows": np.full(len(starts), 90)}]
    )


def _days(days: list[date]) -> Table:
    kinds = ["school" if is_school_day(day) else "weekend" if day.isoweekday() > 5 else "holiday" for day in days]
    updated = [_at(day) for day in days]
    names = [_term(day) if kind == "school" else "" for day, kind in zip(days, kinds, strict=True)]
    return _finished("school_day", [{"day": list(days), "kind": kinds, "name": names, "updated": updated}])


def _term(day: date) -> str:
    return f"{'Autumn' if day.month >= 9 else 'Spring' if day.month <= 3 else 'Summer'} {day.year}"


def _deleted(days: list[date]) -> Table:
    what = ("minute_mark", "episode", "use_day", "spool")
    rows = [(day, _at(day) + 3 * 3600, name) for day in days for name in what]
    days, runs, names = (list(column) for column in zip(*rows, strict=True))
    return _finished("retention_proof", [{"day": days, "run": runs, "before": runs, "what": names}])


def _alerts(days: list[date]) -> Table:
    """Each day one that may be an edit, on some one that is likely, and one about the monitor."""
    rows: list[dict[str, object]] = []
    for n, day in enumerate(days):
        at = _at(day) + 10 * 3600
        edit: dict[str, object] = {"kind": "wiki_edit", "certainty": "possible", "percent": 60, "period": "P2"}
        edit |= {
            "wiki": "cy.wikipedia.org" if n % 3 else "en.wikipedia.org",
            "segment": "staff",
            "period_kind": "lesson",
        }
        likely = edit | {"certainty": "likely", "percent": 93, "segment": "pupil", "acknowledged": at + 7200}
        health: dict[str, object] = {"kind": "feed_stale", "subject": "leases", "recovered": at + 3600 * (n % 2)}
        for m, row in enumerate((edit, *([likely] if n % 4 == 0 else []), health)):
            stamps: dict[str, object] = dict.fromkeys(("at", "raised", "last"), at)
            rows.append({"day": day, "id": f"{day}/{m}", "edits": 1, "revision": 1} | stamps | row)
    names = dict.fromkeys(name for row in rows for name in row)
    types = BY_NAME["alert"].types
    return _finished("alert", [{n: [row.get(n, _nothing(types[n])) for row in rows] for n in names}])


def _deliveries(days: list[date]) -> Table:
    at = [_at(day) + 10 * 3600 for day in days]
    states = ["sent" if n % 3 else "failed" for n in range(len(days))]
    made: Table = {"day": list(days), "message": [str(day) for day in days], "channel": ["mail"] * len(days)}
    return _finished("alert_delivery", [{**made, "made": at, "changed": at, "state": states}])


def _bells(days: list[date]) -> Table:
    n = len(SLOTS) - 1
    parts: list[Table] = []
    for day in days:
        starts = _at(day) + 8 * 3600 + 2400 * np.arange(n)
        columns: Table = {"day": [day] * n, "slot": list(SLOTS[1:]), "start": starts}
        columns["kind"] = [_slot_kind(slot) for slot in SLOTS[1:]]
        parts.append({**columns, "end": starts + 2400, "week": ["A"] * n})
    return _finished("bell", parts)


def _personal(table: str, days: list[date], per_day: int, rng: np.random.Generator) -> Table:
    size, services = len(days) * per_day, list(load_catalogue().services)[:SERVICES]
    at = np.repeat([_at(day) for day in days], per_day) + rng.integers(8 * 60, 16 * 60, size) * 60
    known: Table = {
        "day": [day for day in days for _ in range(per_day)],
        "id": [f"e{n:015x}" for n in rng.integers(0, 1 << 60, size)],
        "episode": [f"e{n:015x}" for n in rng.integers(0, 1 << 60, size)],
        "pseudonym": [f"p{n:012x}" for n in rng.integers(0, 200, size)],
        "service": [services[n] for n in rng.integers(0, len(services), size)],
        "kind": ["social_networking"] * size,
        "start": at,
        "last": at + 300,
        "minute": at,
        "minutes": np.full(size, 6),
        "why": [json.dumps({"evidence": "sni", "bursts": int(n), "bytes": int(n) * 997}) for n in at % 9973],
        "sums": [json.dumps([int(n), int(n) % 31]) for n in at],
    }
    return _finished(table, [{name: values for name, values in known.items() if name in BY_NAME[table].types}])


def _slot_kind(slot: str) -> str:
    return {"Reg": "registration", "Break": "break", "Lunch": "lunch", "": ""}.get(slot, "lesson")


def _nothing(kind: str) -> object:
    """What stands for nothing in a column of this type."""
    return "" if "String" in kind else 0


def _finished(table: str, parts: list[Table]) -> Table:
    """Parts one after the other, with the columns that are the same in every row."""
    columns: Table = {}
    for name in parts[0]:
        values = [part[name] for part in parts]
        if isinstance(values[0], np.ndarray):
            columns[name] = np.concatenate(values)  # type: ignore[arg-type]
        else:
            columns[name] = [value for piece in values for value in piece]
    size = len(next(iter(columns.values())))
    same: dict[str, object] = {
        "school": SCHOOL,
        "policy": "cwmbran.1a2b3c",
        "catalogue": "2026.01",
        "timetable": "f00d",
    }
    for name, kind in BY_NAME[table].types.items():
        if name not in columns:
            columns[name] = [same.get(name, _nothing(kind))] * size
    return columns


if __name__ == "__main__":
    main()
