"""Who sits where: remote desktops, computers that serve many, accounts of other domains, and who was seen by whom."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.feeds.text import FeedError, FeedFile
from pipeline.identity import Bindings
from tests.pipeline.feeding import (
    KEA4,
    LAPTOP,
    LOCKED,
    LOGONS,
    NOBODY,
    ONE,
    PC,
    PRIVATE,
    SEVERAL,
    SHARED,
    SHARED_DEVICE,
    SIX,
    TWO,
    bindings,
    detail,
    event,
    kea,
    second,
    table,
    who,
)

B1, B2 = ("T1", "B", "none"), ("T2", "B", "none")
LEASE = table(KEA4, [kea(ONE, PC, "07:00:00", "20:00:00")])


def seated(*events: str, header: str = LOGONS, **settings: object) -> Bindings:
    return bindings({"kea_leases": LEASE, "logons": table(header, list(events))}, **settings)


def hours(found: Bindings, *clocks: str, address: str = ONE) -> list[tuple[str, str, str]]:
    return [who(found, clock, address) for clock in clocks]


# ------------------------------------------------------------------------------------------------------------ log-ons


def test_a_remote_desktop_that_is_left_and_taken_up_again() -> None:
    header = LOGONS + ",AccountName,AccountDomain,LogonID"
    rows = [
        event("09:00:00", 4624, "t1", "0xA", "10") + ",,,",
        "2026-11-17T10:00:00Z,4779,PC-1,,,,,-,t1,SCHOOL,0xA",
        "2026-11-17T11:00:00Z,4778,PC-1,,,,,-,t1,SCHOOL,0xA",
        event("12:00:00", 4647, "t1", "0xA") + ",,,",
    ]
    found = seated(*rows, header=header)
    assert hours(found, "09:30:00", "10:30:00", "11:30:00", "12:00:00") == [B1, LOCKED, B1, NOBODY]


def test_a_computer_that_serves_many_is_nobody_s_even_while_one_is_on() -> None:
    many = [event("08:00:00", 4624, "t1", "0x1", "10"), event("09:00:00", 4624, "t2", "0x2", "10")]
    away = event("10:00:00", 4634, "t1", "0x1")
    assert hours(seated(*many, away), "08:30:00", "09:30:00", "10:30:00") == [SHARED_DEVICE] * 3
    three = [event("08:00:00", 4624, name, f"0x{n}") for n, name in enumerate(("t1", "t2", "p99"))]
    assert hours(seated(*three), "08:30:00") == [SHARED_DEVICE]
    helped = [event("08:00:00", 4624, "t1", "0x1"), event("09:00:00", 4624, "t2", "0x2", "10")]
    assert hours(seated(*helped), "08:30:00", "09:30:00") == [B1, SEVERAL], "one remote helper makes no server"


def test_network_log_ons_are_nobody_at_the_computer() -> None:
    drive = event("09:00:00", 4624, "t1", "0x1", "3", "SRV-DC1")
    here = event("09:00:00", 4624, "t1", "0x1", "3")
    service = event("09:00:00", 4624, "t1", "0x3", "5")
    found = seated(drive, here, service, event("09:00:00", 4624, "PC-1$", "0x2"))
    assert hours(found, "09:30:00") == [NOBODY]
    assert found.feeds[1].left_out == {"not_at_the_computer": 3, "of_machines": 1}


def test_a_computer_s_own_account_is_not_the_school_s_of_that_name() -> None:
    own = event("09:00:00", 4624, "t1").replace(",SCHOOL,", ",PC-1,")
    assert hours(seated(own), "09:30:00") == [SHARED_DEVICE]
    pupils = event("09:00:00", 4624, "t1").replace(",SCHOOL,", ",PUPILS,")
    assert hours(seated(pupils), "09:30:00") == [B1]
    assert hours(seated(pupils, domains=["SCHOOL"]), "09:30:00") == [SHARED_DEVICE]
    assert hours(seated(event("09:00:00", 4624, "t1"), domains=["SCHOOL"]), "09:30:00") == [B1]


def test_generic_accounts_are_nobody_and_a_log_on_names_who_sits_at_a_shared_computer() -> None:
    lease = table(KEA4, [kea(ONE, SHARED, "07:00:00", "20:00:00")])
    rows = [event("09:00:00", 4624, "t1", host="ROOM-1"), event("10:00:00", 4647, "t1", host="ROOM-1")]
    rows.append(event("11:00:00", 4624, "supply1", "0x2", host="ROOM-1"))
    found = bindings({"kea_leases": lease, "logons": table(LOGONS, rows)})
    assert hours(found, "08:30:00", "09:30:00", "10:30:00", "11:30:00") == [
        SHARED_DEVICE,
        B1,
        SHARED_DEVICE,
        SHARED_DEVICE,
    ]
    named = seated(event("09:00:00", 4624, "t1"), shared_accounts=["t1", "staffroom*"])
    assert hours(named, "09:30:00") == [SHARED_DEVICE]


def test_no_name_of_a_pupil_is_anywhere_and_each_is_counted_once() -> None:
    rows = [event(f"09:0{n}:00", 4624 if n % 2 else 4647, f"pupil{n // 2}") for n in range(8)]
    found = seated(*rows)
    assert (found.counts["accounts_dropped"], found.counts["events_dropped"]) == (4, 8)
    assert "pupil" not in repr(vars(found))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-8", "cp1252"])
def test_exports_of_powershell_in_every_encoding(encoding: str) -> None:
    rows = [f'"{cell}"' for cell in event("09:00:00", 4624, "t1").split(",")]
    strange = event("09:00:00", 4624, "André", host="Büro").split(",")
    text = "\r\n".join(["#TYPE Selected.Object", LOGONS, ",".join(rows), ",".join(strange), ""])
    found = bindings({"kea_leases": LEASE, "logons": text.encode(encoding)})
    assert hours(found, "09:30:00") == [B1]
    assert (found.counts["broken_rows"], found.counts["accounts_dropped"]) == (0, 1)


# --------------------------------------------------------------------------------------------------------- sightings

IP_NEIGH = f"""2026-11-17T09:00:00+00:00
{ONE} dev eth0 lladdr {LAPTOP} REACHABLE
{SIX} dev eth0 lladdr {LAPTOP} STALE
fe80::216:3eff:fe00:2 dev eth0 lladdr {LAPTOP} router STALE
10.20.0.9 dev eth0 FAILED
10.20.0.10 dev eth0  INCOMPLETE
[2026-11-17T10:30:00+00:00] {TWO} dev eth0 lladdr {PRIVATE} DELAY
"""


def seen(data: bytes, written: str | None = None, key: str = "neighbours") -> Bindings:
    return bindings({key: [FeedFile.of("neigh.txt", data, second(written) if written else None)]})


def test_a_neighbour_table_binds_for_an_hour_or_a_privacy_address_for_a_day() -> None:
    found = seen(IP_NEIGH.encode())
    c = ("T1", "C", "none")
    assert hours(found, "08:59:00", "09:00:00", "09:59:00", "10:00:00") == [NOBODY, c, c, NOBODY]
    assert hours(found, "09:00:00", "2026-11-18T08:59:00", "2026-11-18T09:00:00", address=SIX) == [c, c, NOBODY]
    assert hours(found, "10:30:00", address=TWO) == [NOBODY], "a randomised address is in no register"
    assert hours(found, "09:30:00", address="fe80::216:3eff:fe00:2") == [NOBODY]
    assert (found.counts["broken_rows"], found.counts["addresses"]) == (0, 3)


@pytest.mark.parametrize(
    "line",
    [
        f"? ({ONE}) at {LAPTOP} [ether] on eth0",
        f"{ONE}                ether   {LAPTOP}   C                     eth0",
        f"  {ONE}           00-16-3e-00-00-02     dynamic",
        f"Internet  {ONE}   5   0016.3e00.0002  ARPA   Vlan10",
        f"? ({ONE}) at 0:16:3e:0:0:2 on en0 ifscope [ethernet]",
    ],
)
def test_tables_of_other_tools_are_dated_by_their_file(line: str) -> None:
    found = seen(
        f"Interface: 10.20.0.254 --- 0x4\n  Internet Address      Physical Address\n{line}\n".encode(), "09:00:00"
    )
    assert hours(found, "08:59:00", "09:00:00") == [NOBODY, ("T1", "C", "none")]
    assert (found.counts["broken_rows"], found.feeds[0].offset_s) == (0, None)


def test_an_address_passes_to_who_was_seen_there_last() -> None:
    rows = [f"{second('09:00:00')},{SIX},{LAPTOP}", f"2026-11-17T10:00:30Z,{SIX},{PC}", f"never,{SIX},{PC}"]
    found = seen(("time,address,mac\n" + "\n".join([*rows, ""])).encode(), key="sightings")
    assert hours(found, "09:59:00", "10:00:00", "10:01:00", address=SIX) == [("T1", "C", "none"), SEVERAL, NOBODY]
    assert found.problems == ("neigh.txt:4: time 'never' is no date and time; write it as 2026-11-17T08:10:00Z",)


def test_what_a_sensor_sees_comes_as_arrow(tmp_path: Path) -> None:
    sightings = pa.table(
        {
            "time": pa.array([second("09:00:00") * 1000], pa.timestamp("ms")),
            "address": [SIX],
            "mac": pa.array([0x00163E000002], pa.int64()),
        }
    )
    path = tmp_path / "seen.arrow"
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, sightings.schema) as writer:
        writer.write(sightings)
    assert hours(seen(path.read_bytes()), "09:00:00", address=SIX) == [("T1", "C", "none")]
    with pytest.raises(FeedError, match=r"^neigh\.txt:1: this Arrow file cannot be read \("):
        seen(path.read_bytes()[:-20])


def test_a_privacy_address_with_802_1x_is_known_by_the_card() -> None:
    sighting = f"time,address,mac\n2026-11-17T09:00:00Z,{SIX},{PRIVATE}\n".encode()
    found = bindings({"neighbours": sighting, "radius_detail": detail("08:00:00", "Start", "t1", PRIVATE).encode()})
    assert hours(found, "08:59:00", "09:30:00", address=SIX) == [NOBODY, ("T1", "A", "none")]


def test_a_router_in_between_binds_nobody_and_is_told() -> None:
    behind = [f"2026-11-17T09:00:00Z,10.20.1.{n},{LAPTOP}" for n in range(40)]
    found = seen("\n".join(["time,address,mac", *behind, f"2026-11-17T09:00:00Z,{ONE},{PC}", ""]).encode())
    assert hours(found, "09:30:00", address="10.20.1.7") == [NOBODY]
    assert (found.counts["routers"], found.counts["behind_routers"], found.counts["addresses"]) == (1, 40, 1)
    moving = [f"2026-11-17T{8 + n // 4:02}:{n % 4 * 15:02}:00Z,10.20.1.{n},{LAPTOP}" for n in range(40)]
    found = seen("\n".join(["time,address,mac", *moving, ""]).encode())
    assert found.counts["routers"] == 0, "one address after the other is a device that moves"
