"""How far a feed's clock is from the sensor's.

Theory. Two measures, both in seconds, above 0 where the feed's clock is ahead:

- By its file: the newest record less the time at which the file was written. Whoever appends a record does so as it
  happens, so the file's time is the record's time by the clock of this machine (or of the machine that shares the
  file). A feed that is exported now and then lags by up to that interval, which looks like a clock that is behind; a
  positive figure has no such excuse, and one near a whole hour is a wrong zone in the settings. A file written more
  than COPIED_S after its newest record was copied, which says nothing.
- By packets, where the sensor's own sightings are at hand: when an address appears after a silence its owner has just
  got or renewed a lease, so the lease record nearest to each appearance tells the difference; the median over many.

Not known: clocks of feeds whose records carry no time of their own (pictures: dnsmasq, `ip neigh` without dates).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

SILENCE_S = 1_800.0
REACH_S = 7_200.0
COPIED_S = 6 * 3_600.0
ENOUGH = 5
Times = Mapping[bytes, npt.NDArray[np.float64]]


def offset_by_file(newest: float | None, written: float | None) -> float | None:
    """Seconds by which the clock behind the newest record of a file is ahead of the one behind the file's own time."""
    if newest is None or written is None or written - newest > COPIED_S:
        return None
    return newest - written


def offset_by_packets(records: Times, seen: Times) -> float | None:
    """Seconds by which the clock behind `records` is ahead of that behind `seen`: times in order by address. None where
    too few addresses appear in both."""
    found: list[float] = []
    for address, sightings in seen.items():
        starts = records.get(address)
        if starts is None or not len(starts):
            continue
        appeared = sightings[np.append(True, np.diff(sightings) > SILENCE_S)]
        after = np.clip(np.searchsorted(starts, appeared), 1, max(len(starts) - 1, 1))
        near = np.stack([starts[after - 1], starts[np.minimum(after, len(starts) - 1)]]) - appeared
        nearest = near[np.abs(near).argmin(axis=0), np.arange(len(appeared))]
        found += nearest[np.abs(nearest) <= REACH_S].tolist()
    return float(np.median(found)) if len(found) >= ENOUGH else None
