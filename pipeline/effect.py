"""What another catalogue would have made of the last week: the effect of a change before it is applied.

Sums are all that is stored, so some effects are known to the minute (a service that would only be counted, or moved to
another kind), some within bounds (one that would be judged from now on), and some not at all (host names that were not
listed are not in any sum). `effects` says which is which, in words and as data; it never guesses. It reads the store
and changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from pipeline.profile import Profile
from pipeline.schema import DATABASE
from pipeline.store import Store
from pipeline.telling import plural
from pipeline.words import Outcome
from sensor.catalogue import Catalogue, Service
from sensor.words import Action

WEEK = timedelta(days=6)
_ALLOWED_SLOTS = ("break", "lunch")


@dataclass(frozen=True, slots=True)
class Week:
    """What the store holds of a week: minutes of all staff by (service, outcome) and by (service, kind of bell slot),
    and the minutes of ignored services together."""

    first: date
    last: date
    by_outcome: Mapping[tuple[str, str], int]
    by_slot: Mapping[tuple[str, str], int]
    ignored: int

    def minutes(self, service: str) -> int:
        """All minutes of a service."""
        return sum(n for (of, _), n in self.by_outcome.items() if of == service)


@dataclass(frozen=True, slots=True)
class Effect:
    """What a change does to one service. `changed`: minutes of the week whose outcome or kind would be another one, at
    least and at most. `moves`: (what they are, what they would be, minutes), as far as it is known."""

    service: str
    name: str
    before: tuple[str, str] | None  # kind and what is done with its use; None: no such service
    after: tuple[str, str] | None
    hosts: tuple[str, ...]
    minutes: int
    changed: tuple[int, int]
    moves: tuple[tuple[str, str, int], ...]
    notes: tuple[str, ...]


def last_week(store: Store, school: str) -> Week | None:
    """The seven days up to the last one that is stored; None if nothing is."""
    asked: dict[str, object] = {"school": school}
    where = "school = {school:String} AND level = 'service' AND people = 'all'"
    ((days, newest),) = store.query(f"SELECT count(), max(day) FROM {DATABASE}.use_day WHERE {where}", asked).rows
    if not days or not isinstance(newest, date):
        return None
    first = newest - WEEK
    asked |= {"first": first, "last": newest}
    within = "day BETWEEN {first:Date} AND {last:Date}"
    outcomes = store.query(
        f"SELECT service, outcome, sum(minutes) FROM {DATABASE}.use_day WHERE {where} AND {within} "
        "GROUP BY service, outcome",
        asked,
    ).rows
    slots = store.query(
        f"SELECT service, period_kind, sum(minutes) FROM {DATABASE}.use_period WHERE {where} AND {within} "
        "GROUP BY service, period_kind",
        asked,
    ).rows
    ((ignored,),) = store.query(
        f"SELECT sum(value) FROM {DATABASE}.coverage WHERE school = {{school:String}} AND {within} "
        "AND metric = 'minutes_ignored'",
        asked,
    ).rows
    return Week(
        first,
        newest,
        {(str(service), str(outcome)): int(str(n)) for service, outcome, n in outcomes},
        {(str(service), str(kind)): int(str(n)) for service, kind, n in slots},
        int(str(ignored or 0)),
    )


def effects(old: Catalogue, new: Catalogue, profile: Profile, week: Week) -> tuple[Effect, ...]:
    """What `new` in place of `old` would have made of the week, service by service; only services that differ."""
    hosts = _changed_hosts(old, new)
    names = sorted({*old.services, *new.services})
    found = (_effect(old.services.get(s), new.services.get(s), hosts.get(s, ()), profile, week) for s in names)
    return tuple(effect for effect in found if effect)


def _changed_hosts(old: Catalogue, new: Catalogue) -> dict[str, tuple[str, ...]]:
    """Per service the host names that it wins, loses (also to nobody), or that have another role."""
    found: dict[str, list[str]] = {}
    for key in sorted({*old.hosts, *new.hosts}):
        was, becomes = old.hosts.get(key), new.hosts.get(key)
        if was != becomes or (key in old.hosts) != (key in new.hosts):
            host = key[1].replace(".*.", ".x.")
            for service in {hit.service for hit in (was, becomes, old.lookup(host), new.lookup(host)) if hit}:
                found.setdefault(service, []).append(key[1])
    return {service: tuple(names) for service, names in found.items()}


def _effect(
    was: Service | None, becomes: Service | None, hosts: tuple[str, ...], profile: Profile, week: Week
) -> Effect | None:
    service = becomes or was
    if service is None or (was == becomes and not hosts):
        return None
    before, after = _treated(was, profile), _treated(becomes, profile)
    total = week.minutes(service.id)
    moves: list[tuple[str, str, int]] = []
    notes: list[str] = []
    low = high = 0
    own = profile.services.get(service.id)
    if own and own.action and was and becomes and was.action != becomes.action:
        notes.append(
            f"the policy profile says {own.action.value} for this service, so the catalogue's word has no effect"
        )
    if was is None:
        notes.append("it was in no catalogue until now: none of its names were noted, so nothing is known of its use")
    elif before and before[1] == Action.IGNORE.value:
        if after and after[1] != before[1]:
            notes.append(
                f"its use was not stored; all ignored services together had {plural(week.ignored, 'active minute')}, "
                "and how many were this one's is not known"
            )
    elif after is None:
        moves.append(("all", "stored no more", total))
        low = high = total
    elif before and before[1] != after[1]:
        low, high = _regraded(service.id, before[1], after[1], week, moves, notes)
    if before and after and before[0] != after[0] and before[1] != Action.IGNORE.value != after[1]:
        moves.append((f"kind {before[0]}", f"kind {after[0]}", total))
        low = high = max(high, total)
        notes.append("a kind counts a minute with two of its services once, so its sum may change by less")
    if hosts and was is not None:
        notes.append(
            "sums keep no host names: how many of its minutes rest on "
            f"{_some(hosts)} is not known (at most {total}), nor what use of new names there was"
        )
        high = max(high, total)
    if not notes and not moves:
        notes.append("no outcome changes")
    return Effect(service.id, service.name, before, after, hosts, total, (low, high), tuple(moves), tuple(notes))


def _regraded(
    service: str, before: str, after: str, week: Week, moves: list[tuple[str, str, int]], notes: list[str]
) -> tuple[int, int]:
    """The moves of minutes when another thing is done with use of a service: how many change, at least and at most."""
    by_outcome: Counter[str] = Counter({o: n for (of, o), n in week.by_outcome.items() if of == service})
    total = by_outcome.total()
    if after == Action.IGNORE.value:
        moves += [(outcome, "stored no more", n) for outcome, n in sorted(by_outcome.items())]
        return total, total
    counted = by_outcome.pop(Outcome.COUNT_ONLY.value, 0)
    if after == Action.COUNT_ONLY.value:
        moves += [(outcome, Outcome.COUNT_ONLY.value, n) for outcome, n in sorted(by_outcome.items())]
        return by_outcome.total(), by_outcome.total()
    if before == Action.COUNT_ONLY.value and counted:
        moves.append((Outcome.COUNT_ONLY.value, "judged one by one", counted))
        slots = {kind: n for (of, kind), n in week.by_slot.items() if of == service}
        easy = sum(slots.get(kind, 0) for kind in _ALLOWED_SLOTS)
        told = ", ".join(f"{kind or 'outside the bells'} {n}" for kind, n in sorted(slots.items()))
        notes.append(
            "what each minute would become is not in the sums: it depends on who it was and on his timetable. By the "
            f"bells: {told}; so at most {counted} would fall outside the allowed times, and fewer the more of the "
            f"{easy} in break and lunch were off duty"
        )
        return 0, counted
    return 0, 0


def _treated(service: Service | None, profile: Profile) -> tuple[str, str] | None:
    if service is None:
        return None
    return service.kind.value, profile.action_of(service.id, service.action, service.kind).value


def _some(hosts: tuple[str, ...]) -> str:
    return ", ".join(hosts[:3]) + (f" and {len(hosts) - 3} more" if len(hosts) > 3 else "")


def as_text(found: tuple[Effect, ...], week: Week) -> str:
    """The effects for people."""
    lines = [f"Effect on the week from {week.first} to {week.last}, minutes of all staff together:"]
    for effect in found:
        before, after = (" ".join(way) if way else "not listed" for way in (effect.before, effect.after))
        way = before if before == after else f"{before} -> {after}"
        lines.append(f"  {effect.name} ({effect.service}): {way}; {plural(effect.minutes, 'minute')} stored")
        lines += [f"    {n:6} {was} -> {becomes}" for was, becomes, n in effect.moves]
        low, high = effect.changed
        lines.append(f"    {low if low == high else f'{low} to {high}'} of them would have another outcome or kind")
        lines += [f"    {note}" for note in effect.notes]
    return "\n".join(lines if found else [*lines, "  none: no service changes"])
