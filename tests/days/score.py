"""Holds judged minutes against the truth of a day: what was wrongly called outside the allowed times, what was missed.

The unit is a person, a service and a minute in which the script put traffic on the wire, on a machine of the staff
network. A minute that holds several deeds takes the first label of use, official, embedded, background.

- Harmless: official deeds, embedded and background traffic, and use in minutes that the policy allows, by people whom
  the feeds prove (others cannot be tagged at all). These are the ten thousands of the rate.
- False: a judged minute `outside_allowed` that was anything else than use of a tagged service by that very person in a
  minute that is not allowed. Minutes that only the profile counts (non-contact) are false too.
- Due: use of a tagged service, something done in that minute, not allowed, not counted, clear of boundaries, proved,
  in an episode (gaps up to five minutes) of three or more such minutes. Missed: due, and not judged outside_allowed.
- Certain: of all minutes of use in which something was done, by anybody on the staff network, those whose outcome is
  not `unknown`. A minute that was not found is not certain. Use by a device that no feed ties to a person counts by the
  outcome that it got, as other use does: of a service that is only counted it is certain. Truth and product have no
  common name for such a device, so each of its minutes stands for one minute of truth of that service and time.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from tests.judged import Minute

Cell = tuple[str, str, int]  # person, service, UTC minute
RANK = ("use", "official", "embedded", "background")
COUNTED = "non_contact"
GAP, LONG = 5, 3  # of an episode, as the policy's reading in domain facts 4.4 has it
OUTSIDE = "outside_allowed"


@dataclass(frozen=True)
class Truth:
    """What a person's traffic with a service was in a minute."""

    label: str
    behaviour: str
    level: int
    state: str
    allowed: str
    near: bool
    proved: bool
    tagged: bool
    hidden: bool  # behind an encrypted hello

    def rank(self) -> tuple[bool, int, int]:
        """Of several deeds in a minute the least of these says what it was."""
        return self.level == 0, RANK.index(self.label), -self.level


@dataclass
class Score:
    """Counts of one day or of many; Counters are by behaviour."""

    scored: int = 0
    people_minutes: int = 0
    harmless: Counter[str] = field(default_factory=Counter)
    false: Counter[str] = field(default_factory=Counter)
    due: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    used: Counter[str] = field(default_factory=Counter)
    certain: Counter[str] = field(default_factory=Counter)
    unfound: Counter[str] = field(default_factory=Counter)
    why: Counter[str] = field(default_factory=Counter)  # of unknown minutes and of missed ones
    errors: list[str] = field(default_factory=list)

    def add(self, other: Score) -> None:
        self.scored += other.scored
        self.people_minutes += other.people_minutes
        for name in ("harmless", "false", "due", "missed", "used", "certain", "unfound", "why"):
            getattr(self, name).update(getattr(other, name))
        self.errors += other.errors

    @property
    def false_rate(self) -> float:
        """False `outside_allowed` per 10,000 harmless person-minutes."""
        return 10_000 * self.false.total() / max(1, self.harmless.total())

    @property
    def missed_share(self) -> float:
        return self.missed.total() / max(1, self.due.total())

    @property
    def certain_share(self) -> float:
        return self.certain.total() / max(1, self.used.total())


def truth_cells(rows: Iterable[dict[str, Any]]) -> tuple[dict[Cell, Truth], list[tuple[dict[str, Any], int]]]:
    """The truth by cell; and minutes of use on the staff network by nobody of the staff, one by one."""
    cells: dict[Cell, Truth] = {}
    nameless = []
    for row in rows:
        if row["segment"] != "staff" or row["label"] not in RANK:
            continue
        for minute, level, state, allowed, near, proved in row["minutes"]:
            if not row["staff_id"]:
                if row["label"] == "use" and level == 2:
                    nameless.append((row, minute))
                continue
            key = row["staff_id"], row["service"], minute
            new = Truth(
                row["label"], row["behaviour"], level, state, allowed, near, proved, row["tagged"], row["hidden"]
            )
            old = cells.get(key)
            if old is None:
                cells[key] = new
            else:
                new, other = sorted((old, new), key=Truth.rank)
                alike = new.label == other.label
                cells[key] = replace(new, proved=new.proved or (alike and other.proved))
    return cells, nameless


