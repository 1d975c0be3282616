"""Address and minute -> person or nobody, with a grade (domain.md 3): who may be said to have used an address.

Feeds become bindings: an address is held by a device (leases, sightings); at the device somebody is authenticated
(802.1X) or logged on (events), or it is assigned to somebody (devices.csv). Grades: A, one member of staff by 802.1X;
B, one member of staff is logged on and unlocked; C, the device is assigned to one person and nobody is known to use it;
D, the device is shared or serves many, or the account is nobody's own; N, the rest. Ambiguity is nobody: several
accounts at once, or two devices of different people in one minute, give `several_people`. When all sessions are locked
nobody uses the device (`locked`).

How feeds are read stands in pipeline.feeds, how facts become claims in pipeline.claims. It knows no times of day; names
of accounts do not reach it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.claims import Claim, ClaimMaker, by_minute
from pipeline.feeds.holdings import Holding
from pipeline.feeds.reading import Facts, Memory, parse_feeds, read_feeds
from pipeline.feeds.status import FeedStatus, statuses
from pipeline.feeds.text import FeedFile
from pipeline.intervals import Intervals, halves
from pipeline.school import School
from pipeline.settings import FeedSettings
from pipeline.words import Grade, Reason

_KEPT_PROBLEMS = 20
Who = tuple[npt.NDArray[np.int32], npt.NDArray[np.int8], npt.NDArray[np.int8], npt.NDArray[np.int32]]


@dataclass(frozen=True, eq=False)
class Bindings:
    """All bindings of a school as sorted columns; `who` looks whole columns up in them.

    sources: texts that say where a fact is from. counts: what was read and dropped. problems: the first broken rows.
    missing: feeds that are set but not there. feeds: how each feed is."""

    sources: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    feeds: tuple[FeedStatus, ...] = ()
    off: bool = False
    _intervals: Intervals = field(default_factory=lambda: Intervals(np.empty((0, 2), np.uint64), ()))
    _claims: npt.NDArray[np.int32] = field(default_factory=lambda: np.empty((0, 7), np.int32))

    def find(self, address: npt.NDArray[np.generic], minutes: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
        """Addresses 'S16' (or uint64[n, 2]: high half, low half), UTC minutes uint32[n] -> binding int64[n] or -1."""
        return self._intervals.find(halves(address), minutes)

    def who(self, address: npt.NDArray[np.generic], minutes: npt.NDArray[np.uint32]) -> Who:
        """Addresses and UTC minutes (as in `find`) -> person int32[n] (-1 nobody), grade int8[n], reason int8[n] (why
        nobody; none for a person), device int32[n] (a small number, one for all addresses of a device; -1 none)."""
        binding = self.find(address, minutes)
        nobody = Reason.IDENTITY_OFF if self.off else Reason.NO_PERSON
        last = np.array([[-1, Grade.NONE.code, nobody.code, -1]], np.int32)
        table = np.concatenate([self._claims[:, :4], last])
        person, grade, reason, device = (np.ascontiguousarray(table[:, column]) for column in range(4))
        at = np.where(binding < 0, len(table) - 1, binding)
        small = grade.astype(np.int8), reason.astype(np.int8)
        return person.take(at), small[0].take(at), small[1].take(at), device.take(at)

    def source(self, binding: int) -> str:
        """What a binding (of `find`) rests on, for people: log-on, lease, register, each with its place in its file."""
        if binding < 0:
            return "no feed binds this address in this minute"
        return "; ".join(self.sources[at] for at in self._claims[binding, 4:].tolist() if at >= 0)


def load_bindings(
    school: School,
    feeds: FeedSettings,
    folder: Path,
    memory: Memory | None = None,
    seen: Sequence[FeedFile] = (),
) -> Bindings:
    """Reads the feeds that the settings name, relative to `folder`; raises FeedError for a file of another format.

    memory: spares reading files again that have not changed. seen: what the sensor itself saw of ARP, NDP and DHCP."""
    if school.settings.identity == "none":
        return Bindings(off=True)
    return bind(school, read_feeds(school, feeds, folder, memory, seen))


def parse_bindings(school: School, feeds: FeedSettings, files: Mapping[str, Sequence[tuple[str, bytes]]]) -> Bindings:
    """Bindings from the contents of the feeds, (name, bytes) by setting; `load_bindings` without the disk."""
    held = {key: [FeedFile.of(name, data) for name, data in own] for key, own in files.items()}
    return bind(school, parse_feeds(school, feeds, held))


def bind(school: School, facts: Facts) -> Bindings:
    """Bindings from facts."""
    maker = ClaimMaker(school, facts.holdings, facts.sessions, facts.sittings)
    held: defaultdict[bytes, list[Holding]] = defaultdict(list)
    for holding in facts.holdings:
        held[holding.address].append(holding)
    segments = [by_minute([piece for holding in own for piece in maker.pieces(holding)]) for own in held.values()]
    shown = statuses(facts.feeds)
    problems = [problem for feed in shown for problem in feed.problems]
    counts = Counter(
        addresses=len(held),
        holdings=len(facts.holdings),
        broken_rows=sum(feed.refused for feed in shown),
        accounts_dropped=sum(feed.accounts_dropped for feed in shown),
        events_dropped=sum(feed.events_dropped for feed in shown),
        routers=len(facts.routers),
        behind_routers=facts.behind_routers,
    )
    addresses = halves(np.array(list(held), "S16"))
    return Bindings(
        sources=tuple(maker.sources),
        counts=counts,
        problems=tuple(problems[:_KEPT_PROBLEMS]),
        missing=tuple(feed.path for feed in shown if feed.missing),
        feeds=shown,
        _intervals=Intervals(addresses, [[(start, end) for start, end, _ in own] for own in segments]),
        _claims=np.array([_row(claim) for own in segments for _, _, claim in own], np.int32).reshape(-1, 7),
    )


def _row(claim: Claim) -> tuple[int, ...]:
    return claim.person, claim.grade.code, claim.reason.code, claim.device, *claim.evidence
