"""Which minutes are use, and which only look like it: rules E1 to E7, E13 and E14, over columns.

Theory of operation. `find_use` makes one row per (who, service, minute) of merged traffic. A minute is a candidate when
enough came down or the client asked often enough (E2, E3, E14); of the candidates some are taken back because they look
like an embedded button (E4), a tab that nobody looks at (E5) or one medium that plays by itself (E6). What remains is
active and is joined to episodes (E7). Doubt is no use. All functions are pure and look at most `windows.REACH_MIN`
minutes back and one ahead, so a window has the same rows whatever is judged together with it.

It does not know who anybody is, what time of day it is, or what becomes of a minute of use: see pipeline.judge.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from pipeline.profile import Doubt, Profile
from pipeline.traffic import I64, MINUTE_MS, NEVER, Codes, Mask, Traffic
from pipeline.windows import REACH_MIN
from pipeline.words import Activity


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of E2 to E7: two arrays indexed by service, and numbers; `doubt` has those of E4 to E6."""

    down_bytes: I64
    client_bursts: I64
    support_within_ms: int
    episode_gap_min: int
    doubt: Doubt

    @classmethod
    def of(cls, profile: Profile, services: tuple[str, ...]) -> Limits:
        """The profile's limits for this list of service ids."""
        return cls(
            down_bytes=np.array([profile.down_bytes_of(s) for s in services], np.int64),
            client_bursts=np.array([profile.client_bursts_of(s) for s in services], np.int64),
            support_within_ms=profile.support_within_s * 1000,
            episode_gap_min=profile.episode_gap_min,
            doubt=profile.doubt,
        )


@dataclass(frozen=True, slots=True)
class Use:
    """One row per (who, service, minute), sorted by these.

    activity int8 (pipeline.words.Activity); episode int64, rising from 0, -1 where not active (E7); up, down int64
    bytes that count (E2); bursts int64 to primary hosts (E14); supported bool: supporting hosts count; led bool:
    another site was opened just before (E4); named, note as in Traffic.
    """

    who: I64
    service: I64
    minute: I64
    activity: Codes
    episode: I64
    up: I64
    down: I64
    bursts: I64
    supported: Mask
    led: Mask
    named: I64
    note: I64

    def __len__(self) -> int:
        return len(self.who)

    @property
    def active(self) -> Mask:
        """Which rows are use."""
        active: Mask = self.activity == Activity.ACTIVE.code
        return active

    def take(self, rows: I64 | Mask) -> Use:
        """The rows at these positions, or where the mask is true."""
        return replace(self, **{f.name: getattr(self, f.name)[rows] for f in fields(self)})


def find_use(rows: Traffic, limits: Limits) -> Use:
    """Rules E2 to E7 over merged rows (the result of `pipeline.traffic.merge`)."""
    elsewhere = rows.service >= len(limits.down_bytes)
    openings, rows = rows.take(elsewhere), rows.take(~elsewhere)
    if not len(rows):
        return _nothing()
    units = _Units(rows)
    primary, support = _Side(units, ~rows.support), _Side(units, rows.support)
    near = _near(units, primary, support, limits.support_within_ms)
    down, up = primary.down + support.down * near, primary.up + support.up * near
    bursts, asked = requests(primary.asked), primary.asked | np.where(near, support.asked, 0)
    led = _led(units, primary, openings, limits.doubt.embedded_within_s * 1000)
    candidate = (down >= limits.down_bytes[units.service]) | (bursts >= limits.client_bursts[units.service])
    activity = np.where(candidate, np.int8(Activity.ACTIVE.code), np.int8(Activity.INACTIVE.code))
    total = _Total(down + up, bursts, requests(asked), near)
    for what, found in (
        (Activity.EMBEDDED_MEDIA, _one_shot(primary, support, total, limits.doubt)),
        (Activity.EMBEDDED, _embedded(units, primary, total, led, limits.doubt)),
        (Activity.BACKGROUND, _background(units, primary, total, limits.doubt)),
    ):
        activity[(activity == Activity.ACTIVE.code) & found] = what.code
    return Use(
        who=units.who,
        service=units.service,
        minute=units.minute,
        activity=activity,
        episode=_episodes(units, activity == Activity.ACTIVE.code, limits.episode_gap_min),
        up=up,
        down=down,
        bursts=bursts,
        supported=near & (support.flows > 0),
        led=led,
        named=np.bitwise_or.reduceat(rows.named, units.starts),
        note=np.maximum.reduceat(rows.note, units.starts),
    )