def due_cells(cells: dict[Cell, Truth]) -> set[Cell]:
    """Use that must be found: see the head of this module."""
    fitting: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for (who, service, minute), t in cells.items():
        sure = t.tagged and t.proved and not t.near
        if t.label == "use" and t.level == 2 and sure and t.allowed == "no" and t.state != COUNTED:
            fitting[who, service].append(minute)
    found = set()
    for (who, service), minutes in fitting.items():
        episode: list[int] = []
        for minute in [*sorted(minutes), 1 << 60]:
            if episode and minute - episode[-1] > GAP:
                if len(episode) >= LONG:
                    found |= {(who, service, m) for m in episode}
                episode = []
            episode.append(minute)
    return found


def score(rows: Iterable[dict[str, Any]], judged: Iterable[Minute], day: str) -> Score:
    """The score of one day."""
    cells, nameless = truth_cells(rows)
    got = {(m.user, m.service, m.minute): m for m in judged}
    result = Score()
    present = {key: t for key, t in cells.items() if t.level > 0}
    result.scored = len(present)
    result.people_minutes = len({(who, minute) for who, _, minute in present})
    for t in present.values():
        if t.proved and (t.label != "use" or t.allowed == "yes"):
            result.harmless[t.behaviour if t.label != "use" else f"allowed {t.behaviour}"] += 1
    for key, m in sorted(got.items()):
        if m.outcome == OUTSIDE:
            was = cells.get(key)
            if was is None or was.label != "use" or not was.tagged or was.allowed != "no" or was.state == COUNTED:
                name = (
                    "nothing scripted"
                    if was is None
                    else was.behaviour
                    if was.label != "use"
                    else f"{was.behaviour} {was.state}"
                )
                result.false[name] += 1
                result.errors.append(f"{day} false {name}: {' '.join(map(str, key))} {was.state if was else ''}")
    for key in sorted(due_cells(cells)):
        behaviour = f"{cells[key].behaviour} {key[1]}" + " behind ECH" * cells[key].hidden
        result.due[behaviour] += 1
        seen = got.get(key)
        if seen is None or seen.outcome != OUTSIDE:
            result.missed[behaviour] += 1
            why = f"{seen.outcome}: {seen.reason}" if seen else "not active"
            result.why[f"missed, {why}"] += 1
            result.errors.append(f"{day} missed {behaviour}: {' '.join(map(str, key))} {cells[key].state} ({why})")
    _certainty(result, cells, nameless, got)
    return result


def _certainty(
    result: Score, cells: dict[Cell, Truth], nameless: list[tuple[dict[str, Any], int]], got: dict[Cell, Minute]
) -> None:
    nobodys: dict[bool, Counter[tuple[str, int]]] = {True: Counter(), False: Counter()}
    for m in got.values():
        if not m.person:
            nobodys[m.outcome != "unknown"][m.service, m.minute] += 1
    for (who, service, minute), t in cells.items():
        if t.label not in {"use", "official"} or t.level < 2:
            continue
        result.used[t.behaviour] += 1
        m = got.get((who, service, minute))
        if m is not None and m.outcome != "unknown":
            result.certain[t.behaviour] += 1
        elif m is not None:
            result.why[f"unknown, {m.reason}"] += 1
        elif nobodys[True][service, minute]:
            nobodys[True][service, minute] -= 1
            result.certain[t.behaviour] += 1
        elif nobodys[False][service, minute]:
            result.why["unknown, no person"] += 1
        else:
            result.unfound[t.behaviour] += 1
    for row, _ in nameless:
        result.used[row["behaviour"]] += 1
        result.why["unknown, no person"] += 1
