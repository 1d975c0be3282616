"""The report on paper and in Welsh: one tagged page whose numbers are the store's; no English left in the Welsh one."""

from __future__ import annotations

import ast
import contextlib
import re
import shutil
import subprocess
import zlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from dashboards import words
from dashboards.figures import OUTSIDE
from dashboards.hiding import shown
from dashboards.language import welsh
from dashboards.pdf import pdf_of
from dashboards.queries import ask, ask_one
from dashboards.report import CONFIDENCE, GROUPS, Edition, Told, tell
from dashboards.said import Said
from dashboards.schedule import find_term
from dashboards.schools import SchoolInfo
from dashboards.term import tell_term, term_view
from dashboards.week import week_view
from pipeline.store import ChdbStore
from pipeline.words import Outcome, Reason
from tests.dashboards.sample_store import MONDAY, SCHOOL, WEEK
from tests.dashboards.test_schedule import school as sample_school

ROOT = Path(__file__).parents[2] / "dashboards"
SUNDAY = date(2026, 11, 22)
EDITION = Edition(2, date(2026, 11, 24), (Said("The school’s files were corrected."),))
LEFT_OUT = (Said("Week {week} had no report: {name}.", {"week": "2026-W44", "name": Said("holiday")}),)
needs_poppler = pytest.mark.skipif(not shutil.which("pdftotext"), reason="needs poppler-utils")


@pytest.fixture(scope="module")
def told(store: ChdbStore, school: SchoolInfo) -> dict[str, Told]:
    view = week_view(store, school, WEEK)
    return {lang: tell(view, lang, "dpo@school.example", None, EDITION, LEFT_OUT) for lang in ("en", "cy")}  # type: ignore[arg-type,misc]


