"""Reads captures named on stdin, one a line, and prints what the sensor says of each as one line of JSON.

Run by test_twins with NUMBA_DISABLE_JIT=1: the same kernel source, interpreted, with bounds checked.
"""

from __future__ import annotations

import json
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

from sensor.capture import CaptureError
from sensor.catalogue import load_catalogue
from sensor.classify import classify_file
from sensor.load import INTERPRETED
from sensor.meter import MeterLimits

CATALOGUE = load_catalogue()
LIMITS = MeterLimits(names=1 << 13, first_flows=1 << 7)


def reading(path: Path) -> dict[str, Any]:
    """Everything that a capture says, as plain values; or how reading it failed."""
    try:
        report = classify_file(path, CATALOGUE, limits=LIMITS)
    except CaptureError as error:
        return {"refused": str(error)}
    except Exception:
        return {"failed": traceback.format_exc()}
    return {
        "flows": report.flows,
        "answers": report.answers,
        "skipped": [list(s) for s in report.skipped],
        "packets": report.packets,
        "note": report.note,
    }


if __name__ == "__main__":
    assert INTERPRETED, "run with NUMBA_DISABLE_JIT=1"
    warnings.simplefilter("ignore")  # unsigned words may wrap, as they do when compiled
    for line in sys.stdin:
        print(json.dumps(reading(Path(line.rstrip("\n")))), flush=True)
