"""Lease files of DHCP servers, as they look: who held an address, and what must not be believed."""

from __future__ import annotations

from datetime import datetime

import pytest

from pipeline.feeds.text import FeedError, FeedFile
from pipeline.identity import Bindings
from tests.pipeline.feeding import KEA4, KEA6, LAPTOP, NOBODY, ONE, PHONE, SIX, TWO, bindings, kea, second, table, who

T1, T3 = ("T1", "C", "none"), ("T3", "C", "none")

# ---------------------------------------------------------------------------------------------------------------- Kea


def test_kea_files_of_older_versions_lack_columns() -> None:
    old = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname"
    row = f"{ONE},{LAPTOP},,3600,{second('09:00:00')},1,0,0,lt-1"
    assert who(bindings({"kea_leases": table(old, [row])}), "08:30:00") == T1


def test_kea_siblings_have_headers_of_their_own_and_rows_twice() -> None:
    old = f"address,hwaddr,valid_lifetime,expire\n{ONE},{LAPTOP},3600,{second('09:00:00')}\n".encode()
    new = table(KEA4, [kea(ONE, LAPTOP, "08:00:00", "09:00:00"), kea(ONE, LAPTOP, "08:50:00", "09:50:00")])
    torn = new[:-30]
    files = [FeedFile.of(name, data) for name, data in (("k.2", old), ("k.output", torn), ("k", new))]
    found = bindings({"kea_leases": files})
    assert [who(found, clock) for clock in ("07:59:00", "08:00:00", "09:49:00", "09:50:00")] == [NOBODY, T1, T1, NOBODY]
    assert (found.counts["broken_rows"], found.feeds[0].torn) == (0, True)


def kea6(mac: str, kind: int = 0, source: int = 1, state: int = 0) -> str:
    expire = second("10:00:00")
    return f"{SIX},00:01:00:01:aa:bb,7200,{expire},1,3600,{kind},7,128,0,0,lt-1,{mac},{state},,1,{source},0"


def test_kea_v6_binds_by_hardware_that_was_seen_never_by_what_was_guessed() -> None:
    assert who(bindings({"kea_leases6": table(KEA6, [kea6(LAPTOP)])}), "09:00:00", SIX) == T1
    guessed = bindings({"kea_leases6": table(KEA6, [kea6(LAPTOP, source=2)])})
    assert who(guessed, "09:00:00", SIX) == NOBODY
    assert guessed.feeds[0].left_out["without_hardware"] == 1
    assert who(bindings({"kea_leases6": table(KEA6, [kea6(LAPTOP, kind=2)])}), "09:00:00", SIX) == NOBODY
    assert who(bindings({"kea_leases6": table(KEA6, [kea6("")])}), "09:00:00", SIX) == NOBODY


def test_the_files_of_kea_s_versions_are_not_taken_for_each_other() -> None:
    with pytest.raises(FeedError, match=r"^kea_leases:1: missing column hwaddr; the header must have address,"):
        bindings({"kea_leases": b"address,duid,valid_lifetime,expire\n"})
    with pytest.raises(FeedError, match=r"^kea_leases6:1: missing column duid; "):
        bindings({"kea_leases6": table(KEA4, [])})


def test_a_lease_without_end_and_commas_that_kea_writes_its_own_way() -> None:
    row = f'{ONE},{LAPTOP},,4294967295,{second("08:00:00") + 4294967295},1,0,0,lt-1,0,{{ "a": 1&#x2c "b": 2 }},0'
    plain = row.replace('"', "")
    assert who(bindings({"kea_leases": table(KEA4, [plain])}), "2027-11-17T09:00:00") == T1


# ---------------------------------------------------------------------------------------------------------------- ISC

