"""Who does what when, on a generated day: a walk through each person's day, with the machines' own doings beside it.

People arrive, log on, work, read the news, teach with films, look at social sites when they feel like it (mostly when
they are free, sometimes when they are not), lock the screen and leave. What they do does not stop at bells. Their
browsers keep tabs, their phones sync. Every deed is labelled here, by what was scripted.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from pcaps.sample_school.facts import private_hardware
from pcaps.sample_school.wire import Wire
from pcaps.school_days import unattended
from pcaps.school_days.browser import Browser, Deed
from pcaps.school_days.habits import use
from pcaps.school_days.hosts import COUNTED, ON_PHONES, TABS, TAGGED
from pcaps.school_days.machines import CLOSED, OPENED, Network, Session
from pcaps.school_days.rota import Rota, allowed
from pcaps.school_days.tables import School

AWAY = {"absent", "home_working"}
BOOKED = {"teaching", "registration", "exam", "cover", "duty", "meeting", "inset", "non_contact"}
# how often a person at a machine turns to each thing next, by what the policy says of the minute
LEISURE = {"yes": 0.42, "no": 0.07, "unknown": 0.15}
TASTE = {"facebook": 26, "instagram": 16, "twitter": 13, "reddit": 10, "tiktok": 7, "pinterest": 6, "mumsnet": 5,
         "tumblr": 2, "threads": 3, "bluesky": 4, "twitch": 2, "discord": 4, "thestudentroom": 1, "pistonheads": 2,
         "digitalspy": 3}  # fmt: skip


class Script:
    """Plays a day onto a wire. `deeds` and `network` are the result. `share` of the staff do anything."""

    def __init__(self, school: School, rota: Rota, wire: Wire, midnight: int, share: float) -> None:
        self.school, self.rota, self.wire, self.midnight = school, rota, wire, midnight
        self.rng = Random(f"day {school.seed}")
        self.network = Network(school, self.rng)
        self.network.offset = self.rng.choice((0.0, 0.0, -25.0, 40.0))
        self.deeds: list[Deed] = []
        self.browsers: dict[str, Browser] = {}
        self.v6 = school.seed % 4 == 3
        self.wifi = ("dot1x", "psk", "guest", "dot1x", "guest")[school.seed % 5]  # how phones of staff get in
        self.network.seen6 = self.v6
        self.rooms = [f"ROOM-{n:02}" for n in range(1, 31)]
        people = [who for who in school.people if self.rng.random() < share]
        self.states = {who: rota.states(who) for who in school.people}
        for who in people:
            self._person(who)
        self._generic(share)
        self._others(share)
        for name, browser in self.browsers.items():
            machine = self.network.machines[name]
            first, last = max(machine.start + 1, OPENED), min(machine.end - 1, CLOSED)
            unattended.by_itself(browser, first * 60, last * 60)
            browser.flush(first * 60, last * 60)

    # -- the parts

    def deed(self, behaviour: str, label: str, who: str, device: str, service: str) -> Deed:
        self.deeds.append(Deed(behaviour, label, who, device, service))
        return self.deeds[-1]

    def _embeds(self, who: str, device: str) -> Callable[[str, str], Deed]:
        """One deed for each sort of embedding that a machine meets."""
        found: dict[tuple[str, str], Deed] = {}

        def of(behaviour: str, service: str) -> Deed:
            key = behaviour, service
            if key not in found:
                found[key] = self.deed(behaviour, "embedded", who, device, service)
            return found[key]

        return of

    def _browser(self, name: str) -> Browser:
        if name not in self.browsers:
            rng = Random(f"machine {self.school.seed} {name}")
            six = 0.7 if self.v6 and rng.random() < 0.15 else 0.0
            if six:
                self.network.six.add(name)
            self.browsers[name] = Browser(
                self.wire, self.network.machines[name], self.midnight, rng, ech=rng.random() < 0.25, six=six,
                fallback=rng.choice((0.0, 0.1, 1.0)),
            )  # fmt: skip
        return self.browsers[name]

    def _site(self, who: str, pool: dict[str, int]) -> str:
        while True:
            service = self.rng.choices(list(pool), list(pool.values()))[0]
            if not self.rota.administers(who, service):
                return service

    # -- a person's day

    def _person(self, who: str) -> None:
        rng, states = self.rng, self.states[who]
        at_work = [m for m in range(1440) if states[m] in BOOKED | {"break", "lunch", "trip"}]
        if who[0] in "LRV" and "absent" not in states:
            at_work = [8 * 60 + rng.randrange(30), 15 * 60 + rng.randrange(90)]
        if "absent" in states and rng.random() < 0.1:  # on the list of the absent, but in the building for a while
            at_work = [9 * 60 + 30, 12 * 60]
        if not at_work:
            return
        arrives = max(at_work[0] - rng.randrange(5, 50), OPENED + 2)
        leaves = min(at_work[-1] + rng.choice((5, 10, 25, 60, 110)), CLOSED - 5)
        if self.school.event == "closed_at_noon":
            leaves = min(leaves, 13 * 60 + rng.randrange(10, 90))
        fond = rng.choice((0.0, 0.4, 1.0, 1.0, 2.0))  # of social sites
        laptop = next((r[2] for r in self.school.tables["devices"] if r[3] == who and r[2].startswith("LT-")), "")
        for session in self._seats(who, laptop, arrives, leaves):
            self._sit(who, session, fond)
        if rng.random() < 0.75:
            self._phone(who, arrives, leaves, fond)

    def _seats(self, who: str, laptop: str, arrives: int, leaves: int) -> list[Session]:
        """Where the person logs on, and when the screen is locked."""
        rng, found = self.rng, list[Session]()
        if laptop:
            self.network.add(laptop, arrives, leaves, who)
            if rng.random() < 0.02:
                self.network.unleased.add(laptop)
            found.append(Session(who.lower(), who, laptop, arrives + rng.randint(1, 4), leaves - rng.randint(1, 3)))
            if rng.random() < 0.03:
                found[0].on_seen = False
        elif who[0] == "S" and rng.random() < 0.6:  # a thin client: everybody has the server's address
            self.network.add("TS-1", OPENED - 20, CLOSED)
            found.append(Session(who.lower(), who, "TS-1", arrives, leaves - 2, kind="10"))
        elif who[0] in "SM":
            host = rng.choice(("DESK-1", "DESK-2", "STAFF-1", "STAFF-2", "STAFF-3"))
            first = arrives + rng.randrange(0, 30)
            found.append(Session(who.lower(), who, host, first, min(leaves - 2, first + rng.randrange(20, 240))))
        else:
            room, minute = rng.choice(self.rooms), arrives + rng.randrange(2, 20)
            while minute < leaves - 25:
                end = min(leaves - 2, minute + rng.randrange(25, 120))
                found.append(Session(who.lower(), who, room, minute, end))
                minute = end + rng.randrange(3, 60)
                if rng.random() < 0.3:
                    room = rng.choice([*self.rooms, "STAFF-1", "STAFF-2"])
        for session in found:
            if session.host not in self.network.machines:
                self.network.add(session.host, OPENED - 20, CLOSED)
            session.off_seen = rng.random() > 0.03
            minute = session.start + rng.randrange(20, 120)
            while minute < session.end - 25:
                back = min(session.end - 8, minute + rng.choice((4, 8, 15, 20, 45)))
                if rng.random() < 0.6:
                    session.locks.append((minute, back))
                minute = back + rng.randrange(30, 150)
        self.network.sessions += found
        return found

    def _sit(self, who: str, session: Session, fond: float) -> None:
        """What happens at a machine from log-on to log-off."""
        rng, browser = self.rng, self._browser(session.host)
        embeds = self._embeds(who, session.host)
        tabs = [s for s in rng.sample(TABS, rng.choice((0, 0, 1, 1, 2, 3))) if not self.rota.administers(who, s)]
        for service in tabs:
            first, last = session.start * 60 + rng.uniform(15, 110), session.end * 60.0 - 30
            if rng.random() < 0.6:
                deed = self.deed("restored", "background", who, session.host, service)
                unattended.restore(browser, deed, first, rng.choice((0.3, 0.9)))
            else:
                first += rng.uniform(0, 0.5) * (last - first)
            last = rng.choice((last, first + rng.uniform(0.2, 1) * (last - first)))
            in_view = rng.random() < 0.2
            deed = self.deed("tab_in_view" if in_view else "hidden_tab", "background", who, session.host, service)
            unattended.tab(browser, deed, first + 20, last, in_view)
            for _, back in session.locks:
                if rng.random() < 0.4:
                    deed = self.deed("unlocked", "background", who, session.host, service)
                    unattended.restore(browser, deed, back * 60 + rng.uniform(2, 40), 0.97)
        if rng.random() < 0.06:
            unattended.own_site(browser, embeds, session.start * 60 + 200, session.end * 60, rng)
        for start, end in session.locks:
            if rng.random() < 0.07:
                deed = self.deed(
                    "playing_locked", "background", who, session.host, rng.choice(("tiktok", "facebook", "youtube"))
                )
                unattended.left_playing(browser, deed, start * 60 + 70, end * 60 - 60)
        for start, end in session.free():
            self._spend(who, session.host, browser, embeds, start * 60 + rng.uniform(40, 200), end * 60 - 15.0, fond)

    def _spend(self, who: str, device: str, browser: Browser, embeds: Callable[[str, str], Deed], second: float,
               end: float, fond: float) -> None:  # fmt: skip
        """One thing after another, until the screen is locked."""
        rng = self.rng
        answers = allowed(self.states[who])
        runs = [s for s in ("facebook", "twitter", "instagram", "youtube", "tiktok") if self.rota.administers(who, s)]
        while second < end - 60:
            state, answer = self.states[who][int(second // 60)], answers[int(second // 60)]
            draw = rng.random()
            stop = min(end, second + rng.uniform(180, 1100))
            if draw < LEISURE[answer] * fond:
                stop = min(end, second + 60 * min(rng.lognormvariate(1.75, 0.75), 45))
                service = self._site(who, TASTE) if rng.random() < 0.85 else rng.choice(COUNTED)
                if not self.rota.administers(who, service):
                    use(browser, self.deed("browsing", "use", who, device, service), second, stop)
            elif runs and draw > 0.9:
                stop = min(end, second + 60 * rng.uniform(3, 20))
                use(browser, self.deed("official", "official", who, device, rng.choice(runs)), second, stop)
            elif state == "teaching" and draw > 0.93:
                use(browser, self.deed("lesson_film", "use", who, device, "youtube"), second, stop)
            elif draw > 0.72:
                sort = rng.choices(("news", "shops", "games"), (0.62, 0.33, 0.05))[0]
                unattended.read(browser, embeds, second, stop, sort)
            else:
                unattended.read(browser, embeds, second, stop, "work")
            second = stop + rng.choice((2.0, 20.0, 120.0, 400.0)) * rng.random()

    def _phone(self, who: str, arrives: int, leaves: int, fond: float) -> None:
        """A phone in the pocket: apps that sync all day, and are used when its owner has a moment."""
        rng = self.rng
        segment = "guest" if self.wifi == "guest" else "staff"
        name = f"phone-{who}"
        registered = next((r[0] for r in self.school.tables["devices"] if r[3] == who and r[2].startswith("byod")), "")
        mac = (
            registered if rng.random() < 0.2 else private_hardware(self.school.seed * 1000 + len(self.network.machines))
        )
        self.network.add(name, arrives, leaves, "", segment, mac or "")
        if self.wifi == "dot1x":
            self.network.phones[name] = who.lower()
        browser = self._browser(name)
        browser.six = 0.0
        self.network.six.discard(name)
        for service in rng.sample(ON_PHONES, rng.randint(1, 3)):
            second = (arrives + rng.uniform(2, 40)) * 60
            while second < leaves * 60:
                unattended.sync(browser, self.deed("app_sync", "background", who, name, service), second)
                second += rng.uniform(900, 3600)
        answers = allowed(self.states[who])
        pool = {s: TASTE.get(s, 6) for s in ON_PHONES}
        second = (arrives + 5) * 60.0
        while second < leaves * 60 - 300:
            answer = answers[int(second // 60)]
            if rng.random() < {"yes": 0.22, "no": 0.025, "unknown": 0.08}[answer] * fond:
                stop = second + 60 * min(rng.lognormvariate(1.4, 0.7), 30)
                in_app = rng.random() < 0.6
                deed = self.deed("phone_app" if in_app else "phone_browsing", "use", who, name, self._site(who, pool))
                use(browser, deed, second, min(stop, leaves * 60 - 60), phone=in_app)
                second = stop
            second += rng.uniform(60, 900)

    # -- machines that stand for nobody

    def _generic(self, share: float) -> None:
        """Accounts that many share, a machine at which nobody logged on, two people at one machine, a lent address."""
        rng = self.rng
        for account, host in (("staffroom", "STAFF-4"), ("supply1", rng.choice(self.rooms)), ("", "STAFF-5")):
            self.network.add(host, OPENED - 20, CLOSED)
            if account:
                self.network.sessions.append(Session(account, "", host, OPENED + 40, CLOSED - 90))
            second = 9 * 3600.0
            while second < 15.5 * 3600:
                stop = second + 60 * rng.uniform(2, 12)
                deed = self.deed("generic_account", "use", "", host, self._site("", TASTE))
                use(self._browser(host), deed, second, stop)
                second = stop + rng.uniform(2400, 9000) / share

    def _others(self, share: float) -> None:
        """Pupils, who are never judged."""
        rng = self.rng
        for n in range(1, round(20 * share) + 1):
            name = f"CB-{n:03}"
            self.network.add(name, 8 * 60 + 40, 15 * 60, "", "pupil")
            start = rng.uniform(9, 14) * 3600
            deed = self.deed("pupil", "pupil", "", name, rng.choice(TAGGED[:4]))
            use(self._browser(name), deed, start, start + rng.uniform(120, 600))
