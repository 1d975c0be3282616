"""`schoolgate feeds` and the doctor's view of the identity feeds."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from tests.deploy.command import schoolgate

SAMPLE = Path(__file__).parents[2] / "pcaps" / "sample_school" / "school"


@pytest.fixture
def school(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SAMPLE, tmp_path / "school"))


def test_each_feed_with_its_records_clock_and_what_was_dropped(school: Path) -> None:
    log = school / "feeds" / "logons.csv"
    with log.open("a") as feed:
        feed.write("yesterday,4624,PC-1,t01,X,0x1,2,-,\n2026-11-17T17:27")
    os.utime(log, (1794936428, 1794936428))  # ten seconds after its newest record
    done = schoolgate("feeds", "--school", school)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^Kea DHCP: \S+kea-leases4\.csv$", done.stdout, re.MULTILINE)
    assert "records 715, newest 2026-11-17 17:26:58, clock 9 s behind (by file)" in done.stdout
    assert "refused rows 1, accounts dropped 67, torn last line; left out: not_at_the_computer 258" in done.stdout
    assert re.search(r"logons\.csv:\d+: TimeCreated 'yesterday' is not a date and time", done.stdout)
    assert not re.search(r"\bp1\d{3}\b|\b[ts]\d\d\b", done.stdout), "no account by name"


def test_feeds_as_json(school: Path) -> None:
    done = schoolgate("feeds", "--school", school, "--json")
    kea, logons = json.loads(done.stdout)
    assert (kea["key"], logons["key"], logons["missing"]) == ("kea_leases", "logons", False)
    assert {"records", "newest", "offset_s", "offset_by", "refused", "accounts_dropped", "problems"} <= set(logons)


def test_a_file_of_another_format_is_one_message(school: Path) -> None:
    log = school / "feeds" / "logons.csv"
    log.write_bytes(log.read_bytes().decode().encode("utf-16-le"))
    done = schoolgate("feeds", "--school", school)
    assert done.returncode == 1
    assert done.stdout == ""
    message = (
        "schoolgate: logons.csv:1: there are zero bytes, so this is no UTF-8 text; write it as UTF-8, in PowerShell"
    )
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1


def test_no_identity_no_feeds(school: Path) -> None:
    path = school / "schoolgate.toml"
    path.write_text(path.read_text().replace('mode = "pseudonymous"', 'identity = "none"'))
    assert schoolgate("feeds", "--school", school).stdout == "identity = none: no feed is read.\n"


def test_the_doctor_looks_at_the_feeds(school: Path) -> None:
    (school / "feeds" / "logons.csv").unlink()
    done = schoolgate("doctor", "--config", school, "--json")
    found = {finding["id"]: finding for finding in json.loads(done.stdout)}
    assert found["feeds_there"]["severity"] == "fail"
    assert "logons.csv" in found["feeds_there"]["sentence"]
    (school / "staff.csv").write_text("half\n")
    done = schoolgate("doctor", "--config", school, "--json")
    found = {finding["id"]: finding for finding in json.loads(done.stdout)}
    assert found["feeds_there"]["severity"] == "fail"
    assert "staff.csv:1: missing columns" in found["feeds_there"]["sentence"]
