"""The owner process of a live Schoolgate: tends the sensor workers, brings the spool into the store, serves the pages.

Only this process opens the database; only the workers open the network card; the spool lies between them. A worker
that dies is started again, and the others go on. The school's files and feeds are read again when they change; where
the school adds a service, the spool is judged from its open windows on by the new list, and the workers hand over to
successors that know it. While the school pauses (pipeline.pause) no worker runs. What is too old leaves every hour
(pipeline.retention); the store is backed up every night, and nothing is stored while its disk is nearly full
(deploy.keeping). Alerts have threads of their own (deploy.alerting); reports are issued and sent beside the rest
(deploy.reporting). What other commands and the pages want changed in the store is done as jobs (deploy.jobs).
Two locks, taken in this order: `_past` has who changes or removes what is stored, or issues a report of it; `_lock` who
puts rows in: nobody holds that for longer than storing takes, so the spool flows whatever else goes on. On SIGTERM the
workers write what they hold, and the spool is drained once more.
APScheduler only ticks; what is due is decided by what lies in the spool and in the store.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

import click
import uvicorn
from apscheduler.schedulers.background import BackgroundScheduler

from deploy.acts import retain
from deploy.alerting import Alerting
from deploy.assembly import SchoolFiles, SchoolWatch, read_school
from deploy.changes import note_changes
from deploy.desk import trail_of
from deploy.detecting import live_detector
from deploy.jobs import doers
from deploy.keeping import Keeping
from deploy.pages import PagesServer, app_of, config_of, listen, open_accounts, refuse_unsafe
from deploy.reporting import Reporting
from deploy.sensing import Sensing
from deploy.work import Work
from pipeline.ingest import Ingest
from pipeline.pause import pause_at
from pipeline.store import Store, StoreError
from sensor.spool import Spool, SpoolError

if TYPE_CHECKING:
    from pipeline.assess import Assessor
    from pipeline.jobs import Jobs, Tell, Who

DRAIN_EVERY_S = 2
RETAIN_EVERY_S = 3600
REPORT_EVERY_S = 60
KEEP_EVERY_S = 60
REPORTS = "reports"
NOBODY: Mapping[str, str] = MappingProxyType({})


class Owner:
    """See the module's header. `run` returns when `stopping` is set."""

    def __init__(
        self,
        store: Store,
        assessor: Assessor,
        watch: SchoolWatch,
        interface: str,
        sensing: Sensing,
        jobs: Jobs,
        stopping: threading.Event,
        *,
        with_pages: bool,
        finish: bool,
    ) -> None:
        files, settings = watch.files, watch.settings
        self._watch = watch
        self._settings = settings
        self._assessor = assessor
        self._trail = trail_of(files)
        self._path = files.path
        self._paused = False
        self._store = store
        self._sensing, self._interface, self._jobs = sensing, interface, jobs
        self._spool = Spool(settings.sensor.spool, settings.sensor.spool_cap_mib << 20, "owner")
        self._ingest = self._begun(assessor)
        self._stored_before = 0
        self._newer: Assessor | None = None  # not taken up yet
        detector = live_detector(assessor.profile, settings.alerts.wiki_sizes)
        self._alerting = Alerting(settings, files.folder, assessor, store, detector, interface)
        self._past, self._lock = threading.Lock(), threading.Lock()
        self._reporting = Reporting(files, store, stopping=stopping, past=self._past)
        self._keeping = Keeping(settings)
        self._with_pages, self._finish = with_pages, finish
        self._pages: uvicorn.Server | None = None
        self._serving: threading.Thread | None = None
        self._no_pages = ""
        self._stopping = stopping
        once_and_late: dict[str, object] = {"max_instances": 1, "coalesce": True, "misfire_grace_time": None}
        self._scheduler = BackgroundScheduler(timezone="UTC", job_defaults=once_and_late)

    def run(self) -> None:
        """Work until stopped. Raises UnsafePages, AccountError if the pages may not be served as they are set."""
        if self._with_pages:
            self._start_pages()
        self._write_down_changes()
        self._retain()
        logging.getLogger("apscheduler").setLevel(logging.ERROR)  # a tick that another one still keeps is no news
        scheduler = self._scheduler
        scheduler.add_job(self._retain, "interval", seconds=RETAIN_EVERY_S)
        scheduler.add_job(self._keep, "interval", seconds=KEEP_EVERY_S)
        scheduler.add_job(self._tend_pages, "interval", seconds=KEEP_EVERY_S)
        scheduler.add_job(self._tick, "interval", seconds=DRAIN_EVERY_S)
        scheduler.add_job(self._reporting.tick, "interval", seconds=REPORT_EVERY_S, id=REPORTS)
        scheduler.start()
        self._alerting.start()
        self._jobs.start(doers(self._path, self))
        while not self._stopping.wait(1.0):
            pass
        self._jobs.stop()
        scheduler.shutdown(wait=True)
        self._sensing.stop()
        self._alerting.stop()
        self._reporting.close()
        self._drain()
        if self._finish:
            self._ingest.finish()
            self._drain()
        if self._pages:
            self._pages.should_exit = True
        click.echo(
            f"schoolgate: stopped; {self._stored_before + self._ingest.progress.windows_stored} windows stored, "
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
        """Removes what is too old, and finishes what was cut short."""
        try:
            problems = retain(self._bench(self._watch.files)).problems
        except (OSError, ValueError) as error:
            problems = (str(error),)
        for problem in problems:
            click.echo(f"schoolgate: retention failed: {problem}; data are older than the notice says", err=True)

    # ------------------------------------------------------------------------------------------- jobs (deploy.jobs)

    def take_up(self) -> None:
        """See deploy.jobs.Bench."""
        with self._lock:
            self._read_again()

    def work(self, who: Who, tell: Tell) -> Work:
        """See deploy.jobs.Bench."""
        return self._bench(read_school(self._path), who, tell)

    def changed(self) -> None:
        """See deploy.jobs.Bench."""
        self._reporting.look_again()

    def _bench(self, files: SchoolFiles, who: Who = NOBODY, tell: Tell = lambda line: None) -> Work:
        alone = _Both(self._past, self._lock)
        return Work(files, self._store, who, tell, self._past, alone, self._jobs.stopping.is_set, self._report_now)

    def _report_now(self) -> None:
        self._scheduler.modify_job(REPORTS, next_run_time=datetime.now(UTC))

    # ---------------------------------------------------------------------------------------------------- the spool

    def _keep(self) -> None:
        self._keeping.look(self._store)
        self._keeping.back_up_if_due(self._store)

    def _write_down_changes(self) -> None:
        try:
            note_changes(self._trail, self._watch.settings, self._assessor.school.version)
        except (OSError, ValueError) as error:
            click.echo(f"schoolgate: a change of the settings could not be written down: {error}", err=True)

    def _begun(self, assessor: Assessor) -> Ingest:
        return Ingest(self._store, assessor, self._interface, workers=self._sensing.names)

    def _judge_by(self, assessor: Assessor) -> None:
        """From the next window on. What waits for it is in the spool: it is read anew if the services are others."""
        before = self._assessor
        if assessor.scope.services == before.scope.services:
            self._ingest.renew(assessor)
        else:
            stored = self._ingest.progress.windows_stored
            self._ingest = self._begun(assessor)
            self._stored_before += stored
        self._assessor = assessor
        if assessor.catalogue.hosts != before.catalogue.hosts:
            click.echo(f"schoolgate: catalogue {assessor.catalogue.version}: the sensor learns its names", err=True)
            self._sensing.renew(self._watch.settings.sensor)

    def _read_again(self) -> None:
        """Take up the school's files and feeds when they change; while they are wrong, the last good ones stay. Raises
        StoreError; the next call goes on with it."""
        try:
            self._newer = self._watch.renewed() or self._newer
            if self._newer:
                self._judge_by(self._newer)
                self._alerting.renew(self._watch.settings, self._newer)
                self._reporting.renew(self._watch.files)
                self._keeping.settings = self._watch.settings
                self._newer = None
                self._write_down_changes()
        except StoreError:
            raise
        except ValueError as error:
            self._newer = None
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

    def _start_pages(self) -> None:
        """Serves the pages; an address that cannot be had (an interface that comes up late) is tried again."""
        pages = self._settings.pages
        accounts = open_accounts(pages)
        refuse_unsafe(pages, accounts)
        try:
            listener = listen(pages)
        except OSError as error:
            problem = f"{error.filename}: {error.strerror}; all else goes on, and this is tried again"
            if problem != self._no_pages:
                click.echo(f"schoolgate: {problem}", err=True)
            self._no_pages = problem
            return
        self._no_pages = ""
        self._pages = PagesServer(config_of(app_of(self._store, pages, self._path, accounts, self._jobs), pages))
        self._serving = threading.Thread(target=self._pages.run, args=([listener],), name="pages", daemon=True)
        self._serving.start()

    def _tend_pages(self) -> None:
        if self._with_pages and not self._stopping.is_set() and not (self._serving and self._serving.is_alive()):
            try:
                self._start_pages()
            except (OSError, ValueError) as error:
                click.echo(f"schoolgate: no pages: {error}", err=True)


class _Both:
    """Two locks, one after the other, as often as wanted."""

    def __init__(self, first: threading.Lock, second: threading.Lock) -> None:
        self._first, self._second = first, second

    def __enter__(self) -> None:
        self._first.acquire()
        self._second.acquire()

    def __exit__(self, *exception: object) -> None:
        self._second.release()
        self._first.release()
