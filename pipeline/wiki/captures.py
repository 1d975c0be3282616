"""Alarms of capture files: the sensor's units of each, judged as a live detector would."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.wiki.constants import Constants
from pipeline.wiki.detector import Detector, EditAlarm, Thresholds
from pipeline.wiki.unit import cues_of, requests_of, units_of
from sensor.catalogue import Catalogue


@dataclass(frozen=True, slots=True)
class FileAlarm:
    """An alarm, and the capture that it is from."""

    file: Path
    alarm: EditAlarm

    def as_object(self) -> dict[str, object]:
        """For JSON: what a tester of the detector wants. `client` is given since a capture was given."""
        alarm = self.alarm
        return {
            "file": str(self.file),
            "client": address_text(alarm.client),
            "time": round(alarm.time, 6),
            "wiki": alarm.wiki,
            "certainty": alarm.certainty.value,
            "probability": round(alarm.probability, 4),
            "why": [*alarm.why, *alarm.always],
        }


def alarms_of(
    paths: Iterable[Path],
    constants: Constants,
    thresholds: Thresholds,
    catalogue: Catalogue | None = None,
    told: Callable[[str], object] = str,
) -> Iterator[FileAlarm]:
    """The alarms of each capture on its own, in the order in which they would have been raised; `told` gets what is to
    be said of a file that ends badly."""
    from sensor.wikicapture import units_of_capture

    for path in paths:
        tables = units_of_capture(path, catalogue=catalogue, told=told)
        detector = Detector(constants, thresholds)
        found = detector.feed(units_of(tables.units), cues_of(tables.cues), requests_of(tables.http))
        for alarm in found + detector.finish():
            yield FileAlarm(path, alarm)


def address_text(client: bytes) -> str:
    """An address of 16 bytes as people write it."""
    address = ipaddress.IPv6Address(client)
    return str(address.ipv4_mapped or address)
