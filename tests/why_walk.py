"""Asks "why?" of every outcome that a store holds, and of ten random cells more, and prints what is incomplete.

A program of its own, because a process can have one store open: `python -m tests.why_walk STORE SCHOOL SEED`.
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pipeline import why, whycells
from pipeline.outcomes import STEPS
from pipeline.store import ChdbStore, open_store
from pipeline.telling import Explanation
from pipeline.why import why_episode, why_minute
from pipeline.whycells import why_cell

VERSIONS = ("policy", "catalogue", "timetable")
CELLS = {"use_five": ("start",), "use_period": ("people", "period"), "use_day": ("people",)}


def rows(store: ChdbStore, sql: str, **params: object) -> list[dict[str, Any]]:
    found = store.query(sql, params)
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


def faults(found: Explanation | None, wanted: Mapping[str, Any]) -> Iterator[str]:
    """What is missing in an answer; `wanted`: facts that it must state."""
    if found is None:
        yield "no answer"
        return
    facts = json.loads(json.dumps(found.facts))
    text = found.text()
    for name, value in wanted.items():
        if facts.get(name) != value:
            yield f"{name} is {facts.get(name)!r}, not {value!r}"
    for name in VERSIONS:
        if not facts[name] or not all(version and version in text for version in facts[name]):
            yield f"no version of {name}"
    if facts["boundary"]["margin_min"] != 5 or "Margin: minutes within 5 minutes" not in text:
        yield "no boundary margin"
    if facts["zone"] != "Europe/London" or "2026" not in text:
        yield "no local time"
    if "from" not in facts or (facts["from"] and not facts["from"].endswith("+00:00")):
        yield "no begin in local time"
    if facts["bytes_down"] + facts["bytes_up"] <= 0 or "Evidence: " not in text:
        yield "no evidence"
    if not facts["clause"]["id"] or facts["clause"]["text"] not in text:
        yield "no clause"
    cited = [*facts["rules"], *(count["rule"] for count in facts.get("counts", ()))]
    if not cited or not all(r["id"] and r["version"] and r["sentence"] and r["sentence"] in text for r in cited):
        yield "no rule"
    if any("{" in rule["sentence"] for rule in cited):
        yield "a gap in a rule's sentence"
    for count in facts.get("counts", ()):
        (step,) = [step for step in STEPS if step.rule.id == count["rule"]["id"]]
        if step.outcome.value != count["outcome"] or not count["identity"] or count["sentence"] not in text:
            yield f"{count['outcome']} for {count['reason']} is not explained"
    if "counts" not in facts and not (facts["identity"]["grade"] in "AB" and facts["identity"]["source"]):
        yield "no identity"


def cells(store: ChdbStore, school: str) -> Iterator[tuple[str, dict[str, Any], Explanation | None, dict[str, Any]]]:
    """Every cell of the three tables: what it is, the answer, and what that must say."""
    for table, keys in CELLS.items():
        names = ", ".join(("day", *keys, "level", "kind", "service"))
        sql = (
            f"SELECT {names}, sum(minutes) AS total, groupArray((outcome, reason, minutes)) AS parts "
            f"FROM schoolgate.{table} WHERE school = {{school:String}} GROUP BY {names} ORDER BY {names}"
        )
        for row in rows(store, sql, school=school):
            asked = {name: row[name] for name in keys}
            labels = {"service": row["service"], "kind": "" if row["service"] else row["kind"]}
            found = why_cell(store, school, row["day"], **asked, **labels)
            parts: Counter[tuple[str, str]] = Counter()
            for outcome, reason, minutes in row["parts"]:
                parts[outcome, reason] += int(minutes)
            told = {(c["outcome"], c["reason"]): c["minutes"] for c in found.facts["counts"]} if found else {}  # type: ignore[attr-defined]
            wanted = {"table": table, "minutes": int(row["total"])}
            yield table, row, found if told == {key: n for key, n in parts.items() if n} else None, wanted


def main(path: str, school: str, seed: str) -> None:
    asked: Counter[str] = Counter()
    wrong: list[str] = []

    def look(what: str, where: object, found: Explanation | None, wanted: Mapping[str, Any]) -> None:
        asked[what] += 1
        wrong.extend(f"{what} {where}: {fault}" for fault in faults(found, wanted))

    for module in (why, whycells):  # the same for every question: asked once
        for name in ("rulebook_of", "zone_of_school"):
            setattr(module, name, cache(getattr(module, name)))
    with open_store(Path(path)) as store:
        for row in rows(store, "SELECT id, sum(minutes) AS total FROM schoolgate.episode GROUP BY id"):
            look("episode", row["id"], why_episode(store, school, row["id"]), {"minutes": int(row["total"])})
        for row in rows(store, "SELECT * FROM schoolgate.minute_mark"):
            found = why_minute(store, school, row["pseudonym"], row["minute"], row["service"])
            wanted = {"outcome": row["outcome"], "reason": row["reason"], "minutes": 1, "episode": row["episode"]}
            look("minute", row["minute"], found, wanted)
        every = list(cells(store, school))
        for table, row, found, wanted in every:
            look(table, row, found, wanted)
        rng = random.Random(seed)
        for _ in range(10):  # cells that the pages could ask for, whether they hold use or not
            _, row, _, _ = rng.choice(every)
            other = rng.choice(every)[1]
            period = rng.choice([other.get("period", ""), None])
            found = why_cell(store, school, row["day"], period, other["service"], people="all")
            sql = (
                f"SELECT sum(minutes) AS total FROM schoolgate.{'use_day' if period is None else 'use_period'} "
                "WHERE day = {day:Date} AND level = {level:String} AND service = {service:String} AND people = 'all'"
                + ("" if period is None else " AND period = {period:String}")
            )
            level = "service" if other["service"] else "all"
            params = {"day": row["day"], "level": level, "service": other["service"]}
            params |= {} if period is None else {"period": period}
            ((total,),) = store.query(sql, params).rows
            if total or found is not None:
                look("random cell", (row["day"], period, other["service"]), found, {"minutes": int(str(total))})
            else:
                asked["random cell"] += 1
    print(json.dumps({"asked": asked, "wrong": wrong[:20]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
