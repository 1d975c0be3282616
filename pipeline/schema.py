"""The store's tables, declared once as data: names, types, keys, how long rows stay, and what every column holds.

From these declarations come the statements of an engine and of a migration (`pipeline.ddl`) and the page that describes
the store (`describe`). Only what ClickHouse 18.16 and later understand is declared.
It opens no database and knows no school.

Every write is one batch under a name of its own, and a table remembers the last `DEDUPLICATION_WINDOW` batches: a
batch that comes again is left out. Every table but `schema_version` belongs to one `school` a row, and is split by
month (by day where retention is counted in days), so that old rows leave as whole partitions.
"""

from __future__ import annotations

from dataclasses import dataclass

DATABASE = "schoolgate"
VERSION = 4
"""Of the declarations below; a store written by a higher one is refused, one by a lower one is brought up to it."""

DEDUPLICATION_WINDOW = 10_000
"""Batches a table remembers: a month of five-minute windows."""


class SchemaError(ValueError):
    """The store's tables are not those of this version; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its ClickHouse type, and what it holds in words (the column's comment)."""

    name: str
    type: str
    about: str


@dataclass(frozen=True, slots=True)
class Table:
    """One table; `order` is its sorting key, `partition` the expression that splits it."""

    name: str
    about: str
    columns: tuple[Column, ...]
    order: tuple[str, ...]
    partition: str = "toYYYYMM(day)"
    engine: str = "MergeTree"

    @property
    def types(self) -> dict[str, str]:
        """Column name -> ClickHouse type, in order."""
        return {column.name: column.type for column in self.columns}


_WORD = "LowCardinality(String)"
_TIME = "DateTime('UTC')"

_SCHOOL = Column("school", _WORD, "the school's id (tenant)")
_DAY = Column("day", "Date", "day in the school's own zone")
_LEVEL = Column(
    "level",
    "Enum8('service' = 1, 'kind' = 2, 'all' = 3)",
    "what a minute is counted once for: each service, each kind, or all together; never add two levels",
)
_PEOPLE = Column(
    "people",
    _WORD,
    "group of staff: 'all', or a group of at least ten: 'teaching', 'support', 'other'; all holds the others",
)
_USE = (
    _LEVEL,
    Column("kind", _WORD, "kind of service (policy clause 2.3); '' at level all"),
    Column("service", _WORD, "service id of the catalogue; '' at levels kind and all"),
    Column("outcome", _WORD, "allowed, outside_allowed, official_possible, count_only or unknown"),
    Column("reason", _WORD, "why the minutes have this outcome"),
    Column("minutes", "Int32", "person-minutes of active use; below 0 where a withdrawn episode is taken out"),
    Column("bytes_up", "Int64", "bytes sent by the clients (IP total lengths)"),
    Column("bytes_down", "Int64", "bytes sent to the clients (IP total lengths)"),
)
_USE_ORDER = ("kind", "service", "outcome", "reason")
_VERSIONS = (
    Column("policy", _WORD, "policy profile, its version and that of the rules: see table rulebook"),
    Column("catalogue", _WORD, "version of the service catalogue"),
    Column("timetable", _WORD, "version of the school's files"),
)
VERSIONS = tuple(column.name for column in _VERSIONS)
"""The columns of what a row was computed by; every table of judged or counted traffic has them."""
_MARK_ADDED = (  # by version 2
    Column("episode", "String", "id of the episode that the minute belongs to"),
    Column("source", _WORD, "what tied the address to the person"),
    Column("rule", _WORD, "the rule that gave the outcome, and its version"),
    Column("why", "String", "evidence chain as JSON"),
    *_VERSIONS,
)
_REVISION = Column(
    "revision", "UInt32", "0 as judged at first; higher for rows that a correction has put in their place"
)
_MARK_FACTS = (  # by version 3
    Column("facts", "String", "what judging the minute anew needs, as JSON"),
    _REVISION,
)
_PSEUDONYM = Column("pseudonym", "String", "keyed pseudonym of a person; the key is never in the store")

