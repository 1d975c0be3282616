"""The weekly report: one HTML page that stands alone, made from the same named questions as the pages.

`render_report` is pure: the same store and week give the same text. The page loads nothing and runs nothing: its own
content policy allows one style sheet, by hash. What the report says is decided in `week`, how it looks here.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from markupsafe import Markup

from dashboards import charts, words
from dashboards.render import TEMPLATES, render
from dashboards.schools import find_school
from dashboards.week import WEEKS_BACK, Usual, WeekView, rounded, week_view
from pipeline.alerts.words import WORDS
from pipeline.words import Outcome

if TYPE_CHECKING:
    from pipeline.store import Store

OUTSIDE = Outcome.OUTSIDE_ALLOWED
ABOUT_EDITS = (WORDS["en"].base, WORDS["en"].temporary, *WORDS["en"].unknowns[:3], WORDS["en"].lists)
"""What goes with every alert of an edit."""


def render_report(store: Store, school: str | None, iso_week: str, contact: str = "") -> str:
    """The report of one week ('2026-W47') as HTML; `school` may be None if the store holds one only.

    Raises WeekError for a text that names no week and NoSuchSchool for a school that is not in the store.
    """
    view = week_view(store, find_school(store, school), iso_week)
    style = (TEMPLATES / "report.css").read_text("utf-8")
    return render(
        "report.html",
        view=view,
        contact=contact,
        style=Markup(style),
        policy=f"default-src 'none'; style-src '{_hash(style)}'; base-uri 'none'; form-action 'none'",
        sentence=_sentence(view),
        rounded=rounded,
        span=_span,
        by_day=_by_day(view),
        by_week=_by_week(view),
        kind_name=words.kind_name,
        share=words.share,
        reasons=_reasons(view),
        weeks_back=WEEKS_BACK,
        not_seen=_not_seen(view),
        edits=_edits(view),
        about_edits=ABOUT_EDITS,
    )


def _hash(style: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()


def _sentence(view: WeekView) -> str:
    total, outside, unknown = (view.totals[k] for k in ("total", OUTSIDE, Outcome.UNKNOWN))
    if not total:
        return "No use of social media by staff was seen this week."
    used = f"Staff used social media for about {rounded(total)} minutes"
    if view.coverage.too_little:
        between = f"between {rounded(outside)} and {rounded(outside + unknown)}"
        return (
            f"{used}; {between} of them fell outside the allowed times, but the evidence is insufficient to say more."
        )
    if not outside:
        return f"{used}; none was seen to fall outside the policy’s allowed times."
    compared = f", {view.usual[OUTSIDE].place(view.per_day(OUTSIDE))}" if OUTSIDE in view.usual else ""
    return (
        f"{used}; {rounded(outside)} of them fell outside the policy’s allowed times (automatic, unverified){compared}."
    )


def _span(usual: Usual | None) -> str:
    """What is usual, as '60 (45 to 80)'."""
    return f"{rounded(usual.median)} ({rounded(usual.low)} to {rounded(usual.high)})" if usual else ""


def _by_day(view: WeekView) -> Markup:
    bars = [
        charts.Bar(
            words.short_day(day["day"])[:6].strip(),
            tuple((o, day[o]) for o in words.LOOKS) if day["observed"] else None,
        )
        for day in view.days
    ]
    return charts.stacked_bars(bars, "Minutes of use by day and outcome; the same figures are in the table below")


def _by_week(view: WeekView) -> Markup:
    points = [charts.Point(f"W{p.monday.isocalendar().week}", p.outside, not p.like) for p in view.past]
    usual = view.usual.get(OUTSIDE)
    band = (usual.low, usual.high) if usual else None
    return charts.line(points, band, "Minutes outside allowed times per school day, by week")


def _reasons(view: WeekView) -> list[tuple[str, str]]:
    """The share and the sentence of the three most frequent reasons for unknown minutes, and of the rest."""
    total = view.totals[Outcome.UNKNOWN]
    if not total:
        return []
    top = [(words.share(n / total), words.sentence_of(reason)) for reason, n in view.reasons[:3]]
    rest = sum(n for _, n in view.reasons[3:])
    return [*top, (words.share(rest / total), "Other reasons.")] if rest else top


def _edits(view: WeekView) -> list[str]:
    """The alerts of edits, a line for each wiki, certainty and network."""
    lines = []
    for row in view.edits:
        number = f"{row['alerts']} {row['certainty']} edit{'' if row['alerts'] == 1 else 's'} of {row['wiki']}"
        network = WORDS["en"].network.get(row["segment"], row["segment"])
        lines.append(f"{number}, from {network}")
    return lines


def _not_seen(view: WeekView) -> str:
    if view.school.notice is None:
        return "Monitoring is off: no notice date is set."
    if view.sunday < view.school.notice:
        return f"Monitoring was off: it was announced from {words.long_day(view.school.notice)}."
    if len(view.missing_days) == 5:
        return "The store holds no packets and no bells for it: a holiday, or a week that nothing was captured in."
    return "No packets of this week are in the store: the sensor was off, the mirror port silent, or the data deleted."
