"""From traffic to the rows of finished windows: who, where in the timetable, was it use, which outcome, which sums.

`Assessor.rows` is a pure function of traffic, school, bindings, catalogue and profile: it gives the same rows for a
window whether it is asked for one window or for many. In aggregate mode persons exist only inside this call; in
pseudonymous mode episodes and minutes outside the allowed times leave it too, under pseudonyms. Before the notice date
nobody is looked up and minutes are only counted. It opens nothing and stores nothing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import numpy.typing as npt

from pipeline.activity import Limits, Use, find_use
from pipeline.aggregate import (
    SMALLEST_GROUP,
    Columns,
    Groups,
    Labels,
    Outcomes,
    coverage_columns,
    levels,
    people_groups,
    use_day,
    use_five,
    use_period,
)
from pipeline.allowance import ProfilePlaces, counted_either_way
from pipeline.evidence import Added, Findings, Teller
from pipeline.gather import Clients, Scope
from pipeline.judge import ACTIONS, Circumstances, decide, parts
from pipeline.marks import kept_of, marked
from pipeline.outcomes import Rulebook
from pipeline.pause import paused, paused_in
from pipeline.place import Placed, Places
from pipeline.profile import Profile
from pipeline.pseudonym import Pseudonyms
from pipeline.restriction import restricted
from pipeline.school import School
from pipeline.sites import site_people
from pipeline.traffic import I64, Mask, Traffic, merge, without_idle_openings
from pipeline.users import Bindings, Sightings, fresh_of, grade_of, identify, nobody_of, person_of
from pipeline.windows import WINDOW_MIN, start_of
from pipeline.words import Activity, Allowed, Outcome, Reason, State
from sensor.catalogue import Catalogue
from sensor.words import Action, Kind

Rows = dict[str, Columns]
"""Rows to store, by table (pipeline.schema)."""

_NOT_USE = {
    "minutes_inactive": [Activity.INACTIVE.code],
    "minutes_embedded": [Activity.EMBEDDED.code, Activity.EMBEDDED_MEDIA.code],
    "minutes_background": [Activity.BACKGROUND.code],
}
_KINDS = tuple(Kind)
_NO_PERIOD = ("", "")


@dataclass(frozen=True, eq=False, repr=False)
class Assessor:
    """Everything a judgement needs besides traffic. `bindings` None: nobody is ever looked up.

    `pseudonyms` is needed in pseudonymous mode and unused in aggregate mode.
    """

    school: School
    catalogue: Catalogue
    profile: Profile
    bindings: Bindings | None
    pseudonyms: Pseudonyms | None = None
    places: Places = field(init=False)
    scope: Scope = field(init=False)
    limits: Limits = field(init=False)
    groups: Groups = field(init=False)
    rulebook: Rulebook = field(init=False)
    _actions: npt.NDArray[np.int8] = field(init=False)
    _allows: Mask = field(init=False)
    _kind_of: I64 = field(init=False)

    def __post_init__(self) -> None:
        if self.school.settings.mode == "pseudonymous" and self.pseudonyms is None:
            raise ValueError("pseudonymous mode needs a file of pseudonym keys; give one, or use mode aggregate")
        if strange := sorted(set(self.profile.services) - set(self.catalogue.services)):
            what = f"service {strange[0]!r} is not in the catalogue"
            raise ValueError(f"policy profile {self.profile.id}: {what}; correct its id or add it to the catalogue")
        services = tuple(sorted(self.catalogue.services))
        entries = [self.catalogue.services[s] for s in services]
        actions = [ACTIONS.index(self.profile.action_of(s.id, s.action, s.kind)) for s in entries]
        for name, value in (
            ("places", ProfilePlaces(self.school, self.profile.allow)),
            ("scope", Scope(services, self.profile.dns_named_flows)),
            ("limits", Limits.of(self.profile, services, self.catalogue)),
            ("rulebook", Rulebook(self.profile, self.school.settings.boundary_margin_min)),
            ("groups", people_groups([person.role for person in self.school.staff])),
            ("_actions", np.array(actions, np.int8)),
            ("_allows", np.array([state in self.profile.allow for state in State])),
            ("_kind_of", np.array([_KINDS.index(s.kind) for s in entries], np.int64)),
        ):
            object.__setattr__(self, name, value)

    @property
    def versions(self) -> dict[str, str]:
        """The versions that every row carries."""
        return {"policy": self.rulebook.version, "catalogue": self.catalogue.version, "timetable": self.school.version}

    def rows(
        self, traffic: Traffic, clients: Clients, windows: I64, counts: Counter[tuple[int, str]]
    ) -> dict[int, Rows]:
        """The rows of these windows (starts, sorted). `traffic` is by client number and must hold all that the windows
        need (pipeline.windows); `counts` are the slices and losses by (window, metric)."""
        metrics: dict[int, Counter[str]] = {start: Counter() for start in windows.tolist()}
        for (start, metric), n in counts.items():
            if start in metrics:
                metrics[start][metric] += n
        for start in metrics:
            if reasons := paused_in(start, start + WINDOW_MIN, self.school.pauses):
                if reasons.total() == WINDOW_MIN:
                    metrics[start].clear()  # not observed: nothing was counted
                metrics[start]["minutes_paused"] += reasons.total()
                metrics[start].update({f"minutes_paused_{reason}": n for reason, n in reasons.items()})

        def count(metric: str, minute: I64, chosen: Mask | None = None) -> None:
            found, n = np.unique(start_of(minute if chosen is None else minute[chosen]), return_counts=True)
            for start, number in zip(found.tolist(), n.tolist(), strict=True):
                metrics[start][metric] += number

        use, sightings = self._use(traffic, clients)
        ours = np.isin(start_of(use.minute), windows)
        for metric, sorts in _NOT_USE.items():
            count(metric, use.minute, ours & np.isin(use.activity, sorts))
        ignored = self._actions[use.service] == ACTIONS.index(Action.IGNORE)
        count("minutes_ignored", use.minute, ours & use.active & ignored)
        silent = ~self._monitored(use.minute)
        count("minutes_before_notice", use.minute, ours & use.active & ~ignored & silent)

        findings = self.judged(use.take(use.active & ~ignored & ~silent))
        ours = np.isin(start_of(findings.use.minute), windows)
        outcomes, labels = self._outcomes(findings, ours)
        at = levels(outcomes, labels)
        person = at.service.who < len(self.school.staff)
        state = self._place(np.where(person, at.service.who, -1), at.service.minute).state
        count("minutes_use", at.service.minute)
        count("minutes_person", at.service.minute, person)
        count("minutes_timetabled", at.service.minute, person & (state != State.UNKNOWN.code))
        count("minutes_judged", at.service.minute, at.service.outcome != Outcome.UNKNOWN.code)

        rows: dict[int, Rows] = {start: {} for start in metrics}
        for table, windowed in (
            ("use_five", use_five(at, labels)),
            ("use_period", use_period(at, labels)),
            ("use_day", use_day(at, labels)),
            ("coverage", [(start, coverage_columns(found)) for start, found in metrics.items()]),
            *self._pseudonymous(findings, ours, sightings),
        ):
            for start, columns in windowed:
                rows[start][table] = self._completed(table, start, columns)
        return rows

    @property
    def teller(self) -> Teller:
        """Says in rows what is kept under pseudonyms."""
        if self.pseudonyms is None:
            raise ValueError("this school keeps nothing under pseudonyms (mode aggregate)")
        return Teller(self.school, self.pseudonyms, self.catalogue, self.rulebook, self.scope.services, self.places)

    def findings(self, traffic: Traffic, clients: Clients) -> Findings:
        """Every minute that is judged, with its outcome: what `rows` adds up. Never to be stored as it is."""
        use, _ = self._use(traffic, clients)
        ignored = self._actions[use.service] == ACTIONS.index(Action.IGNORE)
        return self.judged(use.take(use.active & ~ignored & self._monitored(use.minute)))

    # ------------------------------------------------------------------------------------------------- who and where

    @property
    def _too_few(self) -> bool:
        """Would sums of everybody show persons? In aggregate mode nobody is looked up then."""
        return self.school.settings.mode == "aggregate" and len(self.school.staff) < SMALLEST_GROUP

    def _use(self, traffic: Traffic, clients: Clients) -> tuple[Use, Sightings]:
        """Rows of use by user; none of a paused minute, none of a restricted person."""
        traffic = traffic.take(~paused(traffic.minute, self.school.pauses))
        off = self.school.settings.identity == "none" or self._too_few
        bindings = None if off else self.bindings
        traffic = without_idle_openings(traffic, len(self.scope.services))
        watched = self._monitored(traffic.minute)
        fresh_min = self.profile.doubt.log_on_min
        users, sightings = identify(traffic, clients, bindings, len(self.school.staff), watched, fresh_min)
        day, _ = self.places.clock.split(users.minute.astype(np.uint32))
        users = users.take(~restricted(person_of(users.who, len(self.school.staff)), day, self.school.restrictions))
        return find_use(merge(users), self.limits), sightings

    def _monitored(self, minute: I64) -> Mask:
        """Minutes on or after the notice date, in the school's own days."""
        notice = self.school.settings.notice_date
        if notice is None:
            return np.zeros(len(minute), bool)
        day, _ = self.places.clock.split(minute.astype(np.uint32))
        return day >= notice.toordinal()

    def _place(self, person: I64, minute: I64) -> Placed:
        """Where minutes lie in persons' days (-1 nobody)."""
        return self.places.look_up(person.astype(np.int32), minute.astype(np.uint32))

    # -------------------------------------------------------------------------------------------------- the judgement

    def judged(self, use: Use) -> Findings:
        """Decides rows of active use; `use.who` and `use.note` as in pipeline.users."""
        person = person_of(use.who, len(self.school.staff))
        placed = self._place(person, use.minute)
        allowed = np.where(self._in_favour(placed), np.int8(Allowed.YES.code), placed.allowed)
        counted = np.zeros(len(use), bool)
        official, doubt = counted.copy(), np.zeros(len(use), np.int8)
        for ordinal in np.unique(placed.day).tolist():
            day, rows = date.fromordinal(ordinal), placed.day == ordinal
            if self.profile.counts_non_contact(day):
                counted |= rows & (placed.state == State.NON_CONTACT.code) & (placed.allowed == Allowed.NO.code)
                near = np.flatnonzero(rows & (placed.reason == Reason.BOUNDARY.code))
                counted[near] = self._either_way(ordinal, person[near], placed.minute[near])
            sites = site_people(self.school, self.profile.official_sites, self.catalogue.services, day)
            for service, people in sites.items():
                on = rows & (person >= 0) & (use.service == self.scope.services.index(service))
                official[on] = people.official[person[on]]
                doubt[on] = people.doubt[person[on]]
        circumstances = Circumstances(
            action=self._actions[use.service],
            grade=grade_of(use.note),
            nobody=np.full(len(use), Reason.TOO_FEW_PEOPLE.code, np.int8) if self._too_few else nobody_of(use.note),
            official=official,
            doubt=doubt,
            state=placed.state,
            allowed=allowed,
            reason=placed.reason,
            counted=counted,
            fresh=fresh_of(use.note),
        )
        decision = decide(use, circumstances, self.profile.episode_minutes, self.profile.doubt.confident_minutes)
        return Findings(use, person, circumstances, placed.day, placed.minute, decision)

    def _in_favour(self, placed: Placed) -> Mask:
        """Is a minute near a change one that the timetable itself allows? The margin is there to protect people."""
        favour: Mask = (placed.reason == Reason.BOUNDARY.code) & self._allows[placed.state]
        return favour

    def _either_way(self, day: int, person: I64, minute: npt.NDArray[np.int16]) -> Mask:
        """Is a minute near a change only counted, whatever side of it was the right one?"""
        people, row = np.unique(person, return_inverse=True)
        margin = self.school.settings.boundary_margin_min
        either: Mask = counted_either_way(self.places.plan(day), people, self.profile.allow, margin)[row, minute]
        return either

    def _outcomes(self, found: Findings, rows: Mask) -> tuple[Outcomes, Labels]:
        """These rows as input of the sums; a person counts once, however the person was known."""
        staff = len(self.school.staff)
        use = found.use.take(rows)
        person, day, minute = found.person[rows], found.day[rows], found.minute[rows]
        period, periods = self._periods(person, day, minute)
        outcomes = Outcomes(
            who=np.where(person >= 0, person, use.who + staff),
            label=use.service,
            minute=use.minute,
            window=start_of(use.minute),
            period=period,
            group=np.append(self.groups.of_person, np.int8(-1))[person].astype(np.int64),
            outcome=found.outcome[rows].astype(np.int64),
            reason=found.reason[rows].astype(np.int64),
            up=use.up,
            down=use.down,
        )
        return outcomes, Labels(self.scope.services, self._kind_of, _KINDS, periods, self.groups.names)

    def _periods(
        self, person: I64, day: npt.NDArray[np.int32], minute: npt.NDArray[np.int16]
    ) -> tuple[I64, tuple[tuple[str, str], ...]]:
        """The bell slot of each row (position), and all slots as (name, kind)."""
        names: dict[tuple[str, str], int] = {_NO_PERIOD: 0}
        period = np.zeros(len(person), np.int64)
        for ordinal in np.unique(day).tolist():
            plan, rows = self.places.plan(ordinal), day == ordinal
            number = [names.setdefault((slot.name, str(slot.kind)), len(names)) for slot in plan.slots]
            of_slot = np.array([*number, 0], np.int64)
            period[rows] = of_slot[plan.slot[plan.group[person[rows]], minute[rows]]]
        return period, tuple(names)

    # -------------------------------------------------------------------------------------------------------- the rows

    def _pseudonymous(
        self, found: Findings, ours: Mask, sightings: Sightings
    ) -> list[tuple[str, list[tuple[int, Columns]]]]:
        """Episodes outside the allowed times and minute marks: only in pseudonymous mode."""
        if self.school.settings.mode != "pseudonymous" or self.bindings is None:
            return []
        marks = marked(found)
        rows = ours & marks
        if not rows.any():
            return []
        kept, part = found.take(rows), parts(found.use)[rows]
        sources = sightings.sources(self.bindings, kept.person, kept.use.minute)
        period, periods = self._periods(kept.person, kept.day, kept.minute)
        added = Added(np.append(self.groups.of_person, np.int8(-1))[kept.person], self.groups.names, period, periods)
        kinds = [_KINDS[code].value for code in self._kind_of.tolist()]
        facts = kept_of(found, marks, rows, added, kinds, fresh_of(kept.use.note))
        outside = np.flatnonzero(kept.outcome == Outcome.OUTSIDE_ALLOWED.code)
        told = [sources[row] for row in outside.tolist()]
        episodes = self.teller.episodes(kept.take(outside), part[outside], told, added.take(outside))
        return [("episode", episodes), ("minute_mark", self.teller.marks(kept, part, sources, facts))]

    def _completed(self, table: str, start: int, columns: Columns) -> Columns:
        """Adds what every row of a window shares."""
        n = len(next(iter(columns.values())))
        day = date.fromordinal(int(self.places.clock.split(np.array([start], np.uint32))[0][0]))
        shared: dict[str, object] = {"school": self.school.settings.id, "day": day}
        if table in ("use_five", "coverage"):
            shared["start"] = start * 60
        shared |= self.versions
        return columns | {name: [value] * n for name, value in shared.items()}
