"""What a client sent to a wiki and what came back, read from the sizes and times of TLS records alone.

Theory of operation. `flights` cuts what the client sent into posts. Three facts tell which answer belongs to which:

- an **event** (a beacon, see `flights`) is answered without content, so all of a connection's events have answers of
  one and the same size: that of a 204 if headers are packed (TINY), up to 1 kB if they are not. This size is learned
  from the connection itself (`Habits`); an answer of it explains one post, and is nobody else's answer. In the same way
  **receipts** are learned: answers that posts of whatever length always get, such as that of text kept while typing;
- a form that is saved is answered by a lone small record (a redirect, or a word to the page's script), to which the
  browser itself asks for a page at once: a **turn**. An answer belongs to the latest flight that could have caused it;
- a browser that speaks HTTP/2 on a connection does so for ever: `Habits` also remembers that it was seen.

What it does not know: which request an answer belongs to when several are under way (HTTP/2 numbers them inside TLS),
and anything about a body but its length. Times are seconds since the unit opened, sizes bytes of plaintext in a record.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.wiki.flights import CONTROL, FEW, LEAD, SMALL, TINY, Flight, Post, Record, flights, quickest, shows_http2

PAGE = 3_000  # an answer from here may be a page
FORM = 900  # bytes of the shortest body that saves a form; log-ins and preferences are shorter
AGAIN_S = 0.5  # a turn's request comes within this
TURN_S = 0.12  # and within this it is a browser's own, upon a redirect
BESIDE_S = 0.010  # another small answer may come between, so soon
LONGEST_S = 18.0  # the slowest save waited for
PAGE_S = 6.0  # the page asked for upon an answer comes within this
ANSWERS = 24  # looked at for one exchange
LARGEST_EMPTY = 1_200  # no answer to an event is larger
SAME = 2  # bytes by which answers to events differ
REMEMBERED = 16  # posts of a connection whose answers are remembered
RECEIPTS = 3  # answers of one size make a receipt


@dataclass(slots=True)
class Habits:
    """What a connection's records so far have shown of it; `when` = a post's time in 1/20 s."""

    http2: bool = False
    rtt: float = math.inf
    to_events: dict[int, int] = field(default_factory=dict)  # sizes of answers to events, by when these were sent
    to_posts: dict[int, int] = field(default_factory=dict)  # first answers to other posts likewise

    def learn_events(self, records: Sequence[Record], sent: Sequence[Flight], rtt: float, opened: float) -> None:
        """Take in the answers to flights that were only events."""
        for flight in sent:
            if flight.posts and flight.headers == len(flight.posts) and all(map(_is_event, flight.posts)):
                first = flight.end + 0.6 * rtt
                size = next((-s for t, s in records if first <= t <= first + AGAIN_S + rtt and s < -CONTROL), 0)
                _remember(self.to_events, opened + flight.start, size)

    def learn_receipt(self, exchange: Exchange, opened: float) -> None:
        """Take in the first answer to a post, unless the browser turned upon it."""
        if exchange.answers and not exchange.answers[0].turned:
            _remember(self.to_posts, opened + exchange.start, exchange.answers[0].size)

    @property
    def empty(self) -> tuple[int, ...]:
        """Sizes that answers to events have."""
        return tuple(set(self.to_events.values()))

    @property
    def receipts(self) -> tuple[int, ...]:
        """Sizes of answers that say no more than that something was received: they are always the same."""
        sizes = Counter(self.to_posts.values())
        return tuple(
            size for size in sizes if sum(n for other, n in sizes.items() if abs(other - size) <= SAME) >= RECEIPTS
        )


def _remember(answers: dict[int, int], at: float, size: int) -> None:
    if 0 < size <= LARGEST_EMPTY:
        when = round(at * 20)
        answers[next((near for near in (when - 1, when + 1) if near in answers), when)] = size
        if len(answers) > REMEMBERED:
            del answers[min(answers)]


@dataclass(frozen=True, slots=True)
class Answer:
    """A record of the server that may begin (or be) the answer to an exchange, and what the client did upon it."""

    at: float
    size: int
    think: float  # between the flight's end and the answer, less the round trip
    gap: float  # between the answer and the client's next request; 0 = none before the server's next record
    quiet: float  # between the answer and whatever came next from either side; 0 = nothing yet
    asked: int  # requests within 0.25 s of it
    order: int  # answers before it, without receipts for other posts
    later: int  # flights with data since, which it may answer as well, without short ones that got receipts; one more
    #   if this exchange had had an answer before one of them was sent
    in_stream: bool  # it came at the end of a long answer
    requests: int = 0  # sent until a page came
    page: int = 0  # size of the first record of that page; 0 = none came
    page_at: float = 0.0

    @property
    def turned(self) -> bool:
        """Did the client ask for a page at once, and get it?"""
        return self.page > 0


@dataclass(slots=True)
class Exchange:
    """One flight that carried data, and its answers."""

    start: float
    end: float
    sizes: tuple[int, ...]
    bodies: tuple[int, ...]  # bytes of each post's data, events left out
    headers: int  # header records in the flight
    credit: int = 0  # bodies that the server gave credit for
    events: int = 0  # further posts in it that are events
    tiny: int = 0  # posts that an answer without content explains
    before: int = 0  # size of the last answer seen before it
    largest_before: int = 0  # size of the largest record the server sent in the 3 s before it
    open_before: int = 0  # posts before it that had no answer yet
    answers: list[Answer] = field(default_factory=list)

    @property
    def body(self) -> int:
        return max(self.bodies, default=0)

    @property
    def up(self) -> int:
        return sum(self.sizes)

    @property
    def explained(self) -> bool:
        """Are all its posts events, or answered as events are?"""
        return not self.bodies or self.tiny >= self.events + len(self.bodies)


def exchanges(
    records: Sequence[Record], rtt: float, usual: int, habits: Habits | None = None, opened: float = 0.0
) -> list[Exchange]:
    """The flights of `records` that carried data and are not events, each with its answers, in order of time.

    `usual` is the size of the connection's usual request (its median), `rtt` in seconds (0 = unknown), `opened` the
    Unix time that `records` are relative to; `habits` of the connection are learned from and added to.
    """
    habits = Habits() if habits is None else habits
    habits.http2 = habits.http2 or shows_http2(records)
    habits.rtt = rtt = quickest(records, min(rtt, habits.rtt))
    sent = flights(records, rtt, usual, is_http2(records, habits))
    habits.learn_events(records, sent, rtt, opened)
    found: list[Exchange] = []
    asked: list[float] = []  # when flights without data began
    for flight in sent:
        if flight.posts:
            bodies = tuple(post.body for post in flight.posts if not _is_event(post, habits))
            events = len(flight.posts) - len(bodies)
            found.append(
                Exchange(flight.start, flight.end, flight.sizes, bodies, flight.headers, flight.credit, events)
            )
        else:
            asked.append(flight.start)
    spent = _explain(records, found, asked, rtt, habits.empty)
    left = [e for e in found if not e.explained]
    shown = [(t, s) for t, s in records if s > SMALL or (s < -TINY and (t, s) not in spent)]
    for i, exchange in enumerate(left):
        exchange.before = next((-s for t, s in reversed(shown) if s < 0 and t < exchange.start), 0)
        exchange.largest_before = max((-s for t, s in shown if exchange.start - 3 <= t < exchange.start), default=0)
        exchange.open_before = sum(
            1 for e in left[:i] if not any(s < 0 and e.end + 0.6 * rtt <= t < exchange.start for t, s in shown)
        )
        _answer(exchange, shown, rtt, left[i + 1 :], habits.receipts)
        habits.learn_receipt(exchange, opened)
    return left


def is_http2(records: Sequence[Record], habits: Habits) -> bool:
    """Is the connection HTTP/2? It is taken for granted while few records were seen."""
    return habits.http2 or len(records) < FEW


def _is_event(post: Post, habits: Habits | None = None) -> bool:
    """Is it an event by the first piece of its body? Of a body in one piece that shows only where events are known."""
    is_lead = LEAD[0] <= post.lead <= LEAD[1]
    return is_lead and (post.pieces > 1 or (habits is not None and bool(habits.to_events)))


def _explain(
    records: Sequence[Record], found: Sequence[Exchange], asked: Sequence[float], rtt: float, empty: Sequence[int]
) -> set[Record]:
    """Give each answer without content to the flight that fits it best in time, those with events first, unless a
    request since could have caused it. Returns the answers that are thereby spent.
    """
    moot = [_moot(records, exchange.end + 0.6 * rtt, asked) + 0.6 * rtt for exchange in found]
    spent: set[Record] = set()
    for t, s in records:
        if not (-TINY <= s < -CONTROL or _is_among(-s, empty)):
            continue
        fitting = []
        for i, exchange in enumerate(found):
            waits = exchange.events > exchange.tiny
            soon = min(moot[i], exchange.end + 1.5 * rtt + AGAIN_S)
            latest = exchange.end + PAGE_S if waits else soon
            if exchange.end + 0.6 * rtt <= t <= latest and exchange.tiny < exchange.events + len(exchange.bodies):
                fitting.append((t > soon, not waits, abs(t - exchange.end - rtt), i))
        if fitting:
            found[min(fitting)[-1]].tiny += 1
            spent.add((t, s))
    return spent


def _moot(records: Sequence[Record], earliest: float, asked: Sequence[float]) -> float:
    """When the client first asked for something upon an answer that came after `earliest`."""
    answered = next((t for t, s in records if s < -TINY and t >= earliest), 1e9)
    return next((a for a in asked if a >= answered), 1e9)


def _answer(
    exchange: Exchange, shown: Sequence[Record], rtt: float, after: Sequence[Exchange], receipts: Sequence[int]
) -> None:
    first = exchange.end + 0.6 * rtt
    received = [t for t, s in shown if t >= first and s < 0 and _is_among(-s, receipts)]
    order = 0  # without receipts
    for k, (t, s) in enumerate(shown):
        if s > 0 or t < first:
            continue
        if t > first + LONGEST_S or len(exchange.answers) == ANSWERS:
            break
        following = shown[k + 1] if k + 1 < len(shown) else (t, 0)
        gap = 0.0
        for at, size in shown[k + 1 :]:
            if size > 0:
                gap = at - t
            if size > 0 or size <= -PAGE or at - t > BESIDE_S:
                break
        page, requests = k, 0
        if -s < PAGE and 0 < gap <= AGAIN_S:
            page, requests = _page(shown, k)
        found = page > k
        since = [e for e in after if e.start + 0.6 * rtt <= t]
        long = sum(1 for e in since if e.body >= FORM)
        short = max(0, len(since) - long - sum(1 for at in received if at <= t + AGAIN_S))
        moot = bool(long + short and exchange.answers and exchange.answers[0].at <= since[-1].start)
        is_receipt = _is_among(-s, receipts) and not (found and gap <= TURN_S)
        exchange.answers.append(
            Answer(
                at=t,
                size=-s,
                think=t - exchange.end - rtt,
                gap=gap,
                quiet=following[0] - t,
                asked=sum(1 for at, size in shown[k + 1 :] if size > 0 and at <= t + 0.25),
                order=order + max(0, sum(1 for at in received if at < t) - exchange.open_before - len(since)),
                later=long + short + moot,
                in_stream=k > 0 and shown[k - 1][1] <= -PAGE and t - shown[k - 1][0] < 0.010,
                requests=requests,
                page=-shown[page][1] if found else 0,
                page_at=shown[page][0] if found else 0.0,
            )
        )
        order += not is_receipt


def _is_among(size: int, sizes: Sequence[int]) -> bool:
    return any(abs(size - other) <= SAME for other in sizes)


def _page(events: Sequence[Record], k: int) -> tuple[int, int]:
    """Where the page begins that was asked for upon record `k` (`k` = nowhere yet), and the requests till then."""
    requests = 0
    for i in range(k + 1, len(events)):
        t, s = events[i]
        if t - events[k][0] > PAGE_S:
            break
        if s <= -PAGE:
            return i, requests
        requests += s > 0
    return k, requests