ISC = """# The format of this file is documented in the dhcpd.leases(5) manual page.
# This lease file was written by isc-dhcp-4.4.3

# authoring-byte-order entry is generated, DO NOT DELETE
authoring-byte-order little-endian;

server-duid "\\000\\001\\000\\001+}\\252\\000\\026>";

lease 10.20.0.1 {
  starts 2 2026/11/17 08:00:00;
  ends 2 2026/11/17 12:00:00;
  cltt 2 2026/11/17 08:00:00;
  binding state active;
  next binding state free;
  rewind binding state free;
  hardware ethernet 00:16:3e:00:00:02;
  uid "\\001\\000\\026>\\000\\000\\002}";
  set vendor-class-identifier = "MSFT 5.0";
  client-hostname "LT-1";
}
lease 10.20.0.2 {
  starts epoch 1794902400; # Tue Nov 17 08:00:00 2026
  ends never;
  binding state active;
  hardware ethernet 0:16:3e:0:0:3;
}
failover peer "dhcp" state {
  my state normal at 2 2026/11/17 07:00:00;
}
"""


def isc(state: str, starts: str, ends: str, mac: str = LAPTOP) -> str:
    dates = (datetime.fromisoformat(f"2026-11-17T{clock}").strftime("%w %Y/%m/%d %H:%M:%S") for clock in (starts, ends))
    first, last = dates
    hardware = f"  hardware ethernet {mac};\n" if mac else ""
    return f"lease {ONE} {{\n  starts {first};\n  ends {last};\n  binding state {state};\n{hardware}}}\n"


def test_isc_blocks() -> None:
    found = bindings({"isc_leases": ISC.encode()})
    assert [who(found, clock) for clock in ("07:59:00", "08:00:00", "11:59:00", "12:00:00")] == [NOBODY, T1, T1, NOBODY]
    assert who(found, "2026-12-24T00:00:00", TWO) == T3
    assert (found.counts["broken_rows"], found.counts["addresses"]) == (0, 2)


@pytest.mark.parametrize("state", ["free", "released", "expired"])
def test_isc_tells_when_a_lease_really_ended_in_either_order_of_blocks(state: str) -> None:
    blocks = [isc("active", "08:00:00", "12:00:00"), isc(state, "08:00:00", "09:00:00")]
    for order in (blocks, blocks[::-1]):
        found = bindings({"isc_leases": "".join(order).encode()})
        assert (who(found, "08:59:00"), who(found, "09:00:00")) == (T1, NOBODY)


def test_isc_addresses_go_to_others_and_are_given_up() -> None:
    blocks = [isc("active", "08:00:00", "12:00:00"), isc("active", "10:00:00", "14:00:00", PHONE)]
    found = bindings({"isc_leases": "".join(blocks).encode()})
    assert (who(found, "09:59:00"), who(found, "10:00:00"), who(found, "13:59:00")) == (T1, T3, T3)
    found = bindings({"isc_leases": (blocks[0] + isc("abandoned", "09:00:00", "13:00:00", "")).encode()})
    assert (who(found, "08:59:00"), who(found, "09:00:00")) == (T1, NOBODY)


def test_broken_isc_blocks_are_told_and_the_torn_last_one_is_not() -> None:
    text = ISC.replace("starts 2 2026/11/17 08:00:00", "starts yesterday") + isc("active", "08:00:00", "12:00:00")[:60]
    found = bindings({"isc_leases": text.encode()})
    assert found.problems == ("isc_leases:9: 'yesterday' is no date; look at what wrote this block",)
    assert found.feeds[0].torn
    assert who(found, "09:00:00") == NOBODY


# ------------------------------------------------------------------------------------------------------------ dnsmasq


def dnsmasq(text: str, written: str, **settings: object) -> Bindings:
    return bindings({"dnsmasq_leases": [FeedFile.of("dnsmasq.leases", text.encode(), second(written))]}, **settings)


def test_dnsmasq_leases_hold_since_the_renewal_that_their_expiry_shows() -> None:
    text = (
        f"{second('11:00:00')} {LAPTOP} {ONE} lt-1 01:{LAPTOP}\n"
        f"{second('12:30:00')} {PHONE} {TWO} * *\n"
        f"duid 00:01:00:01:2c:aa:bb:cc:00:16:3e:00:00:01\n"
        f"{second('12:00:00')} 123456 2001:db8::7 lt-1 00:01:00:01\n"
    )
    found = dnsmasq(text, "10:30:00", dnsmasq_lease_min=120)
    assert [who(found, c) for c in ("08:59:00", "09:00:00", "10:59:00", "11:00:00")] == [NOBODY, T1, T1, NOBODY]
    assert [who(found, c, TWO) for c in ("10:29:00", "10:30:00", "12:29:00")] == [NOBODY, T3, T3]
    assert found.feeds[0].offset_s is None  # its records have no time of their own
    assert found.feeds[0].left_out == {"without_hardware": 1}


