"""Week, Services, Why and Episodes over HTTP: their figures are the store's, and every "why?" leads to an answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from dashboards.bars import SPARK_HEIGHT, SPARK_WIDTH, sparkline
from dashboards.day import day_view
from dashboards.episodes import episodes_view
from dashboards.heat import ALL_USE, SHOWN, heat_view
from dashboards.language import LANGUAGES
from dashboards.queries import ask, ask_one
from dashboards.reasons import Where, five_of, reasons_view
from dashboards.report import rate_text
from dashboards.schools import SchoolInfo, find_school
from dashboards.services import Span, services_view, term_of
from dashboards.week import week_view
from pipeline.access import Role
from pipeline.store import ChdbStore
from pipeline.words import Outcome
from tests.dashboards.sample_store import DAY, MONDAY, SCHOOL, SUMMER, TERM, WEEK, local
from tests.dashboards.schoolhouse import Schoolhouse, text_of

LATER = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def manager(house: Schoolhouse) -> Iterator[TestClient]:
    house.clock.at = LATER
    with house.client(Role.NETWORK_MANAGER) as client:
        yield client


# --- Week


@pytest.mark.parametrize("show", SHOWN)
def test_the_map_adds_up_to_the_days_and_the_week(store: ChdbStore, school: SchoolInfo, show: str) -> None:
    view = heat_view(store, school, WEEK, show, LATER)
    totals = ask_one(store, "week_totals", school=SCHOOL, from_=MONDAY, to=MONDAY + timedelta(days=6))
    for n, day in enumerate(view.days):
        assert sum(line.cells[n].minutes[show] for line in view.lines) == view.day_totals[n]
        assert view.day_totals[n] == ask_one(store, "day_totals", school=SCHOOL, day=day)[show]
    assert sum(total or 0 for total in view.day_totals) == totals[show]


def test_a_day_that_nobody_saw_has_no_total(store: ChdbStore, school: SchoolInfo) -> None:
    assert set(heat_view(store, school, "2026-W30", ALL_USE, LATER).day_totals) == {None}


def test_periods_stand_in_the_order_of_the_day(store: ChdbStore, school: SchoolInfo) -> None:
    view = heat_view(store, school, None, ALL_USE, LATER)
    assert [line.slot for line in view.lines] == ["Reg", "1", "2", "Break", "3", "Lunch", "4", "5", ""]
    assert view.lines[3].times == "10:50 to 11:10"
    assert (view.week.iso_week, view.previous, view.following) == (WEEK, "2026-W46", "")


def test_a_period_that_was_not_all_seen_says_so(store: ChdbStore, school: SchoolInfo, manager: TestClient) -> None:
    view = heat_view(store, school, WEEK, ALL_USE, LATER)
    thin = {(line.slot, cell.day): cell.observed for line in view.lines for cell in line.cells if cell.thin}
    assert thin == {("4", DAY): 0.75}
    assert "75 % seen" in text_of(manager, f"/week?week={WEEK}")


def test_what_has_not_come_yet_is_no_quiet_lesson(store: ChdbStore, school: SchoolInfo) -> None:
    view = heat_view(store, school, WEEK, ALL_USE, datetime(2026, 11, 18, 10, 0, tzinfo=UTC))
    wednesday = {line.slot: line.cells[2].coming for line in view.lines if line.slot}
    assert [slot for slot, coming in wednesday.items() if not coming] == ["Reg"]
    assert all(line.cells[3].coming for line in view.lines if line.slot)


def test_a_week_is_compared_as_in_the_report(store: ChdbStore, school: SchoolInfo, manager: TestClient) -> None:
    week = week_view(store, school, WEEK)
    page = text_of(manager, f"/week?week={WEEK}")
    for outcome, usual in week.usual.items():
        assert f"{rate_text(usual.low)} to {rate_text(usual.high)}" in page
        assert usual.place(week.this.rates[outcome]) in page
    why = week_view(store, school, "2026-W41").not_compared
    assert why is not None
    assert why.in_("en") in text_of(manager, "/week?week=2026-W41")


@pytest.mark.parametrize("day", ["0001-01-01", "1969-12-31", "9999-12-31", "2149-06-01"])
def test_days_that_no_store_can_hold_get_a_plain_answer(manager: TestClient, day: str) -> None:
    year = day[:4]
    for path in (f"/?day={day}", f"/services?span=term&day={day}", f"/why?day={day}", f"/timetable?day={day}"):
        assert manager.get(path).status_code == 400, path
    for path in (f"/week?week={year}-W20", f"/episodes?week={year}-W20"):
        assert manager.get(path).status_code == 400, path


@pytest.mark.parametrize(("query", "status"), [("week=2026-47", 400), ("week=2026-W53", 200), ("show=people", 200)])
def test_odd_weeks_get_a_plain_answer(manager: TestClient, query: str, status: int) -> None:
    answer = manager.get(f"/week?{query}")
    assert answer.status_code == status
    assert "Traceback" not in answer.text


# --- Services


def test_services_are_the_stores(store: ChdbStore, school: SchoolInfo) -> None:
    view = services_view(store, school, Span.DAY, DAY, LATER)
    stored = {row["service"]: row["total"] for row in ask(store, "day_services", school=SCHOOL, day=DAY)}
    assert {s.service: s.row["total"] for group in view.kinds for s in group.services} == stored
    week = services_view(store, school, Span.WEEK, DAY, LATER)
    assert (week.first, week.last) == (MONDAY, date(2026, 11, 22))
    assert all(group.kind.trend[-1] == group.kind.row["total"] for group in week.kinds)
    term = services_view(store, school, Span.TERM, DAY, LATER)
    assert (term.term, term.first, term.last) == (TERM, date(2026, 9, 21), date(2026, 11, 20))
    assert sum(n or 0 for n in term.kinds[0].kind.trend) == term.kinds[0].kind.row["total"]


@given(st.lists(st.sampled_from(["autumn", "spring", "inset", "weekend", "holiday"]), max_size=60), st.integers(0, 59))
def test_a_day_belongs_to_the_term_that_the_calendar_gave_it(sorts: list[str], at: int) -> None:
    start = date(2026, 1, 1)
    autumn_first = sorted(sorts, key=lambda sort: sort == "spring")  # terms follow each other
    rows = [
        {
            "day": start + timedelta(days=n),
            "kind": "school" if sort in ("autumn", "spring") else sort,
            "name": sort if sort in ("autumn", "spring") else "",
        }
        for n, sort in enumerate(autumn_first)
    ]
    day = start + timedelta(days=at)
    name, first, last = term_of(rows, day)
    begun = [row for row in rows if row["name"] and row["day"] <= day]
    if not name:
        assert (first, last) == (day, day)
        assert not begun
        return
    mine = [row["day"] for row in rows if row["name"] == name]
    assert first <= min(mine)
    assert max(mine) <= last
    assert first <= day
    others = [row["day"] for row in rows if row["name"] not in ("", name)]
    assert not [other for other in others if first <= other <= last]


def test_an_inset_day_belongs_to_the_term_next_to_it() -> None:
    rows = [
        {"day": date(2026, 12, 18), "kind": "school", "name": "Autumn"},
        {"day": date(2027, 1, 4), "kind": "inset", "name": "Training"},
        {"day": date(2027, 1, 5), "kind": "school", "name": "Spring"},
    ]
    assert term_of(rows, date(2027, 1, 4)) == ("Spring", date(2027, 1, 4), date(2027, 1, 5))
    assert term_of(rows, date(2026, 12, 25)) == ("Autumn", date(2026, 12, 18), date(2026, 12, 18))


def test_a_week_that_nobody_saw_has_no_minutes_rather_than_none(manager: TestClient) -> None:
    """Ysgol Haf has one day: of the eight weeks before it nothing is known."""
    with_one_week = text_of(manager, f"/services?school={SUMMER}&span=week&day=2026-06-16")
    table = with_one_week.partition('id="trend"')[2].partition("</table>")[0]
    cells = re.findall(r'<td class="n">(.*?)</td>', table)[:9]
    assert cells[:8] == ['<span class="soft">–</span>'] * 8
    assert cells[8].replace(",", "").isdecimal()
    assert "9 weeks, minutes: –, –, –, –, –, –, –, –, " in with_one_week


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=20))
def test_a_line_stays_in_its_cell(values: list[int]) -> None:
    points = [tuple(map(float, point.split(","))) for point in sparkline(values).split()]
    assert len(points) == len(values)
    assert all(0 <= x <= SPARK_WIDTH and 0 <= y <= SPARK_HEIGHT for x, y in points)


def test_a_school_without_data_is_answered(manager: TestClient) -> None:
    for span in Span:
        page = text_of(manager, f"/services?span={span}&school={SUMMER}&day=2026-01-01")
        assert "No use of any kind of service was seen." in page


# --- Why


def test_every_why_of_today_and_of_the_week_is_answered(manager: TestClient) -> None:
    for page in (f"/?day={DAY}", f"/week?week={WEEK}"):
        links = set(re.findall(r'href="(/why\?[^"]+)"', manager.get(page).text))
        assert len(links) > 40
        some = sorted(links)[:: max(len(links) // 12, 1)]
        for link in some:
            assert '<table id="counts">' in text_of(manager, unescape(link)), link


def test_a_cell_is_told_with_all_its_reasons(store: ChdbStore, school: SchoolInfo) -> None:
    view = reasons_view(store, school, Where(DAY, "3"), with_marks=False)
    rows = [r for r in ask(store, "week_by_period", school=SCHOOL, from_=DAY, to=DAY) if r["period"] == "3"]
    assert sum(count.minutes for count in view.counts) == rows[0]["total"]
    unknown = sum(count.minutes for count in view.counts if count.outcome == Outcome.UNKNOWN)
    assert unknown == rows[0][Outcome.UNKNOWN] == sum(row["total"] for row in view.places)
    assert sum(used for _, used, _ in view.fives) == rows[0]["total"]
    assert view.marks is None


def test_a_reason_is_found_where_it_lies(store: ChdbStore, school: SchoolInfo) -> None:
    view = reasons_view(store, school, Where(DAY, reason="no_person"), with_marks=False)
    total = {r["reason"]: r["total"] for r in ask(store, "day_reasons", school=SCHOOL, day=DAY)}
    assert {row["reason"] for row in view.places} == {"no_person"}
    assert sum(row["total"] for row in view.places) == total["no_person"]
    assert view.counts[0].reason == "no_person"


def test_why_is_this_minute_unknown(manager: TestClient, house: Schoolhouse) -> None:
    day = text_of(manager, f"/why?day={DAY}&reason=boundary")
    (first, *_) = re.findall(r'href="(/why/minute\?[^"]+)"', day)
    minute = text_of(manager, unescape(first))
    assert "The minute lies within a few minutes of a change between allowed and not allowed." in minute
    assert "Identity: grade B" in minute
    assert ("why.shown", "Sam Rees") in [(e.action, e.who.get("name")) for e in house.office.trail.entries()]


def test_single_minutes_are_not_for_those_who_see_sums(store: ChdbStore, house: Schoolhouse) -> None:
    from dashboards.web import make_app

    with TestClient(make_app(store, now=lambda: LATER), base_url="http://127.0.0.1:8350") as anybody:
        page = text_of(anybody, f"/why?day={DAY}&reason=boundary")
        assert "paaaaaaaaaaaa" not in page
        assert anybody.get("/why/minute?day=2026-11-17&at=10:50", follow_redirects=False).status_code in (303, 403)
        assert anybody.get("/episodes").status_code == 404


@pytest.mark.parametrize(
    "query", ["", "day=x", "day=2026-11-17&at=25:00", "day=2026-11-17&at=%3Cb%3E", "day=2026-11-17&at=9"]
)
def test_odd_questions_get_a_plain_answer(manager: TestClient, query: str) -> None:
    answer = manager.get(f"/why?{query}")
    assert answer.status_code == 400
    assert "<b>" not in answer.text


def test_five_minutes_are_found_in_summer_time_too(store: ChdbStore) -> None:
    summer = find_school(store, SUMMER)
    assert five_of(summer, date(2026, 6, 16), "08:33") == datetime(2026, 6, 16, 7, 30, tzinfo=UTC)
    assert five_of(summer, date(2026, 11, 17), "08:33") == local(date(2026, 11, 17), "08:30")


# --- Episodes


def test_episodes_are_listed_and_told_under_pseudonyms(manager: TestClient, house: Schoolhouse) -> None:
    page = text_of(manager, f"/episodes?week={WEEK}")
    assert "2 episodes of at least three active minutes" in page
    assert "09:10 to 09:16" in page
    one = text_of(manager, "/episodes/e100")
    assert "facebook (social_networking), Tuesday 17 November 2026, 09:10 to 09:17" in one
    assert "5 active minutes outside the allowed times (automatic, unverified)." in one
    said = [action for action, _, _ in house.audit()]
    assert said == ["episodes.listed", "why.shown"]
    assert manager.get("/episodes/e999").status_code == 404


def test_a_school_of_sums_has_no_episodes(store: ChdbStore) -> None:
    view = episodes_view(store, find_school(store, SUMMER), None, LATER)
    assert "keeps sums only" in view.why_none


def test_nobody_sees_another_schools_people(house: Schoolhouse) -> None:
    """The store holds two schools; these pages have the office of one."""
    with house.client(Role.HEAD) as head:
        assert "2 episodes" in text_of(head, f"/episodes?school={SUMMER}&week={WEEK}"), "its own, whatever is asked"
    with house.client(Role.NETWORK_MANAGER) as manager:
        assert "Single minutes" not in text_of(manager, f"/why?day=2026-06-16&school={SUMMER}")
        assert "Single minutes" in text_of(manager, f"/why?day={DAY}&school={SCHOOL}")


def test_a_pseudonym_that_leads_nowhere_cannot_be_looked_up(manager: TestClient, house: Schoolhouse) -> None:
    page = text_of(manager, "/episodes/e100")
    (token,) = set(re.findall(r'name="form_token" value="([^"]+)"', page))
    fields = {"form_token": token, "case": "1", "reason": "complaint", "text": "Somebody has complained of it."}
    answer = manager.post("/episodes/e100", data=fields)
    assert answer.status_code == 422
    assert "leads to nobody" in answer.text
    assert "Somebody has complained of it." in answer.text
    assert ("lookup.request", "refused") in [(e.action, e.result) for e in house.office.trail.entries()]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"sort": "staff", "subject": "T05"}, "name the first and the last day"),
        ({"sort": "alert", "subject": "a1"}, "a1"),
        ({"sort": "staff", "subject": "T05", "first": "2026-11-01", "last": "2026-11-30"}, "30 days"),
        ({"sort": "staff", "subject": "nobody", "first": "2026-11-17", "last": "2026-11-17"}, "no staff id"),
        ({"sort": "other", "subject": "T05"}, "choose what the look-up is for"),
    ],
)
def test_a_look_up_that_is_badly_asked_is_refused(
    manager: TestClient, house: Schoolhouse, fields: dict[str, str], words: str
) -> None:
    page = manager.get("/lookups").text
    (token,) = set(re.findall(r'name="form_token" value="([^"]+)"', page))
    asked = {"case": "7", "reason": "complaint", "text": "Somebody has complained of it.", "do": "ask"}
    answer = manager.post("/lookups", data={"form_token": token, **asked, **fields})
    assert answer.status_code == 422
    assert words in unescape(answer.text)
    assert "lookup.requested" not in [action for action, _, _ in house.audit()]


def test_a_look_up_of_a_member_of_staff_waits_for_somebody_else(manager: TestClient, house: Schoolhouse) -> None:
    page = manager.get("/lookups").text
    (token,) = set(re.findall(r'name="form_token" value="([^"]+)"', page))
    asked = {"case": "7", "reason": "complaint", "text": "Somebody has complained of it.", "do": "ask", "sort": "staff"}
    days = {"subject": "T05", "first": "2026-11-16", "last": "2026-11-20"}
    answer = manager.post("/lookups", data={"form_token": token, **asked, **days})
    assert (answer.status_code, "waiting" in answer.text) == (200, True)
    with house.client(Role.NETWORK_MANAGER) as again:
        assert "Approve" not in again.get("/lookups").text


# --- what every page costs


PAGES = ("/", "/week", "/services", "/services?span=term", f"/why?day={DAY}", "/episodes", "/timetable")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_light(manager: TestClient, path: str) -> None:
    """All that a first visit loads, uncompressed."""
    page = manager.get(path)
    assert page.status_code == 200
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?! src=)", page.text)
    size = len(page.content)
    for part in sorted(set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text))):
        size += len(manager.get(part).content)
    if "/static/day.js" in page.text:
        size += len(manager.get("/day.json").content)
    assert size <= 200_000, f"{path}: {size}"


def test_today_in_welsh_has_its_figures(store: ChdbStore, school: SchoolInfo) -> None:
    english, welsh = (day_view(store, school, DAY, LATER, lang).lede for lang in LANGUAGES)
    assert re.findall(r"[\d,]+", english) == re.findall(r"[\d,]+", welsh)
