"""Alerts: raised once, told by the rules of the school, and never saying more than they may."""

from __future__ import annotations

import ipaddress
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from pipeline.alerts.alert import period_at, told
from pipeline.alerts.database import open_private, writing
from pipeline.alerts.settings import AlertSettings
from pipeline.pause import Pause, PauseReason
from pipeline.wiki.alarm import Certainty
from pipeline.wiki.odds import measured
from sensor.health import Severity
from tests.deploy.command import ROOT
from tests.pipeline.alarming import AT, CLIENT, Alarm, Desk, quick_folder, titles
from tests.pipeline.judging import small_school


@pytest.fixture
def folder() -> Iterator[Path]:
    with quick_folder() as path:
        yield path


def wrong(certainty: str) -> str:
    return f"{measured()[certainty].wrong * 100:.0f} %"


@pytest.fixture
def desk(folder: Path) -> Desk:
    return Desk(folder / "alerts")


def test_a_likely_edit_is_told_at_once_with_all_that_it_must_say(desk: Desk) -> None:
    desk.alerts.edit(Alarm(), desk.now)
    ((title, body),) = desk.tell()
    assert title == "Schoolgate: Likely edit of en.wikipedia.org, 10:42, the staff network"
    assert "10:42:07 on Tuesday 17 November 2026 (10:42:07 UTC), in P2 (lesson), from the staff network" in body
    assert "The page was asked for at once." in body
    assert f"Chance that this alert is wrong: {wrong('likely')} (up to " in body
    assert "Base rate: about 1 edit in 1,000 page views." in body
    assert "false alarms in 10,000 page views" in body
    assert "Since 4 November 2025 English Wikipedia shows a temporary account" in body
    assert "no name, no pseudonym and no address" in body
    (alert,) = desk.outbox.alerts()
    assert f"schoolgate lookup request --alert {alert.id}" in body
    assert (alert.kind, alert.period, alert.period_kind, alert.segment) == ("wiki_edit", "P2", "lesson", "staff")


def test_local_time_and_utc_differ_in_summer(folder: Path) -> None:
    at = datetime(2026, 6, 16, 10, 42, 7, tzinfo=UTC).timestamp()
    desk = Desk(folder, school=small_school(notice_date=date(2026, 1, 1)), now=at)
    desk.alerts.edit(Alarm(time=at), at)
    ((_, body),) = desk.tell()
    assert "11:42:07 on Tuesday 16 June 2026 (10:42:07 UTC)" in body


def test_nothing_that_is_kept_or_told_says_who_it_was(desk: Desk) -> None:
    why = (f"{CLIENT} at 00:16:3e:00:10:00, fd00:20::7 and p1f0c404a83b2 sent 5,124 B by /srv/x/y.pcap",)
    desk.alerts.edit(Alarm(why=why), desk.now)
    desk.tell()
    stored = (desk.folder / "outbox.sqlite").read_bytes() + (desk.folder / "outbox.sqlite-wal").read_bytes()
    everything = stored.decode("latin-1") + str(desk.channel.got)
    packed = ipaddress.ip_address(CLIENT).packed.decode("latin-1")
    for word in (CLIENT, "00:16:3e", "fd00:20", "p1f0c404", "/srv", "5,124", "5124", packed):
        assert word not in everything, word
    assert "(left out)" in desk.channel.got[0][1]
    assert "about 3 kB" in desk.channel.got[0][1]


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("up 116165 B", "up about 100 kB"),
        ("up 2.3 kB, then 170 B", "up about 3 kB, then under 1 kB"),
        ("up 1.9 MB", "up over 100 kB"),
        ("15,000 bytes", "about 10 kB"),
        ("within 0.2 s at 10:42:07, 4 records", "within 0.2 s at 10:42:07, 4 records"),
        ("version 1.2.3.4 of en.wikipedia.org", "version (left out) of en.wikipedia.org"),
    ],
)
def test_sizes_are_rough_and_times_stay(said: str, read: str) -> None:
    assert told(said) == read


