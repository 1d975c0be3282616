"""What all answers to "why?" share: their shape, the words for outcomes, and small ways of saying numbers and dates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from pipeline.schema import DATABASE
from pipeline.store import Store
from pipeline.words import Confidence, Outcome

_VERSIONS = ("policy", "catalogue", "timetable")
OUTCOME_WORDS = {
    Outcome.ALLOWED: "in allowed times",
    Outcome.OUTSIDE_ALLOWED: "outside the allowed times (automatic, unverified)",
    Outcome.OFFICIAL_POSSIBLE: "possibly for an official school site",
    Outcome.COUNT_ONLY: "only counted",
    Outcome.UNKNOWN: "unknown",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """An answer to "why?": sentences for people, and the same as data for machines (JSON types only)."""

    sentences: tuple[str, ...]
    facts: Mapping[str, object]

    def text(self) -> str:
        """The sentences, one a line."""
        return "\n".join(self.sentences)


def rows_of(store: Store, sql: str, params: Mapping[str, object]) -> list[dict[str, object]]:
    found = store.query(sql, params)
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


def zone_of_school(store: Store, school: str) -> ZoneInfo:
    rows = store.query(
        f"SELECT zone FROM {DATABASE}.school_info FINAL WHERE school = {{school:String}}", {"school": school}
    ).rows
    return ZoneInfo(str(rows[0][0]) if rows else "UTC")


def versions_of(rows: Iterable[Mapping[str, object]]) -> dict[str, object]:
    return {name: sorted({str(row[name]) for row in rows}) for name in _VERSIONS}


def made_with(facts: Mapping[str, object]) -> str:
    policy, catalogue, timetable = (", ".join(words(facts[name])) for name in _VERSIONS)
    return f"Made with policy profile {policy}, catalogue {catalogue} and timetable import {timetable}."


def rule_sentences(rules: object) -> Iterable[str]:
    for rule in map(mapping, items(rules)):
        yield f"Rule {rule['id']} (version {rule['version']}): {rule['sentence']}"


def long_day(day: date) -> str:
    return f"{day:%A} {day.day} {day:%B %Y}"


def plural(n: int, word: str) -> str:
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


def size(n: object) -> str:
    """Bytes for people."""
    size = float(integer(n))
    for unit in ("bytes", "KB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"


def integer(value: object) -> int:
    return int(str(value))


def items(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []


def words(value: object) -> list[str]:
    return [str(word) for word in items(value)]


def mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def added_evidence(whys: list[dict[str, object]]) -> dict[str, object]:
    """The evidence of the rows of one episode as one: numbers added, the rest from the last row."""
    total = dict(whys[-1])
    for name in ("active_minutes", "bytes_down", "bytes_up", "client_bursts"):
        total[name] = sum(integer(why[name]) for why in whys)
    total["named_by"] = list(dict.fromkeys(word for why in whys for word in words(why["named_by"])))
    for name in ("states", "because"):
        counts: Counter[str] = Counter()
        for why in whys:
            counts.update({key: integer(n) for key, n in mapping(why[name]).items()})
        total[name] = dict(sorted(counts.items()))
    identities = [mapping(why["identity"]) for why in whys]
    rank = ["", *(word.value for word in Confidence)]
    total["confidence"] = max((str(why["confidence"]) for why in whys), key=rank.index)
    total["identity"] = {
        "grade": max(str(identity["grade"]) for identity in identities),
        "source": "; ".join(sorted({str(identity["source"]) for identity in identities})),
    }
    near = [mapping(why["boundary"])["nearest_min"] for why in whys]
    nearest = min((integer(n) for n in near if n is not None), default=None)
    total["boundary"] = {**mapping(whys[-1]["boundary"]), "nearest_min": nearest}
    return total
