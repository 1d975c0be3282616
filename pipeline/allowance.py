"""Day plans by what a policy profile allows, where that differs from the wording of clause 6.13.

`pipeline.place` answers each minute by clause 6.13: break, lunch and time outside work allow personal use. A school's
own profile may allow other states. Then every answer that is certain is given anew by its state, and the boundary
margin is laid around the changes that this makes. What is unknown for want of data stays unknown, and without a list of
exceptions nothing is certain to be forbidden, as in `pipeline.place`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from pipeline.place import Codes, DayPlan, Places, near_a_change, within
from pipeline.school import School
from pipeline.sheet import Mask
from pipeline.words import Allowed, Reason, State

BY_CLAUSE = frozenset({State.NON_WORKING_DAY, State.OUTSIDE_HOURS, State.BREAK, State.LUNCH})
"""The states that clause 6.13 allows."""


class ProfilePlaces(Places):
    """Places in which the states of `allow`, and no others, are allowed."""

    def __init__(self, school: School, allow: frozenset[State]) -> None:
        super().__init__(school)
        self._allow = allow
        self._recorded = "exceptions.csv" not in school.missing
        self._anew: dict[int, DayPlan] = {}

    def plan(self, day: int) -> DayPlan:
        """The plan of a date ordinal."""
        plan = super().plan(day)
        if self._allow == BY_CLAUSE:
            return plan
        if day not in self._anew:
            margin = self.school.settings.boundary_margin_min
            self._anew = {day: allowed_anew(plan, self._allow, margin, self._recorded)}
        return self._anew[day]


def allowed_anew(plan: DayPlan, allow: frozenset[State], margin: int, recorded: bool = True) -> DayPlan:
    """The plan with its certain answers given by `allow`. recorded: there is a list of exceptions."""
    answer, reason = answers_anew(plan.state, plan.allowed, plan.reason, allow, margin, recorded)
    return replace(plan, allowed=answer, reason=reason)


def answers_anew(
    state: Codes, allowed: Codes, reason: Codes, allow: frozenset[State], margin: int, recorded: bool
) -> tuple[Codes, Codes]:
    """Answers and reasons (int8[n, 1440]) with the certain ones given by `allow`; minutes of the old margin count as
    what their state says."""
    was_near = reason == Reason.BOUNDARY.code
    certain = (allowed != Allowed.UNKNOWN.code) | was_near
    yes = certain & np.array([one in allow for one in State])[state]
    unrecorded = certain & ~yes & (not recorded)
    answer = np.select([~certain | unrecorded, yes], [Allowed.UNKNOWN.code, Allowed.YES.code], Allowed.NO.code)
    answer = answer.astype(np.int8)
    settled = np.where(yes, np.int8(Reason.ALLOWED_TIME.code), np.int8(Reason.SCHEDULED.code))
    because = np.where(was_near, settled, reason)
    because[unrecorded] = Reason.NO_EXCEPTIONS.code
    near = near_a_change(answer, because, margin)
    answer[near], because[near] = Allowed.UNKNOWN.code, Reason.BOUNDARY.code
    return answer, because


def counted_either_way(plan: DayPlan, people: npt.NDArray[np.integer], allow: frozenset[State], margin: int) -> Mask:
    """Minutes bool[n, 1440] of these people that are unknown for the margin alone, and within it are either allowed or
    contracted time without a lesson, which the profile only counts."""
    state, allowed, reason = (table[people] for table in (plan.state, plan.allowed, plan.reason))
    near = reason == Reason.BOUNDARY.code
    mild = np.array([word in allow or word is State.NON_CONTACT for word in State])[state]
    other = ~mild | ((allowed == Allowed.UNKNOWN.code) & ~near)
    either: Mask = near & ~within(other, margin)
    return either
