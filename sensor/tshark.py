"""A second opinion on a capture: what tshark (Wireshark) reads in it, through pyshark.

`read_opinion` asks tshark for one flow's packets and for DNS answers that lead to its server; `read_names` for all
names of a capture, by flow. `compare` sets an opinion beside our own reading of the flow. Nothing of a payload is
kept, and of a request only its host.

pyshark 0.6 sets up asyncio in a way that Python 3.12 warns of and 3.14 no longer has; a loop of our own, handed to it,
goes round that. It kills tshark as soon as that has said all, a race with tshark's own end, and takes any exit status
but 0 for a crash, while tshark ends with 2 where a capture is cut short; `_packets` mends both. pyshark is imported
when it is needed: that is slow.
"""

from __future__ import annotations

import asyncio
import shutil
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sensor.choose import Flow
from sensor.explain import FlowReading
from sensor.words import Evidence

MEND = "install it (Debian, Ubuntu: sudo apt-get install tshark), or go without it: --no-tshark"
_PREFERENCES = {
    "tcp.reassemble_out_of_order": "TRUE",
    "tcp.desegment_tcp_streams": "TRUE",
    "tls.desegment_ssl_records": "TRUE",
    "tls.desegment_ssl_application_data": "TRUE",
    "ip.defragment": "TRUE",
}
_SAYS_A_NAME = (
    "(tls.handshake.extensions_server_name or dtls.handshake.extensions_server_name or gquic.tag.sni or http.request)"
)
_NAME_FIELDS = (
    ("quic", "tls.handshake.extensions_server_name", Evidence.QUIC_SNI),
    ("gquic", "gquic.tag.sni", Evidence.QUIC_SNI),
    ("quic", "gquic.tag.sni", Evidence.QUIC_SNI),
    ("tls", "tls.handshake.extensions_server_name", Evidence.SNI),
    ("dtls", "dtls.handshake.extensions_server_name", Evidence.SNI),
    ("dtls", "tls.handshake.extensions_server_name", Evidence.SNI),
    ("http", "http.host", Evidence.HTTP_HOST),
)
_ECH = ("65037", "65486")
Ends = tuple[str, int, str, int]


class TsharkError(ValueError):
    """tshark cannot be asked; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class SeenName:
    """A name that tshark read in a frame, and out of what."""

    frame: int
    name: str
    evidence: Evidence


@dataclass(slots=True)
class Opinion:
    """What tshark reads of a flow. `protocols`: by frame, the innermost layers' names."""

    version: str
    protocols: dict[int, str] = field(default_factory=dict)
    names: list[SeenName] = field(default_factory=list)
    told: list[SeenName] = field(default_factory=list)  # over DNS
    ech: bool = False
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether both read the same, and a sentence for people."""

    agree: bool
    sentence: str


def tshark_version() -> str:
    """The version of the tshark that is installed. Raises TsharkError if there is none."""
    if shutil.which("tshark") is None:
        raise TsharkError(f"tshark is not installed; {MEND}")
    from pyshark.tshark.tshark import get_tshark_version

    return str(get_tshark_version())


def read_opinion(path: Path, reading: FlowReading) -> Opinion:
    """Ask tshark for the packets that we took for the flow's, and for DNS answers that lead to its server."""
    opinion = Opinion(tshark_version())
    flow, last = reading.flow, reading.steps[-1].frame if reading.steps else reading.last_frame
    own = f"{_between(flow)} and frame.number >= {reading.first_frame} and frame.number <= {reading.last_frame}"
    if last < reading.last_frame:
        own += f" and (frame.number <= {last} or {_SAYS_A_NAME})"
    ip, kind = ("ipv6", "aaaa") if ":" in flow["server"] else ("ip", "a")
    client = "ipv6.dst" if ":" in flow["client"] else "ip.dst"
    dns = f"(dns.flags.response == 1 and {client} == {flow['client']} and dns.{kind} == {flow['server']})"
    for packet in _packets(path, f"({own}) or {dns}", opinion):
        frame = int(packet.number)
        if _is_between(packet, flow, ip):
            names = list(_names(packet))
            opinion.names += [SeenName(frame, name, evidence) for name, evidence in names]
            opinion.protocols[frame] = _protocol(packet)
            opinion.ech = opinion.ech or any(value in _ECH for value in _values(packet, "tls.handshake.extension.type"))
        else:
            asked = dict.fromkeys(_plain(name) for name in _values(packet, "dns.qry.name"))
            opinion.told += [SeenName(frame, name, Evidence.DNS) for name in asked]
    return opinion


def read_names(path: Path) -> dict[Ends, set[tuple[str, Evidence]]]:
    """Every name of a capture by client, client port, server and server port, as tshark reads them."""
    opinion, found = Opinion(tshark_version()), defaultdict(set)
    for packet in _packets(path, f"{_SAYS_A_NAME} and not icmp and not icmpv6", opinion):
        for name in _names(packet):
            found[_ends(packet)].add(name)
    return found


