"""A fuzzing run guided by coverage: atheris instruments the sensor as it is imported, libFuzzer changes the inputs.

`python -m tests.fuzz.guided TARGET FOLDER SECONDS`. Half of the changes are our own (tests.fuzz.mutation), which know
length fields and records; what reaches new code is kept in FOLDER/corpus. libFuzzer would end the
process at the first broken promise; here that is kept aside, and the run goes on.
"""

from __future__ import annotations

import os
import random
import sys
import time
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["sensor", "dpkt"], enable_loader_override=False):
    import sensor.capture
    import sensor.dns
    import sensor.http
    import sensor.meter
    import sensor.quic
    import sensor.streams
    import sensor.tls  # noqa: F401

from tests.fuzz.finds import Finds
from tests.fuzz.mutation import MAX_BYTES, mutate
from tests.fuzz.targets import CORPUS, corpus, target


def main(name: str, folder: Path, seconds: float) -> None:
    finds, until, inputs = Finds(target(name), folder), time.monotonic() + seconds, corpus(name)

    def one(data: bytes) -> None:
        finds.run(data)
        if finds.executions % 64 == 0 and time.monotonic() > until:
            finds.tell()
            os._exit(0)

    def change(data: bytes, max_size: int, seed: int) -> bytes:
        chance = random.Random(seed)
        if chance.random() < 0.5:
            return bytes(atheris.Mutate(data, max_size))
        return mutate(data, chance, inputs)[:max_size]

    flags = [f"-max_len={MAX_BYTES}", "-timeout=300", "-rss_limit_mb=3000", f"-artifact_prefix={folder}/"]
    atheris.Setup([sys.argv[0], *flags, str(folder / "corpus"), str(CORPUS / name)], one, custom_mutator=change)
    atheris.Fuzz()


if __name__ == "__main__":
    warnings.simplefilter("ignore", RuntimeWarning)  # unsigned words may wrap, as they do when compiled
    main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]))
