"""The sensor's health checks: each a pure function over `sensor.vitals.Vitals`.

What is counted is judged over the last minutes. Where there is too little to judge by, the answer is unknown.
"""

from __future__ import annotations

from sensor.health import Registry, Severity, Verdict, by_share, fine, percent, unknown
from sensor.ring import capability_mend
from sensor.vitals import Vitals

ENOUGH_FLOWS, ENOUGH_SAMPLED, ENOUGH_BYTES, ENOUGH_CLIENTS = 1_000, 20, 1_000_000, 20
HIDING = ("flows_ech", "flows_dot", "flows_doq", "flows_doh", "flows_vpn")
_MIB = 1 << 20
_NOT_RUNNING = "No sensor is running, so this is not measured."

SENSOR: Registry[Vitals] = Registry()


@SENSOR.check("interface", "Mirror port")
def _interface(v: Vitals) -> Verdict:
    if v.name is None:
        mend = "Set sensor.interface, or give --interface; `ip -br link` lists them."
        return Verdict(Severity.WARN, "No interface is set, so nothing can be watched live.", "", mend)
    if v.card is None:
        mend = "Plug it in or correct sensor.interface; `ip -br link` lists all."
        return Verdict(Severity.FAIL, f"There is no interface {v.name}.", "missing", mend)
    if v.card.link_header is None:
        return Verdict(
            Severity.FAIL, f"{v.name} carries no Ethernet.", str(v.card.hardware), "Choose another interface."
        )
    if not v.card.up:
        return Verdict(Severity.FAIL, f"{v.name} is down.", "down", f"ip link set dev {v.name} up")
    if not v.card.carrier:
        return Verdict(
            Severity.FAIL, f"Nothing is connected to {v.name}.", "no carrier", "Check cable and mirror port."
        )
    return fine(f"{v.name} is up.", "up")


@SENSOR.check("capability", "Right to capture")
def _capability(v: Vitals) -> Verdict:
    if v.may_capture:
        return fine("This user may read packets.", "CAP_NET_RAW")
    if v.workers:
        return fine("This user may not read packets, but a sensor that runs may.", "CAP_NET_RAW")
    mend = capability_mend()
    return Verdict(Severity.FAIL, "This user may not read packets: CAP_NET_RAW is missing.", "missing", mend)


@SENSOR.check("promiscuous", "Promiscuous mode")
def _is_promiscuous(v: Vitals) -> Verdict:
    if v.promiscuous is None:
        return unknown("The system does not say whether the interface takes frames that are not for it.")
    if v.promiscuous:
        return fine("The interface takes frames that are not for it.", "on")
    if v.workers:
        mend = f"ip link set dev {v.name} promisc on"
        return Verdict(Severity.FAIL, "A sensor runs, yet the interface takes only frames for itself.", "off", mend)
    return fine("Off; the sensor turns it on while it runs.", "off")


@SENSOR.check("offloads", "Packets as they were on the wire")
def _offloads(v: Vitals) -> Verdict:
    if v.offloads is None or (v.offloads.gro, v.offloads.lro) == (None, None):
        return unknown("The interface does not say what it does to packets.")
    merging = [word for word, on in (("lro", v.offloads.lro), ("gro", v.offloads.gro)) if on]
    tags = "; VLAN tags come beside the frame" if v.offloads.strips_vlan else ""
    if not merging:
        return fine(f"The interface leaves packets alone{tags}.", "off")
    off = " ".join(f"{word} off" for word in merging)
    sentence = f"The interface merges packets: bytes are right, numbers of packets too low{tags}."
    return Verdict(Severity.WARN, sentence, " ".join(merging), f"ethtool -K {v.name} {off}")


