"""The machines on the made-up network and when each is there: hardware address, leased address, VLAN, owner.

Read from the asset register, with the phones that no register knows added. The day's people are not its business.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from pcaps.sample_school.facts import private_hardware
from pcaps.sample_school.rota import Rota, Row

VLAN = {"staff": 10, "pupil": 20, "guest": 30}
STAFF_PHONES = 3  # registered phones that joined the staff network with its shared key
GUEST_PHONES = 70
FIRST, LAST = 7 * 60 + 30, 17 * 60 + 30  # the capture, in local minutes
EARLY_SHARE = "T38"  # leaves at noon and gives the address back ...
LATE_SHARE = "T39"  # ... and this person's laptop gets it an hour later
LENT_FROM = 12 * 60 + 50


@dataclass(frozen=True)
class Device:
    """A machine on the network in the local minutes [start, end)."""

    name: str
    mac: str
    address: str
    segment: str
    owner: str
    start: int
    end: int
    lease: int
    released: bool = False
    address6: str = ""

    @property
    def vlan(self) -> int:
        return VLAN[self.segment]


def _address(base: str, number: int) -> str:
    head = [int(o) for o in base.split(".")]
    value = (head[0] << 24 | head[1] << 16 | head[2] << 8 | head[3]) + number
    return ".".join(str(value >> s & 255) for s in (24, 16, 8, 0))


def _staff_machine(row: Row, number: int, rota: Rota, rng: Random) -> Device:
    name, owner = row["hostname"], row["assigned_staff_id"]
    start, end = 5 * 60, 24 * 60 - 1
    if owner:
        hours = [s for s in rota.stretches(owner) if s.state not in {"outside_hours", "non_working_day", "unknown"}]
        first = max(hours[0].start, 8 * 60) if hours else 9 * 60
        last = hours[-1].end if hours and hours[-1].end < 1440 else 15 * 60 + 20
        start, end = first - rng.randrange(35, 60), min(last + rng.randrange(25, 130), LAST - 2)
    if owner == "T36":
        start, end = 9 * 60 + 50, 12 * 60 + 10
    if owner == EARLY_SHARE:
        start, end = 7 * 60 + 50, 12 * 60 + 40
    if owner == LATE_SHARE:
        start, end = LENT_FROM, 16 * 60 + 5
    address6 = (
        f"2001:db8:20:10:{rng.randrange(1, 65536):x}:{rng.randrange(65536):x}:{rng.randrange(65536):x}:{number:x}"
    )
    return Device(name, row["mac"], _address("10.20.1.0", number), "staff", owner, start, end, 14400,
                  owner == EARLY_SHARE, address6 if owner else "")  # fmt: skip


def network(rota: Rota) -> dict[str, Device]:
    """Every machine by name. About 70 machines of staff, 50 shared rooms and printers, 690 of pupils, 90 phones."""
    rng = Random(f"network {rota.day}")
    machines: list[Device] = []
    phones = 0
    for number, row in enumerate(rota.tables["devices"], 1):
        name = row["hostname"]
        if name.startswith("phone-"):
            phones += 1
            segment = "staff" if phones <= STAFF_PHONES else "guest"
            address = _address("10.20.4.0" if segment == "staff" else "10.20.97.0", phones)
            start = 7 * 60 + 40 + rng.randrange(60)
            machines.append(
                Device(name, row["mac"], address, segment, "", start, 15 * 60 + 30 + rng.randrange(90), 7200)
            )
        elif name.startswith(("CB-", "PC-")):
            start = 8 * 60 + 20 + rng.randrange(25) if name.startswith("CB-") else 7 * 60 + rng.randrange(60)
            end = 15 * 60 + 5 + rng.randrange(40)
            machines.append(Device(name, row["mac"], _address("10.20.33.0", number), "pupil", "", start, end, 28800))
        else:
            machines.append(_staff_machine(row, number, rota, rng))
    for number in range(1, GUEST_PHONES + 1):
        start = 7 * 60 + 45 + rng.randrange(50)
        end = min(15 * 60 + 10 + rng.randrange(130), LAST - 2)
        mac = private_hardware(1000 + number)
        machines.append(
            Device(f"guest-{number:02}", mac, _address("10.20.98.0", number), "guest", "", start, end, 7200)
        )
    found = {m.name: m for m in machines}
    early = next(m for m in machines if m.owner == EARLY_SHARE)
    late = next(m for m in machines if m.owner == LATE_SHARE)
    found[late.name] = Device(late.name, late.mac, early.address, "staff", late.owner, late.start, late.end, late.lease)
    return found
