"""Reports that are issued when due, kept, corrected, and really received: once, or twice and saying so."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dashboards.pdf import PdfError
from deploy import letters
from deploy.asking import ask_for, requests
from deploy.assembly import SchoolFiles
from deploy.cli import main as schoolgate
from deploy.jobs import doers
from deploy.reporting import Reporting
from deploy.stores import owning
from deploy.work import JobError, Work
from pipeline.issued import deliveries, issue_of, issues
from pipeline.jobs import Jobs, Tell, Who
from pipeline.store import Store, open_store
from tests.dashboards import sample_store
from tests.dashboards.sample_store import SCHOOL
from tests.deploy.certificates import certificate
from tests.deploy.command import ROOT
from tests.deploy.posting import TO, at, files_of, parts, school_folder, set_report, tls_sink
from tests.deploy.report_victim import STEPS
from tests.pipeline.sinks import MailSink, free_port, mail_sink

FRIDAYS = at(2026, 11, 21, 9, 0)
BEFORE = at(2026, 11, 7, 9, 0)
TWICE = "[possible duplicate] "
Made = Callable[..., Path]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three weeks, W45 to W47."""
    path = tmp_path_factory.mktemp("filled") / "store"
    with open_store(path) as store:
        sample_store.fill(store, weeks=3)
    return path


