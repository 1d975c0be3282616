"""The weekly report: one HTML page that stands alone, the plain text, and the mail's own HTML, in English or Welsh.

All three are filled with the same `Told`: what the report says of a week, in a language. They are pure: the same store
and week give the same text. The page loads nothing and runs nothing: its own content policy allows one style sheet, by
hash. What the report says is decided in `week`, `figures` and `standing`, how it looks here and in the templates; the
PDF is the page on paper (dashboards.pdf).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from dashboards import charts, words
from dashboards.figures import OUTSIDE
from dashboards.hiding import shown
from dashboards.language import LANGUAGES, Language, say, short_day
from dashboards.render import TEMPLATES, render
from dashboards.said import Said, said
from dashboards.schools import find_school
from dashboards.usual import PastWeek, Usual
from dashboards.week import WEEKS_BACK, WeekView, week_view
from pipeline.alerts.words import WORDS
from pipeline.words import Outcome

if TYPE_CHECKING:
    from dashboards.standing import Standing
    from pipeline.store import Store


@dataclass(frozen=True, slots=True)
class Edition:
    """Which issue of a report it is, when it was made, and what has changed since the one before."""

    number: int
    made: date
    changed: tuple[Said, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """One report in one language: the page, the mail's HTML and text, and the subject."""

    subject: str
    page: str
    mail: str
    text: str


def render_report(
    store: Store,
    school: str | None,
    iso_week: str,
    contact: str = "",
    lang: Language = "en",
    standing: Standing | None = None,
) -> str:
    """The report of one week ('2026-W47') as HTML; `school` may be None if the store holds one only.

    Raises WeekError for a text that names no week and NoSuchSchool for a school that is not in the store.
    """
    return tell(week_view(store, find_school(store, school), iso_week), lang, contact, standing).page


def tell(
    view: WeekView,
    lang: Language,
    contact: str = "",
    standing: Standing | None = None,
    edition: Edition | None = None,
    left_out: tuple[Said, ...] = (),
) -> Told:
    """The report of a week in a language. `left_out`: weeks before it that had none, and why."""
    values: dict[str, Any] = {
        "view": view,
        "lang": lang,
        "contact": contact,
        "standing": standing,
        "edition": edition,
        "sentence": _sentence(view, lang),
        "rows": _rows(view, lang),
        "people": _people(view),
        "share": words.share,
        "confidence": CONFIDENCE[view.coverage.confidence],
        "reasons": [(part, _reason(name)) for name, part in view.reasons],
        "weeks_back": WEEKS_BACK,
        "not_seen": not_seen(view),
        "edits": _edits(view, lang),
        "about_edits": (WORDS[lang].temporary, *WORDS[lang].unknowns[:3], WORDS[lang].base, WORDS[lang].lists),
        "changes": (*(edition.changed if edition else ()), *left_out, *view.changes),
        "kinds": sorted(view.figures.kinds.items(), key=lambda item: (-item[1]["total"].high, item[0])),
        "kind_name": words.kind_name,
        "group_name": group_name,
        "ignored": [shown(int(view.ignored[name])) for name in ("embedded", "background")],
        "other": next(code for code in LANGUAGES if code != lang),
    }
    title = say(lang, "Social media at work: {school}, week {week}", school=view.school.name, week=view.iso_week)
    if edition and edition.number > 1:
        title = say(lang, "{title} (corrected, version {n})", title=title, n=edition.number)
    page = page_of("report.html", **values, title=title, by_day=by_day(view, lang), by_week=by_week(view, lang))
    return Told(title, page, render("mail.html", **values, title=title), render("report.txt", **values, title=title))


def page_of(template: str, **values: object) -> str:
    """A page that stands alone, with its style sheet and a policy that allows it."""
    style = (TEMPLATES / "report.css").read_text("utf-8")
    return render(template, **values, style=Markup(style), policy=_policy(style))


