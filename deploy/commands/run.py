"""`schoolgate run`: a mirror port, live: a sensor worker, and one owner of store and pages."""

from __future__ import annotations

import errno
import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploy.commands._say import fail, failing_well, note

if TYPE_CHECKING:
    from pipeline.store import Store

BUSY_S = 60.0
"""How long the store may be another command's: packets are kept meanwhile."""


@click.command("run")
@click.option(
    "--config",
    "path",
    required=True,
    type=click.Path(exists=True, path_type=Path),
    help="Settings file, or its folder.",
)
@click.option("--interface", help="Network interface of the mirror port; else sensor.interface of the settings.")
@click.option(
    "--store",
    "store_path",
    type=click.Path(path_type=Path),
    help="Folder of the store; else store.path of the settings.",
)
@click.option("--no-pages", is_flag=True, help="Do not serve the pages.")
@click.option(
    "--finish", is_flag=True, help="When stopped, also store windows that are still open: nothing more will come."
)
def command(path: Path, interface: str | None, store_path: Path | None, no_pages: bool, finish: bool) -> None:
    """Watch a mirror port until SIGTERM or Ctrl-C. Capturing needs CAP_NET_RAW, and nothing else does.

    Five-minute windows reach the store ten minutes after they end. What is still open when it is stopped waits in the
    spool and is stored by the next start.

    \b
    Example:  schoolgate run --config /etc/schoolgate/schoolgate.toml --interface eth1
    """
    with failing_well():
        from deploy.assembly import SchoolWatch, assemble, read_school, seen_by_sensor

        files = read_school(path)
        watch = SchoolWatch(files)
        settings = files.settings
        card = interface or settings.sensor.interface
        if card is None:
            fail("no interface to watch; give --interface, or set sensor.interface in the settings")
        from deploy.sensing import Sensing
        from sensor.ring import Ring, RingError

        try:
            Ring(card, 2).close()
        except RingError as error:
            if error.errno != errno.ENETDOWN:  # the worker waits for it to come up
                fail(error.strerror)
        settings.sensor.spool.mkdir(parents=True, exist_ok=True)
        stopping = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        sensor = settings.sensor
        if settings.school.identity == "none":
            sensor = sensor.model_copy(update={"sightings": False})  # nobody asks whose an address is
        sensing = Sensing(sensor, card)
        sensing.start(patience_s=2.0)  # before all that takes longer: packets are kept from now on
        try:
            from deploy.owner import Owner
            from deploy.stores import on_own_servers, owning
            from pipeline.door import Door
            from pipeline.jobs import Jobs

            assessor = assemble(files, note, seen=seen_by_sensor(settings))
            jobs = Jobs()
            with ExitStack() as stack:
                store = _patiently(lambda: stack.enter_context(owning(store_path, settings.store, jobs=jobs)), stopping)
                if store is None:
                    return
                if on_own_servers(store_path, settings.store):
                    stack.enter_context(Door(None, jobs, settings.sensor.spool))
                owner = Owner(
                    store, assessor, watch, card, sensing, jobs, stopping, with_pages=not no_pages, finish=finish
                )
                owner.run()
        finally:
            sensing.stop()


def _patiently(opened: Callable[[], Store], stopping: threading.Event) -> Store | None:
    """The store, as soon as a command that has it for a moment has ended; None if we are stopped before. Raises
    StoreBusy if that one keeps it."""
    from pipeline.store import StoreBusy

    end, said = time.monotonic() + BUSY_S, False
    while True:
        try:
            return opened()
        except StoreBusy as busy:
            if time.monotonic() > end:
                raise
            if not said:
                note(f"{busy}; waiting up to {BUSY_S:.0f} s")
                said = True
        if stopping.wait(0.5):
            return None
