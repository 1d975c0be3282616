"""Whatever a user types stays data: in every parameter of every named question, in addresses of pages, in commands."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from dashboards.queries import Query, questions
from dashboards.settings import PageSettings
from dashboards.web import make_app
from pcaps.sample_school.facts import HERE
from pipeline.backup import prints
from pipeline.door import Door
from pipeline.sqltext import bound
from pipeline.store import ChdbStore, StoreError
from tests.dashboards import sample_store
from tests.deploy.command import many

EVIL = (
    "'; DROP TABLE schoolgate.batch; --",
    "x' OR '1' = '1",
    "\\' OR 1 = 1 --",
    "') UNION ALL SELECT 1, 2, 3 --",
    "{school:String}",
    "{day:Date}",
    "${school:sqlstring}",
    "ysgol\0",
    "`",
    "/*",
    "%s%n",
    "\\N",
    "a\tb\nc",
    "$(id)",
    "é" * 3000,
)
TYPED = re.compile(r"\{(\w+):([^{}]+)\}")
evil = st.sampled_from(EVIL) | st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def values_of(question: Query, **own: object) -> dict[str, object]:
    """A plausible value for each parameter of a question."""
    found: dict[str, object] = {}
    for name, kind in TYPED.findall(question.sql):
        plain: object = sample_store.DAY if kind == "Date" else 1 if "Int" in kind else [] if "Array" in kind else "x"
        found[name] = {"school": sample_store.SCHOOL, "zone": "Europe/London"}.get(name, plain)
    return found | own


@pytest.fixture(scope="module")
def before(store: ChdbStore) -> object:
    return prints(store)


@pytest.mark.parametrize("question", questions().values(), ids=lambda question: question.name)
def test_text_in_a_parameter_of_a_named_question_is_text(question: Query, store: ChdbStore, before: object) -> None:
    texts = [name for name, kind in TYPED.findall(question.sql) if kind == "String" and name != "zone"]
    others = {name: kind for name, kind in TYPED.findall(question.sql) if kind not in ("String", "Array(String)")}

    @given(evil)
    @settings(max_examples=12)
    def stays_data(text: str) -> None:
        for name in texts:
            told = store.query(question.sql, values_of(question, **{name: text})).rows
            unknown = store.query(question.sql, values_of(question, **{name: "nobody has this name"})).rows
            assert told == unknown, "what nobody has finds what nobody has"
            if "{" not in text and "\0" not in text:  # else the embedded engine looks for a parameter in the literal
                literal = bound(question.sql, values_of(question, **{name: text}))  # as servers get it
                assert store.query(literal).rows == told
        for name in others:
            with pytest.raises(StoreError):
                store.query(question.sql, values_of(question, **{name: text}))

    stays_data()
    assert prints(store) == before


@pytest.mark.parametrize("text", EVIL[:-1], ids=range(len(EVIL) - 1))
def test_a_zone_is_a_name_or_refused(store: ChdbStore, text: str) -> None:
    for question in questions().values():
        if "zone" in question.params:
            with pytest.raises(StoreError):
                store.query(question.sql, values_of(question, zone=text))
    assert store.query("EXISTS TABLE schoolgate.batch").rows == [(1,)]


def test_what_is_typed_into_an_address_is_data(store: ChdbStore, before: object) -> None:
    with TestClient(make_app(store, PageSettings()), base_url="http://127.0.0.1", raise_server_exceptions=True) as page:
        for text in EVIL:
            for name in ("school", "day", "week", "service", "episode"):
                answer = page.get("/", params={name: text})
                assert answer.status_code < 500
    assert prints(store) == before


def test_what_is_typed_into_a_command_is_data(store: ChdbStore, before: object, tmp_path: Path) -> None:
    of, school = ["--store", str(store.path)], ["--school", str(shutil.copytree(HERE, tmp_path / "school"))]
    out = ["--out", str(tmp_path / "out.html")]
    commands = []
    for text in (text.replace("\0", "0") for text in EVIL[:12]):
        commands += [
            ["why", text, *of],
            ["why", "e1", *of, "--school-id", text],
            ["why", str(sample_store.DAY), *of, "--period", text, "--service", text],
            ["why", str(sample_store.DAY), *of, "--pseudonym", text, "--at", text],
            ["report", "--week", text, *of, *out],
            ["report", "--week", "2026-W47", "--school", text, *of, *out],
            ["catalogue", "changes", *of, "--school-id", text],
            ["contest", "list", *school, *of, "--as", text],
            ["backup", "--store", text],
            ["restore", text, *of],
        ]
    with Door(store):
        done = many(commands)
    for command, (status, _, err) in zip(commands, done, strict=True):
        assert status in (0, 1, 2), (command, err)
        assert "Traceback" not in err, (command, err)
    assert prints(store) == before
