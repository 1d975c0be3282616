"""The answers that a minute can have, as one small number each: a cell is a position in CELLS (state, allowed, reason).

Painting a day with single numbers keeps state, allowed and reason together. Which minute gets which cell is decided in
pipeline.precedence and pipeline.dated; the numbers live in memory only, what is stored are the words of pipeline.words.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.words import Allowed, Reason, State

Cells = npt.NDArray[np.uint8]


class Cell(NamedTuple):
    """What is known of a minute."""

    state: State
    allowed: Allowed
    reason: Reason


def _no(state: State, reason: Reason = Reason.SCHEDULED) -> Cell:
    return Cell(state, Allowed.NO, reason)


def _unknown(reason: Reason, state: State = State.UNKNOWN) -> Cell:
    return Cell(state, Allowed.UNKNOWN, reason)


CELLS: tuple[Cell, ...] = (
    _unknown(Reason.NO_PATTERN),
    _unknown(Reason.NO_BELLS),
    _unknown(Reason.NO_CALENDAR),
    _unknown(Reason.CONFLICT),
    _unknown(Reason.LEADERSHIP_HOURS),
    _unknown(Reason.NOT_IN_POST, State.NOT_IN_POST),
    Cell(State.NON_WORKING_DAY, Allowed.YES, Reason.NON_WORKING_DAY),
    Cell(State.OUTSIDE_HOURS, Allowed.YES, Reason.OUTSIDE_HOURS),
    _no(State.NON_CONTACT, Reason.NON_CONTACT),
    Cell(State.BREAK, Allowed.YES, Reason.BREAK_NOT_ON_DUTY),
    Cell(State.LUNCH, Allowed.YES, Reason.BREAK_NOT_ON_DUTY),
    _unknown(Reason.DUTY_DATA_MISSING, State.BREAK),
    _unknown(Reason.DUTY_DATA_MISSING, State.LUNCH),
    _no(State.MEETING),
    _no(State.REGISTRATION),
    _no(State.TEACHING),
    _no(State.DUTY),
    _no(State.COVER),
    _no(State.EXAM),
    _no(State.INSET),
    _unknown(Reason.INSET_BREAK, State.INSET),
    _unknown(Reason.AWAY, State.ABSENT),
    _unknown(Reason.AWAY, State.TRIP),
    _unknown(Reason.AWAY, State.HOME_WORKING),
    _unknown(Reason.UNCLEAR),
)
(NO_PATTERN, NO_BELLS, NO_CALENDAR, CONFLICT, LEADERSHIP, NOT_IN_POST, DAY_OFF, OUTSIDE, NON_CONTACT) = range(9)
(BREAK, LUNCH, BREAK_NO_ROTA, LUNCH_NO_ROTA, MEETING, REGISTRATION, TEACHING, DUTY, COVER, EXAM) = range(9, 19)
(INSET, INSET_BREAK, ABSENT, TRIP, HOME_WORKING, UNCLEAR) = range(19, 25)
STATE_OF = np.array([cell.state.code for cell in CELLS], np.int8)
ALLOWED_OF = np.array([cell.allowed.code for cell in CELLS], np.int8)
REASON_OF = np.array([cell.reason.code for cell in CELLS], np.int8)
IS_NO = np.array([cell.allowed is Allowed.NO for cell in CELLS])
