"""Alerts as people read them: title and body of every message, plain text, in the school's language and time.

Each alert of an edit says why, how likely it is to be wrong, how rare edits are and what it cannot know; and that
English Wikipedia shows a temporary account for edits without a log-in. Nothing here knows a person or an address.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from pipeline.alerts.alert import Alert, Kind
from pipeline.alerts.words import WORDS, Language, Words
from pipeline.wiki.constants import is_wikimedia
from pipeline.wiki.odds import Odds, measured

NAME = "Schoolgate"
LISTED = 50
"""Alerts named in one message; of more only the number is told."""
_KINDS_EN = {"before": "before school", "after": "after school"}


@dataclass(frozen=True)
class Texts:
    """Writes the messages of one school. `keeps`: somebody may be looked up by an alert at all."""

    school: str
    zone: ZoneInfo
    language: Language = "en"
    keeps: bool = True
    odds: Mapping[str, Odds] = field(default_factory=measured)

    @property
    def words(self) -> Words:
        return WORDS[self.language]

    def alert(self, alert: Alert) -> tuple[str, str]:
        """Title and body of one alert."""
        return (self._edit if alert.kind is Kind.WIKI_EDIT else self._operational)(alert)

    def title(self, alert: Alert) -> str:
        """One line."""
        if alert.kind is not Kind.WIKI_EDIT:
            return self.words.operational.format(title=alert.why[0] if alert.why else alert.kind.value)
        line = self.words.edit_title.format(
            certainty=self.words.certainty.get(alert.certainty, alert.certainty),
            wiki=alert.wiki,
            clock=f"{self._local(alert.at):%H:%M}",
            network=self.words.network.get(alert.segment, alert.segment),
        )
        return line[:1].upper() + line[1:]

    def recovery(self, alert: Alert) -> tuple[str, str]:
        """Title and body when what an operational alert told of is over."""
        words = self.words
        body = words.recovered_body.format(id=alert.id, **self._when(alert.recovered))
        return f"{NAME}: {words.recovered.format(title=self.title(alert))}", self._ended(alert, [body])

    def together(self, alerts: Sequence[Alert], sort: str, at: float) -> tuple[str, str]:
        """Title and body of several alerts: `several`, `digest` or `quiet`."""
        words = self.words
        named = {
            "several": (words.several_title, words.several),
            "digest": (words.digest_title, words.digest),
            "quiet": (words.quiet_title, words.quiet),
        }
        title, intro = (text.format(count=len(alerts), day=self._day(at)) for text in named[sort])
        lines = [intro, ""]
        listed = sorted(alerts, key=lambda one: (one.at, one.id))
        for alert in listed[:LISTED]:
            more = f" (x {alert.count})" if alert.count > 1 else ""
            over = (
                f"; {words.was_recovered.format(clock=f'{self._local(alert.recovered):%H:%M}')}"
                if alert.recovered
                else ""
            )
            lines.append(
                f"- {self._day(alert.at)}, {self._local(alert.at):%H:%M}, {alert.id}: {self.title(alert)}{more}{over}"
            )
            lines += [f"    {self._wrong(alert)}"] if alert.kind is Kind.WIKI_EDIT else []
        if len(listed) > LISTED:
            lines.append(f"- {words.more.format(count=len(listed) - LISTED)}")
        edits = [alert for alert in alerts if alert.kind is Kind.WIKI_EDIT]
        if edits:
            lines += [
                "",
                words.base,
                *self._measured(edits),
                "",
                *_listed(words.cannot, [*words.unknowns, words.shape]),
            ]
            lines += ["", *dict.fromkeys(self._temporary(alert) for alert in edits), words.lists]
        return f"{NAME}: {title}", "\n".join([*lines, "", self.school])

    def test(self, channel: str) -> tuple[str, str]:
        """Title and body of a message that only tries a channel."""
        return f"{NAME}: {self.words.test_title}", f"{self.words.test.format(channel=channel)}\n\n{self.school}"

    def as_duplicate(self, title: str, body: str) -> tuple[str, str]:
        """The same message when it may have come before."""
        return self.words.duplicate_title + title, f"{self.words.duplicate}\n\n{body}"

    # ------------------------------------------------------------------------------------------------------- parts

    def _edit(self, alert: Alert) -> tuple[str, str]:
        words = self.words
        first = words.edit.format(
            certainty=words.certainty.get(alert.certainty, alert.certainty),
            wiki=alert.wiki,
            period=self._period(alert),
            network=words.network.get(alert.segment, alert.segment),
            **self._when(alert.at),
        )
        lines = [first]
        if alert.count > 1:
            lines.append(words.times.format(count=alert.count, clock=f"{self._local(alert.last):%H:%M:%S}"))
        lines += ["", *_listed(words.why, alert.why)] if alert.why else []
        lines += ["", self._wrong(alert), words.base, *self._measured([alert])]
        doubt = [] if alert.certainty == "confirmed" else [words.shape]
        lines += ["", *_listed(words.cannot, [*words.unknowns, *doubt]), "", self._temporary(alert), words.lists, ""]
        if alert.segment != "staff":
            lines += [words.pupils if alert.segment == "pupil" else words.others, words.no_look_up]
        else:
            lines.append(words.look_up.format(id=alert.id) if self.keeps else words.sums_only)
        return f"{NAME}: {self.title(alert)}", self._ended(alert, lines)

    def _operational(self, alert: Alert) -> tuple[str, str]:
        words = self.words
        lines = [*alert.why, words.since.format(**self._when(alert.at))]
        lines += ["", f"{words.mend}: {alert.mend}"] if alert.mend else []
        return f"{NAME}: {self.title(alert)}", self._ended(alert, lines)

    def _wrong(self, alert: Alert) -> str:
        words = self.words
        if alert.certainty == "confirmed":
            return words.sure_confirmed.format(wrong=_share(1 - alert.probability))
        odds = self.odds.get(alert.certainty)
        if odds is None:
            return words.unmeasured
        return words.sure.format(wrong=_share(odds.wrong), upper=_share(odds.worst))

    def _measured(self, alerts: Sequence[Alert]) -> list[str]:
        words = self.words
        return [
            words.measured.format(
                certainty=words.certainty.get(certainty, certainty),
                found=_share(odds.found),
                false=f"{odds.false_per_10k:.2g}",
                upper=f"{odds.upper_per_10k:.2g}",
                views=f"{odds.views:,}",
            )
            for certainty in dict.fromkeys(alert.certainty for alert in alerts)
            if (odds := self.odds.get(certainty))
        ]

    def _temporary(self, alert: Alert) -> str:
        return self.words.temporary if is_wikimedia(alert.wiki) else self.words.temporary_elsewhere

    def _period(self, alert: Alert) -> str:
        words = self.words
        if not alert.period:
            return words.outside_bells
        kind = words.period_kind.get(alert.period_kind, _KINDS_EN.get(alert.period_kind, alert.period_kind))
        return words.in_period.format(period=f"{alert.period} ({kind})" if kind else alert.period)

    def _ended(self, alert: Alert, lines: Sequence[str]) -> str:
        return "\n".join([*lines, "", self.words.end.format(id=alert.id, school=self.school)])

    def _when(self, at: float) -> dict[str, str]:
        utc = datetime.fromtimestamp(at, UTC)
        return {"clock": f"{self._local(at):%H:%M:%S}", "day": self._day(at), "utc": f"{utc:%H:%M:%S}"}

    def _day(self, at: float) -> str:
        day = self._local(at)
        return f"{self.words.days[day.weekday()]} {day.day} {self.words.months[day.month - 1]} {day.year}"

    def _local(self, at: float) -> datetime:
        return datetime.fromtimestamp(at, self.zone)


def _listed(head: str, lines: Sequence[str]) -> list[str]:
    return [f"{head}:", *(f"- {line}" for line in lines)]


def _share(value: float) -> str:
    """A share that never rounds to nothing or to all."""
    if 0 < value < 0.01:
        return "under 1 %"
    if 0.99 < value < 1:
        return "over 99 %"
    return f"{value * 100:.0f} %"
