"""The pages over HTTP: what they hold, what they refuse, and the headers that every answer carries."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from starlette.testclient import TestClient

from dashboards.guard import CONTENT_POLICY
from dashboards.queries import ask, ask_one, questions
from dashboards.settings import PageSettings
from dashboards.web import make_app
from pipeline.store import ChdbStore, Result, StoreError
from tests.dashboards.sample_store import DAY, SCHOOL

LATER = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def client(store: ChdbStore) -> Iterator[TestClient]:
    with TestClient(make_app(store, now=lambda: LATER), base_url="http://127.0.0.1:8350") as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/method", "/health.json", "/day.json", "/static/day.js", "/nowhere", "/?day=x"])
def test_every_answer_is_guarded(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["content-security-policy"] == CONTENT_POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == ("no-cache" if path.startswith("/static") else "no-store")


def test_pages_hold_nothing_inline_and_nothing_foreign(client: TestClient) -> None:
    for path in ("/", "/method", "/nowhere"):
        page = client.get(path).text
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?! src=)", page)
        assert not re.search(r"(?:src|href)=\"(?!/|#)", page)


def test_todays_figures_are_the_stores(client: TestClient, store: ChdbStore) -> None:
    page = client.get(f"/?day={DAY}").text
    totals = ask_one(store, "day_totals", school=SCHOOL, day=DAY)
    assert f"for {totals['total']:,} minutes" in page
    for row in ask(store, "day_by_kind", school=SCHOOL, day=DAY):
        assert f'<td class="n">{row["total"]:,}</td>' in page


def test_the_chart_is_the_stores_day(client: TestClient, store: ChdbStore) -> None:
    chart = client.get(f"/day.json?day={DAY}&school={SCHOOL}").json()
    stored = {int(r["time"].timestamp()): r for r in ask(store, "day_by_five", school=SCHOOL, day=DAY)}
    for series in chart["series"]:
        drawn = dict(zip(chart["time"], series["minutes"], strict=True))
        assert {t: m for t, m in drawn.items() if m} == {
            t: r[series["outcome"]] for t, r in stored.items() if r[series["outcome"]]
        }


def test_nothing_counts_or_names_people(client: TestClient) -> None:
    assert not re.search(r"pseudonym|\bperson[- ]\d|\d+ (people|persons|staff members)", client.get("/").text)
    assert "people" not in client.get("/day.json").text


def test_health_is_for_machines(client: TestClient) -> None:
    answer = client.get("/health.json").json()
    assert answer["status"] == "ok"
    assert answer["latest_day"] == {"ysgol-enghraifft": "2026-11-20", "ysgol-haf": "2026-06-17"}


def test_the_method_page_explains_every_question(client: TestClient) -> None:
    page = client.get("/method").text
    assert all(f"<code>{name}</code>" in page for name in questions())


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/?day=yesterday", 400, "write it as 2026-11-17"),
        ("/?day=2026-02-30", 400, "is not a date"),
        ("/?school=nowhere", 404, "no school"),
        ("/admin", 404, "There is no such page"),
        ("/?day=%3Cscript%3E", 400, "&lt;script&gt;"),
    ],
)
def test_bad_addresses_get_a_plain_answer(client: TestClient, path: str, status: int, words: str) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert words in answer.text
    assert "<script>" not in answer.text


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8350", "127.0.0.1.evil.example", ""])
def test_a_foreign_host_header_is_refused(client: TestClient, host: str) -> None:
    answer = client.get("/", headers={"host": host})
    assert answer.status_code == 421
    assert answer.headers["content-security-policy"] == CONTENT_POLICY


@pytest.mark.parametrize("host", ["localhost", "localhost:8350", "127.0.0.1", "[::1]:8350", "LOCALHOST:1"])
def test_this_machines_names_are_served(client: TestClient, host: str) -> None:
    assert client.get("/health.json", headers={"host": host}).status_code == 200


def test_other_bindings_serve_their_own_name(store: ChdbStore) -> None:
    named = TestClient(
        make_app(store, PageSettings(host="monitor.school.example")), base_url="http://monitor.school.example"
    )
    assert named.get("/health.json").status_code == 200
    every = TestClient(make_app(store, PageSettings(host="0.0.0.0")), base_url="http://10.0.0.5:8350")
    assert every.get("/health.json").status_code == 200
    assert every.get("/health.json", headers={"host": "evil.example"}).status_code == 421


class _Broken:
    def query(self, sql: str, params: object = None) -> Result:
        raise StoreError("store: it is gone")


def test_a_broken_store_is_said(store: ChdbStore) -> None:
    client = TestClient(make_app(_Broken()), base_url="http://127.0.0.1")  # type: ignore[arg-type]
    assert client.get("/health.json").status_code == 503
    page = client.get("/")
    assert (page.status_code, "it is gone" in page.text) == (503, True)
