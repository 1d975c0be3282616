"""A day being painted: one cell for each of 1440 local minutes, and, if somebody asks, the rows that decided each.

Painting is the whole theory: what comes later wins. `Sheet` keeps cells only, which is what a year needs; `TracedSheet`
takes the same calls and remembers for every minute the rows of the school's files behind it, which is what a question
needs (pipeline.deciding). Both know nothing of calendars, people or precedence.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pipeline.calendar import Slot
from pipeline.cells import IS_NO, Cells
from pipeline.rows import Bell, CalendarRow, Dated, Duty, Lesson, Pattern, Span, Staff
from pipeline.tables import DAY_MIN

Mask = npt.NDArray[np.bool_]
Source = Staff | Pattern | Bell | Slot | CalendarRow | Lesson | Duty | Dated | str  # a row, or the file that lacks one
NOTHING = 255  # a cell of a sheet that lies over another and does not cover it


def blank() -> Mask:
    """No minute of the day."""
    return np.zeros(DAY_MIN, np.bool_)


def minutes_of(span: Span | Slot | None) -> Mask:
    """The minutes of a span as bool[1440]."""
    mask = blank()
    if span is not None:
        mask[span.start : span.end] = True
    return mask


class Sheet:
    """1440 cells, positions in pipeline.cells.CELLS."""

    def __init__(self, cell: int, rows: Sequence[Source] = ()) -> None:
        self.cells: Cells = np.full(DAY_MIN, cell, np.uint8)

    def paint(self, minutes: Mask, cell: int, *rows: Source) -> None:
        """These minutes have this cell, because of these rows."""
        self.cells[minutes] = cell

    def doubt(self, minutes: Mask, cell: int, *rows: Source) -> None:
        """These minutes may be something else than they are, according to these rows: unknown."""
        self.cells[minutes] = cell

    def doubt_unless_no(self, minutes: Mask, cell: int, *rows: Source) -> None:
        """As `doubt`, for rows that would forbid: a minute that is forbidden either way stays so."""
        self.doubt(minutes & ~IS_NO[self.cells], cell, *rows)

    def also(self, minutes: Mask, rows: Sequence[Source]) -> None:
        """These rows have a part in these minutes."""

    def ring(self, minutes: Mask, slot_at: npt.NDArray[np.int16], slots: Sequence[Slot]) -> None:
        """The bells have a part in these minutes; slot_at: position in `slots` of each minute, or -1."""

    def lay(self, over: Sheet) -> None:
        """Puts another sheet on top, with holes where it has NOTHING."""
        self.cells = np.where(over.cells == NOTHING, self.cells, over.cells)

    def either(self, other: Sheet, minutes: Mask, cell: int) -> None:
        """These minutes are this cell, because this sheet and the other one differ there."""
        self.cells[minutes] = cell


class TracedSheet(Sheet):
    """A sheet that remembers: `because` has the rows of each minute, the deciding ones first."""

    def __init__(self, cell: int, rows: Sequence[Source] = ()) -> None:
        super().__init__(cell)
        self.because: list[tuple[Source, ...]] = [tuple(rows)] * DAY_MIN

    def paint(self, minutes: Mask, cell: int, *rows: Source) -> None:
        super().paint(minutes, cell)
        for minute in np.flatnonzero(minutes).tolist():
            self.because[minute] = rows

    def doubt(self, minutes: Mask, cell: int, *rows: Source) -> None:
        super().doubt(minutes, cell)
        self.also(minutes, rows)

    def also(self, minutes: Mask, rows: Sequence[Source]) -> None:
        for minute in np.flatnonzero(minutes).tolist():
            self.because[minute] = tuple(dict.fromkeys([*self.because[minute], *rows]))

    def ring(self, minutes: Mask, slot_at: npt.NDArray[np.int16], slots: Sequence[Slot]) -> None:
        for position, slot in enumerate(slots):
            self.also(minutes & (slot_at == position), [slot])

    def lay(self, over: Sheet) -> None:
        super().lay(over)
        if isinstance(over, TracedSheet):
            for minute in np.flatnonzero(over.cells != NOTHING).tolist():
                self.because[minute] = over.because[minute]

    def either(self, other: Sheet, minutes: Mask, cell: int) -> None:
        super().either(other, minutes, cell)
        if isinstance(other, TracedSheet):
            for minute in np.flatnonzero(minutes).tolist():
                self.because[minute] = tuple(dict.fromkeys([*self.because[minute], *other.because[minute]]))
