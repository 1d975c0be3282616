"""The weekly report: its figures, its rounding and suppression, what it compares, and what it says when it cannot."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.charts import HEIGHT, Bar, Point, line, stacked_bars
from dashboards.figures import SMALLEST_GROUP, merged, shares
from dashboards.queries import ask, ask_one
from dashboards.report import render_report
from dashboards.schools import NoSuchSchool, SchoolInfo
from dashboards.suppression import shown
from dashboards.trust import Confidence, Coverage
from dashboards.usual import PastWeek, Usual, usual_of
from dashboards.week import WeekError, monday_of, week_view
from pipeline.store import ChdbStore
from pipeline.words import Outcome
from tests.dashboards.sample_store import MONDAY, SCHOOL, SUMMER, WEEK

SUNDAY = date(2026, 11, 22)


@pytest.fixture(scope="module")
def html(store: ChdbStore) -> str:
    return render_report(store, SCHOOL, WEEK, "dpo@school.example")


def rounded(count: int) -> str:
    return shown(count).text


def test_the_reports_figures_are_the_stores_rounded(store: ChdbStore, html: str) -> None:
    totals = ask_one(store, "week_totals", school=SCHOOL, from_=MONDAY, to=SUNDAY)
    days = ask(store, "week_by_day", school=SCHOOL, from_=MONDAY, to=SUNDAY)
    assert sum(d["total"] for d in days) == totals["total"]
    assert f"about {rounded(totals['total'])} minutes" in html
    for outcome in Outcome:
        assert f">{rounded(totals[outcome])}</td>" in html
    for row in ask(store, "week_by_kind", school=SCHOOL, from_=MONDAY, to=SUNDAY):
        assert f'<td class="n">{rounded(row["total"])}</td>' in html
    for row in ask(store, "week_by_group", school=SCHOOL, from_=MONDAY, to=SUNDAY):
        assert row["people"] == "all" or f'<td class="n">{rounded(row["total"])}</td>' in html


def test_a_week_is_the_sum_of_its_todays(store: ChdbStore) -> None:
    totals = ask_one(store, "week_totals", school=SCHOOL, from_=MONDAY, to=SUNDAY)
    days = [
        ask_one(store, "day_totals", school=SCHOOL, day=r["day"])["total"]
        for r in ask(store, "week_by_day", school=SCHOOL, from_=MONDAY, to=SUNDAY)
    ]
    assert (len(days), sum(days)) == (5, totals["total"])


def test_the_page_stands_alone(html: str) -> None:
    assert not re.search(r"<script|\sstyle=|\son\w+=|(?:src|href)=|url\(|@import", html)
    (style,) = re.findall(r"<style>(.*?)</style>", html, re.S)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src &#39;sha256-{digest}&#39;" in html
    assert "default-src &#39;none&#39;" in html


def test_the_same_week_gives_the_same_text(store: ChdbStore, html: str) -> None:
    assert render_report(store, SCHOOL, WEEK, "dpo@school.example") == html


def test_it_is_no_evidence_and_names_whom_to_ask(html: str) -> None:
    assert "This report is not evidence of misconduct" in html
    assert "dpo@school.example" in html
    assert not re.search(r"breach|offend|culprit|score", html, re.I)


def test_like_weeks_are_compared(store: ChdbStore, school: SchoolInfo, html: str) -> None:
    view = week_view(store, school, WEEK)
    assert (len(view.past), view.not_compared) == (9, None)
    rates = [p.rates[Outcome.OUTSIDE_ALLOWED] for p in view.past[:-1]]
    usual = view.usual[Outcome.OUTSIDE_ALLOWED]
    assert (usual.low, usual.high) == (min(rates), max(rates))
    assert usual.place(view.this.rates[Outcome.OUTSIDE_ALLOWED]) in html


def test_rates_are_minutes_in_a_hundred_observed_staff_hours(store: ChdbStore, school: SchoolInfo) -> None:
    view = week_view(store, school, WEEK)
    fives = sum(row["fives"] for row in ask(store, "week_observed", school=SCHOOL, from_=MONDAY, to=SUNDAY))
    shown_minutes = view.figures.outcomes[Outcome.ALLOWED].about
    assert view.this.rates[Outcome.ALLOWED] == pytest.approx(100 * shown_minutes / (63 * fives / 12))


def test_too_few_weeks_are_not_compared(store: ChdbStore) -> None:
    html = render_report(store, SCHOOL, "2026-W41")
    assert "Not enough weeks to compare: 2 of the 4 needed" in html
    assert "Median of 4 weeks" not in html


def past(days: int = 5, observed: float = 1.0, classified: float = 0.8) -> PastWeek:
    return PastWeek(MONDAY, {"outside_allowed": 5.0}, days, observed, classified)


@pytest.mark.parametrize(
    ("other", "like"),
    [
        (past(), True),
        (past(classified=0.71), True),
        (past(classified=0.69), False),
        (past(observed=0.85), False),
        (past(days=4), False),
        (past(days=0), False),
    ],
)
def test_only_like_weeks_are_compared(other: PastWeek, like: bool) -> None:
    assert past().like(other) == other.like(past()) == like
    usual, why = usual_of(past(), [other] * 4)
    assert (bool(usual), why is None) == (like, like)


def test_weeks_of_three_days_are_like_none() -> None:
    assert not past(days=3).like(past(days=3))
    assert "weeks are compared from 4 school days" in usual_of(past(days=3), [past(days=3)] * 5)[1].in_("en")  # type: ignore[union-attr]


def test_the_first_week_has_no_line(store: ChdbStore) -> None:
    assert "The store holds no week before this one yet." in render_report(store, SCHOOL, "2026-W39")


def test_a_short_week_is_not_compared(store: ChdbStore) -> None:
    html = render_report(store, SUMMER, "2026-W25")
    assert "Only 1 school day of this week could be seen" in html
    assert "1 school day seen" in html
    assert html.count("not observed") == 4
    assert "Mon 15 Jun, Wed 17 Jun, Thu 18 Jun, Fri 19 Jun: not in the store" in html
    assert '<span class="grade">medium</span>' in html
    assert "weekdays are missing" in html


@pytest.mark.parametrize(
    ("week", "words"), [("2026-W10", "announced from Tue 1 Sep"), ("2026-W53", "holds no packets")]
)
def test_a_week_without_data_says_so(store: ChdbStore, week: str, words: str) -> None:
    html = render_report(store, SCHOOL, week)
    assert "There is nothing to report for this week." in html
    assert words in html
    assert "<table" not in html


def test_holidays_and_inset_days_are_told_and_nothing_is_missing(store: ChdbStore, school: SchoolInfo) -> None:
    """A week of the calendar alone: four days of holiday and an INSET day, of which the sensor saw nothing."""
    monday = date(2027, 2, 15)
    days = [monday + timedelta(days=n) for n in range(5)]
    columns: dict[str, list[object]] = {
        "school": [SCHOOL] * 5,
        "day": list(days),
        "kind": ["holiday"] * 4 + ["inset"],
        "name": ["Half term"] * 4 + [""],
        "updated": [1] * 5,
    }
    store.insert("school_day", columns, "a holiday")
    view = week_view(store, school, "2027-W07")
    assert (view.missing_days, view.empty) == ((), True)
    assert [change.in_("en") for change in view.changes] == [
        "Mon 15 Feb, Tue 16 Feb, Wed 17 Feb, Thu 18 Feb: holiday: Half term.",
        "Fri 19 Feb: INSET day.",
    ]
    html = render_report(store, SCHOOL, "2027-W07")
    assert "It was a holiday; nothing was in use." in html
    assert "Fri 19 Feb: INSET day." in html


def test_what_changed_and_what_to_do(store: ChdbStore, school: SchoolInfo) -> None:
    view = week_view(store, school, WEEK)
    assert [c for c in view.changes if "no duty rota" in c.text]
    assert 1 <= len(view.actions) <= 3
    assert not [a for a in view.actions if "unknown on purpose" in a.text]


def test_duty_data_caps_the_confidence(store: ChdbStore, school: SchoolInfo) -> None:
    coverage = week_view(store, school, WEEK).coverage
    assert coverage.duty_missing
    assert coverage.confidence is Confidence.MEDIUM


@pytest.mark.parametrize(
    ("observed", "classified", "duty_missing", "hidden", "grade"),
    [
        (0.99, 0.85, False, 0.10, Confidence.HIGH),
        (0.99, 0.85, True, 0.10, Confidence.MEDIUM),
        (0.90, 0.85, False, 0.10, Confidence.MEDIUM),
        (0.99, 0.60, False, 0.10, Confidence.MEDIUM),
        (0.99, 0.85, False, 0.20, Confidence.MEDIUM),
        (0.99, 0.49, False, 0.10, Confidence.LOW),
        (0.40, 0.85, False, 0.10, Confidence.LOW),
        (0.99, 0.85, False, 0.60, Confidence.LOW),
        (None, None, False, None, Confidence.LOW),
    ],
)
def test_confidence_follows_its_rule(
    observed: float | None, classified: float | None, duty_missing: bool, hidden: float | None, grade: Confidence
) -> None:
    coverage = Coverage(observed, 0.9, 0.9, classified, duty_missing, partial=False, hidden=hidden)
    assert coverage.confidence is grade
    assert bool(coverage.why) == (grade is not Confidence.HIGH)


def test_a_day_on_which_nobody_was_known_keeps_confidence_from_being_high() -> None:
    coverage = Coverage(0.99, 0.9, 0.9, 0.9, False, partial=False, nobody=(MONDAY,))
    assert coverage.confidence is Confidence.MEDIUM
    assert coverage.why[0].in_("en") == "nobody was known on Mon 16 Nov, as when a feed has stopped"


def test_usual_says_higher_or_lower_only_outside_the_range() -> None:
    usual = Usual(50, 40, 60)
    assert [usual.place(v).split()[0] for v in (39.9, 40, 60, 60.1)] == ["lower", "within", "within", "higher"]


@pytest.mark.parametrize("text", ["2026-47", "2026-W54", "2026-W00", "W47", "2026-W4", "", "2026-W471"])
def test_what_is_no_week_is_refused(text: str) -> None:
    with pytest.raises(WeekError, match="write it as 2026-W47"):
        monday_of(text)


def test_an_unknown_school_is_refused(store: ChdbStore) -> None:
    with pytest.raises(NoSuchSchool):
        render_report(store, "nowhere", WEEK)


@given(st.integers(0, 10**6))
def test_minutes_are_rounded_to_five(minutes: int) -> None:
    text = rounded(minutes)
    if 0 < minutes < 5:
        assert text == "< 5"
    else:
        shown = int(text.replace(",", ""))
        assert shown % 5 == 0
        assert abs(shown - minutes) <= 2


@given(st.dictionaries(st.sampled_from(["teaching", "support", "other", "visiting"]), st.integers(0, 60)))
def test_no_shown_group_reveals_a_small_one(sizes: dict[str, int]) -> None:
    everybody = sum(sizes.values())
    names = merged({**sizes, "all": everybody})
    rows: dict[str, int] = {}
    for group, name in names.items():
        rows[name] = rows.get(name, 0) + sizes[group]
    assert all(n >= SMALLEST_GROUP for n in rows.values())
    if rows:
        rest = everybody - sum(rows.values())
        assert rest == 0 or rest >= SMALLEST_GROUP


def test_small_groups_are_merged_and_tiny_rests_left_out() -> None:
    sizes = {"all": 70, "teaching": 44, "support": 14, "kitchen": 7, "grounds": 5}
    assert merged(sizes) == {"teaching": "teaching", "support": "support", "kitchen": "merged", "grounds": "merged"}
    assert merged({"all": 60, "teaching": 44, "support": 9, "other": 7}) == {
        "teaching": "teaching",
        "support": "merged",
        "other": "merged",
    }
    assert merged({"all": 49, "teaching": 44, "support": 5}) == {}


def test_groups_without_a_size_are_not_shown() -> None:
    assert merged({}) == {}
    assert merged({"teaching": 44, "support": 18}) == {}


def test_shares_of_little_are_not_told() -> None:
    assert shares([("boundary", 12), ("conflict", 7)], 19) == []
    assert shares([("boundary", 62), ("conflict", 33), ("locked", 3)], 98) == [
        ("boundary", "65 %"),
        ("conflict", "35 %"),
    ]


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), min_size=1, max_size=7))
def test_bars_stay_on_the_paper(values: list[tuple[float, float]]) -> None:
    svg = stacked_bars([Bar(f"d{i}", (("allowed", a), ("unknown", b))) for i, (a, b) in enumerate(values)], "x")
    tops = [float(y) for y in re.findall(r'<rect [^>]*y="([-\d.]+)"', svg)]
    assert all(0 <= y <= HEIGHT for y in tops)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=9))
def test_points_stay_on_the_paper(values: list[float]) -> None:
    svg = line([Point("w", v, False) for v in values], (min(values), max(values)), "x")
    assert all(0 <= float(y) <= HEIGHT for y in re.findall(r'cy="([-\d.]+)"', svg))


def test_charts_escape_their_labels() -> None:
    assert "<b>" not in stacked_bars([Bar("<b>", None)], '"<b>')


def test_alerts_of_edits_are_counted_with_all_that_makes_them_doubtful(store: ChdbStore, html: str) -> None:
    (found,) = re.findall(r'<ul id="edits">(.*?)</ul>', html, re.S)
    assert re.findall("<li>(.*?)</li>", found) == [
        "&lt; 5 likely edits of en.wikipedia.org, from the staff network",
        "&lt; 5 possible edits of en.wikipedia.org, from the pupils&#39; network",
    ]
    rows = ask(store, "week_edits", school=SCHOOL, from_=MONDAY, to=SUNDAY)
    assert [row["edits"] for row in rows] == [4, 2]
    for words in ("Since 4 November 2025", "temporary account", "about 1 edit in 1,000 page views", "Do not look for"):
        assert words in html, words


def test_a_week_without_alerts_says_so_and_why_that_means_little(store: ChdbStore) -> None:
    html = render_report(store, SCHOOL, "2026-W46")
    assert "No alert of an edit was raised." in html
    assert "Some edits cannot be seen; reading is not recorded." in html
    assert "Since 4 November 2025" in html
