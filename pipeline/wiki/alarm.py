"""What the detector says: an alarm, and how certain it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Certainty(StrEnum):
    POSSIBLE = "possible"
    LIKELY = "likely"
    CONFIRMED = "confirmed"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From which probability an edit is called so; from the policy profile."""

    possible: float
    likely: float


@dataclass(frozen=True, slots=True)
class EditAlarm:
    """An edit that may have been made. `client` is for look-up alone and never in an alert's text."""

    time: float  # Unix seconds of the upload's end
    known: float  # packet time by which the deciding record was known
    wiki: str
    service: str
    certainty: Certainty
    probability: float
    rule: str  # the shape, or `http`
    why: tuple[str, ...]  # about this edit
    always: tuple[str, ...]  # what holds of every alarm of this certainty on this wiki
    segment: str
    client: bytes = field(repr=False)
    unit: int  # 0 for `http`
