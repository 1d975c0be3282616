"""Any bytes, and any damage to good files of every format: rows or one refusal, never another exception."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.imports.read import KINDS
from pipeline.imports.tables import ImportRefused
from tests.pipeline import test_import_csv, test_import_ical, test_import_untis
from tests.pipeline.importing import Text, as_bytes, imported
from tests.pipeline.test_import_fet import PRESENT as FET_PRESENT
from tests.pipeline.test_import_fet import table

Files = dict[str, Text]
UNTIS: Files = {**test_import_untis.PRESENT, "calendar.csv": test_import_untis.TERM}
GOOD: dict[str, tuple[Files, Files]] = {
    "timetable": (
        {"timetable.csv": test_import_csv.sheet("timetable", "T1,*,1,P1,lesson,7A,B1,,")},
        test_import_csv.PRESENT,
    ),
    "staff": ({"staff.csv": test_import_csv.sheet("staff", *test_import_csv.STAFF)}, {}),
    "fet": ({"x.csv": table('"1","Monday","P1","8A","Ma","T1+T2","","R",""')}, FET_PRESENT),
    "fet clock": (
        {"x.csv": table('"1","Day 1","9.00-10.00","8A","Ma","T1","","R",""')},
        {"staff.csv": FET_PRESENT["staff.csv"]},
    ),
    "ical": ({"f.ics": test_import_ical.feed(test_import_ical.MEETING)}, test_import_ical.PRESENT),
    "gpu001": (
        {
            "GPU001.TXT": test_import_untis.LESSON.format(day=1, period=1),
            "GPU002.TXT": test_import_untis.gpu002("1055", "WocheA", "LenPh", "20260901", "20261016"),
            "GPU009.TXT": '"S1","HauGe",1,2,20,"47~48",\n',
            "GPU013.TXT": '9,"L","LenPh","20261116","20261117","2","2","x","y",\n',
            "GPU014.TXT": test_import_untis.substitution("1", "LenPh", "HauGe", "S"),
            "GPU018.TXT": '"A","Early May",20270503,20270503,"F"\n',
            "time.txt": test_import_untis.TIME,
        },
        UNTIS,
    ),
}


def person(name: str) -> dict[str, str]:
    return {"person": "T1"} if name == "ical" else {}


@pytest.mark.parametrize("name", GOOD)
def test_the_good_files_are_good(name: str) -> None:
    files, present = GOOD[name]
    assert imported(files, present, **person(name)).merged.files


@pytest.mark.parametrize("name", GOOD)
@settings(max_examples=120)
@given(data=st.data())
def test_any_damage_is_read_or_refused(name: str, data: st.DataObject) -> None:
    files, present = GOOD[name]
    which = data.draw(st.sampled_from(sorted(files)))
    whole = as_bytes(files[which])
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(start + 40, len(whole))))
    filler = data.draw(
        st.one_of(st.just(b""), st.sampled_from([b'"', b"\n", b",", b"0", b"-1", b"\xff", b"*"]), st.binary(max_size=6))
    )
    tail = b"" if data.draw(st.booleans()) else whole[end:]
    with suppress(ImportRefused):
        imported({**files, which: whole[:start] + filler + tail}, present, **person(name))


@settings(max_examples=150)
@given(st.binary(max_size=120), st.sampled_from(KINDS))
def test_any_bytes_are_refused_or_read(data: bytes, kind: str) -> None:
    with suppress(ImportRefused):
        imported({"x": data}, test_import_csv.PRESENT, kind=kind, person="T1")
