"""Makes the committed corpus: `python -m tests.fuzz.corpus [TARGET...]` writes what each target's `seeds` builds.

Only what is missing is written: some seeds come from real stacks, whose hellos are random, and a file that is there
is not made anew. A file is named after its contents.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from tests.fuzz.targets import COMPILED, CORPUS, NAMES, target


def save(folder: Path, data: bytes) -> Path:
    """Put an input into a corpus folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / hashlib.sha256(data).hexdigest()[:16]
    path.write_bytes(data)
    return path


def main(names: list[str]) -> None:
    for name in names or NAMES:
        if name not in COMPILED and not (CORPUS / name).exists():
            for data in target(name).seeds():
                save(CORPUS / name, data)


if __name__ == "__main__":
    main(sys.argv[1:])
