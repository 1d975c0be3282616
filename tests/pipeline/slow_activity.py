"""A second reading of rules E1 to E7 and E14, in plain Python and loops, to compare the fast one with. Slow on purpose.

It shares with the product only the vocabulary and the limits of the policy profile.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from pipeline.profile import Profile
from pipeline.words import Activity, Grade, Reason
from tests.pipeline.judging import Slice

User = tuple[str, str | int]  # ("person", n), ("assigned", n), ("device", n) or ("address", text)
Key = tuple[User, str, int]


@dataclass
class Seen:
    """What one user exchanged with one service in one minute."""

    primary: list[Slice] = field(default_factory=list)
    support: list[Slice] = field(default_factory=list)
    grade: Grade = Grade.NONE
    reason: Reason = Reason.NO_PERSON


@dataclass(frozen=True)
class SlowActivity:
    """What every minute of `seen` looks like. openings: when each user asked other sites, ms since 1970."""

    seen: dict[Key, Seen]
    openings: dict[User, list[int]]
    profile: Profile

    def of(self, key: Key) -> Activity:
        """The activity of a minute that has traffic."""
        if not self._one_shot(key) and self._active(key):
            return Activity.ACTIVE
        if not self._enough(key) and len(_moments(self._primary(key))) < self.profile.client_bursts_of(key[1]):
            return Activity.INACTIVE
        if self._one_shot(key):
            return Activity.EMBEDDED_MEDIA
        return Activity.EMBEDDED if self._led(key) else Activity.BACKGROUND

    def _active(self, key: Key) -> bool:
        if self._surely(key):
            return True
        user, service, minute = key
        before, after = (user, service, minute - 1), (user, service, minute + 1)
        if self._less(key) and (self._surely(before) or self._surely(after)):
            return True
        if self._opened(key) and self._enough(key) and self._surely(after):
            return True
        return self._alone(key) and (self._alone(before) or self._alone(after))

    def _surely(self, key: Key) -> bool:
        """E3 by itself."""
        if key not in self.seen:
            return False
        doubt = self.profile.doubt
        own, primary, support = (len(found) for found in self._own(key))
        led, opened = len(self._led(key)), self._opened(key)
        if led > 1 or (led and opened):
            return self._enough(key) and own >= 2 and primary >= 1 and support >= doubt.embedded_requests
        besides = not opened or support >= 1 or primary > doubt.embedded_requests
        if self._enough(key) and own >= 2 and primary >= 1 and besides:
            return True
        answered = self.size(key)[1] >= doubt.answer_bytes * primary
        asked = primary >= self.profile.client_bursts_of(key[1]) and answered
        return asked and not self._clockwork(key) and not self._slow(key)

    def _less(self, key: Key) -> bool:
        """What is enough beside a minute that is surely active."""
        own = len(self._own(key)[0])
        if self._opened(key) and self._led(key):
            return False
        answered = self.size(key)[1] >= self.profile.doubt.beside_answer_bytes * own
        return (self._enough(key) and own >= 1) or (own >= 2 and answered)

    def _alone(self, key: Key) -> bool:
        """What is enough beside another such minute."""
        if key not in self.seen or (self._opened(key) and self._led(key)):
            return False
        return self._enough(key) and len(self._own(key)[1]) >= 1

    def _enough(self, key: Key) -> bool:
        return self.size(key)[1] >= self.profile.down_bytes_of(key[1])

    def _opened(self, key: Key) -> bool:
        return any(s.begins for s in self.seen[key].primary)

    def _primary(self, key: Key) -> set[int]:
        return {second for s in self.seen[key].primary for second in s.seconds}

    def _support(self, key: Key) -> set[int]:
        return {second for s in self.seen[key].support for second in s.seconds} if self.near(key) else set()

    def _led(self, key: Key) -> list[int]:
        """E4: requests just after one to another site."""
        others = {at // 1000 - 60 * key[2] for at in self.openings.get(key[0], [])}
        within = self.profile.doubt.embedded_within_s
        asked = self._primary(key) | self._support(key)
        return _moments({second for second in asked if any(second - n in others for n in range(within + 1))})

    def _own(self, key: Key) -> tuple[list[int], list[int], list[int]]:
        """Requests that nothing else explains: to any host, to primary and to supporting ones."""
        user, service, minute = key
        doubt = self.profile.doubt
        others = {at // 1000 - 60 * minute for at in self.openings.get(user, [])}
        excused = {at + n for at in others for n in range(doubt.embedded_within_s + 1)}
        for at in (minute - 1, minute):
            row = self.seen.get((user, service, at))
            begun = [s.first for s in row.primary if s.begins] if row else []
            if begun:
                came = 60 * (at - minute) + min(begun) // 1000
                excused |= {came + n for n in range(doubt.coming_s + 1)}
        primary, support = self._primary(key) - excused, self._support(key) - excused
        return _moments(primary | support), _moments(primary), _moments(support)

    def near(self, key: Key) -> bool:
        """E2: is there a primary host near the supporting ones?"""
        user, service, minute = key
        limit = self.profile.support_within_s * 1000
        if self.seen[key].primary:
            return True
        for other in (minute - 1, minute + 1):
            row = self.seen.get((user, service, other))
            for primary in row.primary if row else ():
                for support in self.seen[key].support:
                    earlier, later = sorted(
                        [(primary.minute, primary.first, primary.last), (support.minute, support.first, support.last)]
                    )
                    if later[0] * 60_000 + later[1] - earlier[0] * 60_000 - earlier[2] <= limit:
                        return True
        return False

    def size(self, key: Key) -> tuple[int, int]:
        """Bytes that count, up and down."""
        counted = [*self.seen[key].primary, *(self.seen[key].support if self.near(key) else [])]
        return sum(s.up for s in counted), sum(s.down for s in counted)

    def _one_shot(self, key: Key) -> bool:
        row = self.seen[key]
        one = len(row.primary) + (len(row.support) if self.near(key) else 0) <= 1
        one = one and len(_moments(self._primary(key) | self._support(key))) <= 1
        return one and self._enough(key) and sum(self.size(key)) >= self.profile.doubt.media_bytes

    def _clockwork(self, key: Key) -> bool:
        user, service, minute = key
        doubt = self.profile.doubt
        around = [(user, service, m) for m in (minute - 1, minute, minute + 1)]
        moments = [
            60 * n + second for n, k in enumerate(around) if k in self.seen for second in _moments(self._primary(k))
        ]
        gaps = [later - earlier for earlier, later in pairwise(moments)]
        if len(gaps) < doubt.background_bursts - 1:
            return False
        small = max((s.largest for s in self.seen[key].primary), default=0) < doubt.background_burst_bytes
        small = small and sum(self.size(key)) < doubt.background_answer_bytes * len(_moments(self._primary(key)))
        variance = 10_000 * (len(gaps) * sum(gap * gap for gap in gaps) - sum(gaps) ** 2)
        return small and variance < (doubt.background_percent * sum(gaps)) ** 2

    def _slow(self, key: Key) -> bool:
        user, service, minute = key
        doubt = self.profile.doubt
        keys = [(user, service, minute - n) for n in range(doubt.slow_flow_min + 1)]
        rows = {n: self.seen[k] for n, k in enumerate(keys) if k in self.seen}
        if any(s.begins for row in rows.values() for s in row.primary):
            return False
        size = sum(sum(self.size(k)) for k in keys[:-1] if k in self.seen)
        old = doubt.slow_flow_min in rows and rows[doubt.slow_flow_min].primary
        return bool(old) and size < doubt.slow_bytes_per_s * 60 * doubt.slow_flow_min


def _moments(seconds: set[int]) -> list[int]:
    """E14: the seconds in which somebody asked, without those that follow on another."""
    return sorted(second for second in seconds if second - 1 not in seconds)