@pytest.mark.parametrize(
    ("segment", "says"), [("pupil", "pupils are never looked up"), ("guest", "nobody is looked up")]
)
def test_other_networks_alert_too_but_lead_to_nobody(desk: Desk, segment: str, says: str) -> None:
    desk.alerts.edit(Alarm(segment=segment), desk.now)
    ((_, body),) = desk.tell()
    assert says in body
    assert "lookup request" not in body
    assert desk.seen(desk.outbox.alerts()[0].id) == ()


def test_a_school_that_keeps_sums_keeps_no_address_and_says_so(folder: Path) -> None:
    desk = Desk(folder, school=small_school(mode="aggregate"))
    desk.alerts.edit(Alarm(), desk.now)
    ((_, body),) = desk.tell()
    assert "this school keeps sums only" in body
    assert not (folder / "clients.sqlite").exists()


def test_a_wiki_of_others_is_told_apart(desk: Desk) -> None:
    desk.alerts.edit(Alarm(wiki="wiki.example.org", service="ourwiki"), desk.now)
    ((_, body),) = desk.tell()
    assert "may still show the school's address in public" in body


def test_what_was_read_itself_is_confirmed_and_says_what_that_means(desk: Desk) -> None:
    desk.alerts.edit(Alarm(certainty=Certainty.CONFIRMED, probability=0.998), desk.now)
    ((_, body),) = desk.tell()
    assert "wrong: under 1 %. The wiki is not encrypted" in body


def test_the_same_traffic_read_again_is_the_same_alert(desk: Desk) -> None:
    first = desk.alerts.edit(Alarm(), desk.now)
    desk.tell()
    desk.restart()
    again = desk.alerts.edit(Alarm(), desk.now + 60)
    assert first is not None
    assert again is not None
    assert (again.id, again.count) == (first.id, 1)
    assert len(desk.tell()) == 1


def test_edits_of_one_device_on_one_wiki_are_one_alert_with_a_count(desk: Desk) -> None:
    for n in range(4):
        desk.alerts.edit(Alarm(time=AT + 120 * n, unit=7 + n), desk.now)
        desk.tell()
    (alert,) = desk.outbox.alerts()
    assert (alert.count, alert.last) == (4, AT + 360)
    assert len(desk.channel.got) == 1
    assert [seen.at for seen in desk.seen(alert.id)] == [AT + 120 * n for n in range(4)]
    desk.alerts.edit(Alarm(time=AT + 601, unit=20), desk.now)
    desk.alerts.edit(Alarm(wiki="cy.wikipedia.org", unit=21), desk.now)
    desk.alerts.edit(Alarm(client=b"\0" * 16, unit=22), desk.now)
    assert len(desk.outbox.alerts()) == 4


def test_one_unit_may_hold_two_edits_and_one_edit_be_told_twice(desk: Desk) -> None:
    for alarm in (Alarm(certainty=Certainty.POSSIBLE), Alarm(time=AT + 0.4), Alarm(time=AT + 6), Alarm(time=AT + 6.2)):
        desk.alerts.edit(alarm, desk.now)
    assert [(alert.certainty, alert.count) for alert in desk.outbox.alerts()] == [("likely", 2)]


def test_after_a_restart_alarms_that_are_read_again_are_counted_once(desk: Desk) -> None:
    alarms = [Alarm(time=AT + n, unit=7 + n) for n in range(3)]
    for alarm in alarms:
        desk.alerts.edit(alarm, desk.now)
    desk.restart()
    for alarm in [*alarms, Alarm(time=AT + 5, unit=50)]:
        desk.alerts.edit(alarm, desk.now)
    assert [alert.count for alert in desk.outbox.alerts()] == [4]


