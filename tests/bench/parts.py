"""The parts of the bench: each measures one thing and gives its rows of the table.

Speeds of the sensor are measured in this process; memory, start, second core, replay, judging and store in processes of
their own (tests.bench.probes). Targets are those of the design.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from sensor.bench import LIMITS, in_turns, measure, run_full, seconds
from sensor.capture import open_capture
from sensor.catalogue import Catalogue, load_catalogue
from sensor.sense import Sensor
from tests.bench.captures import Captures, title
from tests.bench.peers import PEERS, Counted, Peer
from tests.bench.probes import REPEAT_LIMIT
from tests.bench.school import make_school
from tests.bench.table import Row, Target
from tests.pipeline import servers

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 900
KIB_A_MIB = 1024
LEAST_SHARE_OF_START = 0.2  # a peer that is done in less, its start apart, cannot be timed fairly


@dataclass(frozen=True, slots=True)
class Bench:
    """What every part is given. `lacking` takes what could not be measured here."""

    captures: Captures
    folder: Path
    rounds: int
    lacking: list[str]


def child(*words: object) -> Any:
    """The JSON object that a Python module of the bench prints last."""
    command = [sys.executable, "-m", *(str(word) for word in words)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=PATIENCE_S, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


# -- the sensor in this process ---------------------------------------------------------------------------------------


def sensor(bench: Bench) -> Iterator[Row]:
    """Kernel and full sensor beside the header-touch limit."""
    wanted = {"even": (0.80, 0.65), "hot": (0.80, 0.65), "few": (None, None), "million": (None, 0.40)}
    for name, (kernel, full) in wanted.items():
        result = measure(name, bench.captures.bytes(name), bench.rounds)
        note = f"{result.packets:,} packets of {result.mean_bytes:.0f} B, {result.slices:,} slices"
        for what, rate, share, needed in (
            ("kernel", result.kernel, result.kernel_share, kernel),
            ("full sensor", result.full, result.full_share, full),
        ):
            target = Target(needed) if needed else None
            label = f"{what}: {title(name, result.flows)}"
            yield Row("sensor", label, rate, "packets/s", "limit", result.limit, share, target, note)


def names(bench: Bench) -> Iterator[Row]:
    """Storms: flows that only begin. Packets a second, and named flows a second."""
    for name, packets, flows in (("storm", 1e6, None), ("hybrid", None, None), ("quic", None, 15e3)):
        result = measure(name, bench.captures.bytes(name), bench.rounds)
        label = title(name, result.flows)
        note = f"{result.named:,} of {result.flows:,} flows named"
        for unit, value, needed in (
            ("packets/s", result.full, packets),
            ("named/s", result.named_a_second, flows),
        ):
            target = Target(needed, of_ratio=False) if needed else None
            yield Row("names", label, value, unit, target=target, note=note if unit == "named/s" else "")


def _sensing(buf: Any, catalogue: Catalogue) -> Callable[[], object]:
    return partial(run_full, buf, Sensor(catalogue, (), LIMITS))


def edits(bench: Bench) -> Iterator[Row]:
    """The full sensor beside one that watches no wiki, in turns."""
    plain, blind = load_catalogue(), load_catalogue()
    blind.wiki = lambda host: None  # type: ignore[method-assign]
    for name in ("even", "hot"):
        buf = bench.captures.bytes(name)
        parts = [partial(_sensing, buf, catalogue) for catalogue in (blind, plain)]
        times = in_turns(parts, bench.rounds)
        packets = run_full(buf, Sensor(plain, ()))[1]["packets"]
        without, full = (packets / median(times[:, n]) for n in range(2))
        share = median(times[:, 0] / times[:, 1])
        note = "1 of 20 names is a wiki's"
        label = f"watching wikis: {title(name, packets * 3 // 100)}"
        yield Row("sensor", label, full, "packets/s", "without", without, share, Target(0.97), note)


# -- other meters -----------------------------------------------------------------------------------------------------


def run_file(path: Path) -> Counted:
    """The full sensor over a file, as `replay` reads it."""
    sensor = Sensor(load_catalogue(), ())
    for _ in open_capture(path).read(sensor.feed):
        sensor.table()
    sensor.meter.finish()
    sensor.table()
    counters = sensor.counters()
    return Counted(counters["packets"], counters["flows_all"], counters["flows_named"])


def peers(bench: Bench) -> Iterator[Row]:
    """Ours and the peers in turns on the same files. Ours includes reading the file, theirs too."""
    here = [peer for peer in PEERS if peer.lacking() is None]
    bench.lacking.extend(text for peer in PEERS if (text := peer.lacking()))
    rounds = min(bench.rounds, 3)
    tiny = bench.captures.file("tiny")
    starts = {peer.name: median(peer.seconds(tiny)[0] for _ in range(rounds)) for peer in here}
    labels = {peer.name: f"{peer.name} {peer.version()}" for peer in here}
    needed = {"ndpiReader": 10.0, "NFStream": 50.0}
    for name in ("even", "hot", "storm", "quic"):
        path = bench.captures.file(name)
        ours = run_file(path)
        found: dict[str, Counted] = {}
        times: dict[str, list[float]] = {peer.name: [] for peer in here}
        mine: list[float] = []
        for _ in range(rounds):
            mine.append(seconds(lambda path=path: run_file(path)))  # type: ignore[misc]
            for peer in here:
                took, counted = peer.seconds(path)
                times[peer.name].append(took - starts[peer.name])
                if counted:
                    found[peer.name] = counted
        for peer in here:
            theirs = found.get(peer.name) or peer.count(path)
            note = peer_note(ours, theirs)
            rate: float | None = None
            ratio: float | None = None
            if (middle := median(times[peer.name])) > LEAST_SHARE_OF_START * starts[peer.name]:
                rate = theirs.packets / middle
                ratio = median(them / us for them, us in zip(times[peer.name], mine, strict=True))
            else:
                note += "; too short beside its start to be timed"
            target = Target(needed[peer.name]) if name in ("even", "hot") and peer.name in needed else None
            mean = ours.packets / median(mine)
            yield Row("peers", title(name, ours.flows), mean, "packets/s", labels[peer.name], rate, ratio, target, note)


def peer_note(ours: Counted, theirs: Counted) -> str:
    """How many flows got a name, ours and theirs, and packets that the peer did not see."""
    named = "it reads no names" if theirs.named is None else f"named: {ours.named:,} ours, {theirs.named:,} theirs"
    unseen = ours.packets - theirs.packets
    return named + (f"; it saw {unseen:,} packets less" if unseen else "")


def found(bench: Bench) -> Iterator[Row]:
    """Names on real captures (SCHOOLGATE_CAPTURES): flows with a name, ours and each peer's. Slow; only when asked."""
    folder = os.environ.get("SCHOOLGATE_CAPTURES")
    if not folder:
        bench.lacking.append("names on real captures: set SCHOOLGATE_CAPTURES to a folder of captures")
        return
    files = sorted(path for path in Path(folder).rglob("*") if path.suffix in (".pcap", ".pcapng", ".cap"))
    for peer in PEERS:
        if peer.lacking() is None and peer.reads_names:
            yield _found_beside(peer, files)


