"""What an alert is: that something happened which somebody should look at, and how sure that is.

An alert of an edit says when, on which wiki, from whose network and in which bell period; it has no person, no
pseudonym and no address, and no sizes of what was sent: with the exact size and time anybody could look the edit up in
the wiki's public list of changes. Those who may, ask for the address by the alert's id (pipeline.lookup).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from enum import StrEnum

from pipeline.calendar import bell_slots, bells_on, school_day
from pipeline.rows import ANY
from pipeline.school import School
from pipeline.tables import zone_of
from pipeline.wiki.alarm import Certainty, EditAlarm


class Kind(StrEnum):
    """What an alert is about: an edit, or something about the monitor itself (operational)."""

    WIKI_EDIT = "wiki_edit"
    FEED_STALE = "feed_stale"
    MIRROR_SILENT = "mirror_silent"
    LOSS = "loss"
    BLIND_JUMP = "blind_jump"
    RETENTION_FAILED = "retention_failed"
    CATALOGUE_OLD = "catalogue_old"
    SITE_CLOSING = "site_closing"
    CHANNEL_DEAD = "channel_dead"
    PRIVACY = "privacy"
    STORE = "store"
    REPORT_UNSENT = "report_unsent"

    @property
    def operational(self) -> bool:
        return self is not Kind.WIKI_EDIT


SAME_S = 1.0
"""Alarms of one unit that are no further apart are of one edit, of which more is known by now."""
CERTAINTIES = tuple(Certainty)
"""Of an edit, the lowest first."""
_SIZE = re.compile(r"(?<![\w.])\d[\d,. ]*\s?(?:k|Ki|M|Mi)?(?:B|bytes?)\b")
_PRIVATE = re.compile(
    r"(?:(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}|(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])"
    r"|(?<![\w:])(?!\d\d?:\d\d:\d\d(?![:\w]))(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:])|\bp[0-9a-f]{12}\b|(?<!\w)/(?:[^\s:;,/]+/?)+)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert. Times in Unix seconds, 0: not yet. `at`: when it happened; `day`: of that, in the school's zone.

    subject: the health check of an operational alert. count: edits in it, the last one at `last`. mend: what to do.
    recovered: when an operational alert was over. acknowledged, acknowledged_by, note: who took notice, and what of."""

    id: str
    kind: Kind
    raised: float
    at: float
    day: str
    subject: str = ""
    certainty: str = ""
    probability: float = 0.0
    wiki: str = ""
    service: str = ""
    segment: str = ""
    period: str = ""
    period_kind: str = ""
    rule: str = ""
    why: tuple[str, ...] = ()
    mend: str = ""
    count: int = 1
    last: float = 0.0
    recovered: float = 0.0
    acknowledged: float = 0.0
    acknowledged_by: str = ""
    note: str = ""

    @property
    def rank(self) -> tuple[int, float]:
        """How sure it is, to compare."""
        return (CERTAINTIES.index(self.certainty) if self.certainty in CERTAINTIES else -1, self.probability)

    @property
    def state(self) -> str:
        """open, acknowledged or recovered."""
        return "recovered" if self.recovered else "acknowledged" if self.acknowledged else "open"


def columns_of(alert: Alert) -> dict[str, object]:
    """The alert as a row."""
    row = asdict(alert)
    return row | {"kind": alert.kind.value, "why": json.dumps(alert.why, ensure_ascii=False)}


def alert_of(row: Mapping[str, object]) -> Alert:
    """The alert of a row that may have more columns."""
    found = {field.name: row[field.name] for field in fields(Alert)}
    why = tuple(str(text) for text in json.loads(str(found["why"])))
    return Alert(**found | {"kind": Kind(str(found["kind"])), "why": why})  # type: ignore[arg-type]


def edit_alert(alarm: EditAlarm, school: School, now: float) -> Alert:
    """The alert of an alarm: all of it that may be told."""
    period, period_kind = period_at(school, alarm.time)
    return Alert(
        id="a" + hashlib.sha256(f"{alarm_key(alarm, school)}/{alarm.time:.3f}".encode()).hexdigest()[:10],
        kind=Kind.WIKI_EDIT,
        raised=now,
        at=alarm.time,
        day=_local(school, alarm.time).date().isoformat(),
        certainty=alarm.certainty.value,
        probability=min(1.0, max(0.0, alarm.probability)),
        wiki=told(alarm.wiki),
        service=alarm.service,
        segment=alarm.segment if alarm.segment in ("staff", "pupil", "guest") else "unknown",
        period=period,
        period_kind=period_kind,
        rule=alarm.rule,
        why=tuple(told(text) for text in alarm.why),
        last=alarm.time,
    )


def alarm_key(alarm: EditAlarm, school: School) -> str:
    """What alarms of the same stretch of traffic have in common, also when it is read again; nothing in it stands for
    the device. One unit may hold several edits, some seconds apart (`SAME_S`)."""
    of = str(alarm.unit) if alarm.unit else f"{alarm.time:.3f}/{alarm.wiki}"
    return hashlib.sha256(f"{school.settings.id}/{of}".encode()).hexdigest()


def told(text: str) -> str:
    """A sentence without what must not leave: addresses, pseudonyms, paths, and exact sizes."""
    return _PRIVATE.sub("(left out)", _SIZE.sub(_roughly, text))


def _roughly(size: re.Match[str]) -> str:
    digits = re.sub(r"[^\d.]", "", size[0]).strip(".")
    unit = next((n for word, n in (("Mi", 1 << 20), ("M", 10**6), ("Ki", 1024), ("k", 1000)) if word in size[0]), 1)
    try:
        number = float(digits) * unit
    except ValueError:
        return "some kB"
    if number < 1000:
        return "under 1 kB"
    return next(
        (f"about {most // 1000} kB" for most in (1000, 3000, 10_000, 30_000, 100_000) if number <= 2 * most),
        "over 100 kB",
    )


def period_at(school: School, at: float) -> tuple[str, str]:
    """Name and kind of the bell period at a moment; where groups have different ones all names, and no kind unless
    they agree; empty outside the bells."""
    wall = _local(school, at)
    on, minute = school_day(school, wall.date()), wall.hour * 60 + wall.minute
    groups = {bell.group for bell in bells_on(school, on)} - {ANY} or {ANY}
    ringing = (slot for group in sorted(groups) for slot in bell_slots(school, on, group))
    found = {(slot.name, slot.kind) for slot in ringing if slot.start <= minute < slot.end}
    kinds = {kind for _, kind in found}
    return "/".join(sorted({name for name, _ in found})), kinds.pop() if len(kinds) == 1 else ""


def _local(school: School, at: float) -> datetime:
    return datetime.fromtimestamp(at, zone_of(school.settings.zone))
