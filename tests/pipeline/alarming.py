"""Alarms by hand, a school's alerts with a clock of their own, and channels that do as they are told."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import SecretStr

from pipeline.alerts.answers import Answer, Result
from pipeline.alerts.clients import AlertClients, Seen
from pipeline.alerts.database import Delivery, Message
from pipeline.alerts.outbox import Outbox
from pipeline.alerts.raising import Alerts
from pipeline.alerts.sender import send_next
from pipeline.alerts.settings import AlertSettings
from pipeline.alerts.texts import Texts
from pipeline.school import School
from pipeline.tables import zone_of
from pipeline.wiki.alarm import Certainty, EditAlarm
from sensor.health import Finding, Severity
from sensor.slices import pack_address
from tests.pipeline.judging import small_school

CLIENT = "10.0.0.7"
AT = datetime(2026, 11, 17, 10, 42, 7, tzinfo=UTC).timestamp()  # a Tuesday, in P2 of the small school
WHY = ("An upload of 5,124 B was answered by a redirect of 1326 B within 0.2 s.", "The page was asked for at once.")


@dataclass(frozen=True)
class Alarm(EditAlarm):
    """What the detector says, unless told otherwise."""

    time: float = AT
    known: float = AT + 1.0
    wiki: str = "en.wikipedia.org"
    service: str = "wikipedia"
    certainty: Certainty = Certainty.LIKELY
    probability: float = 0.93
    rule: str = "save"
    why: tuple[str, ...] = WHY
    always: tuple[str, ...] = ()
    segment: str = "staff"
    client: bytes = pack_address(CLIENT)
    unit: int = 7

    def but(self, **changes: object) -> Alarm:
        return replace(self, **changes)  # type: ignore[arg-type]


@dataclass
class Fake:
    """A channel that notes what it gets and answers what it is told to."""

    name: str = "mail"
    answers: list[Result] = field(default_factory=list)
    got: list[tuple[str, str]] = field(default_factory=list)
    before: Callable[[], None] = lambda: None

    def send(self, title: str, body: str, *, warning: bool, id: str) -> Result:
        self.before()
        result = self.answers.pop(0) if self.answers else Result(Answer.TOOK)
        if result.answer is not Answer.REFUSED:
            self.got.append((title, body))
        return result


@dataclass
class Desk:
    """A school's alerts: raised, told and sent by hand, at `now`."""

    folder: Path
    settings: AlertSettings = field(default_factory=AlertSettings)
    school: School = field(default_factory=small_school)
    now: float = AT + 2.0
    channel: Fake = field(default_factory=Fake)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """As a new process would begin."""
        zone = zone_of(self.school.settings.zone)
        keeps = self.school.settings.mode == "pseudonymous"
        self.texts = Texts(self.school.settings.name, zone, self.settings.language, keeps)
        self.outbox = Outbox(self.folder)
        self.alerts = Alerts(self.outbox, self.folder, self.school, self.settings, self.texts)

    def seen(self, alert: str) -> tuple[Seen, ...]:
        """What is kept for look-up."""
        return AlertClients(self.folder).of(alert)

    def plan(self) -> list[Message]:
        return self.alerts.plan(self.now, [self.channel.name])

    def send(self) -> list[Delivery]:
        """Everything that is due."""
        found: list[Delivery] = []
        while (one := send_next(self.outbox, self.channel, self.texts, lambda: self.now)) is not None:
            found.append(one)
        return found

    def tell(self) -> list[tuple[str, str]]:
        """Plans and sends; what the channel has got so far."""
        self.plan()
        self.send()
        return self.channel.got

    def examine(self, severity: Severity, times: int = 1, *, every: float = 60.0, kind: str = "mirror_silent") -> None:
        """So many examinations of the mirror, one a minute."""
        from pipeline.alerts.alert import Kind

        finding = Finding("sensor", "Sensor", severity, "Not one packet has come.", "1 of 1", "Check the mirror.")
        for _ in range(times):
            self.alerts.condition(Kind(kind), finding, self.now)
            self.now += every


@contextmanager
def quick_folder() -> Iterator[Path]:
    """A folder in memory where there is one: what is tested in it needs no disk to be true."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


def settings(*channels: str, **more: object) -> AlertSettings:
    return AlertSettings(channels=tuple(map(SecretStr, channels)), **more)  # type: ignore[arg-type]


def titles(got: Sequence[tuple[str, str]]) -> list[str]:
    return [title for title, _ in got]
