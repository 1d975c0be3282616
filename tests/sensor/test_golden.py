"""Real captures against a truth made by other readers. Optional: SCHOOLGATE_CAPTURES names the folder."""

from __future__ import annotations

import ipaddress
import json
import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sensor.capture import CaptureError
from sensor.catalogue import load_catalogue
from sensor.classify import classify_file

FOLDER = Path(os.environ.get("SCHOOLGATE_CAPTURES") or Path(__file__).parents[3] / "shared" / "captures")

pytestmark = pytest.mark.skipif(
    not (FOLDER / "truth_sni.jsonl").exists(),
    reason="no captures: set SCHOOLGATE_CAPTURES to a folder with captures and truth_sni.jsonl",
)

Ends = tuple[str, int, str, int]


def rows(name: str) -> Iterator[dict[str, Any]]:
    path = FOLDER / name
    if path.exists():
        with path.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def plain(name: str) -> str:
    return name.lower().rstrip(".")


def ends(
    row: dict[str, Any],
    client: str = "src",
    client_port: str = "sport",
    server: str = "dst",
    server_port: str = "dport",
) -> Ends:
    a, b = ipaddress.ip_address(row[client]), ipaddress.ip_address(row[server])
    return str(a), int(row[client_port]), str(b), int(row[server_port])


@pytest.fixture(scope="module")
def hellos() -> dict[str, dict[Ends, set[str]]]:
    """Names that we read out of hellos, by file and flow."""
    catalogue = load_catalogue()
    found: dict[str, dict[Ends, set[str]]] = {}
    files = {row["file"] for name in ("truth_sni.jsonl", "truth_nosni.jsonl") for row in rows(name)}
    for file in sorted(files):
        names = found[file] = defaultdict(set)
        try:
            report = classify_file(FOLDER / file, catalogue)
        except CaptureError:
            continue
        for flow in report.flows:
            if flow["evidence"] in ("sni", "quic_sni"):
                names[ends(flow, "client", "client_port", "server", "server_port")].add(plain(flow["name"]))
    return found


def truth() -> tuple[dict[tuple[str, Ends], set[str]], set[tuple[str, Ends, str]]]:
    """Names that are certain, and names that other readers also saw but not all of them, or inside ICMP."""
    known, others = defaultdict(set), set()
    for row in rows("truth_sni.jsonl"):
        name = plain(row["sni"] or "")
        if row["trust"] == "high":
            known[row["file"], ends(row)].add(name)
        else:
            others.add((row["file"], ends(row), name))
    return known, others


def test_nearly_all_names_are_read_and_none_is_wrong(hellos: dict[str, dict[Ends, set[str]]]) -> None:
    known, others = truth()
    right = sum(len(names & hellos[file][flow]) for (file, flow), names in known.items())
    wrong = [
        (file, flow, name)
        for (file, flow), names in known.items()
        for name in hellos[file][flow] - names
        if (file, flow, name) not in others
    ]
    assert wrong == []
    assert right >= 0.95 * sum(map(len, known.values()))


def test_a_hello_without_a_name_gets_none(hellos: dict[str, dict[Ends, set[str]]]) -> None:
    known, others = truth()
    wrong = [
        (row["file"], name)
        for row in rows("truth_nosni.jsonl")
        for name in hellos[row["file"]][ends(row)]
        if (row["file"], ends(row)) not in known and (row["file"], ends(row), name) not in others
    ]
    assert wrong == []
