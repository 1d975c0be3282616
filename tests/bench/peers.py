"""Other flow meters, each as a process on one capture file: how long it takes, how many packets and names it finds.

- ndpiReader: nDPI's own reader, from Debian. Quiet; timed as a process.
- NFStream: nDPI in Python, from PyPI, in a venv of its own. Times itself, from making its streamer to its last flow.
- nfpcapd: nfdump's collector for captures, from Debian. It reads no names. Timed as a process, flows into a folder.

The file is in the page cache and every start is subtracted: the time of the same peer on a capture of a thousand
packets. What is missing is said, with the command that gets it; nothing is installed here.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).resolve().parents[2]
VENV_PYTHON = ROOT / "build" / "peers" / "bin" / "python"
CHILD = Path(__file__).with_name("nfstream_child.py")
PATIENCE_S = 900


class PeerError(RuntimeError):
    """A peer failed, or said something that is not understood."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What a peer says of a capture. `named`: flows with a name; None if it reads none."""

    packets: int
    flows: int
    named: int | None


class Peer(Protocol):
    """A flow meter that is not ours."""

    name: str
    reads_names: bool

    def lacking(self) -> str | None:
        """None if it is there, else what to do to get it."""
        ...

    def version(self) -> str: ...

    def seconds(self, capture: Path) -> tuple[float, Counted | None]:
        """How long it takes over a capture, its start included, and what it found if that comes for nothing."""
        ...

    def count(self, capture: Path) -> Counted:
        """What it finds (untimed)."""
        ...


def run(*words: object) -> str:
    """A program's standard output and error. Raises PeerError if it fails."""
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, errors="replace", timeout=PATIENCE_S
    )
    if done.returncode:
        raise PeerError(f"{words[0]} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout + done.stderr


def timed(*words: object) -> float:
    """How long a program runs."""
    begin = time.perf_counter()
    run(*words)
    return time.perf_counter() - begin


def _number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    if found is None:
        raise PeerError(f"no {pattern!r} in: {text[-500:]}")
    return int(found.group(1))


def ndpi_counts(output: str, table: Iterable[str]) -> Counted:
    """ndpiReader's report, and the CSV file of its flows (its header line may begin with #)."""
    lines = iter(table)
    head = next(csv.reader([next(lines, "")]), [])
    column = next((n for n, name in enumerate(head) if name.lstrip("#") == "server_name_sni"), None)
    if column is None:
        raise PeerError(f"ndpiReader's CSV has no server_name_sni: {head}")
    named = sum(len(row) > column and row[column] != "" for row in csv.reader(lines))
    packets = _number(r"IP packets:\s+\d+\s+of (\d+) packets total", output)
    return Counted(packets, _number(r"Unique flows:\s+(\d+)", output), named)


class NdpiReader:
    name, reads_names = "ndpiReader", True

    def lacking(self) -> str | None:
        return None if shutil.which(self.name) else "ndpiReader is missing; get it: apt-get install libndpi-bin"

    def version(self) -> str:
        done = subprocess.run([self.name, "-h"], capture_output=True, text=True, errors="replace", timeout=PATIENCE_S)
        found = re.search(r"nDPI (\d[\w.]*)", done.stdout + done.stderr)
        return found.group(1) if found else "?"

    def seconds(self, capture: Path) -> tuple[float, Counted | None]:
        return timed(self.name, "-q", "-i", capture), None

    def count(self, capture: Path) -> Counted:
        with tempfile.TemporaryDirectory() as folder:
            table = Path(folder, "flows.csv")
            output = run(self.name, "-i", capture, "-C", table)
            with table.open(encoding="utf-8", errors="replace", newline="") as lines:
                return ndpi_counts(output, lines)


def nfstream_found(output: str) -> tuple[float, Counted]:
    """Seconds and counts, from the last object that the child printed."""
    lines = [line for line in output.splitlines() if line.startswith("{")]
    if not lines:
        raise PeerError(f"NFStream said nothing of the capture: {output[-500:]}")
    found = json.loads(lines[-1])
    return float(found["seconds"]), Counted(int(found["packets"]), int(found["flows"]), int(found["named"]))


class NFStream:
    name, reads_names = "NFStream", True

    def lacking(self) -> str | None:
        return None if VENV_PYTHON.exists() else "NFStream is missing; get it: deploy/peers"

    def version(self) -> str:
        return run(VENV_PYTHON, "-c", "import nfstream; print(nfstream.__version__)").split()[-1]

    def seconds(self, capture: Path) -> tuple[float, Counted | None]:
        return nfstream_found(run(VENV_PYTHON, CHILD, capture))

    def count(self, capture: Path) -> Counted:
        return nfstream_found(run(VENV_PYTHON, CHILD, capture))[1]


def nfpcapd_counts(output: str) -> Counted:
    """What nfpcapd says when it ends; it counts flow records, of which a long flow makes several."""
    packets = _number(r"Total: Processed: (\d+)", output)
    return Counted(packets, sum(int(n) for n in re.findall(r"Ident: '[^']*' Flows: (\d+)", output)), None)


class Nfpcapd:
    name, reads_names = "nfpcapd", False

    def lacking(self) -> str | None:
        return None if shutil.which(self.name) else "nfpcapd is missing; get it: apt-get install nfdump"

    def version(self) -> str:
        found = re.search(r"(\d+\.\d+[\w.]*)", run("nfdump", "-V")) if shutil.which("nfdump") else None
        return found.group(1) if found else "?"

    def seconds(self, capture: Path) -> tuple[float, Counted | None]:
        with tempfile.TemporaryDirectory() as folder:
            return timed(self.name, "-r", capture, "-w", folder), None

    def count(self, capture: Path) -> Counted:
        with tempfile.TemporaryDirectory() as folder:
            return nfpcapd_counts(run(self.name, "-r", capture, "-w", folder))


PEERS: tuple[Peer, ...] = (NdpiReader(), NFStream(), Nfpcapd())
