"""Address and minute -> person or nobody, with a grade (domain.md 3): who may be said to have used an address.

Feeds become bindings: an address is lent to a device (leases), at the device somebody is logged on (events) or it is
assigned to somebody (devices.csv). Grades here: B, one member of staff is logged on and unlocked; C, the device is
assigned to one person and nobody is logged on; D, the device is shared or the account is nobody's own; N, the rest.
Ambiguity is nobody: several accounts at once, or two devices of different people in one minute, give `several_people`.
When all sessions are locked nobody uses the device (`locked`).

How facts become claims stands in pipeline.claims. It knows no times of day; names of accounts do not reach it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.claims import Claim, ClaimMaker, by_minute
from pipeline.feeds import Event, read_events, read_leases, sittings
from pipeline.intervals import Intervals, halves
from pipeline.school import School
from pipeline.settings import FeedSettings
from pipeline.tables import InputError, zone_of
from pipeline.words import Grade, Reason

_KEPT_PROBLEMS = 20
Who = tuple[npt.NDArray[np.int32], npt.NDArray[np.int8], npt.NDArray[np.int8], npt.NDArray[np.int32]]


@dataclass(frozen=True, eq=False)
class Bindings:
    """All bindings of a school as sorted columns; `who` looks whole columns up in them.

    sources: texts that say where a fact is from. counts: what was read and dropped. problems: the first broken rows.
    missing: feeds that are set but not there."""

    sources: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
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


def load_bindings(school: School, feeds: FeedSettings, folder: Path) -> Bindings:
    """Reads the feeds that the settings name, relative to `folder`; raises FeedError for a wrong header."""
    if school.settings.identity == "none":
        return Bindings(off=True)
    files: dict[str, list[tuple[str, bytes]]] = {"leases": [], "logons": []}
    missing = []
    if feeds.kea_leases is not None:
        paths = [folder / f"{feeds.kea_leases}{older}" for older in (".2", ".1", "")]
        files["leases"] = [(path.name, path.read_bytes()) for path in paths if path.is_file()]
        missing += [] if paths[-1].is_file() else [str(feeds.kea_leases)]
    if feeds.logons is not None:
        path = folder / feeds.logons
        files["logons"] = [(path.name, path.read_bytes())] if path.is_file() else []
        missing += [] if path.is_file() else [str(feeds.logons)]
    return parse_bindings(school, feeds, files["leases"], files["logons"], missing)


def parse_bindings(
    school: School,
    feeds: FeedSettings,
    leases: Sequence[tuple[str, bytes]],
    logons: Sequence[tuple[str, bytes]],
    missing: Sequence[str] = (),
) -> Bindings:
    """Bindings from the contents of the feeds, (name, bytes), the oldest first; `load_bindings` without the disk."""
    problems: list[InputError] = []
    counts: Counter[str] = Counter()
    lent = read_leases(leases, problems)
    events: list[Event] = []
    for file, data in logons:
        events += read_events(file, data, school.staff, zone_of(feeds.logons_zone), problems, counts)
    counts["addresses"], counts["events"], counts["broken_rows"] = len(lent), len(events), len(problems)
    counts["leases"] = sum(map(len, lent.values()))
    maker = ClaimMaker(school, lent, sittings(events))
    segments = [by_minute([piece for lease in leases for piece in maker.pieces(lease)]) for leases in lent.values()]
    addresses = halves(np.array(list(lent), "S16"))
    return Bindings(
        sources=tuple(maker.sources),
        counts=dict(counts),
        problems=tuple(map(str, problems[:_KEPT_PROBLEMS])),
        missing=tuple(missing),
        _intervals=Intervals(addresses, [[(start, end) for start, end, _ in own] for own in segments]),
        _claims=np.array([_row(claim) for own in segments for _, _, claim in own], np.int32).reshape(-1, 7),
    )


def _row(claim: Claim) -> tuple[int, ...]:
    return claim.person, claim.grade.code, claim.reason.code, claim.device, *claim.evidence
