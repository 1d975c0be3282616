"""The named questions: one `.sql` file each, asked by page, Grafana panel and report alike.

A file opens with `-- title:` and `-- about:` (a sentence for people) and marks its parameters as ClickHouse does:
`{name:Type}`, from the short list in `PARAMETERS`. Two renderers write the same text for its two askers: `Query.ask`
binds the parameters on our own store; `Query.for_grafana` writes dashboard variables and the macros of the
grafana-clickhouse-datasource plugin. This module does not know what a question means or how its answer is drawn.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.store import Store

Row = dict[str, Any]
"""One row of an answer: column name -> value; times are aware UTC datetimes, days are dates."""

PARAMETERS: Mapping[str, str] = MappingProxyType(
    {"school": "String", "zone": "String", "day": "Date", "from": "Date", "to": "Date"}
)
"""Every parameter that a question may have, with its type. Days are of the school's own zone, ends included."""

_IN_GRAFANA: Mapping[str, str] = MappingProxyType(
    {
        "school": "${school:sqlstring}",
        "zone": "${zone:sqlstring}",
        "day": "toDate($__toTime, ${zone:sqlstring})",
        "from": "toDate($__fromTime, ${zone:sqlstring})",
        "to": "toDate($__toTime, ${zone:sqlstring})",
    }
)

_HEADER = re.compile(r"--\s*(\w+):\s*(.*\S)")
_PARAMETER = re.compile(r"\{(\w+):(\w+)\}")


class QueryError(ValueError):
    """A question that cannot be loaded or asked; the message names the file and the mend."""


@dataclass(frozen=True, slots=True)
class Query:
    """One named question. `sql` keeps its `{name:Type}` marks; `params` are the names it needs."""

    name: str
    title: str
    about: str
    sql: str
    params: frozenset[str] = field(default_factory=frozenset)

    def ask(self, store: Store, **values: object) -> list[Row]:
        """The answer of our own store, with bound parameters (`from_` stands for `from`).

        Raises QueryError if a parameter is missing or too many, and whatever the store raises.
        """
        bound = {name.rstrip("_"): value for name, value in values.items()}
        if bound.keys() != self.params:
            raise QueryError(f"{self.name}: needs parameters {sorted(self.params)}, was given {sorted(bound)}")
        result = store.query(self.sql, bound)
        return [{n: _plain(v) for n, v in zip(result.columns, row, strict=True)} for row in result.rows]

    def for_grafana(self) -> str:
        """The same question with Grafana's variables (`school`, `zone`) and the plugin's time macros."""
        return _PARAMETER.sub(lambda mark: _IN_GRAFANA[mark.group(1)], self.sql)


def parse(name: str, text: str) -> Query:
    """One question from the text of its file; QueryError names line and mend."""
    headers: dict[str, str] = {}
    lines = text.splitlines()
    start = 0
    for start, line in enumerate(lines):  # noqa: B007 - the first line that is no header
        if (found := _HEADER.fullmatch(line.strip())) is None:
            break
        headers[found.group(1)] = found.group(2)
    for wanted in ("title", "about"):
        if wanted not in headers:
            raise QueryError(f"{name}.sql:1: has no `-- {wanted}:` line; begin the file with one")
    if unknown := headers.keys() - {"title", "about"}:
        raise QueryError(f"{name}.sql:1: unknown header {sorted(unknown)}; only title and about are read")
    sql = "\n".join(lines[start:]).strip()
    if not sql.upper().startswith(("SELECT", "WITH")):
        raise QueryError(f"{name}.sql:{start + 1}: is no question; one SELECT follows the headers")
    if ";" in sql or "--" in sql:
        raise QueryError(f"{name}.sql: holds a second statement or a comment below the headers; take it out")
    for number, line in enumerate(lines, 1):
        for parameter, kind in _PARAMETER.findall(line):
            if PARAMETERS.get(parameter) != kind:
                known = ", ".join(f"{{{n}:{t}}}" for n, t in PARAMETERS.items())
                raise QueryError(f"{name}.sql:{number}: unknown parameter {{{parameter}:{kind}}}; use one of {known}")
    return Query(name, headers["title"], headers["about"], sql, frozenset(n for n, _ in _PARAMETER.findall(sql)))


@cache
def questions() -> Mapping[str, Query]:
    """Every shipped question by name, read once."""
    folder = files("dashboards") / "queries"
    found = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return MappingProxyType({q.name: q for f in found for q in [parse(f.name[:-4], f.read_text("utf-8"))]})


def ask(store: Store, name: str, **values: object) -> list[Row]:
    """Ask one named question (see `Query.ask`)."""
    return questions()[name].ask(store, **values)


def ask_one(store: Store, name: str, **values: object) -> Row:
    """Ask a question that answers with exactly one row."""
    (row,) = ask(store, name, **values)
    return row


def _plain(value: object) -> object:
    """Times as aware UTC, not-a-number as None; the rest as the store gave it."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, date):
        return value
    if isinstance(value, float) and value != value:
        return None
    return value
