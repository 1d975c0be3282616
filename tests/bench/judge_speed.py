"""Place and judge: slices a second, one core. Run: python -m tests.bench.judge_speed [MILLIONS] [--json]

Prints gathering (slices to traffic), judging with identity and place (traffic to rows of finished windows), and both
together. Two hours of a school: 600 staff addresses, ten services, slices in order of time as a sensor writes them.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.assess import Assessor
from pipeline.gather import Clients, gather, window_starts
from pipeline.identity import Bindings, parse_bindings
from pipeline.profile import load_profile
from pipeline.pseudonym import Pseudonyms
from pipeline.school import School
from pipeline.settings import FeedSettings
from sensor.bench import floored
from sensor.slices import SLICE_SCHEMA, pack_address
from tests.pipeline.judging import SERVICES, minute, small_catalogue, small_school

MINUTES, CLIENTS = 120, 600


def made_up(n: int, first: str = "09:30", minutes: int = MINUTES) -> pa.Table:
    """n slices in order of time, from a clock time on."""
    rng = np.random.default_rng(1)
    words = {
        "segment": (["staff", "pupil", "guest"], [0.9, 0.08, 0.02]),
        "role": (["primary", "cdn", "media", "widget"], [0.4, 0.3, 0.2, 0.1]),
        "evidence": (["sni", "quic_sni", "dns"], [0.6, 0.35, 0.05]),
    }
    columns: dict[str, pa.Array] = {
        name: pa.DictionaryArray.from_arrays(pa.array(rng.choice(len(w), n, p=p).astype(np.int16)), w)
        for name, (w, p) in words.items()
    }
    addresses = pa.array([pack_address(address(i)) for i in range(CLIENTS)], pa.binary(16))
    client = rng.integers(0, CLIENTS, n)
    at = np.sort(rng.integers(minute(first), minute(first) + minutes, n))
    service = (client + at // 10 * 7 + rng.integers(0, 2, n)) % len(SERVICES)  # two at a time, others ten minutes later
    columns["service"] = pa.DictionaryArray.from_arrays(pa.array(service.astype(np.int16)), list(SERVICES))
    columns["client"] = addresses.take(pa.array(client))
    columns["server"] = columns["client"]
    columns["minute"] = pa.array(at.astype(np.uint32))
    columns["bytes_down"] = pa.array(rng.integers(0, 200_000, n).astype(np.uint64))
    columns["bytes_up"] = pa.array(rng.integers(0, 5_000, n).astype(np.uint64))
    columns["bursts"] = pa.array(rng.integers(0, 2, n).astype(np.uint32))
    columns["burst_seconds"] = pa.array(np.left_shift(1, rng.integers(0, 60, n)).astype(np.uint64))
    columns["first_of_flow"] = pa.array(rng.random(n) < 0.2)
    columns["first_ms"] = pa.array(rng.integers(0, 30_000, n).astype(np.uint16))
    columns["last_ms"] = pa.array(rng.integers(30_000, 60_000, n).astype(np.uint16))
    zeros = pa.array(np.zeros(n))
    arrays = [columns[f.name] if f.name in columns else zeros.cast(f.type) for f in SLICE_SCHEMA]
    return pa.Table.from_arrays(arrays, schema=SLICE_SCHEMA)


def bindings(school: School) -> Bindings:
    """A lease for every address; somebody is logged on at two of three devices."""
    day, night = minute("00:00") * 60, minute("23:00") * 60
    leases = ["address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state"]
    logons = ["TimeCreated,EventId,Computer,TargetUserName,TargetDomainName,TargetLogonId,LogonType"]
    for i in range(CLIENTS):
        leases.append(f"{address(i)},00:16:3e:00:{i >> 8:02x}:{i & 255:02x},,{night - day},{night},1,0,0,pc{i},0")
        if i % 3:
            name = school.staff[i % len(school.staff)].usernames[0]
            logons.append(f"2026-11-17T08:{i % 60:02}:00Z,4624,pc{i},{name},SCHOOL,0x{i:x},2")
    files = {
        "kea_leases": [("leases.csv", "\n".join([*leases, ""]).encode())],
        "logons": [("logons.csv", "\n".join([*logons, ""]).encode())],
    }
    return parse_bindings(school, FeedSettings(), files)


def address(number: int) -> str:
    """The address of a client."""
    return f"10.20.{number >> 8}.{number & 255}"


def measure(millions: float) -> dict[str, float]:
    """Slices a CPU second of each step, with how many slices, traffic rows and windows there were."""
    n = int(millions * 1e6)
    table = made_up(n)
    school = small_school()
    with tempfile.TemporaryDirectory() as folder:
        judge = Assessor(
            school, small_catalogue(), load_profile("cwmbran"), bindings(school), Pseudonyms(Path(folder) / "k")
        )
        gather(table.slice(0, 1000), Clients(), judge.scope)
        judge.places.look_up(np.zeros(1, np.int32), np.array([minute("09:30")], np.uint32))
        clients = Clients()
        start = time.process_time()
        traffic, counts = gather(table, clients, judge.scope)
        gathered = time.process_time()
        rows = judge.rows(traffic, clients, window_starts(traffic, counts), counts)
        end = time.process_time()
    rates = {"gather": n / (gathered - start), "judge": n / (end - gathered), "both": n / (end - start)}
    return {"slices": n, "traffic_rows": len(traffic), "windows": len(rows)} | rates


def main() -> None:
    """Measures and prints."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    arguments.add_argument("millions", type=float, nargs="?", default=2.0)
    arguments.add_argument("--json", action="store_true")
    options = arguments.parse_args()
    found = measure(options.millions)
    if options.json:
        print(json.dumps(found))
        return
    print(f"slices {found['slices']}, traffic rows {found['traffic_rows']}, windows {found['windows']}")
    for step in ("gather", "judge", "both"):
        print(f"{step:10} {floored(found[step] / 1e6, 2):>6} M slices/s")


if __name__ == "__main__":
    main()
