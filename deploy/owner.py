"""The owner process of a live Schoolgate: tends the sensor workers, brings the spool into the store, serves the pages.

Only this process opens the database; only the workers open the network card; the spool lies between them. A worker
that dies is started again, and the others go on. The school's files and feeds are read again when they change. While
the school pauses (pipeline.pause) no worker runs. What is too old leaves every hour (pipeline.retention); the store is
backed up every night, and nothing is stored while its disk is nearly full (deploy.keeping). Alerts have threads of
their own (deploy.alerting); reports are issued and sent beside the rest (deploy.reporting). On SIGTERM the workers
write what they hold, and the spool is drained once more.
APScheduler only ticks; what is due is decided by what lies in the spool and in the store.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import click
import uvicorn
from apscheduler.schedulers.background import BackgroundScheduler

from deploy.alerting import Alerting
from deploy.assembly import SchoolFiles, SchoolWatch
from deploy.changes import note_changes
from deploy.detecting import live_detector
from deploy.keeping import Keeping
from deploy.pages import PagesServer, app_of, config_of, listen, open_accounts, refuse_unsafe
from deploy.reporting import Reporting
from deploy.sensing import Sensing
from pipeline import retag
from pipeline.audit import AuditTrail
from pipeline.contest import settle
from pipeline.ingest import Ingest
from pipeline.pause import pause_at
from pipeline.retention import enforce
from pipeline.store import Store, StoreError
from sensor.spool import Spool, SpoolError

if TYPE_CHECKING:
    from pipeline.assess import Assessor

DRAIN_EVERY_S = 2
RETAIN_EVERY_S = 3600
REPORT_EVERY_S = 60
KEEP_EVERY_S = 300


class Owner:
    """See the module's header. `run` returns when `stopping` is set."""

    def __init__(
        self,
        store: Store,
        assessor: Assessor,
        files: SchoolFiles,
        interface: str,
        sensing: Sensing,
        stopping: threading.Event,
        *,
        with_pages: bool,
        finish: bool,
    ) -> None:
        settings = files.settings
        self._watch = SchoolWatch(files)
        self._settings = settings
        self._assessor = assessor
        self._trail = AuditTrail(files.folder / settings.privacy.audit)
        self._folder = files.folder
        self._paused = False
        self._store = store
        self._sensing = sensing
        self._spool = Spool(settings.sensor.spool, settings.sensor.spool_cap_mib << 20, "owner")
        self._ingest = Ingest(store, assessor, interface, workers=sensing.names)
        detector = live_detector(assessor.profile, settings.alerts.wiki_sizes)
        self._alerting = Alerting(settings, files.folder, assessor, store, detector, interface)
        self._reporting = Reporting(files, store, stopping=stopping)
        self._keeping = Keeping(settings)
        self._with_pages, self._finish = with_pages, finish
        self._stopping = stopping
        self._lock = threading.Lock()

    def run(self) -> None:
        """Work until stopped. Raises OSError if the pages' address cannot be had."""
        pages = self._start_pages() if self._with_pages else None
        self._write_down_changes()
        self._retain()
        scheduler = BackgroundScheduler(timezone="UTC")
        scheduler.add_job(self._retain, "interval", seconds=RETAIN_EVERY_S, max_instances=1, coalesce=True)
        scheduler.add_job(self._back_up, "interval", seconds=KEEP_EVERY_S, max_instances=1, coalesce=True)
        scheduler.add_job(self._tick, "interval", seconds=DRAIN_EVERY_S, max_instances=1, coalesce=True)
        scheduler.add_job(self._reporting.tick, "interval", seconds=REPORT_EVERY_S, max_instances=1, coalesce=True)
        scheduler.start()
        self._alerting.start()
        while not self._stopping.wait(1.0):
            pass
        scheduler.shutdown(wait=True)
        self._sensing.stop()
        self._alerting.stop()
        self._reporting.close()
        self._drain()
        if self._finish:
            self._ingest.finish()
            self._drain()
        if pages:
            pages.should_exit = True
        done = self._ingest.progress
        click.echo(
            f"schoolgate: stopped; {done.windows_stored} windows stored, "
            f"{len(self._spool.files())} files wait in the spool"
        )

    def _tick(self) -> None:
        if not self._stopping.is_set():
            self._watch_or_pause()
        self._drain()

    def _watch_or_pause(self) -> None:
        """Tends the workers; while the school pauses there are none, so that nothing is seen."""
        pause = pause_at(time.time(), self._assessor.school.pauses)
        if pause and not self._paused:
            click.echo(f"schoolgate: paused ({pause.reason}); nothing is observed", err=True)
            self._sensing.stop()
        elif self._paused and not pause:
            click.echo("schoolgate: the pause is over; observing again", err=True)
            self._sensing.start()
        elif not pause:
            self._sensing.tend()
        self._paused = pause is not None

    def _retain(self) -> None:
        """Removes what is too old, and finishes what a contest began."""
        school = self._assessor.school
        with self._lock:
            try:
                settle(self._store, school.settings.id, school.settings.zone)
                retag.settle(self._store, school.settings.id)
                spool = self._settings.sensor.spool
                keys, alerts = self._assessor.pseudonyms, self._settings.alerts.folder
                backups = self._settings.store.backup_folder
                outcome = enforce(self._store, school, spool, self._trail, keys, alerts=alerts, backups=backups)
                problems: tuple[object, ...] = outcome.problems
            except (OSError, ValueError) as error:
                problems = (error,)
        for problem in problems:
            click.echo(f"schoolgate: retention failed: {problem}; data are older than the notice says", err=True)

    def _back_up(self) -> None:
        self._keeping.back_up_if_due(self._store)

    def _write_down_changes(self) -> None:
        try:
            note_changes(self._trail, self._watch.settings, self._assessor.school.version)
        except (OSError, ValueError) as error:
            click.echo(f"schoolgate: a change of the settings could not be written down: {error}", err=True)

    def _read_again(self) -> None:
        """Take up the school's files and feeds when they change; while they are wrong, the last good ones stay."""
        try:
            if assessor := self._watch.renewed():
                self._ingest.renew(assessor)
                self._assessor = assessor
                self._alerting.renew(self._watch.settings, assessor)
                self._reporting.renew(self._watch.files)
                self._keeping.settings = self._watch.settings
                self._write_down_changes()
        except ValueError as error:
            click.echo(f"schoolgate: {error}; going on with the files as they were", err=True)

    def _drain(self) -> None:
        with self._lock:
            try:
                self._read_again()
                if self._keeping.has_room():
                    self._ingest.drain(self._spool)
            except SpoolError as error:
                self._spool.set_aside(error.path)
                click.echo(f"schoolgate: {error}", err=True)
            except (StoreError, OSError, ValueError) as error:
                click.echo(f"schoolgate: {error}; the spool keeps what is not stored", err=True)

    def _start_pages(self) -> uvicorn.Server:
        pages = self._settings.pages
        accounts = open_accounts(pages)
        refuse_unsafe(pages, accounts)
        listener = listen(pages)
        server = PagesServer(config_of(app_of(self._store, pages, self._folder, accounts), pages))
        threading.Thread(target=server.run, args=([listener],), name="pages", daemon=True).start()
        return server