@pytest.fixture
def made(tmp_path: Path, filled: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    """Makes a school's folder; its PDFs are none, but in the test that looks at one."""
    monkeypatch.setattr(letters, "pdf_of", lambda page: b"%PDF-")
    return lambda **report: school_folder(tmp_path / "school", filled, **report)


@pytest.fixture
def mail() -> Iterator[MailSink]:
    with mail_sink() as sink:
        yield sink


def tick(folder: Path, now: float) -> list[str]:
    """One round of a machine that is switched on for it; the states of what was tried."""
    files = files_of(folder)
    with owning(None, files.settings.store) as store:
        at_work = Reporting(files, store, lambda: now)
        tried = at_work.work()
        at_work.close()
    return [one.state for one in tried]


def subjects(mail: MailSink) -> list[str]:
    return [str(message["Subject"]).partition("week ")[2] for _, message in mail.got]


def looked_up(folder: Path, look: Callable[[Store], object]) -> object:
    with owning(None, files_of(folder).settings.store) as store:
        return look(store)


def test_two_missed_fridays_are_two_reports_once_each_and_in_order(made: Made, mail: MailSink) -> None:
    folder = made(port=mail.port)
    assert tick(folder, BEFORE) == ["sent"]
    assert tick(folder, BEFORE) == []
    assert tick(folder, FRIDAYS) == ["sent", "sent"]
    assert tick(folder, FRIDAYS + 86_400) == []
    assert subjects(mail) == ["2026-W45", "2026-W46", "2026-W47"]


def test_a_holiday_is_left_out_and_the_next_report_says_so(made: Made, mail: MailSink) -> None:
    """The week after the last one with data is a holiday here, and the one after that has no data at all."""
    folder = made(port=mail.port)
    calendar = folder / "calendar.csv"
    calendar.write_text(calendar.read_text("utf-8") + "2026-11-16,2026-11-20,holiday,Eisteddfod\n", "utf-8")
    tick(folder, at(2026, 11, 28, 9, 0))
    kept = looked_up(folder, lambda store: [(i.period, i.issue, i.why, i.name) for i in issues(store, SCHOOL)])
    assert ("2026-W47", 0, "holiday", "Eisteddfod") in kept  # type: ignore[operator]
    assert subjects(mail) == ["2026-W45", "2026-W46", "2026-W48"]
    text = parts(mail.got[-1][1])["text/plain"][0].decode()
    assert "There is nothing to report for this week." in text
    assert "The store holds no packets and no bells for it" in text
    assert "Week 2026-W47 had no report: Eisteddfod." in text


def test_the_governors_report_comes_once_when_a_term_is_over_and_weeks_do_not_wait_for_it(
    made: Made, mail: MailSink
) -> None:
    folder = made(port=mail.port, terms=True, terms_to=["governors@school.example"])
    term = (folder / "calendar.csv").read_text("utf-8")
    (folder / "calendar.csv").write_text(
        term.replace("2026-09-01,2026-12-18,term", "2026-09-01,2026-11-13,term"), "utf-8"
    )
    ask_for(folder / "reports", "term/2026-09-01", ["chair@school.example"])
    tick(folder, BEFORE)
    assert {str(message["To"]) for _, message in mail.got} == {TO, "chair@school.example"}
    tick(folder, at(2026, 11, 13, 17, 30))
    tick(folder, at(2026, 11, 13, 17, 40))
    assert sorted(str(message["To"]) for _, message in mail.got[2:]) == ["governors@school.example", TO]
    (governors,) = [message for _, message in mail.got if str(message["To"]) == "governors@school.example"]
    assert "Autumn 2026" in str(governors["Subject"])
    assert [part.get_filename() for part in governors.iter_attachments()] == ["social-media-term-2026-09-01-v2-en.pdf"]
    kept = looked_up(folder, lambda store: [i.issue for i in issues(store, SCHOOL) if i.period.startswith("term/")])
    assert kept == [1, 2]


def test_governors_who_alone_are_set_get_a_term_that_is_sent_by_hand(
    made: Made, mail: MailSink, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = made(port=mail.port, to=[], terms_to=["governors@school.example"])
    with pytest.raises(SystemExit):
        schoolgate(["report", "--send", "--term", "Autumn 2026", "--config", str(folder)])
    assert "term/2026-09-01, version 1: sent" in capsys.readouterr().out
    assert [str(message["To"]) for _, message in mail.got] == ["governors@school.example"]


def test_a_request_for_a_term_that_has_left_the_calendar_keeps_no_other_report_back(
    made: Made, mail: MailSink, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = made(port=mail.port)
    ask_for(folder / "reports", "term/2025-01-06", ["chair@school.example"])
    assert tick(folder, BEFORE) == ["sent"]
    assert subjects(mail) == ["2026-W45"]
    assert "2025-01-06 lies in no term of calendar.csv" in capsys.readouterr().err
    assert len(requests(folder / "reports")) == 1, "it waits for the calendar to be mended"


def test_without_the_setting_no_term_is_issued(made: Made, mail: MailSink) -> None:
    folder = made(port=mail.port, to=[])
    tick(folder, at(2026, 12, 18, 18, 0))
    kept = looked_up(folder, lambda store: [i.period for i in issues(store, SCHOOL) if i.period.startswith("term/")])
    assert kept == []


def test_a_mail_has_text_html_without_images_and_the_page_as_pdf(made: Made, mail: MailSink) -> None:
    tick(made(port=mail.port, languages=["en", "cy"]), FRIDAYS)
    _, message = mail.got[-1]
    found = parts(message)
    assert set(found) == {"text/plain", "text/html", "application/pdf"}
    html = found["text/html"][0].decode()
    assert "<img" not in html
    assert "url(" not in html
    assert "http" not in html
    assert "Staff used social media" in html
    assert "Defnyddiodd staff" in html
    assert message["To"] == TO
    assert [part.get_filename() for part in message.iter_attachments()] == [
        "social-media-2026-W47-en.pdf",
        "social-media-2026-W47-cy.pdf",
    ]


def test_starttls_with_a_certificate_and_a_log_in(made: Made, tmp_path: Path) -> None:
    server, key = certificate(tmp_path)
    password = tmp_path / "password"
    password.write_text("pa$$ word\n")
    password.chmod(0o600)
    with tls_sink((server, key), "gate", "pa$$ word") as sink:
        folder = made(port=sink.port, tls="starttls", user="gate", password_file=str(password), ca=str(server))
        assert tick(folder, FRIDAYS)[-1] == "sent"
        assert len(sink.got) == 3
        set_report(folder, port=sink.port, tls="starttls", user="gate", password_file=str(password))
        ask_for(folder / "reports", "2026-W47", ())
        assert tick(folder, FRIDAYS) == ["pending"]
        state = json.loads((folder / "reports/state.json").read_text())
        assert [one["problem"] for one in state["waiting"]] == ["certificate"]
        password.chmod(0o644)
        assert tick(folder, FRIDAYS + 60) == ["pending"]
        assert looked_up(folder, lambda store: deliveries(store, SCHOOL)[-1].problem) == "password"
        assert len(sink.got) == 3


def test_a_dead_server_is_tried_again_later_each_time_and_nothing_overtakes(made: Made, mail: MailSink) -> None:
    with free_port() as port:
        folder = made(port=port)
        assert tick(folder, FRIDAYS) == ["pending"]  # the weeks after it wait for it
        assert tick(folder, FRIDAYS + 5) == []
        assert tick(folder, FRIDAYS + 11) == ["pending"]
        assert tick(folder, FRIDAYS + 31) == []
    state = json.loads((folder / "reports/state.json").read_text())
    assert {one["problem"] for one in state["waiting"]} == {"connection", ""}
    set_report(folder, port=mail.port)
    assert tick(folder, FRIDAYS + 3600) == ["sent"] * 3
    assert subjects(mail) == ["2026-W45", "2026-W46", "2026-W47"]
    assert json.loads((folder / "reports/state.json").read_text())["waiting"] == []


def test_what_a_server_refuses_for_days_is_given_up_and_shown(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    with free_port() as port:
        folder = made(port=port)
        tick(folder, at(2026, 11, 20, 17, 0))
        tick(folder, at(2026, 11, 24, 9, 0))
    with pytest.raises(SystemExit):
        schoolgate(["report", "--list", "--config", str(folder)])
    assert "report.to: failed, attempt 2" in capsys.readouterr().out


def test_without_addresses_reports_are_kept_only(made: Made) -> None:
    folder = made(to=[])
    assert tick(folder, FRIDAYS) == []
    assert looked_up(folder, lambda store: len([i for i in issues(store, SCHOOL) if i.issue])) == 3
    assert looked_up(folder, lambda store: deliveries(store, SCHOOL)) == []


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_every_step_and_started_again(made: Made, mail: MailSink, step: str) -> None:
    """kill -9 once in the middle: every week comes, in order; what may have come before says so."""
    folder = made(port=mail.port)
    words = [sys.executable, "-m", "tests.deploy.report_victim", str(folder), str(FRIDAYS), step]
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    before = len(mail.got)
    tick(folder, FRIDAYS + 60)
    weeks = ["2026-W45", "2026-W46", "2026-W47"]
    assert subjects(mail)[before:] == weeks
    assert subjects(mail)[:before] == weeks[:before]
    doubtful = [str(message["Subject"]).startswith(TWICE) for _, message in mail.got]
    assert doubtful[before:] == ["sending" in step, False, False]
    assert not any(doubtful[:before])
    ids = [message["Message-ID"] for _, message in mail.got]
    assert len(set(ids)) == 3
    assert tick(folder, FRIDAYS + 120) == []


def correct(store: Store) -> None:
    """A re-tag by newer files: all minutes outside allowed times on Tuesday become allowed ones."""
    found = store.query(
        "SELECT people, sum(minutes) FROM schoolgate.use_day WHERE school = {school:String} AND day = {day:Date} "
        "AND level = 'all' AND outcome = 'outside_allowed' GROUP BY people",
        {"school": SCHOOL, "day": sample_store.DAY},
    )
    row = {"school": SCHOOL, "day": sample_store.DAY, "level": "all", "kind": "", "service": ""}
    row |= {"bytes_up": 0, "bytes_down": 0, **sample_store.VERSIONS, "timetable": "c0ffee"}
    rows = []
    for people, minutes in found.rows:
        n = int(str(minutes))
        rows.append({**row, "people": people, "outcome": "outside_allowed", "reason": "episode", "minutes": -n})
        rows.append({**row, "people": people, "outcome": "allowed", "reason": "break_not_on_duty", "minutes": n})
    store.insert("use_day", {name: [r[name] for r in rows] for name in rows[0]}, "retag")


def test_a_correction_issues_the_week_again_and_both_are_kept(made: Made, mail: MailSink) -> None:
    folder = made(port=mail.port)
    tick(folder, FRIDAYS)
    assert tick(folder, FRIDAYS + 7200) == []  # nothing has changed
    files = files_of(folder)
    with owning(None, files.settings.store) as store:
        correct(store)
        at_work = Reporting(files, store, lambda: FRIDAYS + 10_800)
        assert [(one.period, one.issue, one.state) for one in at_work.work()] == [("2026-W47", 2, "sent")]
        at_work.close()
        first, second = (issue_of(store, SCHOOL, "2026-W47", number) for number in (1, 2))
    assert first
    assert second
    assert "corrected" not in first.mails["subject"]
    assert second.mails["subject"].endswith("(corrected, version 2)")
    before, now = (one.shown["column/outside_allowed"][0] for one in (first, second))  # type: ignore[index]
    assert int(now) < int(before)
    for words in ("The school’s files were corrected.", f"Outside allowed times: {before} before, {now} now."):
        assert words in second.mails["text"]
        assert words in second.pages["en"]
        assert words not in first.pages["en"]
    assert tick(folder, FRIDAYS + 20_000) == []


@dataclass
class Holder:
    """A process that has the store, and sends when it is told so."""

    store: Store
    files: SchoolFiles
    send: Callable[[], None] | None

    def take_up(self) -> None: ...

    def changed(self) -> None: ...

    def work(self, who: Who, tell: Tell) -> Work:
        return Work(self.files, self.store, who, tell, send=self.send)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"period": "2026-W99"}, "is not an ISO week"),
        ({"period": "term/../../x"}, "is no term"),
        ({"to": ["head@school.example\nBcc: x@y.example"]}, "is not a mail address"),
        ({"to": ["a@b.example"] * 21}, "to: "),
        ({"to": ["a@b.example"]}, "name the week or the term"),
        ({"folder": "/etc"}, "folder: "),
    ],
)
def test_what_is_asked_of_the_owner_is_checked(made: Made, asked: dict[str, object], message: str) -> None:
    folder = made(to=[])
    files = files_of(folder)
    with owning(None, files.settings.store) as store:
        send = doers(folder, Holder(store, files, lambda: None))["report.send"]
        with pytest.raises(ValueError, match=message):
            send({"school": str(files.path.resolve()), **asked}, {}, print)
        only_pages = doers(folder, Holder(store, files, None))["report.send"]
        with pytest.raises(JobError, match="sends no reports"):
            only_pages({"school": str(files.path.resolve())}, {}, print)
    assert not requests(folder / "reports")