def _found_beside(peer: Peer, files: list[Path]) -> Row:
    ours = theirs = read = 0
    for path in files:
        try:
            counted, own = peer.count(path), run_file(path)
        except (RuntimeError, ValueError, OSError, subprocess.SubprocessError):
            continue  # one of the two does not read this format
        read, ours, theirs = read + 1, ours + (own.named or 0), theirs + (counted.named or 0)
    note = f"{read} of {len(files)} files that both read"
    return Row("found", "flows with a name, real captures", ours, "flows", peer.name, theirs, note=note)


# -- processes of their own -------------------------------------------------------------------------------------------


def memory(bench: Bench) -> Iterator[Row]:
    """Peak resident memory above the idle process."""
    used = child("tests.bench.probes", "memory", bench.captures.file("million"), bench.captures.file("tiny"))
    above = (used["peak"] - used["idle"]) / KIB_A_MIB
    idle = f"{used['idle'] // KIB_A_MIB} MiB idle, with a buffer of 64 MiB as a ring; {used['evicted']:,} flows evicted"
    what = f"memory above the idle process, {used['flows']:,} flows"
    yield Row("process", what, above, "MiB", target=Target(512, of_ratio=False), note=idle)


def start(bench: Bench) -> Iterator[Row]:
    """From exec to the first block metered, the kernel's code in its cache."""
    took = []
    for _ in range(bench.rounds + 1):
        begin = time.monotonic()
        took.append(child("tests.bench.probes", "first", bench.captures.file("tiny"))["at"] - begin)
    yield Row("process", "warm start to first packet", median(took[1:]), "s", target=Target(2.0, of_ratio=False))


