"""A second reading of rules E1 to E7 and E14, in plain Python and loops, to compare the fast one with. Slow on purpose.

It shares with the product only the vocabulary and the limits of the policy profile.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from pipeline.profile import Profile
from pipeline.words import Activity, Grade, Reason
from tests.pipeline.judging import Slice

User = tuple[str, str | int]  # ("person", n), ("assigned", n), ("device", n) or ("address", text)
Key = tuple[User, str, int]


@dataclass
class Seen:
    """What one user exchanged with one service in one minute, by the role of the hosts."""

    site: list[Slice] = field(default_factory=list)
    interface: list[Slice] = field(default_factory=list)
    content: list[Slice] = field(default_factory=list)
    widget: list[Slice] = field(default_factory=list)
    push: list[Slice] = field(default_factory=list)
    grade: Grade = Grade.NONE
    reason: Reason = Reason.NO_PERSON

    def side(self, role: str) -> list[Slice]:
        sides = {"primary": self.site, "api": self.interface, "widget": self.widget, "push": self.push}
        return sides.get(role, self.content)

    @property
    def naming(self) -> list[Slice]:
        return [*self.site, *self.interface, *self.content, *self.push]

    @property
    def counts(self) -> bool:
        return bool(self.site or self.interface or self.content)


@dataclass(frozen=True)
class Own:
    """The person's own requests of a minute, as moments: to the site, to it or its interface, for content, and all."""

    site: list[int]
    contact: list[int]
    content: list[int]
    all: list[int]


NONE = Own([], [], [], [])


