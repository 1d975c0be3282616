"""What is kept under pseudonyms, in pseudonymous mode only: episodes with their evidence, and minute marks.

An episode's rows add up: each window stores its own minutes under the episode's id, with the evidence for them as JSON
(`why`), self-contained so that it can be read after rules, catalogue and timetable have moved on. A minute mark is one
minute whose outcome a corrected timetable may change (pipeline.marks says which), with its evidence and all that is
needed to judge it anew. `pipeline.why` says both in words. No address, host name or staff id is in any of it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date
from functools import cache

import numpy as np
import numpy.typing as npt

from pipeline.activity import Use
from pipeline.aggregate import Columns, runs
from pipeline.judge import Circumstances, Decision
from pipeline.marks import Kept
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

_ENCODE = json.JSONEncoder(separators=(",", ":")).encode
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

    def take(self, rows: I64) -> Added:
        """These rows."""
        return Added(self.group[rows], self.groups, self.period[rows], self.periods)

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
        return _ENCODE(told)


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
        rules, nearest = self._rules(found), self._nearest(found)
        for rows in np.split(order, starts[1:]) if len(order) else ():
            first, last = int(rows[0]), int(rows[-1])
            term, staff_id = self._whose(found, first)
            service = self.services[int(found.use.service[first])]
            grade = _GRADES[int(found.of.grade[rows].max())]  # of A and B the weaker
            source = ", ".join(sorted({sort for row in rows.tolist() for sort in sources[row].split(", ")}))
            why = self._why(found, rows.tolist(), nearest, grade, source) | {"rules": rules[service]}
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
                "why": _ENCODE(why),
                "sums": added.told(rows, found.use),
                "revision": 0,
            }
            _append(tables, int(window[first]), row)
        return sorted(tables.items())

    def marks(
        self, found: Findings, part: I64, sources: Sequence[str], kept: Sequence[Kept]
    ) -> list[tuple[int, Columns]]:
        """Rows of table `minute_mark` by window, without what all rows of a window share; otherwise as `episodes`.
        `kept`: of each row, what judging it anew needs."""
        tables: dict[int, Columns] = {}
        window = start_of(found.use.minute)
        told = self.told(found, sources)
        pseudonym, episode = cache(self.pseudonyms.of), cache(self.pseudonyms.episode)
        for row in np.lexsort((found.use.service, found.person, found.use.minute)).tolist():
            term, staff_id = self._whose(found, row)
            service = self.services[int(found.use.service[row])]
            values: dict[str, object] = {
                "pseudonym": pseudonym(term, staff_id),
                "episode": episode(term, staff_id, service, str(int(part[row]))),
                "service": service,
                "minute": int(found.use.minute[row]) * 60,
                **told[row],
                "facts": kept[row].dumped(),
                "revision": 0,
            }
            _append(tables, int(window[row]), values)
        return sorted(tables.items())

    def told(self, found: Findings, sources: Sequence[str]) -> list[dict[str, object]]:
        """Of each row the columns of `minute_mark` that say how it was judged. Its rules are those of the rulebook."""
        use, of, profile = found.use, found.of, self.rulebook.profile
        numbers = zip(
            *(column.tolist() for column in (of.state, of.allowed, of.reason, of.grade, found.outcome, found.reason)),
            *(column.tolist() for column in (found.decision.confidence, use.up, use.down, use.bursts, use.named)),
            self._nearest(found),
            strict=True,
        )
        clause = {"id": profile.clause, "text": profile.clauses[profile.clause]}
        margin, named_by = self.rulebook.boundary_margin_min, cache(_named_by)
        rows: list[dict[str, object]] = []
        for source, (at, may, because, sure, found_, reason, confidence, up, down, bursts, named, near) in zip(
            sources, numbers, strict=True
        ):
            state, allowed, grade = _STATES[at].value, _ANSWERS[may].value, _GRADES[sure].value
            why = {
                "active_minutes": 1,
                "bytes_down": down,
                "bytes_up": up,
                "client_bursts": bursts,
                "confidence": _CONFIDENCES[confidence].value,
                "named_by": named_by(named),
                "states": {state: 1},
                "allowed": allowed,
                "because": {_REASONS[because].value: 1},
                "identity": {"grade": grade, "source": source},
                "boundary": {"margin_min": margin, "nearest_min": near},
                "clause": clause,
            }
            rows.append(
                {
                    "state": state,
                    "allowed": allowed,
                    "outcome": _OUTCOMES[found_].value,
                    "reason": _REASONS[reason].value,
                    "grade": grade,
                    "source": source,
                    "rule": _rule_of(found_, reason),
                    "why": _ENCODE(why),
                }
            )
        return rows

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

    def _why(
        self, found: Findings, rows: Sequence[int], nearest: Sequence[int | None], grade: Grade, source: str
    ) -> dict[str, object]:
        """The evidence for some minutes of an episode; numbers of several rows of an episode may be added."""
        named, profile, use = 0, self.rulebook.profile, found.use
        for row in rows:
            named |= int(use.named[row])
        answers = {_ANSWERS[int(found.of.allowed[row])].value for row in rows}
        states = Counter(_STATES[int(found.of.state[row])].value for row in rows)
        reasons = Counter(_REASONS[int(found.of.reason[row])].value for row in rows)
        near = [nearest[row] for row in rows]
        return {
            "active_minutes": len(rows),
            "bytes_down": sum(int(use.down[row]) for row in rows),
            "bytes_up": sum(int(use.up[row]) for row in rows),
            "client_bursts": sum(int(use.bursts[row]) for row in rows),
            "confidence": _CONFIDENCES[max(int(found.decision.confidence[row]) for row in rows)].value,
            "named_by": _named_by(named),
            "states": dict(sorted(states.items())),
            "allowed": min(answers),
            "because": dict(sorted(reasons.items())),
            "identity": {"grade": grade.value, "source": source},
            "boundary": {
                "margin_min": self.rulebook.boundary_margin_min,
                "nearest_min": min((n for n in near if n is not None), default=None),
            },
            "clause": {"id": profile.clause, "text": profile.clauses[profile.clause]},
        }

    def _nearest(self, found: Findings) -> list[int | None]:
        """Of each row the minutes to the nearest minute of the day that is not certain to be forbidden; None if there
        is none."""
        nearest: list[int | None] = [None] * len(found.person)
        order, starts = runs((found.day, found.person))
        for rows in np.split(order, starts[1:]) if len(order) else ():
            plan = self.places.plan(int(found.day[rows[0]]))
            other = np.flatnonzero(plan.allowed[found.person[rows[0]]] != Allowed.NO.code)
            if not len(other):
                continue
            minute = found.minute[rows].astype(np.int64)
            at = np.searchsorted(other, minute)
            before, after = other[np.maximum(at - 1, 0)], other[np.minimum(at, len(other) - 1)]
            gap = np.minimum(np.abs(minute - before), np.abs(after - minute))
            for row, n in zip(rows.tolist(), gap.tolist(), strict=True):
                nearest[row] = n
        return nearest


def _named_by(named: int) -> list[str]:
    """The words of a bit set of evidence."""
    return [word.value for bit, word in enumerate(_EVIDENCE) if named >> bit & 1]


@cache
def _rule_of(outcome: int, reason: int) -> str:
    """The rule that gives an outcome for a reason (codes), and its version."""
    if _OUTCOMES[outcome] is Outcome.OUTSIDE_ALLOWED:
        return f"{E8.id} v{E8.version}"
    rule = step_of(_OUTCOMES[outcome], _REASONS[reason]).rule
    return f"{rule.id} v{rule.version}"


def _append(tables: dict[int, Columns], window: int, row: dict[str, object]) -> None:
    table = tables.setdefault(window, {name: [] for name in row})
    for name, value in row.items():
        table[name].append(value)