@SENSOR.check("ring_memory", "Memory for the ring")
def _ring_memory(v: Vitals) -> Verdict:
    wanted = v.settings.ring_mib * v.settings.workers
    if v.memory_mib is None:
        return unknown("The system does not say how much memory is free.")
    value = f"{wanted} of {v.memory_mib} MiB"
    if v.workers or wanted <= v.memory_mib // 4:
        return fine(f"The rings take {wanted} MiB; {v.memory_mib} MiB are free.", value)
    severity = Severity.FAIL if wanted > v.memory_mib else Severity.WARN
    mend = "Lower sensor.ring_mib or sensor.workers."
    return Verdict(severity, f"The rings take {wanted} MiB of {v.memory_mib} MiB that are free.", value, mend)


@SENSOR.check("spool", "Spool")
def _spool(v: Vitals) -> Verdict:
    folder, cap = v.settings.spool, v.settings.spool_cap_mib * _MIB
    value = f"{v.spool_bytes / _MIB:.1f} of {v.settings.spool_cap_mib} MiB"
    if not v.spool_writable:
        mend = f"Give it to the user that runs Schoolgate: chown schoolgate {folder}"
        return Verdict(Severity.FAIL, f"This user may not write to the spool {folder}.", value, mend)
    if v.spool_bytes >= 0.9 * cap:
        mend = "See why the store takes nothing; then raise sensor.spool_cap_mib if need be."
        return Verdict(Severity.FAIL, "The spool is full: its oldest files are dropped.", value, mend)
    if v.spool_bytes >= 0.5 * cap:
        return Verdict(Severity.WARN, "The spool is more than half full.", value, "See whether the store takes it.")
    if v.disk_free is not None and v.disk_free < cap - v.spool_bytes:
        mend = "Make room, or lower sensor.spool_cap_mib."
        return Verdict(Severity.WARN, "The spool's disk has less room than the spool may take.", value, mend)
    return fine(f"{value} wait for the store.", value)


@SENSOR.check("clock", "Clock")
def _clock(v: Vitals) -> Verdict:
    if v.clock_set is None:
        return unknown("The system does not say whether its clock is right.")
    if v.clock_set:
        return fine("The clock follows another one.", "synchronised")
    mend = "Turn time synchronisation on: timedatectl set-ntp true"
    return Verdict(Severity.WARN, "Nothing keeps the clock right, and minutes are compared with bells.", "free", mend)


@SENSOR.check("sensor", "Sensor")
def _sensor(v: Vitals) -> Verdict:
    if not v.workers:
        return unknown("No sensor has written to this spool in the last minute.")
    running, wanted = len(v.workers), v.settings.workers
    value = f"{running} of {wanted}"
    if running < wanted:
        return Verdict(Severity.FAIL, f"Only {value} sensor workers run.", value, "See the log of `schoolgate run`.")
    waiting = sorted({s.state for s in v.workers if not s.state.startswith("watching")})
    if waiting:
        return Verdict(Severity.FAIL, f"The sensor waits: {'; '.join(waiting)}.", value, "See the mirror port above.")
    packets = v.counters.get("packets", 0)
    seconds = max((s.time - s.since for s in v.workers), default=0.0)
    if not packets and seconds >= 60:
        mend = "Check the mirror session on the switch, and the cable."
        return Verdict(Severity.FAIL, "Not one packet has come in the last minutes.", value, mend)
    return fine(f"{packets} packets in the last {max(1, round(seconds / 60))} min.", value)


@SENSOR.check("ring_drops", "Dropped by the kernel")
def _ring_drops(v: Vitals) -> Verdict:
    drops, freezes = v.counters.get("ring_drops", 0), v.counters.get("ring_freezes", 0)
    if not v.workers:
        return unknown(_NOT_RUNNING)
    what = f"of all packets found the ring full ({drops} packets, {freezes} times)"
    mend = "Raise sensor.ring_mib, or sensor.workers if there are cores left."
    return by_share(drops, drops + v.counters.get("packets", 0), warn=1e-6, fail=0.01, what=what, mend=mend)