def test_dnsmasq_without_a_length_of_leases_is_not_dated_back_too_far() -> None:
    found = dnsmasq(f"{second('10:10:00')} {LAPTOP} {ONE} lt-1 *\n", "10:00:00")  # leases of ten minutes, it seems
    assert (who(found, "09:59:00"), who(found, "10:00:00")) == (NOBODY, T1)
    endless = dnsmasq(f"0 {LAPTOP} {ONE} lt-1 *\n", "10:00:00")
    assert [who(endless, c) for c in ("09:59:00", "10:00:00", "2026-11-18T10:00:00")] == [NOBODY, T1, NOBODY]


def test_dnsmasq_without_a_clock_is_refused() -> None:
    with pytest.raises(FeedError, match=r"^dnsmasq\.leases:1: the first column is a length, not a time of day; "):
        dnsmasq(f"3600 {LAPTOP} {ONE} lt-1 *\n", "10:00:00")


# ------------------------------------------------------------------------------------------------------------ Windows

PREAMBLE = """\t\tMicrosoft DHCP Service Activity Log


Event ID  Meaning
00\tThe log was started.
10\tA new IP address was leased to a client.
11\tA lease was renewed by a client.
24\tIP address cleanup operation has begun.
30\tDNS update request to the named DNS server.

QResult: 0: NoQuarantine, 1:Quarantine, 2:Drop Packet, 3:Probation,6:No Quarantine Information ProbationTime:Year-Month-Day Hour:Minute:Second:MilliSecond.

ID,Date,Time,Description,IP Address,Host Name,MAC Address,User Name, TransactionID, QResult,Probationtime, CorrelationID,Dhcid,VendorClass(Hex),VendorClass(ASCII),UserClass(Hex),UserClass(ASCII),RelayAgentInformation,DnsRegError.
00,11/17/26,00:00:09,Started,,,,,0,6,,,,,,,,,0
"""  # noqa: E501


def audit(rows: list[tuple[str, str, str, str]], date: str = "11/17/26") -> bytes:
    lines = [
        f"{number},{date},{clock},What,{address},LT-1.school.example,{mac},,1234,0,,,,0x4D53,MSFT 5.0,,,,0"
        for number, clock, address, mac in rows
    ]
    return (PREAMBLE + "\n".join([*lines, ""])).replace("\n", "\r\n").encode()


def test_the_windows_log_lends_and_takes_back() -> None:
    rows = [
        ("24", "08:59:00", "0", ""),
        ("10", "09:00:00", ONE, "00163E000002"),
        ("30", "09:00:00", ONE, ""),
        ("32", "09:00:01", ONE, ""),
        ("11", "11:00:00", ONE, "00163E000002"),
        ("12", "12:00:00", ONE, "00163E000002"),
        ("10", "12:00:00", TWO, "00163E000003"),
        ("10", "13:00:00", ONE, "52415320F0A1000000000000000000000000"),  # a dial-in client: no card
    ]
    found = bindings({"windows_dhcp_logs": audit(rows)})
    assert [who(found, c) for c in ("08:59:00", "09:00:00", "11:59:00", "12:00:00")] == [NOBODY, T1, T1, NOBODY]
    assert (who(found, "12:00:00", TWO), who(found, "2026-11-18T11:59:00", TWO)) == (T3, T3)
    assert who(found, "2026-11-18T12:00:00", TWO) == NOBODY  # the log does not say for how long: a day
    assert (found.counts["broken_rows"], found.feeds[0].left_out) == (0, {"without_hardware": 1})


