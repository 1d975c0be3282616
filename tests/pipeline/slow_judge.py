"""A second judge, written from the rules in plain Python and loops, to compare the fast one with. Slow on purpose.

It shares with the product only the school's day plans and the vocabulary.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from pipeline.place import place_day
from pipeline.profile import Profile
from pipeline.school import School
from pipeline.words import Allowed, Grade, Outcome, Reason, State
from sensor.catalogue import Service
from sensor.words import Action
from tests.pipeline.judging import MIDNIGHT, Slice, TableBindings

User = tuple[str, str | int]  # ("person", n), ("assigned", n), ("device", n) or ("address", text)
SEVERITY = ("outside_allowed", "unknown", "official_possible", "count_only", "allowed")


@dataclass
class Seen:
    """What one user exchanged with one service in one minute."""

    primary: list[Slice] = field(default_factory=list)
    support: list[Slice] = field(default_factory=list)
    grade: Grade = Grade.NONE
    reason: Reason = Reason.NO_PERSON


@dataclass(frozen=True)
class Judged:
    """A minute of use."""

    who: tuple[str, str | int]
    service: str
    minute: int
    outcome: str
    reason: str
    up: int
    down: int


class SlowJudge:
    """Judges slices of one day, DAY of `judging`, in Europe/London in winter."""

    def __init__(
        self, school: School, services: dict[str, Service], profile: Profile, bindings: TableBindings, day: date
    ) -> None:
        self.school, self.services, self.profile, self.bindings = school, services, profile, bindings
        self.plan = place_day(school, day)
        self.day = day
        self.inactive = self.ignored = 0

    def judge(self, slices: Iterable[Slice]) -> list[Judged]:
        """All minutes of use that are kept."""
        seen = self._collect(slices)
        active = {key for key in seen if self._active(seen, key)}
        self.inactive = len(seen) - len(active)
        kept = {key for key in active if self._action(key[1]) is not Action.IGNORE}
        self.ignored = len(active) - len(kept)
        decided = {key: self._before_episodes(seen[key], key) for key in kept}
        found = []
        for key in kept:
            outcome, reason = decided[key] or self._by_episode(key, kept, decided)
            user, service, minute = key
            who = ("person", user[1]) if user[0] == "assigned" else user
            up, down = self._bytes(seen, key)
            found.append(Judged(who, service, minute, outcome.value, reason.value, up, down))
        return found

    def _action(self, service: str) -> Action:
        return self.profile.action_of(service, self.services[service].action, self.services[service].kind)

    def _collect(self, slices: Iterable[Slice]) -> dict[tuple[User, str, int], Seen]:
        seen: dict[tuple[User, str, int], Seen] = defaultdict(Seen)
        nobody = (-1, Grade.NONE, Reason.NO_PERSON, -1)
        for s in slices:
            if s.segment != "staff" or s.service not in self.services:
                continue
            if s.role not in ("primary", "cdn", "media", "api"):
                continue
            if s.evidence == "dns" and not self.profile.dns_named_flows:
                continue
            person, grade, reason, device = self.bindings.table.get(s.client, nobody)
            user: User = ("device", device) if device >= 0 else ("address", s.client)
            if person >= 0 and grade in (Grade.A, Grade.B):
                user = ("person", person)
            elif person >= 0 and grade is Grade.C:
                user = ("assigned", person)
            row = seen[user, s.service, s.minute]
            (row.primary if s.role == "primary" else row.support).append(s)
            row.grade, row.reason = max((row.grade, row.reason), (grade, reason), key=lambda g: (g[0].code, g[1].code))
        return seen

    def _near(self, seen: dict[tuple[User, str, int], Seen], key: tuple[User, str, int]) -> bool:
        user, service, minute = key
        limit = self.profile.support_within_s * 1000
        if seen[key].primary:
            return True
        for other in (minute - 1, minute + 1):
            row = seen.get((user, service, other))
            for primary in row.primary if row else ():
                for support in seen[key].support:
                    earlier, later = sorted(
                        [(primary.minute, primary.first, primary.last), (support.minute, support.first, support.last)]
                    )
                    if later[0] * 60_000 + later[1] - earlier[0] * 60_000 - earlier[2] <= limit:
                        return True
        return False

    def _bytes(self, seen: dict[tuple[User, str, int], Seen], key: tuple[User, str, int]) -> tuple[int, int]:
        counted = [*seen[key].primary, *(seen[key].support if self._near(seen, key) else [])]
        return sum(s.up for s in counted), sum(s.down for s in counted)

    def _active(self, seen: dict[tuple[User, str, int], Seen], key: tuple[User, str, int]) -> bool:
        bursts = sum(s.bursts for s in seen[key].primary)
        enough = self._bytes(seen, key)[1] >= self.profile.down_bytes_of(key[1])
        return enough or bursts >= self.profile.client_bursts_of(key[1])

    def _before_episodes(self, row: Seen, key: tuple[User, str, int]) -> tuple[Outcome, Reason] | None:
        """Outcome and reason of a minute, or None where its episode decides."""
        user, service, minute = key
        if self._action(service) is Action.COUNT_ONLY:
            return Outcome.COUNT_ONLY, Reason.DUAL_USE
        if user[0] not in ("person", "assigned"):
            if row.grade is Grade.D:
                return Outcome.UNKNOWN, Reason.SHARED_DEVICE
            return Outcome.UNKNOWN, row.reason
        person = int(user[1])
        for site in self.school.official_sites:
            live = site.go_live is not None and site.closure is not None and site.go_live <= self.day <= site.closure
            if live and site.service == service and person in site.administrators + site.moderators:
                return Outcome.OFFICIAL_POSSIBLE, Reason.OFFICIAL_SITE
        at = minute - MIDNIGHT
        allowed = list(Allowed)[self.plan.allowed[person, at]]
        state = list(State)[self.plan.state[person, at]]
        if allowed is Allowed.YES and state in self.profile.allow:
            return Outcome.ALLOWED, Reason.ALLOWED_TIME
        if allowed is Allowed.UNKNOWN:
            return Outcome.UNKNOWN, list(Reason)[self.plan.reason[person, at]]
        if state is State.NON_CONTACT and self.profile.counts_non_contact(self.day):
            return Outcome.COUNT_ONLY, Reason.NON_CONTACT
        if user[0] == "assigned":
            return Outcome.COUNT_ONLY, Reason.ASSIGNED_DEVICE
        return None

    def _by_episode(
        self,
        key: tuple[User, str, int],
        kept: set[tuple[User, str, int]],
        decided: dict[tuple[User, str, int], tuple[Outcome, Reason] | None],
    ) -> tuple[Outcome, Reason]:
        user, service, minute = key
        window = minute - minute % 5
        episode = {minute}
        for step in (-1, 1):
            at = minute
            while True:
                gap = range(1, self.profile.episode_gap_min + 1)
                reached = next((at + step * d for d in gap if (user, service, at + step * d) in kept), None)
                if reached is None or not window - 60 <= reached < window + 14:
                    break
                at = reached
                episode.add(at)
        counting = [m for m in episode if decided[user, service, m] is None]
        if len(counting) >= self.profile.episode_minutes:
            return Outcome.OUTSIDE_ALLOWED, Reason.EPISODE
        return Outcome.COUNT_ONLY, Reason.INCIDENTAL


def day_sums(judged: Iterable[Judged], services: dict[str, Service]) -> dict[str, Counter[tuple[str, ...]]]:
    """Minutes at each level by (label, outcome, reason); a minute that counts once takes its gravest outcome."""
    reasons = [r.value for r in Reason]
    sums: dict[str, Counter[tuple[str, ...]]] = {}
    rows = list(judged)
    for level in ("service", "kind", "all"):
        best: dict[tuple[object, ...], Judged] = {}
        labels: dict[tuple[object, ...], str] = {}
        for row in rows:
            label = {"service": row.service, "kind": services[row.service].kind.value, "all": ""}[level]
            key = (row.who, label, row.minute)
            labels[key] = label
            gravity = (-SEVERITY.index(row.outcome), reasons.index(row.reason))
            if key in best:
                other = best[key]
                if gravity <= (-SEVERITY.index(other.outcome), reasons.index(other.reason)):
                    continue
            best[key] = row
        sums[level] = Counter((labels[key], row.outcome, row.reason) for key, row in best.items())
    return sums