@pytest.fixture(scope="module", params=["en", "cy"])
def paper(request: pytest.FixtureRequest, told: dict[str, Told], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("paper") / f"{request.param}.pdf"
    path.write_bytes(pdf_of(told[request.param].page))
    return path


def run(*arguments: str | Path) -> str:
    return subprocess.run([*map(str, arguments)], capture_output=True, text=True, timeout=150, check=True).stdout


@needs_poppler
def test_the_numbers_on_paper_are_the_stores(store: ChdbStore, paper: Path) -> None:
    text = run("pdftotext", "-layout", paper, "-")
    totals = ask_one(store, "week_totals", school=SCHOOL, from_=MONDAY, to=SUNDAY)
    for outcome in Outcome:
        label = words.LOOKS[outcome].label if paper.stem == "en" else welsh()[words.LOOKS[outcome].label]
        assert re.search(rf"{re.escape(label)}\s+{shown(totals[outcome]).text}\s", text), label
    for row in ask(store, "week_by_kind", school=SCHOOL, from_=MONDAY, to=SUNDAY):
        name = words.kind_name(row["kind"]) if paper.stem == "en" else welsh()[words.kind_name(row["kind"])]
        both = rf"{name}\s+{shown(row['total']).text}\s+{shown(row[OUTSIDE]).text}\s"
        assert re.search(both, text), name
    assert "2026-W47" in text
    assert "dpo@school.example" in text


@needs_poppler
def test_it_is_one_tagged_page_for_every_reader(paper: Path) -> None:
    facts = dict(line.split(":", 1) for line in run("pdfinfo", paper).splitlines() if ":" in line)
    assert (facts["Pages"].strip(), facts["Tagged"].strip()) == ("1", "yes")
    assert "595.276 x 841.89" in facts["Page size"]
    assert "Ysgol Enghraifft" in facts["Title"]
    assert "pdfuaid:part" in run("pdfinfo", "-meta", paper)
    tree = run("pdfinfo", "-struct", paper)
    for tag in ("H1", "H2", "Table", "TH", "TD", "L", "LI", "Figure"):
        assert re.search(rf"^\s*{tag}[ :]", tree, re.M), tag
    objects = unpacked(paper)
    assert f"/Lang ({paper.stem})".encode() in objects
    assert objects.count(b"/Alt (") == 2


def unpacked(path: Path) -> bytes:
    """What a PDF holds, its streams unpacked."""
    found = []
    for stream in re.finditer(rb"stream\r?\n(.*?)\r?\nendstream", path.read_bytes(), re.S):
        with contextlib.suppress(zlib.error):
            found.append(zlib.decompress(stream[1]))
    return b"\n".join(found)


@needs_poppler
def test_the_picture_has_ink_to_its_foot_and_none_beyond_the_margins(paper: Path) -> None:
    page = subprocess.run(["pdftoppm", "-r", "40", "-gray", paper], capture_output=True, timeout=150, check=True).stdout
    found = re.match(rb"P5\s(\d+) (\d+)\s255\s", page)
    assert found
    width, height, pixels = int(found[1]), int(found[2]), page[found.end() :]
    rows = [min(pixels[y * width : (y + 1) * width]) < 200 for y in range(height)]
    assert sum(rows) > 0.4 * height
    assert not any(rows[: int(0.02 * height)])
    assert not any(rows[-int(0.02 * height) :])
    columns = [min(pixels[x::width]) < 200 for x in range(width)]
    assert not any(columns[: int(0.04 * width)])
    assert not any(columns[-int(0.04 * width) :])


def test_the_same_page_gives_the_same_bytes(told: dict[str, Told]) -> None:
    assert pdf_of(told["en"].page) == pdf_of(told["en"].page)


def test_charts_tell_their_numbers_to_whoever_does_not_see_them(store: ChdbStore, told: dict[str, Told]) -> None:
    by_day, by_week = re.findall(r"<title>(.*?)</title>", told["en"].page.partition("</head>")[2])
    for row in ask(store, "week_by_day", school=SCHOOL, from_=MONDAY, to=SUNDAY):
        assert f"Allowed times {shown(row['allowed']).text}," in by_day
    assert len(re.findall(r"\d\.\d|\d+,", by_week)) >= 9


def test_the_mail_needs_no_images_and_no_style_sheet(told: dict[str, Told]) -> None:
    for one in told.values():
        assert not re.search(r"<img|<svg|<link|<style|<script|url\(|src=|class=", one.mail)
        assert one.mail.count("<table") == 1


# ---------------------------------------------------------------------------------------------------------------- Welsh


def spoken() -> Iterator[str]:
    """Every text that a report may say: literals of `Said`, `counted` and `say`, and the words of outcomes and the
    rest."""
    names = ("week", "figures", "trust", "usual", "standing", "report", "issuing", "mail", "term")
    for path in (*(ROOT / f"{name}.py" for name in names), ROOT.parent / "deploy/letters.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                wanted = {"Said": node.args[:1], "counted": node.args[1:3], "say": node.args[1:2]}
                for argument in wanted.get(node.func.id, ()):
                    yield from (
                        n.value for n in ast.walk(argument) if isinstance(n, ast.Constant) and isinstance(n.value, str)
                    )
    for look in words.LOOKS.values():
        yield from (look.label, look.about)
    yield from (
        *words.KINDS.values(),
        *words.MENDS.values(),
        *words.LEFT_UNKNOWN.values(),
        *words.PAUSES.values(),
        *words.FREE.values(),
    )
    yield from (*CONFIDENCE.values(), *GROUPS.values(), *(reason.sentence for reason in Reason))


def test_everything_that_a_report_says_has_its_welsh() -> None:
    missing = {text for text in spoken() if re.search("[a-z]{2}", text)} - welsh().keys()
    assert not {text for text in missing if not text.startswith("schoolgate ")}


def test_no_english_is_left_in_the_welsh_report(store: ChdbStore, school: SchoolInfo, told: dict[str, Told]) -> None:
    term = tell_term(term_view(store, school, find_term(sample_school(), "2026-11-17"), sample_school()), "cy")
    empty = tell(week_view(store, school, "2026-W53"), "cy")
    for one in (told["cy"], term, empty):
        for text in (one.page.partition("<body>")[2], one.mail, one.text, one.subject):
            plain = re.sub(r"<[^>]*>|&[a-z#0-9]+;", " ", text)
            begun = {english.partition("{")[0] for english in welsh()}
            assert not [english for english in begun if len(english) > 12 and english in plain]
            for word in ("the", "and", "minutes", "Minutes", "week", "Week", "staff together", "of", "was", "not"):
                assert not re.search(rf"\b{word}\b", plain), (word, plain)