def test_the_windows_log_is_in_local_time_and_begins_again_when_the_service_does() -> None:
    data = audit([("10", "09:00:00", ONE, "00163E000002")], "06/17/26") + PREAMBLE.encode()
    found = bindings({"windows_dhcp_logs": data}, windows_lease_h=2)
    assert [who(found, f"2026-06-17T{c}") for c in ("07:59:00", "08:00:00", "09:59:00", "10:00:00")] == [
        *(NOBODY, T1, T1, NOBODY)
    ]
    found = bindings({"windows_dhcp_logs": data}, windows_dhcp_zone="Europe/Paris")
    assert who(found, "2026-06-17T07:00:00") == T1
    assert found.counts["broken_rows"] == 0


def test_broken_rows_of_the_windows_log_are_told() -> None:
    good = audit([("10", "09:00:00", ONE, "00163E000002")])
    found = bindings(
        {"windows_dhcp_logs": good + b"10,17/11/26,09:00:00,Assign,10.20.0.9,x,00163E000003\r\n10,11/17\r\n"}
    )
    assert who(found, "09:00:00") == T1
    assert [problem.split("; ")[0] for problem in found.problems] == [
        "windows_dhcp_logs:16: 17/11/26 09:00:00 '10.20.0.9' is no date, time and address",
        "windows_dhcp_logs:17: the row has only 2 cells",
    ]


TABLE = '"IPAddress","ScopeId","AddressState","ClientId","HostName","LeaseExpiryTime"'


def shown(expires: str, state: str = "Active", client: str = "00-16-3e-00-00-02") -> str:
    return f'"{ONE}","10.20.0.0","{state}","{client}","LT-1.school.example","{expires}"'


def windows(rows: list[str], encoding: str = "utf-8-sig", header: str = TABLE, **settings: object) -> Bindings:
    text = "\r\n".join(["#TYPE Microsoft.Management.Infrastructure.CimInstance", header, *rows, ""])
    file = FeedFile.of("leases.csv", text.encode(encoding), second("10:00:00"))
    return bindings({"windows_leases": [file]}, **settings)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])  # Export-Csv -Encoding UTF8, Unicode, utf8NoBOM
@pytest.mark.parametrize("expires", ["17/11/2026 18:00:00", "11/17/2026 6:00:00 PM", "2026-11-17T18:00:00.0000000Z"])
def test_the_table_of_windows_leases_in_any_language_and_encoding(expires: str, encoding: str) -> None:
    found = windows([shown(expires)], encoding)
    assert [who(found, c) for c in ("09:59:00", "10:00:00", "17:59:00", "18:00:00")] == [NOBODY, T1, T1, NOBODY]


def test_day_and_month_that_nothing_tells_apart_make_the_shorter_lease() -> None:
    found = windows([shown("05/12/2026 10:00:00")])  # 5 December, or 12 May, which is past
    assert (who(found, "2026-12-05T09:59:00"), who(found, "2026-12-05T10:00:00")) == (T1, NOBODY)
    found = windows([shown("12/05/2026 10:00:00")])
    assert (who(found, "2026-12-05T09:59:00"), who(found, "2026-12-05T10:00:00")) == (T1, NOBODY)


def test_states_ids_and_lengths_of_the_table_of_windows_leases() -> None:
    for state in ("Declined", "Expired", "InactiveReservation"):
        assert who(windows([shown("17/11/2026 18:00:00", state)]), "11:00:00") == NOBODY
    assert who(windows([shown("17/11/2026 18:00:00", "ActiveReservation")]), "11:00:00") == T1
    assert who(windows([shown("17/11/2026 18:00:00", client="52-41-53-20-f0-a1-00-00")]), "11:00:00") == NOBODY
    since = windows([shown("17/11/2026 16:00:00")], windows_lease_h=8)
    assert (who(since, "07:59:00"), who(since, "08:00:00")) == (NOBODY, T1)
    taken = windows([shown("17/11/2026 16:00:00") + ',"2026-11-17T09:15:00Z"'], header=TABLE + ',"Taken"')
    assert (who(taken, "09:14:00"), who(taken, "09:15:00")) == (NOBODY, T1)