TABLES: tuple[Table, ...] = (
    Table(
        "use_five",
        "Minutes of use by all staff together, in steps of five minutes.",
        (_SCHOOL, _DAY, Column("start", _TIME, "begin of the five minutes"), *_USE, *_VERSIONS),
        ("school", "level", "day", "start", *_USE_ORDER),
    ),
    Table(
        "use_period",
        "Minutes of use by bell period and group of staff.",
        (
            _SCHOOL,
            _DAY,
            Column("period", _WORD, "name of the bell slot; '' outside the bells"),
            Column("period_kind", _WORD, "lesson, registration, break, lunch, before or after; '' outside the bells"),
            _PEOPLE,
            *_USE,
            *_VERSIONS,
        ),
        ("school", "level", "people", "day", "period", *_USE_ORDER),
    ),
    Table(
        "use_day",
        "Minutes of use by day and group of staff.",
        (_SCHOOL, _DAY, _PEOPLE, *_USE, *_VERSIONS),
        ("school", "level", "people", "day", *_USE_ORDER),
    ),
    Table(
        "coverage",
        "What was seen and what was lost on the way from packet to outcome; values of a metric add up.",
        (
            _SCHOOL,
            _DAY,
            Column("start", _TIME, "begin of the five minutes"),
            Column("metric", _WORD, "what is counted, such as packets, flows_unnamed, ring_drops, minutes_judged"),
            Column("value", "UInt64", "how many"),
            *_VERSIONS,
        ),
        ("school", "day", "metric", "start"),
    ),
    Table(
        "bell",
        "The bell times of a day's main schedule; the row written last holds, so read with FINAL.",
        (
            _SCHOOL,
            _DAY,
            Column("slot", _WORD, "name of the bell slot"),
            Column("kind", _WORD, "lesson, registration, break, lunch, before or after"),
            Column("start", _TIME, "begin of the slot"),
            Column("end", _TIME, "end of the slot"),
            Column("week", _WORD, "letter of the timetable week; '' where there is none"),
            *_VERSIONS,
        ),
        ("school", "day", "slot"),
        engine="ReplacingMergeTree",
    ),
    Table(
        "episode",
        "Episodes of use outside allowed time, under pseudonyms (pseudonymous mode only).",
        (
            _SCHOOL,
            _DAY,
            Column("id", "String", "stable id of the episode"),
            _PSEUDONYM,
            Column("service", _WORD, "service id of the catalogue"),
            Column("kind", _WORD, "kind of service"),
            Column("start", _TIME, "first active minute"),
            Column("last", _TIME, "last active minute"),
            Column("minutes", "UInt16", "active minutes in time that is not allowed"),
            Column("grade", _WORD, "how surely the person is known: A or B"),
            Column("source", _WORD, "what tied the address to the person"),
            Column("rule", _WORD, "the rule that gave the outcome, and its version"),
            Column("why", "String", "evidence chain as JSON"),
            Column("sums", "String", "the sums that its minutes are part of, as JSON, to take them out again"),
            *_VERSIONS,
            _REVISION,
        ),
        ("school", "day", "pseudonym", "start", "id"),
        partition="toYYYYMMDD(day)",
    ),
    Table(
        "minute_mark",
        "Single minutes of use that were not certain to be allowed, kept a week to be judged anew (pseudonymous mode "
        "only).",
        (
            _SCHOOL,
            _DAY,
            _PSEUDONYM,
            Column("service", _WORD, "service id of the catalogue"),
            Column("minute", _TIME, "the minute"),
            Column("state", _WORD, "what the person was scheduled to do"),
            Column("allowed", _WORD, "whether personal use was allowed: yes, no or unknown"),
            Column("outcome", _WORD, "what became of the minute"),
            Column("reason", _WORD, "why"),
            Column("grade", _WORD, "how surely the person is known: A or B"),
            *_MARK_ADDED,
            *_MARK_FACTS,
        ),
        ("school", "day", "pseudonym", "minute", "service"),
        partition="toYYYYMMDD(day)",
    ),
    Table(
        "mark_former",
        "Outcomes of minute marks that a correction of the school's files replaced (pseudonymous mode only).",
        (
            _SCHOOL,
            _DAY,
            _PSEUDONYM,
            Column("service", _WORD, "service id of the catalogue"),
            Column("minute", _TIME, "the minute"),
            Column("state", _WORD, "what the person was scheduled to do, by the former files"),
            Column("allowed", _WORD, "whether personal use was allowed, by the former files"),
            Column("outcome", _WORD, "the former outcome"),
            Column("reason", _WORD, "why it was so"),
            Column("grade", _WORD, "how surely the person is known: A or B"),
            *_MARK_ADDED,
            Column("revision", "UInt32", "the revision of the mark that had this outcome"),
            Column("replaced", _TIME, "when it was replaced"),
            Column("became", _WORD, "the outcome that took its place"),
            Column("became_timetable", _WORD, "version of the school's files that gave it"),
        ),
        ("school", "day", "pseudonym", "minute", "service", "revision"),
        partition="toYYYYMMDD(day)",
    ),
    Table(
        "rulebook",
        "The wording of the rules behind each version that rows carry as `policy`; read with FINAL.",
        (
            _SCHOOL,
            Column("policy", _WORD, "the version"),
            Column("content", "String", "JSON: rules, their limits by service, the clause on times, boundary margin"),
            Column("updated", _TIME, "when the row was written"),
        ),
        ("school", "policy"),
        partition="tuple()",
        engine="ReplacingMergeTree(updated)",
    ),
    Table(
        "catalogue_version",
        "What each version of the service catalogue said of every service; read with FINAL.",
        (
            _SCHOOL,
            Column("catalogue", _WORD, "the version"),
            Column("services", "String", "JSON object: service -> [kind, action]"),
            Column("updated", _TIME, "when the row was written"),
        ),
        ("school", "catalogue"),
        partition="tuple()",
        engine="ReplacingMergeTree(updated)",
    ),
    Table(
        "catalogue_change",
        "First day of a new catalogue version: minutes of use by the version before and by the new one.",
        (
            _SCHOOL,
            _DAY,
            Column("start", _TIME, "begin of the five minutes"),
            Column("service", _WORD, "service id"),
            Column("kind", _WORD, "kind of service, in the version of this row's minutes"),
            Column("outcome", _WORD, "allowed, outside_allowed, official_possible, count_only or unknown"),
            Column("before", "UInt32", "person-minutes with this outcome by the version before"),
            Column("after", "UInt32", "person-minutes with this outcome by the new version"),
            Column("catalogue_before", _WORD, "the version of the catalogue before"),
            *_VERSIONS,
        ),
        ("school", "day", "start", "service", "kind", "outcome"),
    ),
    Table(
        "batch",
        "The windows of packet time whose rows are stored: written last, so that a window listed here is complete.",
        (
            _SCHOOL,
            Column("batch", "String", "name of the batch: school/sensor/begin of the window"),
            Column("stored", _TIME, "when it was written"),
            Column("window", _TIME, "begin of the window"),
            Column("rows", "UInt32", "rows written to the other tables"),
            *_VERSIONS,
        ),
        ("school", "window", "batch"),
        partition="toYYYYMM(window)",
    ),
    Table(
        "school_info",
        "What the pages need to know of each school; the row updated last holds, so read with FINAL.",
        (
            _SCHOOL,
            Column("name", "String", "the school's name"),
            Column("zone", _WORD, "its time zone (IANA)"),
            Column("mode", _WORD, "aggregate or pseudonymous"),
            Column("notice", "String", "ISO date from which staff are monitored; '' when there is none yet"),
            Column("group_sizes", "String", "JSON object: group of staff -> its size; groups of at least ten only"),
            Column("version", "String", "version of the school's files"),
            Column("updated", _TIME, "when the row was written"),
        ),
        ("school",),
        partition="tuple()",
        engine="ReplacingMergeTree(updated)",
    ),
    Table(
        "school_day",
        "What sort of day each day was for the school; the row written last holds, so read with FINAL.",
        (
            _SCHOOL,
            _DAY,
            Column("kind", _WORD, "school, inset, holiday, bank_holiday, closure, weekend or unknown"),
            Column("name", _WORD, "what the school's calendar calls it; '' if it does not say"),
            Column("updated", _TIME, "when the row was written"),
        ),
        ("school", "day"),
        engine="ReplacingMergeTree(updated)",
    ),
    Table(
        "contest",
        "Episodes that somebody contested, and what came of it; the highest revision holds, so read with FINAL.",
        (
            _SCHOOL,
            Column("day", "Date", "day of the episode"),
            Column("id", "String", "id of the contest"),
            Column("episode", "String", "id of the episode"),
            _PSEUDONYM,
            Column("reason", _WORD, "cover, swap, official_work, not_me, wrong_service or other"),
            Column("status", _WORD, "open, upheld or rejected"),
            Column("opened", _TIME, "when it was opened"),
            Column("opened_by", _WORD, "role of who opened it"),
            Column("due", _TIME, "when it must be answered"),
            Column("decided", _TIME, "when it was decided; 1970 while it is open"),
            Column("decided_by", _WORD, "role of who decided it; '' while it is open"),
            Column("applied", "UInt8", "1 when all sums are what the decision makes them"),
            Column("revision", "UInt32", "number of this state of the contest"),
        ),
        ("school", "id"),
        engine="ReplacingMergeTree(revision)",
    ),
    Table(
        "retention_proof",
        "What left by age, run by run: the proof that nothing is kept longer than the notice says.",
        (
            _SCHOOL,
            Column("day", "Date", "day of the run in UTC"),
            Column("run", _TIME, "when it ran"),
            Column("what", _WORD, "what was looked at: spool, minute_mark, episode, use_day, audit and so on"),
            Column("keep_days", "UInt16", "how long it is kept"),
            Column("before", _TIME, "everything older than this had to go"),
            Column("removed", "UInt64", "how many rows, files or entries went"),
            Column("held", "UInt64", "how many stay for a contest that is open"),
            Column("left", "UInt64", "how many are still there although they had to go; 0 proves it"),
            Column("problem", "String", "why something could not be removed; '' if nothing is wrong"),
            Column("audit_entries", "UInt64", "number of the last entry of the audit trail at that time"),
            Column("audit_hash", "String", "its hash: what the trail is compared with"),
        ),
        ("school", "what", "run"),
    ),
    Table(
        "alert",
        "Alerts as they were told, without anything that stands for a person or a device; read with FINAL.",
        (
            _SCHOOL,
            Column("day", "Date", "day of what happened, in the school's own zone"),
            Column("id", "String", "id of the alert"),
            Column("kind", _WORD, "wiki_edit, or what is wrong with the monitor: feed_stale, mirror_silent and so on"),
            Column("subject", _WORD, "health check of an operational alert; '' of an edit"),
            Column("raised", _TIME, "when it was raised"),
            Column("at", _TIME, "when it happened"),
            Column("certainty", _WORD, "of an edit: possible, likely or confirmed"),
            Column("percent", "UInt8", "of an edit: how likely it is to be one, in percent"),
            Column("wiki", _WORD, "of an edit: the wiki"),
            Column("service", _WORD, "of an edit: service id of the catalogue"),
            Column("segment", _WORD, "of an edit: staff, pupil, guest or unknown network"),
            Column("period", _WORD, "name of the bell slot; '' outside the bells"),
            Column("period_kind", _WORD, "lesson, registration, break, lunch, before or after; '' if groups differ"),
            Column("rule", _WORD, "of an edit: the rule that found it"),
            Column("why", "String", "sentences as a JSON list"),
            Column("edits", "UInt32", "edits of one device in this alert; 1 of an operational alert"),
            Column("last", _TIME, "time of the last of them"),
            Column("recovered", _TIME, "when an operational alert was over; 1970 while it is not"),
            Column("acknowledged", _TIME, "when somebody took notice; 1970 while nobody has"),
            Column("revision", "UInt32", "number of this state of the alert"),
        ),
        ("school", "id"),
        engine="ReplacingMergeTree(revision)",
    ),
    Table(
        "alert_delivery",
        "What became of each message about alerts on each channel; read with FINAL.",
        (
            _SCHOOL,
            Column("day", "Date", "day of the message, in the school's own zone"),
            Column("message", "String", "id of the message"),
            Column("sort", _WORD, "alert, several, digest, recovery or test"),
            Column("alerts", "UInt32", "how many alerts it tells of"),
            Column("channel", _WORD, "name of the channel; never its address"),
            Column("made", _TIME, "when the message was written"),
            Column("state", _WORD, "pending, sending, sent or failed"),
            Column("changed", _TIME, "when it came to this state"),
            Column("attempt", "UInt32", "attempts so far"),
            Column("possible_duplicate", "UInt8", "1 if it may have come twice, and said so"),
            Column("problem", _WORD, "what kept the last attempt from arriving; '' if nothing did"),
            Column("revision", "UInt32", "number of this state of the delivery"),
        ),
        ("school", "message", "channel"),
        engine="ReplacingMergeTree(revision)",
    ),
    Table(
        "report",
        "The weekly and termly reports as they were issued, each issue of each period once; nothing is ever changed.",
        (
            _SCHOOL,
            Column("day", "Date", "first day of the period"),
            Column("period", "String", "the period: a week as 2026-W47, or a term as term/2026-09-01"),
            Column("issue", "UInt32", "1, and higher where a correction made it be issued again; 0 if it was left out"),
            Column("made", _TIME, "when it was issued, or left out"),
            Column("why", _WORD, "why it was left out: holiday or old; '' if it was issued"),
            Column("name", "String", "what the calendar calls the holiday"),
            Column("basis", "String", "what it rests on, as JSON: versions, withdrawn episodes, observed share"),
            Column("shown", "String", "the published figures as JSON: key -> [text, lowest, highest]"),
            Column("pages", "String", "JSON object: language -> the page as HTML"),
            Column("mails", "String", "JSON object: subject, plain text and HTML of the mail"),
        ),
        ("school", "period", "issue"),
        engine="ReplacingMergeTree",
    ),
    Table(
        "report_delivery",
        "What became of each report that was to be sent; read with FINAL.",
        (
            _SCHOOL,
            Column("day", "Date", "first day of the period"),
            Column("period", "String", "the period, as in table report"),
            Column("issue", "UInt32", "the issue, as in table report"),
            Column("copy", "String", "'' for the addresses of the settings, else the id of a request"),
            Column("made", _TIME, "when it was to be sent for the first time"),
            Column("state", _WORD, "pending, sending, sent or failed"),
            Column("changed", _TIME, "when it came to this state"),
            Column("due", _TIME, "before this nothing is tried"),
            Column("attempt", "UInt32", "attempts so far"),
            Column("claim", "String", "a mark of the process that sends it"),
            Column("possible_duplicate", "UInt8", "1 if it may have come twice, and said so"),
            Column("problem", _WORD, "what kept the last attempt from arriving; '' if nothing did"),
            Column("revision", "UInt32", "number of this state of the delivery"),
        ),
        ("school", "period", "issue", "copy"),
        engine="ReplacingMergeTree(revision)",
    ),
    Table(
        "schema_version",
        "The schema versions this store has been through; the highest holds.",
        (
            Column("version", "UInt32", "number of the schema version"),
            Column("applied", _TIME, "when it was applied"),
        ),
        ("version",),
        partition="tuple()",
    ),
)

