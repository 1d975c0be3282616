"""The owner process of a live Schoolgate: starts the sensor worker, brings the spool into the store, serves the pages.

Only this process opens the database; only the worker opens the network card; the spool lies between them. A worker
that dies is started again. The school's files and feeds are read again when they change. On SIGTERM the worker
writes what it holds, and the spool is drained once more. APScheduler only ticks; what is due is decided by what lies
in the spool.
"""

from __future__ import annotations

import multiprocessing
import signal
import threading
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import TYPE_CHECKING

import click
import uvicorn
from apscheduler.schedulers.background import BackgroundScheduler

from deploy.assembly import SchoolFiles, SchoolWatch
from deploy.pages import listen
from deploy.sensing import work_for_owner
from pipeline.ingest import Ingest
from pipeline.store import Store, StoreError
from sensor.spool import Spool, SpoolError
from sensor.worker import WorkerPlan

if TYPE_CHECKING:
    from pipeline.assess import Assessor

DRAIN_EVERY_S = 2
WORKER_PATIENCE_S = 20.0  # to write what it holds


class Owner:
    """See the module's header. `run` returns after SIGTERM or SIGINT."""

    def __init__(
        self, store: Store, assessor: Assessor, files: SchoolFiles, interface: str, *, with_pages: bool, finish: bool
    ) -> None:
        settings = files.settings
        self._watch = SchoolWatch(files)
        self._settings = settings
        self._store = store
        sensor = settings.sensor
        self._plan = WorkerPlan(sensor, interface, sensor.spool, interface)
        self._spool = Spool(sensor.spool, sensor.spool_cap_mib << 20, "owner")
        self._ingest = Ingest(store, assessor, interface)
        self._with_pages, self._finish = with_pages, finish
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._worker: BaseProcess | None = None

    def run(self) -> None:
        """Work until stopped. Raises OSError if the pages' address cannot be had."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        pages = self._start_pages() if self._with_pages else None
        self._start_worker()
        scheduler = BackgroundScheduler(timezone="UTC")
        scheduler.add_job(self._tick, "interval", seconds=DRAIN_EVERY_S, max_instances=1, coalesce=True)
        scheduler.start()
        while not self._stopping.wait(1.0):
            pass
        scheduler.shutdown(wait=True)
        self._stop_worker()
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

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        self._stopping.set()

    def _start_worker(self) -> None:
        # A fresh interpreter: the store must never be inherited by a fork.
        self._worker = multiprocessing.get_context("spawn").Process(
            target=work_for_owner, args=(self._plan,), name="sensor"
        )
        self._worker.start()

    def _stop_worker(self) -> None:
        if self._worker is None:
            return
        self._worker.terminate()
        self._worker.join(WORKER_PATIENCE_S)
        if self._worker.is_alive():
            click.echo("schoolgate: the sensor did not stop in time; what it held is lost", err=True)
            self._worker.kill()

    def _tick(self) -> None:
        if self._worker is not None and not self._worker.is_alive() and not self._stopping.is_set():
            click.echo(f"schoolgate: the sensor ended with status {self._worker.exitcode}; starting it again", err=True)
            self._start_worker()
        self._drain()

    def _read_again(self) -> None:
        """Take up the school's files and feeds when they change; while they are wrong, the last good ones stay."""
        try:
            if assessor := self._watch.renewed():
                self._ingest.renew(assessor)
        except ValueError as error:
            click.echo(f"schoolgate: {error}; going on with the files as they were", err=True)

    def _drain(self) -> None:
        with self._lock:
            try:
                self._read_again()
                self._ingest.drain(self._spool)
            except SpoolError as error:
                self._spool.set_aside(error.path)
                click.echo(f"schoolgate: {error}", err=True)
            except (StoreError, OSError, ValueError) as error:
                click.echo(f"schoolgate: {error}; the spool keeps what is not stored", err=True)

    def _start_pages(self) -> uvicorn.Server:
        from dashboards.web import make_app

        pages = self._settings.pages
        listener = listen(pages.host, pages.port)
        app = make_app(self._store, pages)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, server_header=False))
        threading.Thread(target=server.run, args=([listener],), name="pages", daemon=True).start()
        return server
