"""The bells of one date for one bell group: what each minute is by the bells, and where a row's time or slot lies.

What the bells do not say is doubt, not lesson time: a minute that no slot covers may be a break that nobody wrote down.
Only before the first slot and after the last one the bells are silent for good, if those are of kind `before` and
`after`. Somebody whose group has no lunch (or no break) on a date may have any that another group has. A slot that the
group has not may lie where other groups have it: it forbids nothing that is not forbidden anyway.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.calendar import SchoolDay, bell_slots, bells_on
from pipeline.rows import ANY, SlotKind, Span, When
from pipeline.school import School
from pipeline.sheet import Mask, blank, minutes_of
from pipeline.tables import DAY_MIN


class Where(NamedTuple):
    """The minutes of a row, those in which it may be besides, and those of them on which all other groups agree."""

    sure: Mask
    maybe: Mask
    agreed: Mask


class Times:
    """The bells of a date for a group. index: int16[1440], position in `slots` or -1. breaks, lunches: the group's own;
    all_lunches: of any group. clear: minutes of which the bells say what they are; work: no break, that is."""

    def __init__(self, school: School, on: SchoolDay, group: str) -> None:
        self.slots = bell_slots(school, on, group)
        self.known = bool(self.slots)
        self.index = np.full(DAY_MIN, -1, np.int16)
        for position in sorted(range(len(self.slots)), key=lambda p: self.slots[p].group != ANY):
            slot = self.slots[position]
            self.index[slot.start : slot.end] = position
        rows = bells_on(school, on)
        self._any_group = group in ("", ANY)
        self._elsewhere = {bell.slot: {(b.start, b.end) for b in rows if b.slot == bell.slot} for bell in rows}
        self._named = {slot.name: position for position, slot in enumerate(self.slots)}
        self._placed: dict[When, Where | None] = {}
        self.breaks = self._kind(SlotKind.BREAK)
        self.lunches = self._kind(SlotKind.LUNCH)
        self.all_lunches, unsure = blank(), blank()
        own = {slot.kind for slot in self.slots}
        for bell in rows:
            span = Span(bell.start, bell.end)
            if bell.kind is SlotKind.LUNCH:
                self.all_lunches |= minutes_of(span)
            if bell.kind in (SlotKind.BREAK, SlotKind.LUNCH) and bell.kind.value not in own:
                unsure |= minutes_of(span)
        self.clear = self._rung() & ~unsure
        self.work = self.clear & ~self.breaks & ~self.lunches

    def kind(self, slot: str) -> str:
        """The kind of a slot of this group; empty if it has none of that name."""
        return self.slots[self._named[slot]].kind if slot in self._named else ""

    def place(self, when: When) -> Where | None:
        """Where a time, a slot or the whole day lies; None where this date has no such slot."""
        if when not in self._placed:
            self._placed[when] = self._place(when)
        return self._placed[when]

    def _place(self, when: When) -> Where | None:
        if when is None or isinstance(when, Span):
            return Where(~blank() if when is None else minutes_of(when), blank(), blank())
        if when in self._named:
            return Where(np.equal(self.index, self._named[when]), blank(), blank())
        times = [minutes_of(Span(*span)) for span in self._elsewhere.get(when, ())]
        if not times:
            return None
        every, some = np.logical_and.reduce(times), np.logical_or.reduce(times)
        if self.known or not self._any_group:
            return Where(blank(), some, every)
        return Where(every, some & ~every, blank())

    def _kind(self, kind: SlotKind) -> Mask:
        return np.isin(self.index, [p for p, slot in enumerate(self.slots) if slot.kind == kind])

    def _rung(self) -> Mask:
        """Minutes of which the bells say something."""
        found: Mask = self.index >= 0
        if self.slots:
            first = min(self.slots, key=lambda slot: slot.start)
            last = max(self.slots, key=lambda slot: slot.end)
            found[: first.start] |= first.kind == SlotKind.BEFORE
            found[last.end :] |= last.kind == SlotKind.AFTER
        return found