class _Units:
    """The (who, service, minute) of the result, and which rows of traffic make each up."""

    def __init__(self, rows: Traffic) -> None:
        self.rows = rows
        new = (rows.who[1:] != rows.who[:-1]) | (rows.service[1:] != rows.service[:-1])
        self.starts = np.flatnonzero(np.concatenate(([True], new | (rows.minute[1:] != rows.minute[:-1]))))
        unit = np.zeros(len(rows), np.int64)
        unit[self.starts[1:]] = 1
        self.of_row = np.cumsum(unit)
        self.who, self.service, self.minute = (c[self.starts] for c in (rows.who, rows.service, rows.minute))
        pair = np.cumsum(np.concatenate(([0], new.astype(np.int64))))[self.starts]
        base = int(rows.minute.min())
        self.place = pair * (int(rows.minute.max()) - base + 2 * REACH_MIN) + self.minute - base
        """Rises along the rows; of two rows of one user and service it differs by the minutes between them."""

    def sum(self, values: I64, back: int, ahead: int) -> I64:
        """Of each row the sum of `values` over the minutes from `back` before to `ahead` after it."""
        until = np.concatenate(([0], np.cumsum(values)))
        low = np.searchsorted(self.place, self.place - back)
        high = np.searchsorted(self.place, self.place + ahead, side="right")
        total: I64 = until[high] - until[low]
        return total

    def at(self, values: I64, rows: I64, step: int) -> I64:
        """Of these rows the value of the same user and service `step` minutes later, 0 where there is none."""
        wanted = self.place[rows] + step
        found = np.minimum(np.searchsorted(self.place, wanted), len(values) - 1)
        there: I64 = np.where(self.place[found] == wanted, values[found], 0)
        return there


class _Side:
    """The columns of primary or of supporting rows, one for each unit."""

    def __init__(self, units: _Units, where: Mask) -> None:
        self._units, self._where, self._at = units, where, units.of_row[where]
        self.first, self.last = self._spread("first", NEVER), self._spread("last", -NEVER)
        self.opened = self._spread("opened", NEVER)
        self.up, self.down, self.largest = (self._spread(name) for name in ("up", "down", "largest"))
        self.flows, self.asked = self._spread("flows"), self._spread("asked")

    def _spread(self, name: str, missing: int = 0) -> I64:
        column = np.full(len(self._units.starts), missing, np.int64)
        column[self._at] = getattr(self._units.rows, name)[self._where]
        return column


@dataclass(frozen=True, slots=True)
class _Total:
    """What counts of each unit: bytes both ways; requests to primary hosts; requests to all that count."""

    size: I64
    requests: I64
    all_requests: I64
    near: Mask


def requests(asked: I64) -> I64:
    """E14: how many requests the seconds of bursts (bit sets) stand for; those of successive seconds are one."""
    found: I64 = np.bitwise_count(asked & ~(asked << 1)).astype(np.int64)
    return found


def _last_second(asked: I64) -> I64:
    """The last second in each bit set, -1 of none."""
    return np.frexp(asked.astype(np.float64))[1].astype(np.int64) - 1


def _near(units: _Units, primary: _Side, support: _Side, within_ms: int) -> Mask:
    """E2: does a primary host lie near the supporting traffic of each row? Only the same and the two adjacent minutes
    matter, as `within_ms` is at most a minute."""
    near = primary.first < NEVER
    beside = units.place[1:] - units.place[:-1] == 1
    near[1:] |= beside & (support.first[1:] + MINUTE_MS - primary.last[:-1] <= within_ms)
    near[:-1] |= beside & (primary.first[1:] + MINUTE_MS - support.last[:-1] <= within_ms)
    return near


def _led(units: _Units, primary: _Side, openings: Traffic, within_ms: int) -> Mask:
    """E4: was another site opened by the same user at most `within_ms` before the minute's first primary flow began?"""
    led = np.zeros(len(units.starts), bool)
    begun = np.flatnonzero(primary.opened < NEVER)
    if not len(openings) or not len(begun):
        return led
    base = min(int(openings.minute.min()), int(units.minute.min()))
    span = (max(int(openings.minute.max()), int(units.minute.max())) - base + 2) * MINUTE_MS
    known = np.sort(openings.who * span + (openings.minute - base) * MINUTE_MS + openings.first)
    at = units.who[begun] * span + (units.minute[begun] - base) * MINUTE_MS + primary.opened[begun]
    before = np.searchsorted(known, at, side="right") - 1
    led[begun] = (before >= 0) & (at - known[np.maximum(before, 0)] <= within_ms)
    return led