def policy_of(page: str) -> str:
    """The content policy under which such a page is shown, also one that was kept: its own style sheet, no more."""
    return f"{_policy(page.partition('<style>')[2].partition('</style>')[0])}; frame-ancestors 'none'"


def _policy(style: str) -> str:
    return f"default-src 'none'; style-src '{_hash(style)}'; base-uri 'none'; form-action 'none'"


def _hash(style: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()


CONFIDENCE = {"HIGH": "high", "MEDIUM": "medium", "LOW": "low"}
"""The grade in words."""


def _sentence(view: WeekView, lang: Language) -> str:
    return " ".join(part.in_(lang) for part in sentence(view))


def sentence(view: WeekView) -> list[Said]:
    """The week in one sentence, or two."""
    total, outside, unknown = view.figures.total, view.figures.outcomes[OUTSIDE], view.figures.outcomes[Outcome.UNKNOWN]
    if not total.high:
        return [Said("No use of social media by staff was seen this week.")]
    found = [Said("Staff used social media for about {total} minutes.", {"total": total})]
    if view.coverage.too_little:
        most = shown(round(outside.about + unknown.about))
        text = (
            "Between {low} and {high} of them fell outside the allowed times; the evidence is insufficient to say more."
        )
        return [*found, Said(text, {"low": outside, "high": most})]
    if not outside.high:
        return [*found, Said("None of them was seen to fall outside the policy’s allowed times.")]
    values: dict[str, object] = {"outside": outside, "rate": rate_text(view.this.rates[OUTSIDE])}
    if OUTSIDE not in view.usual:
        text = "{outside} of them fell outside the policy’s allowed times (automatic, unverified)."
        if view.staff:
            text = (
                "{outside} of them, {rate} in 100 staff-hours, fell outside the policy’s allowed times (automatic, "
                "unverified)."
            )
        return [*found, Said(text, values)]
    usual = view.usual[OUTSIDE]
    values |= {"place": Said(usual.place(view.this.rates[OUTSIDE])), "low": rate_text(usual.low)}
    text = (
        "{outside} of them, {rate} in 100 staff-hours, fell outside the policy’s allowed times (automatic, "
        "unverified); that is {place} ({low} to {high})."
        if view.staff
        else "{outside} of them, {rate} on a school day, fell outside the policy’s allowed times (automatic, "
        "unverified); that is {place} ({low} to {high})."
    )
    return [*found, Said(text, {**values, "high": rate_text(usual.high)})]


def rate_text(rate: float) -> str:
    """A rate in two figures."""
    if 0 < rate < 0.1:
        return "< 0.1"
    return f"{rate:.1f}" if rate < 10 else f"{rate:,.0f}"


def _rows(view: WeekView, lang: Language) -> list[dict[str, Any]]:
    """The table of outcomes: minutes, rate, and what is usual."""
    rows = []
    unknown = view.figures.outcomes[Outcome.UNKNOWN]
    most = max(view.figures.outcomes[outcome].about for outcome in words.LOOKS)
    for outcome, look in words.LOOKS.items():
        cell = view.figures.outcomes[outcome]
        ranged = view.coverage.too_little and outcome is not Outcome.UNKNOWN and unknown.high
        high = shown(round(cell.about + unknown.about)).text
        text = say(lang, "{low} to {high}", low=cell.text, high=high) if ranged else cell.text
        usual: Usual | None = view.usual.get(outcome)
        rows.append(
            {
                "outcome": outcome,
                "look": look,
                "minutes": text,
                "rate": "" if ranged or not (cell.plain or cell.about) else rate_text(view.this.rates[outcome]),
                "median": rate_text(usual.median) if usual else "",
                "range": f"{rate_text(usual.low)}–{rate_text(usual.high)}" if usual else "",
                "bar": max(1, round(100 * cell.about / most)) if cell.about else 0,
                "out": outcome is Outcome.OUTSIDE_ALLOWED and cell.high > 0,
            }
        )
    return rows


def _people(view: WeekView) -> Said | None:
    """How many people had an episode outside allowed times, as far as it is known and may be told."""
    if view.school.mode != "pseudonymous":
        return Said("People are not counted: the school keeps sums only.")
    if view.people is None or not view.people.high:
        return None
    return Said("People with an episode outside the allowed times: {n} (rounded to five).", {"n": view.people})


def _reason(name: str) -> Said:
    return Said(words.sentence_of(name)) if name else Said("Other reasons.")


def by_day(view: WeekView, lang: Language) -> Markup:
    """Chart A: minutes by day and outcome; its text holds the same figures."""
    bars, told = [], []
    for day in view.days:
        cells = view.figures.days.get(day.isoformat())
        name = short_day(day, lang)
        seen = cells is not None or day in view.observed
        parts = tuple((o.value, cells[o].about if cells else 0.0) for o in words.LOOKS) if seen else None
        bars.append(charts.Bar(name.rpartition(" ")[0], parts))
        sums = (
            ", ".join(f"{say(lang, look.label)} {cells[o].text}" for o, look in words.LOOKS.items()) if cells else "0"
        )
        told.append(f"{name}: {sums if seen else say(lang, 'not seen')}")
    label = say(lang, "Minutes of use by day and outcome.")
    return charts.stacked_bars(bars, f"{label} {'; '.join(told)}.", say(lang, "not seen"))


def by_week(view: WeekView, lang: Language) -> Markup:
    """Chart B: the rate outside allowed times, week by week, over the range of like weeks."""
    return rates_by_week(view.past, view.usual.get(OUTSIDE), lang)


def rates_by_week(weeks: tuple[PastWeek, ...], usual: Usual | None, lang: Language) -> Markup:
    """A line of the weeks of which anything was seen; hollow where one may not be compared with the last one."""
    seen = [w for w in weeks if w.school_days or any(w.rates.values())]
    points = [
        charts.Point(f"{say(lang, 'W')}{w.monday.isocalendar().week}", w.rates[OUTSIDE], not w.like(weeks[-1]))
        for w in seen
    ]
    band = (usual.low, usual.high) if usual else None
    told = ", ".join(f"{short_day(w.monday, lang)} {rate_text(w.rates[OUTSIDE])}" for w in seen)
    return charts.line(points, band, f"{say(lang, 'Rate outside allowed times, by week.')} {told}.")


def group_name(group: str) -> str:
    """A group of staff, as an English text."""
    return GROUPS.get(group, group)


GROUPS: Mapping[str, str] = {
    "teaching": "Teaching staff",
    "support": "Support staff",
    "other": "Other staff",
    "merged": "Smaller groups together",
}


def _edits(view: WeekView, lang: Language) -> list[str]:
    """The alerts of edits, a line for each wiki, certainty and network."""
    lines = []
    for n, row in view.edits:
        known = WORDS[lang]
        values = {
            "n": n.text,
            "wiki": row["wiki"],
            "certainty": known.certainty.get(row["certainty"], row["certainty"]),
            "network": known.network.get(row["segment"], row["segment"]),
        }
        lines.append(say(lang, "{n} {certainty} edits of {wiki}, from {network}", **values))
    return lines


def not_seen(view: WeekView) -> Said:
    """Why there is nothing to tell of a week."""
    if view.school.notice is None:
        return Said("Monitoring is off: no notice date is set.")
    if view.days[-1] < view.school.notice:
        return Said("Monitoring was off: it was announced from {day}.", {"day": view.school.notice})
    if view.holiday:
        return Said("It was a holiday; nothing was in use.")
    if len(view.missing_days) == 5:
        return Said(
            "The store holds no packets and no bells for it: a holiday, or a week that nothing was captured in."
        )
    return Said(
        "No packets of this week are in the store: the sensor was off, the mirror port silent, or the data deleted."
    )


def preview(view: WeekView, lang: Language) -> str:
    """One line on a week."""
    return said(not_seen(view), lang) if view.empty else _sentence(view, lang)
