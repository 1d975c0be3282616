"""Minute marks judged anew by the files that are in force now.

The same places and the same order of decision as for fresh traffic (pipeline.assess), from what the marks keep. Minutes
that were allowed are not kept by person, so no correction makes them anything else. It reads and stores nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from functools import cache

import numpy as np

from pipeline.activity import Use
from pipeline.assess import Assessor
from pipeline.rebook import Mark, revised
from pipeline.restriction import restricted
from pipeline.traffic import I64
from pipeline.users import note_of
from pipeline.words import Activity, Allowed, Grade, Outcome, Reason, State

_STATES, _ANSWERS, _OUTCOMES, _REASONS = tuple(State), tuple(Allowed), tuple(Outcome), tuple(Reason)


def judged_anew(judge: Assessor, marks: Sequence[Mark]) -> tuple[list[Mark], Counter[str]]:
    """These marks (of a day, all that are kept) by the files in force now, and why some could not be judged. The marks
    of a person's minute change together or not at all."""
    whose = _whose(judge)
    services = {service: code for code, service in enumerate(judge.scope.services)}
    left: Counter[str] = Counter()
    old_ones = {mark.pseudonym for mark in marks if mark.kept is None}
    rows: list[tuple[int, int, int, Mark]] = []
    apart = _restricted(judge, marks[0].day) if marks else set()
    for mark in marks:
        if mark.pseudonym in old_ones:
            left["kept by an older version, which kept too little of them"] += 1
        elif mark.pseudonym not in whose:
            left["of people who are no longer on the staff list, or whose key is gone"] += 1
        elif whose[mark.pseudonym] in apart:
            left["of people of whom nothing may be kept that day"] += 1
        elif mark.service not in services:
            left["of services that are no longer in the catalogue"] += 1
        else:
            rows.append((whose[mark.pseudonym], services[mark.service], mark.minute // 60, mark))
    if not rows:
        return [], left
    rows.sort(key=lambda row: row[:3])
    found = judge.judged(_use(rows))
    anew = [row[3] for row in rows]
    codes = (found.of.state, found.of.allowed, found.outcome, found.reason)
    words = map(_judged, *(column.tolist() for column in codes))
    changed = {mark.moment for mark, judged in zip(anew, words, strict=True) if mark.judged != judged}
    chosen = np.array([n for n, mark in enumerate(anew) if mark.moment in changed], np.int64)
    told = judge.teller.told(found.take(chosen), [anew[n].source for n in chosen.tolist()]) if len(chosen) else []
    for n, row in zip(chosen.tolist(), told, strict=True):
        anew[n] = revised(anew[n], row, judge.versions)
    return anew, left


@cache
def _judged(state: int, allowed: int, outcome: int, reason: int) -> tuple[str, str, str, str]:
    words = _STATES[state], _ANSWERS[allowed], _OUTCOMES[outcome], _REASONS[reason]
    return words[0].value, words[1].value, words[2].value, words[3].value


def _use(rows: Sequence[tuple[int, int, int, Mark]]) -> Use:
    """Marks as minutes of use, sorted by person, service and minute."""
    kept = [mark.kept for *_, mark in rows]
    who, service, minute = (np.array([row[at] for row in rows], np.int64) for at in range(3))
    same = np.concatenate(([False], (who[1:] == who[:-1]) & (service[1:] == service[:-1])))
    joined = same & np.array([fact is not None and fact.joined for fact in kept])

    freshly = [fact is not None and fact.fresh for fact in kept]

    def numbers(name: str) -> I64:
        return np.array([getattr(fact, name) for fact in kept], np.int64)

    return Use(
        who=who,
        service=service,
        minute=minute,
        activity=np.full(len(rows), Activity.ACTIVE.code, np.int8),
        episode=np.cumsum(~joined).astype(np.int64) - 1,
        up=numbers("up"),
        down=numbers("down"),
        bursts=numbers("bursts"),
        supported=numbers("supported") > 0,
        led=numbers("led") > 0,
        named=numbers("named"),
        note=np.array([note_of(Grade(row[3].grade).code, fresh) for row, fresh in zip(rows, freshly, strict=True)]),
    )


def _whose(judge: Assessor) -> dict[str, int]:
    """The person behind each pseudonym of the staff, of every term whose key is kept."""
    keys = judge.teller.pseudonyms
    return {
        pseudonym: person
        for person, one in enumerate(judge.school.staff)
        for pseudonym in keys.terms_of(one.staff_id).values()
    }


def _restricted(judge: Assessor, day: date) -> set[int]:
    """People of whom nothing may be kept on a day."""
    people = np.arange(len(judge.school.staff))
    return set(people[restricted(people, np.full(len(people), day.toordinal()), judge.school.restrictions)].tolist())
