"""Makes an issue of a week's report: the first one, and another when a correction has changed what was published.

An issue holds everything that is sent and shown later: the page and the parts of the mail in each language, the
published figures, and what they rest on (`basis`). A week is issued anew only if there is a cause, other versions of
the school's files, catalogue or policy behind its minutes, other withdrawn episodes, or clearly more of it observed,
and if published figures differ; so late data or a look at an unchanged week never send a second mail. The new issue
says what changed and why, and its small numbers stay hidden also from readers of both (dashboards.suppression).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from dashboards import words
from dashboards.figures import figures_of
from dashboards.hiding import Shown
from dashboards.queries import ask, ask_one
from dashboards.report import Edition, Told, tell
from dashboards.said import Said, counted
from dashboards.schedule import SCHEDULED, Due, is_term, period_of
from dashboards.week import WeekView, basis_of, week_view
from pipeline.issued import LEFT_OUT, Issue
from pipeline.tables import zone_of
from pipeline.terms import Term

if TYPE_CHECKING:
    from dashboards.language import Language
    from dashboards.schools import SchoolInfo
    from dashboards.standing import Standing
    from pipeline.school import School
    from pipeline.store import Store

MORE_OBSERVED = 0.02
"""By how much the observed share must have risen for late data to be a cause."""


@dataclass(frozen=True, slots=True)
class Press:
    """What every issue of a school is made with."""

    store: Store
    school: SchoolInfo
    languages: tuple[Language, ...]
    contact: str

    def week(
        self,
        iso_week: str,
        now: float,
        standing: Standing | None = None,
        left_out: tuple[Said, ...] = (),
        *,
        scheduled: bool = False,
    ) -> Issue:
        """The first issue of a week. Raises WeekError, StoreError."""
        view = week_view(self.store, self.school, iso_week)
        return self._issue(view, Edition(1, self._day(now)), now, standing, left_out, scheduled)

    def term(
        self,
        term: Term,
        files: School,
        now: float,
        standing: Standing | None = None,
        number: int = 1,
        *,
        scheduled: bool = False,
    ) -> Issue:
        """The report of a term, for the governors, as the issue of this number. Raises StoreError."""
        from dashboards.term import tell_term, term_view

        view = term_view(self.store, self.school, term, files)
        edition = Edition(number, self._day(now))
        told = {lang: tell_term(view, lang, self.contact, standing, edition) for lang in self.languages}
        return Issue(
            day=term.first,
            period=period_of(term),
            issue=number,
            made=int(now),
            name=term.name,
            basis={SCHEDULED: scheduled},
            pages={lang: one.page for lang, one in told.items()},
            mails=mail_of(told.values()),
        )

    def corrected(self, before: Issue, now: float, standing: Standing | None = None) -> Issue | None:
        """Another issue of a week, if a correction has changed what was published. Raises StoreError."""
        if not self._why(before):
            return None
        view = week_view(self.store, self.school, before.period)
        changed = tuple(differences(figures_of(before.shown), view.figures.shown))
        causes = tuple(causes_of(before.basis, view.basis))
        if not changed or not causes:
            return None
        edition = Edition(before.issue + 1, self._day(now), (*causes, *changed))
        return self._issue(view, edition, now, standing, (), bool(before.basis.get(SCHEDULED)))

    def _why(self, before: Issue) -> list[Said]:
        """Causes, by questions that cost little."""
        last = date.fromisoformat(str(before.basis["last"]))
        this: dict[str, object] = {"school": self.school.id, "from_": before.day, "to": last}
        versions, paused = ask(self.store, "week_versions", **this), ask_one(self.store, "week_paused", **this)
        observed = ask(self.store, "week_observed", **this)
        return causes_of(before.basis, basis_of(versions, paused, observed))

    def _issue(
        self,
        view: WeekView,
        edition: Edition,
        now: float,
        standing: Standing | None,
        left_out: tuple[Said, ...],
        scheduled: bool,
    ) -> Issue:
        told = {lang: tell(view, lang, self.contact, standing, edition, left_out) for lang in self.languages}
        return Issue(
            day=view.monday,
            period=view.iso_week,
            issue=edition.number,
            made=int(now),
            basis={**view.basis, SCHEDULED: scheduled, "last": view.last.isoformat()},
            shown={key: [cell.text, cell.low, cell.high] for key, cell in view.figures.shown.items()},
            pages={lang: one.page for lang, one in told.items()},
            mails=mail_of(told.values()),
        )

    def _day(self, now: float) -> datetime:
        return datetime.fromtimestamp(now, zone_of(self.school.zone))


def mail_of(told: Iterable[Told]) -> dict[str, str]:
    """The parts of a mail that says the same in several languages, one after the other."""
    every = list(told)
    return {
        "subject": " / ".join(one.subject for one in every),
        "text": "\n\n".join(one.text for one in every),
        "html": "<hr>".join(one.mail for one in every),
    }


def causes_of(before: Mapping[str, object], after: Mapping[str, object]) -> list[Said]:
    """Why the figures of a week may be others than before; nothing if nothing speaks for it."""
    found = []
    texts = {
        "timetable": "The school’s files were corrected.",
        "catalogue": "The catalogue of services changed.",
        "policy": "The policy profile changed.",
    }
    for name, text in texts.items():
        if before.get(name) != after.get(name):
            found.append(Said(text))
    withdrawn = int(str(after.get("withdrawn", 0))) - int(str(before.get("withdrawn", 0)))
    if withdrawn > 0:
        found.append(
            counted(
                withdrawn,
                "{n} episode was withdrawn after a contest.",
                "{n} episodes were withdrawn after a contest.",
            )
        )
    if float(str(after.get("observed", 0))) - float(str(before.get("observed", 0))) >= MORE_OBSERVED:
        found.append(Said("More of the week has come in since."))
    return found


def differences(before: Mapping[str, Shown], after: Mapping[str, Shown]) -> list[Said]:
    """Totals that were published otherwise before, as sentences; all weeks' totals, not every cell."""
    labels = {"total": "All minutes", **{f"column/{o.value}": look.label for o, look in words.LOOKS.items()}}
    found = []
    for key, label in labels.items():
        old, new = before.get(key), after.get(key)
        if (old.text if old else "0") != (new.text if new else "0"):
            values = {"what": Said(label), "before": old or "0", "now": new or "0"}
            found.append(Said("{what}: {before} before, {now} now.", values))
    if not found and {k: v.text for k, v in before.items()} != {k: v.text for k, v in after.items()}:
        found.append(Said("Single figures of days, groups or kinds changed; the totals did not."))
    return found


def words_left_out(known: Sequence[Issue]) -> list[Said]:
    """The words for what was left out since the last report."""
    found: list[Said] = []
    for issue in sorted(known, key=lambda one: one.day):
        if is_term(issue.period):
            continue
        found = [*found, word_left_out(issue.period, issue.why, issue.name)] if issue.left_out else []
    return found


def word_left_out(period: str, why: str, name: str) -> Said:
    """Why a week has no report."""
    if why == "holiday":
        return Said("Week {week} had no report: {name}.", {"week": period, "name": name or Said("holiday")})
    return Said("Week {week} had no report: it was too long ago when its turn came.", {"week": period})


def skipped(due: Due, now: float) -> Issue:
    """The row of a week that is left out."""
    return Issue(due.monday, due.period, LEFT_OUT, int(now), due.why, due.name, {SCHEDULED: True})
