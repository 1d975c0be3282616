"""The cues of a save: what each shape of save looks like, as a few grades that speak for or against it.

Theory of operation. People and programs save in four ways, and each leaves a **shape** (sizes as MediaWiki sends them;
the figures are in `constants.toml`):

- `form`: the edit form is posted (page or section text and at least 2 kB of form fields), the answer is a lone small
  redirect, and the browser asks for the saved page within milliseconds. The mobile editor's script does the same with
  a reload a little later. A log-in or the preferences turn too, but their bodies are short and their redirects differ.
- `visual`: VisualEditor first stores the whole text with the server (a large body, a small answer), then saves with a
  body of about 2 kB that only names what was stored; the answer is the rendered page.
- `reply`: a discussion reply: about 2.3 kB, answered by one record, upon which the page's script asks for three things
  at once; short bodies before it show the text being previewed while it was typed.
- `bare`: the interface for programs, and a rollback: a body of any length, credited, and one lone answer of the size
  that "saved" has, upon which nothing is asked for.

A cue grades one measured value into steps of increasing weight of evidence (log-odds); a shape's evidence is the sum.
Every cue is monotone: more of it never lowers the probability, so each can be told in words. What a shape does not see
is a gate: without it the shape is not considered at all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pipeline.wiki.constants import Sizes
from pipeline.wiki.exchange import FORM, PAGE, Answer, Exchange
from pipeline.wiki.flights import HEADER, TINY

MEMORY_S = 600.0  # earlier uploads of the same client are remembered for this long


class Shape(StrEnum):
    FORM = "form"
    VISUAL = "visual"
    REPLY = "reply"
    BARE = "bare"


@dataclass(frozen=True, slots=True)
class Past:
    """An earlier upload of the same client: Unix time, bytes of its body, size of the first answer to it."""

    at: float
    body: int
    answer: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """An exchange seen as a shape of save: the values of the shape's cues, and when the last of them was known."""

    shape: Shape
    exchange: Exchange
    answer: Answer
    values: dict[str, float]
    known: float


def candidates(exchange: Exchange, past: Sequence[Past], now: float, sizes: Sizes, http2: bool) -> Iterator[Candidate]:
    """Every way in which the exchange could be a save. `now` is its Unix time; `past` ends before it."""
    common = {
        # HTTP/1.1 knows no credit
        "credit": float(exchange.credit > 0) if http2 else math.nan,
    }
    kept = [p for p in past if TINY < (p.answer or exchange.before) <= sizes.stored_answer_max]
    stored = max((p for p in kept if now - p.at <= 120), key=_body, default=None)
    typed = sum(1 for p in past if p.body <= HEADER and now - p.at <= 20)
    # VisualEditor saves with a body that only names what was stored, and no page has just been loaded
    names_only = (
        stored is not None
        and stored.body > exchange.body
        and _far(exchange.body, sizes.visual_body) <= 0.35
        and exchange.largest_before < PAGE
    )
    saved = sizes.saved if http2 else sizes.saved_plain
    for answer in exchange.answers:
        shared = common | {
            "think": answer.think,
            "order": float(answer.order),
            "later": float(answer.later),
            "in_stream": float(answer.in_stream),
        }
        if answer.turned and exchange.body >= FORM and _far(answer.size, sizes.saved) <= 0.5:
            values = shared | {
                "body": float(exchange.body),
                "answer": _far(answer.size, sizes.saved),
                "gap": answer.gap,
                "requests": float(answer.requests),
                "wait": answer.page_at - answer.at,
            }
            yield Candidate(Shape.FORM, exchange, answer, values, answer.page_at)
        if stored and names_only and answer.size >= 1_500 and not answer.turned and not answer.later:
            values = shared | {
                "body": _far(exchange.body, sizes.visual_body),
                "stored": stored.body / exchange.body,
                "since": now - stored.at,
                "between": float(sum(1 for p in past if stored.at < p.at and p.body > HEADER)),
            }
            yield Candidate(Shape.VISUAL, exchange, answer, values, answer.at)
        if 1_000 <= exchange.body <= 6_000 and 1_500 <= answer.size <= 7_000 and answer.asked and not answer.turned:
            values = shared | {
                "body": _far(exchange.body, sizes.reply_body),
                "answer": _far(answer.size, sizes.reply_answer),
                "asked": float(answer.asked),
                "gap": answer.gap or 1.0,
                "typed": float(typed),
            }
            yield Candidate(Shape.REPLY, exchange, answer, values, answer.at + 0.25)
        if exchange.body >= 100 and not answer.turned and answer.size <= sizes.saved * 2:
            values = shared | {
                "body": float(exchange.body),
                # thanks and watching have short bodies and similar answers: theirs must fit better
                "answer": _far(answer.size, saved) * (0.55 if exchange.body > HEADER else 1.0),
                "quiet": answer.quiet or 9.0,
                "asked": float(answer.asked),
            }
            yield Candidate(Shape.BARE, exchange, answer, values, answer.at + QUIET_S)


QUIET_S = 1.0  # a bare answer is judged once nothing followed it for so long


def _body(past: Past) -> int:
    return past.body


def _far(size: float, usual: float) -> float:
    """How far a size is from the usual one, as a ratio's logarithm."""
    return abs(math.log(max(1.0, size) / usual))
