"""Long fuzzing runs: `python -m tests.fuzz MINUTES [TARGET...]`, which deploy/fuzz calls.

All targets in turn, each in a process of its own for its share of the time. With atheris (libFuzzer for Python) the
interpreted kernel and the readers are instrumented, so that changes are kept which reach new code; without it, or for
the twins, the corpus is changed blindly. What a target keeps lies in the work folder, ./.fuzz/TARGET/corpus; the
first input that breaks a promise in some way is made small and put into ./.fuzz/TARGET/found, as bytes and, where it
can be put on a wire, as a capture that may become one of pcaps/bugs. At the end: executions and finds per target.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

from tests.fuzz.targets import COMPILED, NAMES

ROOT = Path(__file__).parents[2]
WORK = ROOT / ".fuzz"


def main() -> int:
    parser = argparse.ArgumentParser(prog="deploy/fuzz", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("minutes", type=float, help="how long in all")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"some of: {' '.join(NAMES)} (default: all)")
    chosen = parser.parse_args()
    if unknown := set(chosen.targets) - set(NAMES):
        parser.error(f"no such target: {' '.join(sorted(unknown))}")
    targets, guided = chosen.targets or list(NAMES), importlib.util.find_spec("atheris") is not None
    print("guided by coverage (atheris)" if guided else "atheris is not installed: changing the corpus blindly")
    executions, found = 0, 0
    for name in targets:
        ran, finds = _run(name, chosen.minutes * 60 / len(targets), guided and name not in COMPILED)
        print(f"{name:15} {ran:>12,} executions, {len(finds)} finds", *finds, sep="\n    ", flush=True)
        executions, found = executions + ran, found + len(finds)
    total = f"{executions:,} executions over {len(targets)} targets in {chosen.minutes:g} minutes: {found} finds"
    print(f"For CHANGELOG: {total}")
    return 1 if found else 0


def _run(name: str, seconds: float, guided: bool) -> tuple[int, list[str]]:
    """One target for so long: executions, and how it was broken by which inputs."""
    folder = WORK / name
    (folder / "corpus").mkdir(parents=True, exist_ok=True)
    answer = folder / "answer.json"
    answer.unlink(missing_ok=True)
    with (folder / "log").open("wb") as log:
        module = "tests.fuzz.guided" if guided else "tests.fuzz.blind"
        run = subprocess.run(
            [sys.executable, "-m", module, name, str(folder), str(seconds)],
            cwd=ROOT,
            env=os.environ | ({} if name in COMPILED else {"NUMBA_DISABLE_JIT": "1"}),
            stdout=log,
            stderr=log,
        )
    if not answer.exists():  # killed, out of memory, or an input took minutes
        return 0, [f"the run ended with {run.returncode}, see {folder}/log"]
    said = json.loads(answer.read_text())
    return said["executions"], said["finds"]


if __name__ == "__main__":
    sys.exit(main())
