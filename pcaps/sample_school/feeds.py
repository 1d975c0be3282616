"""The identity feeds of the day: Kea's lease file with its history, and Windows log-on events.

Both are shaped as the real ones are, noise included: renewals appended to the lease file, a lease given back and its
address lent again, machine accounts, network log-ons at a domain controller, unlock log-ons that end at once, pupils'
accounts, sessions whose log-off was lost. Standard of the columns: domain facts 3.
"""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from random import Random

from pcaps.sample_school.facts import DOMAIN
from pcaps.sample_school.network import Device
from pcaps.sample_school.script import Session

LEASE_HEADER = (
    "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id"
)
EVENT_HEADER = (
    "TimeCreated,EventId,Computer,TargetUserName,TargetDomainName,TargetLogonId,LogonType,IpAddress,WorkstationName"
)
SUBNET = {"staff": 10, "pupil": 20, "guest": 30}
Event = tuple[float, int, str, str, str, str, str, str, str]


def lease_file(machines: dict[str, Device], midnight: int) -> str:
    """kea-leases4.csv as Kea appends it, in order of writing; `midnight` is the local day's start in Unix seconds."""
    rng = Random("leases")
    rows: list[tuple[int, str]] = []
    for machine in machines.values():
        first = midnight + (machine.start - 1) * 60 + rng.randrange(40)
        last = midnight + machine.end * 60
        name = "" if machine.name.startswith(("guest-", "phone-")) else machine.name.lower()

        def write(at: int, lifetime: int, machine: Device = machine, name: str = name) -> None:
            client = "01:" + machine.mac
            fields = (machine.address, machine.mac, client, lifetime, at + lifetime, SUBNET[machine.segment], 0, 0)
            rows.append((at, ",".join(map(str, (*fields, name, 3 if lifetime == 0 else 0, "", 0)))))

        for at in range(first, last, machine.lease // 2):
            write(at, machine.lease)
        if machine.released:
            write(last, 0)
    rows.sort()
    return "\n".join([LEASE_HEADER, *(text for _, text in rows)]) + "\n"


def logon_file(sessions: list[Session], machines: dict[str, Device], midnight: int) -> str:
    """Log-on events as the forwarder's CSV export writes them, in UTC, in order of time."""
    rng = Random("logons")
    events: list[Event] = []

    def stamp(minute: int) -> float:
        return midnight + minute * 60 + rng.randrange(60000) / 1000

    def number() -> str:
        return f"0x{rng.randrange(0x100000, 0xFFFFFFF):X}"

    def write(at: float, event: int, host: str, user: str, session: str, kind: str = "", address: str = "") -> None:
        domain = "" if event in {4800, 4801} and not session else "ENGHRAIFFT"
        computer = f"{host}.{DOMAIN}"
        events.append((at, event, computer, user, domain, session, kind, address, host if event == 4624 else ""))

    def log_on(session: Session) -> None:
        key = number()
        at = stamp(session.logon)
        write(at - 4, 4624, session.host, f"{session.host}$", number(), "3", "-")
        write(at, 4624, session.host, session.username, key, "2", "127.0.0.1")
        write(at + 2.2, 4624, "SRV-DC1", session.username, number(), "3", machines[session.host].address)
        for start, end in session.locks:
            write(stamp(start), 4800, session.host, session.username, key)
            back, again = stamp(end), number()
            write(back, 4624, session.host, session.username, again, "7", "127.0.0.1")
            write(back + 0.03, 4634, session.host, session.username, again, "7")
            write(back + 0.05, 4801, session.host, session.username, key)
        if session.logoff_seen:
            off = stamp(session.logoff)
            write(off, 4647, session.host, session.username, key)
            write(off + 0.9, 4634, session.host, session.username, key, "2")

    for session in sessions:
        log_on(session)
    for count, machine in enumerate(m for m in machines.values() if m.name.startswith("PC-")):
        if count % 2 == 0:
            log_on(Session(f"p{1000 + count}", machine.name, machine.start + 70, machine.end - 5))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(EVENT_HEADER.split(","))
    for at, *rest in sorted(events):
        when = datetime.fromtimestamp(round(at, 3), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        writer.writerow([when, *rest])
    return text.getvalue()
