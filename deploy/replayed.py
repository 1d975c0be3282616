"""Edits of wikis that a replayed capture shows, as alerts in the store.

The same detector, alerts and copies as live, but the outbox lives in a folder that goes away: nothing of it is sent,
and nobody can be looked up by it. An alert is raised at the packet that decided it, so the same captures give the same
rows, and the store keeps each once.
"""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from types import TracebackType

from deploy.alerting import texts_of
from deploy.assembly import SchoolFiles
from deploy.detecting import live_detector
from pipeline.alerts.copies import copy_changes
from pipeline.alerts.outbox import Outbox
from pipeline.alerts.raising import Alerts
from pipeline.profile import Profile
from pipeline.store import Store
from pipeline.wiki.alarm import EditAlarm
from sensor.sense import Sensor


class ReplayedEdits:
    """Context manager: inside of it alerts are gathered, `finish` brings them into the store."""

    def __init__(self, files: SchoolFiles, profile: Profile, sensor: Sensor, store: Store) -> None:
        self._files, self._sensor, self._store = files, sensor, store
        self._detector = live_detector(profile, files.settings.alerts.wiki_sizes)
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> ReplayedEdits:
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self._outbox = self._stack.enter_context(contextlib.closing(Outbox(folder)))
        settings = self._files.settings
        self._alerts = Alerts(self._outbox, folder, self._files.school, settings.alerts, texts_of(settings))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def look(self) -> None:
        """Take what the sensor has newly seen of wikis."""
        self._raise(self._detector.read(self._sensor.uploads.take(), 0.0))

    def finish(self) -> int:
        """The captures have ended. Returns the number of edits. Raises StoreError."""
        self._sensor.uploads.finish(self._sensor.meter.latest_ns)
        self.look()
        self._raise(self._detector.finish())
        while copy_changes(self._outbox, self._store, self._files.settings.school.id):
            pass
        return sum(alert.count for alert in self._outbox.alerts())

    def _raise(self, alarms: list[EditAlarm]) -> None:
        for alarm in sorted(alarms, key=_known):
            self._alerts.edit(alarm, alarm.known)


def _known(alarm: EditAlarm) -> float:
    return alarm.known
