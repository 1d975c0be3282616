"""Client addresses to users: a person where identity allows it, else a device or an address.

A user is a number, because the judge only asks "the same or not?": below `n_staff` a person known by log-on, then
`n_staff` persons known only by the device assigned to them, then devices and addresses without a person. The two sorts
of persons are judged apart, so that a device that anybody may hold never adds to what a log-on proves; sums put them
together again. This module knows no timetable and no services.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pipeline.gather import Clients
from pipeline.judge import SURE
from pipeline.traffic import I64, Traffic
from pipeline.words import Grade, Reason

Who = tuple[npt.NDArray[np.int32], npt.NDArray[np.int8], npt.NDArray[np.int8], npt.NDArray[np.int32]]
Mask = npt.NDArray[np.bool_]
_NOTE, _GRADES = len(Reason), len(Grade)


class Bindings(Protocol):
    """Who used an address: see `pipeline.identity`."""

    def who(self, address: npt.NDArray[np.generic], minutes: npt.NDArray[np.uint32]) -> Who:
        """Addresses 'S16', UTC minutes -> person (-1 nobody), grade, reason why nobody, device (-1 unknown)."""
        ...

    def find(self, address: npt.NDArray[np.generic], minutes: npt.NDArray[np.uint32]) -> I64:
        """The same -> number of the binding, -1 none."""
        ...

    def source(self, binding: int) -> str:
        """What a binding rests on, in words, parts separated by `; `."""
        ...


@dataclass(frozen=True, slots=True)
class Sightings:
    """At which addresses ('S16') persons known by log-on were seen, row by row."""

    who: I64
    minute: I64
    address: npt.NDArray[np.bytes_]

    def sources(self, bindings: Bindings, person: I64, minute: I64) -> list[str]:
        """Which sorts of records tied each person to an address in a minute; not which records: they would name him."""
        if not len(minute):
            return []
        base, width = int(minute.min()), int(np.ptp(minute)) + 1
        asked, row = np.unique(person * width + (minute - base), return_inverse=True)
        at = np.flatnonzero((self.minute >= base) & (self.minute < base + width))
        moment = self.who[at] * width + (self.minute[at] - base)
        meant = np.isin(moment, asked)
        at, moment = at[meant], moment[meant]
        found, which = np.unique(
            bindings.find(self.address[at], self.minute[at].astype(np.uint32)), return_inverse=True
        )
        sorts = [_sorts(bindings.source(binding)) for binding in found.tolist()]
        words = sorted(set[str]().union(*sorts))
        bits = np.array([sum(1 << words.index(word) for word in of) for of in sorts], np.int64)
        told = np.zeros(len(asked), np.int64)
        np.bitwise_or.at(told, np.searchsorted(asked, moment), bits[which])
        texts = {of: ", ".join(word for n, word in enumerate(words) if of >> n & 1) for of in set(told.tolist())}
        return [texts[of] for of in told[row].tolist()]


def identify(
    traffic: Traffic, clients: Clients, bindings: Bindings | None, staff: int, watched: Mask, fresh_min: int
) -> tuple[Traffic, Sightings]:
    """Traffic by client number -> the same by user, with a note (`grade_of`, `nobody_of`, `fresh_of`). Nobody is looked
    up in rows that are not `watched`, nor without bindings. A person is fresh at an address where he was not logged on
    `fresh_min` minutes before."""
    base = int(traffic.minute.min(initial=0))
    width = int(traffic.minute.max(initial=0)) - base + 1
    pairs, first, row = np.unique(traffic.who * width + (traffic.minute - base), return_index=True, return_inverse=True)
    client, minute = pairs // width, pairs % width + base
    address = clients.addresses()[client]
    person = np.full(len(pairs), -1, np.int64)
    grade = np.full(len(pairs), Grade.NONE.code, np.int64)
    reason = np.full(len(pairs), Reason.IDENTITY_OFF.code, np.int64)
    device = np.full(len(pairs), -1, np.int64)
    if bindings is not None:
        known = np.flatnonzero(watched[first])
        found = bindings.who(address[known], minute[known].astype(np.uint32))
        person[known], grade[known], reason[known], device[known] = found
    surely = (person >= 0) & np.isin(grade, SURE)
    fresh = np.zeros(len(pairs), np.int64)
    if bindings is not None and fresh_min:
        known = np.flatnonzero(surely)
        before = bindings.who(address[known], np.maximum(minute[known] - fresh_min, 0).astype(np.uint32))
        fresh[known] = (before[0] != person[known]) | ~np.isin(before[1], SURE)
    assigned = (person >= 0) & (grade == Grade.C.code)
    shared = ~surely & ~assigned & (grade == Grade.D.code)
    grade[~surely & ~assigned] = Grade.NONE.code
    grade[shared] = Grade.D.code
    reason[reason == Reason.NONE.code] = Reason.NO_PERSON.code
    nobody = 2 * staff + np.where(device >= 0, device, device.max(initial=-1) + 1 + client)
    who = np.select([surely, assigned], [person, staff + person], nobody)
    identified = replace(traffic, who=who[row], note=((fresh * _GRADES + grade) * _NOTE + reason)[row])
    return identified, Sightings(who[surely], minute[surely], address[surely])


def person_of(who: I64, staff: int) -> I64:
    """The person behind each user, -1 nobody."""
    return np.where(who < 2 * staff, who % max(staff, 1), -1)


def note_of(grade: int, fresh: bool) -> int:
    """The note of a person known with this grade."""
    return (fresh * _GRADES + grade) * _NOTE


def grade_of(note: I64) -> npt.NDArray[np.int8]:
    """The grade in a note: of merged rows the weaker of A and B, or D if one was shared."""
    return (note // _NOTE % _GRADES).astype(np.int8)


def fresh_of(note: I64) -> Mask:
    """Had the person in a note just logged on?"""
    fresh: Mask = note // _NOTE // _GRADES == 1
    return fresh


def nobody_of(note: I64) -> npt.NDArray[np.int8]:
    """The reason in a note, why there is no person."""
    return (note % _NOTE).astype(np.int8)


def _sorts(source: str) -> set[str]:
    """The sorts of records in the words of a binding's source: `log-on since 08:00 (logons.csv:3); ...` -> log-on."""
    return {re.split(r" since | \(", part)[0] for part in source.split("; ")}