def test_what_is_only_possible_waits_for_the_digest(desk: Desk) -> None:
    desk.alerts.edit(Alarm(certainty=Certainty.POSSIBLE, probability=0.3), desk.now)
    assert desk.tell() == []
    desk.now = datetime(2026, 11, 17, 15, 59, 59, tzinfo=UTC).timestamp()
    assert desk.tell() == []
    desk.now += 1
    ((title, body),) = desk.tell()
    assert title == "Schoolgate: Digest of Tuesday 17 November 2026: 1 alerts"
    assert "How often alerts of this certainty are wrong has not been measured." in body
    assert "temporary account" in body
    desk.now += 3 * 86_400
    assert len(desk.tell()) == 1


def test_a_digest_that_fell_into_an_outage_is_sent_later(desk: Desk) -> None:
    desk.alerts.edit(Alarm(certainty=Certainty.POSSIBLE), desk.now)
    desk.restart()
    desk.now += 86_400
    assert titles(desk.tell()) == ["Schoolgate: Digest of Tuesday 17 November 2026: 1 alerts"]


def test_an_edit_that_becomes_surer_is_told_then(desk: Desk) -> None:
    desk.alerts.edit(Alarm(certainty=Certainty.POSSIBLE, probability=0.3), desk.now)
    assert desk.tell() == []
    desk.alerts.edit(Alarm(certainty=Certainty.LIKELY), desk.now)
    assert len(desk.tell()) == 1
    desk.alerts.edit(Alarm(certainty=Certainty.CONFIRMED, probability=0.99), desk.now)
    desk.alerts.edit(Alarm(certainty=Certainty.POSSIBLE, probability=0.2), desk.now)
    assert len(desk.tell()) == 1  # it was told already
    assert desk.outbox.alerts()[0].certainty == "confirmed"


def test_an_edit_that_becomes_surer_after_the_digest_is_told_again(desk: Desk) -> None:
    desk.alerts.edit(Alarm(certainty=Certainty.POSSIBLE), desk.now)
    desk.now += 86_400
    desk.tell()
    desk.alerts.edit(Alarm(certainty=Certainty.LIKELY), desk.now)
    assert len(desk.tell()) == 2


def test_a_school_may_want_possible_ones_at_once_or_only_confirmed_ones(folder: Path) -> None:
    for send, expected in (("possible", 1), ("confirmed", 0)):
        desk = Desk(folder / send, AlertSettings(send=send))  # type: ignore[arg-type]
        desk.alerts.edit(Alarm(certainty=Certainty.LIKELY if send == "confirmed" else Certainty.POSSIBLE), desk.now)
        assert len(desk.tell()) == expected


def test_more_than_an_hour_may_have_come_together_and_none_is_lost(folder: Path) -> None:
    desk = Desk(folder, AlertSettings(per_hour=3))
    for n in range(10):
        desk.alerts.edit(Alarm(unit=100 + n, client=bytes([n] * 16)), desk.now)
        desk.tell()
    assert len(desk.channel.got) == 3
    desk.now += 899
    assert len(desk.tell()) == 3
    desk.now += 1
    title, body = desk.tell()[-1]
    assert title == "Schoolgate: 7 alerts together"
    ids = {alert.id for alert in desk.outbox.alerts()}
    assert len(ids) == 10
    said = "\n".join(text for _, text in desk.channel.got)
    assert all(id_ in said for id_ in ids)
    assert "temporary account" in body
    assert "Base rate" in body
    desk.now += 3600
    assert len(desk.tell()) == 4


def test_a_message_names_fifty_and_counts_the_rest(folder: Path) -> None:
    desk = Desk(folder, AlertSettings(per_hour=1))
    for n in range(60):
        desk.alerts.edit(Alarm(time=AT + n, unit=100 + n, client=bytes([n] * 16)), desk.now)
    desk.tell()
    _, body = desk.tell()[-1]
    assert body.count("Likely edit of") == 50
    assert "and 9 more" in body


