"""The doctor's findings: each check says what is wrong, how much, and what to do, and is quiet when all is well."""

from __future__ import annotations

import dataclasses
import ipaddress
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sensor import interface, walk
from sensor.checks import SENSOR
from sensor.filters import PRIVATE
from sensor.health import Finding, Registry, Severity, Verdict, by_share, fine, percent, worst
from sensor.interface import Interface, Offloads
from sensor.mirror import CLIENTS, MirrorLook
from sensor.settings import SensorSettings
from sensor.status import RECENT_S, STALE_S, Recent, Status, read_statuses, total, write_status
from sensor.vitals import Vitals, measure
from tests.sensor.building import ethernet, tcp

UP = Interface("eth1", 3, True, True, 1)
WELL = {
    "packets": 1_000_000,
    "flows": 50_000,
    "flows_ech": 50,
    "flows_doh": 50,
    "ring_drops": 0,
    "ring_freezes": 0,
    "nic_drops": 0,
    "gap_bytes": 0,
    "gap_checked_bytes": 50_000_000,
    "tcp_sampled": 900,
    "tcp_one_way": 2,
    "clients": 500,
    "clients_without_dns": 3,
    "sightings": 700,
    "sightings_dropped": 0,
}
STATUS = Status("eth1", "eth1", 1, "watching eth1", 1600.0, 1000.0, WELL, 300, 12)
ALL_WELL = Vitals(
    SensorSettings(),
    "eth1",
    UP,
    True,
    True,
    Offloads(False, False, False),
    16_000,
    True,
    1000,
    1 << 40,
    True,
    (STATUS,),
    WELL,
)


def findings(**changes: Any) -> dict[str, Finding]:
    """Findings on facts that are well but for these; `counters` are changed, not replaced."""
    if "counters" in changes:
        changes["counters"] = WELL | changes["counters"]
    return {f.id: f for f in SENSOR.examine(dataclasses.replace(ALL_WELL, **changes))}


def test_when_all_is_well_nothing_is_to_be_done() -> None:
    found = findings()
    assert {f.severity for f in found.values()} == {Severity.OK}
    assert not [f for f in found.values() if f.mend]
    assert worst(found.values()) is Severity.OK
    assert all(f.title and f.sentence.endswith(".") for f in found.values())


