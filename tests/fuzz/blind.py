"""A fuzzing run without coverage: inputs of the corpus, changed, until the time is over.

`python -m tests.fuzz.blind TARGET FOLDER SECONDS`
"""

from __future__ import annotations

import random
import secrets
import sys
import time
import warnings
from pathlib import Path

from tests.fuzz.finds import Finds
from tests.fuzz.mutation import mutate
from tests.fuzz.targets import corpus, target


def main(name: str, folder: Path, seconds: float) -> None:
    until, module = time.monotonic() + seconds, target(name)
    finds, inputs = Finds(module, folder), [*corpus(name), *corpus("corpus", folder)] or module.seeds()
    chance = random.Random(secrets.randbits(64))
    for data in inputs:
        finds.run(data)
    while time.monotonic() < until:
        finds.run(mutate(chance.choice(inputs), chance, inputs))
    finds.tell()


if __name__ == "__main__":
    warnings.simplefilter("ignore", RuntimeWarning)  # unsigned words may wrap, as they do when compiled
    main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]))
