"""What the rows of a school's files mean: their words and their frozen row types.

Times are minutes after local midnight, spans are [start, end), dates are inclusive. `person` is a number: the index in
`School.staff`; ALL stands for the `*` of a row that concerns everybody; `line` is where the row stands in its file.
This module reads nothing and decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

ALL = -1
ANY = "*"
# Words of other systems that say why somebody is released from work. They are forgotten in reading.
_PRIVATE = frozenset({"facility_time", "trade_union", "union", "time_off_in_lieu", "toil", "lieu"})


class StaffRole(StrEnum):
    TEACHER = "teacher"
    SUPPORT = "support"
    LEADERSHIP = "leadership"
    CONTRACTOR = "contractor"
    VOLUNTEER = "volunteer"
    TRAINEE = "trainee"
    GOVERNOR = "governor"


class Week(StrEnum):
    """A letter of the two-week cycle; EVERY for rows that hold in both."""

    A = "a"
    B = "b"
    EVERY = "*"


class PatternKind(StrEnum):
    CONTRACTED = "contracted"
    FLEXI_CORE = "flexi_core"


class SlotKind(StrEnum):
    LESSON = "lesson"
    REGISTRATION = "registration"
    BREAK = "break"
    LUNCH = "lunch"
    BEFORE = "before"
    AFTER = "after"


class CalendarKind(StrEnum):
    TERM = "term"
    HOLIDAY = "holiday"
    INSET = "inset"
    CLOSURE = "closure"
    BANK_HOLIDAY = "bank_holiday"
    WEEK_A = "week_a"
    WEEK_B = "week_b"
    BELL_OVERRIDE = "bell_override"


class Activity(StrEnum):
    LESSON = "lesson"
    PPA = "ppa"
    LEADERSHIP = "leadership"
    MEETING = "meeting"
    FREE = "free"
    RELEASED = "released"
    UNKNOWN = "unknown"  # there may be a lesson in this slot: the source does not say in which weeks

    @classmethod
    def _missing_(cls, value: object) -> Activity | None:
        return cls.RELEASED if value in _PRIVATE else None


class DutyKind(StrEnum):
    BREAK = "break"
    LUNCH = "lunch"
    GATE = "gate"
    BUS = "bus"
    DETENTION = "detention"
    COVER_STANDBY = "cover_standby"


class ExceptionKind(StrEnum):
    ABSENT = "absent"
    LEAVE = "leave"
    TRIP = "trip"
    COVER = "cover"
    CANCELLED = "cancelled"
    DUTY = "duty"
    SWAP_TO = "duty_swap_to"
    SWAP_FROM = "duty_swap_from"
    EXAM = "exam"
    MEETING = "meeting"
    INSET = "inset"
    CLOSED = "closed"
    HOME_WORKING = "home_working"
    RELEASED = "released"
    UNCLEAR = "unclear"  # something is booked, and the source does not say what or when

    @classmethod
    def _missing_(cls, value: object) -> ExceptionKind | None:
        other = {"swap_to": cls.SWAP_TO, "swap_from": cls.SWAP_FROM, "parents_evening": cls.MEETING}
        return cls.RELEASED if value in _PRIVATE else other.get(str(value))


class Ownership(StrEnum):
    SCHOOL = "school"
    BYOD = "byod"


@dataclass(frozen=True, slots=True)
class Span:
    """Minutes of a day, [start, end)."""

    start: int
    end: int


When = Span | str | None  # clock times, the name of a bell slot, or the whole day


@dataclass(frozen=True, slots=True)
class Staff:
    staff_id: str
    usernames: tuple[str, ...]  # lower case; the first is the current one, others are former names
    email: str
    role: StaffRole
    contract_start: date
    contract_end: date
    department: str
    bell_group: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class Pattern:
    person: int
    valid_from: date
    valid_to: date
    week: Week
    weekday: int  # 1 Monday to 7 Sunday
    hours: Span
    unpaid: Span | None
    kind: PatternKind
    line: int = 0


@dataclass(frozen=True, slots=True)
class Bell:
    schedule: str
    weekday: int | None  # None: every weekday that the schedule does not name
    slot: str
    kind: SlotKind
    start: int
    end: int
    group: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class CalendarRow:
    date_from: date
    date_to: date
    kind: CalendarKind
    value: str
    hours: Span | None  # of an INSET day that has its own
    line: int = 0


@dataclass(frozen=True, slots=True)
class Lesson:
    person: int
    week: Week
    weekday: int
    slot: str
    activity: Activity
    valid_from: date
    valid_to: date
    line: int = 0


@dataclass(frozen=True, slots=True)
class Duty:
    person: int
    week: Week
    weekday: int
    when: Span | str
    kind: DutyKind
    valid_from: date
    valid_to: date
    line: int = 0


@dataclass(frozen=True, slots=True)
class Dated:
    """A dated exception. `entered` is Unix seconds, or None where the file does not say."""

    day: date
    person: int
    when: When
    kind: ExceptionKind
    entered: float | None
    line: int = 0


@dataclass(frozen=True, slots=True)
class OfficialSite:
    """An official school site (policy clause 7, Appendix B); what it means on a date: pipeline.sites."""

    site_id: str
    service: str
    account: str
    administrators: tuple[int, ...]
    moderators: tuple[int, ...]
    purpose: str
    audience: str
    contributors: str
    host: str
    line_manager: str
    lm_approved_on: date | None
    network_manager: str
    nm_approved_on: date | None
    head: str
    head_approved_on: date | None
    go_live: date | None
    closure: date | None
    review_on: date | None
    line: int


@dataclass(frozen=True, slots=True)
class Device:
    mac: int
    asset_tag: str
    hostname: str
    person: int | None
    shared: bool
    valid_from: date
    valid_to: date
    ownership: Ownership
    line: int
