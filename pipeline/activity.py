"""Which minutes are use, and which only look like it: rules E1 to E7, E13 and E14, over columns.

Theory of operation. `find_use` makes one row per (who, service, minute) of merged traffic. What counts are requests,
told apart by the second in which they were sent, and what came in answer. Requests that follow on one to another site
are that site's doing (E4), those made while the service's page comes up are the page's (E5); what is left are the
person's own. A minute is active by its own requests and their answers (E3), or with less of them beside an active one;
not if they come by the clock (E5) or are one for one medium (E6). Active minutes are joined to episodes (E7). Doubt is
no use. All functions are pure and look at most `windows.REACH_MIN` minutes back and `windows.AHEAD_MIN` ahead, so a
window has the same rows whatever is judged together with it.

It does not know who anybody is, what time of day it is, or what becomes of a minute of use: see pipeline.judge.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from pipeline.profile import Doubt, Profile
from pipeline.traffic import I64, NEVER, Codes, Mask, Traffic
from pipeline.units import Side, Units, following, requests, second_of, steady
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
    bytes that count (E2); bursts int64, requests to primary hosts (E14); supported bool: supporting hosts count; led
    bool: another site led to a request (E4); named, note as in Traffic.
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
    others, rows = rows.take(elsewhere), rows.take(~elsewhere)
    if not len(rows):
        return _nothing()
    units = Units(rows)
    primary, support = Side(units, ~rows.support), Side(units, rows.support)
    near = units.near(primary, support, limits.support_within_ms)
    down, up = primary.down + support.down * near, primary.up + support.up * near
    seen = _see(units, primary, support, near, others, limits.doubt)
    enough = down >= limits.down_bytes[units.service]
    bursts = requests(primary.asked)
    active = _active(units, primary, seen, enough, down, up, limits)
    candidate = enough | (bursts >= limits.client_bursts[units.service])
    one_shot = enough & (seen.requests <= 1) & (down + up >= limits.doubt.media_bytes)
    one_shot &= primary.flows + support.flows * near <= 1
    active &= ~one_shot
    activity = np.select(
        [active, ~candidate, one_shot, seen.led > 0],
        [Activity.ACTIVE.code, Activity.INACTIVE.code, Activity.EMBEDDED_MEDIA.code, Activity.EMBEDDED.code],
        Activity.BACKGROUND.code,
    ).astype(np.int8)
    return Use(
        who=units.who,
        service=units.service,
        minute=units.minute,
        activity=activity,
        episode=_episodes(units, active, limits.episode_gap_min),
        up=up,
        down=down,
        bursts=bursts,
        supported=near & (support.flows > 0),
        led=seen.led > 0,
        named=np.bitwise_or.reduceat(rows.named, units.starts),
        note=np.maximum.reduceat(rows.note, units.starts),
    )


@dataclass(frozen=True, slots=True)
class _Seen:
    """Requests of each unit: all that count; those that another site led to; the person's own, of these those to
    primary and to supporting hosts; and whether the service was opened anew."""

    requests: I64
    led: I64
    own: I64
    own_primary: I64
    own_support: I64
    opened: Mask


def _see(units: Units, primary: Side, support: Side, near: Mask, others: Traffic, doubt: Doubt) -> _Seen:
    """E4, E5: whose doing each request was."""
    asked_support = np.where(near, support.asked, 0)
    asked = primary.asked | asked_support
    led = following(*units.elsewhere(others), doubt.embedded_within_s)
    opened = second_of(primary.opened)
    own = ~(led | following(opened, units.before(opened), doubt.coming_s))
    return _Seen(
        requests=requests(asked),
        led=requests(asked & led),
        own=requests(asked & own),
        own_primary=requests(primary.asked & own),
        own_support=requests(asked_support & own),
        opened=primary.opened < NEVER,
    )


def _active(units: Units, primary: Side, seen: _Seen, enough: Mask, down: I64, up: I64, limits: Limits) -> Mask:
    """E3 with E4 and E5: minutes that are active by themselves, and those beside them that show less."""
    doubt, own = limits.doubt, seen.own
    embedded = (seen.led > 0) & (seen.opened | (seen.led > 1))
    besides = np.where(
        embedded,
        seen.own_support >= doubt.embedded_requests,
        ~seen.opened | (seen.own_support >= 1) | (seen.own_primary > doubt.embedded_requests),
    )
    by_bytes = enough & (own >= 2) & (seen.own_primary >= 1) & besides
    by_requests = ~embedded & (seen.own_primary >= limits.client_bursts[units.service])
    by_requests &= down >= doubt.answer_bytes * seen.own_primary
    by_requests &= ~_background(units, primary, by_requests, down + up, doubt)
    surely = by_bytes | by_requests
    led = seen.opened & (seen.led > 0)
    less = ~led & ((enough & (own >= 1)) | ((own >= 2) & (down >= doubt.beside_answer_bytes * own)))
    alone = ~led & enough & (seen.own_primary >= 1)
    active = surely | (less & (units.before(surely) | units.after(surely)))
    active |= seen.opened & enough & units.after(surely)
    active |= alone & (units.before(alone) | units.after(alone))
    return active


def _background(units: Units, primary: Side, which: Mask, size: I64, doubt: Doubt) -> Mask:
    """E5: of the units in `which`: small requests by the clock, or flows long open that carry next to nothing."""
    background = np.zeros(len(which), bool)
    rows = np.flatnonzero(which)
    if not len(rows):
        return background
    minutes, asked = doubt.slow_flow_min, primary.asked
    slow = rows[units.sum_back(size, rows, minutes) < doubt.slow_bytes_per_s * 60 * minutes]
    slow = slow[units.sum_back((primary.opened < NEVER).astype(np.int64), slow, minutes + 1) == 0]
    flows = primary.flows
    background[slow] = units.sum_back(flows, slow, minutes + 1) > units.sum_back(flows, slow, minutes)
    small = primary.largest[rows] < doubt.background_burst_bytes
    small &= size[rows] < doubt.background_answer_bytes * requests(asked[rows])
    rows = rows[small]
    around = [units.before(asked)[rows], asked[rows], units.after(asked)[rows]]
    background[rows] |= steady(around, doubt.background_bursts - 1, doubt.background_percent)
    return background


def _episodes(units: Units, active: Mask, gap_min: int) -> I64:
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
