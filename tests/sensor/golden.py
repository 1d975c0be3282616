"""How right the sensor is on real captures: its flows and DNS answers held against what other readers agreed on.

`captures_folder` is where SCHOOLGATE_CAPTURES points; it holds captures and, beside them, what is true of them, one
JSON object a line: `truth_sni.jsonl` (a flow and its server name; `trust` "high" has two independent sources),
`truth_nosni.jsonl` (a ClientHello without a name), `truth_dns.jsonl` (a response and its answers) and
`truth_http.jsonl` (a cleartext request and its host). `measure` reads every capture and gives a `Golden`: one `Case`
a thing that should have been read, and what was read wrongly. Captures that no row speaks of are read too: no bytes
may end the reading.

A name counts once for each flow, an answer once for each response, a host once for each flow. Case, a final dot and
the port in a Host header are no difference. A case belongs to several classes: how it was sent, through which
tunnel, whether with ECH.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from sensor.capture import CaptureError
from sensor.catalogue import Catalogue, load_catalogue
from sensor.classify import FileReport, classify_file

TRUTHS = ("truth_sni.jsonl", "truth_nosni.jsonl", "truth_dns.jsonl", "truth_http.jsonl")
CAPTURES = (".pcap", ".pcapng", ".cap", ".gz")
LINKS = ("sll", "raw", "null", "ppp", "loop")  # what the truth lists beside tunnels, and is none
HELLO = ("sni", "quic_sni")
CLIENT_BYTES = (*HELLO, "http_host")
PRIVATE_QUIC = {"0x51303530": "gQUIC Q050", "0x54303530": "QUIC T050", "0x54303531": "QUIC T051"}

Row = Mapping[str, Any]
Ends = tuple[str, int, str, int]


class What(StrEnum):
    """What a case is about."""

    NAME = "server name"
    ANSWER = "DNS answer"
    HOST = "HTTP host"


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that other readers read in a capture, and whether we did."""

    what: What
    file: str
    classes: tuple[str, ...]
    right: bool
    about: str


@dataclass(slots=True)
class Golden:
    """All cases; names that are wrong; captures that ended with anything but a report or a refusal."""

    cases: list[Case] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def share(self, what: What) -> float:
        """The share of right cases, 0 to 1; nothing to read is nothing right."""
        cases = [case.right for case in self.cases if case.what is what]
        return sum(cases) / len(cases) if cases else 0.0

    def missed(self, what: What) -> list[str]:
        return [f"{case.file}: {case.about}" for case in self.cases if case.what is what and not case.right]


def captures_folder() -> Path | None:
    """The folder that SCHOOLGATE_CAPTURES names, if it has a truth in it."""
    named = os.environ.get("SCHOOLGATE_CAPTURES")
    return Path(named) if named and (Path(named) / TRUTHS[0]).exists() else None


def rows(folder: Path, name: str) -> list[Row]:
    path = folder / name
    if not path.exists():
        return []
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def measure(folder: Path) -> Golden:
    """Read every capture of the folder, and compare with the truth."""
    golden, catalogue = Golden(), load_catalogue()
    truth: dict[str, dict[str, list[Row]]] = defaultdict(lambda: {name: [] for name in TRUTHS})
    for name in TRUTHS:
        for row in rows(folder, name):
            truth[row["file"]][name].append(row)
    others = (str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix in CAPTURES)
    for file in sorted({*truth, *others}):
        report = _read(folder / file, catalogue, golden)
        sni, nosni, dns, http = (truth[file][name] for name in TRUTHS)
        golden.cases += compare_names(file, report.flows, sni, nosni, golden.wrong)
        golden.cases += compare_answers(file, report.answers, dns)
        golden.cases += compare_hosts(file, report.flows, http)
    return golden


def _read(path: Path, catalogue: Catalogue, golden: Golden) -> FileReport:
    try:
        return classify_file(path, catalogue)
    except CaptureError:
        return FileReport()  # refused by name
    except Exception as error:
        golden.broken.append(f"{path}: {error!r}")
        return FileReport()


# -- comparing ------------------------------------------------------------------------------------------------------


def compare_names(
    file: str, flows: Iterable[Row], sni: Iterable[Row], nosni: Iterable[Row], wrong: list[str]
) -> Iterator[Case]:
    """Names out of hellos. `wrong` gets those that no reader saw, and those of hellos that carry none."""
    read, known, others = defaultdict(set), defaultdict(set), set()
    for flow in flows:
        if flow["evidence"] in HELLO:
            read[ends_of_flow(flow)].add(plain(flow["name"]))
    first: dict[tuple[Ends, str], Row] = {}
    for row in sni:
        name = plain(row["sni"] or "")
        if row["trust"] == "high":
            known[ends(row)].add(name)
            first.setdefault((ends(row), name), row)
        else:
            others.add((ends(row), name))
    for (flow_ends, name), row in first.items():
        yield Case(What.NAME, file, classes(row), name in read[flow_ends], f"{shown(flow_ends)} {name}")
    nameless = {ends(row) for row in nosni} - set(known)
    for flow_ends in [*known, *nameless]:
        for name in sorted(read[flow_ends] - known[flow_ends]):
            if (flow_ends, name) not in others:
                wrong.append(f"{file}: {shown(flow_ends)} {name}, not {sorted(known[flow_ends]) or 'any name'}")


