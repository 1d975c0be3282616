"""Sentences that are decided in one place and said in another, in the reader's language.

A `Said` is an English text of the tables in `welsh/`, with the values for its {names}: numbers, days, words, shares,
further sentences. Whoever decides what is to be told (a week's changes, why nothing is compared) makes these, and the
page, the plain text and the mail say them in English or Welsh. It decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from dashboards.language import Language, short_day, translated
from dashboards.suppression import Shown


@dataclass(frozen=True, slots=True)
class Said:
    """An English text, and what its {names} stand for."""

    text: str
    values: Mapping[str, object] = field(default_factory=dict)

    def in_(self, lang: Language) -> str:
        """The sentence in a language."""
        filled = {name: said(value, lang) for name, value in self.values.items()}
        return translated(lang, self.text).format(**filled)


def counted(n: int, one: str, many: str, **values: object) -> Said:
    """A text for one and another for several; `n` is among its values."""
    return Said(one if n == 1 else many, {"n": n, **values})


def said(value: object, lang: Language) -> str:
    """A value in a language: a day, a number, a sentence, several of them."""
    if isinstance(value, Said):
        return value.in_(lang)
    if isinstance(value, Shown):
        return value.text
    if isinstance(value, date):
        return short_day(value, lang)
    if isinstance(value, tuple | list):
        return ", ".join(said(item, lang) for item in value)
    return f"{value:,}" if isinstance(value, int) else str(value)
