"""English and Welsh: every text for people is written once, in English, and its Welsh is looked up in a table.

`say("cy", "{count} minutes", count=3)` and in templates `{{ t("Week") }}`. The tables are `welsh/*.toml`, one a page so
that pages can be written side by side, read as one: `"English" = "Cymraeg"`, with the same {names} on both sides. A
text that has no Welsh is shown in English; the tests name each that is missing. What readers may meet in either
language but the school wrote itself (names of periods, services) is never translated.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Literal

Language = Literal["en", "cy"]
LANGUAGES: Mapping[Language, str] = MappingProxyType({"en": "English", "cy": "Cymraeg"})
"""Each in its own words."""


def language_of(text: str | None) -> Language | None:
    """The language that a word means, None for any other word."""
    return "cy" if text == "cy" else "en" if text == "en" else None


@cache
def welsh() -> Mapping[str, str]:
    """English -> Welsh, from all tables."""
    found: dict[str, str] = {}
    folder = files("dashboards") / "welsh"
    for file in sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name):
        found.update(tomllib.loads(file.read_text("utf-8")))
    return MappingProxyType(found)


def translated(lang: Language, text: str) -> str:
    """The text in a language, its {names} still open."""
    return welsh().get(text, text) if lang == "cy" else text


def say(lang: Language, text: str, **values: object) -> str:
    """The text in a language, with its {names} filled in."""
    return translated(lang, text).format(**values)


def minutes(count: int, lang: Language = "en") -> str:
    """'1 minute', '1,204 minutes'; '1,204 munud': Welsh keeps the singular after a number."""
    return f"{count:,} munud" if lang == "cy" else f"{count:,} minute{'' if count == 1 else 's'}"


def long_day(day: date, lang: Language = "en") -> str:
    """'Tuesday 17 November 2026', 'Dydd Mawrth 17 Tachwedd 2026', whatever the machine's locale."""
    return f"{DAYS[lang][day.weekday()]} {day.day} {MONTHS[lang][day.month - 1]} {day.year}"


def short_day(day: date, lang: Language = "en") -> str:
    """'Tue 17 Nov', 'Maw 17 Tach'."""
    name, month = DAYS[lang][day.weekday()].removeprefix("Dydd "), MONTHS[lang][day.month - 1]
    return f"{_SHORT.get(name, name[:3])} {day.day} {_SHORT.get(month, month[:3])}"


DAYS: Mapping[Language, tuple[str, ...]] = MappingProxyType(
    {
        "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
        "cy": (
            *("Dydd Llun", "Dydd Mawrth", "Dydd Mercher", "Dydd Iau", "Dydd Gwener"),
            *("Dydd Sadwrn", "Dydd Sul"),
        ),
    }
)
MONTHS: Mapping[Language, tuple[str, ...]] = MappingProxyType(
    {
        "en": (
            *("January", "February", "March", "April", "May", "June", "July"),
            *("August", "September", "October", "November", "December"),
        ),
        "cy": (
            *("Ionawr", "Chwefror", "Mawrth", "Ebrill", "Mai", "Mehefin", "Gorffennaf"),
            *("Awst", "Medi", "Hydref", "Tachwedd", "Rhagfyr"),
        ),
    }
)
_SHORT: Mapping[str, str] = MappingProxyType(
    {
        "Llun": "Llun",
        "Mercher": "Mer",
        "Gwener": "Gwe",
        "Sadwrn": "Sad",
        "Ionawr": "Ion",
        "Chwefror": "Chwe",
        "Mawrth": "Maw",
        "Ebrill": "Ebr",
        "Mehefin": "Meh",
        "Gorffennaf": "Gorff",
        "Awst": "Awst",
        "Medi": "Medi",
        "Hydref": "Hyd",
        "Tachwedd": "Tach",
        "Rhagfyr": "Rhag",
    }
)
"""Where the first three letters are not how Welsh shortens a name."""
