"""Why? The evidence chain of an episode or of a minute, in plain English and as data (pseudonymous mode).

Each answers with its evidence, rules, timetable state, identity source and grade, boundary margin, local time, and the
versions it was made with, as they were written down with it. Cells of the sums: pipeline.whycells. It reads the store
only: no names, no addresses and no keys are needed or shown.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline.schema import DATABASE
from pipeline.store import Store
from pipeline.telling import (
    OUTCOME_WORDS,
    Explanation,
    added_evidence,
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
    words,
    zone_of_school,
)
from pipeline.whycells import rulebook_of, step_in, use_rules
from pipeline.words import Allowed, Outcome, Reason

_NAMED_BY = {
    "sni": "the client's own TLS greeting",
    "quic_sni": "the client's own QUIC greeting",
    "http_host": "the client's own HTTP request",
    "dns": "a DNS answer that this client had received",
}
_GRADE = {
    "A": "grade A, the network access server authenticated the user (802.1X)",
    "B": "grade B, an interactive log-on on the computer that held the address, not locked",
    "C": "grade C, the device is assigned to the person, but nobody was logged on",
}

_ANSWERS = {
    Allowed.NO.value: "personal use was not allowed",
    Allowed.YES.value: "personal use was allowed",
    Allowed.UNKNOWN.value: "whether personal use was allowed is unknown",
}
_THAT_MINUTE = "pseudonym = {pseudonym:String} AND service = {service:String} AND minute = {minute:DateTime('UTC')}"
_UNRECORDED: Mapping[str, object] = {
    **dict.fromkeys(("active_minutes", "bytes_down", "bytes_up", "client_bursts"), 0),
    "confidence": "",
    **dict.fromkeys(("named_by", "rules"), ()),
    "states": {},
    "because": {},
    "identity": {"grade": "", "source": "a record that was not kept"},
    "boundary": {"margin_min": None, "nearest_min": None},
    "clause": {"id": "", "text": ""},
}
"""What stands for evidence that the version of Schoolgate which stored a row did not keep yet."""


def why_episode(store: Store, school: str, episode: str) -> Explanation | None:
    """The evidence chain of an episode (pseudonymous mode), or None where the store has no such id."""
    rows = rows_of(
        store,
        "SELECT day, pseudonym, service, kind, toUnixTimestamp(start) AS first, toUnixTimestamp(last) AS final, "
        f"minutes, rule, why, policy, catalogue, timetable FROM {DATABASE}.episode "
        "WHERE school = {school:String} AND id = {id:String} ORDER BY first",
        {"school": school, "id": episode},
    )
    history = _history(store, school, "episode = {id:String}", {"id": episode})
    if not rows:
        return _gone(store, school, episode, history)
    withdrawn = store.query(
        f"SELECT id FROM {DATABASE}.contest FINAL WHERE school = {{school:String}} AND episode = {{episode:String}} "
        "AND status = {status:String}",
        {"school": school, "episode": episode, "status": "upheld"},
    ).rows
    facts = {
        "episode": episode,
        "pseudonym": str(rows[0]["pseudonym"]),
        "service": str(rows[0]["service"]),
        "kind": str(rows[0]["kind"]),
        "outcome": (Outcome.UNKNOWN if withdrawn else Outcome.OUTSIDE_ALLOWED).value,
        "reason": (Reason.WITHDRAWN if withdrawn else Reason.EPISODE).value,
        "minutes": sum(integer(row["minutes"]) for row in rows),
        "rule": str(rows[-1]["rule"]),
        "retagged": [entry.facts for entry in history],
    }
    span = min(integer(row["first"]) for row in rows), max(integer(row["final"]) for row in rows) + 60
    return _told(store, school, rows, facts, span)


def why_minute(store: Store, school: str, pseudonym: str, minute: datetime, service: str) -> Explanation | None:
    """The evidence chain of one minute mark (pseudonymous mode), or None where the store has none."""
    that = {"pseudonym": pseudonym, "service": service, "minute": minute}
    rows = rows_of(
        store,
        "SELECT episode, outcome, reason, rule, why, toUnixTimestamp(minute) AS first, policy, catalogue, timetable "
        f"FROM {DATABASE}.minute_mark WHERE school = {{school:String}} AND {_THAT_MINUTE} ORDER BY revision DESC",
        {"school": school, **that},
    )
    if not rows:
        return None
    facts = {
        "episode": str(rows[0]["episode"]),
        "pseudonym": pseudonym,
        "service": service,
        "outcome": str(rows[0]["outcome"]),
        "reason": str(rows[0]["reason"]),
        "minutes": 1,
        "rule": str(rows[0]["rule"]),
        "retagged": [entry.facts for entry in _history(store, school, _THAT_MINUTE, that)],
    }
    start = integer(rows[0]["first"])
    return _told(store, school, rows[:1], facts, (start, start + 60))


def _told(
    store: Store,
    school: str,
    rows: Sequence[Mapping[str, object]],
    facts: Mapping[str, object],
    span: tuple[int, int],
) -> Explanation:
    zone = zone_of_school(store, school)
    why = added_evidence([{**_UNRECORDED, **json.loads(str(row["why"]) or "{}")} for row in rows])
    start, end = (datetime.fromtimestamp(t, UTC).astimezone(zone) for t in span)
    local = {"from": start.isoformat(), "to": end.isoformat(), "zone": zone.key}
    told: dict[str, object] = {"school": school, **facts, **local, **why, **versions_of(rows)}
    if not why["rules"] and rows[-1]["policy"]:
        book, service = rulebook_of(store, school, str(rows[-1]["policy"])), str(facts["service"])
        step = step_in(book, str(facts["outcome"]), str(facts["reason"]), service)
        told["rules"] = [*use_rules(book, service), *step]
    return Explanation(tuple(_person_sentences(told, start, end)), told)


@dataclass(frozen=True, slots=True)
class _Former:
    """Minutes that a correction of the school's files gave another outcome, together."""

    facts: Mapping[str, object]
    rows: Sequence[Mapping[str, object]]


