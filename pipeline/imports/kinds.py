"""What a booking is, from the words that schools use for it. Only the kind found is kept: the words may name a pupil.

The lists are English and Welsh and in this order: the first that fits wins. Where nothing fits there is no guess.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from pipeline.rows import DutyKind, ExceptionKind

_DUTIES = (
    (DutyKind.COVER_STANDBY, r"stand[ -]?by|on[ -]call|cover list"),
    (DutyKind.DETENTION, r"detention|cosb"),
    (DutyKind.LUNCH, r"lunch|dinner|canteen|midday|cinio|ffreutur"),
    (DutyKind.GATE, r"gate|arrival|giât|giat"),
    (DutyKind.BUS, r"bus(es)?|coach(es)?|bws|bysiau"),
    (DutyKind.BREAK, r"break|yard|playground|corridor|egwyl|amser chwarae|iard|buarth"),
)
_DATED = (
    (ExceptionKind.INSET, r"inset|hms|training day|staff training"),
    (ExceptionKind.EXAM, r"exams?|invigilat\w*|arholiad\w*"),
    (ExceptionKind.TRIP, r"trip|visit|fieldwork|excursion|taith|ymweliad|off[ -]?site"),
    (ExceptionKind.HOME_WORKING, r"working from home|home working|wfh|gweithio gartref"),
    (
        ExceptionKind.RELEASED,  # never say why
        r"released?|facility time|(trade )?union|undeb|toil|(time off )?in lieu",
    ),
    (
        ExceptionKind.ABSENT,
        r"absent|absence|sick\w*|ill(ness)?|medical|hospital|doctor|dentist|maternity|paternity|compassionate|"
        r"bereavement|strike|isolation|jury|absennol|salwch",
    ),
    (ExceptionKind.LEAVE, r"leave|holiday|day off|annual|gwyliau"),
    (
        ExceptionKind.MEETING,
        r"meetings?|mtg|briefing|parents'? evening|open evening|cpd|interview|cyfarfod|noson rieni",
    ),
    (ExceptionKind.COVER, r"cover\w*|supply|cyflenwi"),
)


def duty_kind(text: str) -> DutyKind | None:
    """The kind of duty that a text names."""
    return next((kind for kind, words in _DUTIES if _has(text, words)), None)


def dated_kind(text: str) -> ExceptionKind | None:
    """The kind of dated exception that a text names."""
    return next((kind for kind, words in _DATED if _has(text, words)), None)


def _has(text: str, words: str) -> bool:
    return re.search(rf"(?<!\w)(?:{words})(?!\w)", text.casefold()) is not None


COLUMN_NAMES: Mapping[str, tuple[str, ...]] = {
    "staff_id": ("staff code", "staff", "initials", "teacher", "teacher code", "staff initials", "employee id", "code"),
    "username": ("user name", "login", "logon", "log-on", "sam account name", "samaccountname", "network login"),
    "email": ("e-mail", "work email", "email address", "mail"),
    "role": ("staff role", "post", "staff type", "category"),
    "contract_start": ("start date", "employment start", "contract start date", "date of arrival"),
    "contract_end": ("end date", "leaving date", "employment end", "contract end date", "date of leaving"),
    "department": ("dept", "faculty"),
    "bell_group": ("bells", "tier", "key stage"),
    "weekday": ("day", "day of week", "week day"),
    "week": ("week letter", "cycle week", "timetable week"),
    "slot": ("period", "lesson period", "session"),
    "slot_or_start": ("slot", "period", "start", "start time", "from"),
    "start_or_slot": ("slot", "period", "start", "start time", "from"),
    "start": ("start time", "from"),
    "end": ("end time", "finish", "to", "until"),
    "kind": ("type", "duty", "duty type", "event type"),
    "place": ("location", "area"),
    "class": ("class name", "group", "teaching group"),
    "room": ("location", "location name", "room name"),
    "valid_from": ("effective from", "from date", "date from"),
    "valid_to": ("effective to", "to date", "date to"),
    "date_from": ("from", "start", "start date", "first day"),
    "date_to": ("to", "end", "end date", "last day"),
    "value": ("name", "description"),
    "mac": ("mac address", "hardware address", "physical address"),
    "asset_tag": ("asset", "asset number", "asset no"),
    "hostname": ("computer name", "device name", "computer"),
    "assigned_staff_id": ("assigned to", "owner", "user"),
}
"""Names that exports give to our columns, the likelier first."""
