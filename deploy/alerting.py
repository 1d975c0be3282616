"""Alerts of a live Schoolgate: a thread beside the owner's work that reads what the sensor wrote about wikis, looks
whether all is well, and raises, tells and copies alerts; the sending has threads of its own (pipeline.alerts.sender).

Nothing here waits for the store's windows, and nothing of them waits for this. Whatever goes wrong in a round is said,
and the next round begins.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click
import pyarrow as pa

from dashboards.report_health import REPORTS, facts_of
from deploy.settings import Settings
from deploy.unit_files import UnitFiles
from pipeline.alerts.alert import Kind
from pipeline.alerts.copies import copy_changes
from pipeline.alerts.health import ALERTING, SHOWN_S, WATCHED, AlertFacts, Blind, blind_of
from pipeline.alerts.outbox import Outbox
from pipeline.alerts.raising import Alerts
from pipeline.alerts.sender import Lock, Sender
from pipeline.alerts.settings import Address, ChannelError, read_addresses
from pipeline.alerts.texts import Texts
from pipeline.audit import AuditTrail
from pipeline.calendar import DayKind, school_day
from pipeline.feeds.status import FEEDS_HEALTH, facts_now
from pipeline.identity import Bindings
from pipeline.pause import pause_at
from pipeline.privacy_health import PRIVACY, privacy_facts
from pipeline.school import School
from pipeline.sitechecks import SITES, site_facts
from pipeline.store import Store
from pipeline.store_health import STORE, store_facts
from pipeline.tables import zone_of
from pipeline.wiki.alarm import EditAlarm
from sensor.checks import SENSOR
from sensor.health import Finding, Severity
from sensor.vitals import Vitals, measure

if TYPE_CHECKING:
    from pipeline.assess import Assessor

LOOK_S, COPY_S = 1.0, 5.0
EXAMINE_S, SELDOM_S = 60.0, 600.0
"""Between two examinations of what may change within minutes, and of the rest."""
SELDOM_IN_A_ROW = 2
FEEDS_FROM_HOUR = 10
"""On a school day feeds must be fresh from this hour on."""
RAISED = {**WATCHED, "report_mail": Kind.REPORT_UNSENT}
"""Health check -> the kind of alert that it raises; of the reports, too, which are made above the pipeline."""


class Detector(Protocol):
    """Tells edits from reads (pipeline.wiki). It remembers what it has read."""

    def read(self, tables: Sequence[pa.Table], now: float) -> Iterable[EditAlarm]:
        """The alarms of what has come since the last call: tables of units, cues and requests, in any order."""
        ...


class Alerting:
    """The alerts of the owner process. `card`: the interface that is watched."""

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        assessor: Assessor,
        store: Store,
        detector: Detector,
        card: str,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._settings, self._assessor, self._store = settings, assessor, store
        self._trail = AuditTrail(folder / settings.privacy.audit)
        self._detector, self._card, self._now = detector, card, now
        self._stopping, self._changed = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="alerts", daemon=True)
        self._spool = UnitFiles(settings.sensor.spool)
        self._alarms: deque[EditAlarm] = deque()
        self._said: dict[str, float] = {}
        self._addresses: tuple[Address, ...] = ()
        self._sender: Sender | None = None
        self._due = {self._copy: 0.0, self._examine: 0.0, self._examine_seldom: 0.0}
        self._started = now()

    def start(self) -> None:
        self._thread.start()

    def renew(self, settings: Settings, assessor: Assessor) -> None:
        """Goes by newer files of the school from the next round on."""
        self._settings, self._assessor = settings, assessor
        self._changed.set()

    def stop(self) -> None:
        """One last round, and the end."""
        self._stopping.set()
        self._thread.join()

    # -------------------------------------------------------------------------------------------------------- rounds

    def _work(self) -> None:
        folder = self._settings.alerts.folder
        with contextlib.ExitStack() as stack:
            try:
                lock = stack.enter_context(contextlib.closing(Lock(folder)))
                self._outbox = stack.enter_context(contextlib.closing(Outbox(folder)))
            except (OSError, ValueError) as error:
                click.echo(f"schoolgate: {error}; there are no alerts until this is mended", err=True)
                return
            self._alerts = Alerts(self._outbox, folder, self._school, self._settings.alerts, self._texts)
            self._read_channels()
            while not self._stopping.is_set():
                self._round(lock)
                self._stopping.wait(LOOK_S)
            self._due[self._copy] = 0.0
            self._round(lock)
            if self._sender:
                self._sender.stop()
            self._attempt(self._copy)

    def _round(self, lock: Lock) -> None:
        if self._changed.is_set():
            self._changed.clear()
            self._attempt(self._renewed)
        if self._sender is None and lock.take():
            self._attempt(self._start_sending)
        self._attempt(self._look)
        now = self._now()
        for job, due in self._due.items():
            if now >= due:
                self._attempt(job)
                every = {self._copy: COPY_S, self._examine: EXAMINE_S}.get(job, SELDOM_S)
                self._due[job] = now + every

    def _attempt(self, job: Callable[[], None]) -> None:
        try:
            job()
        except Exception as error:  # alerts must go on, whatever one round meets
            self._complain(f"alerts: {type(error).__name__}: {error}")

    def _complain(self, text: str) -> None:
        """Says what is wrong; the same again only after some minutes."""
        now = self._now()
        if now - self._said.get(text, 0.0) > SELDOM_S:
            self._said = {text: now} if len(self._said) > 100 else self._said | {text: now}
            click.echo(f"schoolgate: {text}", err=True)

    def _look(self) -> None:
        """Edits since the last round, and the messages that are due."""
        self._alarms.extend(self._detector.read(self._spool.fresh(), self._now()))
        while self._alarms:
            try:
                self._alerts.edit(self._alarms[0], self._now())
            except (OSError, sqlite3.OperationalError):
                raise  # no room on the disk: it is tried again in the next round
            except Exception as error:  # one that cannot be told must not keep back those after it
                self._complain(f"alerts: an alarm was left out ({type(error).__name__}: {error})")
            self._alarms.popleft()
        self._spool.done(self._now())
        made = self._alerts.plan(self._now(), [address.name for address in self._addresses])
        for message in made:
            click.echo(f"schoolgate: {message.sort} {message.id}: {message.title.partition(': ')[2]}", err=True)
        if made and self._sender:
            self._sender.wake()

    def _copy(self) -> None:
        copy_changes(self._outbox, self._store, self._school.settings.id)

    def _renewed(self) -> None:
        self._alerts.renew(self._school, self._settings.alerts, self._texts)
        before = self._addresses
        self._read_channels()
        if self._sender and before != self._addresses:
            self._sender.stop()
            self._start_sending(recover=False)

    def _read_channels(self) -> None:
        try:
            self._addresses = read_addresses(self._settings.alerts)
        except ChannelError as error:
            click.echo(f"schoolgate: {error}; alerts go where they went before", err=True)

    def _start_sending(self, *, recover: bool = True) -> None:
        self._sender = Sender(self._settings.alerts.folder, self._addresses, self._texts, now=self._now)
        self._sender.start(recover=recover)

    # -------------------------------------------------------------------------------------------------------- health

    def _examine(self) -> None:
        """What may change within minutes; while the school pauses nobody watches, and nothing of this is wrong."""
        now = self._now()
        if pause_at(now, self._school.pauses) is not None:
            return
        vitals = measure(self._settings.sensor, self._card)
        findings = [self._alive(finding, vitals, now) for finding in SENSOR.examine(vitals)]
        findings += ALERTING.examine(self._facts(now, vitals))
        findings += STORE.examine(store_facts(self._settings.store, now))
        findings += REPORTS.examine(facts_of(self._settings.report, now))
        self._take(findings, now, seldom=False)

    def _alive(self, finding: Finding, vitals: Vitals, now: float) -> Finding:
        """A sensor of which nothing is heard is no matter of doubt here, where it should run."""
        if finding.id != "sensor" or vitals.workers or now - self._started < 2 * EXAMINE_S:
            return finding
        sentence, mend = "Nothing has been heard of the sensor for a minute.", "See the log of `schoolgate run`."
        return Finding(finding.id, finding.title, Severity.FAIL, sentence, "0", mend)

    def _examine_seldom(self) -> None:
        now = self._now()
        school, settings = self._school, self._settings
        findings: list[Finding] = []
        if (
            _feeds_are_due(school, now)
            and isinstance(bindings := self._assessor.bindings, Bindings)
            and not bindings.off
        ):
            findings += FEEDS_HEALTH.examine(facts_now(bindings.feeds, bindings.counts, now))
        today = datetime.fromtimestamp(now, zone_of(school.settings.zone)).date()
        services = self._assessor.catalogue.services
        findings += SITES.examine(site_facts(school, self._assessor.profile, services, today))
        keys = settings.school.pseudonym_keys
        findings += PRIVACY.examine(privacy_facts(self._trail, "", school.pauses, keys, self._now))
        blind = blind_of(self._store, school.settings.id, now)
        findings += ALERTING.examine(AlertFacts(now, today, self._assessor.catalogue.version, {}, blind))
        self._take([finding for finding in findings if finding.id != "alert_channels"], now, seldom=True)

    def _facts(self, now: float, vitals: Vitals) -> AlertFacts:
        today = datetime.fromtimestamp(now, zone_of(self._school.settings.zone)).date()
        names = [address.name for address in self._addresses]
        deliveries = self._outbox.unsettled(now - SHOWN_S)
        return AlertFacts(now, today, "", vitals.counters, Blind(), names, "", deliveries)

    def _take(self, findings: Iterable[Finding], now: float, *, seldom: bool) -> None:
        for finding in findings:
            if kind := RAISED.get(finding.id):
                in_a_row = (SELDOM_IN_A_ROW, SELDOM_IN_A_ROW) if seldom else None
                self._alerts.condition(kind, finding, now, in_a_row)

    @property
    def _school(self) -> School:
        return self._assessor.school

    @property
    def _texts(self) -> Texts:
        return texts_of(self._settings)


def texts_of(settings: Settings) -> Texts:
    """The texts of a school's alerts."""
    school = settings.school
    return Texts(school.name, zone_of(school.zone), settings.alerts.language, school.mode == "pseudonymous")


def _feeds_are_due(school: School, now: float) -> bool:
    """Is it a time at which feeds should have new records? Nights, weekends and holidays are none."""
    wall = datetime.fromtimestamp(now, zone_of(school.settings.zone))
    return wall.hour >= FEEDS_FROM_HOUR and school_day(school, wall.date()).kind in (DayKind.SCHOOL, DayKind.INSET)
