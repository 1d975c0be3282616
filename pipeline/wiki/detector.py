"""Tells edits of wikis from reads, as upload units come in.

Theory of operation. Every revision of a unit is read anew (`exchange`); each exchange in it is looked at as the four
shapes of a save (`cues`), each of which has a probability (`constants`). Three rules turn them into alarms:

- **likely** is said as soon as the record is known that lifts the probability over the threshold;
- **possible** waits `SETTLE_S`, since what comes next may explain the upload, or make it likely;
- one action gives one alarm: a save just after its text was stashed is not told twice.

A POST that says itself that it edits, in the clear to a wiki without TLS, and is answered by a redirect, is
**confirmed**; nothing else ever is. Cues from other connections (host names only) lift a probability: hCaptcha's hosts
are asked when somebody without a confirmed account types into an edit form; auth.wikimedia.org right after an upload is
where the first save of a logged-out person leads; cxserver serves the translation tool. On Commons most forms of this
shape are uploads of files, which look the same: there only such hosts make an edit possible. These weights are assumed,
not measured: recorded sessions have hardly any of them.

Decisions depend on packet times alone (`Unit.known`, and `now` in `advance`), so a capture gives the same alarms live.
Memory is bounded: per client the uploads of ten minutes, at most PASTS, and the habits of CONNECTIONS connections; at
most CLIENTS clients.

What it does not know: see `telling`. It never joins an alarm with what a wiki publishes: that would unmask an editor.
"""

from __future__ import annotations

import heapq
import math
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from pipeline.wiki.alarm import Certainty, EditAlarm, Thresholds
from pipeline.wiki.constants import Constants
from pipeline.wiki.cues import MEMORY_S, Candidate, Past, candidates
from pipeline.wiki.exchange import Exchange, Habits, exchanges, is_http2
from pipeline.wiki.telling import of_every, of_request, of_upload
from pipeline.wiki.unit import HostCue, Request, Unit

SETTLE_S = 3.0
SAME_S = 10.0  # alarms of one client and wiki within this are one action
VIEW_S = 2.5  # what lies further before a unit's opening may have been cut off
OWN_S = 0.3
MATCH_S = 0.06  # two units see an exchange at the same time, give or take the rounding of times
CLIENTS = 1 << 13
PASTS = 64
CUES = 16
CONNECTIONS = 16
_COMMONS = "commons.wikimedia."
_NOT_EDITED = ("auth.", "login.")  # hosts for logging in; nothing is edited there


@dataclass(slots=True, eq=False)
class _Watched:
    """An exchange that is being judged, as its latest unit shows it."""

    start: float
    opened: float  # of that unit
    past: Past
    judged: tuple[float, Candidate, Unit] | None = None
    told: Certainty | None = None


@dataclass(slots=True)
class _Client:
    watched: deque[tuple[int, _Watched]] = field(default_factory=lambda: deque(maxlen=PASTS))  # with the connection
    cues: deque[HostCue] = field(default_factory=lambda: deque(maxlen=CUES))
    told: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=CUES))  # likely: when, wiki
    habits: OrderedDict[int, Habits] = field(default_factory=OrderedDict)  # by connection

    def habits_of(self, connection: int) -> Habits:
        habits = self.habits.setdefault(connection, Habits())
        self.habits.move_to_end(connection)
        if len(self.habits) > CONNECTIONS:
            self.habits.popitem(last=False)
        return habits


