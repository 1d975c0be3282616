"""Alerts of edits as people see them: from the store, and from the outbox where the school's files are at hand.

The store keeps alerts for 14 months without who took notice; the outbox knows the newest ones at once, what became of
each message about them, and who acknowledged them. Where both have an alert, the outbox is right. Nothing here stands
for a person or a device.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from dashboards.language import Language, say
from dashboards.queries import Row, ask
from dashboards.schools import SchoolInfo
from pipeline.alerts.alert import CERTAINTIES, Alert, Kind
from pipeline.alerts.database import Delivery
from pipeline.alerts.texts import Texts
from pipeline.alerts.words import PROBLEMS

if TYPE_CHECKING:
    from dashboards.office import Office
    from pipeline.store import Store

DAYS = (7, 28, 120, 426)
USUAL_DAYS = 28
States = Literal["all", "open", "noticed"]
SENT, WAITING, FAILED, UNTOLD = "sent", "waits", "not delivered", "not sent"


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is shown: days back, lowest certainty ('' all), and whether somebody has taken notice."""

    days: int = USUAL_DAYS
    certainty: str = ""
    state: States = "all"

    def has(self, alert: Alert) -> bool:
        """Is an alert to be shown?"""
        sure = not self.certainty or (alert.certainty in CERTAINTIES[CERTAINTIES.index(self.certainty) :])
        return sure and (self.state == "all" or (self.state == "noticed") == bool(alert.acknowledged))


@dataclass(frozen=True, slots=True)
class Told:
    """An alert and what became of the messages about it; None: it is not known here."""

    alert: Alert
    deliveries: tuple[Delivery, ...] | None

    @property
    def delivery(self) -> str:
        """The worst of the messages, in a word; '' where it is not known."""
        if self.deliveries is None:
            return ""
        states = {one.state for one in self.deliveries}
        return (
            FAILED if "failed" in states else WAITING if states & {"pending", "sending"} else SENT if states else UNTOLD
        )


def edits(store: Store, office: Office | None, school: SchoolInfo, days: int, now: datetime) -> list[Told]:
    """Every alert of an edit of these days, the latest first."""
    today = now.astimezone(school.tz).date()
    first = today - timedelta(days=days)
    found = {
        row["id"]: Told(alert_of(row), None)
        for row in ask(store, "alerts", school=school.id, from_=first, to=today + timedelta(days=1))
        if row["kind"] == Kind.WIKI_EDIT
    }
    if office is not None and office.id == school.id:
        with office.outbox() as outbox:
            for alert in outbox.alerts(now.timestamp() - days * 86_400):
                if alert.kind is Kind.WIKI_EDIT:
                    found[alert.id] = Told(alert, tuple(outbox.deliveries(alert=alert.id)))
    return sorted(found.values(), key=lambda one: (-one.alert.at, one.alert.id))


def edit(store: Store, office: Office | None, school: SchoolInfo, id_: str, now: datetime) -> Told | None:
    """One alert of an edit."""
    return next((one for one in edits(store, office, school, DAYS[-1], now) if one.alert.id == id_), None)


def alert_of(row: Row) -> Alert:
    """An alert as the store has it."""
    words = ("id", "subject", "certainty", "wiki", "service", "segment", "period", "period_kind", "rule")
    day: date = row["day"]
    return Alert(
        kind=Kind(row["kind"]),
        day=day.isoformat(),
        probability=row["percent"] / 100,
        why=tuple(str(text) for text in json.loads(row["why"] or "[]")),
        count=row["edits"],
        **{name: row[name] for name in words},
        **{name: row[name].timestamp() for name in ("raised", "at", "last", "recovered", "acknowledged")},
    )


def texts_of(office: Office | None, school: SchoolInfo, lang: Language) -> Texts:
    """The texts of alerts, in the language of the page."""
    ours = office is not None and office.id == school.id
    return office.texts(lang) if office and ours else Texts(school.name, school.tz, lang, school.mode == "pseudonymous")


Block = tuple[Literal["text", "list"], Sequence[str]]


def blocks(body: str) -> list[Block]:
    """The text of a message as paragraphs and lists; its last paragraph, which says how to acknowledge, left out."""
    found: list[Block] = []
    for line in body.splitlines()[:-2]:
        kind: Literal["text", "list"] = "list" if line.startswith("- ") else "text"
        text = line.removeprefix("- ")
        if kind == "list" and found and found[-1][0] == "list":
            found[-1] = ("list", [*found[-1][1], text])
        elif text:
            found.append((kind, [text]))
    return found


def problem(lang: Language, delivery: Delivery) -> str:
    """What kept a message, in words; '' if nothing did."""
    if not delivery.problem or delivery.state == "sent":
        return ""
    return say(lang, PROBLEMS.get(delivery.problem, delivery.problem))
