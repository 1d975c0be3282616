"""Day plans by what a policy profile allows, where that differs from the wording of clause 6.13.

`pipeline.place` answers each minute by clause 6.13: break, lunch and time outside work allow personal use. A school's
own profile may allow other states. Then every answer that is certain is given anew by its state, and the boundary
margin is laid around the changes that this makes. What is unknown for want of data stays unknown.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from pipeline.place import DayPlan, Places
from pipeline.school import School
from pipeline.tables import DAY_MIN
from pipeline.words import Allowed, Reason, State

BY_CLAUSE = frozenset({State.NON_WORKING_DAY, State.OUTSIDE_HOURS, State.BREAK, State.LUNCH})
"""The states that clause 6.13 allows."""

_AWAY = (
    Reason.AWAY.code,
    Reason.NOT_IN_POST.code,
    Reason.RELEASED.code,
)  # unknown, but not because anything is missing


class ProfilePlaces(Places):
    """Places in which the states of `allow`, and no others, are allowed."""

    def __init__(self, school: School, allow: frozenset[State]) -> None:
        super().__init__(school)
        self._allow = allow
        self._anew: dict[int, DayPlan] = {}

    def plan(self, day: int) -> DayPlan:
        """The plan of a date ordinal."""
        plan = super().plan(day)
        if self._allow == BY_CLAUSE:
            return plan
        if day not in self._anew:
            self._anew = {day: allowed_anew(plan, self._allow, self.school.settings.boundary_margin_min)}
        return self._anew[day]


def allowed_anew(plan: DayPlan, allow: frozenset[State], margin: int) -> DayPlan:
    """The plan with its certain answers given by `allow`; minutes of the old margin count as what their state says."""
    certain = (plan.allowed != Allowed.UNKNOWN.code) | (plan.reason == Reason.BOUNDARY.code)
    yes = certain & np.array([state in allow for state in State])[plan.state]
    no = certain & ~yes
    maybe = yes | (~certain & ~np.isin(plan.reason, _AWAY))
    near = (no & _within(maybe, margin)) | (yes & _within(no, margin))
    answer = np.select([near | ~certain, yes], [Allowed.UNKNOWN.code, Allowed.YES.code], Allowed.NO.code)
    was_near = plan.reason == Reason.BOUNDARY.code
    settled = np.where(yes, np.int8(Reason.ALLOWED_TIME.code), np.int8(Reason.SCHEDULED.code))
    reason = np.where(near, np.int8(Reason.BOUNDARY.code), np.where(was_near, settled, plan.reason))
    return replace(plan, allowed=answer.astype(np.int8), reason=reason.astype(np.int8))


def _within(mask: npt.NDArray[np.bool_], margin: int) -> npt.NDArray[np.bool_]:
    """Minutes at most `margin` away from one that is set."""
    count = np.zeros((len(mask), DAY_MIN + 1), np.int32)
    np.cumsum(mask, axis=1, out=count[:, 1:])
    at = np.arange(DAY_MIN)
    found: npt.NDArray[np.bool_] = count[:, np.minimum(at + margin + 1, DAY_MIN)] > count[:, np.maximum(at - margin, 0)]
    return found
