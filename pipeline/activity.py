"""Which minutes are use, and which only look like it: rules E1 to E7, E13 and E14, over columns.

Theory of operation. `find_use` makes one row per (who, service, minute) of merged traffic. What counts are requests,
told apart by the second in which they were sent, and what came in answer. Requests that follow on one to another site
or to a widget, and those that follow on these, are the other page's doing (E4); those made while the service's page
comes up are the page's (E5); what is left are the person's own. A page that nobody touches calls home now and then and
may fetch news once; only a person asks for new pictures again and again, reads page after page, or asks in quick
succession: by that a minute is active (E3), or with less of it beside such a minute; not if requests come by the clock
(E5) or are one for one medium (E6). Active minutes are joined to episodes (E7). Doubt is no use. All functions are pure
and look at most `windows.REACH_MIN` minutes back and `windows.AHEAD_MIN` ahead, so a window has the same rows whatever
is judged together with it.

It does not know who anybody is, what time of day it is, or what becomes of a minute of use: see pipeline.judge.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from pipeline.profile import Doubt, Profile
from pipeline.rules import CONTENT_ROLES
from pipeline.traffic import I64, MINUTE_MS, NEVER, Codes, Mask, Part, Traffic
from pipeline.units import Side, Units, following, quick, recurring, requests, second_of, steady
from pipeline.words import Activity
from sensor.catalogue import Catalogue


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of E2 to E7: arrays indexed by service, and numbers; `doubt` has those of E4 to E6. pictured: the service
    has hosts of its own for pictures, films or code."""

    down_bytes: I64
    client_bursts: I64
    answer_bytes: I64
    pictured: Mask
    support_within_ms: int
    episode_gap_min: int
    doubt: Doubt

    @classmethod
    def of(cls, profile: Profile, services: tuple[str, ...], catalogue: Catalogue) -> Limits:
        """The profile's limits for this list of service ids."""
        pictured = {hit.service for hit in catalogue.hosts.values() if hit and hit.role in CONTENT_ROLES}
        return cls(
            down_bytes=np.array([profile.down_bytes_of(s) for s in services], np.int64),
            client_bursts=np.array([profile.client_bursts_of(s) for s in services], np.int64),
            answer_bytes=np.array([profile.answer_bytes_of(s) for s in services], np.int64),
            pictured=np.array([s in pictured for s in services], bool),
            support_within_ms=profile.support_within_s * 1000,
            episode_gap_min=profile.episode_gap_min,
            doubt=profile.doubt,
        )


@dataclass(frozen=True, slots=True)
class Use:
    """One row per (who, service, minute), sorted by these.

    activity int8 (pipeline.words.Activity); episode int64, rising from 0, -1 where not active (E7); up, down int64
    bytes that count (E2); bursts int64, requests to the service's site (E14); supported bool: hosts for pictures took
    part; led bool: another site led to a request (E4); named, note as in Traffic.
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
    seen = _see(units, others, limits)
    surely = _surely(units, seen, limits)
    active = surely | _beside(units, seen, surely, limits)
    enough = seen.down >= limits.down_bytes[units.service]
    bursts = requests(seen.site.asked)
    candidate = enough | (bursts >= limits.client_bursts[units.service])
    one_shot = enough & (seen.requests <= 1) & (seen.down + seen.up >= limits.doubt.media_bytes) & (seen.flows <= 1)
    active &= ~one_shot
    activity = np.select(
        [active, ~candidate, one_shot, seen.led > 0],
        [Activity.ACTIVE.code, Activity.INACTIVE.code, Activity.EMBEDDED_MEDIA.code, Activity.EMBEDDED.code],
        Activity.BACKGROUND.code,
    ).astype(np.int8)
    use = Use(
        who=units.who,
        service=units.service,
        minute=units.minute,
        activity=activity,
        episode=_episodes(units, active, limits.episode_gap_min),
        up=seen.up,
        down=seen.down,
        bursts=bursts,
        supported=seen.supported,
        led=seen.led > 0,
        named=np.bitwise_or.reduceat(np.where(rows.part == Part.ASIDE, 0, rows.named), units.starts),
        note=np.maximum.reduceat(rows.note, units.starts),
    )
    return use.take(seen.contact | (seen.content > 0))


@dataclass(frozen=True, slots=True)
class _Seen:
    """What there is in each unit: the site's side; contact with the site or the interface; bytes and flows that count
    (E2), whether content is among them, how many flows of content there are; all requests; how many another page led
    to; whether there is a widget, or the line that only the service's own pages hold open; the person's own requests to
    the site, to site or interface, for content, and all of these; whether all to the site come again minute by minute;
    whether the service was opened anew, and that late in the minute; and whether a page of the site came up."""

    site: Side
    contact: Mask
    up: I64
    down: I64
    flows: I64
    supported: Mask
    content: I64
    content_down: I64
    requests: I64
    led: I64
    widget: Mask
    line: Mask
    framed: Mask
    own_site: I64
    quick: Mask
    own_contact: I64
    own_content: I64
    own: I64
    again: Mask
    opened: Mask
    opens_late: Mask
    page: Mask

    @property
    def quiet(self) -> Mask:
        """Few of the requests are another page's doing."""
        quiet: Mask = 2 * self.led <= self.own
        return quiet


