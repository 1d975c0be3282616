"""A small made-up store for the tests of what people see: two schools, nine weeks, one day in detail.

Ysgol Enghraifft has nine weeks up to 2026-W47 in Europe/London; its Tuesday 2026-11-17 has use all day, an unobserved
quarter of an hour and several reasons for unknown minutes. Ysgol Haf has one summer day, so that UTC and wall clock
differ, and one that was seen but not monitored; it also shows that schools do not mix.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from pipeline.schema import BY_NAME
from pipeline.store import Store, Values

LONDON = ZoneInfo("Europe/London")
SCHOOL, SUMMER = "ysgol-enghraifft", "ysgol-haf"
DAY, SUMMER_DAY, SILENT_DAY = date(2026, 11, 17), date(2026, 6, 16), date(2026, 6, 17)
WEEK, MONDAY = "2026-W47", date(2026, 11, 16)
TERM = "Autumn 2026"
BELLS = (
    ("Reg", "registration", "08:30", "08:50"),
    ("1", "lesson", "08:50", "09:50"),
    ("2", "lesson", "09:50", "10:50"),
    ("Break", "break", "10:50", "11:10"),
    ("3", "lesson", "11:10", "12:10"),
    ("Lunch", "lunch", "12:10", "13:00"),
    ("4", "lesson", "13:00", "14:00"),
    ("5", "lesson", "14:00", "15:10"),
)
GAP = ("13:30", "13:45")
FIVE = timedelta(minutes=5)
KINDS = {
    "content_sharing": (("youtube", 5), ("tiktok", 3)),
    "social_networking": (("facebook", 4), ("instagram", 2)),
    "microblog": (("twitter", 2), ("bluesky", 1)),
    "forum": (("reddit", 1),),
}
REASONS = (("no_person", 5), ("shared_device", 3), ("boundary", 2), ("duty_data_missing", 1))
VERSIONS = {"policy": "cwmbran.1a2b3c", "catalogue": "2026-11-01.aaaaaa", "timetable": "f00dcafe"}
Row = dict[str, object]
Sums = dict[tuple[object, ...], int]


@dataclass(frozen=True)
class Use:
    """Minutes of one service in five minutes."""

    start: datetime
    period: str
    period_kind: str
    kind: str
    service: str
    outcome: str
    reason: str
    minutes: int


def local(day: date, clock: str) -> datetime:
    """A wall-clock time of a day as UTC."""
    return datetime.combine(day, time.fromisoformat(clock), LONDON).astimezone(UTC)


def fives(day: date, first: str = "07:30", last: str = "17:30") -> Iterator[datetime]:
    """The five minutes of a day."""
    t = local(day, first)
    while t < local(day, last):
        yield t
        t += FIVE


def uses(day: date, seed: int, outside: float = 0.5) -> Iterator[Use]:
    """A plausible day: much use in break and lunch, little in lessons."""
    rng = random.Random(f"{day}{seed}")
    services = [(k, s, w) for k, row in KINDS.items() for s, w in row]
    for start in fives(day):
        if local(day, GAP[0]) <= start < local(day, GAP[1]) and day == DAY:
            continue
        slot = next(((s, k) for s, k, a, b in BELLS if local(day, a) <= start < local(day, b)), ("", ""))
        free = slot[1] in ("break", "lunch") or not slot[0]
        base = {"lunch": 22, "break": 15}.get(slot[1], 7 if free and start > local(day, "07:55") else 0)
        wanted = {
            ("allowed", "allowed_time"): base * rng.uniform(0.7, 1.15),
            ("official_possible", "official_site"): rng.uniform(0.2, 1.6) if slot[0] else 0,
            ("count_only", "dual_use"): rng.uniform(2, 5) if slot[0] else rng.uniform(0.2, 1),
            ("outside_allowed", "episode"): rng.uniform(0, 2.4) if not free and rng.random() < outside else 0,
            ("unknown", rng.choices([r for r, _ in REASONS], [w for _, w in REASONS])[0]): rng.uniform(0.6, 2.6),
        }
        for (outcome, reason), amount in wanted.items():
            for _ in range(round(amount)):
                kind, service, _ = rng.choices(services, [w for *_, w in services])[0]
                yield Use(start, *slot, kind, service, outcome, reason, 1)


def fill(store: Store, weeks: int = 9) -> None:
    """Put both schools into an empty store; the last weeks of the nine."""
    add_school(store)
    add_school(store, SUMMER, "Ysgol Haf", "aggregate", "")
    together = _Together()
    for back in range(weeks):
        monday = MONDAY - timedelta(weeks=back)
        for i in range(5):
            day, outside = monday + timedelta(days=i), 0.4 + back % 3 / 10
            fill_day(together, SCHOOL, day, seed=back, week="AB"[back % 2], outside=outside)
    together.put_into(store)
    _episodes(store)
    fill_day(store, SUMMER, SUMMER_DAY, seed=99, week="")
    _coverage(store, SUMMER, SILENT_DAY, [], f"{SUMMER}/{SILENT_DAY}")
    for n, (certainty, segment) in enumerate((("likely", "staff"), ("likely", "staff"), ("possible", "pupil"))):
        _alert(store, f"a{n}", certainty, segment)
    _around(store, weeks)


def _around(store: Store, weeks: int) -> None:
    """What stands beside the sums: days of the calendar, a pause, a correction, trouble with the monitor, deletion."""
    fixed: Row = {"school": SCHOOL, "day": DAY}
    friday = MONDAY + timedelta(days=4)
    days = [MONDAY - timedelta(weeks=back) + timedelta(days=n) for back in reversed(range(weeks)) for n in range(5)]
    sorts = [("inset", "Staff training") if day == friday else ("school", TERM) for day in days]
    _insert(
        store,
        "school_day",
        [
            {"school": SCHOOL, "day": day, "kind": kind, "name": name, "updated": local(DAY, "07:00")}
            for day, (kind, name) in zip(days, sorts, strict=True)
        ],
        "days",
    )
    metrics = {"minutes_paused": ("10:00", 15), "minutes_retagged": ("09:00", 37)}
    counted = [
        {**fixed, **VERSIONS, "start": local(DAY, at), "metric": m, "value": n} for m, (at, n) in metrics.items()
    ]
    _insert(store, "coverage", counted, "around")
    trouble = (
        dict.fromkeys(BY_NAME["alert"].types, "") | fixed | {"id": "h1", "kind": "feed_stale", "subject": "leases"}
    )
    trouble |= dict.fromkeys(("raised", "at", "last"), local(DAY, "09:30")) | {"recovered": local(DAY, "11:00")}
    _insert(store, "alert", [trouble | {"percent": 0, "edits": 1, "acknowledged": 0, "revision": 1}], "h1")
    message = dict.fromkeys(BY_NAME["alert_delivery"].types, "") | fixed | {"message": "m1", "channel": "mail"}
    message |= {"made": local(DAY, "09:30"), "changed": local(DAY, "09:31"), "state": "sent", "alerts": 1, "attempt": 1}
    _insert(store, "alert_delivery", [message | {"possible_duplicate": 0, "revision": 1}], "m1")
    gone = dict.fromkeys(BY_NAME["retention_proof"].types, 0) | fixed | {"problem": "", "audit_hash": ""}
    gone |= {"run": local(DAY, "03:00"), "before": local(DAY, "00:00"), "what": "use_day", "keep_days": 426}
    _insert(store, "retention_proof", [gone], "gone")


def add_episode(store: Store, id_: str, pseudonym: str, clock: str = "14:10", minutes: int = 5) -> None:
    """One more episode of DAY, without the minutes that were kept."""
    start = local(DAY, clock)
    row: Row = {"school": SCHOOL, "day": DAY, "id": id_, "pseudonym": pseudonym, "service": "facebook"}
    row |= {"kind": "social_networking", "start": start, "last": start + timedelta(minutes=minutes - 1)}
    row |= {"minutes": minutes, "grade": "B", "source": "lease, log-on", "rule": "E8 v1", **VERSIONS, "revision": 0}
    row |= {"why": _evidence(minutes, "teaching", "scheduled"), "sums": "{}"}
    _insert(store, "episode", [row], id_)


def arrive(store: Store, day: date, clock: str, minutes: int) -> None:
    """A window of a day comes into the store, with so many minutes of use at lunch."""
    start = local(day, clock)
    fixed: Row = {"school": SCHOOL, "day": day, "level": "all", "kind": "", "service": "", "outcome": "allowed"}
    fixed |= {"reason": "allowed_time", "minutes": minutes, "bytes_up": 1, "bytes_down": 1, **VERSIONS}
    token = f"{SCHOOL}/arrives/{start:%Y%m%d%H%M}"
    _insert(store, "use_five", [{**fixed, "start": start}], token)
    _insert(store, "use_day", [{**fixed, "people": "all"}], token)
    _insert(store, "use_period", [{**fixed, "people": "all", "period": "Lunch", "period_kind": "lunch"}], token)
    window: Row = {"school": SCHOOL, "batch": token, "stored": start + timedelta(hours=9), "window": start}
    _insert(store, "batch", [{**window, "rows": 3, **VERSIONS}], token)


def _episodes(store: Store) -> None:
    """Two episodes of DAY, one of them in two pieces, and the minutes that were kept, two of them unknown."""
    found = (
        ("e100", "paaaaaaaaaaaa", "facebook", "09:10", 3),
        ("e100", "paaaaaaaaaaaa", "facebook", "09:15", 2),
        ("e200", "pbbbbbbbbbbbb", "reddit", "13:05", 4),
    )
    kinds = {service: kind for kind, services in KINDS.items() for service, _ in services}
    episodes: list[Row] = []
    marks: list[Row] = []
    fixed: Row = {"school": SCHOOL, "day": DAY, "grade": "B", "source": "lease, log-on", **VERSIONS, "revision": 0}
    for id_, pseudonym, service, clock, minutes in found:
        start = local(DAY, clock)
        who: Row = {**fixed, "pseudonym": pseudonym, "service": service, "rule": "E8 v1"}
        last = start + timedelta(minutes=minutes - 1)
        row: Row = {**who, "id": id_, "kind": kinds[service], "start": start, "last": last, "minutes": minutes}
        episodes.append({**row, "why": _evidence(minutes, "teaching", "scheduled"), "sums": "{}"})
        why = {"state": "teaching", "allowed": "no", "why": _evidence(1, "teaching", "scheduled"), "facts": "{}"}
        told = {"outcome": "outside_allowed", "reason": "episode", "episode": id_, **why}
        marks += [{**who, "minute": start + timedelta(minutes=n), **told} for n in range(minutes)]
    for n in range(2):
        why = {"state": "break", "allowed": "unknown", "why": _evidence(1, "break", "boundary"), "facts": "{}"}
        told = {"outcome": "unknown", "reason": "boundary", "episode": "", "rule": "O2 v1", **why}
        who = {**fixed, "pseudonym": "paaaaaaaaaaaa", "service": "facebook"}
        marks.append({**who, "minute": local(DAY, "10:50") + timedelta(minutes=n), **told})
    _insert(store, "episode", episodes, "episodes")
    _insert(store, "minute_mark", marks, "marks")


def _evidence(minutes: int, state: str, because: str) -> str:
    """What is kept with an episode or a minute."""
    why: Row = {"active_minutes": minutes, "bytes_down": 400_000, "bytes_up": 30_000, "client_bursts": 6 * minutes}
    why |= {"confidence": "medium", "named_by": ["sni"], "states": {state: minutes}, "because": {because: minutes}}
    why |= {"allowed": "no", "identity": {"grade": "B", "source": "lease, log-on"}, "rules": []}
    why |= {"boundary": {"margin_min": 5, "nearest_min": 12}, "clause": {"id": "6.13", "text": "Personal use."}}
    return json.dumps(why, separators=(",", ":"))


def _alert(store: Store, id_: str, certainty: str, segment: str) -> None:
    """An edit of the running day; its second revision has one edit more."""
    at = local(DAY, "10:15")
    row: Row = dict.fromkeys(BY_NAME["alert"].types, "") | {
        "school": SCHOOL,
        "day": DAY,
        "id": id_,
        "kind": "wiki_edit",
    }
    row |= dict.fromkeys(("raised", "at", "last"), at) | dict.fromkeys(("recovered", "acknowledged"), 0)
    row |= {"certainty": certainty, "percent": 90, "wiki": "en.wikipedia.org", "segment": segment}
    for revision in (1, 2):
        _insert(store, "alert", [row | {"edits": revision, "revision": revision}], f"{id_}/{revision}")


def add_school(
    store: Store,
    school: str = SCHOOL,
    name: str = "Ysgol Enghraifft",
    mode: str = "pseudonymous",
    notice: str = "2026-09-01",
) -> None:
    """What a store knows of a school without any of its data."""
    sizes = '{"all": 63, "teaching": 44, "support": 19}'
    row = {"school": school, "name": name, "zone": "Europe/London", "mode": mode, "notice": notice}
    row |= {"group_sizes": sizes, "version": "f00dcafe", "updated": local(DAY, "07:00")}
    store.insert("school_info", {k: [v] for k, v in row.items()}, f"{school}/info")


def fill_day(store: Inserts, school: str, day: date, seed: int, week: str, outside: float = 0.5) -> None:
    """One day of a school, as the pipeline would write it."""
    rows = list(uses(day, seed, outside))
    token = f"{school}/{day}"
    five: Sums = defaultdict(int)
    period: Sums = defaultdict(int)
    whole: Sums = defaultdict(int)
    for u in rows:
        group = "teaching" if len(u.service) % 2 else "support"
        labels = [("service", u.kind, u.service), ("kind", u.kind, ""), ("all", "", "")]
        if u.service == "twitter":  # every such minute had Bluesky open too: once per kind, once per service
            labels.append(("service", u.kind, "bluesky"))
        for level, kind, service in labels:
            tail = (level, kind, service, u.outcome, u.reason)
            five[(u.start, *tail)] += u.minutes
            for people in ("all", group):
                period[(u.period, u.period_kind, people, *tail)] += u.minutes
                whole[(people, *tail)] += u.minutes
    fixed: Row = {"school": school, "day": day}
    names = ("level", "kind", "service", "outcome", "reason")
    _sums(store, "use_five", fixed, ("start", *names), five, token)
    _sums(store, "use_period", fixed, ("period", "period_kind", "people", *names), period, token)
    _sums(store, "use_day", fixed, ("people", *names), whole, token)
    _coverage(store, school, day, rows, token)
    bells = [{"slot": s, "kind": k, "start": local(day, a), "end": local(day, b), "week": week} for s, k, a, b in BELLS]
    _insert(store, "bell", [{"school": school, "day": day, **b, **VERSIONS} for b in bells], token)


class Inserts(Protocol):
    """What rows are put into."""

    def insert(self, table: str, columns: Mapping[str, Values], batch: str) -> int: ...


class _Together:
    """Takes rows as a store does, and puts those of a table into it at once: hundreds of inserts cost seconds."""

    def __init__(self) -> None:
        self._rows: defaultdict[str, defaultdict[str, list[object]]] = defaultdict(lambda: defaultdict(list))

    def insert(self, table: str, columns: Mapping[str, Values], batch: str) -> int:
        for name, values in columns.items():
            self._rows[table][name].extend(values)
        return len(next(iter(columns.values())))

    def put_into(self, store: Store) -> None:
        for table, columns in self._rows.items():
            store.insert(table, columns, "together")


def _sums(store: Inserts, table: str, fixed: Row, names: tuple[str, ...], sums: Sums, token: str) -> None:
    whole = {**fixed, "bytes_up": 1000, "bytes_down": 90_000, **VERSIONS}
    rows = [{**whole, **dict(zip(names, key, strict=True)), "minutes": n} for key, n in sums.items()]
    _insert(store, table, rows, token)


def _coverage(store: Inserts, school: str, day: date, rows: list[Use], token: str) -> None:
    out, windows = [], []
    for start in fives(day):
        if day == DAY and local(day, GAP[0]) <= start < local(day, GAP[1]):
            continue
        here = [u for u in rows if u.start == start]
        placed = sum(u.reason not in ("no_person", "shared_device") for u in here)
        values = {
            "packets": 340_000 + 911 * start.minute,
            "ring_drops": 0,
            "flows": 2000,
            "flows_named": 1880,
            "flows_unnamed": 120,
            "flows_ech": 40,
            "flows_doh": 20,
            "slices": len(here) + 425,
            "slices_staff": len(here),
            "slices_pupil": 400,
            "slices_guest": 25,
            "slices_unknown": 0,
            "minutes_use": len(here),
            "minutes_person": placed,
            "minutes_timetabled": placed - sum(u.reason == "duty_data_missing" for u in here),
        }
        fixed: Row = {"school": school, "day": day, "start": start, **VERSIONS}
        out += [{**fixed, "metric": m, "value": v} for m, v in values.items()]
        name = f"{school}/mirror/{start:%Y-%m-%dT%H:%MZ}"
        window = {"school": school, "batch": name, "stored": start + 3 * FIVE, "window": start, "rows": 9}
        windows.append({**window, **VERSIONS})
    _insert(store, "coverage", out, token)
    _insert(store, "batch", windows, token)


def _insert(store: Inserts, table: str, rows: list[Row], token: str) -> None:
    store.insert(table, {name: [r[name] for r in rows] for name in rows[0]}, token)
