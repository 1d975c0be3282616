"""Who used an address: leases, log-ons, the register, and everything that must end in nobody."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.feeds.text import FeedError
from pipeline.identity import Bindings, load_bindings, parse_bindings
from pipeline.settings import FeedSettings
from pipeline.words import Grade, Reason
from sensor.slices import pack_address
from tests.pipeline.schools import school_of

LEASE_HEADER = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state"
EVENT_HEADER = (
    "TimeCreated,EventId,Computer,TargetUserName,TargetDomainName,TargetLogonId,LogonType,IpAddress,WorkstationName"
)
PC, LAPTOP, PHONE, SHARED, NEW = (f"00:16:3e:00:00:0{n}" for n in range(1, 6))
PRIVATE = "da:16:3e:00:00:09"  # locally administered
SCHOOL = school_of(
    {
        "staff": ["T1,t1;maiden,t1@x.example,teacher,,,,,", "T2,t2,,teacher,,,,,", "T3,t3,,teacher,,,,,"],
        "devices": [
            f"{PC},A1,PC-1,,0,,,school",
            f"{LAPTOP},A2,LT-1,T1,0,,2026-11-17,school",
            f"{LAPTOP},A2,LT-1,T2,0,2026-11-18,,school",
            f"{PHONE},A3,phone-1,T3,0,,,byod",
            f"{SHARED},A4,ROOM-1,T3,1,,,school",
            f"{PRIVATE},A5,tablet,T3,0,,,byod",
        ],
    }
)
DAY = "2026-11-17"
ONE, TWO = "10.20.0.1", "10.20.0.2"


def second(clock: str) -> int:
    text = clock if "T" in clock else f"{DAY}T{clock}"
    return int(datetime.fromisoformat(text + "+00:00").timestamp())


def lease(address: str, mac: str, start: str, end: str, host: str = "", state: int = 0) -> str:
    begin, expire = second(start), second(end)
    return f"{address},{mac},,{expire - begin},{expire},10,0,0,{host},{state}"


def event(
    clock: str, number: int, user: str, session: str = "0x1", kind: str = "2", host: str = "PC-1.x.example"
) -> str:
    return f"{DAY}T{clock}Z,{number},{host},{user},X,{session},{kind if number == 4624 else ''},-,"


def bind(leases: list[str], events: list[str] | None = None, **feeds: object) -> Bindings:
    lease_file = "\n".join([LEASE_HEADER, *leases, ""]).encode()
    event_file = "\n".join([EVENT_HEADER, *(events or []), ""]).encode()
    settings_ = FeedSettings.model_validate(feeds)
    files = {"kea_leases": [("leases.csv", lease_file)], "logons": [("logons.csv", event_file)]}
    return parse_bindings(SCHOOL, settings_, files)


def who(bindings: Bindings, clock: str, address: str = ONE) -> tuple[str, str, str]:
    """(staff id or nobody, grade, reason) of a minute."""
    minute = np.array([second(clock) // 60], np.uint32)
    person, grade, reason, _ = bindings.who(np.array([pack_address(address)], "S16"), minute)
    name = SCHOOL.staff[person[0]].staff_id if person[0] >= 0 else "nobody"
    return name, list(Grade)[grade[0]].value, list(Reason)[reason[0]].value


NOBODY = ("nobody", "N", "no_person")
LOCKED, SEVERAL, SHARED_DEVICE = (
    ("nobody", "N", "locked"),
    ("nobody", "N", "several_people"),
    ("nobody", "D", "shared_device"),
)
WHOLE = [lease(ONE, PC, "07:00:00", "17:00:00")]


@pytest.mark.parametrize(
    ("mac", "expected"),
    [
        (PC, NOBODY),  # the school's, but nobody's
        (LAPTOP, ("T1", "C", "none")),
        (PHONE, ("T3", "C", "none")),
        (SHARED, SHARED_DEVICE),  # shared, whatever else the register says
        (PRIVATE, NOBODY),  # randomised: never looked up
        (NEW, NOBODY),
    ],
)
def test_the_register_alone(mac: str, expected: tuple[str, str, str]) -> None:
    bindings = bind([lease(ONE, mac, "08:00:00", "12:00:00")])
    assert who(bindings, "08:00:00") == who(bindings, "11:59:00") == expected
    assert who(bindings, "07:59:00") == who(bindings, "12:00:00") == NOBODY


def test_a_device_changes_hands_at_local_midnight() -> None:
    bindings = bind([lease(ONE, LAPTOP, "22:00:00", "2026-11-18T02:00:00")])
    assert [who(bindings, clock)[0] for clock in ("23:59:00", "2026-11-18T00:00:00")] == ["T1", "T2"]


def test_a_log_on_is_stronger_than_the_register() -> None:
    bindings = bind([lease(ONE, LAPTOP, "07:00:00", "17:00:00")], [event("09:00:20", 4624, "t2", host="LT-1")])
    assert who(bindings, "08:59:00") == ("T1", "C", "none")
    assert who(bindings, "09:00:00") == who(bindings, "09:01:00") == ("T2", "B", "none")


def test_lock_unlock_and_log_off() -> None:
    bindings = bind(
        WHOLE,
        [
            event("09:00:00", 4624, "X\\T1"),
            event("10:00:00", 4800, "t1"),
            event("10:30:00", 4624, "t1", "0x2", "7"),  # an unlock writes a log-on that ends at once
            event("10:30:00", 4634, "t1", "0x2"),
            event("10:30:00", 4801, "t1"),
            event("11:00:00", 4634, "t1", "0x9"),  # the log-off of another session
            event("12:00:00", 4647, "t1"),
        ],
    )
    expected = {
        "08:59:00": NOBODY,
        "09:00:00": ("T1", "B", "none"),
        "10:00:00": LOCKED,
        "10:29:00": LOCKED,
        "10:30:00": ("T1", "B", "none"),
        "11:30:00": ("T1", "B", "none"),
        "12:00:00": NOBODY,
    }
    assert {clock: who(bindings, clock) for clock in expected} == expected


def test_an_unlock_shows_a_session_that_began_before_the_feed() -> None:
    bindings = bind(
        WHOLE, [event("09:00:00", 4801, "t1"), event("10:00:00", 4800, "t1"), event("11:00:00", 4647, "t1")]
    )
    assert [who(bindings, f"{hour:02}:30:00") for hour in (8, 9, 10, 11)] == [
        NOBODY,
        ("T1", "B", "none"),
        LOCKED,
        NOBODY,
    ]


def test_only_interactive_log_ons_of_people_count() -> None:
    events = [
        event("09:00:00", 4624, "t1", "0x1", "3"),
        event("09:00:00", 4624, "PC-1$", "0x2", "2"),
        event("09:00:00", 4624, "DWM-1", "0x3", "2").replace(",X,", ",Window Manager,"),
        event("09:00:00", 4625, "t1", "0x4", "2"),
    ]
    assert who(bind(WHOLE, events), "09:30:00") == NOBODY
    for kind in ("2", "7", "10", "11"):
        assert who(bind(WHOLE, [event("09:00:00", 4624, "t1", "0x5", kind)]), "09:30:00") == ("T1", "B", "none")
    assert who(bind(WHOLE, [event("09:00:00", 4624, "Maiden")]), "09:30:00") == ("T1", "B", "none")  # a former name
    assert who(bind(WHOLE, [event("09:00:00", 4624, "t1@x.example")]), "09:30:00") == ("T1", "B", "none")


def test_accounts_that_are_not_staff_are_shared_and_leave_no_name() -> None:
    bindings = bind(WHOLE, [event("09:00:00", 4624, "p12345")])
    assert who(bindings, "09:30:00") == SHARED_DEVICE
    assert (bindings.counts["events_dropped"], bindings.counts["accounts_dropped"]) == (1, 1)
    assert "p12345" not in repr(bindings)


def test_two_people_at_one_host_are_nobody() -> None:
    events = [
        event("09:00:00", 4624, "t1", "0x1"),
        event("10:00:30", 4624, "t2", "0x2"),
        event("11:00:00", 4634, "t1", "0x1"),
    ]
    bindings = bind(WHOLE, events)
    assert [who(bindings, clock) for clock in ("09:59:00", "10:00:00", "10:30:00", "11:00:00")] == [
        ("T1", "B", "none"),
        SEVERAL,
        SEVERAL,
        ("T2", "B", "none"),
    ]
    generic = bind(WHOLE, [event("09:00:00", 4624, "t1", "0x1"), event("09:00:00", 4624, "supply1", "0x2")])
    assert who(generic, "09:30:00") == SEVERAL


def test_fast_user_switching_leaves_nobody_until_the_other_session_is_over() -> None:
    """A film in the locked session plays on."""
    events = [
        event("09:00:00", 4624, "t1", "0x1"),
        event("10:00:00", 4800, "t1", "0x1"),
        event("10:05:00", 4624, "t2", "0x2"),
        event("11:00:00", 4647, "t1", "0x1"),
    ]
    bindings = bind(WHOLE, events)
    expected = [LOCKED, SEVERAL, ("T2", "B", "none")]
    assert [who(bindings, clock) for clock in ("10:02:00", "10:30:00", "11:01:00")] == expected


def test_two_people_in_one_minute_are_nobody() -> None:
    events = [
        event("09:00:00", 4624, "t1", "0x1"),
        event("10:00:20", 4647, "t1", "0x1"),
        event("10:00:40", 4624, "t2", "0x2"),
    ]
    bindings = bind(WHOLE, events)
    assert [who(bindings, clock)[0] for clock in ("09:59:00", "10:00:00", "10:01:00")] == ["T1", "nobody", "T2"]
    assert who(bindings, "10:00:00") == SEVERAL


def test_a_lost_log_off_does_not_last() -> None:
    leases = [lease(ONE, PC, "07:00:00", "2026-11-19T07:00:00")]
    bindings = bind(
        leases, [event("09:00:00", 4624, "t1"), event("12:00:00", 4800, "t1"), event("12:30:00", 4801, "t1")]
    )
    assert who(bindings, "2026-11-18T04:29:00") == ("T1", "B", "none")  # 16 hours after the last event
    assert who(bindings, "2026-11-18T04:30:00") == NOBODY


def test_an_address_is_lent_again_before_the_lease_ends() -> None:
    leases = [
        lease(ONE, LAPTOP, "08:00:00", "09:00:00"),
        lease(ONE, LAPTOP, "08:30:00", "09:30:00"),  # renewed
        lease(ONE, PHONE, "09:10:30", "10:10:30"),  # reused
    ]
    bindings = bind(leases)
    assert [who(bindings, clock)[0] for clock in ("08:45:00", "09:09:00", "09:10:00", "09:11:00", "10:11:00")] == [
        "T1",
        "T1",
        "nobody",  # both in one minute
        "T3",
        "nobody",
    ]
    assert who(bindings, "09:10:00") == SEVERAL


@pytest.mark.parametrize(
    ("row", "clock", "expected"),
    [
        (f"{ONE},{PHONE},,0,{second('09:00:00')},10,0,0,,3", "09:00:00", "nobody"),  # given back at nine
        (f"{ONE},{PHONE},,0,{second('09:00:00')},10,0,0,,3", "08:59:00", "T3"),
        (f"{ONE},{PHONE},,0,{second('08:00:00')},10,0,0,,3", "09:00:00", "T3"),  # Kea's own mark does not say when
        (f"{ONE},{PHONE},,0,{second('08:00:00')},10,0,0,,3", "10:00:00", "nobody"),
        (lease(ONE, PHONE, "08:00:00", "10:00:00", state=2), "09:00:00", "T3"),  # reclaimed after it ended
        (lease(ONE, "", "09:00:00", "09:30:00", state=1), "09:10:00", "nobody"),  # declined
    ],
)
def test_leases_end(row: str, clock: str, expected: str) -> None:
    assert who(bind([lease(ONE, PHONE, "08:00:00", "10:00:00"), row]), clock)[0] == expected


def test_a_later_lease_of_an_address_ends_the_one_before_whatever_the_order_of_rows() -> None:
    rows = [lease(ONE, PHONE, "08:00:00", "10:00:00"), lease(ONE, LAPTOP, "08:00:00", "10:00:00")]
    assert who(bind(rows), "09:00:00") == who(bind(rows[::-1]), "09:00:00") == SEVERAL  # nobody can tell
    late = [lease(ONE, LAPTOP, "09:00:00", "10:00:00"), lease(ONE, PHONE, "08:00:00", "10:00:00")]
    assert [who(bind(late), clock)[0] for clock in ("08:30:00", "09:30:00")] == ["T3", "T1"]


def test_a_person_moves_with_the_device() -> None:
    leases = [lease(ONE, PC, "08:00:00", "10:00:00"), lease(TWO, PC, "10:00:00", "12:00:00")]
    bindings = bind(leases, [event("08:30:00", 4624, "t1")])
    assert (who(bindings, "09:00:00", ONE)[0], who(bindings, "11:00:00", TWO)[0]) == ("T1", "T1")
    assert who(bindings, "11:00:00", ONE) == NOBODY
    minutes = np.array([second("09:00:00") // 60, second("11:00:00") // 60], np.uint32)
    devices = bindings.who(np.array([pack_address(ONE), pack_address(TWO)], "S16"), minutes)[3]
    assert devices[0] == devices[1] >= 0


def test_a_host_outside_the_register_is_known_by_its_lease_if_only_one_claims_the_name() -> None:
    events = [event("08:30:00", 4624, "t1", host="NEW-PC")]
    one = [lease(ONE, NEW, "08:00:00", "12:00:00", "new-pc.x.example")]
    assert who(bind(one, events), "09:00:00") == ("T1", "B", "none")
    other = lease(TWO, "00:16:3e:00:00:99", "08:00:00", "12:00:00", "new-pc")
    assert who(bind([*one, other], events), "09:00:00") == NOBODY
    assert who(bind([lease(ONE, PRIVATE, "08:00:00", "12:00:00", "new-pc")], events), "09:00:00") == NOBODY
    registered = [event("08:30:00", 4624, "t1", host="PC-1")]
    assert who(bind([lease(ONE, NEW, "08:00:00", "12:00:00", "pc-1")], registered), "09:00:00") == NOBODY


def test_ipv6_leases_bind_too() -> None:
    address = "2001:db8:20:10::7"
    bindings = bind([lease(address, PHONE, "08:00:00", "10:00:00")])
    assert who(bindings, "09:00:00", address)[0] == "T3"
    assert who(bindings, "09:00:00", "2001:db8:20:10::8") == NOBODY


def test_times_without_a_zone_are_in_the_zone_of_the_settings() -> None:
    naive = [event("09:00:00", 4624, "t1").replace("Z", "")]
    assert who(bind(WHOLE, naive), "09:00:00")[0] == "T1"
    assert who(bind(WHOLE, naive, logons_zone="Europe/Paris"), "08:00:00")[0] == "T1"
    offset = [event("09:00:00", 4624, "t1").replace("Z", ".1234567+01:00")]
    assert who(bind(WHOLE, offset), "08:00:00")[0] == "T1"


def test_sources_say_what_a_binding_rests_on() -> None:
    bindings = bind([lease(ONE, LAPTOP, "07:00:00", "17:00:00")], [event("09:00:00", 4624, "t2", host="LT-1")])
    minutes = np.array([second("09:30:00") // 60, second("18:30:00") // 60], np.uint32)
    found = bindings.find(np.array([pack_address(ONE)] * 2, "S16"), minutes)
    assert bindings.source(int(found[0])) == (
        "log-on since 2026-11-17T09:00:00Z (logons.csv:2); lease since 2026-11-17T07:00:00Z (leases.csv:2); "
        "register (devices.csv:3)"
    )
    assert bindings.source(int(found[1])) == "no feed binds this address in this minute"


def test_broken_rows_are_counted_and_the_rest_is_used() -> None:
    leases = [*WHOLE, "10.20.0.300,00:16:3e:00:00:01,,60,1,,,,,0", "10.20.0.9,00:16"]
    events = [event("09:00:00", 4624, "t1"), "yesterday,4624,PC-1,t2,X,0x2,2,-,", "2026-11-17T10"]
    bindings = bind(leases, events)
    assert who(bindings, "09:30:00") == ("T1", "B", "none")
    assert bindings.counts["broken_rows"] == 4
    assert bindings.problems[1].startswith("leases.csv:4: the row has 2 cells where the header has 10")
    assert "logons.csv:3: TimeCreated 'yesterday' is not a date and time" in bindings.problems[2]


def test_a_wrong_header_is_an_error() -> None:
    with pytest.raises(FeedError, match=r"^leases\.csv:1: missing columns valid_lifetime, expire, hwaddr; "):
        parse_bindings(SCHOOL, FeedSettings(), {"kea_leases": [("leases.csv", b"address,mac\n")]})


def test_identity_none_ties_nothing() -> None:
    school = school_of({"staff": ["T1,t1,,teacher,,,,,"]}, identity="none")
    bindings = load_bindings(school, FeedSettings(), Path("nowhere"))
    person, grade, reason, device = bindings.who(np.array([pack_address(ONE)], "S16"), np.array([1], np.uint32))
    assert (person[0], list(Grade)[grade[0]], list(Reason)[reason[0]], device[0]) == (-1, "N", "identity_off", -1)


def test_files_are_read_with_kea_s_older_ones_and_missing_ones_are_told(tmp_path: Path) -> None:
    feeds = FeedSettings(kea_leases=Path("feeds/kea.csv"), logons=Path("feeds/logons.csv"))
    assert load_bindings(SCHOOL, feeds, tmp_path).missing == ("feeds/kea.csv", "feeds/logons.csv")
    (tmp_path / "feeds").mkdir()
    (tmp_path / "feeds" / "kea.csv.2").write_text(f"{LEASE_HEADER}\n{lease(ONE, PHONE, '08:00:00', '10:00:00')}\n")
    (tmp_path / "feeds" / "kea.csv").write_text("")
    (tmp_path / "feeds" / "logons.csv").write_text(EVENT_HEADER + "\n")
    bindings = load_bindings(SCHOOL, feeds, tmp_path)
    assert (bindings.missing, who(bindings, "09:00:00")[0]) == ((), "T3")


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 600), st.sampled_from([4624, 4634, 4647, 4800, 4801]), st.sampled_from(["t1", "t2", "pupil"]),
        st.sampled_from(["0x1", "0x2", "0x3"]), st.sampled_from(["2", "7", "10"]),
    ),
    max_size=14,
)  # fmt: skip


@given(EVENTS)
def test_nobody_is_named_without_a_log_on_that_nothing_ended(raw: list[tuple[int, int, str, str, str]]) -> None:
    raw.sort(key=lambda entry: entry[0])
    rows = [event(f"09:{t // 60:02}:{t % 60:02}", n, user, session, kind) for t, n, user, session, kind in raw]
    bindings = bind(WHOLE, rows)
    for minute in range(12):
        name, grade, _ = who(bindings, f"09:{minute:02}:00")
        assert (grade == "B") == (name != "nobody")
        if name != "nobody":
            mine = [e for e in raw if e[2] == name.lower() and e[0] < (minute + 1) * 60]
            assert any(e[1] in (4624, 4800, 4801) for e in mine)
            before = [e for e in mine if e[0] <= minute * 60]
            started = any(e[1] in (4624, 4801) for e in mine if e[0] >= minute * 60)
            assert started or not before or before[-1][1] != 4800