@dataclass(frozen=True)
class SlowActivity:
    """What every minute of `seen` looks like. openings: when each user asked other sites, ms since 1970. pictured:
    services with hosts for pictures, films or code."""

    seen: dict[Key, Seen]
    openings: dict[User, list[int]]
    profile: Profile
    pictured: set[str]

    def of(self, key: Key) -> Activity:
        """The activity of a minute that has traffic."""
        if not self._one_shot(key) and self._active(key):
            return Activity.ACTIVE
        if not self._enough(key) and len(_moments(self._site(key))) < self.profile.client_bursts_of(key[1]):
            return Activity.INACTIVE
        if self._one_shot(key):
            return Activity.EMBEDDED_MEDIA
        return Activity.EMBEDDED if self.led(key) else Activity.BACKGROUND

    def _active(self, key: Key) -> bool:
        return self._surely(key) or self._beside(key)

    def _beside(self, key: Key) -> bool:
        user, service, minute = key
        long_ago, before, after = ((user, service, minute + n) for n in (-2, -1, 1))
        doubt, own, led, down = self.profile.doubt, self._own(key), self.led(key), self.size(key)[1]
        if self._surely(before) or self._surely(after):
            whose = len(led) <= len(own.all) or own.content or len(own.all) >= 3
            if own.all and down >= doubt.beside_bytes and whose:
                return True
            enough = down >= doubt.beside_answer_bytes * len(own.all)
            if len(own.all) >= 2 and enough and self._quiet(key) and not self._calls(key):
                return True
        # the minute before last counts only if the one before has traffic
        earlier = self._surely(before) or (before in self.seen and self._surely(long_ago))
        asked = bool(own.all) and self._quiet(key) and not self._calls(key)
        asked = asked and down >= self.profile.answer_bytes_of(key[1]) * len(own.all)
        if earlier and self._surely(after) and (asked or (not led and self._enough(key))):
            return True
        opened = self._openings(key)
        late = bool(opened) and min(opened) >= 60_000 - doubt.just_before_s * 1000
        comes = bool(opened) and (late or self._page(key) or bool(own.all)) and down >= doubt.beside_bytes
        whose = len(led) <= len(own.all) and not self.seen[key].widget
        return comes and self._surely(after) and (whose or bool(self.seen[key].push))

    def _surely(self, key: Key) -> bool:
        """E3 by itself."""
        if key not in self.seen:
            return False
        ways = (self._looks, self._reads, self._watches, self._asks, self._visits, self._comes)
        return any(way(key) for way in ways)

    def _looks(self, key: Key) -> bool:
        """Picture after picture."""
        doubt, near = self.profile.doubt, self._around(key)
        if not self._own(key).content or not any(self._own(k).contact for k in near):
            return False
        user, service, minute = key
        now, after = (key, (user, service, minute - 1)), (user, service, minute + 1)
        site = any(k in self.seen and self.seen[k].site for k in now)
        if not any(k in self.seen and (self.seen[k].site or self.seen[k].interface) for k in now):
            site = after in self.seen and bool(self.seen[after].site)
        wanted = doubt.site_looks if site else doubt.app_looks
        sent = sum(self.size(k)[1] for k in near)
        return sent >= self.profile.down_bytes_of(key[1]) and sum(len(self._own(k).content) for k in near) >= wanted

    def _reads(self, key: Key) -> bool:
        """Page after page."""
        own, page_bytes = self._own(key), self.profile.doubt.page_bytes
        if key[1] in self.pictured:
            enough = self._site_down(key) >= 3 * page_bytes * len(own.site)
            return len(own.site) >= 3 and bool(own.content) and not self._framed(key) and enough
        near = self._around(key)
        pages = sum(len(self._own(k).site) for k in near)
        sent = sum(self._site_down(k) for k in near)
        several = len(own.site) >= 2 or (bool(own.site) and pages >= 2 and not self._again(key))
        return several and sent >= page_bytes * pages

    def _watches(self, key: Key) -> bool:
        """Films, of services for which the profile asks for so much."""
        least, own, row = self.profile.down_bytes_of(key[1]), self._own(key), self.seen[key]
        led = self.led(key)
        if least < self.profile.doubt.media_bytes or (led and self._openings(key)):
            return False
        sent = self._site_down(key) + (sum(s.down for s in row.content) if self.near(key) else 0)
        several = len(own.site) + len(own.content) >= 2 and (own.content or len(own.site) - len(led) >= 2)
        return sent >= least and bool(own.contact) and bool(several)

    def _asks(self, key: Key) -> bool:
        """Requests in quick succession."""
        doubt, site = self.profile.doubt, self._own(key).site
        bursts = self.profile.client_bursts_of(key[1])
        if len(site) - len(self.led(key)) < bursts or not self._quiet(key) or self._framed(key):
            return False
        quick = bursts == 1 or any(later - earlier <= doubt.quick_s for earlier, later in pairwise(site))
        answered = self._site_down(key) >= self.profile.answer_bytes_of(key[1]) * len(site)
        return quick and answered and not self._clockwork(key) and not self._slow(key)

    def _visits(self, key: Key) -> bool:
        """Requests after the page has come up."""
        doubt, before, site = self.profile.doubt, (key[0], key[1], key[2] - 1), self._own(key).site
        if before not in self.seen or not self._openings(before) or not self._quiet(key):
            return False
        if self.size(before)[1] < doubt.beside_bytes or (self.led(before) and not self.seen[before].push):
            return False
        sent = self._site_down(key)
        if len(site) >= 2 and not self._framed(key) and sent >= doubt.visit_bytes * len(site):
            return True
        turned = bool(site) and sent >= doubt.page_bytes * len(site) and not any(s.begins for s in self.seen[key].site)
        return turned and key[1] not in self.pictured

    def _comes(self, key: Key) -> bool:
        """The page comes up and is used within the minute."""
        own = self._own(key)
        if not self._openings(key) or not self._enough(key) or not self._quiet(key) or self._framed(key):
            return False
        several = bool(own.content) or len(own.site) - len(self.led(key)) >= 3
        return len(own.all) >= 3 and bool(own.site) and several

    def _page(self, key: Key) -> bool:
        """Did a page of the site come up?"""
        begins = any(s.begins for s in self.seen[key].site)
        return begins and self._site_down(key) >= self.profile.doubt.beside_bytes

    def _calls(self, key: Key) -> bool:
        """Small requests that come again minute by minute."""
        doubt, asked = self.profile.doubt, _moments(self._site(key))
        small = max((s.largest for s in self.seen[key].site), default=0) < doubt.background_burst_bytes
        small = small and self._site_down(key) < doubt.background_answer_bytes * len(asked)
        return small and len(asked) >= doubt.background_bursts - 1 and self._again(key)

    def _again(self, key: Key) -> bool:
        """Do half of the requests to the site come in the minutes before and after, too?"""
        user, service, minute = key
        beside = [self._site(k) if k in self.seen else set() for n in (-1, 1) if (k := (user, service, minute + n))]
        asked = self._site(key)
        again = [s for s in asked if all({s - 1, s, s + 1} & seconds for seconds in beside)]
        return 2 * len(again) >= len(asked)

    def _around(self, key: Key) -> list[Key]:
        user, service, minute = key
        return [k for n in (-1, 0, 1) if (k := (user, service, minute + n)) in self.seen]

    def _framed(self, key: Key) -> bool:
        """A widget of the service is there, and nothing that only its own pages hold open."""
        near = [self.seen[k] for k in self._around(key)]
        return any(row.widget for row in near) and not any(row.push for row in near)

    def _quiet(self, key: Key) -> bool:
        return 2 * len(self.led(key)) <= len(self._own(key).all)

    def _site_down(self, key: Key) -> int:
        return sum(s.down for s in self.seen[key].site)

    def _enough(self, key: Key) -> bool:
        return self.size(key)[1] >= self.profile.down_bytes_of(key[1])

    def _openings(self, key: Key) -> list[int]:
        """When the service was opened, in milliseconds of the minute."""
        return [s.first for s in (*self.seen[key].site, *self.seen[key].interface) if s.begins]

    def _site(self, key: Key) -> set[int]:
        return {second for s in self.seen[key].site for second in s.seconds}

    def _interface(self, key: Key) -> set[int]:
        return {second for s in self.seen[key].interface for second in s.seconds}

    def _content(self, key: Key) -> set[int]:
        return {second for s in self.seen[key].content for second in s.seconds} if self.near(key) else set()

    def _asked(self, key: Key) -> set[int]:
        return self._site(key) | self._interface(key) | self._content(key)

    def _following(self, key: Key, steps: int) -> set[int]:
        """E4: the seconds of requests that another page led to, these themselves having led to others `steps` times."""
        if key not in self.seen:
            return set()
        user, service, minute = key
        doubt = self.profile.doubt
        before = (user, service, minute - 1)
        led = set()
        asked = self._asked(key)
        if steps:
            earlier = {second - 60 for second in self._following(before, steps - 1)}
            start = earlier | self._following(key, steps - 1)
            led = self._following(key, steps - 1)
            return led | {s for s in asked if any(s - n in start for n in range(doubt.embedded_within_s + 1))}
        within = range(doubt.embedded_within_s + 1)
        others = {at // 1000 - 60 * minute for at in self.openings.get(user, [])}
        if service not in self.pictured:  # what its page brings from elsewhere is no other page
            began = {s for s in self._site(key) if not any(s - n in others for n in within)}
            others -= {s for s in others if s >= 0 and s not in began and any(s - n in began for n in within)}
        widgets = {second for s in self.seen[key].widget for second in s.seconds}
        if before in self.seen:
            widgets |= {second - 60 for s in self.seen[before].widget for second in s.seconds}
        led |= {s for s in asked if any(s - n in others for n in range(doubt.embedded_within_s + 1))}
        return led | {s for s in asked if any(s - n in widgets for n in range(doubt.widget_s + 1))}

    def led(self, key: Key) -> list[int]:
        return _moments(self._following(key, self.profile.doubt.embedded_steps))

    def _own(self, key: Key) -> Own:
        """Requests that nothing else explains."""
        if key not in self.seen:
            return NONE
        user, service, minute = key
        doubt = self.profile.doubt
        excused = self._following(key, doubt.embedded_steps)
        for at in (minute - 1, minute):
            begun = self._openings((user, service, at)) if (user, service, at) in self.seen else []
            if begun:
                came = 60 * (at - minute) + min(begun) // 1000
                excused |= {came + n for n in range(doubt.coming_s + 1)}
        site, interface, content = (part(key) - excused for part in (self._site, self._interface, self._content))
        return Own(_moments(site), _moments(site | interface), _moments(content), _moments(site | interface | content))

    def near(self, key: Key) -> bool:
        """E2: was the service in contact near its content?"""
        user, service, minute = key
        limit = self.profile.support_within_s * 1000
        if self.seen[key].site or self.seen[key].interface:
            return True
        for other in (minute - 1, minute + 1):
            row = self.seen.get((user, service, other))
            for contact in (*row.site, *row.interface) if row else ():
                for content in self.seen[key].content:
                    earlier, later = sorted(
                        [(contact.minute, contact.first, contact.last), (content.minute, content.first, content.last)]
                    )
                    if later[0] * 60_000 + later[1] - earlier[0] * 60_000 - earlier[2] <= limit:
                        return True
        return False

    def _counted(self, key: Key) -> list[Slice]:
        row = self.seen[key]
        return [*row.site, *row.interface, *(row.content if self.near(key) else [])]

    def size(self, key: Key) -> tuple[int, int]:
        """Bytes that count, up and down."""
        return sum(s.up for s in self._counted(key)), sum(s.down for s in self._counted(key))

    def _one_shot(self, key: Key) -> bool:
        one = len(self._counted(key)) <= 1 and len(_moments(self._asked(key))) <= 1
        return one and self._enough(key) and sum(self.size(key)) >= self.profile.doubt.media_bytes

    def _clockwork(self, key: Key) -> bool:
        user, service, minute = key
        doubt = self.profile.doubt
        around = [(user, service, m) for m in (minute - 1, minute, minute + 1)]
        moments = [
            60 * n + second for n, k in enumerate(around) if k in self.seen for second in _moments(self._site(k))
        ]
        gaps = [later - earlier for earlier, later in pairwise(moments)]
        small = max((s.largest for s in self.seen[key].site), default=0) < doubt.background_burst_bytes
        small = small and sum(self.size(key)) < doubt.background_answer_bytes * len(_moments(self._site(key)))
        if small and len(_moments(self._site(key))) >= doubt.background_bursts and self._again(key):
            return True
        if len(gaps) < doubt.background_bursts - 1:
            return False
        variance = 10_000 * (len(gaps) * sum(gap * gap for gap in gaps) - sum(gaps) ** 2)
        return small and variance < (doubt.background_percent * sum(gaps)) ** 2

    def _slow(self, key: Key) -> bool:
        user, service, minute = key
        doubt = self.profile.doubt
        keys = [(user, service, minute - n) for n in range(doubt.slow_flow_min + 1)]
        rows = {n: self.seen[k] for n, k in enumerate(keys) if k in self.seen}
        if any(s.begins for row in rows.values() for s in row.site):
            return False
        size = sum(sum(self.size(k)) for k in keys[:-1] if k in self.seen)
        old = doubt.slow_flow_min in rows and rows[doubt.slow_flow_min].site
        return bool(old) and size < doubt.slow_bytes_per_s * 60 * doubt.slow_flow_min


def _moments(seconds: set[int]) -> list[int]:
    """E14: the seconds in which somebody asked, without those that follow on another."""
    return sorted(second for second in seconds if second - 1 not in seconds)
