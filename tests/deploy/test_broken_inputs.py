"""Files as strangers bring them: one clear message with file, line and mend; nothing of the school changes."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from deploy.cli import schoolgate
from pcaps.sample_school.facts import HERE

TABLES = sorted(path.name for path in HERE.glob("*.csv") if path.name != "access.csv")


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("broken") / "school"
    shutil.copytree(HERE, folder)
    return folder


def lines_of(name: str) -> list[str]:
    return (HERE / name).read_text(encoding="utf-8").splitlines()


def header(name: str) -> bytes:
    return lines_of(name)[0].encode() + b"\n"


def without_first_column(name: str) -> bytes:
    return "\n".join(line.split(",", 1)[1] for line in lines_of(name)[:4]).encode()


def wide(name: str) -> bytes:
    first, second = lines_of(name)[:2]
    names = [first, *(f"c{n}" for n in range(10_000))]
    return "\n".join([",".join(names), ",".join([second, *["x"] * 9_999])]).encode()


BREAK: dict[str, tuple[Callable[[str], bytes], str]] = {
    "nothing": (lambda name: b"", ":1: the file is empty; export it again"),
    "only a header": (header, ":1: .* would have 0 rows instead of"),
    "a column is missing": (without_first_column, ":1: missing column .*--map"),
    "utf-16": (lambda name: (HERE / name).read_text().encode("utf-16"), ":1: the text is UTF-16; save it as CSV UTF-8"),
    "utf-16 without a mark": (
        lambda name: (HERE / name).read_text().encode("utf-16-le"),
        ":1: there is a zero byte in the text; save it as text in UTF-8",
    ),
    "cp1252": (lambda name: header(name) + b"caf\xe9\n", ":2: byte 0xe9 is not UTF-8; export it again"),
    "a zero byte": (lambda name: header(name) + b"a\0b\n", ":2: there is a zero byte"),
    "half a row": (lambda name: header(name) + b'"x,y', ":2: the row cannot be read .* the file is not whole"),
    "ten thousand columns": (wide, ":2: the row has .* cells where the header has"),
    "a line of megabytes": (lambda name: header(name) + b"x" * 300_000, ":2: the row cannot be read .*limit"),
    "a column twice": (lambda name: header(name).rstrip() + b"," + header(name).split(b",")[0], ":1: column .* twice"),
}


def asked(school: Path, *words: str) -> Result:
    """An import with the school's files compared before and after."""
    before = {path.name: hashlib.sha256(path.read_bytes()).digest() for path in school.glob("*.csv")}
    done = CliRunner().invoke(schoolgate, ["import", *words, "--school", str(school)])
    assert before == {path.name: hashlib.sha256(path.read_bytes()).digest() for path in school.glob("*.csv")}
    assert not (school / "imports").exists()
    return done


@pytest.mark.parametrize("name", TABLES)
def test_a_broken_table_is_one_message(school: Path, tmp_path: Path, name: str) -> None:
    for what, (make, message) in BREAK.items():
        if what == "only a header" and len(lines_of(name)) < 10:
            continue  # of a short list that all rows go is nothing strange; the import waits and says so
        path = tmp_path / name
        path.write_bytes(make(name))
        done = asked(school, str(path))
        said = done.stderr.splitlines()
        assert (done.exit_code, len(said), done.stdout) == (1, 1, ""), (what, said)
        assert re.match(f"schoolgate: {name}{message}", said[0]), (what, said)


@pytest.mark.parametrize(
    ("name", "row", "message"),
    [
        ("exceptions.csv", "2026-02-30,T05,P1,,cover,,", "exceptions.csv:{n}: date '2026-02-30' is not a date"),
        ("exceptions.csv", "2026-11-17,T99,P1,,cover,,", "exceptions.csv:{n}: staff_id 'T99' is not in staff.csv"),
        ("staff.csv", "T05,x,,teacher,1,2020-01-01,,,", "staff.csv:{n}: staff_id 'T05'"),
        ("patterns.csv", "T05,2020-01-01,,*,1,09:00,08:00,,,contracted", "patterns.csv:{n}: end 08:00 is not after"),
        ("bells.csv", "normal,*,X,lesson,25:00,26:00,*", "bells.csv:{n}: start '25:00' is not a time"),
        ("calendar.csv", "2026-12-01,2026-11-01,holiday,", "calendar.csv:{n}: date_to 2026-11-01 lies before"),
    ],
)
def test_a_wrong_row_is_named_by_its_line(school: Path, tmp_path: Path, name: str, row: str, message: str) -> None:
    whole = (HERE / name).read_text(encoding="utf-8").rstrip("\n") + "\n"
    path = tmp_path / name
    path.write_text(whole + row + "\n", encoding="utf-8")
    done = asked(school, str(path))
    assert done.exit_code == 1
    assert done.stderr.startswith("schoolgate: " + message.format(n=whole.count("\n") + 1)), done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("ending", ["\r", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_marks_of_other_programs_are_read(school: Path, tmp_path: Path, ending: str, mark: str) -> None:
    path = tmp_path / "duties.csv"
    path.write_bytes((mark + ending.join(lines_of("duties.csv"))).encode())
    done = asked(school, str(path), "--dry-run")
    assert done.exit_code == 0, done.stderr
    assert "nothing changes" in done.stdout


def test_what_is_no_readable_file_is_refused_at_once(school: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    with (tmp_path / "huge.csv").open("wb") as file:
        file.truncate(200 << 20)
    for name, status, message in (
        ("folder", 2, "is a directory"),
        ("loop.csv", 2, "does not exist|symbolic"),
        ("none.csv", 2, "does not exist"),
        ("pipe.csv", 1, "pipe.csv:1: this is no file that can be read twice"),
        ("huge.csv", 1, "huge.csv:1: the file has 200 MB, and an export of a school has less than 16"),
    ):
        done = asked(school, str(tmp_path / name))
        assert done.exit_code == status, name
        assert re.search(message, done.stderr), done.stderr


def test_a_huge_table_in_the_school_itself_is_refused(school: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(school, own)
    with (own / "timetable.csv").open("r+b") as file:
        file.truncate(200 << 20)
    done = CliRunner().invoke(schoolgate, ["state", "T05", "2026-11-17", "--school", str(own)])
    assert done.exit_code == 1
    assert "timetable.csv:1: the file has 200 MB, and a school's table has less than 32" in done.stderr