@pytest.mark.parametrize(
    ("check", "changes", "severity", "says", "mend"),
    [
        ("interface", {"name": None, "card": None}, "warn", "No interface is set", "sensor.interface"),
        ("interface", {"card": None}, "fail", "There is no interface eth1.", "ip -br link"),
        ("interface", {"card": Interface("eth1", 3, False, False, 1)}, "fail", "is down", "ip link set dev eth1 up"),
        ("interface", {"card": Interface("eth1", 3, True, False, 1)}, "fail", "Nothing is connected", "cable"),
        ("interface", {"card": Interface("wlan0", 3, True, True, 803)}, "fail", "no Ethernet", "another"),
        ("capability", {"may_capture": False, "workers": ()}, "fail", "CAP_NET_RAW is missing", "setcap cap_net_raw"),
        ("capability", {"may_capture": False}, "ok", "a sensor that runs may", ""),
        ("promiscuous", {"promiscuous": False}, "fail", "only frames for itself", "promisc on"),
        ("promiscuous", {"promiscuous": False, "workers": ()}, "ok", "turns it on", ""),
        ("promiscuous", {"promiscuous": None}, "unknown", "does not say", ""),
        ("offloads", {"offloads": Offloads(True, False, True)}, "warn", "merges packets", "ethtool -K eth1 gro off"),
        ("offloads", {"offloads": Offloads(True, True, False)}, "warn", "merges", "ethtool -K eth1 lro off gro off"),
        ("offloads", {"offloads": Offloads(None, None, None)}, "unknown", "does not say", ""),
        ("ring_memory", {"memory_mib": 40, "workers": ()}, "fail", "64 MiB of 40 MiB", "sensor.ring_mib"),
        ("ring_memory", {"memory_mib": 100, "workers": ()}, "warn", "64 MiB of 100 MiB", "sensor.ring_mib"),
        ("spool", {"spool_writable": False}, "fail", "may not write", "chown"),
        ("spool", {"spool_bytes": 1000 << 20}, "fail", "The spool is full", "store"),
        ("spool", {"spool_bytes": 600 << 20}, "warn", "more than half full", "store"),
        ("spool", {"disk_free": 1 << 20}, "warn", "less room", "sensor.spool_cap_mib"),
        ("clock", {"clock_set": False}, "warn", "Nothing keeps the clock right", "timedatectl"),
        ("clock", {"clock_set": None}, "unknown", "does not say", ""),
        ("sensor", {"workers": ()}, "unknown", "No sensor has written", ""),
        ("sensor", {"settings": SensorSettings(workers=2)}, "fail", "Only 1 of 2", "log"),
        (
            "sensor",
            {"workers": (dataclasses.replace(STATUS, state="eth1 is down; waiting for it"),)},
            "fail",
            "The sensor waits: eth1 is down",
            "mirror port",
        ),
        ("sensor", {"counters": {"packets": 0}}, "fail", "Not one packet", "switch"),
        ("ring_drops", {"counters": {"ring_drops": 500}}, "warn", "0.05 %", "sensor.ring_mib"),
        ("ring_drops", {"counters": {"ring_drops": 50_000}}, "fail", "4.76 %", "sensor.workers"),
        ("ring_drops", {"workers": ()}, "unknown", "No sensor is running", ""),
        ("nic_drops", {"counters": {"nic_drops": 500}}, "warn", "by the card", "ethtool -G eth1"),
        ("upstream_loss", {"counters": {"gap_bytes": 500_000}}, "warn", "1.00 %", "mirror fewer"),
        ("upstream_loss", {"counters": {"gap_bytes": 5_000_000}}, "fail", "10 %", "mirror fewer"),
        ("upstream_loss", {"counters": {"gap_checked_bytes": 9}}, "unknown", "Too little TCP", ""),
        ("one_sided", {"counters": {"tcp_one_way": 890}}, "fail", "one direction only", "both directions"),
        ("one_sided", {"counters": {"tcp_one_way": 90}}, "warn", "10 %", "both directions"),
        ("one_sided", {"counters": {"tcp_sampled": 3}}, "unknown", "Too few TCP flows", ""),
        (
            "routed",
            {"workers": (dataclasses.replace(STATUS, clients_of_one_mac=300),)},
            "ok",
            "behind a router",
            "",
        ),
        ("routed", {"workers": ()}, "unknown", "Too few clients", ""),
        ("sightings", {"counters": {"sightings": 900, "sightings_dropped": 100}}, "warn", "10 % of what", "storm"),
        ("sightings", {"counters": {"sightings": 0}}, "ok", "The mirror shows none", ""),
        ("sightings", {"workers": ()}, "unknown", "No sensor is running", ""),
        ("sightings", {"settings": SensorSettings(sightings=False)}, "ok", "as the settings say", ""),
        ("dns_seen", {"counters": {"clients_without_dns": 400}}, "warn", "80 %", "resolver"),
        ("dns_seen", {"counters": {"clients": 3}}, "unknown", "Too few clients", ""),
        ("blind", {"counters": {"flows_vpn": 9_900}}, "warn", "20 %", "ECH"),
        ("blind", {"counters": {"flows": 3}}, "unknown", "Too few flows", ""),
    ],
)
def test_each_trouble_is_said_with_its_mend(
    check: str, changes: dict[str, Any], severity: str, says: str, mend: str
) -> None:
    found = findings(**changes)[check]
    assert found.severity == severity
    assert says in found.sentence
    assert mend in found.mend
    assert bool(found.mend) == (severity in ("warn", "fail"))


def test_every_check_can_say_something_of_nothing() -> None:
    for finding in SENSOR.examine(Vitals(SensorSettings())):
        assert finding.sentence


def test_the_facts_of_this_machine(tmp_path: Path) -> None:
    settings = SensorSettings(spool=tmp_path / "not" / "there", interface="lo")
    write_status_at = tmp_path / "spool"
    vitals = measure(settings)
    assert vitals.card is not None
    assert vitals.card.link_header == 14
    assert vitals.spool_writable
    assert vitals.memory_mib is None or vitals.memory_mib > 10
    assert measure(settings, "nonesuch0").card is None
    write_status_at.mkdir()
    write_status(write_status_at, dataclasses.replace(STATUS, time=time.time()))
    there = measure(SensorSettings(spool=write_status_at))
    assert there.counters == WELL