def compare_answers(file: str, answers: Iterable[Row], truth: Iterable[Row]) -> Iterator[Case]:
    """DNS answers, each with the client and the resolver. A response without a question is compared by its answers."""
    read: set[tuple[str, ...]] = set()
    for response in answers:
        pair = address(response["client"]), address(response["server"])
        for record in response["answers"]:
            told = (*pair, dns_name(record["name"]), record["type"], dns_data(record["data"]))
            read.add(told)
            read.add((*told, dns_name(response["qname"] or "")))
    for row in truth:
        way = {"mdns": "mDNS", "llmnr": "LLMNR"}.get(row["proto"], f"DNS over {row['transport'].upper()}")
        for record in row["answers"]:
            told = (
                address(row["client"]),
                address(row["server"]),
                dns_name(record["name"]),
                record["type"],
                dns_data(record["data"]),
            )
            if row["qname"]:
                told = (*told, dns_name(row["qname"]))
            about = f"frame {row['frame']} {record['name']} {record['type']} {record['data']}"
            yield Case(What.ANSWER, file, (way, *_tunnels(row)), told in read, about)


def compare_hosts(file: str, flows: Iterable[Row], truth: Iterable[Row]) -> Iterator[Case]:
    """Hosts of cleartext requests over TCP."""
    read = defaultdict(set)
    for flow in flows:
        if flow["evidence"] in CLIENT_BYTES:
            read[ends_of_flow(flow)].add(plain(flow["name"]))
    first: dict[tuple[Ends, str], Row] = {}
    for row in truth:
        if row["transport"] == "tcp" and row.get("host"):
            first.setdefault((ends(row), without_port(row["host"])), row)
    for (flow_ends, host), row in first.items():
        way = "HTTP, several segments" if int(row["tcp_segments"]) > 1 else "HTTP, one segment"
        yield Case(What.HOST, file, (way, *_tunnels(row)), host in read[flow_ends], f"{shown(flow_ends)} {host}")


# -- classes --------------------------------------------------------------------------------------------------------


def classes(row: Row) -> tuple[str, ...]:
    """How a hello was sent, and through what."""
    found = [quic_version(row) if row["transport"] == "quic" else _tcp_class(row)]
    found += _tunnels(row)
    if row["ech"]:
        found.append("ECH")
    return tuple(found)


def _tcp_class(row: Row) -> str:
    if row["transport"] != "tcp":
        return "other"
    split = int(row["tcp_segments"] or 1) > 1 or int(row["tls_records"] or 1) > 1
    return "TCP, several segments" if split else "TCP, one segment"


def quic_version(row: Row) -> str:
    """The version's usual name. Greased versions follow RFC 9000 15: 0x?a?a?a?a."""
    version = str(row["quic_version"] or "unknown")
    if version in PRIVATE_QUIC:
        return PRIVATE_QUIC[version]
    if not version.startswith("0x"):
        return f"gQUIC {version}"
    number = int(version, 16)
    if number >> 8 == 0xFF0000:
        return f"QUIC draft {number & 0xFF}"
    if number & 0x0F0F0F0F == 0x0A0A0A0A:
        return "QUIC greased"
    if number >> 12 == 0xFACEB:
        return "QUIC mvfst"
    return {1: "QUIC v1", 0x6B3343CF: "QUIC v2"}.get(number, f"QUIC {version}")


def _tunnels(row: Row) -> list[str]:
    """The layers that a mirror or a tunnel put round the packet, outermost first; each is a class."""
    listed = [layer for layer in row.get("encap") or [] if layer not in LINKS]
    if not listed:
        stack = (row.get("stack") or "").split(":")
        known = ("vxlan", "gtp", "gre", "erspan", "geneve", "capwap.data", "pppoes", "mpls")
        listed = [layer.partition(".")[0] for layer in stack if layer in known]
    return [f"in {layer}" for layer in dict.fromkeys(listed)]


# -- one spelling ---------------------------------------------------------------------------------------------------


def plain(name: str) -> str:
    return name.lower().rstrip(".")


def address(text: str) -> str:
    return str(ipaddress.ip_address(text))


def ends(row: Row) -> Ends:
    return address(row["src"]), int(row["sport"]), address(row["dst"]), int(row["dport"])


def ends_of_flow(flow: Row) -> Ends:
    return address(flow["client"]), flow["client_port"], address(flow["server"]), flow["server_port"]


def shown(flow_ends: Ends) -> str:
    client, client_port, server, server_port = flow_ends
    return f"{client}:{client_port}-{server}:{server_port}"


def dns_name(text: str) -> str:
    """Bytes that are no text are \\ooo to some readers and \\xNN to others."""
    return plain(re.sub(r"\\([0-3][0-7]{2})", lambda octal: f"\\x{int(octal[1], 8):02x}", text))


def dns_data(text: str) -> str:
    try:
        return address(text)
    except ValueError:
        return dns_name(text)


def without_port(host: str) -> str:
    host = plain(host.strip())
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if host.count(":") == 1 else host
