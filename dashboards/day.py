"""One school day as the Today page tells it: a sentence, how far to trust it, the day itself, what to look at.

`day_view` asks the named questions and shapes their answers; it formats for people, in their language, but knows no
HTML. Minutes only: nothing here counts people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from dashboards import words
from dashboards.bars import Bar, outcome_bar
from dashboards.daywords import lede, unmonitored, why_empty
from dashboards.health import FIVE, Step, steps
from dashboards.language import Language, say
from dashboards.queries import Row, ask, ask_one
from dashboards.schools import SchoolInfo
from pipeline.words import Outcome

if TYPE_CHECKING:
    from pipeline.store import Store

OUTCOMES = tuple(o.value for o in words.LOOKS)
"""Outcome words in the order of stacking."""


@dataclass(frozen=True, slots=True)
class Band:
    """A bell period on the axis (UTC); `slot` is the school's own name for it."""

    slot: str
    kind: str
    start: datetime
    end: datetime

    @property
    def open(self) -> bool:
        """Does clause 6.13 allow use to those not on duty?"""
        return self.kind in ("break", "lunch")

    @property
    def label(self) -> str:
        """Break and lunch in full, other periods by the school's name for them."""
        return self.kind.capitalize() if self.open else self.slot


@dataclass(frozen=True, slots=True)
class Five:
    """Five minutes: minutes of use by outcome, in the order of `OUTCOMES`."""

    start: datetime
    period: str
    minutes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class KindLine:
    """A kind of service on the day. `bar` holds (outcome, offset, width) in per cent of the widest line."""

    name: str
    services: str
    total: int
    outside: int
    unknown: int
    bar: Bar


@dataclass(frozen=True, slots=True)
class ReasonLine:
    """Why minutes are unknown, and what to do."""

    reason: str
    minutes: int
    sentence: str
    mend: str


@dataclass(frozen=True, slots=True)
class DayView:
    """Everything the Today page shows. Without data only `why_empty` and the neighbours are of use."""

    school: SchoolInfo
    day: date
    previous: date | None
    following: date | None
    why_empty: str
    lede: str
    steps: tuple[Step, ...]
    totals: Row
    kinds: tuple[KindLine, ...]
    reasons: tuple[ReasonLine, ...]
    bands: tuple[Band, ...]
    fives: tuple[Five, ...]
    gaps: tuple[tuple[datetime, datetime], ...]
    span: tuple[datetime, datetime] | None
    now: datetime | None
    lang: Language = "en"

    def chart(self) -> dict[str, Any]:
        """The day chart as plain JSON: Unix seconds, a list of minutes per outcome, bands, unobserved stretches."""
        told = {"unit": "min", "unseen": "not observed", "none": "no use"}
        return {
            "school": self.school.id,
            "day": self.day.isoformat(),
            "zone": self.school.zone,
            "words": {name: say(self.lang, text) for name, text in told.items()},
            "span": [_unix(t) for t in self.span] if self.span else None,
            "now": _unix(self.now) if self.now else None,
            "time": [_unix(f.start) for f in self.fives],
            "series": [
                {"outcome": o, "label": say(self.lang, look.label), "minutes": [f.minutes[i] for f in self.fives]}
                for i, (o, look) in enumerate(words.LOOKS.items())
            ],
            "bands": [
                {
                    "label": say(self.lang, b.label),
                    "kind": b.kind,
                    "open": b.open,
                    "from": _unix(b.start),
                    "to": _unix(b.end),
                }
                for b in self.bands
            ],
            "gaps": [[_unix(a), _unix(b)] for a, b in self.gaps],
        }


def days_with_data(store: Store, school: SchoolInfo) -> list[date]:
    """Days that packets were seen on, the latest first."""
    return [row["day"] for row in ask(store, "days", school=school.id)]


def beside(known: Sequence[date], first: date, last: date) -> tuple[date | None, date | None]:
    """Of the days with data the one before a span and the one after it, for the links that lead there."""
    return max((day for day in known if day < first), default=None), min((d for d in known if d > last), default=None)


