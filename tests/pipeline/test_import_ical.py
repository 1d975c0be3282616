"""iCalendar feeds: repetitions and their exceptions, zones, whose events they are, and what is never kept."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.imports.runs import runs_of
from pipeline.imports.tables import ImportRefused
from pipeline.rows import Week
from tests.pipeline.importing import Text, cells, imported, refused, rows_of, state_at
from tests.pipeline.schools import files_of

PRESENT: dict[str, Text] = dict(
    files_of(
        {
            "staff": ["T1,t1,ann@x.example,teacher,1,,,,", "T2,t2,bob@x.example,teacher,1,,,,"],
            "bells": [
                *("normal,*,P1,lesson,09:00,10:00,*", "normal,*,BRK,break,11:00,11:20,*"),
                "normal,*,LUN,lunch,12:30,13:15,*",
            ],
            "calendar": ["2026-09-01,2026-12-18,term,Autumn", "2026-10-26,2026-10-30,holiday,Half-term"],
            "patterns": [f"{who},,,*,{day},08:30,15:30,,,contracted" for who in ("T1", "T2") for day in range(1, 6)],
        }
    )
)


OUTLOOK, BERLIN = ";TZID=GMT Standard Time", ";TZID=Europe/Berlin"


def event(title: str, start: str, end: str, *more: str, uid: str = "") -> str:
    lines = [f"UID:{uid or title + start}", "DTSTAMP:20260901T000000Z", f"SUMMARY:{title}", f"DTSTART{start}"]
    return "\r\n".join(["BEGIN:VEVENT", *lines, *([f"DTEND{end}"] if end else []), *more, "END:VEVENT", ""])


def feed(*events: str, head: str = "") -> str:
    begin = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y//EN\r\n"
    return begin + (head + "\r\n" if head else "") + "".join(events) + "END:VCALENDAR\r\n"


def dates(*events: str, head: str = "", person: str = "T1", table: str = "exceptions") -> list[tuple[str, ...]]:
    """(date, start, end) of the rows that events become."""
    found = imported({"f.ics": feed(*events, head=head)}, PRESENT, person=person)
    return cells(found, table, "date", "start_or_slot", "end")


def test_a_weekly_duty_is_one_row_and_no_name_is_kept() -> None:
    duty = event("Lunch duty CANARY Jane Doe", ":20260907T123000", ":20260907T131500", "RRULE:FREQ=WEEKLY;COUNT=15",
                 "EXDATE:20261026T123000", "DESCRIPTION:CANARY", "LOCATION:CANARY")  # fmt: skip
    found = imported({"CANARY.ics": feed(duty)}, PRESENT, person="T1", source="duties")
    assert rows_of(found, "duties") == [
        {
            "staff_id": "T1",
            "week": "*",
            "weekday": "1",
            "slot_or_start": "12:30",
            "end": "13:15",
            "kind": "lunch",
            "place": "",
            "valid_from": "2026-09-07",
            "valid_to": "2026-12-14",
            "source": "duties",
        }
    ]
    assert state_at(found.school, "T1", "2026-11-16", "12:45") == "duty"
    assert state_at(found.school, "T1", "2026-11-17", "12:45") == "lunch"
    assert b"CANARY" not in b"".join(found.merged.files.values())


def test_exceptions_to_a_rule() -> None:
    meeting = event("Staff meeting", ":20261102T154000", ":20261102T164000", "RRULE:FREQ=WEEKLY;COUNT=5",
                    "EXDATE:20261109T154000", "RDATE:20261112T154000", uid="m")  # fmt: skip
    moved = event("Staff meeting", ":20261117T154000", ":20261117T170000", "RECURRENCE-ID:20261116T154000", uid="m")
    gone = event(
        "Meeting", ":20261123T154000", ":20261123T164000", "RECURRENCE-ID:20261123T154000", "STATUS:CANCELLED", uid="m"
    )
    assert dates(meeting, moved, gone) == [
        ("2026-11-02", "15:40", "16:40"),
        ("2026-11-12", "15:40", "16:40"),
        ("2026-11-17", "15:40", "17:00"),
        ("2026-11-30", "15:40", "16:40"),
    ]


def test_cancelled_and_free_events_count_for_nothing() -> None:
    day = (":20261102T154000", ":20261102T164000")
    marks = ("STATUS:CANCELLED", "TRANSP:TRANSPARENT", "X-MICROSOFT-CDO-BUSYSTATUS:FREE")
    assert dates(*(event("Meeting", *day, mark, uid=mark) for mark in marks)) == []


@pytest.mark.parametrize(
    ("start", "end", "head", "expected"),
    [
        (":20261102T154000", ":20261102T164000", "", ("2026-11-02", "15:40", "16:40")),
        (":20260907T144000Z", ":20260907T154000Z", "", ("2026-09-07", "15:40", "16:40")),
        (OUTLOOK + ":20260907T154000", OUTLOOK + ":20260907T164000", "", ("2026-09-07", "15:40", "16:40")),
        (BERLIN + ":20261102T164000", BERLIN + ":20261102T174000", "", ("2026-11-02", "15:40", "16:40")),
        (":20261102T000000", ":20261102T240000", "", None),
        (";VALUE=DATE:20261102", ";VALUE=DATE:20261103", "", ("2026-11-02", "", "")),
        (";VALUE=DATE:20261102", "", "", ("2026-11-02", "", "")),
    ],
)  # fmt: skip
def test_zones(start: str, end: str, head: str, expected: tuple[str, ...] | None) -> None:
    if expected is None:
        with suppress(ImportRefused):
            dates(event("Trip", start, end), head=head)
        return
    assert dates(event("Trip", start, end), head=head) == [expected]


def test_a_utc_rule_in_a_calendar_with_a_zone_keeps_local_time_over_the_change_of_clocks() -> None:
    meeting = event("Meeting", ":20261019T144000Z", ":20261019T154000Z", "RRULE:FREQ=WEEKLY;COUNT=3")
    assert [row[1] for row in dates(meeting, head="X-WR-TIMEZONE:Europe/London")] == ["15:40"] * 3


def test_outlook_with_its_own_zone() -> None:
    zone = "\r\n".join(
        ["BEGIN:VTIMEZONE", "TZID:Our school", "BEGIN:STANDARD", "DTSTART:16010101T020000", "TZOFFSETFROM:+0100",
         "TZOFFSETTO:+0000", "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10", "END:STANDARD", "BEGIN:DAYLIGHT",
         "DTSTART:16010101T010000", "TZOFFSETFROM:+0000", "TZOFFSETTO:+0100", "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3",
         "END:DAYLIGHT", "END:VTIMEZONE"]
    )  # fmt: skip
    meeting = event(
        "Meeting", ";TZID=Our school:20260907T154000", ";TZID=Our school:20260907T164000", "RRULE:FREQ=WEEKLY;COUNT=9"
    )
    assert {row[1:] for row in dates(meeting, head=zone)} == {("15:40", "16:40")}


def test_all_day_events_and_events_over_midnight() -> None:
    trip = event("Y9 trip", ";VALUE=DATE:20261104", ";VALUE=DATE:20261106")
    evening = event("Open evening", ":20261110T220000", ":20261111T003000")
    duty = event("Gate duty", ";VALUE=DATE:20261112", ";VALUE=DATE:20261113")
    found = imported({"f.ics": feed(trip, evening, duty)}, PRESENT, person="T1")
    assert cells(found, "exceptions", "date", "start_or_slot", "end", "kind") == [
        ("2026-11-04", "", "", "trip"),
        ("2026-11-05", "", "", "trip"),
        ("2026-11-10", "22:00", "24:00", "meeting"),
        ("2026-11-11", "00:00", "00:30", "meeting"),
        ("2026-11-12", "", "", "unclear"),
    ]


def test_attendees_of_the_staff_count_and_nobody_else() -> None:
    attendees = (
        "ATTENDEE;CN=CANARY:mailto:ANN@x.example",
        "ATTENDEE;PARTSTAT=DECLINED:mailto:bob@x.example",
        "ATTENDEE;CN=CANARY:mailto:canary@home.example",
        "ATTENDEE;CUTYPE=ROOM:mailto:hall@x.example",
    )
    meeting = event("Meeting", ":20261102T154000", ":20261102T164000", *attendees)
    found = imported({"f.ics": feed(meeting)}, PRESENT)
    assert cells(found, "exceptions", "staff_id") == [("T1",)]
    assert b"canary" not in b"".join(found.merged.files.values()).lower()
    stranger = event("Meeting", ":20261102T154000", ":20261102T164000", "ATTENDEE:mailto:canary@home.example")
    assert refused({"f.ics": feed(stranger)}, PRESENT).startswith("f.ics:4: nobody of this event is in staff.csv; say")
    assert rows_of(imported({"f.ics": feed(stranger)}, PRESENT, "person:*=-"), "exceptions") == []


def test_a_kind_that_cannot_be_told_is_unclear_and_can_be_said() -> None:
    odd = event("8B CANARY", ":20261102T110000", ":20261102T112000")
    found = imported({"f.ics": feed(odd)}, PRESENT, person="T1")
    assert cells(found, "exceptions", "kind") == [("unclear",)]
    assert state_at(found.school, "T1", "2026-11-02", "11:10") == "unknown"
    said = imported({"f.ics": feed(odd)}, PRESENT, "kind==break", person="T1")
    assert cells(said, "duties", "kind") == [("break",)]
    out = imported({"f.ics": feed(odd)}, PRESENT, "kind:*=-", person="T1")
    assert rows_of(out, "exceptions") == []


def test_every_second_week_is_a_week_letter_until_it_falls_out_of_step() -> None:
    letters = ["2026-09-07,,week_a,", "2026-09-14,,week_b,", "2026-09-21,,week_a,", "2026-09-28,,week_b,",
               "2026-10-05,,week_a,", "2026-10-12,,week_b,", "2026-10-19,,week_a,", "2026-11-02,,week_b,",
               "2026-11-09,,week_a,", "2026-11-16,,week_b,"]  # fmt: skip
    calendar = ["2026-09-01,2026-11-20,term,Autumn", "2026-10-26,2026-10-30,holiday,", *letters]
    duty = event(
        "Break duty", ":20260907T110000", ":20260907T112000", "RRULE:FREQ=WEEKLY;INTERVAL=2;UNTIL=20261120T000000"
    )
    found = imported({"f.ics": feed(duty)}, {**PRESENT, **files_of({"calendar": calendar})}, person="T1")
    assert cells(found, "duties", "week", "valid_from", "valid_to") == [("A", "2026-09-07", "2026-10-19")]
    assert cells(found, "exceptions", "date", "kind") == [("2026-11-02", "unclear"), ("2026-11-16", "unclear")]
    assert any(note.startswith("2 dates of events of every second week") for note in found.readings[0].notes)


def test_a_school_calendar_keeps_kinds_and_dates_only() -> None:
    events = [
        event("CANARY INSET day", ";VALUE=DATE:20261127", ";VALUE=DATE:20261128", "TRANSP:TRANSPARENT"),
        event("Half term", ";VALUE=DATE:20261026", ";VALUE=DATE:20261031"),
        event("Week A", ";VALUE=DATE:20261102", ";VALUE=DATE:20261107"),
        event("School closed", ";VALUE=DATE:20261201", ""),
        event("Inset", ":20261202T090000", ":20261202T123000"),
        event("Jane CANARY's birthday", ";VALUE=DATE:20261203", ""),
        event("Bank holiday", ";VALUE=DATE:20261204", "", "STATUS:CANCELLED"),
    ]
    present = {**PRESENT, "calendar.csv": "date_from,date_to,kind,value\n2026-09-01,2026-12-18,term,Autumn\n"}
    found = imported({"dates.ics": feed(*events)}, present, kind="calendar")
    assert cells(found, "calendar", "date_from", "date_to", "kind", "value")[1:] == [
        ("2026-10-26", "2026-10-30", "holiday", "Holiday"),
        ("2026-11-02", "2026-11-06", "week_a", ""),
        ("2026-11-27", "2026-11-27", "inset", "INSET"),
        ("2026-12-01", "2026-12-01", "closure", "Closed"),
        ("2026-12-02", "2026-12-02", "inset", "09:00-12:30"),
    ]
    assert b"CANARY" not in b"".join(found.merged.files.values())


def test_two_feeds_lie_side_by_side_and_each_replaces_its_own() -> None:
    one = imported({"ann.ics": feed(event("Gate duty", ":20261102T083000", ":20261102T084500"))}, PRESENT, person="T1")
    two = imported(
        {"bob.ics": feed(event("Bus duty", ":20261102T151500", ":20261102T153000"))},
        {**PRESENT, **one.merged.files},
        person="T2",
    )
    assert cells(two, "duties", "staff_id", "kind", "source") == [("T1", "gate", "ann"), ("T2", "bus", "bob")]
    third = imported({"ann.ics": feed()}, {**PRESENT, **two.merged.files}, person="T1", kind="duties")
    assert cells(third, "duties", "source") == [("bob",)]


MEETING = event("Meeting", ":20261102T154000", ":20261102T164000")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f.ics:1: the file is empty"),
        (feed(MEETING)[:-40], "f.ics:9: the file ends inside VEVENT, so it is not whole; export it again"),
        (feed(MEETING).replace("END:VCALENDAR\r\n", ""), "f.ics:10: the file ends inside VCALENDAR, so it is not who"),
        (feed(MEETING).replace(":20261102T154000", ":20261332T154000"), "f.ics:8: DTSTART is not a date or a date an"),
        (feed(MEETING).replace("DTSTART:20261102T154000\r\n", ""), "f.ics:4: the event has no DTSTART: missing; give"),
        (feed(MEETING).replace(":20261102T164000", ":20261102T144000"), "f.ics:9: the event ends before it begins"),
        (feed(MEETING).replace(":20261102T164000", ";VALUE=DATE:20261103"), "f.ics:9: one of start and end is a whol"),
        (feed(MEETING, MEETING), "f.ics:12: the event has the UID of line 4; take one of them out"),
        (feed(MEETING).replace("DTSTART:", "DTSTART;TZID=Nowhere/Here:"), "f.ics:8: DTSTART has the zone 'Nowhere/He"),
        (feed(MEETING).encode().replace(b"Meeting", b"Si\xe2n", 2), "f.ics:5: byte 0xe2 is not UTF-8; export it again"),
        (feed(event("M", ":20261102T154000", ":20261102T164000", "RRULE:FREQ=SECONDLY")), "f.ics:10: the event repea"),
        (feed(event("M", ":20261102T154000", ":20261102T164000", "RRULE:FREQ=SOON")), "f.ics:10: RRULE is broken; co"),
        ("hello,world\n", "f.ics:1: the line is no property of iCalendar"),
        ("X:1\n", "f.ics:1: the line is outside BEGIN:VCALENDAR"),
    ],
)  # fmt: skip
def test_broken_feeds_are_told_with_line_and_mend(text: Text, message: str) -> None:
    assert refused({"f.ics": text}, PRESENT, person="T1").startswith(message)


def test_unknown_people_and_unknown_spans_are_told() -> None:
    assert refused({"f.ics": feed(MEETING)}, PRESENT, person="T9").startswith("f.ics:1: the feed is said to be of 'T9'")
    assert refused({"f.ics": feed(MEETING)}, PRESENT).startswith(
        "f.ics:4: the event names nobody; say whose feed it is"
    )
    no_terms = {"staff.csv": PRESENT["staff.csv"]}
    assert refused({"f.ics": feed(MEETING)}, no_terms, person="T1").startswith(
        "f.ics:1: it is not known how far to fol"
    )
    found = imported({"f.ics": feed(MEETING)}, no_terms, person="T1", first="2026-11-01", last="2026-11-30")
    assert len(rows_of(found, "exceptions")) == 1


def test_a_later_sequence_replaces_an_earlier_one() -> None:
    later = event("Meeting", ":20261103T154000", ":20261103T164000", "SEQUENCE:2", uid="m")
    earlier = event("Meeting", ":20261102T154000", ":20261102T164000", "SEQUENCE:1", uid="m")
    assert dates(later, earlier) == dates(earlier, later) == [("2026-11-03", "15:40", "16:40")]


@settings(max_examples=150)
@given(
    st.sets(st.integers(0, 15)), st.sets(st.integers(0, 15)), st.lists(st.sampled_from("ab-"), min_size=16, max_size=16)
)
def test_runs_say_exactly_what_the_dates_said(chosen: set[int], holidays: set[int], letters: list[str]) -> None:
    monday = date(2026, 9, 7)
    days = [monday + timedelta(7 * number) for number in range(16)]
    letter = {day: Week(word) if word != "-" else None for day, word in zip(days, letters, strict=True)}
    free = {days[number] for number in holidays}
    wanted = {days[number] for number in chosen}
    runs = runs_of(wanted, free.__contains__, letter.get)
    for day in days:
        here = [run for run in runs if run.first <= day <= run.last]
        sure = any(run.week in (Week.EVERY, letter[day]) for run in here)
        maybe = sure or (letter[day] is None and bool(here))
        if day not in free:
            assert sure == maybe == (day in wanted)


@settings(max_examples=150)
@given(st.lists(st.sampled_from([*feed(MEETING).split("\r\n")[3:-2], "RRULE:FREQ=DAILY", "X:1", " x", "BEGIN:VALARM"])))
def test_any_lines_give_rows_or_a_refusal(lines: list[str]) -> None:
    with suppress(ImportRefused):
        imported({"f.ics": feed("\r\n".join(["BEGIN:VEVENT", *lines, "END:VEVENT", ""]))}, PRESENT, person="T1")