def test_a_request_is_left_for_the_process_that_has_the_store(
    made: Made, mail: MailSink, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = made(port=mail.port, to=[])
    files = files_of(folder)
    words = ["report", "--send", "--week", "2026-W46", "--to", "chair@school.example", "--config", str(folder)]
    jobs, woken = Jobs(), threading.Event()
    with owning(None, files.settings.store, jobs=jobs) as store:
        jobs.start(doers(folder, Holder(store, files, woken.set)))
        busy = subprocess.run(
            [sys.executable, "-m", "deploy.cli", *words],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        )
        assert "The process that has the store sends it now" in busy.stdout
        assert woken.is_set()
        jobs.stop()
        at_work = Reporting(files, store, lambda: FRIDAYS)
        assert [one.state for one in at_work.work()] == ["sent"]
        at_work.close()
    assert [message["To"] for _, message in mail.got] == ["chair@school.example"]
    assert requests(folder / "reports") == []
    with pytest.raises(SystemExit):
        schoolgate(words)
    assert "2026-W46, version 1: sent" in capsys.readouterr().out
    assert len(mail.got) == 2


def test_the_week_of_a_preview_is_that_of_the_schools_clock(
    made: Made, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = made(to=[])
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr(time, "time", lambda: at(2026, 6, 15, 0, 30))  # a Monday; in UTC it is Sunday
    try:
        with pytest.raises(SystemExit):
            schoolgate(["report", "--preview", "--config", str(folder)])
    finally:
        monkeypatch.undo()
        time.tzset()
    assert "2026-W25" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--send", "--to", "nobody"], "'nobody' is not a mail address"),
        (["--send", "--to", "a@b.example"], "name the week or the term"),
        (["--send"], "nobody is set to send it to"),
        (["--week", "2026-W99"], "is not an ISO week"),
        (["--term", "Lent"], "calendar.csv has Autumn 2026"),
        (["--week", "2026-W46", "--issue", "7"], "version 7 of 2026-W46 was never issued"),
        (["--week", "2026-W46", "--to", "a@b.example"], "--to goes with --send"),
        ([], "say which"),
    ],
)
def test_wrong_usage_ends_in_one_message(
    made: Made, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    folder = made(to=[])  # only what reads the store opens it
    with pytest.raises(SystemExit) as ended:
        schoolgate(["report", *words, "--config", str(folder)])
    assert ended.value.code in (1, 2)
    assert message in capsys.readouterr().err


def test_what_goes_wrong_in_the_middle_of_an_attempt_is_tried_again_as_a_possible_duplicate(
    made: Made, mail: MailSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = made(port=mail.port)
    files = files_of(folder)
    with owning(None, files.settings.store) as store, monkeypatch.context() as broken:
        broken.setattr(letters, "hand_over", lambda *_: 1 / 0)
        at_work = Reporting(files, store, lambda: FRIDAYS)
        assert [one.problem for one in at_work.work()] == ["unclear"]
        broken.undo()
        again = Reporting(files, store, lambda: FRIDAYS + 600)
        at_work.close()
        assert [one.state for one in again.work()] == ["sent"] * 3
        again.close()
    assert [str(message["Subject"]).startswith(TWICE) for _, message in mail.got] == [True, False, False]


def test_a_page_that_cannot_be_put_on_paper_goes_as_html(
    made: Made, mail: MailSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_pango(page: str) -> bytes:
        raise PdfError("no PDF can be made (libpango); run: apt-get install libpango-1.0-0")

    folder = made(port=mail.port)
    monkeypatch.setattr(letters, "pdf_of", no_pango)
    assert tick(folder, FRIDAYS)[-1] == "sent"
    names = [part.get_filename() for part in mail.got[-1][1].iter_attachments()]
    assert names == ["social-media-2026-W47-en.html"]
