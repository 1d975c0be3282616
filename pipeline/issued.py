"""Reports as they were issued, and what became of each mail: the tables `report` and `report_delivery`.

Theory of operation. An issue is a row that is written once, under a name made of period and number, and never changed:
what a head teacher has been told stays as it was told. A period that had no report (a holiday) has a row too, so that
whoever asks which periods are due needs nothing but this table. A delivery, one issue to one set of addresses, goes

    pending -> sending -> sent
       ^          |-----> pending again, later
       |          '-----> failed: given up
       '--- `recover`: found in `sending` by a process that starts: the one before died in between

each step a row with the next `revision`. `sending` is a claim: it is in the store before a byte leaves, and two that
claim at once write one batch, of which the store takes the first; each reads back whose it is. What was `sending`
without an answer is sent again as a `possible duplicate`: a report comes once, or it comes twice and says so, and it
never fails to come silently. Addresses are in no table. It makes no report and sends nothing.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date

from pipeline.schema import DATABASE
from pipeline.store import Store

PENDING, SENDING, SENT, FAILED = "pending", "sending", "sent", "failed"
LEFT_OUT = 0
"""The number of what was not issued."""
TERM = "term/"
"""How the period of a term begins; others are weeks."""


@dataclass(frozen=True, slots=True)
class Issue:
    """A row of `report`; `made` in Unix seconds. `pages`: language -> HTML. `mails`: parts of the mail. `shown`: key ->
    [text, lowest, highest]."""

    day: date
    period: str
    issue: int
    made: int
    why: str = ""
    name: str = ""
    basis: Mapping[str, object] = field(default_factory=dict)
    shown: Mapping[str, object] = field(default_factory=dict)
    pages: Mapping[str, str] = field(default_factory=dict)
    mails: Mapping[str, str] = field(default_factory=dict)

    @property
    def left_out(self) -> bool:
        """There was no report for this period."""
        return self.issue == LEFT_OUT


@dataclass(frozen=True, slots=True)
class Delivery:
    """A row of `report_delivery`; times in Unix seconds."""

    day: date
    period: str
    issue: int
    copy: str
    made: int
    state: str = PENDING
    changed: int = 0
    due: int = 0
    attempt: int = 0
    claim: str = ""
    possible_duplicate: int = 0
    problem: str = ""
    revision: int = 1

    @property
    def key(self) -> tuple[str, int, str]:
        return self.period, self.issue, self.copy


_JSON = ("basis", "shown", "pages", "mails")
_LIGHT = ("day", "period", "issue", "made", "why", "name", "basis")


def issues(store: Store, school: str) -> list[Issue]:
    """All issues of a school without their contents, by period and number. Raises StoreError."""
    columns = ", ".join(_cell(name) for name in _LIGHT)
    found = store.query(
        f"SELECT {columns} FROM {DATABASE}.report FINAL WHERE school = {{school:String}} ORDER BY day, period, issue",
        {"school": school},
    )
    return [_issue(dict(zip(_LIGHT, row, strict=True))) for row in found.rows]


def issue_of(store: Store, school: str, period: str, number: int | None = None) -> Issue | None:
    """An issue with its contents; the last one if no number is given. None if there is none. Raises StoreError."""
    names = (*_LIGHT, *(name for name in _JSON if name not in _LIGHT))
    columns = ", ".join(_cell(name) for name in names)
    only = f" AND issue = {int(number)}" if number is not None else ""
    found = store.query(
        f"SELECT {columns} FROM {DATABASE}.report FINAL WHERE school = {{school:String}} AND period = {{period:String}}"
        f"{only} ORDER BY issue DESC LIMIT 1",
        {"school": school, "period": period},
    )
    return _issue(dict(zip(names, found.rows[0], strict=True))) if found.rows else None


def languages(store: Store, school: str) -> dict[tuple[str, int], tuple[str, ...]]:
    """The languages of each issue, by period and number. Raises StoreError."""
    found = store.query(
        f"SELECT period, issue, visitParamHas(pages, 'en') AS en, visitParamHas(pages, 'cy') AS cy "
        f"FROM {DATABASE}.report FINAL WHERE school = {{school:String}}",
        {"school": school},
    )
    return {
        (str(period), int(str(issue))): tuple(code for code, has in (("en", en), ("cy", cy)) if int(str(has)))
        for period, issue, en, cy in found.rows
    }


def published(store: Store, school: str, first: date, last: date) -> dict[date, Mapping[str, object]]:
    """`shown` of the last issue of each week that begins between these days, by its Monday. Raises StoreError."""
    found = store.query(
        f"SELECT day, argMax(shown, issue) FROM {DATABASE}.report FINAL WHERE school = {{school:String}} "
        f"AND issue > {LEFT_OUT} AND NOT startsWith(period, '{TERM}') "
        "AND day >= {first:Date} AND day <= {last:Date} GROUP BY day",
        {"school": school, "first": first, "last": last},
    )
    return {_day(day): json.loads(str(shown)) for day, shown in found.rows}


def keep(store: Store, school: str, issue: Issue) -> None:
    """Writes an issue; once, however often it is called. Raises StoreError."""
    row = {name: getattr(issue, name) for name in issue.__dataclass_fields__}
    row |= {name: json.dumps(row[name], ensure_ascii=False) for name in _JSON}
    columns = {"school": [school], **{name: [value] for name, value in row.items()}}
    store.insert("report", columns, f"{school}/report/{issue.period}/{issue.issue}")


def deliveries(store: Store, school: str) -> list[Delivery]:
    """All deliveries of a school as they stand, in the order of periods. Raises StoreError."""
    names = tuple(Delivery.__dataclass_fields__)
    columns = ", ".join(_cell(name) for name in names)
    found = store.query(
        f"SELECT {columns} FROM {DATABASE}.report_delivery FINAL WHERE school = {{school:String}} "
        "ORDER BY day, period, issue, copy",
        {"school": school},
    )
    return [_delivery(dict(zip(names, row, strict=True))) for row in found.rows]


def put(store: Store, school: str, delivery: Delivery) -> None:
    """Writes a state of a delivery; the first one under its revision holds. Raises StoreError."""
    columns = {"school": [school], **{name: [value] for name, value in asdict(delivery).items()}}
    name = "/".join(map(str, (*delivery.key, delivery.revision)))
    store.insert("report_delivery", columns, f"{school}/report_delivery/{name}")


def recover(store: Store, school: str, now: float) -> int:
    """Called once by the process that sends, before it begins: whatever is `sending` was cut off. Raises StoreError."""
    cut = [one for one in deliveries(store, school) if one.state == SENDING]
    for one in cut:
        put(store, school, _next(one, PENDING, now, possible_duplicate=1, due=int(now)))
    return len(cut)


def claim(store: Store, school: str, delivery: Delivery, now: float) -> Delivery | None:
    """The delivery as `sending`, which is in the store when this returns; None if somebody else has it."""
    mark = secrets.token_hex(8)
    taken = replace(_next(delivery, SENDING, now), attempt=delivery.attempt + 1, claim=mark)
    put(store, school, taken)
    (there,) = [one for one in deliveries(store, school) if one.key == delivery.key]
    return there if there.claim == mark and there.state == SENDING else None


def settle(
    store: Store,
    school: str,
    delivery: Delivery,
    state: str,
    now: float,
    *,
    problem: str = "",
    due: float = 0.0,
    possible_duplicate: bool = False,
) -> Delivery:
    """What became of a delivery that is `sending`: sent, failed, or pending until `due`."""
    doubtful = int(possible_duplicate or delivery.possible_duplicate)
    after = replace(_next(delivery, state, now, possible_duplicate=doubtful, due=int(due)), problem=problem)
    put(store, school, after)
    return after


def _next(
    delivery: Delivery, state: str, now: float, *, possible_duplicate: int | None = None, due: int = 0
) -> Delivery:
    doubtful = delivery.possible_duplicate if possible_duplicate is None else possible_duplicate
    return replace(
        delivery,
        state=state,
        changed=int(now),
        due=due,
        possible_duplicate=doubtful,
        revision=delivery.revision + 1,
    )


def _day(value: object) -> date:
    return value if isinstance(value, date) else date.fromisoformat(str(value))


def _cell(name: str) -> str:
    return f"toUnixTimestamp({name}) AS {name}_" if name in ("made", "changed", "due") else name


def _issue(row: dict[str, object]) -> Issue:
    values = {name: json.loads(str(value)) if name in _JSON else value for name, value in row.items()}
    return Issue(**values)  # type: ignore[arg-type]


def _delivery(row: dict[str, object]) -> Delivery:
    return Delivery(**row)  # type: ignore[arg-type]
