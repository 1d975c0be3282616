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
    _unknown(Reason.RELEASED),
    _unknown(Reason.UNCLEAR),
)
(NO_PATTERN, NO_BELLS, NO_CALENDAR, CONFLICT, LEADERSHIP, NOT_IN_POST, DAY_OFF, OUTSIDE, NON_CONTACT) = range(9)
(BREAK, LUNCH, BREAK_NO_ROTA, LUNCH_NO_ROTA, MEETING, REGISTRATION, TEACHING, DUTY, COVER, EXAM) = range(9, 19)
(INSET, INSET_BREAK, ABSENT, TRIP, HOME_WORKING, RELEASED, UNCLEAR) = range(19, 26)
IS_NO = np.array([cell.allowed is Allowed.NO for cell in CELLS])

# What a day plan adds to a cell, as a bit: the answer is unknown for another reason, the state stays.
BOUNDARY, UNRECORDED = 64, 128
_ADDED = {0: None, BOUNDARY: Reason.BOUNDARY, UNRECORDED: Reason.NO_EXCEPTIONS}


def _tables() -> tuple[npt.NDArray[np.int8], ...]:
    """State, allowed and reason of every cell, with and without what is added: int8[256] each."""
    found = np.zeros((3, 256), np.int8)
    for added, reason in _ADDED.items():
        for position, cell in enumerate(CELLS):
            whole = cell if reason is None else Cell(cell.state, Allowed.UNKNOWN, reason)
            found[:, position + added] = [word.code for word in whole]
    return tuple(found)


STATE_OF, ALLOWED_OF, REASON_OF = _tables()


def words_of(cells: Cells, table: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """`table[cells]`, read-only, in a fifth of the time."""
    return np.frombuffer(cells.tobytes().translate(table.tobytes()), np.int8).reshape(cells.shape)