class Detector:
    """Feed it units in the order in which they became known; each call gives the alarms that are due."""

    def __init__(self, constants: Constants, thresholds: Thresholds) -> None:
        self._constants = constants
        self._thresholds = thresholds
        self._clients: OrderedDict[bytes, _Client] = OrderedDict()
        self._waiting: list[tuple[float, int, _Client, _Watched]] = []
        self._serial = 0

    def feed(
        self, units: Iterable[Unit], cues: Iterable[HostCue] = (), requests: Iterable[Request] = ()
    ) -> list[EditAlarm]:
        """Take what came since the last call, in the order of time."""
        alarms: list[EditAlarm] = []
        items: list[tuple[float, int, Unit | HostCue | Request]] = []
        items += [(cue.time, 0, cue) for cue in cues]
        items += [(request.known, 1, request) for request in requests]
        items += [(unit.known, 2, unit) for unit in units]
        for known, _, item in sorted(items, key=_when):
            alarms += self.advance(known)
            if isinstance(item, Unit):
                alarms += self._judge(item)
            elif isinstance(item, HostCue):
                alarms += self._take_cue(item)
            elif item.edit:
                alarms.append(self._confirm(item))
        return alarms

    def advance(self, now: float) -> list[EditAlarm]:
        """Say what has waited long enough by packet time `now`."""
        alarms = []
        while self._waiting and self._waiting[0][0] <= now:
            _, _, client, watched = heapq.heappop(self._waiting)
            if watched.judged is None or watched.told or watched.judged[0] < self._thresholds.possible:
                continue
            if not self._is_same(client, watched):
                alarms.append(self._alarm(client, watched, Certainty.POSSIBLE))
        return alarms

    def finish(self) -> list[EditAlarm]:
        """The stream has ended: nothing more will come."""
        return self.advance(math.inf)

    # -- judging --------------------------------------------------------------------------------------------------

    def _judge(self, unit: Unit) -> list[EditAlarm]:
        if unit.wiki.startswith(_NOT_EDITED):
            return []
        client = self._client(unit.client)
        habits = client.habits_of(unit.connection)
        found = exchanges(unit.records, unit.rtt, unit.usual, habits, unit.opened)
        http2 = is_http2(unit.records, habits)
        shown = [e for e in found if e.start >= -VIEW_S]
        met = [(e, *self._meet(client, unit, e)) for e in shown]
        mine = [watched for _, watched, is_mine in met if is_mine]
        ways = [way for e, watched, _ in met for way in self._ways(client, unit, e, watched, http2)]
        taken: dict[float, _Watched] = {}
        for watched in mine:
            watched.judged = None
        for probability, candidate, watched in sorted(ways, key=_likeliest):
            # an answer serves one exchange, the likeliest; of an exchange the likeliest way counts
            owner = taken.setdefault(candidate.answer.at, watched)
            if owner is watched and watched.judged is None and watched in mine:
                watched.judged = (probability, candidate, unit)
        return [alarm for watched in mine for alarm in self._decide(client, watched)]

    def _meet(self, client: _Client, unit: Unit, exchange: Exchange) -> tuple[_Watched, bool]:
        """The exchange among those that are known; False if another unit shows it better."""
        start = unit.opened + exchange.start
        past = Past(start, exchange.body, exchange.answers[0].size if exchange.answers else 0)
        for connection, watched in client.watched:
            if connection == unit.connection and abs(watched.start - start) <= MATCH_S:
                if unit.opened < watched.opened or (unit.opened > watched.opened and exchange.start < -OWN_S):
                    return watched, False
                watched.opened, watched.past = unit.opened, past
                return watched, True
        watched = _Watched(start, unit.opened, past)
        client.watched.append((unit.connection, watched))
        return watched, True

    def _ways(
        self, client: _Client, unit: Unit, exchange: Exchange, watched: _Watched, http2: bool
    ) -> Iterator[tuple[float, Candidate, _Watched]]:
        """Each shape that the exchange may have by what the unit shows now, with its probability."""
        now = watched.start
        past = [w.past for _, w in client.watched if now - MEMORY_S <= w.start < now] or list(unit.earlier)
        known = math.inf if unit.final else unit.known - unit.opened
        for candidate in candidates(exchange, past, now, self._constants.of(unit.wiki), http2):
            if candidate.known <= known:
                probability = self._constants.shapes[candidate.shape].probability(candidate.values)
                lifted = self._lift(client, unit.wiki, probability, now, unit.opened + candidate.known)
                yield lifted, candidate, watched

    def _lift(self, client: _Client, wiki: str, probability: float, start: float, known: float) -> float:
        """With what the wiki's name and the client's other connections say."""
        evidence = sum(self._constants.cue_hosts.get(cue, 0.0) for cue in self._telling(client, wiki, start, known))
        odds = math.exp(evidence) * probability / max(1e-12, 1 - probability)
        return odds / (1 + odds)

    def _telling(self, client: _Client, wiki: str, start: float, known: float) -> Sequence[str]:
        before = {c.cue for c in client.cues if start - MEMORY_S <= c.time <= known and c.cue != "auth"}
        after = {c.cue for c in client.cues if start <= c.time <= known + 3 and c.cue == "auth"}
        here = {"commons"} if wiki.startswith(_COMMONS) else set()
        return sorted(cue for cue in before | after | here if cue in self._constants.cue_hosts)

    def _decide(self, client: _Client, watched: _Watched) -> list[EditAlarm]:
        if watched.judged is None or watched.told is Certainty.LIKELY:
            return []
        probability, candidate, unit = watched.judged
        if probability >= self._thresholds.likely:
            return [self._alarm(client, watched, Certainty.LIKELY)]
        if probability >= self._thresholds.possible and not watched.told:
            self._serial += 1
            due = unit.opened + candidate.known + SETTLE_S
            heapq.heappush(self._waiting, (due, self._serial, client, watched))
        return []

    def _take_cue(self, cue: HostCue) -> list[EditAlarm]:
        client = self._client(cue.client)
        client.cues.append(cue)
        alarms = []
        if cue.cue == "auth":  # the upload before it may now be likely
            for _, watched in client.watched:
                if watched.judged and not watched.told and 0 <= cue.time - watched.start <= SETTLE_S:
                    _, candidate, unit = watched.judged
                    probability = self._constants.shapes[candidate.shape].probability(candidate.values)
                    lifted = self._lift(client, unit.wiki, probability, watched.start, unit.opened + candidate.known)
                    watched.judged = (lifted, candidate, unit)
                    alarms += self._decide(client, watched)
        return alarms

    # -- telling --------------------------------------------------------------------------------------------------

    def _is_same(self, client: _Client, watched: _Watched) -> bool:
        assert watched.judged is not None
        unit = watched.judged[2]
        return any(abs(when - watched.start) <= SAME_S and wiki == unit.wiki for when, wiki in client.told)

    def _alarm(self, client: _Client, watched: _Watched, certainty: Certainty) -> EditAlarm:
        assert watched.judged is not None
        probability, candidate, unit = watched.judged
        watched.told = certainty
        if certainty is Certainty.LIKELY:
            client.told.append((watched.start, unit.wiki))
        known = unit.opened + candidate.known
        hosts = self._telling(client, unit.wiki, watched.start, known)
        return EditAlarm(
            time=unit.opened + candidate.exchange.end,
            known=known,
            wiki=unit.wiki,
            service=unit.service,
            certainty=certainty,
            probability=probability,
            rule=candidate.shape.value,
            why=of_upload(candidate, unit, hosts, self._constants),
            always=of_every(unit.wiki, certainty.value, self._constants),
            segment=unit.segment,
            client=unit.client,
            unit=unit.unit,
        )

    def _confirm(self, request: Request) -> EditAlarm:
        saved = request.status in (301, 302, 303)
        certainty = Certainty.CONFIRMED if saved else Certainty.POSSIBLE
        return EditAlarm(
            time=request.time,
            known=request.known,
            wiki=request.wiki,
            service=request.service,
            certainty=certainty,
            probability=1.0 if saved else 0.5,
            rule="http",
            why=of_request(saved),
            always=of_every(request.wiki, Certainty.CONFIRMED, self._constants),
            segment=request.segment,
            client=request.client,
            unit=0,
        )

    def _client(self, address: bytes) -> _Client:
        client = self._clients.setdefault(address, _Client())
        self._clients.move_to_end(address)
        if len(self._clients) > CLIENTS:
            self._clients.popitem(last=False)
        return client


def _likeliest(way: tuple[float, Candidate, _Watched]) -> float:
    return -way[0]


def _when(item: tuple[float, int, object]) -> tuple[float, int]:
    return item[:2]


__all__ = ["Certainty", "Detector", "EditAlarm", "Thresholds"]
