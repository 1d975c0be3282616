"""Why? The evidence chain of one stored outcome, in plain English and as data.

In pseudonymous mode an episode answers with its evidence, rules, timetable state, identity source and grade, and the
versions it was made with; in either mode a cell of the period table answers with its reason counts. It reads the store
only: no names, no addresses and no keys are needed or shown.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from pipeline.schema import DATABASE
from pipeline.store import Store
from pipeline.words import Outcome, Reason

_VERSIONS = ("policy", "catalogue", "timetable")
_NAMED_BY = {
    "sni": "the client's own TLS greeting",
    "quic_sni": "the client's own QUIC greeting",
    "http_host": "the client's own HTTP request",
    "dns": "a DNS answer that this client had received",
}
_OUTCOME = {
    Outcome.ALLOWED: "in allowed times",
    Outcome.OUTSIDE_ALLOWED: "outside the allowed times (automatic, unverified)",
    Outcome.OFFICIAL_POSSIBLE: "possibly for an official school site",
    Outcome.COUNT_ONLY: "only counted",
    Outcome.UNKNOWN: "unknown",
}
_GRADE = {
    "A": "grade A, the network access server authenticated the user (802.1X)",
    "B": "grade B, an interactive log-on on the computer that held the address, not locked",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """An answer to "why?": sentences for people, and the same as data for machines (JSON types only)."""

    sentences: tuple[str, ...]
    facts: Mapping[str, object]

    def text(self) -> str:
        """The sentences, one a line."""
        return "\n".join(self.sentences)


def why_episode(store: Store, school: str, episode: str) -> Explanation | None:
    """The evidence chain of an episode (pseudonymous mode), or None where the store has no such id."""
    found = store.query(
        f"SELECT day, pseudonym, service, kind, toUnixTimestamp(start) AS first, toUnixTimestamp(last) AS final, "
        f"minutes, grade, source, rule, why, policy, catalogue, timetable FROM {DATABASE}.episode "
        f"WHERE school = {{school:String}} AND id = {{id:String}} ORDER BY first",
        {"school": school, "id": episode},
    )
    rows = [dict(zip(found.columns, row, strict=True)) for row in found.rows]
    if not rows:
        return None
    zone = _zone(store, school)
    why = _added([json.loads(str(row["why"])) for row in rows])
    first, last = min(_int(row["first"]) for row in rows), max(_int(row["final"]) for row in rows)
    minutes = sum(_int(row["minutes"]) for row in rows)
    start, end = (datetime.fromtimestamp(t, UTC).astimezone(zone) for t in (first, last + 60))
    withdrawn = store.query(
        f"SELECT id FROM {DATABASE}.contest FINAL WHERE school = {{school:String}} AND episode = {{episode:String}} "
        "AND status = {status:String}",
        {"school": school, "episode": episode, "status": "upheld"},
    ).rows
    facts: dict[str, object] = {
        "episode": episode,
        "school": school,
        "pseudonym": str(rows[0]["pseudonym"]),
        "service": str(rows[0]["service"]),
        "kind": str(rows[0]["kind"]),
        "outcome": (Outcome.UNKNOWN if withdrawn else Outcome.OUTSIDE_ALLOWED).value,
        "reason": (Reason.WITHDRAWN if withdrawn else Reason.EPISODE).value,
        "from": start.isoformat(),
        "to": end.isoformat(),
        "zone": zone.key,
        "minutes": minutes,
        "rule": str(rows[0]["rule"]),
        **why,
        **_versions(rows),
    }
    return Explanation(tuple(_episode_sentences(facts, why, start, end)), facts)


def _episode_sentences(
    facts: Mapping[str, object], why: Mapping[str, object], start: datetime, end: datetime
) -> Iterable[str]:
    identity, clause = _mapping(why["identity"]), _mapping(why["clause"])
    yield (
        f"{facts['service']} ({facts['kind']}), {start:%A} {start.day} {start:%B %Y}, {start:%H:%M} to {end:%H:%M} "
        f"({facts['zone']}): {_plural(_int(facts['minutes']), 'active minute')} "
        f"{_OUTCOME[Outcome.OUTSIDE_ALLOWED]}. {Reason.EPISODE.sentence}"
    )
    names = " and ".join(_NAMED_BY.get(word, word) for word in _words(why["named_by"]))
    yield (
        f"Evidence: {_size(why['bytes_down'])} came from the service and {_size(why['bytes_up'])} went to it, with "
        f"{_plural(_int(why['client_bursts']), 'separate request')}; the service's name was read from {names}."
    )
    for rule in _list(why["rules"]):
        cited = _mapping(rule)
        yield f"Rule {cited['id']} (version {cited['version']}): {cited['sentence']}"
    states = ", ".join(f"{state} {_plural(_int(n), 'minute')}" for state, n in _mapping(why["states"]).items())
    reasons = " ".join(Reason(reason).sentence for reason in _mapping(why["because"]))
    yield f"Timetable: {states}; personal use was not allowed. {reasons}"
    yield f"Policy clause {clause['id']}: {clause['text']}"
    grade = _GRADE.get(str(identity["grade"]), f"grade {identity['grade']}")
    yield f"Identity: {grade}; from {identity['source']}. Shown as {facts['pseudonym']}."
    if facts["reason"] == Reason.WITHDRAWN.value:
        yield f"{Reason.WITHDRAWN.sentence} What is said above is how it was judged at first; it counts as unknown now."
    yield _made_with(facts)


def why_cell(store: Store, school: str, day: date, period: str, service: str = "") -> Explanation | None:
    """The reason counts of all staff's use in a bell period ('' outside the bells) of a day, of one service or, without
    one, of all; None where the store has no use there."""
    found = store.query(
        f"SELECT outcome, reason, sum(minutes) AS total, policy, catalogue, timetable "
        f"FROM {DATABASE}.use_period WHERE school = {{school:String}} AND day = {{day:Date}} AND people = 'all' "
        f"AND period = {{period:String}} AND level = {{level:String}} AND service = {{service:String}} "
        f"GROUP BY outcome, reason, policy, catalogue, timetable ORDER BY total DESC, outcome, reason, policy, "
        f"catalogue, timetable",
        {"school": school, "day": day, "period": period, "level": "service" if service else "all", "service": service},
    )
    rows = [dict(zip(found.columns, row, strict=True)) for row in found.rows]
    if not rows:
        return None
    counts: Counter[tuple[str, str]] = Counter()
    for row in rows:
        counts[str(row["outcome"]), str(row["reason"])] += _int(row["total"])
    total = sum(counts.values())
    where = f"{period or 'outside the bells'}, {day:%A} {day.day} {day:%B %Y}"
    facts: dict[str, object] = {
        "school": school,
        "day": day.isoformat(),
        "period": period,
        "service": service,
        "minutes": total,
        "counts": [{"outcome": o, "reason": r, "minutes": n} for (o, r), n in counts.most_common()],
        **_versions(rows),
    }
    sentences = [f"{service or 'All services'}, {where}: {_plural(total, 'active minute')} of all staff together."]
    for (outcome, reason), n in counts.most_common():
        sentences.append(f"{_plural(n, 'minute')} {_OUTCOME[Outcome(outcome)]}: {Reason(reason).sentence}")
    return Explanation((*sentences, _made_with(facts)), facts)


def _zone(store: Store, school: str) -> ZoneInfo:
    rows = store.query(
        f"SELECT zone FROM {DATABASE}.school_info FINAL WHERE school = {{school:String}}", {"school": school}
    ).rows
    return ZoneInfo(str(rows[0][0]) if rows else "UTC")


def _added(whys: list[dict[str, object]]) -> dict[str, object]:
    """The evidence of the rows of one episode as one: numbers added, the rest from the last row."""
    total = dict(whys[-1])
    for name in ("active_minutes", "bytes_down", "bytes_up", "client_bursts"):
        total[name] = sum(_int(why[name]) for why in whys)
    total["named_by"] = list(dict.fromkeys(word for why in whys for word in _words(why["named_by"])))
    for name in ("states", "because"):
        counts: Counter[str] = Counter()
        for why in whys:
            counts.update({key: _int(n) for key, n in _mapping(why[name]).items()})
        total[name] = dict(sorted(counts.items()))
    identities = [_mapping(why["identity"]) for why in whys]
    total["identity"] = {
        "grade": max(str(identity["grade"]) for identity in identities),
        "source": "; ".join(sorted({str(identity["source"]) for identity in identities})),
    }
    return total


def _versions(rows: Iterable[Mapping[str, object]]) -> dict[str, object]:
    return {name: sorted({str(row[name]) for row in rows}) for name in _VERSIONS}


def _made_with(facts: Mapping[str, object]) -> str:
    policy, catalogue, timetable = (", ".join(_words(facts[name])) for name in _VERSIONS)
    return f"Made with policy profile {policy}, catalogue {catalogue} and timetable import {timetable}."


def _plural(n: int, word: str) -> str:
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


def _size(n: object) -> str:
    """Bytes for people."""
    size = float(_int(n))
    for unit in ("bytes", "KB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"


def _int(value: object) -> int:
    return int(str(value))


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []


def _words(value: object) -> list[str]:
    return [str(word) for word in _list(value)]


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}