def _history(store: Store, school: str, which: str, params: Mapping[str, object]) -> list[_Former]:
    """What minutes were before they were re-tagged, the latest change first."""
    rows = rows_of(
        store,
        "SELECT day, pseudonym, service, outcome, reason, rule, why, toUnixTimestamp(minute) AS first, policy, "
        "catalogue, timetable, toUnixTimestamp(replaced) AS at, became, became_timetable "
        f"FROM {DATABASE}.mark_former WHERE school = {{school:String}} AND {which} ORDER BY revision DESC, first",
        {"school": school, **params},
    )
    groups: dict[tuple[object, ...], list[Mapping[str, object]]] = {}
    for row in rows:
        names = ("at", "outcome", "reason", "became", "timetable", "became_timetable")
        groups.setdefault(tuple(row[name] for name in names), []).append(row)
    return [
        _Former(
            {
                "minutes": len(group),
                "was": str(was),
                "reason": str(reason),
                "became": str(became),
                "on": datetime.fromtimestamp(integer(at), UTC).isoformat(),
                "timetable_before": str(before),
                "timetable": str(after),
            },
            group,
        )
        for (at, was, reason, became, before, after), group in groups.items()
    ]


def _gone(store: Store, school: str, episode: str, history: Sequence[_Former]) -> Explanation | None:
    """An episode of which a correction has left nothing: what it was, and what became of its minutes."""
    rows = [row for entry in history for row in entry.rows if row["outcome"] == Outcome.OUTSIDE_ALLOWED.value]
    if not rows:
        return None
    newest = history[0].facts
    facts = {
        "episode": episode,
        "pseudonym": str(rows[0]["pseudonym"]),
        "service": str(rows[0]["service"]),
        "outcome": newest["became"],
        "reason": Reason.NONE.value,
        "minutes": len({row["first"] for row in rows}),
        "rule": str(rows[-1]["rule"]),
        "retagged": [entry.facts for entry in history],
    }
    firsts = [integer(row["first"]) for row in rows]
    return _told(store, school, rows, facts, (min(firsts), max(firsts) + 60))


def _retagged_sentences(retagged: object) -> Iterable[str]:
    for entry in map(mapping, items(retagged)):
        was, became = (OUTCOME_WORDS[Outcome(str(entry[name]))] for name in ("was", "became"))
        yield (
            f"Re-tagged on {str(entry['on'])[:16].replace('T', ' ')} UTC after a correction of the school's files: "
            f"{plural(integer(entry['minutes']), 'minute')} {was} by timetable import {entry['timetable_before']}, "
            f"{became} by {entry['timetable']}. Before: {Reason(str(entry['reason'])).sentence}"
        )


def _person_sentences(facts: Mapping[str, object], start: datetime, end: datetime) -> Iterable[str]:
    identity, clause, boundary = (mapping(facts[name]) for name in ("identity", "clause", "boundary"))
    kind = f" ({facts['kind']})" if facts.get("kind") else ""
    because = "" if facts["reason"] == Reason.NONE.value else f" {Reason(str(facts['reason'])).sentence}"
    yield (
        f"{facts['service']}{kind}, {long_day(start)}, {start:%H:%M} to {end:%H:%M} "
        f"({facts['zone']}): {plural(integer(facts['minutes']), 'active minute')} "
        f"{OUTCOME_WORDS[Outcome(str(facts['outcome']))]}.{because}"
    )
    yield from _retagged_sentences(facts["retagged"])
    if not because:
        yield "Nothing of this episode is outside the allowed times any more; it was judged at first on what follows."
    names = " and ".join(_NAMED_BY.get(word, word) for word in words(facts["named_by"])) or "what was not kept"
    yield (
        f"Evidence: {size(facts['bytes_down'])} came from the service and {size(facts['bytes_up'])} went to it, with "
        f"{plural(integer(facts['client_bursts']), 'separate request')}; the service's name was read from {names}."
    )
    if facts["confidence"]:
        yield f"Confidence: {facts['confidence']} (rule E9)."
    yield from rule_sentences(facts["rules"])
    states = ", ".join(f"{state} {plural(integer(n), 'minute')}" for state, n in mapping(facts["states"]).items())
    reasons = " ".join(Reason(reason).sentence for reason in mapping(facts["because"]))
    answer = _ANSWERS[str(facts.get("allowed") or Allowed.NO.value)]
    yield f"Timetable: {states or 'the state was not kept'}; {answer}. {reasons}".rstrip()
    near, margin = boundary["nearest_min"], boundary["margin_min"]
    nearest = "there was none that day" if near is None else f"the nearest was {plural(integer(near), 'minute')} away"
    if margin is not None:
        yield (
            f"Margin: minutes within {margin} minutes of a change of what is allowed are unknown; of minutes that were "
            f"not certain to be forbidden {nearest}."
        )
    if clause["id"]:
        yield f"Policy clause {clause['id']}: {clause['text']}"
    grade = _GRADE.get(str(identity["grade"]), f"grade {identity['grade'] or 'not kept'}")
    yield f"Identity: {grade}; from {identity['source']}. Shown as {facts['pseudonym']}."
    if facts["reason"] == Reason.WITHDRAWN.value:
        yield f"{Reason.WITHDRAWN.sentence} What is said above is how it was judged at first; it counts as unknown now."
    yield made_with(facts)
