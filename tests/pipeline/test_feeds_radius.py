"""802.1X accounting: who was on the network with which card, and for how long at most."""

from __future__ import annotations

import pytest

from pipeline.feeds.text import FeedFile
from pipeline.identity import Bindings
from tests.pipeline.feeding import (
    KEA4,
    LOCKED,
    LOGONS,
    NEW,
    NOBODY,
    ONE,
    PC,
    PHONE,
    PRIVATE,
    SEVERAL,
    SHARED_DEVICE,
    TWO,
    bindings,
    detail,
    event,
    kea,
    table,
    who,
)

A1, A2 = ("T1", "A", "none"), ("T2", "A", "none")


def connected(*messages: str, mac: str = NEW, **settings: object) -> Bindings:
    """Accounting, and a lease for the card all day."""
    lease = table(KEA4, [kea(ONE, mac, "07:00:00", "20:00:00")])
    return bindings({"kea_leases": lease, "radius_detail": "".join(messages).encode()}, **settings)


def hours(found: Bindings, *clocks: str) -> list[tuple[str, str, str]]:
    return [who(found, clock) for clock in clocks]


def test_a_session_from_start_to_stop_is_joined_to_leases_by_hardware() -> None:
    found = connected(
        detail("08:10:00", "Start", "t1"),
        detail("08:20:00", "Interim-Update", "t1"),
        detail("09:00:00", "Stop", "t1", Acct_Session_Time=3000),
    )
    assert hours(found, "08:09:00", "08:10:00", "08:59:00", "09:00:00") == [NOBODY, A1, A1, NOBODY]
    assert found.source(int(found.find(*_at("08:30:00"))[0])).startswith("802.1X session since 2026-11-17T08:10:00Z (")


def _at(clock: str) -> tuple[object, object]:
    import numpy as np

    from sensor.slices import pack_address
    from tests.pipeline.feeding import second

    return np.array([pack_address(ONE)], "S16"), np.array([second(clock) // 60], np.uint32)


@pytest.mark.parametrize(
    "spelling",
    [
        "00:16:3e:00:00:05",
        "00-16-3E-00-00-05",
        "0016.3e00.0005",
        "00163E000005",
        "00-16-3E-00-00-05:Staff",
        "0:16:3e:0:0:5",
    ],
)
def test_hardware_addresses_in_every_spelling(spelling: str) -> None:
    assert who(connected(detail("08:10:00", "Start", "t1", spelling)), "08:30:00") == A1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SCHOOL\\\\t1", A1),  # as FreeRADIUS 3 writes a backslash
        ("t1@school.example", A1),
        ("T2@SCHOOL.example", A2),
        ("t3@school.example", ("T3", "A", "none")),  # no such address, but the school's realm
        ("t1@other.example", SHARED_DEVICE),  # a visitor from another school
        ("p1234", SHARED_DEVICE),
        ("anonymous@school.example", NOBODY),
        ("@school.example", NOBODY),
        ("anonymous", NOBODY),
        ("host/PC-1.school.example", NOBODY),
        ("PC-1$", NOBODY),
        ("SCHOOL\\\\PC-1$", NOBODY),
    ],
)
def test_names_of_accounts(name: str, expected: tuple[str, str, str]) -> None:
    found = connected(detail("08:10:00", "Start", name))
    assert who(found, "08:30:00") == expected
    assert "p1234" not in repr(found)


def test_the_inner_identity_goes_before_the_outer_one() -> None:
    found = connected(detail("08:10:00", "Start", "anonymous@school.example", SAM_Account_Name='"t1"'))
    assert who(found, "08:30:00") == A1


def test_domains_of_the_settings_and_shared_accounts() -> None:
    ours = {"domains": ["school", "staff.example"]}
    assert who(connected(detail("08:10:00", "Start", "t1@staff.example"), **ours), "08:30:00") == A1
    assert who(connected(detail("08:10:00", "Start", "PUPILS\\\\t1"), **ours), "08:30:00") == SHARED_DEVICE
    found = connected(detail("08:10:00", "Start", "t1"), shared_accounts=["T?"])
    assert who(found, "08:30:00") == SHARED_DEVICE
    assert found.feeds[1].left_out["of_shared"] == 1


