"""`schoolgate alerts`, and what other commands say of alerts: nothing that stands for a person, no channel's URL."""

from __future__ import annotations

import csv
import json
import re
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy.alerting import texts_of
from deploy.assembly import read_school
from deploy.settings import SettingsError, load_settings
from pcaps.sample_school.facts import HERE
from pipeline.alerts.outbox import Outbox
from pipeline.alerts.raising import Alerts
from pipeline.wiki.odds import measured
from sensor.slices import pack_address
from tests.deploy.command import many
from tests.pipeline.alarming import Alarm
from tests.pipeline.sinks import MailSink, free_port, mail_sink

NM, HEAD, CHAIR = "network_manager/Sam Rees", "head/Ann Bowen", "chair_of_governors/Mair Lloyd"
SECRET = "hunter2"
AT = datetime(2026, 11, 17, 10, 42, 7, tzinfo=UTC).timestamp()


@pytest.fixture(scope="module")
def mail() -> Iterator[MailSink]:
    with mail_sink() as sink:
        yield sink


def make_school(folder: Path, mail: MailSink, mode: str = "pseudonymous") -> Path:
    shutil.copytree(HERE, folder, ignore=shutil.ignore_patterns("*.pcap", "spool", "store"))
    settings = folder / "schoolgate.toml"
    text = settings.read_text(encoding="utf-8").replace('"pseudonymous"', f'"{mode}"')
    with free_port() as port:
        dead = f"dead json://user:{SECRET}@127.0.0.1:{port}/{SECRET}"
    settings.write_text(f'{text}\n[alerts]\nchannels = ["office {mail.url}", "{dead}"]\n', encoding="utf-8")
    return folder


def raised(folder: Path, address: str, at: float = AT) -> str:
    """An alert in the school's outbox."""
    files = read_school(folder)
    where = files.settings.alerts.folder
    alerts = Alerts(Outbox(where), where, files.school, files.settings.alerts, texts_of(files.settings))
    alert = alerts.edit(Alarm(time=at, client=pack_address(address), unit=int(at)), time.time())
    assert alert is not None
    alerts.plan(time.time(), ["office", "dead"])
    return alert.id