def _see(units: Units, others: Traffic, limits: Limits) -> _Seen:
    """E1, E2, E4, E5: what counts, and whose doing each request was."""
    doubt = limits.doubt
    site, interface, content, aside, push = (Side(units, part) for part in Part)
    first, last = np.minimum(site.first, interface.first), np.maximum(site.last, interface.last)
    near = units.near(first, last, content, limits.support_within_ms)
    shown = np.where(near, content.asked, 0)
    asked = site.asked | interface.asked | shown
    elsewhere, earlier = units.elsewhere(others)
    began_here = site.asked & ~following(elsewhere, earlier, doubt.embedded_within_s)
    brought = following(began_here, np.zeros_like(began_here), doubt.embedded_within_s) & ~began_here
    elsewhere = np.where(limits.pictured[units.service], elsewhere, elsewhere & ~brought)
    led = following(elsewhere, earlier, doubt.embedded_within_s)
    led |= following(aside.asked, units.before(aside.asked), doubt.widget_s)
    led &= asked
    for _ in range(doubt.embedded_steps):
        led |= asked & following(led, units.before(led), doubt.embedded_within_s)
    began = np.minimum(site.opened, interface.opened)
    opened = second_of(began)
    own = ~(led | following(opened, units.before(opened), doubt.coming_s))
    return _Seen(
        site=site,
        contact=first < NEVER,
        up=site.up + interface.up + content.up * near,
        down=site.down + interface.down + content.down * near,
        flows=site.flows + interface.flows + content.flows * near,
        supported=near & (content.flows > 0),
        content=content.flows,
        content_down=content.down * near,
        requests=requests(asked),
        led=requests(led),
        widget=aside.flows > 0,
        line=push.flows > 0,
        framed=(units.around(aside.flows) > 0) & (units.around(push.flows) == 0),
        own_site=requests(site.asked & own),
        quick=quick(site.asked & own, doubt.quick_s),
        own_contact=requests((site.asked | interface.asked) & own),
        own_content=requests(shown & own),
        own=requests(asked & own),
        again=recurring(units.before(site.asked), site.asked, units.after(site.asked)),
        opened=began < NEVER,
        opens_late=(began < NEVER) & (began >= MINUTE_MS - doubt.just_before_s * 1000),
        page=(site.opened < NEVER) & (site.down >= doubt.beside_bytes),
    )


