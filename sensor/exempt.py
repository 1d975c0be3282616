"""Sites that are never named: unions, helplines, health, belief. No rule, no school's own service brings them back.

`services/exempt.csv` lists those of the product, `sensor.exempt_sites` adds a school's own. The catalogue takes every
name at or below them out, whatever else matches, so no slice names one. Like any site of no catalogue, one only adds a
moment at which some other site was opened (sensor.openings): not which, nor its address.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from functools import cache
from pathlib import Path

SHIPPED = Path(__file__).parent / "services" / "exempt.csv"


@cache
def shipped_sites() -> frozenset[str]:
    """The names of the product's own list."""
    with SHIPPED.open(encoding="utf-8", newline="") as file:
        return frozenset(row["domain"] for row in csv.DictReader(file))


def exempt_sites(own: Iterable[str] = ()) -> frozenset[str]:
    """All exempt names: each stands for itself and everything below it."""
    return shipped_sites() | {name.lower().removesuffix(".") for name in own}


def is_exempt(host: str, sites: frozenset[str]) -> bool:
    """Is this host name, in lower case, one of the sites or below one?"""
    parts = host.removesuffix(".").split(".")
    return any(".".join(parts[start:]) in sites for start in range(len(parts)))
