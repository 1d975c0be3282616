"""The named questions: one `.sql` file each, asked by page, Grafana panel and report alike.

A file opens with three lines, and one SELECT follows:

    -- title: Minutes of use in the day
    -- about: A sentence for people, which is also the description of its panels.
    -- parameters: school String, day Date

Parameters are marked in the SQL as ClickHouse does, `{name:Type}`, and come from the one list in `PARAMETERS`; a file
whose marks and header differ is refused. Two renderers write the same text for its two askers: `Query.ask` binds the
parameters on our own store; `Query.for_grafana` writes dashboard variables and the macros of the
grafana-clickhouse-datasource plugin. No page, panel or report has SQL of its own. `python -m dashboards.queries` prints
the page that lists them (QUERIES.md). This module does not know what a question means or how its answer is drawn.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.store import Store

Row = dict[str, Any]
"""One row of an answer: column name -> value; times are aware UTC datetimes, days are dates."""

EVERYTHING = "all"
"""The value of `kind` and `group` that leaves nothing out."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a question may be asked for: its ClickHouse type, a word for people, how Grafana fills it in, and the value
    that holds where none is given (None: one must be given)."""

    type: str
    about: str
    in_grafana: str
    default: str | None = None


_LAST_DAY = "toDate($__toTime, ${zone:sqlstring})"

PARAMETERS: Mapping[str, Parameter] = MappingProxyType(
    {
        "school": Parameter("String", "the school's id", "${school:sqlstring}"),
        "zone": Parameter("String", "the school's time zone", "${zone:sqlstring}"),
        "day": Parameter("Date", "a day; on a board the last one of the chosen time", _LAST_DAY),
        "from": Parameter("Date", "the first day", "toDate($__fromTime, ${zone:sqlstring})"),
        "to": Parameter("Date", "the last day, included", _LAST_DAY),
        "kind": Parameter("String", "kind of service, or `all` together", "${kind:sqlstring}", EVERYTHING),
        "group": Parameter("String", "group of staff, or `all` together", "${group:sqlstring}", EVERYTHING),
    }
)
"""Every parameter that a question may have. Days are of the school's own zone."""

_HEADER = re.compile(r"--\s*(\w+):\s*(.*\S)")
_MARK = re.compile(r"\{(\w+):(\w+)\}")
_HEADERS = ("title", "about", "parameters")


class QueryError(ValueError):
    """A question that cannot be loaded or asked; the message names the file and the mend."""


@dataclass(frozen=True, slots=True)
class Query:
    """One named question. `sql` keeps its `{name:Type}` marks; `params` are the names it needs, in the file's order."""

    name: str
    title: str
    about: str
    sql: str
    params: tuple[str, ...] = ()

    def ask(self, store: Store, **values: object) -> list[Row]:
        """The answer of our own store, with bound parameters (`from_` stands for `from`).

        Raises QueryError if a parameter is missing or too many, and whatever the store raises.
        """
        given = {name.rstrip("_"): value for name, value in values.items()}
        bound = {name: given.get(name, PARAMETERS[name].default) for name in self.params}
        if given.keys() - bound.keys() or None in bound.values():
            needs = ", ".join(
                f"{n} (or {PARAMETERS[n].default!r})" if PARAMETERS[n].default else n for n in self.params
            )
            raise QueryError(f"{self.name}: needs the parameters {needs}, was given {', '.join(given) or 'none'}")
        result = store.query(self.sql, bound)
        return [{n: _plain(v) for n, v in zip(result.columns, row, strict=True)} for row in result.rows]

    def for_grafana(self) -> str:
        """The same question with Grafana's variables (`school`, `zone`, `kind`, `group`) and the plugin's macros."""
        return _MARK.sub(lambda mark: PARAMETERS[mark[1]].in_grafana, self.sql)


def parse(name: str, text: str) -> Query:
    """One question from the text of its file; QueryError names line and mend."""
    lines = text.splitlines()
    headers, start = _headers(name, lines)
    sql = "\n".join(lines[start:]).strip()
    if not sql.upper().startswith(("SELECT", "WITH")):
        raise QueryError(f"{name}.sql:{start + 1}: is no question; one SELECT follows the headers")
    if ";" in sql or "--" in sql:
        raise QueryError(f"{name}.sql: holds a second statement or a comment below the headers; take it out")
    for number, line in enumerate(lines[start:], start + 1):
        for parameter, kind in _MARK.findall(line):
            if parameter not in PARAMETERS or PARAMETERS[parameter].type != kind:
                known = ", ".join(f"{{{n}:{p.type}}}" for n, p in PARAMETERS.items())
                raise QueryError(f"{name}.sql:{number}: unknown parameter {{{parameter}:{kind}}}; use one of {known}")
    marked = {parameter for parameter, _ in _MARK.findall(sql)}
    wanted = ", ".join(f"{n} {p.type}" for n, p in PARAMETERS.items() if n in marked)
    told = headers.get("parameters", "")
    if sorted(re.split(r"\s*,\s*", told)) != sorted(wanted.split(", ")):
        mend = f"write `-- parameters: {wanted}`" if wanted else "take the line out: the question has none"
        raise QueryError(
            f"{name}.sql: the parameters of its header ({told or 'none'}) are not those of its SQL; {mend}"
        )
    params = tuple(word.split()[0] for word in told.split(",")) if told else ()
    return Query(name, headers["title"], headers["about"], sql, params)


def _headers(name: str, lines: list[str]) -> tuple[dict[str, str], int]:
    """The lines that tell of the question, and the number of the first one after them."""
    headers: dict[str, str] = {}
    start = 0
    for start, line in enumerate(lines):
        if (found := _HEADER.fullmatch(line.strip())) is None:
            break
        if found[1] not in _HEADERS:
            raise QueryError(f"{name}.sql:{start + 1}: unknown header {found[1]!r}; {', '.join(_HEADERS)} are read")
        if found[1] in headers:
            raise QueryError(f"{name}.sql:{start + 1}: says its {found[1]} twice; keep one line")
        headers[found[1]] = found[2]
    for wanted in ("title", "about"):
        if wanted not in headers:
            raise QueryError(f"{name}.sql:1: has no `-- {wanted}:` line; begin the file with one")
    return headers, start


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


def describe() -> str:
    """All questions as a page (Markdown): the parameters, and of each question title, sentence and parameters."""
    lines = [
        "# The named questions",
        "",
        f"Written by `python -m dashboards.queries`: {len(questions())} questions, each a file in `queries/`. Pages,",
        "panels of Grafana and reports are drawn from them and have no SQL of their own.",
        "",
        "| parameter | type | what it is |",
        "|---|---|---|",
    ]
    for name, parameter in PARAMETERS.items():
        unless = f"; `{parameter.default}` unless given" if parameter.default else ""
        lines.append(f"| `{name}` | {parameter.type} | {parameter.about}{unless} |")
    lines += ["", "| question | what it answers | parameters |", "|---|---|---|"]
    for question in questions().values():
        lines.append(f"| `{question.name}` | **{question.title}.** {question.about} | {', '.join(question.params)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(describe(), end="")
