"""From TLS records to what a client sent at once: flights, and the posts in them.

Theory of operation. In HTTP/2 a request is a HEADERS frame (50-500 B thanks to HPACK; about 3 kB where a site's cookies
are huge) and, if it carries a form, DATA frames of up to 16 kB in records of their own right behind it. A page is only
asked for with HEADERS. So a **flight** (client records with no pause and no answer between them) is cut into **posts**:
a header-sized record, then the data behind it. Two more facts of the protocol help where sizes do not:

- the server gives credit (WINDOW_UPDATE, 13 B each) for DATA and never for HEADERS (RFC 9113, 5.2): it tells a small
  body behind a huge header from two requests in a row;
- Firefox sends its **events** (beacons) on the wiki's own connection. It writes a request as text first and reads the
  first 2 kB of it (headers as text, then body) at one go, so the first piece of a long body is what the headers leave:
  LEAD bytes for an event, as it goes to another host and carries no cookies; a form, or a script's call of the wiki
  itself, has the wiki's cookies and leaves less (measured: 850-1,290 B for saves, at most 1,400 B for the rest).

What it does not know: anything about a body but its length. Times are seconds since the unit opened.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

Record = tuple[float, int]  # seconds since the unit opened; plaintext bytes, + from the client, - from the server

SMALL = 20  # client records up to this are acknowledgements and window updates
CONTROL = 53  # server records up to this are settings and window updates
TINY = 250  # an answer up to this has no content: 204, 202, 304
CREDIT = 13  # a WINDOW_UPDATE frame (RFC 9113, 6.9)
HEADER = 600  # request headers up to this are ordinary
HUGE = 1_500  # a connection whose usual request is larger has huge cookies
LARGEST_HEADER = 5_000  # and no header is larger
NEAR = (0.7, 1.4)  # how such headers differ among themselves
FULL = 8_000  # a record from here is a piece of a long body
LEAD = (1_440, 1_600)  # first piece of an event's body
FEW = 10  # records that do not show yet whether it is HTTP/2
PAUSE_S = 0.030
_CREDIT_SIZES = (-13, -26, -35, -39, -43)  # also with SETTINGS' (9) or PING's (17) acknowledgement; 52 ends a handshake


@dataclass(frozen=True, slots=True)
class Post:
    """The data behind one header: bytes in all, and of its first record; in how many records they came."""

    body: int
    lead: int
    pieces: int


@dataclass(frozen=True, slots=True)
class Flight:
    """What a client sent at once: its records, the posts in them, and bodies that the server gave credit for."""

    start: float
    end: float
    sizes: tuple[int, ...]
    answered: bool
    posts: tuple[Post, ...] = ()
    headers: int = 0
    credit: int = 0


def flights(records: Sequence[Record], rtt: float, usual: int, http2: bool) -> list[Flight]:
    """The flights of `records`, cut into posts, in order of time.

    `usual` is the size of the connection's usual request (its median), `rtt` in seconds (0 = unknown).
    """
    pieces = _cut(records, rtt)
    huge = _huge(pieces, usual)
    joined = _join(pieces, huge)
    kinds = [_kinds(flight.sizes, huge, http2) for flight in joined]
    found = []
    for flight, kind, credit in zip(joined, kinds, _credit(records, joined, kinds, rtt), strict=True):
        posts, headers = _posts(flight.sizes, kind, credit)
        found.append(Flight(flight.start, flight.end, flight.sizes, flight.answered, tuple(posts), headers, credit))
    return found


def quickest(records: Sequence[Record], rtt: float) -> float:
    """The round trip, if the server was seen to give credit sooner than the handshake had made expect: upon data that
    went up at one moment, with no other data for a second before it."""
    sent = [t for t, s in records if s > HEADER]
    for t, s in records:
        at = bisect_left(sent, t)
        if _credits(s) and at and 0.001 < t - sent[at - 1] < rtt:
            moment = bisect_left(sent, sent[at - 1] - 0.003)
            if not moment or sent[moment - 1] < sent[at - 1] - 1.0:
                rtt = t - sent[at - 1]
    return rtt


def shows_http2(records: Sequence[Record]) -> bool:
    """Are there records so small that only HTTP/2 sends them?"""
    return any(0 < s <= SMALL or _credits(s) for _, s in records)


def _cut(records: Sequence[Record], rtt: float) -> list[Flight]:
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
    return [Flight(f[0][0], f[-1][0], tuple(s for _, s in f), i in ends) for i, f in enumerate(flights)]


def _join(pieces: Sequence[Flight], huge: tuple[float, float] | None) -> list[Flight]:
    """Put together the pieces of long bodies: data without a header, behind a long flight that had no answer yet."""
    flights: list[Flight] = []
    for piece in pieces:
        first = piece.sizes[0]
        is_data = first > HEADER and not (huge and huge[0] <= first <= huge[1])
        last = flights[-1] if flights else None
        long = last is not None and max(first, sum(last.sizes)) >= FULL
        if last and is_data and long and not last.answered and piece.start - last.end <= 2.0:
            flights[-1] = Flight(last.start, piece.end, last.sizes + piece.sizes, piece.answered)
        else:
            flights.append(piece)
    return flights


def _huge(flights: Sequence[Flight], usual: int) -> tuple[float, float] | None:
    """The range of request headers where cookies are huge, from requests that travelled alone; else None."""
    alone = sorted(f.sizes[0] for f in flights if len(f.sizes) == 1 and HUGE <= f.sizes[0] <= LARGEST_HEADER)
    if len(alone) >= 2:
        usual = alone[len(alone) // 2]
    return (NEAR[0] * usual, NEAR[1] * usual) if HUGE <= usual <= LARGEST_HEADER else None


def _kinds(sizes: Sequence[int], huge: tuple[float, float] | None, http2: bool) -> list[str]:
    """Each record's kind by its size: h(eaders), d(ata), or ? = headers with huge cookies or data of that size.

    In HTTP/2 a flight begins with headers; a body that HTTP/1.1 sends goes out with its headers or right behind them.
    """
    if huge is None and http2 and HUGE <= sizes[0] < LARGEST_HEADER:
        huge = (NEAR[0] * sizes[0], NEAR[1] * sizes[0])
    kinds = ["h" if s <= HEADER else "?" if huge and huge[0] <= s <= huge[1] else "d" for s in sizes]
    return ["h", *kinds[1:]] if kinds[0] == "?" or (http2 and sizes[0] < LARGEST_HEADER) else kinds


def _credit(
    records: Sequence[Record], flights: Sequence[Flight], kinds: Sequence[Sequence[str]], rtt: float
) -> list[int]:
    """How many bodies the server gave credit for, by flight: those that surely carry data come first, until each of
    their records has had its own."""
    found = [0] * len(flights)
    spans = [(f.start + min(0.6 * rtt, 0.004), f.end + 1.5 * rtt + 0.25) for f in flights]
    sure = [kind.count("d") for kind in kinds]
    for t, s in records:
        if bodies := _credits(s):
            within = [i for i, (start, end) in enumerate(spans) if start <= t <= end]
            takers = [i for i in within if found[i] < sure[i]]
            takers = takers or [i for i in within if not sure[i] and len(flights[i].sizes) > 1][:1]
            takers = takers or [i for i in within if sure[i]]
            for i in takers:
                found[i] += bodies
    return found


def _posts(sizes: Sequence[int], kinds: list[str], credit: int) -> tuple[list[Post], int]:
    """The posts in a flight, and the number of its header records."""
    sure = sum(1 for i, kind in enumerate(kinds) if kind == "d" and (i == 0 or kinds[i - 1] != "d"))
    ends = ["d" not in kinds[i + 1 : i + 2] for i in range(len(kinds))]
    for i in range(1, len(sizes)):  # a short form behind a huge header
        if kinds[i] == "h" and ends[i] and kinds[i - 1] != "d" and sizes[i - 1] > HEADER and sure < credit:
            kinds[i - 1], kinds[i] = "h", "d"
            sure += 1
    for i, kind in enumerate(kinds):
        if kind == "?":
            could = sizes[i - 1] > HEADER or LEAD[0] <= sizes[i] <= LEAD[1]  # an event has no cookies
            is_data = kinds[i - 1] == "h" and could and sure < credit
            is_data |= kinds[i - 1] == "d" and LEAD[0] <= sizes[i - 1] <= LEAD[1]  # and this is the rest of it
            kinds[i] = "d" if is_data else "h"
            sure += is_data and kinds[i - 1] == "h"
    if not sure and credit and len(sizes) > 1:
        kinds[-1] = "d"  # a few words, shorter than most headers
    posts: list[Post] = []
    headers = 0
    for i, (s, kind) in enumerate(zip(sizes, kinds, strict=True)):
        within = i and kinds[i - 1] == "d" and sizes[i - 1] >= FULL and i + 1 < len(sizes) and sizes[i + 1] >= FULL
        if kind == "h" and not within:
            headers += 1
        elif posts and (within or kinds[i - 1] == "d"):
            posts[-1] = Post(posts[-1].body + s, posts[-1].lead, posts[-1].pieces + 1)
            kinds[i] = "d"
        else:
            posts.append(Post(s, s, 1))
    return posts, headers


def _credits(size: int) -> int:
    """How many bodies a record of window updates is for: each updates its stream, and once the connection."""
    return max(1, -size // CREDIT - 1) if size in _CREDIT_SIZES else 0
