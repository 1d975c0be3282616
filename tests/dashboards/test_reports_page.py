"""The Reports page: what was issued, as it was issued; and who reads reports sees no minutes anywhere else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
from playwright.sync_api import Browser, expect

from dashboards.export import export
from dashboards.hiding import WITHHELD
from dashboards.issuing import Press
from dashboards.language import welsh
from dashboards.pages import reports
from dashboards.queries import ask, ask_one
from dashboards.schools import SchoolInfo
from dashboards.week import week_view
from pipeline.access import Role
from pipeline.issued import PENDING, Delivery, Issue, keep, put
from pipeline.store import ChdbStore
from tests.dashboards.browser import CHROMIUM, Theme, looking, serving
from tests.dashboards.sample_store import DAY, SCHOOL, TERM, WEEK
from tests.dashboards.schoolhouse import Schoolhouse, text_of

SUNDAY = datetime(2026, 11, 22, 12, tzinfo=UTC)
READERS = (Role.HEAD, Role.DPO, Role.CHAIR)
Served = tuple[str, Schoolhouse]


@pytest.fixture(scope="module")
def issued(store: ChdbStore, school: SchoolInfo) -> Issue:
    """The week before this one was issued, and the one before it left out; this week was not issued yet."""
    press = Press(store, school, ("en", "cy"), "dpo@school.example")
    issue = press.week("2026-W46", SUNDAY.timestamp(), scheduled=True)
    keep(store, SCHOOL, issue)
    keep(store, SCHOOL, Issue(date(2026, 11, 2), "2026-W45", 0, int(SUNDAY.timestamp()), "holiday", "Half term"))
    mail = Delivery(issue.day, issue.period, 1, "", issue.made, PENDING, issue.made, attempt=2, problem="connection")
    put(store, SCHOOL, mail)
    return issue


@pytest.fixture
def ours(house: Schoolhouse, issued: Issue) -> Schoolhouse:
    house.clock.at = SUNDAY
    return house


@pytest.mark.parametrize("role", READERS)
def test_readers_find_each_report_as_it_was_issued(ours: Schoolhouse, issued: Issue, role: Role) -> None:
    client = ours.client(role)
    listed = text_of(client, "/reports")
    assert "2026-W46" in listed
    assert "Week 2026-W45 had no report: Half term." in listed
    assert "waits to be sent again: no connection to the mail server" in listed
    for lang in ("en", "cy"):
        answer = client.get(f"/reports/page?period=2026-W46&version=1&lang={lang}")
        assert answer.text == issued.pages[lang]
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "'self'" not in policy


def test_a_week_that_is_not_issued_is_for_the_network_manager_alone(ours: Schoolhouse) -> None:
    path = f"/reports/page?period={WEEK}&lang=en"
    assert f"week {WEEK}" in text_of(ours.client(Role.NETWORK_MANAGER), path)
    for role in READERS:
        assert WEEK not in text_of(ours.client(role), "/reports")
        assert ours.client(role).get(path).status_code == 404
    assert ours.client(Role.INSTALLER).get("/reports").status_code == 403
    assert ours.client(Role.STAFF).get(path).status_code == 403


def test_a_term_is_told_as_it_stands_by_its_whole_weeks(ours: Schoolhouse) -> None:
    client = ours.client(Role.HEAD)
    assert TERM in text_of(client, "/reports")
    ours.clock.at = datetime(2026, 11, 18, 12, tzinfo=UTC)  # in the middle of a week
    told = text_of(client, "/reports/page?period=term/2026-09-01&lang=en")
    assert "For the governors: Ysgol Enghraifft, Autumn 2026" in told
    assert "Sunday 15 November 2026" in told
    assert "Term by term" in told
    assert welsh()["For the governors"] in text_of(client, "/reports/page?period=term/2026-09-01&lang=cy")


@pytest.mark.parametrize(
    "query",
    ["", "period=2026-W46&version=9", "period=2031-W01", "period=nonsense", "period=term/1999-01-01", "period=%3Cb%3E"],
)
def test_what_was_never_issued_is_said(ours: Schoolhouse, query: str) -> None:
    for role in (Role.HEAD, Role.NETWORK_MANAGER):
        answer = ours.client(role).get(f"/reports/page?{query}")
        assert answer.status_code in (200, 404)
        assert "Traceback" not in answer.text
        assert "<b>" not in answer.text or answer.status_code == 200
    assert ours.client(Role.HEAD).get(f"/reports/page?{query}").status_code == 404


def test_a_report_on_paper(ours: Schoolhouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "pdf_of", lambda page: f"%PDF- {len(page)}".encode())
    answer = ours.client(Role.HEAD).get("/reports/pdf?period=2026-W46&version=1&lang=cy")
    assert answer.headers["content-type"] == "application/pdf"
    assert 'filename="social-media-2026-W46-cy.pdf"' in answer.headers["content-disposition"]
    assert answer.content.startswith(b"%PDF-")


# ------------------------------------------------------------------------------------------- who sees which numbers


def test_who_reads_reports_sees_no_minutes_on_other_pages(ours: Schoolhouse, store: ChdbStore) -> None:
    """Else a number that a report hides could be read, or computed from what is beside it."""
    exact = {str(row["total"]) for row in ask(store, "day_reasons", school=SCHOOL, day=DAY)}
    unknown = str(ask_one(store, "day_totals", school=SCHOOL, day=DAY)["unknown"])
    for role in (*READERS, Role.INSTALLER):
        client = ours.client(role)
        for path in ("/week", "/services", "/day.json", f"/why?day={DAY}", f"/?day={DAY}", "/day/events"):
            assert client.get(path).status_code == 403, path
        health = text_of(client, f"/health?day={DAY}")
        told = health.partition('id="stages"')[2].partition('id="checks"')[0]
        for number in (*exact, unknown):
            assert not re.search(rf"\b{number} minutes?\b", told)
        assert "minutes left out" not in told
        assert "about 85 %" in told or "about " in told
    manager = text_of(ours.client(Role.NETWORK_MANAGER), f"/health?day={DAY}")
    assert f"{unknown} minutes unknown" in manager


def test_each_page_of_minutes_says_for_whom_they_are(ours: Schoolhouse) -> None:
    client = ours.client(Role.NETWORK_MANAGER)
    for path in ("/", "/week", "/services"):
        assert "Exact minutes, for the network manager; reports and exports hide small numbers." in text_of(
            client, path
        )
    assert "Who sees which numbers" in text_of(ours.client(), "/method")


def test_what_an_issue_withheld_stays_so_in_every_later_report_and_export(store: ChdbStore, school: SchoolInfo) -> None:
    """Its readers may put a later export, or the chart of a later week, beside it."""
    week, monday = "2026-W43", date(2026, 10, 19)
    before = week_view(store, school, week).figures
    key = "cell/days/2026-10-20/allowed"
    told = before.shown[key]
    assert told.plain
    kept = {name: [cell.text, cell.low, cell.high] for name, cell in before.shown.items()}
    keep(store, SCHOOL, Issue(monday, week, 1, 0, shown=kept | {key: [WITHHELD, told.low, told.high]}))
    assert week_view(store, school, week).figures.shown[key].text == WITHHELD
    table = export(store, school, "days", monday, monday, exact=False).columns
    row = list(table["day"]).index(date(2026, 10, 20))
    assert (table["allowed"][row], table["allowed_hidden"][row]) == (None, WITHHELD)
    assert export(store, school, "days", monday, monday, exact=True).columns["allowed"][row] is not None


def test_showing_an_issue_again_shows_the_same(store: ChdbStore, school: SchoolInfo, issued: Issue) -> None:
    again = week_view(store, school, "2026-W46").figures.shown
    assert {key: cell.text for key, cell in again.items()} == {key: text for key, (text, *_) in issued.shown.items()}  # type: ignore[misc]


# ------------------------------------------------------------------------------------------------------- the browser


@pytest.fixture(scope="module")
def served(store: ChdbStore, issued: Issue, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    house = Schoolhouse(store, tmp_path_factory.mktemp("reports") / "school")
    house.clock.at = SUNDAY
    with serving(house.app) as address:
        yield address, house


@pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium on the path")
@pytest.mark.parametrize(("width", "language"), [(1280, "en"), (390, "cy")])
def test_the_head_reads_last_weeks_report(browser: Browser, served: Served, width: int, language: str) -> None:
    address, house = served
    theme: Theme = "dark" if width == 390 else "light"
    with looking(browser, width, theme, house.word(Role.HEAD), locale=language) as seen:
        seen.open(address, "#weeks")
        assert seen.page.url.endswith("/reports")
        seen.keep(f"reports-{language}")
        seen.accessible()
        weeks = seen.page.locator("#weeks")
        weeks.get_by_role("link", name="Cymraeg" if language == "cy" else "English", exact=True).click()
        expect(seen.page.locator("#outcomes")).to_be_visible()
        assert seen.page.evaluate("getComputedStyle(document.body).maxWidth") == "820px", "its own style sheet holds"
        seen.keep(f"report-{language}")
        seen.check()
        seen.page.go_back()
        seen.page.locator("#terms").get_by_role("link", name="English", exact=True).click()
        expect(seen.page.get_by_text("For the governors")).to_be_visible()
        seen.check()
