"""The identity feeds of a generated day, each as its server writes it, with what feeds lose and get wrong.

Leases in Kea's, ISC's or Windows' way; log-on events with machine accounts and a forwarder's clock that is off; 802.1X
accounting of phones, of which some never say that they left; a router's neighbour table every ten minutes where the
school has IPv6. Standard of the formats: domain facts 3.
"""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from random import Random
from zoneinfo import ZoneInfo

from pcaps.sample_school.facts import DOMAIN
from pcaps.sample_school.feeds import EVENT_HEADER, lease_file
from pcaps.sample_school.network import Device
from pcaps.school_days.machines import Network

ZONE = ZoneInfo("Europe/London")
_PREAMBLE = (
    "\t\tMicrosoft DHCP Service Activity Log", "", "Event ID  Meaning", "10\tA new IP address was leased to a client.",
    "11\tA lease was renewed by a client.", "",
    "ID,Date,Time,Description,IP Address,Host Name,MAC Address,User Name, TransactionID, QResult,Probationtime, "
    "CorrelationID,Dhcid.",
)  # fmt: skip
Event = tuple[float, int, str, str, str, str, str, str, str]


def feed_files(network: Network, midnight: int) -> dict[str, tuple[str, str]]:
    """Files of a day: the setting that names one to (file name, contents)."""
    known = {name: machine for name, machine in network.machines.items() if name not in network.unleased}
    leases = (
        ("kea_leases", "kea-leases4.csv", lease_file),
        ("isc_leases", "dhcpd.leases", _isc),
        ("windows_dhcp_logs", "DhcpSrvLog.log", _windows),
    )
    setting, name, write = leases[network.school.seed % len(leases)]
    files = {setting: (name, write(known, midnight)), "logons": ("logons.csv", _logons(network, midnight))}
    if network.phones:
        files["radius_detail"] = ("detail", _radius(network, midnight))
    if network.seen6:
        files["neighbours"] = ("neighbours.txt", _neighbours(network, midnight))
    return files


def _renewals(machine: Device, midnight: int, rng: Random) -> range:
    first = midnight + (machine.start - 1) * 60 + rng.randrange(40)
    return range(first, midnight + machine.end * 60, machine.lease // 2)


def _isc(machines: dict[str, Device], midnight: int) -> str:
    rng = Random("leases")
    rows = [(at, m) for m in machines.values() for at in _renewals(m, midnight, rng)]
    blocks = []
    for at, m in sorted(rows, key=lambda row: row[0]):
        start, end = (datetime.fromtimestamp(t, UTC).strftime("%w %Y/%m/%d %H:%M:%S") for t in (at, at + m.lease))
        name = "" if m.name.startswith("phone") else f'  client-hostname "{m.name}";\n'
        blocks.append(
            f"lease {m.address} {{\n  starts {start};\n  ends {end};\n  cltt {start};\n  binding state active;\n"
            f"  hardware ethernet {m.mac};\n{name}}}\n"
        )
    return "# The format of this file is documented in the dhcpd.leases(5) manual page.\n\n" + "".join(blocks)


def _windows(machines: dict[str, Device], midnight: int) -> str:
    rng = Random("leases")
    rows = [(at, n > 0, m) for m in machines.values() for n, at in enumerate(_renewals(m, midnight, rng))]
    lines = [*_PREAMBLE]
    for at, renewed, m in sorted(rows, key=lambda row: row[0]):
        when = datetime.fromtimestamp(at, ZONE).strftime("%m/%d/%y,%H:%M:%S")
        name = "" if m.name.startswith("phone") else f"{m.name}.{DOMAIN}"
        what = "11,{},Renew" if renewed else "10,{},Assign"
        lines.append(
            f"{what.format(when)},{m.address},{name},{m.mac.replace(':', '').upper()},,{rng.getrandbits(31)},0,,,"
        )
    return "\r\n".join(lines) + "\r\n"


def _logons(network: Network, midnight: int) -> str:
    """Windows events as the forwarder exports them, its clock `offset` seconds off."""
    rng, events = Random("logons"), list[Event]()

    def stamp(minute: int) -> float:
        return midnight + minute * 60 + network.offset + rng.randrange(60000) / 1000

    def number() -> str:
        return f"0x{rng.randrange(0x100000, 0xFFFFFFF):X}"

    def write(at: float, event: int, host: str, user: str, key: str, kind: str = "", address: str = "") -> None:
        name = host if event == 4624 else ""
        events.append((at, event, f"{host}.{DOMAIN}", user, "YSGOL", key, kind, address, name))

    for s in network.sessions:
        key, begins, ends = number(), stamp(s.start), stamp(s.end)
        write(begins - 3, 4624, s.host, f"{s.host}$", number(), "3", "-")
        write(begins + 2, 4624, "SRV-DC1", s.account, number(), "3", network.machines[s.host].address)
        if not s.on_seen:
            continue
        write(begins, 4624, s.host, s.account, key, s.kind, "127.0.0.1")
        for first, last in s.locks:
            write(stamp(first), 4800, s.host, s.account, key)
            back, again = stamp(last), number()
            write(back, 4624, s.host, s.account, again, "7", "127.0.0.1")
            write(back + 0.03, 4634, s.host, s.account, again, "7")
            write(back + 0.05, 4801, s.host, s.account, key)
        if s.off_seen:
            write(ends, 4647, s.host, s.account, key)
            write(ends + 0.8, 4634, s.host, s.account, key, s.kind)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(EVENT_HEADER.split(","))
    for at, *rest in sorted(events):
        when = datetime.fromtimestamp(round(at, 3), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        writer.writerow([when, *rest])
    return text.getvalue()


def _radius(network: Network, midnight: int) -> str:
    rng = Random("radius")
    blocks: list[tuple[float, str]] = []
    for n, (name, account) in enumerate(network.phones.items()):
        machine = network.machines[name]
        start, end = midnight + machine.start * 60 - 20, midnight + machine.end * 60
        moments = [("Start", start), *(("Interim-Update", t) for t in range(start + 600, end, 600))]
        if rng.random() > 0.1:  # else it went out of reach and never said that it left
            moments.append(("Stop", end))
        for kind, at in moments:
            head = datetime.fromtimestamp(at, ZONE).strftime("%a %b %e %H:%M:%S %Y")
            values = {
                "Acct-Session-Id": f'"{0x5F000000 + n:08X}"', "Acct-Status-Type": kind, "User-Name": f'"{account}"',
                "NAS-IP-Address": "10.20.128.9", "Called-Station-Id": '"00-00-5E-00-53-10:Staff"',
                "Calling-Station-Id": f'"{machine.mac.upper().replace(":", "-")}"',
                "Acct-Session-Time": str(at - start), "Timestamp": str(at),
            }  # fmt: skip
            blocks.append((at, head + "\n" + "".join(f"\t{key} = {value}\n" for key, value in values.items()) + "\n"))
    return "".join(text for _, text in sorted(blocks))


def _neighbours(network: Network, midnight: int) -> str:
    """`ip neigh` of the router, every ten minutes, with its time before it."""
    lines = []
    for minute in range(7 * 60, 19 * 60, 10):
        lines.append(datetime.fromtimestamp(midnight + minute * 60, ZONE).isoformat())
        for name in sorted(network.six):
            m = network.machines[name]
            if m.start - 10 <= minute <= m.end:
                lines.append(f"{m.address6} dev eth1.10 lladdr {m.mac} REACHABLE")
                lines.append(f"fe80::{m.address6.rsplit(':', 1)[1]} dev eth1.10 lladdr {m.mac} STALE")
    return "\n".join(lines) + "\n"
