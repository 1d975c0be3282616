"""The short deterministic run: every corpus input as it is, and a fixed number of changed ones.

`python -m tests.fuzz.short` prints one line of JSON a target: executions and, if a promise was broken, how and by
which input. It is always the same: inputs come from the corpus, changes from fixed seeds, and their number is fixed.
"""

from __future__ import annotations

import json
import random
import sys
import traceback
import warnings
from typing import Any

from sensor.load import INTERPRETED
from tests.fuzz.mutation import mutate
from tests.fuzz.targets import MUTATIONS, corpus, target


def replay(name: str, mutations: int) -> dict[str, Any]:
    """Run a target over its corpus and `mutations` changed copies."""
    module, inputs = target(name), corpus(name)
    chance = random.Random(name)
    for n in range(len(inputs) + mutations):
        data = inputs[n] if n < len(inputs) else mutate(chance.choice(inputs), chance, inputs)
        try:
            module.run(data)
        except Exception:
            return {"target": name, "executions": n + 1, "input": data.hex(), "failed": traceback.format_exc()}
    return {"target": name, "executions": len(inputs) + mutations, "inputs": len(inputs)}


if __name__ == "__main__":
    assert INTERPRETED, "run with NUMBA_DISABLE_JIT=1"
    warnings.simplefilter("ignore", RuntimeWarning)  # unsigned words may wrap, as they do when compiled
    for name in sys.argv[1:] or MUTATIONS:
        print(json.dumps(replay(name, MUTATIONS[name])), flush=True)