def _surely(units: Units, seen: _Seen, limits: Limits) -> Mask:
    """E3: minutes that are active by themselves."""
    doubt, least = limits.doubt, limits.down_bytes[units.service]
    site = (seen.site.flows > 0) | (units.before(seen.site.flows) > 0)
    site |= (units.after(seen.site.flows) > 0) & ~seen.contact & ~units.before(seen.contact)
    looks = (seen.own_content >= 1) & (units.around(seen.own_contact) >= 1) & (units.around(seen.down) >= least)
    looks &= units.around(seen.own_content) >= np.where(site, doubt.site_looks, doubt.app_looks)
    pictured = limits.pictured[units.service]
    pages = (seen.own_site >= 1) & (units.around(seen.own_site) >= 2)
    pages &= ~seen.again | (seen.own_site >= 2)
    pages &= units.around(seen.site.down) >= doubt.page_bytes * units.around(seen.own_site)
    more = (seen.own_site >= 3) & (seen.own_content >= 1) & ~seen.framed
    reads = np.where(pictured, more & (seen.site.down >= 3 * doubt.page_bytes * seen.own_site), pages)
    watches = (least >= doubt.media_bytes) & (seen.site.down + seen.content_down >= least) & (seen.own_contact >= 1)
    watches &= (seen.own_site + seen.own_content >= 2) & ~((seen.led > 0) & seen.opened)
    watches &= (seen.own_content >= 1) | (seen.own_site - seen.led >= 2)
    bursts = limits.client_bursts[units.service]
    asks = (seen.own_site - seen.led >= bursts) & (seen.quick | (bursts == 1)) & seen.quiet & ~seen.framed
    asks &= seen.site.down >= limits.answer_bytes[units.service] * seen.own_site
    asks &= ~_background(units, seen, asks, doubt)
    came = units.before(seen.opened & (seen.down >= doubt.beside_bytes) & ((seen.led == 0) | seen.line))
    visits = came & (seen.own_site >= 2) & seen.quiet & ~seen.framed
    visits &= seen.site.down >= doubt.visit_bytes * seen.own_site
    turns = came & (seen.own_site >= 1) & ~pictured & seen.quiet
    visits |= turns & (seen.site.down >= doubt.page_bytes * seen.own_site) & (seen.site.opened == NEVER)
    comes = seen.opened & (seen.down >= least) & (seen.own_site >= 1) & (seen.own >= 3) & seen.quiet & ~seen.framed
    comes &= (seen.own_content >= 1) | (seen.own_site - seen.led >= 3)
    surely: Mask = looks | reads | watches | asks | visits | comes
    return surely


def _beside(units: Units, seen: _Seen, surely: Mask, limits: Limits) -> Mask:
    """E3: what is enough beside minutes that are active by themselves."""
    doubt, own = limits.doubt, seen.own
    before, after = units.before(surely), units.after(surely)
    enough = seen.down >= doubt.beside_bytes
    alone = (seen.led <= own) | (seen.own_content >= 1) | (own >= 3)
    less = alone & (own >= 1) & enough
    calls = _calls(seen, doubt)
    less |= seen.quiet & (own >= 2) & (seen.down >= doubt.beside_answer_bytes * own) & ~calls
    between = (before | units.before(before)) & after
    asks = (own >= 1) & seen.quiet & (seen.down >= limits.answer_bytes[units.service] * own) & ~calls
    between &= asks | ((seen.led == 0) & (seen.down >= limits.down_bytes[units.service]))
    comes = seen.opened & (seen.opens_late | seen.page | (own >= 1)) & enough & after
    comes &= ((seen.led <= own) & ~seen.widget) | seen.line
    beside: Mask = (less & (before | after)) | between | comes
    return beside


def _calls(seen: _Seen, doubt: Doubt) -> Mask:
    """E5: are the requests to the site small ones that come again minute by minute?"""
    site, n = seen.site, requests(seen.site.asked)
    calls: Mask = seen.again & (n >= doubt.background_bursts - 1) & (site.largest < doubt.background_burst_bytes)
    return calls & (site.down < doubt.background_answer_bytes * n)


def _background(units: Units, seen: _Seen, which: Mask, doubt: Doubt) -> Mask:
    """E5: of the units in `which`: small requests by the clock or that come again minute by minute, or flows long open
    that carry next to nothing."""
    background = np.zeros(len(which), bool)
    rows = np.flatnonzero(which)
    if not len(rows):
        return background
    site, size = seen.site, seen.down + seen.up
    minutes, asked = doubt.slow_flow_min, site.asked
    slow = rows[units.sum_back(size, rows, minutes) < doubt.slow_bytes_per_s * 60 * minutes]
    slow = slow[units.sum_back((site.opened < NEVER).astype(np.int64), slow, minutes + 1) == 0]
    flows = site.flows
    background[slow] = units.sum_back(flows, slow, minutes + 1) > units.sum_back(flows, slow, minutes)
    small = site.largest[rows] < doubt.background_burst_bytes
    small &= size[rows] < doubt.background_answer_bytes * requests(asked[rows])
    rows = rows[small]
    around = [units.before(asked)[rows], asked[rows], units.after(asked)[rows]]
    background[rows] |= seen.again[rows] & (requests(asked[rows]) >= doubt.background_bursts)
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
