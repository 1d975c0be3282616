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
    """What every minute of `seen` looks like. openings: when each user opened other sites, ms since 1970."""

    seen: dict[Key, Seen]
    openings: dict[User, list[int]]
    profile: Profile

    def of(self, key: Key) -> Activity:
        """The activity of a minute that has traffic."""
        enough = self.size(key)[1] >= self.profile.down_bytes_of(key[1])
        if not enough and self.requests(key) < self.profile.client_bursts_of(key[1]):
            return Activity.INACTIVE
        if self._one_shot(key):
            return Activity.EMBEDDED_MEDIA
        if self._embedded(key):
            return Activity.EMBEDDED
        if self._clockwork(key) or self._slow(key):
            return Activity.BACKGROUND
        return Activity.ACTIVE

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

    def requests(self, key: Key) -> int:
        """E14 over the primary hosts."""
        return _requests(self.seen[key].primary) if key in self.seen else 0

    def led(self, key: Key) -> bool:
        """E4: was another site opened just before the first flow of the minute?"""
        begun = [s.minute * 60_000 + s.first for s in self.seen[key].primary if s.begins]
        within = self.profile.doubt.embedded_within_s * 1000
        return bool(begun) and any(0 <= min(begun) - at <= within for at in self.openings.get(key[0], []))

    def _embedded(self, key: Key) -> bool:
        user, service, minute = key
        before = user, service, minute - 1
        doubt = self.profile.doubt
        if sum(self.size(key)) >= doubt.embedded_bytes:
            return False
        quiet = self.requests(key) == 0 and not any(s.begins for s in self.seen[key].primary)
        return self._embed(key) or (quiet and before in self.seen and self._embed(before))

    def _embed(self, key: Key) -> bool:
        primary, doubt = self.seen[key].primary, self.profile.doubt
        if not self.led(key):
            return False
        begun = min(s.first for s in primary if s.begins)
        later = [second * 1000 for s in primary for second in s.seconds]
        return (
            min(s.first for s in primary) == begun
            and self.requests(key) < doubt.embedded_bursts
            and sum(self.size(key)) < doubt.embedded_bytes
            and max(later, default=0) <= begun + doubt.embedded_reuse_s * 1000
        )

    def _one_shot(self, key: Key) -> bool:
        row = self.seen[key]
        support = row.support if self.near(key) else []
        one = len(row.primary) + len(support) <= 1 and _requests([*row.primary, *support]) <= 1
        return one and sum(self.size(key)) >= self.profile.doubt.media_bytes

    def _clockwork(self, key: Key) -> bool:
        user, service, minute = key
        doubt = self.profile.doubt
        around = [self.seen.get((user, service, m)) for m in (minute - 1, minute, minute + 1)]
        moments = [60 * n + second for n, row in enumerate(around) if row for second in _moments(row.primary)]
        gaps = [later - earlier for earlier, later in pairwise(moments)]
        if len(gaps) < doubt.background_bursts - 1:
            return False
        small = max((s.largest for s in self.seen[key].primary), default=0) < doubt.background_burst_bytes
        small = small and sum(self.size(key)) < doubt.background_answer_bytes * max(self.requests(key), 1)
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


def _moments(slices: list[Slice]) -> list[int]:
    """E14: the seconds in which somebody asked, without those that follow on another."""
    seconds = {second for s in slices for second in s.seconds}
    return sorted(second for second in seconds if second - 1 not in seconds)


def _requests(slices: list[Slice]) -> int:
    return len(_moments(slices))