def _embedded(units: _Units, primary: _Side, total: _Total, led: Mask, doubt: Doubt) -> Mask:
    """E4: another site led to it, little came, and nothing was asked for later. Or it is the rest of that, in the
    minute after."""
    small = total.size < doubt.embedded_bytes
    alone = led & (primary.first >= primary.opened) & (total.requests < doubt.embedded_bursts) & small
    alone &= _last_second(primary.asked) * 1000 <= primary.opened + doubt.embedded_reuse_s * 1000
    rest = small & (primary.opened == NEVER) & (total.requests == 0)
    beside = units.place[1:] - units.place[:-1] == 1
    embedded = alone.copy()
    embedded[1:] |= rest[1:] & beside & alone[:-1]
    return embedded


def _one_shot(primary: _Side, support: _Side, total: _Total, doubt: Doubt) -> Mask:
    """E6: one connection that was asked once and sent much."""
    flows = primary.flows + np.where(total.near, support.flows, 0)
    one_shot: Mask = (flows <= 1) & (total.all_requests <= 1) & (total.size >= doubt.media_bytes)
    return one_shot


def _background(units: _Units, primary: _Side, total: _Total, doubt: Doubt) -> Mask:
    """E5: requests like clockwork and small; or flows that have been open for long and carry next to nothing."""
    small = primary.largest < doubt.background_burst_bytes
    small &= total.size < doubt.background_answer_bytes * np.maximum(total.requests, 1)
    minutes = doubt.slow_flow_min
    size = units.sum(total.size, minutes - 1, 0)
    slow = (units.sum((primary.opened < NEVER).astype(np.int64), minutes, 0) == 0) & (
        size < doubt.slow_bytes_per_s * 60 * minutes
    )
    slow &= units.sum(primary.flows, minutes, 0) > units.sum(primary.flows, minutes - 1, 0)
    background: Mask = slow | (small & _by_the_clock(units, primary.asked, small, doubt))
    return background


def _by_the_clock(units: _Units, asked: I64, which: Mask, doubt: Doubt) -> Mask:
    """Of the rows in `which`: do the requests from the minute before to the minute after come at equal distances?"""
    regular = np.zeros(len(asked), bool)
    rows = np.flatnonzero(which)
    if not len(rows):
        return regular
    begun = asked & ~(asked << 1)
    bits = np.concatenate([_bits(units.at(begun, rows, step)) for step in (-1, 0, 1)], axis=1)
    row, second = np.nonzero(bits)
    same = row[1:] == row[:-1]
    gap = (second[1:] - second[:-1])[same].astype(np.float64)
    n, total, squares = (np.bincount(row[1:][same], weights, len(rows)) for weights in (None, gap, gap * gap))
    spread = 10_000 * (n * squares - total**2)  # whole numbers, so that equal is equal
    regular[rows] = (n >= doubt.background_bursts - 1) & (spread < doubt.background_percent**2 * total**2)
    return regular


def _bits(sets: I64) -> Mask:
    """Bit sets of the 60 seconds of a minute as bool[n, 60]."""
    octets = np.ascontiguousarray(sets.astype("<i8")).view(np.uint8).reshape(-1, 8)
    return np.unpackbits(octets, axis=1, count=60, bitorder="little").astype(bool)


def _episodes(units: _Units, active: Mask, gap_min: int) -> I64:
    """E7: numbers the episodes of active rows, -1 elsewhere."""
    number = np.full(len(active), -1, np.int64)
    at = np.flatnonzero(active)
    if len(at):
        number[at] = np.concatenate(([0], np.cumsum(np.diff(units.place[at]) > gap_min)))
    return number


def _nothing() -> Use:
    empty = np.zeros(0, np.int64)
    no, codes = np.zeros(0, bool), np.zeros(0, np.int8)
    return Use(empty, empty, empty, codes, empty, empty, empty, empty, no, no, empty, empty)
