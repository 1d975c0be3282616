"""Why? The reasons behind a cell of the sums: five minutes, a bell period or a day, of a service, a kind or all.

In aggregate mode nothing else is stored, so a cell answers with its reason counts: each with the rule that gave it, in
the wording that was in force (table `rulebook`), how surely the people were known, and the versions. It reads the store
only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from pipeline.outcomes import read_content
from pipeline.schema import DATABASE
from pipeline.store import Store
from pipeline.telling import (
    OUTCOME_WORDS,
    Explanation,
    integer,
    items,
    long_day,
    made_with,
    mapping,
    plural,
    rows_of,
    rule_sentences,
    size,
    versions_of,
    zone_of_school,
)
from pipeline.words import Outcome, Reason

_OF_SUMS = "Names were read from each client's own greeting, request or DNS answer; which of them, sums do not keep."


def why_cell(
    store: Store,
    school: str,
    day: date,
    period: str | None = None,
    service: str = "",
    *,
    kind: str = "",
    people: str = "all",
    start: datetime | None = None,
) -> Explanation | None:
    """The reason counts of use on a day; None where the store has no use there.

    `period`: of one bell period only ('' outside the bells); or `start`: of the five minutes that begin then, in which
    there is no group of `people` but all. Of one service, else of one kind, else of all together.
    """
    table = "use_five" if start else "use_day" if period is None else "use_period"
    where = {"school": "String", "day": "Date", "level": "String", "kind": "String", "service": "String"}
    level = "service" if service else "kind" if kind else "all"
    params: dict[str, object] = {"school": school, "day": day, "level": level, "kind": kind, "service": service}
    if service and not kind:
        del where["kind"], params["kind"]
    if start:
        where["start"], params["start"] = "DateTime('UTC')", start
    else:
        where["people"], params["people"] = "String", people
    if period is not None and not start:
        where["period"], params["period"] = "String", period
    rows = rows_of(
        store,
        "SELECT outcome, reason, sum(minutes) AS total, sum(bytes_up) AS up, sum(bytes_down) AS down, policy, "
        f"catalogue, timetable FROM {DATABASE}.{table} WHERE "
        + " AND ".join(f"{name} = {{{name}:{type_}}}" for name, type_ in where.items())
        + " GROUP BY outcome, reason, policy, catalogue, timetable HAVING total != 0 "
        "ORDER BY total DESC, outcome, reason, policy",
        params,
    )
    if not rows:
        return None
    zone = zone_of_school(store, school)
    first, last = _span(store, school, zone, day, period, start)
    book = rulebook_of(store, school, sorted({str(row["policy"]) for row in rows})[-1])
    clause = str(book.get("clause", ""))
    minutes: Counter[tuple[str, str]] = Counter()
    for row in rows:
        minutes[str(row["outcome"]), str(row["reason"])] += integer(row["total"])
    counts = [_count(o, r, n, book, service) for (o, r), n in minutes.most_common()]
    facts: dict[str, object] = {
        "school": school,
        "table": table,
        "day": day.isoformat(),
        **({} if period is None else {"period": period}),
        "from": first.isoformat() if first else "",
        "to": last.isoformat() if last else "",
        "zone": zone.key,
        "people": people,
        "service": service,
        "kind": kind,
        "minutes": sum(minutes.values()),
        "bytes_up": sum(integer(row["up"]) for row in rows),
        "bytes_down": sum(integer(row["down"]) for row in rows),
        "counts": counts,
        "rules": use_rules(book, service),
        "clause": {"id": clause, "text": book.get("text", "")},
        "boundary": {"margin_min": book.get("boundary_margin_min")},
        **versions_of(rows),
    }
    return Explanation(tuple(_cell_sentences(facts, day, first, last)), facts)


def _count(outcome: str, reason: str, minutes: int, book: Mapping[str, object], service: str) -> dict[str, object]:
    """What some minutes of a cell came from: outcome, reason, the step of decision in its wording, how surely known."""
    step = mapping(mapping(book.get("steps")).get(f"{outcome}/{reason}"))
    said = step_in(book, outcome, reason, service)
    return {
        "outcome": outcome,
        "reason": reason,
        "minutes": minutes,
        "sentence": Reason(reason).sentence,
        "rule": said[0] if said else {"id": "", "version": None, "sentence": "not recorded"},
        "identity": step.get("identity", "not recorded"),
    }


def _cell_sentences(
    facts: Mapping[str, object], day: date, first: datetime | None, last: datetime | None
) -> Iterable[str]:
    where = f"{facts['period'] or 'outside the bells'}, {long_day(day)}" if "period" in facts else long_day(day)
    if facts["table"] == "use_five" and first and last:
        where = f"{long_day(day)}, {first:%H:%M} to {last:%H:%M} ({facts['zone']})"
    of = facts["service"] or facts["kind"] or "All services"
    group = "all staff together" if facts["people"] == "all" else f"the group {facts['people']}"
    yield f"{of}, {where}: {plural(integer(facts['minutes']), 'active minute')} of {group}."
    for count in map(mapping, items(facts["counts"])):
        outcome, rule = OUTCOME_WORDS[Outcome(str(count["outcome"]))], mapping(count["rule"])
        yield f"{plural(integer(count['minutes']), 'minute')} {outcome}: {count['sentence']}"
        (said,) = rule_sentences([rule]) if rule["version"] else ("Its rule was not kept.",)
        yield f"  {said} Identity: {count['identity']}."
    yield (
        f"Evidence: {size(facts['bytes_down'])} came from the services and {size(facts['bytes_up'])} went to them. "
        + _OF_SUMS
    )
    yield from rule_sentences(facts["rules"])
    if facts["table"] == "use_period" and first and last:
        yield f"Local time: {first:%H:%M} to {last:%H:%M} ({facts['zone']}) by the main bells."
    clause = mapping(facts["clause"])
    if clause["id"]:  # the store has the rules that were in force
        yield f"Margin: minutes within {mapping(facts['boundary'])['margin_min']} minutes of a change are unknown."
        yield f"Policy clause {clause['id']}: {clause['text']}"
    yield made_with(facts)


def _span(
    store: Store, school: str, zone: ZoneInfo, day: date, period: str | None, start: datetime | None
) -> tuple[datetime | None, datetime | None]:
    """From when to when a cell lies, in local time; None outside the bells, and for slots that the main bells lack."""
    if start:
        return start.astimezone(zone), (start + timedelta(minutes=5)).astimezone(zone)
    if period is None:
        return datetime.combine(day, time(), zone), datetime.combine(day + timedelta(1), time(), zone)
    rows = rows_of(
        store,
        f"SELECT toUnixTimestamp(start) AS first, toUnixTimestamp(end) AS last FROM {DATABASE}.bell FINAL "
        "WHERE school = {school:String} AND day = {day:Date} AND slot = {slot:String}",
        {"school": school, "day": day, "slot": period},
    )
    if not rows:
        return None, None
    first, last = (datetime.fromtimestamp(integer(rows[0][name]), UTC).astimezone(zone) for name in ("first", "last"))
    return first, last


def rulebook_of(store: Store, school: str, policy: str) -> Mapping[str, object]:
    """The wording of the rules behind a version; empty where the store does not have it."""
    rows = rows_of(
        store,
        f"SELECT content FROM {DATABASE}.rulebook FINAL WHERE school = {{school:String}} "
        "AND policy = {policy:String}",
        {"school": school, "policy": policy},
    )
    return read_content(str(rows[0]["content"])) if rows else {}


def use_rules(book: Mapping[str, object], service: str) -> list[dict[str, object]]:
    """The rules by which traffic was use and formed episodes (the steps of decision go with the counts)."""
    cited = items(book.get("cited"))
    return [_filled(rule, book, service) for rule in items(book.get("rules")) if mapping(rule)["id"] in cited]


def outside_rules(store: Store, school: str, policy: str, service: str) -> list[dict[str, object]]:
    """The rules that an episode outside the allowed times cites, by a version of the policy."""
    book = rulebook_of(store, school, policy)
    step = step_in(book, Outcome.OUTSIDE_ALLOWED.value, Reason.EPISODE.value, service)
    return [*use_rules(book, service), *step]


def step_in(book: Mapping[str, object], outcome: str, reason: str, service: str) -> list[dict[str, object]]:
    """The step of decision that gives an outcome for a reason; empty if the book does not say."""
    step = mapping(mapping(book.get("steps")).get(f"{outcome}/{reason}"))
    said = (rule for rule in items(book.get("rules")) if mapping(rule)["id"] == step.get("rule"))
    return [_filled(rule, book, service) for rule in said]


def _filled(rule: object, book: Mapping[str, object], service: str) -> dict[str, object]:
    """A rule of the store with its sentence filled with the limits of a service."""
    said, limits = mapping(rule), mapping(book.get("limits"))
    gaps = mapping(limits.get(service, limits.get("")))
    return {"id": said["id"], "version": said["version"], "sentence": str(said["template"]).format(**gaps)}
