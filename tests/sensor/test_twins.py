"""The kernel compiled and the kernel interpreted give the same slices of every capture, whole or with bytes changed.

The interpreted one raises IndexError where a read or write would leave its array, so it also shows that the compiled
one, which checks nothing, stays inside its buffers. Captures of pcaps/ take part, and those of SCHOOLGATE_CAPTURES
if it is set: some with changed copies, many as they are. Longer: deploy/fuzz MINUTES twins.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.fuzz.mutation import mutate
from tests.sensor.building import start_of
from tests.sensor.twin_captures import CAPTURES as BUILT
from tests.sensor.twin_driver import reading

ROOT = Path(__file__).parents[2]
CHANGED = 6  # changed copies of each capture
CHANGED_OF_OURS = 1  # of the captures in pcaps/, which are many and alike
OURS_BYTES = 2 << 20  # interpreting 20 MB takes a minute
FOREIGN, FOREIGN_BYTES = 8, 6000  # with changed copies
AS_THEY_ARE = 50  # without

Build = Callable[[], bytes]


def _captures() -> dict[str, tuple[Build, int]]:
    """By name, how to get a capture and how many changed copies of it are read."""
    found = {name: (build, CHANGED) for name, build in BUILT.items()}
    for path in sorted((ROOT / "pcaps").rglob("*.pcap*")):
        found[f"pcaps/{path.relative_to(ROOT / 'pcaps')}"] = partial(start_of, path, OURS_BYTES), CHANGED_OF_OURS
    if folder := os.environ.get("SCHOOLGATE_CAPTURES"):
        small = [p for p in sorted(Path(folder).rglob("*.pcap*")) if p.is_file() and p.stat().st_size <= FOREIGN_BYTES]
        for p in small[1 :: max(1, len(small) // AS_THEY_ARE)]:
            found[f"file {p.name}"] = p.read_bytes, 0
        for p in small[:: max(1, len(small) // FOREIGN)][:FOREIGN]:
            found[f"file {p.name}"] = p.read_bytes, CHANGED
    return found


CAPTURES = _captures()
SPLICED = 4000  # bytes of a foreign capture that may be put into another


def changed(data: bytes, seed: str, others: list[bytes]) -> bytes:
    """The capture with a few bytes changed, and now and then cut; or mangled as a fuzzer does it."""
    chance, out = random.Random(seed), bytearray(data)
    if chance.random() < 0.5:
        return mutate(data, chance, others, max(len(data), 1))
    for _ in range(chance.choice([1, 3, 20])):
        out[chance.randrange(4, len(out))] = chance.choice([0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)])
    return bytes(out[: chance.randrange(24, len(out))] if chance.random() < 0.25 else out)


@pytest.fixture(scope="module")
def interpreted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[Path, dict[str, Any]]]]:
    """By capture, its copies and what the interpreted kernel says of each; the first copy is unchanged."""
    folder, paths = tmp_path_factory.mktemp("twins"), list[Path]()
    whole = {name: build() for name, (build, _) in CAPTURES.items()}
    others = [data[:SPLICED] for data in whole.values()]
    counts = []
    for n, (name, (_, copies)) in enumerate(CAPTURES.items()):
        for copy in range(1 + copies):
            path = folder / f"{n}-{copy}"
            path.write_bytes(changed(whole[name], f"{name} {copy}", others) if copy else whole[name])
            paths.append(path)
        counts.append(1 + copies)
    run = subprocess.run(
        [sys.executable, "-m", "tests.sensor.twin_driver"],
        input="\n".join(map(str, paths)),
        cwd=ROOT,
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert run.returncode == 0, run.stderr
    answers = iter(zip(paths, map(json.loads, run.stdout.splitlines()), strict=True))
    return {name: [next(answers) for _ in range(count)] for name, count in zip(CAPTURES, counts, strict=True)}


@pytest.mark.parametrize("name", CAPTURES)
def test_compiled_and_interpreted_say_the_same(
    interpreted: dict[str, list[tuple[Path, dict[str, Any]]]], name: str
) -> None:
    for path, said in interpreted[name]:
        assert "failed" not in said, f"{path}: {said['failed']}"
        assert json.loads(json.dumps(reading(path))) == said, path
    assert "file " in name or interpreted[name][0][1]["slices"], "the unchanged capture has flows"
