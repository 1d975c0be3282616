"""A school for the bench: the sample school, with a lease for every address of the bench captures.

Somebody is logged on at two of three devices, so that a replay has people to find, to place and to judge.
"""

from __future__ import annotations

import csv
import shutil
from datetime import UTC, datetime
from pathlib import Path

from pcaps.sample_school.facts import HERE
from sensor.bench_traffic import START_NS

CLIENTS = 1500  # addresses of sensor.bench_traffic
DAY = START_NS // 86_400_000_000_000 * 86_400


def make_school(folder: Path) -> Path:
    """Writes the school's folder and gives it back."""
    shutil.copytree(HERE, folder, dirs_exist_ok=True)
    with (folder / "staff.csv").open(encoding="utf-8", newline="") as file:
        users = [row["username"].split(";")[0] for row in csv.DictReader(file)]
    leases = ["address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state"]
    logons = ["TimeCreated,EventId,Computer,TargetUserName,TargetDomainName,TargetLogonId,LogonType"]
    began = datetime.fromtimestamp(DAY + 8 * 3600, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    for n in range(CLIENTS):
        mac = f"00:16:3e:00:{n >> 8:02x}:{n & 255:02x}"
        leases.append(f"10.20.{n >> 8}.{n & 255},{mac},,{15 * 3600},{DAY + 22 * 3600},10,0,0,bench{n},0")
        if n % 3:
            logons.append(f"{began},4624,bench{n},{users[n % len(users)]},ENGHRAIFFT,0x{n:x},2")
    feeds = folder / "feeds"
    feeds.mkdir(exist_ok=True)
    (feeds / "kea-leases4.csv").write_text("\n".join(leases) + "\n", encoding="utf-8")
    (feeds / "logons.csv").write_text("\n".join(logons) + "\n", encoding="utf-8")
    return folder