def somebody(folder: Path) -> tuple[str, str, float]:
    """An address, the staff id of who had logged on there, and a moment a few minutes later."""
    with (folder / "feeds" / "kea-leases4.csv").open(encoding="utf-8") as file:
        leases = {row["hostname"]: row["address"] for row in csv.DictReader(file)}
    with (folder / "staff.csv").open(encoding="utf-8") as file:
        staff = {row["username"].split(";")[0]: row["staff_id"] for row in csv.DictReader(file)}
    with (folder / "feeds" / "logons.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            host = row["Computer"].partition(".")[0].lower()
            if row["EventId"] == "4624" and row["TargetUserName"] in staff and host in leases:
                at = datetime.fromisoformat(row["TimeCreated"].replace("Z", "+00:00")).timestamp()
                return leases[host], staff[row["TargetUserName"]], at + 180
    raise AssertionError("nobody is logged on")


def run(*commands: list[str]) -> list[tuple[int, str, str]]:
    return many(list(commands))


def test_what_was_raised_can_be_listed_shown_and_acknowledged(tmp_path: Path, mail: MailSink) -> None:
    folder = make_school(tmp_path / "school", mail)
    at = ["--school", str(folder)]
    (empty,) = run(["alerts", "list", *at])
    assert empty == (0, "No alerts in 28 days.\n", "")
    id_ = raised(folder, "10.20.1.5")
    by = ["--by", "Sam Rees", "--note", "It was a lesson."]
    listed, as_data, acknowledged, again, shown, unknown, still_open, doctor, config = run(
        ["alerts", "list", *at],
        ["alerts", "list", *at, "--json"],
        ["alerts", "ack", id_, *at, *by],
        ["alerts", "ack", id_, *at, *by],
        ["alerts", "show", id_, *at],
        ["alerts", "show", "a0", *at],
        ["alerts", "list", *at, "--open"],
        ["doctor", "--config", str(folder), "--json"],
        ["config", "show", "--config", str(folder)],
    )
    assert re.match(
        rf"{id_}  \S+ \S+  open +waiting +Likely edit of en.wikipedia.org, 10:42, the staff network", listed[1]
    )
    assert json.loads(as_data[1])["alerts"][0]["at"] == "2026-11-17T10:42:07+00:00"
    assert acknowledged[1] == f"Alert {id_} is acknowledged.\n"
    assert again[0] == 1
    assert "was acknowledged already" in again[2]
    assert "by Sam Rees. It was a lesson." in shown[1]
    assert "Base rate" in shown[1]
    assert unknown == (1, "", "schoolgate: there is no alert a0; `schoolgate alerts list` shows those there are\n")
    assert "No alerts" in still_open[1]
    findings = {finding["id"]: finding for finding in json.loads(doctor[1])}
    assert findings["alerts_set"]["sentence"] == "Alerts go to: office, dead."
    entries = [json.loads(line) for line in (folder / "audit.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(e["action"], e["who"]["claimed"]) for e in entries] == [("alert.acknowledged", "Sam Rees")]
    everything = "".join(out + err for _, out, err in (listed, as_data, shown, doctor, config))
    for word in ("10.20.1.5", SECRET, "mailto", str(mail.port)):
        assert word not in everything, word
    assert "alerts.channels" in config[1]


def test_a_test_message_arrives_and_a_dead_channel_is_said(tmp_path: Path, mail: MailSink) -> None:
    folder = make_school(tmp_path / "school", mail)
    at = ["--school", str(folder)]
    mail.got.clear()
    well, both, unknown, listed, doctor = run(
        ["alerts", "test", *at, "--channel", "office"],
        ["alerts", "test", *at],
        ["alerts", "test", *at, "--channel", "nosuch"],
        ["alerts", "list", *at],
        ["doctor", "--config", str(folder), "--json"],
    )
    assert well[0] == 0
    assert re.fullmatch(r"office: sent \S+ \S+ UTC, attempt 1\n", well[1])
    ((title, text), _) = mail.texts()
    assert title == "Schoolgate: Test message"
    assert "This is a test of the channel office." in text
    assert both[0] == 1
    assert re.search(r"dead: failed .* attempt 1: no connection to it", both[1])
    assert unknown[2] == "schoolgate: there is no channel nosuch; there are: office, dead\n"
    assert "! dead: failed" in listed[1]
    findings = {finding["id"]: finding for finding in json.loads(doctor[1])}
    assert findings["alert_channels"]["severity"] == "fail"
    assert "dead: no connection to it; a message was given up" in findings["alert_channels"]["sentence"]
    assert SECRET not in str((well, both, unknown, listed, doctor))


def test_an_alert_leads_to_a_name_by_two_people_and_a_case(tmp_path: Path, mail: MailSink) -> None:
    folder = make_school(tmp_path / "school", mail)
    address, staff_id, at = somebody(folder)
    id_ = raised(folder, address, at)
    school = ["--school", str(folder)]
    ask = ["--case", "2026/9", "--reason", "encyclopaedia_edit", "--text", "The wiki's stewards have written to us"]
    asked, early, approved, shown, as_data, unknown = run(
        ["lookup", "request", *school, "--as", NM, *ask, "--alert", id_],
        ["lookup", "show", "L1", *school, "--as", NM],
        ["lookup", "approve", "L1", *school, "--as", CHAIR],
        ["lookup", "show", "L1", *school, "--as", NM],
        ["lookup", "show", "L1", *school, "--as", CHAIR, "--json"],
        ["lookup", "request", *school, "--as", NM, *ask, "--alert", "a0"],
    )
    assert asked[:2] == (0, "Look-up L1 waits for a second person: schoolgate lookup approve L1 ...\n"), asked
    assert early[0] == 1
    assert approved[0] == 0, approved
    assert f"Look-up L1, alert {id_}, a likely edit of en.wikipedia.org: {staff_id} (" in shown[1], shown
    assert f"{address}  {staff_id}, grade B: log-on" in shown[1]
    assert f"chance that the alert is wrong: {measured()['likely'].wrong:.0%}. No finding." in shown[1]
    assert json.loads(as_data[1])["edits"][0]["address"] == address
    assert "there is no alert 'a0'" in unknown[2]
    trail = (folder / "audit.jsonl").read_text(encoding="utf-8")
    assert address not in trail
    assert [json.loads(line)["action"] for line in trail.splitlines()] == [
        *("lookup.requested", "lookup.show", "lookup.approved", "lookup.shown", "lookup.shown", "lookup.request")
    ]


def test_in_aggregate_mode_there_is_nothing_to_look_up(tmp_path: Path, mail: MailSink) -> None:
    folder = make_school(tmp_path / "school", mail, "aggregate")
    id_ = raised(folder, "10.20.1.5")
    assert not (folder / "alerts" / "clients.sqlite").exists()
    ask = ["--case", "2026/9", "--reason", "encyclopaedia_edit", "--text", "The wiki's stewards have written to us"]
    ((status, _, said), (_, shown, _)) = run(
        ["lookup", "request", "--school", str(folder), "--as", NM, *ask, "--alert", id_],
        ["alerts", "show", id_, "--school", str(folder)],
    )
    assert status == 1
    assert "this school keeps sums only (mode aggregate)" in said
    assert "There is no look-up for this alert: this school keeps sums only." in shown


@pytest.mark.parametrize(
    "written",
    [
        f'channels = "mailto://u:{SECRET}@h"',
        f'channels = ["Bad_Name mailto://u:{SECRET}@h"]',
        f'channels = ["{SECRET}"]',
        f'channels = ["a json://{SECRET}", "a json://{SECRET}"]',
        f"channels = [{{url = 'json://{SECRET}'}}]",
        "channels = [" + f'"json://{SECRET}", ' * 11 + "]",
    ],
)
def test_settings_that_are_wrong_are_said_without_the_url(tmp_path: Path, written: str) -> None:
    path = tmp_path / "schoolgate.toml"
    path.write_text(f'[school]\nid = "y"\nname = "Y"\nzone = "Europe/London"\n[alerts]\n{written}\n', encoding="utf-8")
    with pytest.raises(SettingsError) as refused:
        load_settings(path)
    assert str(refused.value).startswith(f"{path}:6: alerts.channels: ")
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ('quiet = "18-07"', "'18-07' is not a span of the day; write it as 18:00-07:00, or leave it empty"),
        ('quiet = "07:00-07:00"', "is not a span of the day"),
        ('digest_at = "4pm"', "'4pm' is not a time of day; write it as 16:00"),
        ('send = "certain"', "cannot be used"),
        ("per_hour = 0", "cannot be used"),
        ("chanels = []", "did you mean channels?"),
    ],
)
def test_settings_that_are_wrong_say_how_to_mend_them(tmp_path: Path, written: str, says: str) -> None:
    path = tmp_path / "schoolgate.toml"
    path.write_text(f'[school]\nid = "y"\nname = "Y"\nzone = "Europe/London"\n[alerts]\n{written}\n', encoding="utf-8")
    with pytest.raises(SettingsError, match=re.escape(says)):
        load_settings(path)


def test_a_file_of_channels_is_for_its_owner_alone(tmp_path: Path, mail: MailSink) -> None:
    folder = make_school(tmp_path / "school", mail)
    channels = folder / "alert-channels.txt"
    channels.write_text(f"# more\n\nteams json://{SECRET}@127.0.0.1:1/\n", encoding="utf-8")
    channels.chmod(0o644)
    ((status, _, said),) = run(["alerts", "test", "--school", str(folder), "--channel", "teams"])
    assert status == 1
    assert said == f"schoolgate: {channels}: others can read the channels; run: chmod 600 {channels}\n"
    channels.chmod(0o600)
    channels.write_text(f"office json://{SECRET}@127.0.0.1:1/\n", encoding="utf-8")
    ((status, _, said),) = run(["alerts", "test", "--school", str(folder)])
    assert said == f"schoolgate: {channels}: channel 3 has the name of another one; give each its own\n"