def test_no_alert_before_the_notice_date_nor_in_a_pause(folder: Path) -> None:
    tomorrow = Desk(folder / "a", school=small_school(notice_date=date(2026, 11, 18)))
    assert tomorrow.alerts.edit(Alarm(), tomorrow.now) is None
    never = Desk(folder / "b", school=small_school(notice_date=None, mode="aggregate"))
    assert never.alerts.edit(Alarm(), never.now) is None
    minute = int(AT // 60)
    from dataclasses import replace

    paused = replace(small_school(), pauses=(Pause(minute, minute + 1, PauseReason.EVACUATION),))
    resting = Desk(folder / "c", school=paused)
    assert resting.alerts.edit(Alarm(), resting.now) is None
    assert resting.alerts.edit(Alarm(time=AT + 60), resting.now) is not None
    assert tomorrow.tell() == never.tell() == []


def test_what_is_wrong_is_raised_once_and_its_end_is_told(desk: Desk) -> None:
    desk.examine(Severity.FAIL, 2)
    assert desk.tell() == []
    desk.examine(Severity.FAIL, 20)
    ((title, body),) = desk.tell()
    assert title == "Schoolgate: Sensor"
    assert "Not one packet has come." in body
    assert "What to do: Check the mirror." in body
    desk.examine(Severity.OK, 9)
    assert len(desk.tell()) == 1
    desk.examine(Severity.OK)
    assert titles(desk.tell())[1:] == ["Schoolgate: Over: Sensor"]
    assert desk.outbox.alerts()[0].state == "recovered"
    desk.examine(Severity.FAIL, 3)
    assert len(desk.tell()) == 3


def test_what_comes_and_goes_does_not_flap(desk: Desk) -> None:
    for _ in range(20):
        desk.examine(Severity.FAIL, 2)
        desk.examine(Severity.OK)
        desk.examine(Severity.UNKNOWN)
    assert desk.tell() == []
    desk.examine(Severity.WARN, 3)
    for _ in range(20):
        desk.examine(Severity.OK, 9)
        desk.examine(Severity.FAIL)
    assert len(desk.tell()) == 1


def test_a_restart_remembers_what_is_wrong(desk: Desk) -> None:
    desk.examine(Severity.FAIL, 5)
    desk.tell()
    desk.restart()
    desk.examine(Severity.FAIL, 5)
    assert len(desk.tell()) == 1
    desk.restart()
    desk.examine(Severity.OK, 10)
    assert len(desk.tell()) == 2


def test_quiet_hours_hold_operational_alerts_and_say_what_is_over(folder: Path) -> None:
    desk = Desk(folder, AlertSettings(quiet="18:00-07:00"))
    desk.now = datetime(2026, 11, 17, 20, 0, tzinfo=UTC).timestamp()
    desk.examine(Severity.FAIL, 3)
    desk.examine(Severity.OK, 10)
    desk.examine(Severity.FAIL, 3)
    desk.alerts.edit(Alarm(time=desk.now), desk.now)
    assert titles(desk.tell()) == ["Schoolgate: Likely edit of en.wikipedia.org, 20:16, the staff network"]
    desk.now = datetime(2026, 11, 18, 6, 59, 59, tzinfo=UTC).timestamp()
    assert len(desk.tell()) == 1
    desk.now += 1
    title, body = desk.tell()[1]
    assert title == "Schoolgate: 2 alerts from the quiet hours"
    assert "over since 20:03" in body
    desk.now += 3600
    assert len(desk.tell()) == 2  # its end has been told


def test_edits_may_be_quiet_too(folder: Path) -> None:
    desk = Desk(folder, AlertSettings(quiet="10:00-11:00", quiet_for="all"))
    desk.alerts.edit(Alarm(), desk.now)
    assert desk.tell() == []
    desk.now = datetime(2026, 11, 17, 11, 0, tzinfo=UTC).timestamp()
    assert titles(desk.tell()) == ["Schoolgate: Likely edit of en.wikipedia.org, 10:42, the staff network"]


def test_acknowledging_keeps_the_first_and_needs_an_alert(desk: Desk) -> None:
    alert = desk.alerts.edit(Alarm(), desk.now)
    assert alert is not None
    assert desk.outbox.acknowledge(alert.id, desk.now, "Sam Rees", "Talked about it.")
    assert desk.outbox.acknowledge(alert.id, desk.now + 5, "Ann Bowen", "")
    found = desk.outbox.alert(alert.id)
    assert found is not None
    assert (found.state, found.acknowledged, found.acknowledged_by) == ("acknowledged", desk.now, "Sam Rees")
    assert not desk.outbox.acknowledge("a000", desk.now, "x", "")


def test_welsh_texts_say_the_same(folder: Path) -> None:
    desk = Desk(folder, AlertSettings(language="cy"))
    desk.alerts.edit(Alarm(), desk.now)
    desk.examine(Severity.FAIL, 3)
    (title, body), (_, operational) = desk.tell()
    assert title == "Schoolgate: Golygiad tebygol ar en.wikipedia.org, 10:42, rhwydwaith y staff"
    for words in (
        "Cyfradd sylfaenol",
        "4 Tachwedd 2025",
        "cyfrif dros dro",
        f"yn anghywir: {wrong('likely')}",
        "P2 (gwers)",
    ):
        assert words in body
    assert "Gwelwyd ers 10:42:09, Dydd Mawrth 17 Tachwedd 2026" in operational
    assert not re.search(r"\{\w+\}", title + body + operational)


def test_the_period_is_that_of_the_bells_on_that_day() -> None:
    school = small_school()
    assert period_at(school, AT) == ("P2", "lesson")
    assert period_at(school, AT + 20 * 60) == ("BRK", "break")
    assert period_at(school, AT + 8 * 3600) == ("", "")
    assert period_at(school, datetime(2026, 11, 21, 10, 42, tzinfo=UTC).timestamp()) == ("", "")


ASK = """
import sys
from contextlib import closing
from pathlib import Path
from pipeline.alerts.database import open_private
with closing(open_private(Path(sys.argv[1]), "CREATE TABLE IF NOT EXISTS t (n)")) as database:
    print([n for (n,) in database.execute("SELECT n FROM t")])
"""


def test_another_process_that_looks_and_goes_loses_nothing_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "private.sqlite"

    def others() -> str:
        done = subprocess.run(
            [sys.executable, "-c", ASK, str(path)], cwd=ROOT, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    tables = "CREATE TABLE IF NOT EXISTS t (n)"
    with closing(open_private(path, tables)) as ours:
        open_private(path, tables).close()  # as the pages, or what removes the old, do in the same process
        assert others() == "[]"
        with writing(ours):
            ours.execute("INSERT INTO t VALUES (1)")
        assert others() == "[1]", "what we write is what they see"
        open_private(path, tables).close()
        assert others() == "[1]"
    assert others() == "[1]"
    (tmp_path / "link.sqlite").symlink_to(path)
    with pytest.raises(OSError, match="link"):
        open_private(tmp_path / "link.sqlite", tables)


def test_a_commit_that_fails_does_not_stop_all_that_comes_after_it(tmp_path: Path) -> None:
    tables = "CREATE TABLE a (n PRIMARY KEY); CREATE TABLE b (n REFERENCES a DEFERRABLE INITIALLY DEFERRED)"
    with closing(open_private(tmp_path / "some.sqlite", tables)) as database:
        database.execute("PRAGMA foreign_keys = ON")
        with pytest.raises(sqlite3.IntegrityError), writing(database):
            database.execute("INSERT INTO b VALUES (1)")  # which SQLite refuses at the very end
        with writing(database):
            database.execute("INSERT INTO a VALUES (2)")
        assert [tuple(row) for row in database.execute("SELECT n FROM a UNION ALL SELECT n FROM b")] == [(2,)]
