"""What people do on the pages, in a real browser; and every page at both widths in both themes and languages.

Silent console, kept content policy, no sideways scrolling, nothing serious found by axe-core.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from dashboards import otp
from pipeline.access import Role
from pipeline.store import ChdbStore
from tests.dashboards.browser import CHROMIUM, Theme, looking, serving
from tests.dashboards.sample_store import DAY
from tests.dashboards.schoolhouse import PASSWORD, Schoolhouse

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium on the path")

LIGHT, DARK = "rgb(246, 247, 249)", "rgb(16, 21, 27)"  # --page of schoolgate.css and of dark.css
PAGES = {
    "health": f"/health?day={DAY}",
    "edits": "/edits",
    "edit": "/edits/a1f0c404a8",
    "sites": "/sites",
    "site": "/sites/OS4",
    "site-new": "/sites/new",
    "settings": "/settings",
    "notice": "/notice",
    "mine": "/mine",
    "method": "/method",
    "refused": "/episodes-that-are-not-there",
}


@pytest.fixture(scope="module")
def served(store: ChdbStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Schoolhouse]]:
    """The sample school's pages, with an edit to look at."""
    house = Schoolhouse(store, tmp_path_factory.mktemp("walks") / "school")
    house.add_alert()
    with serving(house.app) as address:
        yield address, house


LOOKS = [
    (1280, "light", "en", True),
    (390, "dark", "cy", True),
    (390, "light", "en", False),
    (1280, "dark", "cy", False),
]


@pytest.mark.parametrize(("width", "theme", "language", "examined"), LOOKS)
def test_every_page(
    browser: Browser,
    served: tuple[str, Schoolhouse],
    width: int,
    theme: Theme,
    language: str,
    examined: bool,
) -> None:
    address, house = served
    with looking(browser, width, theme, house.word(Role.NETWORK_MANAGER), locale=language) as seen:
        for name, path in PAGES.items():
            seen.open(address + path)
            seen.keep(f"{name}-{language}")
            seen.forgive("404")
            seen.check()
            if examined:
                seen.accessible()
            assert seen.page.get_attribute("html", "lang") == language
        seen.page.context.clear_cookies()
        seen.open(f"{address}/login")
        seen.keep(f"login-{language}")
        seen.check()
        seen.accessible()


def test_log_in_with_a_code_for_the_first_time_and_again(browser: Browser, served: tuple[str, Schoolhouse]) -> None:
    address, house = served
    once = house.accounts.add("mair", "Mair Lloyd", Role.CHAIR)
    with looking(browser, 390) as seen:
        page = seen.page
        seen.open(f"{address}/edits")
        assert "/login" in page.url
        expect(page.get_by_label("Login")).to_be_focused()  # to type at once is enough
        page.get_by_label("Login").fill("mair")
        page.get_by_label("Password").fill(once)
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("heading", name="First log-in")).to_be_visible()
        seen.accessible()
        seen.keep("first-log-in")
        secret = page.inner_text("#secret").replace(" ", "")
        page.get_by_label("New password").fill(PASSWORD)
        page.get_by_label("The same again").fill(PASSWORD)
        page.get_by_label("Code").fill(otp.code(secret, house.step - 1))
        page.get_by_role("button", name="Done").click()
        expect(page.get_by_text("Mair Lloyd")).to_be_visible()
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_label("Login")).to_be_focused()
        page.get_by_label("Login").fill("mair")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_label("Code").fill("000000")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("alert")).to_contain_text("did not fit")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_label("Code").fill(otp.code(secret, house.step))
        page.keyboard.press("Enter")
        expect(page.get_by_text("Mair Lloyd")).to_be_visible()
        seen.forgive("403", "/day")  # the chart of a page that was left at once
        seen.check()


def test_acknowledge_an_edit(browser: Browser, served: tuple[str, Schoolhouse]) -> None:
    address, house = served
    house.add_alert("a2f0c404a8", "cy.wikipedia.org")
    with looking(browser, 1280, "light", house.word(Role.HEAD)) as seen:
        page = seen.page
        seen.open(f"{address}/edits")
        page.get_by_role("row", name="cy.wikipedia.org").get_by_role("link").click()
        page.get_by_label("What was done").fill("It was a lesson about Wicipedia.")
        page.get_by_role("button", name="Acknowledge").click()
        expect(page.get_by_role("status")).to_contain_text("audit trail")
        expect(page.locator("#acknowledged")).to_contain_text("Ann Bowen")
        seen.check()
    assert house.audit()[-1] == ("alert.acknowledged", "done", "head")