def compare(reading: FlowReading, opinion: Opinion) -> Verdict:
    """Do both give the flow the same name, out of the same evidence?"""
    flow, version = reading.flow, f"tshark {opinion.version}"
    ours = _plain(flow["name"] or "")
    if flow["evidence"] == Evidence.DNS:
        theirs = {seen.name for seen in opinion.names}
        if theirs - set(reading.names):
            return Verdict(False, f"They differ: we took the name {ours} from DNS, {version} reads {_listed(theirs)}.")
        told = {seen.name for seen in opinion.told}
        if theirs and ours in told:
            hides = f"Both agree: the hello names {_listed(theirs)}, which hides another name"
            return Verdict(True, f"{hides}, and DNS gave this client {ours} before it.")
        if ours in told:
            return Verdict(True, f"Both agree: no name in the flow itself, and DNS gave this client {ours} before it.")
        return Verdict(False, f"They differ: {version} does not see the DNS answer for {ours}.")
    same = {seen.name for seen in opinion.names if seen.evidence == flow["evidence"]}
    if not ours:
        theirs = {seen.name for seen in opinion.names}
        if not theirs:
            return Verdict(True, f"Both agree: neither we nor {version} read a name in this flow.")
        return Verdict(False, f"They differ: {version} reads {_listed(theirs)}, we read no name.")
    if ours in same:
        return Verdict(True, f"Both agree: {ours}, by {flow['evidence']}.")
    theirs = {seen.name for seen in opinion.names}
    other = f"reads {_listed(theirs)}" if theirs else "reads no name"
    return Verdict(False, f"They differ: we read {ours} by {flow['evidence']}, {version} {other}.{_why(reading)}")


def _why(reading: FlowReading) -> str:
    """What is known to lead tshark astray, if it is there."""
    words = " ".join(word for step in reading.steps for word in step.carried)
    if "version Q050" in words or "version T05" in words:
        return " Wireshark 4.0 does not open encrypted Google QUIC."
    if "padding inside the IP length" in words:
        return " Wireshark 4.0 takes padding inside the IP length for data, which spoils its reassembly."
    return ""


def _listed(names: set[str]) -> str:
    return " and ".join(sorted(names))


# -- pyshark ----------------------------------------------------------------------------------------------------------


def _packets(path: Path, display_filter: str, opinion: Opinion) -> Iterator[Any]:
    """Dissected packets; if tshark ends badly, `opinion.remark` says so."""
    import pyshark

    class Capture(pyshark.FileCapture):  # type: ignore[misc]
        """A capture that lets tshark end by itself, and that is closed here and nowhere else."""

        async def _cleanup_subprocess(self, process: Any) -> None:
            if not self._eof_reached:
                with suppress(ProcessLookupError):
                    process.kill()
            elif await process.wait():
                opinion.remark = "tshark could not read the capture to its end"
            await process.wait()

        def __del__(self) -> None:
            pass

    with (
        closing(asyncio.new_event_loop()) as loop,
        Capture(
            str(path), display_filter=display_filter, keep_packets=False, eventloop=loop, override_prefs=_PREFERENCES
        ) as capture,
    ):
        yield from capture


def _between(flow: Flow) -> str:
    """A display filter for a flow's packets, both directions; packets quoted in ICMP errors are no packets of it."""
    ip, port = "ipv6" if ":" in flow["client"] else "ip", "tcp" if flow["transport"] == "tcp" else "udp"
    there = (
        f"{ip}.src == {flow['client']} and {ip}.dst == {flow['server']} and "
        f"{port}.srcport == {flow['client_port']} and {port}.dstport == {flow['server_port']}"
    )
    back = (
        f"{ip}.dst == {flow['client']} and {ip}.src == {flow['server']} and "
        f"{port}.dstport == {flow['client_port']} and {port}.srcport == {flow['server_port']}"
    )
    return f"(({there}) or ({back})) and not icmp and not icmpv6"


def _is_between(packet: Any, flow: Flow, ip: str) -> bool:
    """Whether the packet is the flow's own: a DNS answer that was asked for as well has other ports."""
    port = flow["transport"]
    ports = {*_values(packet, f"{port}.srcport"), *_values(packet, f"{port}.dstport")}
    addresses = {*_values(packet, f"{ip}.src"), *_values(packet, f"{ip}.dst")}
    return {str(flow["client_port"]), str(flow["server_port"])} <= ports and flow["server"] in addresses


def _ends(packet: Any) -> Ends:
    """Addresses and ports of the innermost transport."""
    source = target = ""
    for layer in packet.layers:
        if layer.layer_name in ("ip", "ipv6"):
            source, target = (_first(layer, f"{layer.layer_name}.{end}") for end in ("src", "dst"))
        elif layer.layer_name in ("tcp", "udp"):
            ports = [int(_first(layer, f"{layer.layer_name}.{end}")) for end in ("srcport", "dstport")]
    return source, ports[0], target, ports[1]


def _names(packet: Any) -> Iterator[tuple[str, Evidence]]:
    for layer in packet.layers:
        for layer_name, field_name, evidence in _NAME_FIELDS:
            if layer.layer_name == layer_name:
                for name in _of_layer(layer, field_name):
                    yield (_without_port(name) if evidence is Evidence.HTTP_HOST else _plain(name)), evidence


def _protocol(packet: Any) -> str:
    """The names of the layers above the transport, or the transport's own."""
    layers = [layer.layer_name for layer in packet.layers]
    below = max((n for n, name in enumerate(layers) if name in ("tcp", "udp")), default=0)
    return "+".join(dict.fromkeys(layers[below + 1 :])) or layers[below]


def _values(packet: Any, name: str) -> list[str]:
    return [value for layer in packet.layers for value in _of_layer(layer, name)]


def _of_layer(layer: Any, name: str) -> list[str]:
    found = layer.get_field(name)
    return [str(one.show) for one in found.all_fields] if found is not None else []


def _first(layer: Any, name: str) -> str:
    return next(iter(_of_layer(layer, name)), "0")


def _plain(name: str) -> str:
    return name.lower().rstrip(".")


def _without_port(host: str) -> str:
    host = _plain(host.strip())
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if host.count(":") == 1 else host
