"""The network manager's two minutes a day in a real browser: why, compare, import and mend, look up, live."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from dashboards.door import Visitor
from dashboards.queries import ask_one
from pcaps.sample_school.facts import HERE
from pipeline.access import Role
from pipeline.pseudonym import term_of
from pipeline.store import ChdbStore
from tests.dashboards.browser import CHROMIUM, Theme, looking, serving
from tests.dashboards.sample_store import DAY, SCHOOL, WEEK, add_episode, arrive
from tests.dashboards.schoolhouse import Schoolhouse
from tests.dashboards.test_importing import Retagging

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium on the path")

LATER = datetime(2026, 11, 22, 12, tzinfo=UTC)
DRAWN = "#chart[data-drawn]"
PAGES = {
    "today": (f"/?day={DAY}", DRAWN),
    "week": (f"/week?week={WEEK}", "#heat"),
    "week-outside": (f"/week?week={WEEK}&show=outside_allowed", "#heat"),
    "week-empty": ("/week?week=2026-W53", "#heat"),
    "services": ("/services?span=week", "#services"),
    "why": (f"/why?day={DAY}&period=3", "#counts"),
    "minute": (f"/why/minute?day={DAY}&at=10%3A50&service=facebook&pseudonym=paaaaaaaaaaaa", ".told"),
    "episodes": (f"/episodes?week={WEEK}", ".episodes"),
    "episode": ("/episodes/e100", "#why"),
    "lookups": ("/lookups", "main"),
    "timetable": (f"/timetable?day={DAY}", "#states"),
}


@pytest.fixture(scope="module")
def retagging() -> Iterator[Retagging]:
    found = Retagging()
    yield found
    found.answer.set()
    found.jobs.stop()


@pytest.fixture(scope="module")
def served(
    store: ChdbStore, tmp_path_factory: pytest.TempPathFactory, retagging: Retagging
) -> Iterator[tuple[str, Schoolhouse]]:
    house = Schoolhouse(store, tmp_path_factory.mktemp("walks") / "school", jobs=retagging.jobs)
    house.clock.at = LATER
    with serving(house.app) as address:
        yield address, house


@pytest.mark.parametrize(
    ("width", "theme", "language"),
    [(1280, "light", "en"), (390, "dark", "en"), (390, "light", "cy"), (1280, "dark", "cy")],
)
def test_every_page(browser: Browser, served: tuple[str, Schoolhouse], width: int, theme: Theme, language: str) -> None:
    address, house = served
    with looking(browser, width, theme, house.word(Role.NETWORK_MANAGER), locale=language) as seen:
        for name, (path, ready) in PAGES.items():
            seen.open(address + path, ready)
            for details in seen.page.locator("main details:not([open]) > summary").all():
                details.click()
            seen.keep(f"{name}-{language}")
            seen.check()
            if language == "en":  # each theme and each width once
                seen.accessible()


def test_why_is_this_minute_unknown(browser: Browser, served: tuple[str, Schoolhouse]) -> None:
    """From Today, by way of the reason and the period, to the minute itself."""
    address, house = served
    with looking(browser, 390, cookie=house.word(Role.NETWORK_MANAGER)) as seen:
        page = seen.page
        seen.open(f"{address}/?day={DAY}", DRAWN)
        reason = page.locator(".look li", has_text="within a few minutes of a change")
        reason.get_by_role("link", name="Why?").click()
        expect(page.locator("#counts tr.asked")).to_contain_text("It stays unknown on purpose")
        page.locator("#places").get_by_role("link", name="Break", exact=True).click()
        expect(page.get_by_role("heading", name="Single minutes")).to_be_visible()
        page.locator("#marks").get_by_role("link", name="10:50").first.click()
        expect(page.locator(".told")).to_contain_text("Margin: minutes within 5 minutes of a change")
        expect(page.locator("footer").last).to_contain_text("audit trail")
        seen.check()
    assert ("why.shown", "done", "network-manager") in house.audit()


def test_compare_this_week(browser: Browser, served: tuple[str, Schoolhouse]) -> None:
    """With the keyboard alone: a week back, only what was outside, and to the day that stands out."""
    address, house = served
    with looking(browser, cookie=house.word(Role.NETWORK_MANAGER)) as seen:
        page = seen.page
        seen.open(f"{address}/week", "#heat")
        expect(page.locator("#usual")).to_contain_text("within the usual range")
        page.get_by_role("link", name="2026-W46").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_contain_text("9 November 2026")
        page.get_by_role("link", name="Outside allowed times").focus()
        page.keyboard.press("Enter")
        expect(page.locator("#heat.outside_allowed")).to_be_visible()
        page.locator("#heat thead").get_by_role("link", name="Tue 10 Nov").focus()
        page.keyboard.press("Enter")
        page.wait_for_selector(DRAWN)
        expect(page.get_by_role("heading", level=1)).to_contain_text("Tuesday 10 November 2026")
        seen.check()


def test_import_a_timetable_with_an_error_and_mend_it(
    browser: Browser, served: tuple[str, Schoolhouse], retagging: Retagging, tmp_path: Path
) -> None:
    address, house = served
    good = (HERE / "bells.csv").read_text()
    lines = good.splitlines(keepends=True)
    file = tmp_path / "bells.csv"
    file.write_text("".join([*lines[:4], re.sub(r"\d\d:\d\d", "25:00", lines[4], count=1), *lines[5:]]))
    with looking(browser, cookie=house.word(Role.NETWORK_MANAGER)) as seen:
        page = seen.page
        seen.open(f"{address}/timetable", "#bring")
        page.get_by_label("Files:").set_input_files(file)
        page.get_by_role("button", name="Read it and show").click()
        expect(page.get_by_role("alert")).to_contain_text("bells.csv, line 5:")
        expect(page.get_by_role("alert")).to_contain_text("'25:00' is not a time")
        seen.keep("import-fault")
        seen.accessible()
        page.get_by_label("Line 5 as it is").fill(lines[4].strip())
        page.get_by_role("button", name="Read it with this line").click()
        expect(page.get_by_text("Nothing: the school’s files say the same already.")).to_be_visible()
        page.goto(f"{address}/timetable")
        file.write_text(good.rstrip("\n") + "\nnormal,7,Sunday,lesson,09:00,10:00,*\n")
        page.get_by_label("Files:").set_input_files(file)
        page.get_by_role("button", name="Read it and show").click()
        expect(page.locator(".difference")).to_contain_text("+ ")
        seen.keep("import-difference")
        seen.accessible()
        page.get_by_role("button", name="Apply it now").click()
        expect(page.get_by_role("status")).to_contain_text("Import 0001 is in force.")
        assert "Sunday" in (house.folder / "bells.csv").read_text()
        page.get_by_role("button", name="First show what that would change").click()
        expect(page.get_by_role("status")).to_contain_text("It is at work")
        seen.accessible()
        retagging.answer.set()
        expect(page.locator("#anew")).to_contain_text("Outside allowed times → Unknown: 31")
        seen.keep("import-past-days")
        seen.accessible()
        page.get_by_role("button", name="Judge these days anew").click()
        expect(page.get_by_role("status")).to_contain_text("These days are judged anew.")
        page.locator("#imports summary", has_text="Take back").click()
        page.get_by_role("button", name="Take back import 0001").click()
        expect(page.get_by_role("status")).to_contain_text("Taken back")
        assert (house.folder / "bells.csv").read_text() == good
        seen.forgive("422")
        seen.check()


def test_a_name_needs_two_people(browser: Browser, served: tuple[str, Schoolhouse], store: ChdbStore) -> None:
    address, house = served
    desk = house.office.desk(Visitor(login="head", name="Ann Bowen", role=Role.HEAD), store)
    person = desk.school.staff[20].staff_id
    add_episode(store, "e300", desk.pseudonyms.of(term_of(desk.school.calendar, DAY), person))
    with looking(browser, cookie=house.word(Role.NETWORK_MANAGER)) as manager:
        page = manager.page
        manager.open(f"{address}/episodes/e300", "#why")
        assert person not in page.inner_text("main")
        page.get_by_label("Number of the case").fill("2026/7")
        page.get_by_label("What it is for").select_option("A complaint")
        page.get_by_label("Why, in at least").fill("Too short")
        page.get_by_role("button", name="Ask").click()
        expect(page.get_by_role("alert")).to_contain_text("at least 20 characters")
        page.get_by_label("Why, in at least").fill("A parent says that lessons begin late.")
        page.get_by_role("button", name="Ask").click()
        expect(page.locator("#lookups")).to_contain_text("waiting")
        assert page.get_by_role("button", name="Approve").count() == 0, "nobody approves what he asked for"
        with looking(browser, cookie=house.word(Role.HEAD)) as head:
            head.open(f"{address}/lookups", "#lookups")
            head.page.get_by_role("button", name="Approve").click()
            expect(head.page.locator("#lookups")).to_contain_text("approved")
            head.check()
        page.reload()
        page.get_by_role("button", name="Show").click()
        expect(page.locator("#revealed")).to_contain_text(person)
        manager.accessible()
        manager.forgive("422")
        manager.check()
    assert [action for action, _, _ in house.audit() if action.startswith("lookup.")][-1] == "lookup.listed"
    assert {"lookup.requested", "lookup.approved", "lookup.shown"} <= {action for action, _, _ in house.audit()}


def test_today_grows_while_it_is_open(browser: Browser, served: tuple[str, Schoolhouse], store: ChdbStore) -> None:
    address, house = served
    house.clock.at = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
    day = house.clock.at.date()
    with looking(browser, cookie=house.word(Role.NETWORK_MANAGER)) as seen:
        page = seen.page
        seen.open(address, DRAWN)
        page.evaluate("window.same = true")
        before = int(page.get_attribute("#chart", "data-minutes") or 0)
        page.click("details summary")
        arrive(store, day, "12:30", 7)
        expect(page.locator("#chart")).to_have_attribute("data-minutes", str(before + 7))
        total = ask_one(store, "day_totals", school=SCHOOL, day=day)["total"]
        expect(page.locator(".lede")).to_contain_text(f"{total:,} minutes")
        expect(page.locator("#fives tfoot")).to_contain_text(f"{total:,} minutes")
        expect(page.get_by_role("status")).to_contain_text("Updated at")
        assert page.evaluate("window.same"), "it was not loaded anew"
        seen.check()
    house.clock.at = LATER