@contextmanager
def _worker(capture: Path, core: int) -> Iterator[Callable[[str], Callable[[], float]]]:
    """A probe on a core; what it gives starts a part there, and what that gives waits for it."""
    command = [sys.executable, "-m", "tests.bench.probes", "worker", str(capture), str(core)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout
        json.loads(stdout.readline())

        def begin(part: str) -> Callable[[], float]:
            stdin.write(part + "\n")
            stdin.flush()
            return lambda: float(json.loads(stdout.readline())["seconds"])

        yield begin
        stdin.close()


def gain(alone: list[float], together: list[float]) -> float:
    """How much more workers do together than one of them alone, from the seconds each took for the same work."""
    return sum(1 / took for took in together) / (sum(1 / took for took in alone) / len(alone))


def cores(bench: Bench) -> Iterator[Row]:
    """Two sensors on two cores against one, beside the same of two header-touch loops."""
    if len(os.sched_getaffinity(0)) < 2:
        bench.lacking.append("two workers: this machine has one core")
        return
    gains: dict[str, list[float]] = {"limit": [], "full": []}
    with ExitStack() as stack:
        path = bench.captures.file("even")
        workers = [stack.enter_context(_worker(path, core)) for core in sorted(os.sched_getaffinity(0))[:2]]
        for _ in range(bench.rounds):
            for part, found in gains.items():
                alone = [begin(part)() for begin in workers]
                running = [begin(part) for begin in workers]
                found.append(gain(alone, [wait() for wait in running]))
    ratio = median(full / limit for full, limit in zip(gains["full"], gains["limit"], strict=True))
    note = f"{REPEAT_LIMIT} passes of the limit loop a round"
    yield Row(
        "process", "two workers on two cores do, of one", median(gains["full"]), "x", "two limit loops",
        median(gains["limit"]), ratio, Target(0.9), note,
    )  # fmt: skip


def way(bench: Bench) -> Iterator[Row]:
    """`schoolgate replay`, start and end apart, beside the full sensor over the same bytes in memory."""
    school = make_school(bench.folder / "school")
    catalogue = load_catalogue()
    for name in ("even", "hot"):
        buf, path = bench.captures.bytes(name), bench.captures.file(name)
        _, counters = run_full(buf, Sensor(catalogue, ()))
        packets, full, whole, start = counters["packets"], [], [], []
        for n in range(min(bench.rounds, 3)):
            full.append(seconds(lambda buf=buf: run_full(buf, Sensor(catalogue, ()))))  # type: ignore[misc]
            stores = bench.folder / f"stores-{name}-{n}"
            stores.mkdir()
            took = child("tests.bench.probes", "way", school, bench.captures.file("tiny"), path, stores)
            whole.append(took["seconds"])
            start.append(took["tiny"])
        replay = [all_ - min(start) for all_ in whole]  # the least: a start that was slow by chance would flatter us
        done, label = took["result"], title(name, counters["flows_all"])
        yield Row(
            "way", f"replay: {label}", packets / median(replay), "packets/s", "full sensor",
            packets / median(full), median(us / all_ for us, all_ in zip(full, replay, strict=True)), Target(0.5),
            f"{done['slices']:,} slices, {done['rows']:,} rows stored",
        )  # fmt: skip


def judge(bench: Bench) -> Iterator[Row]:
    """Gathering, identity, place and judgement of made-up slices; rows into the embedded store, on one core."""
    millions, batches = max(0.5, 2 * bench.captures.scale), max(2, int(10 * bench.captures.scale))
    runs = [child("tests.bench.judge_speed", millions, "--json") for _ in range(min(bench.rounds, 3))]
    rate = median(run["both"] for run in runs)
    yield Row("way", "place and judge, one core", rate, "slices/s", target=Target(2e6, of_ratio=False))
    insert = ("tests.bench.store_insert", "--batches", batches, "--json", "--one-core")
    inserted = [child(*insert)["insert_rows_per_s"] for _ in range(min(bench.rounds, 3))]
    yield Row("way", "aggregates into chDB, one core", median(inserted), "rows/s", target=Target(5e5, of_ratio=False))
    if why := servers.lacking():
        bench.lacking.append(f"aggregates into a server: {why}")
    else:
        sent = child("tests.bench.store_insert", "--batches", batches, "--json", "--server")["insert_rows_per_s"]
        yield Row("way", "aggregates into a server, loopback", sent, "rows/s", target=Target(1e5, of_ratio=False))


def queries(bench: Bench) -> Iterator[Row]:
    """Every named query on a year of a school, for a week and, where days can be chosen, for the whole year."""
    found = _year(bench)
    for name, took in sorted(found["questions_ms"].items(), key=lambda item: -item[1]):
        note = f"{found['questions_processor_ms'][name]:.1f} ms of processors"
        yield Row("queries", name, took, "ms", target=Target(200, of_ratio=False), note=note)


def _year(bench: Bench) -> Any:
    """What a year of a school was measured with; the store is made once a run."""
    return child("tests.bench.store_year", "--json", "--rounds", bench.rounds, "--folder", bench.folder / "year")


def year(bench: Bench) -> Iterator[Row]:
    """A year of a school: every named question, opening, memory, size."""
    found = _year(bench)
    note = f"{found['rows']:,} rows; slowest: {found['slowest']}"
    week = {name: took for name, took in found["questions_ms"].items() if not name.endswith("(year)")}
    yield Row(
        "store",
        "a named question on a year, the slowest",
        max(week.values()),
        "ms",
        target=Target(200, of_ratio=False),
        note=note,
    )
    yield Row("store", "the same, asked for the whole year at once", found["slowest_ms"], "ms")
    yield Row("store", "opening a year", found["open_s"], "s", target=Target(2, of_ratio=False))
    yield Row("store", "resident, a year open", found["resident_mib"], "MiB", target=Target(600, of_ratio=False))
    yield Row("store", "on disk, a million rows", found["mb_per_million_rows"], "MB", target=Target(15, of_ratio=False))
