"""What a client sent to a wiki and what came back, read from the sizes and times of TLS records alone.

Theory of operation. In HTTP/2 a request is a HEADERS frame (50-500 B thanks to HPACK; about 3 kB where a site's cookies
are huge) and, if it carries a form, DATA frames of up to 16 kB in records of their own right behind it. A page is only
asked for with HEADERS. So a **flight** (client records with no pause and no answer between them) is cut into **posts**:
a header-sized record, then the data behind it. Three more facts of the protocol help where sizes do not:

- the server gives credit (WINDOW_UPDATE, 13 B each) for DATA and never for HEADERS (RFC 9113, 5.2): it tells a small
  body behind a huge header from two requests in a row;
- a beacon is answered by an empty reply (`TINY`): the first such reply after a flight explains one post of it. This
  matters since Firefox sends beacons on the wiki's own connection, even in one flight with a save;
- a form that is saved is answered by a lone small record (a redirect, or a word to the page's script), to which the
  browser itself asks for a page at once: a **turn**. An answer belongs to the latest flight that could have caused it.

What it does not know: which request an answer belongs to when several are under way (HTTP/2 numbers them inside TLS),
and anything about a body but its length. Times are seconds since the unit opened, sizes bytes of plaintext in a record.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

Record = tuple[float, int]  # seconds since the unit opened; plaintext bytes, + from the client, - from the server

SMALL = 20  # client records up to this are acknowledgements and window updates
CONTROL = 53  # server records up to this are settings and window updates
TINY = 250  # an answer up to this has no content: 204, 202, 304
PAGE = 3_000  # an answer from here may be a page
CREDIT = 13  # a WINDOW_UPDATE frame (RFC 9113, 6.9)
HEADER = 600  # request headers up to this are ordinary
HUGE = 1_500  # a connection whose usual request is larger has huge cookies
LARGEST_HEADER = 5_000  # and no header is larger
FULL = 8_000  # a record from here is a piece of a long body
FEW = 10  # records that do not show yet whether it is HTTP/2
PAUSE_S = 0.030
AGAIN_S = 0.5  # a turn's request comes within this
LONGEST_S = 18.0  # the slowest save waited for
PAGE_S = 6.0  # the page asked for upon an answer comes within this
ANSWERS = 24  # looked at for one exchange
_CREDIT_SIZES = tuple(-CREDIT * n for n in range(1, 4))  # 52 is also the end of a TLS handshake


@dataclass(frozen=True, slots=True)
class Answer:
    """A record of the server that may begin (or be) the answer to an exchange, and what the client did upon it."""

    at: float
    size: int
    think: float  # between the flight's end and the answer, less the round trip
    gap: float  # between the answer and the client's next request; 0 = none before the server's next record
    quiet: float  # between the answer and whatever came next from either side; 0 = nothing yet
    asked: int  # requests within 0.25 s of it
    order: int  # answers before it
    later: int  # flights with data since, which it may answer just as well
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
    bodies: tuple[int, ...]  # bytes of each post's data
    headers: int  # header records in the flight
    credit: int = 0  # bodies that the server gave credit for
    tiny: int = 0  # posts that an empty answer explains
    before: int = 0  # size of the last answer seen before it
    largest_before: int = 0  # size of the largest record the server sent in the 3 s before it
    answers: list[Answer] = field(default_factory=list)

    @property
    def body(self) -> int:
        return max(self.bodies, default=0)

    @property
    def up(self) -> int:
        return sum(self.sizes)

    @property
    def explained(self) -> bool:
        """Were all its posts answered by empty replies, as beacons are?"""
        return self.tiny >= len(self.bodies)


@dataclass(frozen=True, slots=True)
class _Flight:
    start: float
    end: float
    sizes: tuple[int, ...]
    answered: bool


def exchanges(records: Sequence[Record], rtt: float, usual: int) -> list[Exchange]:
    """The flights of `records` that carried data and are not beacons, each with its answers, in order of time.

    `usual` is the size of the connection's usual request (its median), `rtt` in seconds (0 = unknown).
    """
    pieces = _flights(records, rtt)
    huge = _huge(pieces, usual)
    flights = _join(pieces, huge)
    http2 = is_http2(records)
    kinds = [_kinds(flight.sizes, huge, http2) for flight in flights]
    found: list[Exchange] = []
    asked: list[float] = []  # when flights without data began
    for flight, kind, credit in zip(flights, kinds, _credit(records, flights, kinds, rtt), strict=True):
        bodies, headers = _posts(flight.sizes, kind, credit)
        if bodies:
            found.append(Exchange(flight.start, flight.end, flight.sizes, tuple(bodies), headers, credit))
        else:
            asked.append(flight.start)
    _explain(records, found, asked, rtt)
    left = [e for e in found if not e.explained]
    events = [(t, s) for t, s in records if s > SMALL or s < -TINY]
    for i, exchange in enumerate(left):
        exchange.before = next((-s for t, s in reversed(events) if s < 0 and t < exchange.start), 0)
        exchange.largest_before = max((-s for t, s in events if exchange.start - 3 <= t < exchange.start), default=0)
        _answer(exchange, events, rtt, [later.start + 0.6 * rtt for later in left[i + 1 :]])
    return left


def _flights(records: Sequence[Record], rtt: float) -> list[_Flight]:
    flights: list[list[Record]] = []
    ends: set[int] = set()  # flights with an answer behind them
    answered = True
    for t, s in records:
        if s < -TINY:
            answered = True
        elif s > SMALL:
            last = flights[-1][-2:] if flights else [(-1e9, 0)]
            pause = t - last[-1][0]
            waits = max(size for _, size in last) >= FULL and pause <= 1.5 * rtt + PAUSE_S  # for the server's window
            if (not answered and (pause <= PAUSE_S or waits)) or pause <= 0.004:
                flights[-1].append((t, s))
            else:
                flights.append([(t, s)])
            answered = False
        if flights and answered and s < -TINY:
            ends.add(len(flights) - 1)
    return [_Flight(f[0][0], f[-1][0], tuple(s for _, s in f), i in ends) for i, f in enumerate(flights)]


def _join(pieces: Sequence[_Flight], huge: tuple[float, float] | None) -> list[_Flight]:
    """Put together the pieces of long bodies: data without a header, behind a long flight that had no answer yet."""
    flights: list[_Flight] = []
    for piece in pieces:
        first = piece.sizes[0]
        is_data = first > HEADER and not (huge and huge[0] <= first <= huge[1])
        last = flights[-1] if flights else None
        long = last is not None and max(first, sum(last.sizes)) >= FULL
        if last and is_data and long and not last.answered and piece.start - last.end <= 2.0:
            flights[-1] = _Flight(last.start, piece.end, last.sizes + piece.sizes, piece.answered)
        else:
            flights.append(piece)
    return flights


def _huge(flights: Sequence[_Flight], usual: int) -> tuple[float, float] | None:
    """The range of request headers where cookies are huge, from requests that travelled alone; else None."""
    alone = sorted(f.sizes[0] for f in flights if len(f.sizes) == 1 and HUGE <= f.sizes[0] <= LARGEST_HEADER)
    if len(alone) >= 2:
        usual = alone[len(alone) // 2]
    return (0.82 * usual, 1.22 * usual) if HUGE <= usual <= LARGEST_HEADER else None


def _kinds(sizes: Sequence[int], huge: tuple[float, float] | None, http2: bool) -> list[str]:
    """Each record's kind by its size: h(eaders), d(ata), or ? = headers with huge cookies or data of that size.

    In HTTP/2 a flight begins with headers; a body that HTTP/1.1 sends goes out with its headers or right behind them.
    """
    kinds = ["h" if s <= HEADER else "?" if huge and huge[0] <= s <= huge[1] else "d" for s in sizes]
    return ["h", *kinds[1:]] if kinds[0] == "?" or (http2 and sizes[0] < LARGEST_HEADER) else kinds


def _credit(
    records: Sequence[Record], flights: Sequence[_Flight], kinds: Sequence[Sequence[str]], rtt: float
) -> list[int]:
    """How many bodies the server gave credit for, by flight: those that surely carry data come first."""
    found = [0] * len(flights)
    spans = [(f.start + min(0.6 * rtt, 0.004), f.end + 1.5 * rtt + 0.25) for f in flights]
    sure = ["d" in kind for kind in kinds]
    for t, s in records:
        if bodies := _credits(s):
            within = [i for i, (start, end) in enumerate(spans) if start <= t <= end]
            takers = [i for i in within if sure[i]] or [i for i in within if len(flights[i].sizes) > 1][:1]
            for i in takers:
                found[i] += bodies
    return found


def _posts(sizes: Sequence[int], kinds: list[str], credit: int) -> tuple[list[int], int]:
    """The bodies in a flight, and the number of its header records."""
    sure = sum(1 for i, kind in enumerate(kinds) if kind == "d" and (i == 0 or kinds[i - 1] != "d"))
    for i, kind in enumerate(kinds):
        if kind == "?":
            is_data = kinds[i - 1] == "h" and sizes[i - 1] > HEADER and sure < credit
            kinds[i] = "d" if is_data else "h"
            sure += is_data
        elif kind == "h" and i and kinds[i - 1] == "h" and sizes[i - 1] > HEADER and sure < credit:
            kinds[i] = "d"  # a short form behind a huge header
            sure += 1
    if not sure and credit and len(sizes) > 1:
        kinds[-1] = "d"  # a few words, shorter than most headers
    bodies: list[int] = []
    headers = 0
    for i, (s, kind) in enumerate(zip(sizes, kinds, strict=True)):
        within = i and kinds[i - 1] == "d" and sizes[i - 1] >= FULL and i + 1 < len(sizes) and sizes[i + 1] >= FULL
        if kind == "h" and not within:
            headers += 1
        elif bodies and (within or kinds[i - 1] == "d"):
            bodies[-1] += s
            kinds[i] = "d"
        else:
            bodies.append(s)
    return bodies, headers


def is_http2(records: Sequence[Record]) -> bool:
    """Are there records so small that only HTTP/2 sends them? It is taken for granted while few records were seen."""
    return len(records) < FEW or any(0 < s <= SMALL or _credits(s) for _, s in records)


def _credits(size: int) -> int:
    """How many bodies a record of window updates is for: each updates its stream, and once the connection."""
    return max(1, -size // CREDIT - 1) if size in _CREDIT_SIZES else 0


def _explain(records: Sequence[Record], found: Sequence[Exchange], asked: Sequence[float], rtt: float) -> None:
    """Give each empty answer to the flight that fits it best in time, unless a request since could have caused it."""
    moot = [_moot(records, exchange.end + 0.6 * rtt, asked) + 0.6 * rtt for exchange in found]
    for t, s in records:
        if -TINY <= s < -CONTROL:
            fitting = [
                (abs(t - exchange.end - rtt), i)
                for i, exchange in enumerate(found)
                if exchange.end + 0.6 * rtt <= t <= min(moot[i], exchange.end + 1.5 * rtt + AGAIN_S)
                and not exchange.explained
            ]
            if fitting:
                found[min(fitting)[1]].tiny += 1


def _moot(records: Sequence[Record], earliest: float, asked: Sequence[float]) -> float:
    """When the client first asked for something upon an answer that came after `earliest`."""
    answered = next((t for t, s in records if s < -TINY and t >= earliest), 1e9)
    return next((a for a in asked if a >= answered), 1e9)


def _answer(exchange: Exchange, events: Sequence[Record], rtt: float, later: Sequence[float]) -> None:
    first = exchange.end + 0.6 * rtt
    for k, (t, s) in enumerate(events):
        if s > 0 or t < first:
            continue
        if t > first + LONGEST_S or len(exchange.answers) == ANSWERS:
            break
        following = events[k + 1] if k + 1 < len(events) else (t, 0)
        quiet = following[0] - t
        gap = quiet if following[1] > 0 else 0.0
        asked = sum(1 for at, size in events[k + 1 :] if size > 0 and at <= t + 0.25)
        in_stream = k > 0 and events[k - 1][1] <= -PAGE and t - events[k - 1][0] < 0.010
        page, requests = k, 0
        if -s < PAGE and 0 < gap <= AGAIN_S:
            page, requests = _page(events, k)
        found = page > k
        exchange.answers.append(
            Answer(
                t, -s, t - exchange.end - rtt, gap, quiet, asked, len(exchange.answers),
                sum(1 for a in later if a <= t), in_stream, requests,
                -events[page][1] if found else 0, events[page][0] if found else 0.0,
            )
        )  # fmt: skip


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
