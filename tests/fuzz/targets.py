"""The fuzz targets by name. Each is a module with `run(data)`, which raises if a promise is broken, and `seeds()`.

`corpus` gives a target's committed inputs: tests/fuzz/corpus/NAME/, made by `python -m tests.fuzz.corpus` from the
project's own builders and from what long runs found worth keeping. Nothing in it was recorded by others.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

NAMES = (
    "tls_hello",
    "tls_segments",
    "kernel_hello",
    "quic_datagrams",
    "quic_frames",
    "dns",
    "http",
    "captures",
    "frames",
    "fragments",
    "ring",
    "sightings",
    "twins",
)
COMPILED = ("twins",)  # all others run on the interpreted kernel, which checks its bounds
# How many changed inputs the short run tries: a second or so each. Twins have a test of their own.
MUTATIONS = {
    "tls_hello": 3000,
    "tls_segments": 1500,
    "kernel_hello": 3000,
    "quic_datagrams": 1500,
    "quic_frames": 1500,
    "dns": 3000,
    "http": 3000,
    "captures": 400,
    "frames": 400,
    "fragments": 400,
    "ring": 400,
    "sightings": 1500,
}
CORPUS = Path(__file__).parent / "corpus"


def target(name: str) -> ModuleType:
    """The module of a target; sensor's kernel must already be as the target wants it (COMPILED)."""
    return importlib.import_module(f"tests.fuzz.{name}")


def corpus(name: str, folder: Path = CORPUS) -> list[bytes]:
    """A target's inputs, in the order of their file names."""
    return [path.read_bytes() for path in sorted((folder / name).glob("*")) if path.is_file()]
