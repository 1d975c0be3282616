"""How well edits are found when the capture is worse than the recording.

    python -m tests.wiki_robustness [DIR] [--only "1 % dropped;merged frames"] [--every 1]

DIR holds recorded sessions with truth (pipeline.wiki.trial); without it, `wikiedit` in the folder that
SCHOOLGATE_CAPTURES names. Every session is written anew as a mirror port could have shown it, and judged with the
frozen constants. A capture that starts mid-way is scored on the saves and page views after its start; the names of the
connections that it shows are unknown unless the client asks for them again, which the recordings lack (no DNS), so a
second row has an answer of DNS put in.
"""

from __future__ import annotations

import argparse
import gzip
import os
import random
import tempfile
from bisect import insort
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import dpkt

from pipeline.profile import load_profile
from pipeline.wiki.constants import shipped
from pipeline.wiki.detector import EditAlarm, Thresholds
from pipeline.wiki.trial import Session, page_view_times, read_sessions, results, wilson
from tests.wiki_folds import judge, record

Packet = tuple[float, bytes]
LARGEST = 60_000  # of a merged frame
MERGE_S = 0.001
TEXT_HOST = bytes([10, 99, 0, 10])


def read_packets(path: Path) -> list[Packet]:
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        return [(time, bytes(frame)) for time, frame in dpkt.pcap.Reader(file)]


def write_packets(path: Path, packets: Iterable[Packet]) -> None:
    with path.open("wb") as file:
        writer = dpkt.pcap.Writer(file, snaplen=1 << 17)
        for time, frame in packets:
            writer.writepkt(frame, ts=time)


def drop(share: float) -> Callable[[list[Packet], random.Random], list[Packet]]:
    """The mirror port loses packets; the two ends do not."""
    return lambda packets, rng: [packet for packet in packets if rng.random() >= share]


def reorder(packets: list[Packet], rng: random.Random) -> list[Packet]:
    """One packet of 20 is overtaken by up to three others; times are those of arrival."""
    placed: list[tuple[float, int]] = []
    for n in range(len(packets)):
        insort(placed, (n + (rng.uniform(1, 3.5) if rng.random() < 0.05 else 0), n))
    return [(packets[at][0], packets[n][1]) for at, (_, n) in enumerate(placed)]


def twice(packets: list[Packet], rng: random.Random) -> list[Packet]:
    """One packet of 50 comes again a round trip later, as a retransmission does."""
    again = [(time + rng.uniform(0.02, 0.3), frame) for time, frame in packets if rng.random() < 0.02]
    return sorted(packets + again, key=_time)


def towards_server(packets: list[Packet], rng: random.Random) -> list[Packet]:
    return [packet for packet in packets if (ports := _ports(packet[1])) and ports[1] in (80, 443)]


def towards_client(packets: list[Packet], rng: random.Random) -> list[Packet]:
    return [packet for packet in packets if (ports := _ports(packet[1])) and ports[0] in (80, 443)]


def merge(packets: list[Packet], rng: random.Random) -> list[Packet]:
    """Segments of one direction that follow each other are one frame, as a card's receive offload makes them."""
    merged: list[tuple[float, dpkt.ethernet.Ethernet]] = []
    last: dict[tuple[bytes, bytes, int, int], int] = {}
    for time, frame in packets:
        ethernet = dpkt.ethernet.Ethernet(frame)
        ip = ethernet.data
        tcp = ip.data if isinstance(ip, dpkt.ip.IP) else None
        if not isinstance(tcp, dpkt.tcp.TCP):
            merged.append((time, ethernet))
            continue
        flow = (ip.src, ip.dst, tcp.sport, tcp.dport)
        at = last.get(flow)
        if at is not None and tcp.data and not tcp.flags & (dpkt.tcp.TH_SYN | dpkt.tcp.TH_FIN | dpkt.tcp.TH_RST):
            began, before = merged[at]
            other = before.data.data
            fits = (other.seq + len(other.data)) & 0xFFFFFFFF == tcp.seq and len(other.data) + len(tcp.data) <= LARGEST
            if other.data and fits and time - began <= MERGE_S:
                other.data = other.data + tcp.data
                before.data.len = 20 + len(other)
                continue
        last[flow] = len(merged)
        merged.append((time, ethernet))
    return [(time, bytes(frame)) for time, frame in merged]


