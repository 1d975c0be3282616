"""Alerts beside the owner's work: from a file in the spool to a real mail server, and into the store; a detector of
straw stands for the real one."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from deploy.alerting import Alerting
from deploy.assembly import assemble, read_school
from deploy.unit_files import HOLD_S, UnitFiles
from pcaps.sample_school.facts import HERE
from pipeline.alerts.outbox import Outbox
from pipeline.assess import Assessor
from pipeline.pause import Pause, PauseReason
from pipeline.store import ChdbStore, open_store
from sensor.slices import pack_address
from sensor.spool import Spool
from tests.pipeline.alarming import AT, Alarm
from tests.pipeline.sinks import Hook, MailSink, hook, mail_sink, wait_for


class Straw:
    """Takes each row for an edit."""

    def __init__(self) -> None:
        self.broken = 0

    def read(self, tables: Sequence[pa.Table], now: float) -> list[Alarm]:
        if tables and self.broken:
            self.broken -= 1
            raise RuntimeError("straw")
        rows = [row for table in tables for row in table.to_pylist()]
        return [Alarm(time=row["time"], unit=row["unit"], client=pack_address(row["client"])) for row in rows]


def edits(*units: int, at: float) -> pa.Table:
    return pa.table({"time": [at] * len(units), "unit": units, "client": [f"10.20.0.{unit}" for unit in units]})


def spool(folder: Path, name: str, table: pa.Table) -> Path:
    """As the sensor writes: whole, then renamed."""
    written = Spool(folder, writer="x").write(table)
    path = written.with_name(f"uploads-{name}.arrow")
    written.rename(path)
    return path


class World:
    """A school with a mail server and a webhook; its clock is the real one, its notice date past."""

    def __init__(self, folder: Path, store: ChdbStore, mail: MailSink, web: Hook) -> None:
        self.folder, self.store, self.mail, self.web = folder, store, mail, web
        self.detector = Straw()
        settings = folder / "schoolgate.toml"
        text = settings.read_text(encoding="utf-8").replace("2026-09-01", "2020-01-01")
        settings.write_text(f"{text}\n[alerts]\nchannels_file = 'channels'\n", encoding="utf-8")
        channels = folder / "channels"
        channels.write_text(f"# where alerts go\noffice {mail.url}\n{web.url('hunter2')}\n", encoding="utf-8")
        channels.chmod(0o600)
        self.files = read_school(folder)
        self.assessor = assemble(self.files)

    @contextmanager
    def alerting(self, assessor: Assessor | None = None) -> Iterator[Alerting]:
        alerting = Alerting(
            self.files.settings, self.folder, assessor or self.assessor, self.store, self.detector, "nonesuch0"
        )
        alerting.start()
        try:
            yield alerting
        finally:
            alerting.stop()

    @property
    def spool(self) -> Path:
        return self.files.settings.sensor.spool

    def edits(self) -> list[str]:
        """Those about edits: on a school day feeds of last week are a matter for an alert too."""
        return [subject for subject in self.subjects() if "edit of" in subject]

    def subjects(self) -> list[str]:
        return [subject for subject, _ in self.mail.texts()]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChdbStore]:
    with open_store(tmp_path_factory.mktemp("store")) as store:
        yield store


@pytest.fixture
def world(tmp_path: Path, store: ChdbStore) -> Iterator[World]:
    folder = Path(shutil.copytree(HERE, tmp_path / "school", ignore=shutil.ignore_patterns("*.pcap", "spool", "store")))
    with mail_sink() as mail, hook() as web:
        yield World(folder, store, mail, web)


def test_an_edit_in_the_spool_reaches_mail_and_webhook_and_the_store(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    with world.alerting():
        began = time.time()
        spool(world.spool, "1", edits(1, 2, at=began - 1))
        wait_for(lambda: len(world.edits()) == 2 and sum("edit of" in body["title"] for body in world.web.got) == 2)
        print(f"from the spool to the mail server: {world.mail.got[0][0] - began:.2f} s")
    with closing(Outbox(world.files.settings.alerts.folder)) as outbox:
        assert {one.state for one in outbox.deliveries()} == {"sent"}
        ids = {alert.id for alert in outbox.alerts()}
    rows = world.store.query("SELECT id, certainty, segment, edits FROM schoolgate.alert FINAL").rows
    assert {(id_, "likely", "staff", 1) for id_ in ids} <= set(rows)
    sent = world.store.query("SELECT state, channel FROM schoolgate.alert_delivery FINAL ORDER BY channel").rows
    assert set(sent) == {("sent", "json"), ("sent", "office")}
    assert len(sent) == 4
    said = capsys.readouterr()
    assert "hunter2" not in said.out + said.err
    assert "10.20.0." not in said.out + said.err
    stored = str(world.store.query("SELECT * FROM schoolgate.alert").rows)
    assert "10.20.0" not in stored + str(world.mail.texts()) + str(world.web.got)


def test_another_process_tells_nothing_twice_and_misses_nothing(world: World) -> None:
    at = time.time()
    spool(world.spool, "1", edits(1, at=at))
    with world.alerting():
        wait_for(lambda: len(world.edits()) == 1)
    spool(world.spool, "2", edits(1, 2, at=at))
    with world.alerting():
        wait_for(lambda: len(world.edits()) == 2)
    assert len(world.edits()) == 2


def test_a_detector_that_stumbles_stops_nothing_and_what_it_had_is_read_by_the_next_process(world: World) -> None:
    world.detector.broken = 1
    at = time.time()
    spool(world.spool, "1", edits(1, at=at))
    with world.alerting():
        wait_for(lambda: not world.detector.broken)
        spool(world.spool, "2", edits(2, at=at))
        wait_for(lambda: len(world.edits()) == 1)
    with world.alerting():
        wait_for(lambda: len(world.edits()) == 2)


def test_in_a_pause_nothing_is_raised(world: World) -> None:
    minute = int(time.time() // 60)
    school = replace(world.assessor.school, pauses=(Pause(minute - 5, minute + 500, PauseReason.EVACUATION),))
    paused = assemble(replace(world.files, school=school))
    spool(world.spool, "1", edits(1, at=time.time()))
    with world.alerting(paused):
        pass
    with closing(Outbox(world.files.settings.alerts.folder)) as outbox:
        assert outbox.alerts() == []


def test_a_report_that_cannot_be_sent_is_told_on_the_channels_that_live(world: World) -> None:
    """The report's own mail server is dead; the office's channel is not."""
    path = world.folder / "schoolgate.toml"
    path.write_text(
        f"{path.read_text()}\n[report]\nto = ['head@school.example']\nhost = '127.0.0.1'\n", encoding="utf-8"
    )
    world.files = read_school(world.folder)
    reports = world.files.settings.report.folder
    reports.mkdir(exist_ok=True)
    began, calls = time.time(), iter(range(10**9))
    waiting = {"period": "2026-W47", "state": "pending", "attempt": 4, "problem": "connection", "changed": began}
    (reports / "state.json").write_text(json.dumps({"at": began, "waiting": [waiting]}), encoding="utf-8")
    alerting = Alerting(
        world.files.settings, world.folder, world.assessor, world.store, world.detector, "nonesuch0",
        lambda: began + 20 * next(calls),  # minutes pass in moments
    )  # fmt: skip
    alerting.start()
    try:
        wait_for(lambda: any("The report of 2026-W47 waits after 4 attempts" in body for _, body in world.mail.texts()))
    finally:
        alerting.stop()
    (told,) = [body for _, body in world.mail.texts() if "The report of 2026-W47" in body]
    assert "no connection to the mail server" in told
    assert "What to do: Correct [report] in the settings, then: schoolgate report --send" in told


def test_files_leave_some_minutes_after_all_of_them_is_told(tmp_path: Path) -> None:
    files = UnitFiles(tmp_path)
    path = spool(tmp_path, "1", edits(1, at=AT))
    (tmp_path / "uploads-0.arrow").write_bytes(b"half of")
    assert [table.num_rows for table in files.fresh()] == [1]
    assert (tmp_path / "uploads-0.arrow.broken").exists()
    assert files.fresh() == []
    files.done(1000.0)
    files.done(1000.0 + HOLD_S)
    assert path.exists()
    files.done(1001.0 + HOLD_S)
    assert not path.exists()