@SENSOR.check("nic_drops", "Dropped by the card")
def _nic_drops(v: Vitals) -> Verdict:
    drops = v.counters.get("nic_drops", 0)
    if not v.workers:
        return unknown(_NOT_RUNNING)
    mend = f"Give the card more room (ethtool -G {v.name} rx 4096), and its interrupts a core of their own."
    what = f"of all packets were dropped by the card or its driver ({drops} packets)"
    return by_share(drops, drops + v.counters.get("packets", 0), warn=1e-6, fail=0.01, what=what, mend=mend)


@SENSOR.check("upstream_loss", "Lost before us")
def _upstream(v: Vitals) -> Verdict:
    lost, checked = v.counters.get("gap_bytes", 0), v.counters.get("gap_checked_bytes", 0)
    if checked < ENOUGH_BYTES:
        return unknown("Too little TCP traffic to tell what was lost before us.")
    mend = "The switch drops what its mirror port cannot carry: mirror fewer ports or VLANs, or use a faster port."
    what = "of TCP's bytes were acknowledged and never seen here"
    return by_share(lost, checked, warn=0.001, fail=0.03, what=what, mend=mend)


@SENSOR.check("one_sided", "Both directions")
def _one_sided(v: Vitals) -> Verdict:
    one, flows = v.counters.get("tcp_one_way", 0), v.counters.get("tcp_sampled", 0)
    if flows < ENOUGH_SAMPLED:
        return unknown("Too few TCP flows to tell whether the mirror shows both directions.")
    mend = "Mirror both directions (rx and tx) of the link to the gateway."
    return by_share(one, flows, warn=0.05, fail=0.5, what="of TCP flows are seen in one direction only", mend=mend)


@SENSOR.check("routed", "Place of the mirror")
def _routed(v: Vitals) -> Verdict:
    seen = sum(s.clients_seen for s in v.workers)
    behind = sum(s.clients_of_one_mac for s in v.workers)
    if seen < ENOUGH_CLIENTS:
        return unknown("Too few clients to tell whether the mirror lies behind a router.")
    value = percent(behind / seen)
    if behind >= 0.9 * seen:
        return fine("The mirror lies behind a router: clients are known by their addresses, not MACs.", value)
    return fine("The mirror lies where each client still has its own MAC address.", value)


@SENSOR.check("sightings", "ARP, NDP and DHCP")
def _sightings(v: Vitals) -> Verdict:
    told, dropped = v.counters.get("sightings", 0), v.counters.get("sightings_dropped", 0)
    if not v.settings.sightings:
        return fine("Not noted, as the settings say.", "off")
    if not v.workers:
        return unknown(_NOT_RUNNING)
    if not told + dropped:
        return fine("The mirror shows none: addresses are known by other feeds alone.", "0")
    mend = "A storm, or somebody who claims what is not his: find the port on the switch that it comes from."
    what = f"of what they said of staff's addresses was dropped ({dropped})"
    return by_share(dropped, dropped + told, warn=0.01, fail=1.1, what=what, mend=mend)


@SENSOR.check("dns_seen", "Clients' DNS")
def _dns_seen(v: Vitals) -> Verdict:
    without, clients = v.counters.get("clients_without_dns"), v.counters.get("clients")
    if without is None or clients is None or clients < ENOUGH_CLIENTS:
        return unknown("Too few clients to tell whether the mirror shows their DNS.")
    mend = "Mirror the link between clients and the school's resolver too; until then DNS names nothing."
    return by_share(without, clients, warn=0.2, fail=1.1, what="of clients are not seen to ask for names", mend=mend)


@SENSOR.check("blind", "Hidden names")
def _blind(v: Vitals) -> Verdict:
    blind, flows = sum(v.counters.get(name, 0) for name in HIDING), v.counters.get("flows", 0)
    if flows < ENOUGH_FLOWS:
        return unknown("Too few flows to tell how many names are hidden.")
    mend = "Turn ECH, DNS over HTTPS and VPNs off on the school's devices: README, What it cannot see."
    return by_share(blind, flows, warn=0.15, fail=1.1, what="of flows hide names (ECH, encrypted DNS, VPN)", mend=mend)
