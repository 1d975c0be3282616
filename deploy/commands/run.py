"""`schoolgate run`: a mirror port, live: a sensor worker, and one owner of store and pages."""

from __future__ import annotations

import errno
import signal
import threading
from pathlib import Path

import click

from deploy.commands._say import fail, failing_well, note


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
        from deploy.assembly import assemble, read_school, seen_by_sensor

        files = read_school(path)
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
            from deploy.stores import owning

            assessor = assemble(files, note, seen=seen_by_sensor(settings))
            with owning(store_path, settings.store) as store:
                owner = Owner(store, assessor, files, card, sensing, stopping, with_pages=not no_pages, finish=finish)
                owner.run()
        finally:
            sensing.stop()
