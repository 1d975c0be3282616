"""Sentences that are made below the pages, told in Welsh: health checks, answers to "why?", rules, reasons of alerts.

Theory of operation. These sentences are English wherever they are made, with names and numbers filled in: the command
line and the alerts speak it, and what the store keeps of a rule or an alert was written long ago. So a page recognises
them. Each text of the tables in `TABLES` is a pattern whose {names} stand for anything; of the patterns that fit a
sentence, the one with the most letters of its own holds. What stood in a gap is carried over, and told in Welsh itself
where it is known: a sentence, several, a list, a day. What no pattern fits stays English, and is marked so, which makes
a screen reader say it in English. The tests ask for a pattern of every sentence that the checks and rules can say.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files

from dashboards.language import DAYS, MONTHS, Language, long_day, welsh
from dashboards.words import REASON_TEXTS

TABLES = ("checks.toml", "why.toml")
_GAP = re.compile(r"{(\w+)}")
_LISTS = ("; ", ", ", " and ")
_SENTENCES = re.compile(r"(?<=[.;]) (?=[A-Z])")


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A text with gaps: how it reads in English, its Welsh, and how many letters are its own."""

    english: re.Pattern[str]
    cymraeg: str
    own: int


def recognised(lang: Language, text: str) -> str | None:
    """The sentence in a language; None where it stays English."""
    return text if lang == "en" else _welsh(text)


@cache
def _patterns() -> tuple[tuple[_Pattern, ...], dict[str, str]]:
    """Texts with gaps, those with most letters of their own first; and texts without."""
    folder = files("dashboards") / "welsh"
    every = {e: c for name in TABLES for e, c in tomllib.loads((folder / name).read_text("utf-8")).items()}
    patterns = []
    for english, cymraeg in every.items():
        seen: set[str] = set()
        parts = []
        for n, part in enumerate(_GAP.split(english)):
            if n % 2 == 0:
                parts.append(re.escape(part))
            else:
                parts.append(f"(?P={part})" if part in seen else f"(?P<{part}>.*?)")
                seen.add(part)
        if seen:
            own = len(_GAP.sub("", english))
            patterns.append(_Pattern(re.compile("".join(parts), re.DOTALL), cymraeg, own))
    patterns.sort(key=lambda one: -one.own)
    plain = {english: cymraeg for english, cymraeg in every.items() if not _GAP.search(english)}
    plain |= {text: welsh()[text] for text in REASON_TEXTS if text in welsh()}
    return tuple(patterns), plain


def _welsh(text: str) -> str | None:
    patterns, plain = _patterns()
    if text in plain:
        return plain[text]
    if (several := _several(text)) is not None:
        return several
    for pattern in patterns:
        if found := pattern.english.fullmatch(text):
            told = {name: _in_gap(value) for name, value in found.groupdict().items()}
            return pattern.cymraeg.format(**told)
    return None


def _several(text: str) -> str | None:
    """Sentences of one kind in a row, 'A; B.', each in Welsh; None where it is no such row."""
    parts = text.removesuffix(".").split("; ")
    if len(parts) < 2 or not text.endswith("."):
        return None
    told = [_welsh(f"{part}.") for part in parts]
    return "; ".join(one.removesuffix(".") for one in told if one) + "." if all(told) else None


def _in_gap(text: str) -> str:
    """What stands in a gap, in Welsh as far as it is known."""
    bare = text.strip()
    if not bare:
        return text
    before, after = text[: text.index(bare)], text[text.index(bare) + len(bare) :]
    return f"{before}{_known(bare)}{after}"


def _known(text: str) -> str:
    if (day := _day(text)) is not None:
        return long_day(day, "cy")
    if (found := _welsh(text)) is not None:
        return found
    sentences = _SENTENCES.split(text)
    if len(sentences) > 1:
        return " ".join(_known(one) for one in sentences)
    for mark in _LISTS:
        if mark in text:
            return (" a " if mark == " and " else mark).join(_known(part) for part in text.split(mark))
    name, colon, rest = text.partition(": ")
    return f"{name}: {_known(rest)}" if colon else text


def _day(text: str) -> date | None:
    """The day of 'Tuesday 17 November 2026'."""
    words: Sequence[str] = text.split()
    if len(words) != 4 or words[0] not in DAYS["en"] or words[2] not in MONTHS["en"]:
        return None
    try:
        return date(int(words[3]), MONTHS["en"].index(words[2]) + 1, int(words[1]))
    except ValueError:
        return None
