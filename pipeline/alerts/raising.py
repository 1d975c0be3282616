"""Alerts: raised once, told by the rules of the school, kept.

Theory of operation. `Alerts.edit` takes what the detector says; `Alerts.condition` what the health checks find. An
alert is in the outbox, untold, before anything else happens. `Alerts.plan`, called every second, writes the messages
that are due: an edit that is sure enough at once; several in one message when an hour has had enough; the rest in the
digest of the day; what was raised in quiet hours together at their end. Alarms of one device on one wiki within some
minutes are one alert with a count: which device it was is known in memory only, so after a restart there may be an
alert more, never one less. The same alarm read again from the spool is recognised by its unit.
An edit is raised from whatever network it comes; while monitoring is off (before the notice date, in a pause) there is
no alert at all. It sends nothing: that is pipeline.alerts.sender.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from pipeline.alerts.alert import CERTAINTIES, Alert, Kind, alarm_key, edit_alert, told
from pipeline.alerts.clients import AlertClients
from pipeline.alerts.database import Condition, Message
from pipeline.alerts.limits import HELD_S, Quiet, digest_due, room
from pipeline.alerts.outbox import Outbox
from pipeline.alerts.settings import AlertSettings, clock_of
from pipeline.alerts.texts import Texts
from pipeline.pause import pause_at
from pipeline.school import School
from pipeline.tables import zone_of
from pipeline.wiki.alarm import EditAlarm
from sensor.health import Finding, Severity

BAD_IN_A_ROW, WELL_IN_A_ROW = 3, 10
"""Examinations that must agree before an operational alert is raised, and before it is over."""


class Alerts:
    """The alerts of one school, in a folder. Used by one thread."""

    def __init__(self, outbox: Outbox, folder: Path, school: School, settings: AlertSettings, texts: Texts) -> None:
        self._outbox, self._folder = outbox, folder
        self._clients: AlertClients | None = None
        self._recent: dict[tuple[bytes, str], tuple[str, float]] = {}
        self.renew(school, settings, texts)

    def renew(self, school: School, settings: AlertSettings, texts: Texts) -> None:
        """Goes by newer settings and files."""
        self._school, self._settings, self._texts = school, settings, texts
        self._zone = zone_of(school.settings.zone)
        self._quiet = Quiet.of(settings.quiet)

    # ------------------------------------------------------------------------------------------------------ raising

    def edit(self, alarm: EditAlarm, now: float) -> Alert | None:
        """The alert that an alarm belongs to, raised now or before; None while monitoring is off."""
        if not watching(self._school, alarm.time):
            return None
        alert, key = edit_alert(alarm, self._school, now), alarm_key(alarm, self._school)
        device = (bytes(alarm.client), alert.wiki)
        if known := self._outbox.alert_by_alarm(key, alarm.time):
            alert = replace(alert, id=known)
            self._outbox.raise_certainty(alert)
            self._recent.setdefault(device, (known, alarm.time))
            return self._outbox.alert(known)
        if joined := self._same(device, alarm.time):
            self._keep(joined, alert, alarm)
            self._outbox.join(key, replace(alert, id=joined))
            return self._outbox.alert(joined)
        self._keep(alert.id, alert, alarm)
        self._outbox.add(alert, key)
        self._recent[device] = (alert.id, alarm.time)
        return alert

    def _same(self, device: tuple[bytes, str], at: float) -> str | None:
        """The alert of the same device and wiki some minutes ago."""
        span = self._settings.same_within_min * 60
        self._recent = {key: found for key, found in self._recent.items() if abs(at - found[1]) < max(span, 60)}
        found = self._recent.get(device)
        if found is None or not span or self._outbox.alert(found[0]) is None:
            return None
        return found[0]

    def _keep(self, id_: str, alert: Alert, alarm: EditAlarm) -> None:
        """For look-up alone: staff only, and only where anything about single people may be kept."""
        if alert.segment == "staff" and self._school.settings.mode == "pseudonymous":
            self._clients = self._clients or AlertClients(self._folder)
            self._clients.keep(id_, bytes(alarm.client), alarm.time)

    def condition(
        self, kind: Kind, finding: Finding, now: float, in_a_row: tuple[int, int] | None = None
    ) -> Alert | None:
        """Takes one examination of a health check; the alert if one was raised or is over by it.

        An answer holds when it came several times in a row (`in_a_row`: how often what is wrong, and what is well);
        `unknown` says nothing either way."""
        if finding.severity is Severity.UNKNOWN:
            return None
        bad = finding.severity in (Severity.WARN, Severity.FAIL)
        was = self._outbox.condition(finding.id)
        if bad == was.bad:
            if was.streak:
                self._outbox.set_condition(finding.id, replace(was, streak=0))
            return None
        streak = was.streak + 1
        since = was.since if was.streak else now
        wanted, well = in_a_row or (BAD_IN_A_ROW, WELL_IN_A_ROW)
        if streak < (wanted if bad else well):
            self._outbox.set_condition(finding.id, replace(was, streak=streak, since=since))
            return None
        if bad:
            alert = self._operational(kind, finding, since, now)
            self._outbox.add(alert)
            self._outbox.set_condition(finding.id, Condition(True, 0, since, alert.id))
            return alert
        self._outbox.recover_alert(was.alert, since)
        self._outbox.set_condition(finding.id, Condition(False, 0, since, was.alert))
        return self._outbox.alert(was.alert)

    def _operational(self, kind: Kind, finding: Finding, since: float, now: float) -> Alert:
        name = f"{self._school.settings.id}/{finding.id}/{since:.3f}"
        return Alert(
            id="o" + hashlib.sha256(name.encode()).hexdigest()[:10],
            kind=kind,
            raised=now,
            at=since,
            day=datetime.fromtimestamp(since, self._zone).date().isoformat(),
            subject=finding.id,
            why=tuple(dict.fromkeys((finding.title, told(finding.sentence)))),
            mend=told(finding.mend),
        )

    # ------------------------------------------------------------------------------------------------------ telling

    def plan(self, now: float, channels: Sequence[str]) -> list[Message]:
        """Writes the messages that are due, for these channels."""
        made: list[Message] = []
        due = digest_due(now, clock_of(self._settings.digest_at), self._zone)
        at_once: list[Alert] = []
        waiting: list[Alert] = []
        quiet: list[Alert] = []
        for alert, certainty_told in self._outbox.untold():
            if self._is_quiet(alert, now):
                continue
            if not self._at_once(alert.certainty, alert.kind):
                waiting += [alert] if not certainty_told and alert.raised <= due else []
            elif certainty_told and self._at_once(certainty_told, alert.kind):
                continue  # it was sent at once already, when it was less sure
            elif self._waited(alert):
                quiet.append(alert)
            else:
                at_once.append(alert)
        if waiting:
            made.append(self._together(waiting, "digest", "digest", due, now, channels))
        if len(quiet) == 1:
            at_once[:0] = quiet
        elif quiet:
            made.append(self._together(quiet, "several", "quiet", now, now, channels))
        free = room(now, self._outbox.made("alert", now - 3600), self._settings.per_hour)
        for alert in at_once[:free]:
            made.append(self._one(alert, now, channels))
        held = at_once[free:]
        if held and (free or now - min(alert.raised for alert in held) >= HELD_S):
            made.append(self._together(held, "several", "several", now, now, channels))
        made += self._recoveries(now, channels)
        return made

    def test(self, channel: str, now: float) -> Message:
        """Writes a test message for one channel."""
        title, body = self._texts.test(channel)
        message = Message(f"t{_short(f'{channel}/{now}')}", "test", now, title, body, ())
        self._write(message, [channel], now)
        return message

    def _one(self, alert: Alert, now: float, channels: Sequence[str]) -> Message:
        title, body = self._texts.alert(alert)
        message = Message(f"m{_short(f'{alert.id}/{alert.certainty}')}", "alert", now, title, body, (alert.id,))
        return self._write(message, channels, now)

    def _together(
        self, alerts: Sequence[Alert], sort: str, words: str, at: float, now: float, channels: Sequence[str]
    ) -> Message:
        title, body = self._texts.together(alerts, words, at)
        ids = tuple(alert.id for alert in alerts)
        message = Message(f"m{_short(f'{sort}/{ids}')}", sort, now, title, body, ids)
        return self._write(message, channels, now)

    def _recoveries(self, now: float, channels: Sequence[str]) -> list[Message]:
        """Messages for operational alerts that were told and are over."""
        found = []
        for alert in self._outbox.over_untold():
            if self._quiet and self._quiet.holds(now, self._zone):
                continue
            title, body = self._texts.recovery(alert)
            message = Message(f"r{_short(alert.id)}", "recovery", now, title, body, (alert.id,))
            found.append(self._write(message, channels, now))
        return found

    def _write(self, message: Message, channels: Sequence[str], now: float) -> Message:
        day = datetime.fromtimestamp(now, self._zone).date().isoformat()
        self._outbox.tell(message, channels, day, now)
        return message

    def _at_once(self, certainty: str, kind: Kind) -> bool:
        return kind.operational or CERTAINTIES.index(certainty) >= CERTAINTIES.index(self._settings.send)

    def _is_quiet(self, alert: Alert, now: float) -> bool:
        concerned = alert.kind.operational or self._settings.quiet_for == "all"
        return self._quiet is not None and concerned and self._quiet.holds(now, self._zone)

    def _waited(self, alert: Alert) -> bool:
        """Was it raised in quiet hours?"""
        return self._is_quiet(alert, alert.raised)


def watching(school: School, at: float) -> bool:
    """Was monitoring on at this moment: the notice date reached, and no pause?"""
    settings = school.settings
    day = datetime.fromtimestamp(at, zone_of(settings.zone)).date()
    announced = settings.notice_date is not None and day >= settings.notice_date
    return announced and pause_at(at, school.pauses) is None


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:10]