def test_a_check_is_registered_once_and_the_worst_counts() -> None:
    registry: Registry[int] = Registry()

    @registry.check("size", "Size")
    def _size(n: int) -> Verdict:
        return by_share(n, 100, warn=0.1, fail=0.5, what="of it is gone", mend="Look for it.") if n else fine("All.")

    with pytest.raises(ValueError, match="size"):
        registry.check("size", "Again")(_size)
    assert [worst(registry.examine(n)) for n in (0, 5, 10, 50)] == ["ok", "ok", "warn", "fail"]
    assert registry.examine(10)[0].sentence == "10 % of it is gone."
    assert worst([]) == "ok"
    assert worst([Finding("a", "A", Severity.UNKNOWN, ".", "", "")]) == "ok"


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0 %"), (0.00001, "< 0.01 %"), (0.0012, "0.12 %"), (0.5, "50 %"), (1, "100 %")]
)
def test_shares_for_people(share: float, text: str) -> None:
    assert percent(share) == text


def test_counters_of_the_last_minutes() -> None:
    recent = Recent()
    for second in range(0, 2000, 5):
        since, counted = recent.add(second, {"packets": second * 10})
    assert 1995 - RECENT_S - 5 <= since <= 1995 - RECENT_S
    assert counted == {"packets": (1995 - since) * 10}


def test_workers_tell_their_state_until_they_end(tmp_path: Path) -> None:
    two = dataclasses.replace(STATUS, worker="eth1-1", time=1700.0)
    for status in (STATUS, two):
        write_status(tmp_path, status)
    (tmp_path / "worker-broken.status").write_text("{")
    assert read_statuses(tmp_path, 1650) == (STATUS, two)
    assert read_statuses(tmp_path, 1600 + STALE_S + 30) == (two,)
    assert total((STATUS, two))["packets"] == 2_000_000
    assert read_statuses(tmp_path / "nowhere", 0) == ()


def frame(client: str, mac: int, vlans: tuple[int, ...] = ()) -> bytes:
    far = "203.0.113.7" if "." in client else "2001:db8::7"
    made = ethernet(tcp(client, 50000, far, 443), vlans)
    return made[:6] + mac.to_bytes(6, "big") + made[12:]


def test_a_routed_mirror_shows_all_clients_behind_one_mac() -> None:
    own, routed = MirrorLook(PRIVATE), MirrorLook([*PRIVATE, ipaddress.ip_network("198.51.100.0/24")])
    for n in range(1, 101):
        client = f"10.20.0.{n}" if n % 2 else f"fd00::{n}"
        own.frame(frame(client, n, (10,) if n % 3 else ()))
        routed.frame(frame(client, 77, (10, 20)))
        routed.frame(frame("203.0.113.9", n))
        routed.frame(frame("198.51.100.5", 5))
    assert own.clients() == (100, 1)
    assert routed.clients() == (101, 100)
    for n in range(3 * CLIENTS):
        own.frame(frame(str(ipaddress.ip_address(0x0A000000 + n)), n))
    assert own.clients()[0] == CLIENTS
    for data in (b"", b"\x81\x00" * 40, frame("10.0.0.1", 1)[:20]):
        own.frame(data)


def test_a_look_at_a_block_stays_inside_it() -> None:
    """Two frames of a ring's block, the second one cut off."""
    look, block, at = MirrorLook(PRIVATE), bytearray(512), 48
    for client in ("10.20.0.1", "10.20.0.2"):
        data = frame(client, 9)
        block[at : at + 4] = (128).to_bytes(4, "little")
        block[at + 24 : at + 26] = (64).to_bytes(2, "little")
        block[at + 64 : at + 64 + len(data)] = data
        at += 128
    state = walk.new_state()
    state[walk.LINK], state[walk.LEFT] = 1, 5
    look.look(np.frombuffer(block, np.uint8), 48, 512, state)
    assert look.clients() == (2, 2)


def test_drops_of_the_card_are_read_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    devices = tmp_path / "dev"
    devices.write_text(
        "Inter-|   Receive                                                |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls\n"
        "  eth1: 500 7 1 20 3 0 0 0 9 9 9 9 9 9 9 9\n"
        "eth1.5:1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
    )
    monkeypatch.setattr(interface, "DEVICES", devices)
    assert [interface.dropped(name) for name in ("eth1", "eth1.5", "eth")] == [23, 9, None]
