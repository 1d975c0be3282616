"""When a message may go: quiet hours, the digest, how many in an hour, and how long to wait after a failure.

Pure functions of Unix seconds and the school's zone. Quiet hours are those of the clock on the wall: on the nights on
which the clock changes they are an hour shorter or longer, and end at the same reading. An hour that the clock shows
twice is quiet as it reads, both times. It sends nothing and knows no alert.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

HELD_S = 900.0
"""After which alerts that were more than an hour may have are sent together."""
WAITS_S = (10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0)
"""Before each further attempt; the last one for all that follow."""
GIVE_UP_S = 72 * 3600.0
"""Age of a message at which no further attempt is made."""


@dataclass(frozen=True, slots=True)
class Quiet:
    """Quiet hours [begin, end) of each day; end before begin: over midnight."""

    begin: time
    end: time

    @classmethod
    def of(cls, text: str) -> Quiet | None:
        """As the settings write them; None where there are none."""
        begin, _, end = text.partition("-")
        return cls(time.fromisoformat(begin), time.fromisoformat(end)) if text else None

    def holds(self, now: float, zone: ZoneInfo) -> bool:
        """Is it quiet at this moment?"""
        wall = datetime.fromtimestamp(now, zone).time()
        if self.begin < self.end:
            return self.begin <= wall < self.end
        return wall >= self.begin or wall < self.end

    def over(self, now: float, zone: ZoneInfo) -> float:
        """The first moment from now on at which it is not quiet."""
        if not self.holds(now, zone):
            return now
        today = datetime.fromtimestamp(now, zone).date()
        days = [today + timedelta(days=n) for n in (0, 1, 2)]
        ends = [moment_of(day, self.end, zone, fold) for day in days for fold in (0, 1)]
        return min(end for end in ends if end > now and not self.holds(end, zone))


def moment_of(day: date, clock: time, zone: ZoneInfo, fold: int = 0) -> float:
    """Unix seconds of a reading of the clock on the wall; `fold` 1: the second one of two. A reading that the clock
    leaves out is the moment at which it jumps."""
    early, late = (datetime.combine(day, clock, zone).replace(fold=n) for n in (0, 1))
    if early.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == early.replace(tzinfo=None):
        return (late if fold else early).timestamp()
    jump = late.timestamp()  # before the gap, read with the offset after it
    end = early.timestamp()
    while end - jump > 1:
        middle = (jump + end) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == datetime.fromtimestamp(end, zone).utcoffset():
            end = middle
        else:
            jump = middle
    return end


def digest_due(now: float, clock: time, zone: ZoneInfo) -> float:
    """When the last digest was due by now."""
    today = datetime.fromtimestamp(now, zone).date()
    return max(due for n in range(3) if (due := moment_of(today - timedelta(days=n), clock, zone)) <= now)


def room(now: float, made: Sequence[float], per_hour: int) -> int:
    """How many messages may go now, of those made at these times."""
    return max(0, per_hour - sum(now - 3600 < at <= now for at in made))


def wait_after(attempt: int) -> float:
    """Seconds until the next attempt, after so many (from 1)."""
    return WAITS_S[min(attempt, len(WAITS_S)) - 1]