BY_NAME: dict[str, Table] = {table.name: table for table in TABLES}

GONE_DAYS: dict[str, int] = {
    "minute_mark": 7,
    "mark_former": 7,
    "episode": 90,
    **dict.fromkeys(("use_five", "use_period", "use_day", "coverage", "catalogue_change", "bell", "batch"), 426),
    **dict.fromkeys(("alert", "alert_delivery", "school_day", "report", "report_delivery"), 426),
    "retention_proof": 731,
}
"""Days after which a table's rows are gone in any case, held for a contest or not. The rules that let them go, most
often earlier, are pipeline.retention's; a server removes by this what no owner of the store has."""


def quoted(text: str) -> str:
    """Text as an SQL literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def check_version(found: int) -> None:
    """Refuse a store that a newer version has written (`SchemaError`)."""
    if found > VERSION:
        raise SchemaError(
            f"it was written by a newer Schoolgate (schema {found}; this one knows up to {VERSION}); "
            "upgrade Schoolgate, or choose another store"
        )


def describe() -> str:
    """The schema as a page (Markdown): table by table, one column a line (name, type, what it holds)."""
    parts = [
        f"# The store, schema version {VERSION}\n\nWritten by `schoolgate store schema`; times are UTC, days are of "
        f"the school's own zone. Database `{DATABASE}`, {len(TABLES)} tables.\n"
    ]
    for table in TABLES:
        gone = GONE_DAYS.get(table.name)
        facts = [f"sorted by {', '.join(table.order)}", f"{table.engine}, split by {table.partition}"]
        facts += [f"gone after {gone} days at the latest"] if gone else []
        rows = [f"| `{c.name}` | `{c.type}` | {c.about} |" for c in table.columns]
        head = [f"## {table.name}", "", table.about, "", f"{'; '.join(facts)}.".capitalize(), ""]
        parts.append("\n".join([*head, "| column | type | what it holds |", "|---|---|---|", *rows, ""]))
    return "\n".join(parts)