def test_a_randomised_address_is_known_by_802_1x_alone() -> None:
    assert who(connected(mac=PRIVATE), "08:30:00") == NOBODY
    assert who(connected(detail("08:10:00", "Start", "t1", PRIVATE), mac=PRIVATE), "08:30:00") == A1


def test_a_lost_stop_ends_after_two_interims() -> None:
    interims = [detail(f"08:{minute}:00", "Interim-Update", "t1") for minute in (20, 30, 40)]
    found = connected(detail("08:10:00", "Start", "t1"), *interims)
    assert hours(found, "08:59:00", "09:00:00") == [A1, NOBODY]


def test_a_lost_stop_without_interims_ends_by_those_of_others_or_by_the_settings() -> None:
    others = [detail(f"08:{minute}:00", "Interim-Update", "t2", PC, "B7") for minute in (10, 15, 20)]
    alone = detail("08:10:00", "Start", "t1")
    assert hours(connected(alone, *others), "08:19:00", "08:20:00") == [A1, NOBODY]
    assert hours(connected(alone), "12:09:00", "12:10:00") == [A1, NOBODY]
    assert hours(connected(alone, radius_session_min=30), "08:39:00", "08:40:00") == [A1, NOBODY]
    assert hours(connected(detail("08:10:00", "Start", "t1", Session_Timeout=600)), "08:19:00", "08:20:00") == [
        A1,
        NOBODY,
    ]
    said = detail("08:10:00", "Start", "t1", Acct_Interim_Interval=120)
    assert hours(connected(said), "08:13:00", "08:14:00") == [A1, NOBODY]


def test_a_lost_stop_ends_when_the_card_comes_back_or_the_access_point_restarts() -> None:
    start, next_one = detail("08:10:00", "Start", "t1"), detail("09:00:00", "Start", "t2", session="A2")
    assert hours(connected(start, next_one), "08:59:00", "09:00:00") == [A1, A2]
    restart = detail("09:00:00", "Accounting-On", "", mac="")
    assert hours(connected(start, restart), "08:59:00", "09:00:00") == [A1, NOBODY]
    machine = detail("09:00:00", "Start", "host/lt-1.school.example", session="A2")
    assert hours(connected(start, machine), "08:59:00", "09:00:00") == [A1, NOBODY]


def test_two_live_sessions_of_a_card_with_different_people_are_nobody() -> None:
    first = [detail("08:10:00", "Start", "t1"), detail("09:10:00", "Stop", "t1")]
    second = [detail("09:00:00", "Start", "t2", session="A2"), detail("10:00:00", "Stop", "t2", session="A2")]
    found = connected(*first, *second)
    assert hours(found, "08:30:00", "09:05:00", "09:30:00") == [A1, SEVERAL, A2]


def test_an_account_counts_from_the_message_that_names_it() -> None:
    found = connected(
        detail("08:10:00", "Start", "host/lt-1.school.example"),
        detail("08:30:00", "Interim-Update", "t1"),
        detail("09:00:00", "Interim-Update", "t2"),
        detail("09:30:00", "Stop", "t2"),
    )
    assert hours(found, "08:20:00", "08:30:00", "08:59:00", "09:00:00", "09:30:00") == [NOBODY, A1, A1, A2, NOBODY]


def test_a_session_that_began_before_the_file() -> None:
    found = connected(detail("09:00:00", "Stop", "t1", Acct_Session_Time=1800))
    assert hours(found, "08:29:00", "08:30:00", "08:59:00", "09:00:00") == [NOBODY, A1, A1, NOBODY]


def test_what_comes_late_or_twice_changes_nothing() -> None:
    whole = [detail("08:10:00", "Start", "t1"), detail("09:00:00", "Stop", "t1")]
    late = detail("09:00:30", "Interim-Update", "t1", Acct_Session_Time=3030)
    for messages in (
        whole * 2,
        [*whole, late],
        whole[::-1],
        [whole[0], detail("09:05:00", "Stop", "t1", Acct_Delay_Time=300)],
    ):
        assert hours(connected(*messages), "08:09:00", "08:10:00", "08:59:00", "09:01:00") == [NOBODY, A1, A1, NOBODY]


