"""Sessions of reading and editing a real MediaWiki, recorded in namespaces, with truth; see README.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TRUTH = ("sessions", "saves", "page_views", "uploads")


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    """The rows of one of the truth files (`TRUTH`) of a folder of recordings."""
    path = folder / f"{name}.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def write_rows(folder: Path, name: str, found: list[dict[str, Any]]) -> None:
    """Write one of the truth files."""
    text = "".join(json.dumps(row) + "\n" for row in found)
    (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
