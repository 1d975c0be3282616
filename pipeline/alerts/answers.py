"""What a channel answers to one attempt."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Answer(StrEnum):
    """What became of one attempt."""

    TOOK = "took"
    REFUSED = "refused"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Result:
    """An answer, with the word for what was wrong (words.PROBLEMS); empty if nothing was."""

    answer: Answer
    problem: str = ""
