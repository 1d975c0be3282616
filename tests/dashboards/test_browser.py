"""The pages and the report in Debian's Chromium: silent console, kept policy, no overflow, true figures.

With SCHOOLGATE_SCREENSHOTS=DIR the pictures that the tests look at are kept there.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from dashboards.queries import ask, ask_one
from dashboards.report import render_report
from dashboards.web import make_app
from pipeline.store import ChdbStore
from pipeline.words import Outcome
from tests.dashboards.browser import CHROMIUM, THEMES, WIDTHS, Seen, looking, serving
from tests.dashboards.sample_store import DAY, SCHOOL, WEEK

LATER = datetime(2026, 11, 22, 12, tzinfo=UTC)
DRAWN = "#chart[data-drawn]"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium on the path")


@pytest.fixture(scope="module")
def address(store: ChdbStore) -> Iterator[str]:
    with serving(make_app(store, now=lambda: LATER)) as address:
        yield address


@pytest.fixture(params=[(w, t) for t in THEMES for w in WIDTHS], ids=lambda p: f"{p[0]}-{p[1]}")
def seen(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Seen]:
    """Both widths in both themes."""
    with looking(browser, *request.param) as seen:
        yield seen


@pytest.fixture(params=WIDTHS)
def lit(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Seen]:
    """Both widths, light."""
    with looking(browser, request.param, "light") as seen:
        yield seen


def test_today(seen: Seen, address: str, store: ChdbStore) -> None:
    seen.open(f"{address}/?day={DAY}", DRAWN)
    seen.keep("today")
    seen.check()
    totals = ask_one(store, "day_totals", school=SCHOOL, day=DAY)
    assert f"{totals['total']:,} minutes" in seen.page.inner_text(".lede")
    names = seen.page.locator("#kinds tbody th").count()
    assert names == len(ask(store, "day_by_kind", school=SCHOOL, day=DAY))
    assert seen.page.locator("#chart").get_attribute("aria-label")


def test_the_chart_is_really_drawn(seen: Seen, address: str) -> None:
    seen.open(f"{address}/?day={DAY}", DRAWN)
    painted = seen.page.evaluate(
        """() => {
          const canvas = document.querySelector('#chart canvas');
          const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
          const want = ['allowed', 'official_possible', 'count_only', 'outside_allowed', 'unknown'].map(name => {
            const probe = document.createElement('i');
            probe.className = name;
            document.querySelector('.legend').append(probe);
            const rgb = getComputedStyle(probe).backgroundColor.match(/[0-9]+/g).map(Number);
            probe.remove();
            return rgb;
          });
          const found = want.map(() => 0);
          for (let i = 0; i < data.length; i += 4)
            want.forEach(([r, g, b], k) => { if (data[i] === r && data[i+1] === g && data[i+2] === b) found[k]++; });
          return found;
        }"""
    )
    assert min(painted) > 20, f"pixels per outcome: {painted}"


def test_the_table_holds_the_charts_figures(lit: Seen, address: str, store: ChdbStore) -> None:
    lit.open(f"{address}/?day={DAY}", DRAWN)
    lit.page.click("details summary")
    rows = lit.page.eval_on_selector_all(
        "#fives tbody tr", "rows => rows.map(r => [...r.cells].map(c => c.textContent.trim()))"
    )
    chart = lit.page.evaluate(f"fetch('/day.json?day={DAY}').then(r => r.json())")
    sums = [sum(int(r[2 + i]) for r in rows) for i in range(len(Outcome))]
    assert sums == [sum(s["minutes"]) for s in chart["series"]]
    used = [i for i in range(len(chart["time"])) if any(s["minutes"][i] for s in chart["series"])]
    assert [[int(c) for c in r[2:]] for r in rows] == [[s["minutes"][i] for s in chart["series"]] for i in used]
    lit.check()


def test_the_chart_tells_what_is_under_the_pointer(lit: Seen, address: str) -> None:
    lit.open(f"{address}/?day={DAY}", DRAWN)
    lit.page.locator("#chart").scroll_into_view_if_needed()
    box = lit.page.locator("#chart .u-over").bounding_box()
    assert box
    caption = lit.page.inner_text("#readout")
    lit.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(lit.page.locator("#readout")).not_to_have_text(caption)
    assert "12:3" in lit.page.inner_text("#readout")
    assert "Lunch" in lit.page.inner_text("#readout")
    lit.check()


def test_the_chart_follows_the_window(lit: Seen, address: str) -> None:
    lit.open(f"{address}/?day={DAY}", DRAWN)
    chart = lit.page.locator("#chart")
    before = chart.evaluate("chart => chart.clientWidth")
    lit.page.set_viewport_size({"width": 600, "height": 900})
    expect(chart).not_to_have_js_property("clientWidth", before)
    width = chart.evaluate("chart => chart.clientWidth")
    expect(chart.locator(".uplot")).to_have_js_property("clientWidth", width)
    lit.check()


@pytest.mark.parametrize(
    ("name", "path", "words"),
    [
        ("no-data", "/?day=2026-11-21", "Nothing has been stored since Friday 20 November 2026"),
        ("method", "/method", "How it works"),
        ("not-found", "/nowhere", "There is no such page"),
    ],
)
def test_other_pages(lit: Seen, address: str, name: str, path: str, words: str) -> None:
    lit.open(f"{address}{path}", "main")
    lit.keep(name)
    if name == "not-found":  # the browser itself notes the status of the page asked for
        lit.complaints[:] = [c for c in lit.complaints if "404" not in c]
    lit.check()
    assert words in lit.page.inner_text("main")


def test_keys_reach_everything(lit: Seen, address: str) -> None:
    lit.open(f"{address}/?day={DAY}", DRAWN)
    reached = []
    for _ in range(40):
        lit.page.keyboard.press("Tab")
        reached.append(lit.page.evaluate("document.activeElement.textContent.trim().slice(0, 20)"))
    assert "To the content" in reached[0]
    assert any(r.startswith("The same as a table") for r in reached)


@pytest.mark.parametrize(("name", "week"), [("report", WEEK), ("report-empty", "2026-W53")])
def test_the_report_as_a_file(seen: Seen, store: ChdbStore, tmp_path: Path, name: str, week: str) -> None:
    file = tmp_path / "report.html"
    file.write_text(render_report(store, SCHOOL, week, "dpo@school.example"), "utf-8")
    seen.open(file.as_uri())
    seen.keep(name)
    seen.check()
    assert seen.page.evaluate("getComputedStyle(document.body).maxWidth") == "820px"  # its style sheet is let in


def test_the_report_is_one_sheet_of_paper(lit: Seen, store: ChdbStore, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(render_report(store, SCHOOL, WEEK), "utf-8")
    lit.open(file.as_uri())
    pdf = lit.page.pdf(prefer_css_page_size=True)
    assert pdf.count(b"/Type /Page\n") == 1
