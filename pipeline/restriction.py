"""People of whom nothing may be kept for a time: while a dispute is open, after an objection, for time away from duty.

`restrictions.csv` in the school's folder says who and from when to when. Traffic of a restricted person is dropped as
soon as it is known whose it is: no minute, no episode and no count of it is stored, in either mode. Why somebody is
restricted is a word of a short list, and it stays in that file. No word of the list tells what only the person should:
neither health nor belief nor membership of a union, so `released` stands for every agreed time away from duty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from pipeline.tables import InputError, read_rows

FILE = "restrictions.csv"
COLUMNS = ("staff_id", "date_from", "date_to", "reason")


class RestrictionReason(StrEnum):
    """Why nothing of a person may be kept."""

    DISPUTE = "dispute"
    OBJECTION = "objection"
    RELEASED = "released"
    LEGAL = "legal"
    OTHER = "other"


_TELLING = frozenset(
    {"union", "trade_union", "trade union", "facility_time", "health", "sick", "illness", "religion", "belief", "faith"}
)
_INSTEAD = "write 'released' for agreed time away from duty, else 'other'"


class RestrictionError(InputError):
    """The file of restrictions is wrong."""


@dataclass(frozen=True, slots=True)
class Restriction:
    """Days, both included."""

    person: int
    date_from: date
    date_to: date
    reason: RestrictionReason


def read_restrictions(data: bytes, numbers: Mapping[str, int], file: str = FILE) -> tuple[Restriction, ...]:
    """The restrictions in the bytes of a file; `numbers`: person of each staff id. Raises RestrictionError."""
    found = []
    for row in read_rows(file, data, COLUMNS, RestrictionError):
        staff_id = row.text("staff_id")
        if staff_id not in numbers:
            raise row.fail(f"staff_id {staff_id!r} is not in staff.csv", "add the person there or correct the id")
        dates = row.dates("date_from", "date_to")
        if row.text("reason").strip().lower() in _TELLING:
            raise row.fail("reason tells of health, belief or a union, which must not be kept here", _INSTEAD)
        found.append(Restriction(numbers[staff_id], *dates, row.word("reason", RestrictionReason)))
    return tuple(found)


def restricted(
    person: npt.NDArray[np.integer], day: npt.NDArray[np.integer], restrictions: Sequence[Restriction]
) -> npt.NDArray[np.bool_]:
    """Which rows (person number, date ordinal) are of somebody restricted on that day."""
    found = np.zeros(len(person), bool)
    for row in restrictions:
        days = (day >= row.date_from.toordinal()) & (day <= row.date_to.toordinal())
        found |= (person == row.person) & days
    return found