def test_register_an_official_site(browser: Browser, served: tuple[str, Schoolhouse]) -> None:
    address, house = served
    with looking(browser, 390, "dark", house.word(Role.NETWORK_MANAGER)) as seen:
        page = seen.page
        seen.open(f"{address}/sites")
        page.get_by_role("link", name="Register a site").click()
        page.get_by_label("Short name").fill("OS7")
        page.locator("select[name=service]").select_option("facebook")
        page.get_by_label("Purpose").fill("News of the library")
        page.get_by_label("Administrators").select_option(["T03", "T05"])
        page.get_by_label("Moderators").select_option(["T07", "L02"])
        page.get_by_label("Goes live").fill("2026-11-23")
        page.get_by_label("Closes").fill("2027-07-16")
        page.get_by_label("Review").fill("2027-03-01")
        page.get_by_label("My approval").select_option("give")
        page.get_by_role("button", name="Keep").click()
        expect(page.get_by_role("status")).to_contain_text("OS7")
        site = page.locator("section#OS7")
        expect(site).to_contain_text("planned")
        expect(site).to_contain_text("the head teacher's approval is missing")
        seen.check()
        seen.accessible()
    assert ("sites.changed", "done", "network-manager") in house.audit()


def test_why_is_it_unhealthy(browser: Browser, served: tuple[str, Schoolhouse]) -> None:
    address, house = served
    with looking(browser, 1280, "light", house.word(Role.INSTALLER)) as seen:
        seen.open(f"{address}/login")
        expect(seen.page.get_by_role("heading", name="Health", exact=True)).to_be_visible()  # where an installer begins
        expect(seen.page.locator("#stages tbody tr")).to_have_count(6)
        expect(seen.page.locator("#findings tbody tr").first).to_be_visible()
        seen.check()


def test_keys_alone_are_enough(browser: Browser, served: tuple[str, Schoolhouse]) -> None:
    address, house = served
    with looking(browser, 1280, "light", house.word(Role.HEAD)) as seen:
        seen.open(f"{address}/edits")
        seen.page.keyboard.press("Tab")
        expect(seen.page.locator(":focus")).to_have_text("To the content")
        seen.page.keyboard.press("Enter")
        reached = []
        for _ in range(8):
            seen.page.keyboard.press("Tab")
            reached.append(seen.page.evaluate("document.activeElement.name || document.activeElement.tagName"))
        assert reached[:3] == ["days", "certainty", "state"]
        assert "A" in reached


def test_the_theme_can_be_chosen_against_the_device(browser: Browser, served: tuple[str, Schoolhouse]) -> None:
    address, house = served
    with looking(browser, 1280, "light", house.word(Role.HEAD)) as seen:
        ground = seen.page.locator("body")
        seen.open(f"{address}/edits")
        expect(ground).to_have_css("background-color", LIGHT)
        seen.page.get_by_role("link", name="Dark").click()
        expect(seen.page.locator("html")).to_have_attribute("data-theme", "dark")
        expect(ground).to_have_css("background-color", DARK)  # its own sheet may come a moment after the words
        seen.page.get_by_role("link", name="Cymraeg").click()
        expect(seen.page.get_by_role("heading", name="Golygiadau", exact=True)).to_be_visible()
        assert seen.page.url == f"{address}/edits"
        seen.check()


def test_seen_finds_what_is_wrong(browser: Browser, served: tuple[str, Schoolhouse]) -> None:
    """The fixture itself: a page with faults does not pass."""
    address, _ = served
    with looking(browser) as seen:
        seen.open(f"{address}/notice")
        seen.page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=/static/icon.svg><input>')")
        with pytest.raises(AssertionError, match="image-alt"):
            seen.accessible()
        seen.page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p style=\"color:red\">x</p>')")
        with pytest.raises(AssertionError):
            seen.check()
