"""What people say about a source once and is then remembered: which column is which, and what its names mean.

An entry of `--map` is `COLUMN=THEIRS` (the canonical column, then the export's), or `WHAT:THEIRS=OURS`:

| what | ours | example |
|---|---|---|
| person | a staff id, or `-` to leave the person's rows out | `person:LenPh=T01` |
| slot | a slot of bells.csv, or `-` | `slot:Period 3/Break=P3` |
| day | a weekday 1 to 7, with the week in a two-week cycle | `day:Day 6=B1` |
| week | A, B or `*` | `week:WochenGr1=A` |
| subject | an activity of timetable.csv | `subject:PPA=ppa` |
| kind | a kind of the table | `kind:Yard=break` |
| dates | order of day, month and year: `dmy` | `dates=dmy` |

The entries of one source lie together in `imports/maps.json`, beside the versions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.imports.tables import ImportRefused
from pipeline.rows import Activity, Week

MEANINGS = ("person", "slot", "day", "week", "subject", "kind")
LEFT_OUT = "-"
_DAY = re.compile(r"([AB*]?)([1-7])")


class MapRefused(ValueError):
    """An entry of `--map` cannot be used."""


@dataclass(frozen=True)
class Said:
    """The entries of one source, by `WHAT:THEIRS` in lower case, or by canonical column."""

    entries: Mapping[str, str] = field(default_factory=dict)

    def of(self, what: str, theirs: str) -> str | None:
        """What somebody said that `theirs` means; None if nothing."""
        return self.entries.get(f"{what}:{theirs.casefold()}")

    def column(self, name: str) -> str | None:
        """The export's name of a canonical column, as somebody said."""
        return self.entries.get(name)


def parse_entries(words: Iterable[str]) -> dict[str, str]:
    """Entries of `--map`; raises MapRefused."""
    found = {}
    for word in words:
        what, colon, rest = word.partition(":")
        if colon and what in MEANINGS:
            theirs, equals, ours = rest.rpartition("=")
            key, value = f"{what}:{theirs.strip().casefold()}", ours.strip()
            _check(word, what, value)
        else:
            name, equals, value = (part.strip() for part in word.partition("="))
            key = name.lower()
            theirs = name
        if not equals or not theirs.strip() or not value:
            raise MapRefused(f'--map {word!r} cannot be used; write COLUMN="THEIR COLUMN", or WHAT:THEIRS=OURS')
        found[key] = value
    return found


def _check(word: str, what: str, value: str) -> None:
    known = {
        "day": _DAY.fullmatch(value.upper()) is not None,
        "week": value.lower() in {*Week},
        "subject": value.lower() in {*Activity},
    }
    if not known.get(what, True):
        ours = {"day": "1 to 7, or A1 to B7", "week": "A, B or *", "subject": ", ".join(Activity)}[what]
        raise MapRefused(f"--map {word!r} cannot be used; {what} must be {ours}")


def load_maps(path: Path) -> dict[str, dict[str, str]]:
    """Everything remembered, by source. Raises ImportRefused if the file is not what was written there."""
    if not path.is_file():
        return {}
    try:
        maps = json.loads(path.read_bytes())
        return {str(source): {str(k): str(v) for k, v in entries.items()} for source, entries in maps.items()}
    except (ValueError, AttributeError):
        raise ImportRefused(f"imports/{path.name}", 1, "this is no map of columns", "remove the file") from None


def dump_maps(maps: Mapping[str, Mapping[str, str]]) -> bytes:
    """The file that `load_maps` reads."""
    return (json.dumps(maps, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