def from_midway(packets: list[Packet], rng: random.Random) -> list[Packet]:
    first, end = packets[0][0], packets[-1][0]
    return [packet for packet in packets if packet[0] >= first + MIDWAY * (end - first)]


MIDWAY = 0.4


def from_midway_with_dns(packets: list[Packet], rng: random.Random) -> list[Packet]:
    kept = from_midway(packets, rng)
    return [_answer(kept[0][0], *pair) for pair in sorted(_pairs(kept))] + kept


def _pairs(packets: Iterable[Packet]) -> set[tuple[bytes, bytes]]:
    """Clients and the text hosts' address."""
    found = set()
    for _, frame in packets:
        ports, ip = _ports(frame), dpkt.ethernet.Ethernet(frame).data
        if ports and ports[1] == 443 and ip.dst == TEXT_HOST:
            found.add((ip.src, ip.dst))
    return found


def _answer(time: float, client: bytes, server: bytes) -> Packet:
    question = dpkt.dns.DNS.Q(name="en.wikipedia.org", type=dpkt.dns.DNS_A)
    answer = dpkt.dns.DNS.RR(name="en.wikipedia.org", type=dpkt.dns.DNS_A, ttl=600, rdata=server, ip=server)
    message = bytes(dpkt.dns.DNS(id=1, op=0x8180, qd=[question], an=[answer]))
    datagram = dpkt.udp.UDP(sport=53, dport=40000, ulen=8 + len(message), data=message)
    packet = dpkt.ip.IP(src=bytes([*client[:3], 1]), dst=client, p=17, len=28 + len(message), data=datagram)
    return time, bytes(dpkt.ethernet.Ethernet(data=bytes(packet)))


CHANGES: dict[str, Callable[[list[Packet], random.Random], list[Packet]]] = {
    "as recorded": lambda packets, rng: packets,
    "1 % dropped": drop(0.01),
    "3 % dropped": drop(0.03),
    "reordered": reorder,
    "retransmitted": twice,
    "merged frames": merge,
    "from mid-way": from_midway,
    "from mid-way, DNS seen": from_midway_with_dns,
    "to server only": towards_server,
    "to client only": towards_client,
}


def changed(session: Session, views: list[float], packets: list[Packet], name: str) -> Session:
    """The session's truth for what the changed capture covers."""
    if not name.startswith("from mid-way") or not packets:
        return session
    start = packets[0][0]
    saves = tuple(save for save in session.saves if save.time >= start + 1)
    return replace(session, saves=saves, views=sum(time >= start for time in views))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--only", default=";".join(CHANGES))
    parser.add_argument("--every", type=int, default=1, help="judge every n-th session")
    args = parser.parse_args()
    folder = args.folder or Path(os.environ["SCHOOLGATE_CAPTURES"]) / "wikiedit"
    sessions = dict(list(read_sessions(folder).items())[:: args.every])
    views = page_view_times(folder)
    edits = load_profile("cwmbran").edits
    thresholds = Thresholds(edits.possible, edits.likely)
    print("| capture | browser saves found | programs | rollback | false, likely | false, possible | views |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "changed.pcap"
        for name in args.only.split(";"):
            alarms: list[tuple[str, EditAlarm]] = []
            truth: list[Session] = []
            for sid, session in sessions.items():
                packets = CHANGES[name](read_packets(folder / f"{sid}.pcap.gz"), random.Random(sid))
                write_packets(path, packets)
                truth.append(changed(session, views[sid], packets, name))
                alarms += [(sid, alarm) for alarm in judge(record(path), shipped(), thresholds)]
            found = results(truth, alarms)
            likely, possible = found["likely"], found["possible"]
            low, high = wilson(*likely.kinds["browser"])
            kinds = " | ".join("/".join(map(str, likely.kinds.get(kind, (0, 0)))) for kind in ("api", "rollback"))
            browser = "/".join(map(str, likely.kinds["browser"]))
            print(
                f"| {name} | {browser} ({low:.0%}-{high:.0%}) | {kinds} | {len(likely.false)} | "
                f"{len(possible.false)} | {likely.views} |",
                flush=True,
            )


def _ports(frame: bytes) -> tuple[int, int] | None:
    ip = dpkt.ethernet.Ethernet(frame).data
    tcp = ip.data if isinstance(ip, dpkt.ip.IP) else None
    return (tcp.sport, tcp.dport) if isinstance(tcp, dpkt.tcp.TCP) else None


def _time(packet: Packet) -> float:
    return packet[0]


if __name__ == "__main__":
    main()
