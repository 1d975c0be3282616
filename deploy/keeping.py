"""What the owner does that the store outlives a bad night: no storing onto a disk that is nearly full, and a backup
every night.

A backup is due once a day from two o'clock on, by the school's clock; who was off at night makes it some minutes after
the start. One that fails is tried again an hour later, and the health checks tell of it (pipeline.store_health).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from datetime import time as time_of_day

import click

from deploy.settings import Settings
from pipeline.backup import back_up
from pipeline.backup_age import thin_out
from pipeline.backup_files import last_made
from pipeline.store import Store
from pipeline.store_health import free_bytes
from pipeline.tables import zone_of

NIGHT = time_of_day(2)
SETTLED_S = 900.0
"""After the start, before the first backup: what waits in the spool comes first."""
AGAIN_S = 3600.0
SAID_EVERY_S = 600.0


class Keeping:
    """See the module's header. `now` gives Unix seconds."""

    def __init__(self, settings: Settings, now: Callable[[], float] = time.time) -> None:
        self.settings = settings
        self._now = now
        self._not_before = now() + SETTLED_S
        self._said = float("-inf")

    def has_room(self) -> bool:
        """Is there room to store? If not, it is said now and then."""
        store = self.settings.store
        free = None if store.servers else free_bytes(store.path)
        if free is None or free >= store.free_mib << 20:
            self._said = float("-inf")
            return True
        if self._now() - self._said >= SAID_EVERY_S:
            self._said = self._now()
            click.echo(
                f"schoolgate: {store.path}: only {free >> 20} MiB are free on that disk, so nothing is stored and the "
                f"spool keeps it; make room ({store.free_mib} MiB stay free)",
                err=True,
            )
        return False

    def back_up_if_due(self, store: Store) -> bool:
        """Makes tonight's backup if there is none yet; was one made?"""
        settings, now = self.settings.store, self._now()
        folder = settings.backup_folder
        if not settings.backups_keep or now < self._not_before or not due(now, self.zone, last_made(folder)):
            return False
        self._not_before = now + AGAIN_S
        school = self.settings.school.id if settings.servers else ""
        try:
            made = back_up(
                store, folder, school, keep=settings.backups_keep, reserve=settings.free_mib << 20, now=self._now
            )
            made = thin_out(store, folder, made, now)
        except (ValueError, OSError) as error:
            click.echo(f"schoolgate: {error}", err=True)
            return False
        click.echo(f"schoolgate: backed up: {made.rows} rows, {made.size / 1e6:.1f} MB in {made.folder}", err=True)
        return True

    @property
    def zone(self) -> str:
        return self.settings.school.zone


def due(now: float, zone: str, last: float | None) -> bool:
    """Is a backup of this day due, after the last one?"""
    wall = datetime.fromtimestamp(now, zone_of(zone))
    night = datetime.combine(wall.date(), NIGHT, wall.tzinfo).timestamp()
    return now >= night and (last is None or last < night)
