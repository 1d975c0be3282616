"""The Timetable page: a file is shown before it changes anything, mended on the page, applied and taken back."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import date
from html import unescape
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from dashboards.figures import SMALLEST_GROUP
from dashboards.importing import (
    HELD,
    HELD_S,
    LARGEST,
    LONGEST_LINE,
    Upload,
    UploadRefused,
    Uploads,
    attempt,
    mended,
    safe_name,
)
from dashboards.placed import FEWEST, placed_day
from pipeline.access import Role
from pipeline.imports.versions import Versions
from pipeline.jobs import Jobs, Tell
from pipeline.store import ChdbStore, open_store
from tests.dashboards import sample_store
from tests.dashboards.schoolhouse import Schoolhouse
from tests.dashboards.small_school import make_school
from tests.pipeline.schools import HEADERS, school_of

GOOD = HEADERS["timetable"] + "\nT1,*,1,P2,lesson,,,,\nT2,*,2,P1,lesson,,,,\n"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChdbStore]:
    """A store that knows the school, and nothing of it."""
    with open_store(tmp_path_factory.mktemp("importing") / "store") as store:
        sample_store.add_school(store)
        yield store


@pytest.fixture
def house(store: ChdbStore, tmp_path: Path) -> Schoolhouse:
    """The pages of a small school."""
    return Schoolhouse(store, tmp_path / "school", source=make_school(tmp_path / "source"))


@pytest.fixture
def school(house: Schoolhouse) -> Path:
    return house.folder


@pytest.fixture
def manager(house: Schoolhouse) -> Iterator[TestClient]:
    with house.client(Role.NETWORK_MANAGER) as client:
        yield client


def send(client: TestClient, page: str, action: str, files: object = None, **fields: str) -> tuple[int, str]:
    """Fills in a form of a page that was loaded, and follows where it leads; status and text."""
    (token,) = set(re.findall(r'name="form_token" value="([^"]+)"', page))
    answer = client.post(action, data={"form_token": token, **fields}, files=files)  # type: ignore[arg-type]
    return answer.status_code, unescape(answer.text)


def upload(client: TestClient, text: str | bytes, name: str = "timetable.csv", **fields: str) -> tuple[int, str, str]:
    """Status, page and address of an upload."""
    page = client.get("/timetable").text
    (token,) = set(re.findall(r'name="form_token" value="([^"]+)"', page))
    data = text.encode() if isinstance(text, str) else text
    answer = client.post("/timetable/upload", data={"form_token": token, **fields}, files={"files": (name, data)})
    return answer.status_code, unescape(answer.text), answer.url.path


def test_an_upload_is_shown_and_changes_nothing_until_it_is_applied(manager: TestClient, school: Path) -> None:
    before = (school / "timetable.csv").read_bytes()
    status, page, path = upload(manager, GOOD)
    assert status == 200, page
    assert (status, "timetable.csv: 1 rows now, 2 after: 2 added, 1 removed" in page) == (200, True)
    assert "T1: + Mon P2 lesson; - Mon P1 lesson 7A B1" in page
    assert (school / "timetable.csv").read_bytes() == before
    assert not (school / "imports").exists()
    _, page = send(manager, page, path, do="keep")
    assert "Import 0001 waits; nothing has changed yet." in page
    assert (school / "timetable.csv").read_bytes() == before
    _, page = send(manager, page, "/timetable/apply", id="0001")
    assert "Import 0001 is in force." in page
    assert (school / "timetable.csv").read_text() == GOOD
    _, page = send(manager, page, "/timetable/rollback", id="0001")
    assert "Taken back: 0002" in page
    assert (school / "timetable.csv").read_bytes() == before
    assert manager.get(path).status_code == 404, "what is kept is held no longer"


def test_an_error_names_line_and_mend_and_is_mended_on_the_page(manager: TestClient, school: Path) -> None:
    status, page, path = upload(manager, GOOD.replace("T2,*,2,P1", "T2,*,9,P1"))
    assert status == 422
    assert "timetable.csv, line 3:" in page
    assert "weekday '9' is not a number from 1 to 7" in page
    assert '<span id="mend">' in page
    assert 'value="T2,*,9,P1,lesson,,,,"' in page
    status, page = send(manager, page, path, do="mend", file="timetable.csv", line="3", text="T2,*,2,P1,lesson,,,,")
    assert (status, "What would change" in page) == (200, True)
    _, page = send(manager, page, path, do="apply")
    assert "Import 0001 is in force." in page
    assert (school / "timetable.csv").read_text() == GOOD


def test_columns_are_mapped_on_the_page_and_remembered(manager: TestClient, school: Path) -> None:
    export = "Teacher,Which day,Lesson,What\nT1,Monday,P2,lesson\nT2,Tuesday,P1,lesson\n"
    status, page, path = upload(manager, export, "My export 2026-11-17.csv", options="yes", kind="timetable")
    assert (status, "missing columns" in page) == (422, True)
    names = {"staff_id": "Teacher", "weekday": "Which day", "slot": "Lesson", "activity": "What"}
    fields = {f"column:My export 2026-11-17.csv:{ours}": theirs for ours, theirs in names.items()}
    status, page = send(
        manager,
        page,
        path,
        do="read",
        options="yes",
        kind="timetable",
        words="week==*\nvalid_from==\nvalid_to==",
        **fields,
    )
    assert status == 200, re.findall(r'<p class="note.*', page)
    _, page = send(manager, page, path, do="apply")
    assert "Import 0001 is in force." in page
    status, page, _ = upload(manager, export, "My export 2026-11-24.csv", options="yes", kind="timetable")
    assert "Nothing: the school’s files say the same already." in page


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("what.csv", b"a,b\n1,2\n", "it cannot be told what this file is"),
        ("staff.xlsx", b"PK\x03\x04rest", "this is a workbook or an archive"),
        ("timetable.csv", b"", "the file is empty"),
        ("timetable.csv", b"\xff\xfes\x00t\x00", "the text is UTF-16"),
        ("timetable.csv", b"staff_id,week\n\0\n", "there is a zero byte in the text"),
        ("GPU001.TXT", b"not untis", "GPU001.TXT"),
        ("../../etc/passwd", b"root:x\n", "it cannot be told what this file is"),
        ("x.ics", b"BEGIN:VCALENDAR\nnothing", "x.ics"),
        ("timetable.csv", HEADERS["timetable"].encode() + b'\nT1,"open', "quotation marks"),
    ],
)
def test_what_is_no_export_is_refused_in_one_message(
    manager: TestClient, school: Path, name: str, data: bytes, words: str
) -> None:
    status, page, _ = upload(manager, data, name)
    assert status == 422
    assert words in page
    assert "etc/passwd" not in page
    assert not (school / "imports").exists()


def test_a_change_in_between_is_noticed_when_it_is_applied(manager: TestClient, school: Path) -> None:
    _, page, path = upload(manager, GOOD)
    _, page = send(manager, page, path, do="keep")
    (school / "timetable.csv").write_text(GOOD.replace("P2", "P1"))
    status, page = send(manager, page, "/timetable/apply", id="0001")
    assert status == 422
    assert "timetable.csv has changed since import 0001 was read" in page


@pytest.mark.parametrize("id_", ["", "x", "../1", "9" * 9, "0007"])
def test_an_import_that_is_not_there_is_refused(manager: TestClient, id_: str) -> None:
    page = manager.get("/timetable").text
    status, _ = send(manager, page, "/timetable/apply", id=id_)
    assert status in (400, 422)


def test_only_who_may_import_sees_the_page(house: Schoolhouse) -> None:
    with house.client(Role.HEAD) as head:
        assert head.get("/timetable").status_code == 403
        assert "/timetable" not in head.get("/reports").text


def test_who_did_it_is_written_down(manager: TestClient, house: Schoolhouse) -> None:
    _, page, path = upload(manager, GOOD)
    send(manager, page, path, do="apply")
    said = [(entry.action, entry.who.get("name")) for entry in house.office.trail.entries()]
    assert ("import.kept", "Sam Rees") in said
    assert ("import.applied", "Sam Rees") in said
    _, versions = house.office.imports()
    assert [version.applied_by for version in versions.all()] == ["Sam Rees"]


def test_files_that_cannot_be_read_are_told_on_the_page(manager: TestClient, school: Path) -> None:
    (school / "bells.csv").write_text("nonsense\n")
    page = unescape(manager.get("/timetable").text)
    assert "The school’s files cannot be read" in page
    assert "bells.csv:1:" in page


# --- what is held


def test_uploads_are_bounded_and_belong_to_somebody() -> None:
    clock = [0.0]
    uploads = Uploads(lambda: clock[0])
    first = uploads.take(Upload({"a.csv": b"x"}, "sam"))
    with pytest.raises(UploadRefused, match="not held"):
        uploads.get(first.token, "ann")
    for number in range(HELD):
        clock[0] = number + 1.0
        last = uploads.take(Upload({"a.csv": b"x"}, "sam"))
    with pytest.raises(UploadRefused, match="choose the files again"):
        uploads.get(first.token, "sam")
    clock[0] += HELD_S + 1
    with pytest.raises(UploadRefused):
        uploads.get(last.token, "sam")
    with pytest.raises(UploadRefused, match="32 MB"):
        uploads.take(Upload({"a.csv": bytes(LARGEST + 1)}, "sam"))
    with pytest.raises(UploadRefused, match="No file"):
        uploads.take(Upload({}, "sam"))


LINES = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0\ufeff"), max_size=20)


@given(st.lists(LINES, min_size=1, max_size=6), st.data())
def test_mending_a_line_changes_that_line_alone(lines: list[str], data: st.DataObject) -> None:
    end = data.draw(st.sampled_from(["\n", "\r\n"]))
    number = data.draw(st.integers(1, len(lines)))
    text = data.draw(LINES)
    before = Upload({"a.csv": end.join(lines).encode()}, "sam")
    after = mended(before, "a.csv", number, text)
    assert after.files["a.csv"].decode() == end.join([*lines[: number - 1], text, *lines[number:]])


@pytest.mark.parametrize(
    ("file", "line", "text"), [("b.csv", 1, "x"), ("a.csv", 0, "x"), ("a.csv", 9, "x"), ("a.csv", 1, "a\nb"),
    ("a.csv", 1, "x" * (LONGEST_LINE + 1))],
)  # fmt: skip
def test_what_is_no_line_cannot_be_mended(file: str, line: int, text: str) -> None:
    with pytest.raises(UploadRefused):
        mended(Upload({"a.csv": b"1\n2\n"}, "sam"), file, line, text)


def test_an_encoding_is_kept() -> None:
    before = Upload({"a.csv": "Siân\nHuw\n".encode("cp1252")}, "sam")
    assert mended(before, "a.csv", 2, "Siôn").files["a.csv"] == "Siân\nSiôn\n".encode("cp1252")
    with pytest.raises(UploadRefused, match="no such letter"):
        mended(before, "a.csv", 2, "Ŵyn")


@given(st.text(max_size=200))
def test_names_of_files_are_safe(name: str) -> None:
    safe = safe_name(name)
    assert safe
    assert len(safe) <= 80
    assert not set(safe) & set("/\\\0\n\r")


@settings(max_examples=60)
@given(st.binary(max_size=300), st.sampled_from(["timetable.csv", "x.csv", "a.ics", "GPU009.TXT", "duties.csv"]))
def test_no_bytes_make_it_fail(tmp_path_factory: pytest.TempPathFactory, data: bytes, name: str) -> None:
    folder = tmp_path_factory.getbasetemp() / "fuzzed"
    if not folder.exists():
        make_school(folder)
    from deploy.office import SchoolOffice

    settings_, versions = SchoolOffice(folder).imports()
    assert isinstance(versions, Versions)
    tried = attempt(Upload({name: data}, "sam"), versions, settings_, date(2026, 11, 17))
    assert (tried.fault is None) == (tried.found is not None)


# --- past days, judged anew


class Retagging:
    """The process that has the store, as far as the page asks it: what it was asked for, and an answer when told."""

    def __init__(self) -> None:
        self.jobs = Jobs()
        self.asked: list[tuple[Mapping[str, object], Mapping[str, str]]] = []
        self.begun, self.answer = threading.Event(), threading.Event()
        self.problem = ""
        self.jobs.start({"retag": self._retag})

    def _retag(self, asked: Mapping[str, object], who: Mapping[str, str], tell: Tell) -> Mapping[str, object]:
        self.asked.append((asked, who))
        tell("2026-11-16: day 1 of 1")
        self.begun.set()
        assert self.answer.wait(120)
        if self.problem:
            raise ValueError(self.problem)
        move = {"was": "outside_allowed", "becomes": "unknown", "minutes": 31}
        left = {"of services that are no longer in the catalogue": 2}
        day = {"day": "2026-11-16", "judged": 1412, "changed": 31, "moves": [move], "left": left}
        return {"days": [day], "kept": ["2026-11-16"] * 2, "dry_run": asked["dry_run"], "import": asked["import_id"]}


@pytest.fixture
def retagging() -> Iterator[Retagging]:
    found = Retagging()
    yield found
    found.answer.set()
    found.jobs.stop()


def test_past_days_that_an_import_changes_are_judged_anew_when_somebody_says_so(
    store: ChdbStore, tmp_path: Path, retagging: Retagging
) -> None:
    house = Schoolhouse(store, tmp_path / "school", source=make_school(tmp_path / "source"), jobs=retagging.jobs)
    with house.client(Role.NETWORK_MANAGER) as manager:
        _, page, path = upload(manager, GOOD)
        _, page = send(manager, page, path, do="apply")
        assert "It changes minutes of 2026-11-16, 2026-11-17. Their outcomes stay as they were until" in page
        assert not retagging.asked, "nothing is done that nobody asked for"
        answer = manager.post("/timetable/retag", data={"form_token": token_of(page), "id": "0001", "do": "try"})
        at = f"{answer.url.path}?{answer.url.query.decode()}"
        assert 'id="job"' in answer.text
        assert "It is at work; fresh minutes come in meanwhile." in answer.text
        assert retagging.begun.wait(120)
        job = at.partition("job=")[2]
        told = manager.get(f"/timetable/job.json?job={job}").json()
        assert told == {"over": False, "said": "2026-11-16: day 1 of 1"}
        retagging.answer.set()
        until_over(manager, job)
        page = unescape(manager.get(at).text)
        assert "Nothing is stored yet." in page
        assert "Outside allowed times → Unknown: 31" in page
        assert "left as they are: 2" in page
        answer = manager.post("/timetable/retag", data={"form_token": token_of(page), "id": "0001", "do": "judge"})
        until_over(manager, str(answer.url).partition("job=")[2])
        page = unescape(manager.get(str(answer.url)).text)
        assert "These days are judged anew." in page
        assert "1,412" in page
        retagging.problem = "the store is <b>full</b>"
        answer = manager.post("/timetable/retag", data={"form_token": token_of(page), "id": "0001", "do": "judge"})
        until_over(manager, str(answer.url).partition("job=")[2])
        page = manager.get(str(answer.url)).text
        assert "the store is &lt;b&gt;full&lt;/b&gt;" in page
        assert manager.get("/timetable?job=none").status_code == 200
        assert manager.get("/timetable/job.json?job=none").json()["over"]
    assert [asked["dry_run"] for asked, _ in retagging.asked] == [True, False, False]
    assert {(asked["import_id"], who["role"]) for asked, who in retagging.asked} == {("0001", "network_manager")}
    with house.client(Role.HEAD) as head:
        assert head.get("/timetable/job.json?job=x").status_code == 403


def token_of(page: str) -> str:
    return re.findall(r'name="form_token" value="([^"]+)"', page)[0]


def until_over(client: TestClient, job: str) -> None:
    end = time.monotonic() + 120
    while not client.get(f"/timetable/job.json?job={job}").json()["over"]:
        assert time.monotonic() < end


# --- what the timetable makes of a day


@settings(max_examples=40)
@given(st.integers(0, 14), st.integers(0, 30), st.integers(0, 12))
def test_no_state_of_fewer_than_ten_people_is_told(teaching: int, others: int, absent: int) -> None:
    people = [f"T{n},t{n},,teacher,1,,,," for n in range(max(teaching + others, absent, 1))]
    school = school_of(
        {
            "staff": people,
            "bells": ["normal,*,P1,lesson,09:00,10:00,*"],
            "calendar": ["2026-11-01,2026-12-18,term,Autumn"],
            "timetable": [f"T{n},*,2,P1,lesson,,,," for n in range(teaching)],
            "exceptions": [f"2026-11-17,T{n},,,absent,," for n in range(absent)],
        }
    )
    (period,) = placed_day(school, date(2026, 11, 17)).periods
    if period.shares:
        assert len(people) >= FEWEST
        assert sum(period.shares.values()) == pytest.approx(1, abs=0.025 * len(period.shares) + 1e-9)
        least = SMALLEST_GROUP / len(people) - 0.025 - 1e-9
        assert all(share >= least for share in period.shares.values())
        assert all(round(100 * share, 6) % 5 == 0 for share in (*period.shares.values(), *period.allowed.values()))
    else:
        assert len(people) < FEWEST