def test_addresses_that_the_session_itself_names() -> None:
    found = bindings(
        {
            "radius_detail": (
                detail("08:10:00", "Start", "t1", Framed_IP_Address="0.0.0.0")
                + detail("08:20:00", "Interim-Update", "t1", Framed_IP_Address=TWO)
                + detail("09:00:00", "Stop", "t1", Framed_IP_Address=TWO)
            ).encode()
        }
    )
    assert [who(found, clock, TWO) for clock in ("08:19:00", "08:20:00", "08:59:00", "09:00:00")] == [
        NOBODY,
        A1,
        A1,
        NOBODY,
    ]


def test_two_feeds_that_give_an_address_to_two_cards_make_it_nobody_s() -> None:
    accounting = detail("08:10:00", "Start", "t1", Framed_IP_Address=ONE)
    lease = table(KEA4, [kea(ONE, PHONE, "08:30:00", "20:00:00")])
    found = bindings({"kea_leases": lease, "radius_detail": accounting.encode()})
    assert hours(found, "08:29:00", "08:30:00") == [A1, SEVERAL]


def test_a_locked_screen_is_nobody_and_two_sources_for_two_people_too() -> None:
    def both(*events: str) -> Bindings:
        return bindings(
            {
                "kea_leases": table(KEA4, [kea(ONE, PC, "07:00:00", "20:00:00")]),
                "radius_detail": detail("08:00:00", "Start", "t1", PC).encode(),
                "logons": table(LOGONS, list(events)),
            }
        )

    assert hours(both(event("08:10:00", 4624, "t1")), "08:05:00", "08:30:00") == [A1, A1]
    assert hours(both(event("08:10:00", 4624, "t2")), "08:05:00", "08:30:00") == [A1, SEVERAL]
    locked = both(event("08:10:00", 4624, "t1"), event("08:20:00", 4800, "t1"))
    assert hours(locked, "08:15:00", "08:30:00") == [A1, LOCKED]


def test_other_packets_torn_and_broken_messages() -> None:
    authentication = 'Tue Nov 17 08:00:00 2026\n\tPacket-Type = Access-Request\n\tUser-Password = "secret"\n\n'
    no_time = detail("08:00:00", "Start", "t2", PC).replace("\tTimestamp", "\tStamp").replace("Tue Nov 17", "Someday")
    half = detail("08:05:00", "Start", "t2", PC).removesuffix("\n\n")[:-40] + "\n"
    cut = detail("08:06:00", "Start", "t2", PC)[:-1]
    last = detail("08:20:00", "Stop", "t1").rstrip("\n")
    found = connected(authentication, no_time, half, cut, detail("08:10:00", "Start", "t1"), last)
    assert hours(found, "08:30:00") == [A1], "a message without its empty line is not whole yet"
    assert [problem.split(": ", 1)[1] for problem in found.problems] == [
        "the message has no time; look at what wrote this file",
        "the line is no `Attribute = value`; look at what wrote this file",
        "the message before has no end; look at what wrote this file",
    ]
    assert found.feeds[1].torn
    assert found.feeds[1].left_out["not_accounting"] == 1
    assert "secret" not in repr(found)


def test_times_without_a_stamp_are_the_server_s_own() -> None:
    bare = detail("08:10:00", "Start", "t1").replace("\tTimestamp", "\tStamp")
    assert who(connected(bare), "08:10:00") == A1
    assert who(connected(bare, radius_zone="Europe/Paris"), "07:10:00") == A1
    stamped = bare.replace("\tStamp", '\tEvent-Timestamp = "Nov 17 2026 08:05:00 GMT"\n\tStamp')
    assert who(connected(stamped), "08:05:00") == A1


def test_a_folder_of_access_points_is_read_together() -> None:
    files = [FeedFile.of("detail-1", detail("08:10:00", "Start", "t1").encode())]
    files.append(FeedFile.of("detail-2", detail("09:00:00", "Stop", "t1").encode()))
    found = bindings({"kea_leases": table(KEA4, [kea(ONE, NEW, "07:00:00", "20:00:00")]), "radius_detail": files})
    assert hours(found, "08:30:00", "09:00:00") == [A1, NOBODY]
