"""Every minute that the product judges in a capture, one by one: capture, sensor, traffic, findings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deploy.assembly import assemble, read_school
from pipeline.gather import Clients, gather
from pipeline.traffic import Traffic
from pipeline.words import Grade, Outcome, Reason
from sensor.capture import open_capture
from sensor.sense import Sensor


@dataclass(frozen=True)
class Minute:
    """One judged minute of use; `user` is a person's staff id, or a number that stands for a device."""

    user: str
    person: bool
    service: str
    minute: int
    outcome: str
    reason: str
    grade: str


def judge(folder: Path, capture: Path) -> list[Minute]:
    """The judged minutes of a school's capture."""
    files = read_school(folder)
    assessor = assemble(files)
    sensor, clients = Sensor(assessor.catalogue, files.settings.sensor.segments), Clients()
    pieces = []
    for _ in open_capture(capture).read(sensor.feed_capture):
        pieces.append(gather(sensor.table(), clients, assessor.scope)[0])
    sensor.meter.finish()
    pieces.append(gather(sensor.table(), clients, assessor.scope)[0])
    found = assessor.findings(Traffic.join(pieces), clients)
    outcomes, reasons, grades = list(Outcome), list(Reason), list(Grade)
    return [
        Minute(
            user=files.school.staff[person].staff_id if person >= 0 else f"device {found.use.who[n]}",
            person=person >= 0,
            service=assessor.scope.services[found.use.service[n]],
            minute=int(found.use.minute[n]),
            outcome=outcomes[found.outcome[n]].value,
            reason=reasons[found.reason[n]].value,
            grade=grades[found.of.grade[n]].value,
        )
        for n, person in enumerate(found.person.tolist())
    ]
