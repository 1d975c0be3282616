"""Stand-ins for the tests of judging: a small school, a catalogue of a few services, bindings by table, slices by hand,
and a store in memory that remembers batches as the real one does and can break down on request."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline import schema
from pipeline.native import Values, encode_block
from pipeline.school import School, parse_school
from pipeline.settings import SchoolSettings
from pipeline.store import Result, StoreError
from pipeline.words import Grade, Reason
from sensor.catalogue import Catalogue, Hit, Match, Service, Status
from sensor.slices import SLICE_SCHEMA, pack_address
from sensor.words import Action, Kind, Role

DAY = date(2026, 11, 17)  # a Tuesday; Europe/London is UTC then
MIDNIGHT = int(datetime(2026, 11, 17, tzinfo=UTC).timestamp()) // 60
TEACHERS, SUPPORT = 14, 11


def minute(clock: str) -> int:
    """The UTC minute of a clock time on DAY."""
    return MIDNIGHT + int(clock[:2]) * 60 + int(clock[3:])


def small_files() -> dict[str, list[str]]:
    """The lines of the small school's files, by name.

    14 teachers and 11 support staff; two lessons, break, a lesson, lunch, a lesson from 09:00 to 15:00.

    Odd teachers have no lesson in P2 (non-contact); teacher T01 is on break duty; S00 has no working pattern; T03 and
    T04 run the official site on facebook, T05 and T06 moderate it.
    """
    people = [f"T{n:02}" for n in range(TEACHERS)] + [f"S{n:02}" for n in range(SUPPORT)]
    staff = ["staff_id,username,email,role,fte,contract_start,contract_end,department,bell_group"]
    staff += [f"{p},{p.lower()},,{'teacher' if p[0] == 'T' else 'support'},1,2020-01-01,,,all" for p in people]
    patterns = ["staff_id,valid_from,valid_to,week,weekday,start,end,unpaid_break_start,unpaid_break_end,kind"]
    patterns += [f"{p},2020-01-01,,*,{d},08:45,15:30,,,contracted" for p in people if p != "S00" for d in range(1, 6)]
    slots = (
        ("P1", "lesson", "09:00", "10:00"),
        ("P2", "lesson", "10:00", "11:00"),
        ("BRK", "break", "11:00", "11:20"),
        ("P3", "lesson", "11:20", "12:20"),
        ("LUN", "lunch", "12:20", "13:10"),
        ("P4", "lesson", "13:10", "15:00"),
    )
    bells = ["schedule,weekday,slot,kind,start,end,group"]
    bells += [f"normal,*,{slot},{kind},{start},{end},*" for slot, kind, start, end in slots]
    lessons = ["staff_id,week,weekday,slot,activity,class,room,valid_from,valid_to"]
    lessons += [
        f"{p},*,{d},{slot},lesson,7A,R1,2020-01-01,"
        for n, p in enumerate(people[:TEACHERS])
        for d in range(1, 6)
        for slot in ("P1", "P2", "P3", "P4")
        if not (slot == "P2" and n % 2)
    ]
    return {
        "staff.csv": staff,
        "patterns.csv": patterns,
        "bells.csv": bells,
        "calendar.csv": ["date_from,date_to,kind,value", "2026-09-01,2026-12-18,term,Autumn 2026"],
        "timetable.csv": lessons,
        "duties.csv": [
            "staff_id,week,weekday,slot_or_start,end,kind,place,valid_from,valid_to",
            "T01,*,2,BRK,,break,Yard,2020-01-01,",
        ],
        "official_sites.csv": [
            "site_id,service,account,administrators,moderators,purpose,audience,contributors,host,line_manager,"
            "lm_approved_on,network_manager,nm_approved_on,head,head_approved_on,go_live,closure,review_on",
            "1,facebook,school,T03;T04,T05;T06,News,Families,none,Facebook,T00,2026-01-01,S01,2026-01-01,T02,2026-01-01,"
            "2026-01-05,2027-07-01,2027-01-01",
        ],
    }


def small_school(extra: Mapping[str, Sequence[str]] | None = None, **settings: object) -> School:
    """The small school. `extra`: lines to add to files, by name."""
    files = small_files()
    for name, lines in (extra or {}).items():
        files.setdefault(name, []).extend(lines)
    given: dict[str, object] = {"id": "small", "name": "Small School", "zone": "Europe/London"}
    given |= {"mode": "pseudonymous", "notice_date": date(2026, 9, 1)} | settings
    data = {name: ("\n".join(lines) + "\n").encode() for name, lines in files.items()}
    return parse_school(data, SchoolSettings.model_validate(given), ("devices.csv",))


SERVICES = MappingProxyType(
    {
        name: Service(name, name.title(), kind, action, Status.ACTIVE, "")
        for name, kind, action in (
            ("discord", Kind.CHATROOM, Action.TAG),
            ("facebook", Kind.SOCIAL_NETWORKING, Action.TAG),
            ("instagram", Kind.SOCIAL_NETWORKING, Action.TAG),
            ("tiktok", Kind.CONTENT_SHARING, Action.TAG),
            ("twitch", Kind.CONTENT_SHARING, Action.TAG),
            ("twitter", Kind.MICROBLOG, Action.TAG),
            ("vimeo", Kind.CONTENT_SHARING, Action.COUNT_ONLY),
            ("whatsapp", Kind.CHATROOM, Action.COUNT_ONLY),
            ("wikipedia", Kind.ENCYCLOPAEDIA, Action.IGNORE),
            ("youtube", Kind.CONTENT_SHARING, Action.COUNT_ONLY),
        )
    }
)


PICTURED = {"facebook", "twitter", "twitch", "youtube"}  # services with hosts for pictures


def small_catalogue() -> Catalogue:
    """Ten services; of host names only those for pictures, as others play no part after the sensor."""
    hosts = {(Match.FULL, f"pictures.{name}.example"): Hit(name, Role.CDN) for name in PICTURED}
    return Catalogue("2026-11-17.test", SERVICES, hosts, {})


@dataclass(frozen=True)
class TableBindings:
    """Who holds an address, always: address text -> (person, grade, reason, device)."""

    table: Mapping[str, tuple[int, Grade, Reason, int]]

    def who(
        self, address: npt.NDArray[np.generic], minutes: npt.NDArray[np.uint32]
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int8], npt.NDArray[np.int8], npt.NDArray[np.int32]]:
        nobody = (-1, Grade.NONE, Reason.NO_PERSON, -1)
        packed = {pack_address(text): row for text, row in self.table.items()}
        rows = [packed.get(bytes(a).ljust(16, b"\0"), nobody) for a in address.tolist()]
        return (
            np.array([r[0] for r in rows], np.int32),
            np.array([r[1].code for r in rows], np.int8),
            np.array([r[2].code for r in rows], np.int8),
            np.array([r[3] for r in rows], np.int32),
        )

    def find(self, address: npt.NDArray[np.generic], minutes: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
        packed = [pack_address(text) for text in self.table]
        return np.array([packed.index(bytes(a).ljust(16, b"\0")) for a in address.tolist()], np.int64)

    def source(self, binding: int) -> str:
        return "log-on since 2026-11-17T08:00:00Z (logons.csv:3); lease since 2026-11-17T07:59:00Z (leases.csv:2)"


@dataclass(frozen=True)
class Slice:
    """One slice, as far as judging looks at it."""

    minute: int
    client: str
    service: str
    role: str = "primary"
    up: int = 1000
    down: int = 0
    bursts: int = 0
    first: int = 0
    last: int = 59_999
    segment: str = "staff"
    evidence: str = "sni"
    begins: bool = True
    largest: int = 0
    asked: tuple[int, ...] = ()  # the seconds of the bursts; without, they come one every seven seconds

    @property
    def seconds(self) -> tuple[int, ...]:
        return self.asked or tuple((self.first // 1000 + 7 * n) % 60 for n in range(self.bursts))


def slice_rows(slices: Iterable[Slice]) -> pa.Table:
    """Slices as the sensor sends them."""
    rows = list(slices)
    columns: dict[str, Sequence[object]] = {
        "minute": [s.minute for s in rows],
        "first_ms": [s.first for s in rows],
        "last_ms": [s.last for s in rows],
        "first_of_flow": [s.begins for s in rows],
        "client": [pack_address(s.client) for s in rows],
        "server": [pack_address("198.51.100.7") for _ in rows],
        "segment": [s.segment for s in rows],
        "service": [s.service for s in rows],
        "role": [s.role for s in rows],
        "evidence": [s.evidence for s in rows],
        "bytes_up": [s.up for s in rows],
        "bytes_down": [s.down for s in rows],
        "bursts": [len(s.seconds) for s in rows],
        "burst_seconds": [sum(1 << second for second in set(s.seconds)) for s in rows],
        "burst_largest": [s.largest for s in rows],
    }
    arrays = [pa.array(columns.get(f.name, [0] * len(rows)), f.type) for f in SLICE_SCHEMA]
    return pa.Table.from_arrays(arrays, schema=SLICE_SCHEMA)


class BrokenDown(Exception):
    """The process died here."""


@dataclass
class MemoryStore:
    """Tables as lists of rows; a batch that a table has is left out. After `inserts_left` inserts the process dies,
    `dies_late` says whether the last one was kept."""

    inserts_left: int | None = None
    dies_late: bool = False
    tables: dict[str, list[dict[str, object]]] = field(default_factory=lambda: defaultdict(list))
    tokens: set[tuple[str, str]] = field(default_factory=set)

    def insert(self, table: str, columns: Mapping[str, Values], batch: str) -> int:
        encode_block(schema.BY_NAME[table].types, columns)
        if self.inserts_left == 0 and not self.dies_late:
            raise BrokenDown
        n = len(next(iter(columns.values())))
        if (table, batch) not in self.tokens and n:
            self.tokens.add((table, batch))
            self.tables[table] += [{name: values[i] for name, values in columns.items()} for i in range(n)]
        if self.inserts_left is not None:
            self.inserts_left -= 1
            if self.inserts_left < 0 or (self.inserts_left == 0 and self.dies_late):
                raise BrokenDown
        return n

    def query(self, sql: str, params: Mapping[str, object] | None = None) -> Result:
        found = re.search(r"SELECT (?:DISTINCT )?(.*?) FROM schoolgate\.(\w+)", sql)
        if found is None:
            raise StoreError(sql)
        names = tuple(name.strip(" `") for name in found[1].split(","))
        rows = [
            tuple(row[name] for name in names)
            for row in self.tables[found[2]]
            if all(row[key] == value for key, value in (params or {}).items() if key in row)
        ]
        return Result(names, tuple("" for _ in names), rows)

    def delete(self, table: str, where: str, params: Mapping[str, object]) -> None:
        raise StoreError(where)

    def execute(self, ddl: str) -> None:
        raise StoreError(ddl)

    def close(self) -> None:
        pass

    def sums(self, table: str, *keys: str, value: str = "minutes", **where: object) -> dict[tuple[object, ...], int]:
        """Sums of a column by these keys, of the rows with these values."""
        found: Counter[tuple[object, ...]] = Counter()
        for row in self.tables[table]:
            if all(row[name] == wanted for name, wanted in where.items()):
                found[tuple(row[key] for key in keys)] += int(str(row[value]))
        return dict(found)

    def contents(self) -> dict[str, Counter[tuple[tuple[str, str], ...]]]:
        """All rows of all tables, whatever their order, without when they were written and which were sent together."""
        dated = {"stored", "updated"}
        return {
            table: Counter(
                tuple((k, str(v)) for k, v in sorted(row.items()) if k not in dated)
                for row in rows
                if "/group/" not in str(row.get("batch"))
            )
            for table, rows in self.tables.items()
        }
