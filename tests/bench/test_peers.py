"""Readers of what other flow meters print, on what they printed; and what is said of one that is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench import peers
from tests.bench.parts import gain, peer_note
from tests.bench.peers import PEERS, Counted, PeerError, ndpi_counts, nfpcapd_counts, nfstream_found

NDPI = """
Traffic statistics:
	Ethernet bytes:        155785083     (includes ethernet CRC/IFC/trailer)
	IP packets:            200000        of 200007 packets total
	IP bytes:              150985083     (avg pkt size 754 bytes)
	Unique flows:          6000
"""
NDPI_CSV = """#flow_id,protocol,src_ip,server_name_sni,c_to_s_pkts,tls_issuerDN
414,6,10.20.2.171,www.reddit.com,12,
415,6,10.20.2.172,,12,
416,17,10.20.2.173,x.com,12,"O=Let's Encrypt, C=US"
"""
NFPCAPD = """Startup nfpcapd.
Ident: 'none' Flows: 15305, Packets: 34104, Bytes: 12482161
Processed: 27235, skipped: 0, short caplen: 0, unknown: 0
Ident: 'none' Flows: 18041, Packets: 29854, Bytes: 24843188
Total: Processed: 200000, skipped: 0, short caplen: 0, unknown: 0
"""


def test_ndpi_reader() -> None:
    assert ndpi_counts(NDPI, NDPI_CSV.splitlines(True)) == Counted(200_007, 6000, 2)
    with pytest.raises(PeerError, match="server_name_sni"):
        ndpi_counts(NDPI, [])
    with pytest.raises(PeerError, match="packets total"):
        ndpi_counts("", NDPI_CSV.splitlines(True))


def test_nfstream() -> None:
    said = 'a warning\n{"seconds": 1.5, "packets": 200000, "flows": 6000, "named": 5999}\n'
    assert nfstream_found(said) == (1.5, Counted(200_000, 6000, 5999))
    with pytest.raises(PeerError, match="said nothing"):
        nfstream_found("Traceback")


def test_nfpcapd() -> None:
    assert nfpcapd_counts(NFPCAPD) == Counted(200_000, 15_305 + 18_041, None)
    with pytest.raises(PeerError):
        nfpcapd_counts("error")


def test_a_missing_peer_names_the_command_that_gets_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(peers, "VENV_PYTHON", tmp_path / "python")
    said = [peer.lacking() for peer in PEERS]
    commands = ("apt-get install libndpi-bin", "deploy/peers", "apt-get install nfdump")
    assert all(text is not None and command in text for text, command in zip(said, commands, strict=True))


def test_a_peer_that_fails_is_an_error() -> None:
    with pytest.raises(PeerError, match="ended with 3: no such thing"):
        peers.run("sh", "-c", "echo no such thing >&2; exit 3")


def test_what_is_said_of_a_comparison() -> None:
    ours = Counted(1000, 60, 60)
    assert peer_note(ours, Counted(1000, 60, 30)) == "named: 60 ours, 30 theirs"
    assert peer_note(ours, Counted(990, 90, None)) == "it reads no names; it saw 10 packets less"


def test_gain_of_a_second_worker() -> None:
    assert gain([2.0, 2.0], [2.0, 2.0]) == 2
    assert gain([2.0, 2.0], [4.0, 4.0]) == 1
    assert gain([1.0, 2.0], [2.0, 2.0]) == pytest.approx(4 / 3)