def day_view(store: Store, school: SchoolInfo, day: date | None, now: datetime, lang: Language = "en") -> DayView:
    """The day (the latest with data if None) as it stands in the store at `now` (aware)."""
    known = days_with_data(store, school)
    today = now.astimezone(school.tz).date()
    day = day or (known[0] if known else today)
    running = now if day == today else None
    who: dict[str, object] = {"school": school.id, "day": day}
    bells = ask(store, "day_bells", **who)
    bands = tuple(Band(b["slot"], b["kind"], b["time"], b["timeEnd"]) for b in bells)
    rows = ask(store, "day_by_five", **who)
    seen = [
        r["time"]
        for r in ask(store, "coverage_by_five", school=school.id, from_=day, to=day)
        if r["packets"] or r["slices"]
    ]
    strip = ask_one(store, "health_strip", **who)
    stored = ask_one(store, "day_stored", zone=school.zone, **who)
    totals = ask_one(store, "day_totals", **who)
    span = _span(bands, [r["time"] for r in rows] or seen)
    previous, following = beside(known, day, day)
    return DayView(
        school=school,
        day=day,
        previous=previous,
        following=following,
        why_empty="" if day in known else why_empty(school, day, today, known, bool(bands), lang),
        lede=lede(unmonitored(school, day, lang), totals, ask(store, "day_by_period", **who), bells, running, lang),
        steps=steps(strip, stored, school.tz, running, lang),
        totals=totals,
        kinds=_kinds(ask(store, "day_by_kind", **who), ask(store, "day_services", **who), lang),
        reasons=_reasons(ask(store, "day_reasons", **who)),
        bands=bands,
        fives=_fives(rows, bands, span),
        gaps=_gaps(bands, seen, running),
        span=span,
        now=running,
        lang=lang,
    )


def _kinds(kinds: Sequence[Row], services: Sequence[Row], lang: Language) -> tuple[KindLine, ...]:
    widest = max((k["total"] for k in kinds), default=0)
    lines = []
    for row in kinds:
        named = [words.service_name(s["service"]) for s in services if s["kind"] == row["kind"]]
        lines.append(
            KindLine(
                name=say(lang, words.kind_name(row["kind"])),
                services=", ".join(named[:3])
                + (" " + say(lang, "and {count} more", count=len(named) - 3) if len(named) > 3 else ""),
                total=row["total"],
                outside=row[Outcome.OUTSIDE_ALLOWED],
                unknown=row[Outcome.UNKNOWN],
                bar=outcome_bar(row, widest),
            )
        )
    return tuple(lines)


def _reasons(rows: Sequence[Row]) -> tuple[ReasonLine, ...]:
    """What somebody can mend first, then what stays unknown on purpose; the most frequent first in each."""
    lines = [
        ReasonLine(r["reason"], r["total"], words.sentence_of(r["reason"]), words.mend_of(r["reason"])) for r in rows
    ]
    return tuple(sorted(lines, key=lambda line: line.reason not in words.MENDS))


def _span(bands: Sequence[Band], times: Sequence[datetime]) -> tuple[datetime, datetime] | None:
    """The axis: an hour around the bells and everything that was used, out to whole half hours."""
    ends = [t for b in bands for t in (b.start - 12 * FIVE, b.end + 12 * FIVE)]
    ends += [t for start in times for t in (start, start + FIVE)]
    if not ends:
        return None
    half = timedelta(minutes=30).total_seconds()
    first, last = min(ends), max(ends)
    return (
        first - timedelta(seconds=first.timestamp() % half),
        last + timedelta(seconds=-last.timestamp() % half),
    )


def _fives(rows: Sequence[Row], bands: Sequence[Band], span: tuple[datetime, datetime] | None) -> tuple[Five, ...]:
    if span is None:
        return ()
    by_time = {r["time"]: tuple(int(r[o]) for o in OUTCOMES) for r in rows}
    none = (0,) * len(OUTCOMES)
    out, t = [], span[0]
    while t < span[1]:
        period = next((b.label for b in bands if b.start <= t < b.end), "")
        out.append(Five(t, period, by_time.get(t, none)))
        t += FIVE
    return tuple(out)


def _gaps(
    bands: Sequence[Band], seen: Sequence[datetime], now: datetime | None
) -> tuple[tuple[datetime, datetime], ...]:
    """Stretches between first and last bell of which no packet is stored (up to the newest on a running day)."""
    if not bands or not seen:
        return ()
    have = set(seen)
    first, end = min(b.start for b in bands), max(b.end for b in bands)
    t = first - timedelta(seconds=first.timestamp() % FIVE.total_seconds())
    if now is not None:
        end = min(end, max(seen) + FIVE)
    gaps: list[tuple[datetime, datetime]] = []
    while t < end:
        if t not in have:
            start = gaps.pop()[0] if gaps and gaps[-1][1] == t else t
            gaps.append((start, t + FIVE))
        t += FIVE
    return tuple(gaps)


def _unix(t: datetime) -> int:
    return int(t.timestamp())
