"""What is kept of use outside the allowed times in pseudonymous mode: episodes with their evidence, and minute marks.

An episode's rows add up: each window stores its own minutes under the episode's id, with the evidence for them as JSON
(`why`), self-contained so that it can be read after rules, catalogue and timetable have moved on. `pipeline.why` puts
the rows of an id together and says them in words. No address, host name or staff id is in any of it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date

import numpy as np
import numpy.typing as npt

from pipeline.activity import Use
from pipeline.aggregate import Columns, runs
from pipeline.judge import Circumstances, Decision
from pipeline.outcomes import Rulebook, step_of
from pipeline.place import Places
from pipeline.pseudonym import Pseudonyms, term_of
from pipeline.rules import CITED, E8
from pipeline.school import School
from pipeline.traffic import I64, Codes, Mask
from pipeline.windows import start_of
from pipeline.words import Allowed, Confidence, Grade, Outcome, Reason, State
from sensor.catalogue import Catalogue
from sensor.words import Evidence

_GRADES, _STATES, _EVIDENCE = tuple(Grade), tuple(State), tuple(Evidence)
_OUTSIDE = step_of(Outcome.OUTSIDE_ALLOWED, Reason.EPISODE)
_ANSWERS, _OUTCOMES, _REASONS, _CONFIDENCES = tuple(Allowed), tuple(Outcome), tuple(Reason), tuple(Confidence)


@dataclass(frozen=True, slots=True)
class Findings:
    """Decided rows of active use. person int64 (-1 nobody); day int32 date ordinal and minute int16, both local."""

    use: Use
    person: I64
    of: Circumstances
    day: npt.NDArray[np.int32]
    minute: npt.NDArray[np.int16]
    decision: Decision

    @property
    def outcome(self) -> Codes:
        return self.decision.outcome

    @property
    def reason(self) -> Codes:
        return self.decision.reason

    def take(self, rows: I64 | Mask) -> Findings:
        """The rows at these positions, or where the mask is true."""
        of = Circumstances(*(getattr(self.of, f.name)[rows] for f in fields(Circumstances)))
        decision = Decision(*(getattr(self.decision, f.name)[rows] for f in fields(Decision)))
        return Findings(self.use.take(rows), self.person[rows], of, self.day[rows], self.minute[rows], decision)


@dataclass(frozen=True, slots=True)
class Added:
    """Which sums rows of findings were added to: of each row the group of staff (position in `groups`, -1 none) and
    the bell period (position in `periods`, as name and kind)."""

    group: npt.NDArray[np.integer]
    groups: tuple[str, ...]
    period: I64
    periods: tuple[tuple[str, str], ...]

    def told(self, rows: I64, use: Use) -> str:
        """Column `sums` of the episode that these rows make: the group, and for each period the minutes (bit n is the
        n-th minute of the window) and bytes. pipeline.correction reads it."""
        group = int(self.group[rows[0]])
        parts = []
        for code in dict.fromkeys(self.period[rows].tolist()):
            inside = rows[self.period[rows] == code]
            minute = use.minute[inside]
            bits = int(np.bitwise_or.reduce(np.left_shift(1, minute - start_of(minute))))
            parts.append([*self.periods[code], bits, int(use.up[inside].sum()), int(use.down[inside].sum())])
        told = {"people": self.groups[group] if group >= 0 else "", "periods": parts}
        return json.dumps(told, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Teller:
    """Makes rows of `episode` and `minute_mark` of findings that all have the outcome outside_allowed."""

    school: School
    pseudonyms: Pseudonyms
    catalogue: Catalogue
    rulebook: Rulebook
    services: tuple[str, ...]
    places: Places

    def episodes(self, found: Findings, part: I64, sources: Sequence[str], added: Added) -> list[tuple[int, Columns]]:
        """Rows of table `episode` by window, without what all rows of a window share. `part`: see pipeline.judge.parts;
        `sources`: of each row, what tied the address to the person; `added`: the sums that each row is part of."""
        window = start_of(found.use.minute)
        order, starts = runs((window, found.person, found.use.service, part))  # by minute within, as rows come sorted
        tables: dict[int, Columns] = {}
        rules = self._rules(found)
        for rows in np.split(order, starts[1:]):
            first, last = int(rows[0]), int(rows[-1])
            term, staff_id = self._whose(found, first)
            service = self.services[int(found.use.service[first])]
            grade = _GRADES[int(found.of.grade[rows].max())]  # of A and B the weaker
            source = ", ".join(sorted({sort for row in rows.tolist() for sort in sources[row].split(", ")}))
            why = self._why(found.take(rows), grade, source) | {"rules": rules[service]}
            row: dict[str, object] = {
                "id": self.pseudonyms.episode(term, staff_id, service, str(int(part[first]))),
                "pseudonym": self.pseudonyms.of(term, staff_id),
                "service": service,
                "kind": self.catalogue.services[service].kind.value,
                "start": int(found.use.minute[first]) * 60,
                "last": int(found.use.minute[last]) * 60,
                "minutes": len(rows),
                "grade": grade.value,
                "source": source,
                "rule": f"{E8.id} v{E8.version}",
                "why": json.dumps(why, separators=(",", ":")),
                "sums": added.told(rows, found.use),
            }
            _append(tables, int(window[first]), row)
        return sorted(tables.items())

    def marks(self, found: Findings, part: I64, sources: Sequence[str]) -> list[tuple[int, Columns]]:
        """Rows of table `minute_mark` by window, without what all rows of a window share; otherwise as `episodes`."""
        tables: dict[int, Columns] = {}
        window = start_of(found.use.minute)
        rules = self._rules(found)
        for row in np.lexsort((found.use.service, found.person, found.use.minute)).tolist():
            term, staff_id = self._whose(found, row)
            service, grade = self.services[int(found.use.service[row])], _GRADES[int(found.of.grade[row])]
            why = self._why(found.take(np.array([row])), grade, sources[row]) | {"rules": rules[service]}
            values: dict[str, object] = {
                "pseudonym": self.pseudonyms.of(term, staff_id),
                "episode": self.pseudonyms.episode(term, staff_id, service, str(int(part[row]))),
                "service": service,
                "minute": int(found.use.minute[row]) * 60,
                "state": _STATES[int(found.of.state[row])].value,
                "allowed": _ANSWERS[int(found.of.allowed[row])].value,
                "outcome": _OUTCOMES[int(found.outcome[row])].value,
                "reason": _REASONS[int(found.reason[row])].value,
                "grade": grade.value,
                "source": sources[row],
                "rule": f"{E8.id} v{E8.version}",
                "why": json.dumps(why, separators=(",", ":")),
            }
            _append(tables, int(window[row]), values)
        return sorted(tables.items())

    def _rules(self, found: Findings) -> dict[str, list[dict[str, object]]]:
        """The rules that are cited for each service of these rows, with its limits."""
        services = (self.services[code] for code in np.unique(found.use.service).tolist())
        return {
            service: [rule.cited(self.rulebook.limits(service)) for rule in (*CITED, _OUTSIDE.rule)]
            for service in services
        }

    def _whose(self, found: Findings, row: int) -> tuple[str, str]:
        """The term and the staff id of a row."""
        day = date.fromordinal(int(found.day[row]))
        return term_of(self.school.calendar, day), self.school.staff[int(found.person[row])].staff_id

    def _why(self, found: Findings, grade: Grade, source: str) -> dict[str, object]:
        """The evidence for some minutes of an episode; numbers of several rows of an episode may be added."""
        named = int(np.bitwise_or.reduce(found.use.named))
        profile = self.rulebook.profile
        states = Counter(_STATES[code].value for code in found.of.state.tolist())
        reasons = Counter(_REASONS[code].value for code in found.of.reason.tolist())
        return {
            "active_minutes": len(found.person),
            "bytes_down": int(found.use.down.sum()),
            "bytes_up": int(found.use.up.sum()),
            "client_bursts": int(found.use.bursts.sum()),
            "confidence": _CONFIDENCES[int(found.decision.confidence.max())].value,
            "named_by": [word.value for bit, word in enumerate(_EVIDENCE) if named >> bit & 1],
            "states": dict(sorted(states.items())),
            "allowed": Allowed.NO.value,
            "because": dict(sorted(reasons.items())),
            "identity": {"grade": grade.value, "source": source},
            "boundary": {"margin_min": self.rulebook.boundary_margin_min, "nearest_min": self._nearest(found)},
            "clause": {"id": profile.clause, "text": profile.clauses[profile.clause]},
        }

    def _nearest(self, found: Findings) -> int | None:
        """Minutes to the nearest minute of the day that is not certain to be forbidden; None if there is none."""
        nearest = []
        for person, day, minute in zip(found.person.tolist(), found.day.tolist(), found.minute.tolist(), strict=True):
            other = np.flatnonzero(self.places.plan(day).allowed[person] != Allowed.NO.code)
            nearest += [int(np.abs(other - minute).min())] if len(other) else []
        return min(nearest, default=None)


def _append(tables: dict[int, Columns], window: int, row: dict[str, object]) -> None:
    table = tables.setdefault(window, {name: [] for name in row})
    for name, value in row.items():
        table[name].append(value)
