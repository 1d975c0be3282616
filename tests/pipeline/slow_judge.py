"""A second judge, written from the rules in plain Python and loops, to compare the fast one with. Slow on purpose.

It shares with the product only the school's day plans and the vocabulary.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from pipeline.place import place_day
from pipeline.profile import Profile
from pipeline.school import School
from pipeline.words import Activity, Allowed, Grade, Outcome, Reason, State
from sensor.catalogue import Service
from sensor.words import Action
from tests.pipeline.judging import MIDNIGHT, PICTURED, Slice, TableBindings
from tests.pipeline.slow_activity import Key, Seen, SlowActivity, User

SEVERITY = ("outside_allowed", "unknown", "official_possible", "count_only", "allowed")


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
        self.activities: Counter[str] = Counter()  # minutes that are no use, by what they look like
        self.ignored = 0

    def judge(self, slices: Iterable[Slice]) -> list[Judged]:
        """All minutes of use that are kept."""
        seen, openings = self._collect(slices)
        look = SlowActivity(seen, openings, self.profile, PICTURED)
        activity = {key: look.of(key) for key, row in seen.items() if row.counts}
        active = {key for key, found in activity.items() if found is Activity.ACTIVE}
        self.activities = Counter(activity[key].value for key in activity if key not in active)
        kept = {key for key in active if self._action(key[1]) is not Action.IGNORE}
        self.ignored = len(active) - len(kept)
        decided = {key: self._before_episodes(seen[key], key) for key in kept}
        found = []
        for key in kept:
            outcome, reason = decided[key] or self._by_episode(key, kept, decided, look)
            if reason is Reason.BOUNDARY and self._few_either_way(key, kept, decided):
                outcome, reason = Outcome.COUNT_ONLY, Reason.INCIDENTAL
            user, service, minute = key
            who = ("person", user[1]) if user[0] == "assigned" else user
            up, down = look.size(key)
            found.append(Judged(who, service, minute, outcome.value, reason.value, up, down))
        return found

    def _action(self, service: str) -> Action:
        return self.profile.action_of(service, self.services[service].action, self.services[service].kind)

    def _collect(self, slices: Iterable[Slice]) -> tuple[dict[Key, Seen], dict[User, list[int]]]:
        seen: dict[Key, Seen] = defaultdict(Seen)
        openings: dict[User, list[int]] = defaultdict(list)
        nobody = (-1, Grade.NONE, Reason.NO_PERSON, -1)
        for s in slices:
            if s.segment != "staff" or s.service not in {"", *self.services}:
                continue
            if s.service and s.role not in ("primary", "cdn", "media", "api", "widget", "push"):
                continue
            if (
                s.service
                and s.evidence == "dns"
                and s.role not in ("widget", "push")
                and not self.profile.dns_named_flows
            ):
                continue
            person, grade, reason, device = self.bindings.table.get(s.client, nobody)
            user: User = ("device", device) if device >= 0 else ("address", s.client)
            if person >= 0 and grade in (Grade.A, Grade.B):
                user = ("person", person)
            elif person >= 0 and grade is Grade.C:
                user = ("assigned", person)
            if not s.service:
                openings[user].append(s.minute * 60_000 + s.first)
                continue
            row = seen[user, s.service, s.minute]
            row.side(s.role).append(s)
            row.grade, row.reason = max((row.grade, row.reason), (grade, reason), key=lambda g: (g[0].code, g[1].code))
        return seen, openings

    def _before_episodes(self, row: Seen, key: Key) -> tuple[Outcome, Reason] | None:
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
        near = list(Reason)[self.plan.reason[person, at]] is Reason.BOUNDARY
        if (allowed is Allowed.YES or near) and state in self.profile.allow:
            return Outcome.ALLOWED, Reason.ALLOWED_TIME
        if allowed is Allowed.UNKNOWN and self._counted_either_way(person, at):
            return Outcome.COUNT_ONLY, Reason.NON_CONTACT
        if allowed is Allowed.UNKNOWN:
            return Outcome.UNKNOWN, list(Reason)[self.plan.reason[person, at]]
        if state is State.NON_CONTACT and self.profile.counts_non_contact(self.day):
            return Outcome.COUNT_ONLY, Reason.NON_CONTACT
        if user[0] == "assigned":
            return Outcome.COUNT_ONLY, Reason.ASSIGNED_DEVICE
        return None

    def _counted_either_way(self, person: int, at: int) -> bool:
        if list(Reason)[self.plan.reason[person, at]] is not Reason.BOUNDARY:
            return False
        margin = self.school.settings.boundary_margin_min
        for minute in range(max(0, at - margin), min(1440, at + margin + 1)):
            state = list(State)[self.plan.state[person, minute]]
            unknown = list(Allowed)[self.plan.allowed[person, minute]] is Allowed.UNKNOWN
            near = list(Reason)[self.plan.reason[person, minute]] is Reason.BOUNDARY
            if (unknown and not near) or not (state in self.profile.allow or state is State.NON_CONTACT):
                return False
        return self.profile.counts_non_contact(self.day)

    def _episode(self, key: Key, kept: set[Key]) -> list[int]:
        """The minutes of a minute's episode that its window sees."""
        user, service, minute = key
        window = minute - minute % 5
        episode = {minute}
        for step in (-1, 1):
            at = minute
            while True:
                gap = range(1, self.profile.episode_gap_min + 1)
                reached = next((at + step * d for d in gap if (user, service, at + step * d) in kept), None)
                if reached is None or not window - 60 <= reached < window + 12:
                    break
                at = reached
                episode.add(at)
        return sorted(episode)

    def _few_either_way(self, key: Key, kept: set[Key], decided: dict[Key, tuple[Outcome, Reason] | None]) -> bool:
        user, service, _ = key
        if user[0] != "person":
            return False
        answers = [decided[user, service, m] for m in self._episode(key, kept)]
        may = [a for a in answers if a is None or (a[0] is Outcome.UNKNOWN)]
        return len(may) < self.profile.episode_minutes

    def _by_episode(
        self,
        key: Key,
        kept: set[Key],
        decided: dict[Key, tuple[Outcome, Reason] | None],
        look: SlowActivity,
    ) -> tuple[Outcome, Reason]:
        user, service, _ = key
        counting = [(user, service, m) for m in self._episode(key, kept) if decided[user, service, m] is None]
        if len(counting) < self.profile.episode_minutes:
            return Outcome.COUNT_ONLY, Reason.INCIDENTAL
        flows = [s for k in counting for s in look.seen[k].naming]
        if all(s.evidence == "dns" for s in flows) and len(counting) < self.profile.doubt.confident_minutes:
            return Outcome.UNKNOWN, Reason.DNS_ONLY
        return Outcome.OUTSIDE_ALLOWED, Reason.EPISODE


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
