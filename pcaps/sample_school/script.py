"""Who does what, minute by minute, on the sample day, and what should become of it.

The script is drawn from the tables (`rota`) with a seeded generator: it looks for stretches of the right state, stays
clear of their ends, and writes down each use with what policy and rules make of it, worked out here in a dozen plain
lines. It builds no packets and shares no code with the product.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from random import Random

from pcaps.sample_school.facts import SAMPLE_DAY
from pcaps.sample_school.network import FIRST, LAST, Device
from pcaps.sample_school.rota import CLEAR, UNKNOWN, YES, Rota, Stretch, minute_of
from pcaps.sample_school.services import SERVICES

TAGGED = ("facebook", "instagram", "twitter", "tiktok", "reddit", "pinterest", "tumblr", "mumsnet")
WEIGHTS = (30, 20, 15, 8, 12, 7, 2, 6)
COUNTED = ("youtube", "linkedin", "whatsapp", "flickr", "spotify")
PUPIL_TASTE = ("youtube", "tiktok", "snapchat", "instagram", "discord", "twitch", "reddit")
NO_LOGON = {"T34", "T35", "S05", "S10", "L06"}  # their log-on events never reached the feed: grade C
SETTLE = 4  # minutes kept between a use and any log-on, lock or log-off
APART = 12  # minutes between two uses of one service, so that they are two episodes
WORKING = {"teaching", "registration", "cover", "duty", "meeting", "exam", "non_contact", "break", "lunch"}


@dataclass(frozen=True)
class Use:
    """One activity in the local minutes [start, end). `staff_id` is who really did it, or empty."""

    staff_id: str
    device: str
    segment: str
    service: str
    start: int
    end: int
    activity: str = "use"
    grade: str = "B"
    state: str = ""
    allowed: str = UNKNOWN
    near_boundary: bool = False
    scripted: bool = True
    expected: str | None = None
    style: str = "scroll"  # scroll | bytes | ragged
    over6: bool = False


@dataclass
class Session:
    """One interactive log-on: a user name on a host, with the spans in which the workstation was locked."""

    username: str
    host: str
    logon: int
    logoff: int
    locks: list[tuple[int, int]] = field(default_factory=list)
    logoff_seen: bool = True


def expected(use: Use, official: bool) -> str | None:
    """What should become of every minute of a use (domain facts 4.4; policy 6.13, 7): None where nothing is stored."""
    action = SERVICES[use.service].action
    if use.activity not in {"use", "official"} or use.segment != "staff" or action == "ignore":
        return None
    if action == "count_only":
        return "count_only"
    if use.grade in {"N", "D"}:
        return "unknown"
    if official:
        return "official_possible"
    if use.allowed == YES:
        return "allowed"
    if use.allowed == UNKNOWN:
        return "unknown"
    if use.state == "non_contact" or use.grade == "C" or use.end - use.start < 3:
        return "count_only"
    return "outside_allowed"


class Script:
    """Fills the day. `uses` and `sessions` are the result, both in order of time."""

    def __init__(self, rota: Rota, machines: dict[str, Device], seed: int, scale: float) -> None:
        self.rota, self.machines = rota, machines
        self.rng = Random(f"script {seed} {rota.day}")
        self.uses: list[Use] = []
        self.days = {who: rota.stretches(who) for who in rota.staff}
        self.laptop = {m.owner: m.name for m in machines.values() if m.owner and m.name.startswith("LT-")}
        self.sessions = list(self._sessions())
        self.at = {s.username.upper(): s for s in self.sessions if s.host.startswith("LT-")}
        self.seen = [who for who in self.at if who in rota.staff]  # grade B on their own laptop
        self._singular()
        self._crowd()
        self._background()
        self._locks()
        pupils = Random(f"pupils {seed} {rota.day}")
        self._pupils(pupils, scale)
        self.uses.sort(key=lambda u: (u.start, u.staff_id, u.device, u.service))
        self.sessions.sort(key=lambda s: (s.logon, s.host))

    def _sessions(self) -> Iterable[Session]:
        for who in self.rota.staff:
            if who not in self.laptop or who in NO_LOGON | {"T33", "C01"}:
                continue
            machine = self.machines[self.laptop[who]]
            seen = who not in {"T23", "T31"}
            yield Session(who.lower(), machine.name, machine.start + 2, machine.end - 2, logoff_seen=seen)

    # -- placing uses

    def _free(self, who: str, service: str, start: int, end: int) -> bool:
        for use in self.uses:
            if use.staff_id != who:
                continue
            gap = APART if use.service == service else 1
            if start < use.end + gap and use.start < end + gap:
                return False
        locks = self.at[who].locks if who in self.at else []
        return not any(start < b + SETTLE and a - SETTLE < end for a, b in locks)

    def _near(self, who: str, start: int, end: int) -> bool:
        day = self.days[who]
        changes = [b.start for a, b in pairwise(day) if a.allowed != b.allowed]
        return any(start < c + CLEAR and c - CLEAR < end for c in changes)

    def add(self, use: Use) -> None:
        """Take a use into the script, with the state it falls in and what should become of it.

        ValueError if it does not lie in one stretch of the tables although it claims to.
        """
        if use.staff_id:
            inside = [s for s in self.days[use.staff_id] if s.start < use.end and use.start < s.end]
            near = self._near(use.staff_id, use.start, use.end)
            if not near and len({(s.state, s.allowed) for s in inside}) > 1:
                raise ValueError(f"{use} lies in {inside}")
            if use.state and use.state != inside[0].state:
                raise ValueError(f"{use} claims {use.state}, the tables say {inside[0]}")
            use = replace(use, state=inside[0].state, allowed=inside[0].allowed, near_boundary=near)
        official = bool(use.staff_id) and self.rota.administers(use.staff_id, use.service)
        outcome = None if use.near_boundary or use.style == "ragged" else expected(use, official)
        scripted = (outcome is not None or use.near_boundary) and use.style != "ragged"
        self.uses.append(replace(use, expected=outcome, scripted=scripted))

    def fixed(self, use: Use) -> None:
        """Take a use at a fixed time: it must fit the sample day; on other days it is left out where it does not."""
        machine = self.machines[use.device]
        try:
            if not machine.start + 2 < use.start < use.end < machine.end - 2:
                raise ValueError(f"{use}: the machine is there from minute {machine.start} to {machine.end}")
            self.add(use)
        except ValueError:
            if self.rota.day == SAMPLE_DAY:
                raise

    def windows(self, who: str, states: set[str], shortest: int) -> list[tuple[int, int, Stretch]]:
        """Stretches of these states that are clear of their ends and inside the person's log-on."""
        session = self.at[who]
        found = []
        for stretch in self.days[who]:
            start, end = stretch.clear
            start = max(start, session.logon + SETTLE, FIRST + 3)
            end = min(end, session.logoff - SETTLE, LAST - 3)
            if stretch.state in states and end - start >= shortest:
                found.append((start, end, stretch))
        return found

    def place(
        self, who: str, states: set[str], shortest: int, longest: int, services: tuple[str, ...], **more: object
    ) -> bool:
        """Put one use of one of the services into a random fitting window; false where none fits."""
        options = self.windows(who, states, shortest)
        for _ in range(12):
            if not options:
                return False
            start, end, _ = self.rng.choice(options)
            length = min(self.rng.randint(shortest, longest), end - start)
            begin = self.rng.randint(start, end - length)
            weights = WEIGHTS if services is TAGGED else None
            service = self.rng.choices(services, weights)[0]
            if self.rota.administers(who, service) and more.get("activity") != "official":
                continue
            if self._free(who, service, begin, begin + length):
                style = "bytes" if self.rng.random() < 0.12 and service not in {"tiktok", "youtube"} else "scroll"
                base = Use(who, self.laptop[who], "staff", service, begin, begin + length, style=style)
                self.add(replace(base, **more))  # type: ignore[arg-type]
                return True
        return False

    # -- the story

    def _crowd(self) -> None:
        """Ordinary use by the many: breaks, lunches, before and after hours, lessons, duties, counted services."""
        rng = self.rng
        for who in self.seen:
            for states, chance, shortest, longest in (
                ({"outside_hours", "non_working_day"}, 0.9, 5, 18),
                ({"break"}, 0.6, 3, 7),
                ({"lunch"}, 0.85, 6, 20),
                ({"outside_hours", "lunch"}, 0.5, 5, 14),
            ):
                if rng.random() < chance:
                    self.place(who, states, shortest, longest, TAGGED)
        for states, people, shortest, longest in (
            ({"teaching"}, 18, 3, 12),
            ({"teaching"}, 16, 1, 2),
            ({"non_contact"}, 14, 3, 10),
            ({"duty"}, 7, 3, 7),
            ({"cover"}, 3, 4, 8),
            ({"meeting"}, 4, 4, 8),
            ({"exam"}, 1, 5, 6),
        ):
            fitting = [w for w in self.seen if self.windows(w, states, shortest)]
            for who in rng.sample(fitting, min(people, len(fitting))):
                self.place(who, states, shortest, longest, TAGGED)
        for who in rng.sample(self.seen, 26):
            self.place(who, {"teaching", "non_contact", "lunch"}, 3, 16, COUNTED)
        for who in rng.sample(self.seen, 7):
            self.place(who, {"teaching", "non_contact", "lunch"}, 3, 9, ("wikipedia",))
        for who in rng.sample([w for w in self.seen if w[0] == "T"], 4):
            self.place(who, {"lunch"}, 6, 12, TAGGED, style="ragged")
        for who in rng.sample([w for w in self.seen if w[0] == "T"], 10):
            change = rng.choice([s.start for s in self.days[who] if s.state in {"lunch", "break"}] or [0])
            start, service = change - rng.randint(1, 5), rng.choice(TAGGED[:4])
            length, session = rng.randint(5, 9), self.at[who]
            inside = session.logon + SETTLE < start and start + length < session.logoff - SETTLE
            official = self.rota.administers(who, service)
            if change and inside and not official and self._free(who, service, start, start + length):
                self.add(Use(who, self.laptop[who], "staff", service, start, start + length))

    def _singular(self) -> None:
        """The single cases: official sites, shared and unknown machines, lost log-ons, oddities of identity."""
        for who, service in (
            ("T03", "facebook"),
            ("S02", "facebook"),
            ("T07", "facebook"),
            ("T12", "twitter"),
            ("T20", "twitter"),
        ):
            self.place(who, {"teaching", "non_contact"}, 5, 9, (service,), activity="official")
        self.place("T15", {"teaching"}, 4, 6, ("instagram",))  # the site that was closed in July
        self.place("S02", {"lunch"}, 5, 8, ("instagram",))
        self._assigned("T02", "TB-002", {"break", "lunch"}, "facebook")
        self._assigned("T05", "TB-005", {"teaching"}, "instagram")
        self._assigned("T34", self.laptop["T34"], {"lunch"}, "reddit")
        self._assigned("T35", self.laptop["T35"], {"teaching"}, "twitter")
        self._assigned("S05", self.laptop["S05"], {"teaching"}, "facebook")
        noon, minute = 12 * 60, minute_of
        # midday supervisors log on to a staff-room PC before their shift: a shared machine, but a named log-on
        for who, host, start in (("S08", "STAFFROOM-1", noon - 40), ("S09", "STAFFROOM-2", noon - 25)):
            self.sessions.append(Session(who.lower(), host, start - 6, start + 22))
            self.fixed(Use(who, host, "staff", "facebook", start, start + 11, state="outside_hours"))
        self.sessions.append(Session("staffroom", "STAFFROOM-3", minute("08:05"), minute("16:40")))
        self.fixed(Use("", "STAFFROOM-3", "staff", "mumsnet", minute("12:31"), minute("12:40"), grade="D"))
        self.fixed(Use("", "STAFFROOM-3", "staff", "facebook", minute("13:28"), minute("13:36"), grade="D"))
        self.fixed(
            Use("", "STAFFROOM-4", "staff", "twitter", minute("12:44"), minute("12:49"), grade="D")
        )  # nobody logged on
        contractor = self.machines[self.laptop["C01"]]
        self.sessions.append(Session("contractor-it", contractor.name, contractor.start + 2, contractor.end - 2))
        self.fixed(Use("C01", contractor.name, "staff", "reddit", minute("11:30"), minute("11:37"), grade="D"))
        self.fixed(Use("R01", self.laptop["R01"], "staff", "instagram", minute("10:20"), minute("10:29")))
        absent = self.machines[self.laptop["T33"]]
        self.sessions.append(Session("t33", absent.name, max(absent.start + 2, minute("10:05")), minute("11:55")))
        self.fixed(Use("T33", absent.name, "staff", "tiktok", minute("10:30"), minute("10:37"), state="absent"))
        self.fixed(Use("T19", self.laptop["T19"], "staff", "facebook", minute("12:30"), minute("12:38"), state="trip"))
        self.fixed(
            Use("S01", self.laptop["S01"], "staff", "mumsnet", minute("13:20"), minute("13:26"), state="home_working")
        )
        for n, (clock, length) in enumerate((("08:10", 7), ("11:07", 6), ("13:31", 12)), 1):
            start = minute(clock)
            use = Use("", f"phone-{n:02}", "staff", "instagram", start, start + length, grade="N")
            self.fixed(use)
        # one workstation, two people logged on at once; one left locked with a video playing; one over IPv6
        self.sessions.append(Session("t08", "ROOM-B30", minute("15:26"), minute("16:05")))
        self.sessions.append(Session("t21", "ROOM-B30", minute("15:35"), minute("15:58")))
        self.fixed(Use("T21", "ROOM-B30", "staff", "twitter", minute("15:42"), minute("15:48"), grade="N"))
        self.at["T06"].locks.append((minute("12:38"), minute("12:56")))
        self.fixed(Use("T06", self.laptop["T06"], "staff", "tiktok", minute("12:43"), minute("12:50"), grade="N"))
        self.fixed(
            Use("T10", self.laptop["T10"], "staff", "facebook", minute("12:42"), minute("12:49"), grade="N", over6=True)
        )
        self._rooms()

    def _assigned(self, who: str, device: str, states: set[str], service: str) -> None:
        """A use on a machine assigned to the person, with no log-on to prove it: grade C."""
        machine = self.machines[device]
        for stretch in self.days[who]:
            start, end = stretch.clear
            if stretch.state in states and end - start >= 7 and machine.start + 3 < start < end < machine.end - 3:
                length = self.rng.randint(4, 7)
                self.add(Use(who, device, "staff", service, start, start + length, grade="C"))
                return

    def _rooms(self) -> None:
        """Teachers log on to the classroom machine for a lesson; some use it for other things."""
        services = ("youtube", "youtube", "facebook", "youtube", "pinterest", "youtube")
        pairs = [
            ("T11", "P1"),
            ("T16", "P2"),
            ("T22", "P2"),
            ("T25", "P3"),
            ("T29", "P1"),
            ("T32", "P5"),
            ("T18", "P3"),
        ]
        for n, (who, slot) in enumerate(pairs):
            found = [s for s in self.days[who] if s.label == slot and s.state == "teaching"]
            if not found:
                continue
            host, (start, end) = f"ROOM-B{int(who[1:]):02}", found[0].clear
            self.sessions.append(Session(who.lower(), host, start - 4, end + 4, locks=[(end - 14, end - 6)]))
            length = self.rng.randint(4, 8)
            begin = self.rng.randint(start + 2, end - 14 - SETTLE - length)
            service = services[n % len(services)]
            if self._free(who, service, begin, begin + length):
                self.add(Use(who, host, "staff", service, begin, begin + length, state="teaching"))

    def _background(self) -> None:
        """What looks like use and is not: embedded widgets, an idle tab; and one edit of an encyclopaedia."""
        for who in self.rng.sample(self.seen, 14):
            for service in ("facebook", "twitter", "linkedin"):
                self.place(who, {"teaching", "non_contact", "lunch"}, 1, 1, (service,), activity="embedded")
        self.place("T16", {"teaching"}, 40, 44, ("twitter",), activity="idle")
        self.place("T29", {"teaching", "non_contact"}, 30, 40, ("facebook",), activity="idle")
        self.place("T17", {"lunch", "non_contact"}, 9, 12, ("wikipedia",), activity="edit")

    def _locks(self) -> None:
        """People lock the screen when they walk away: only far from any use of their machine."""
        for session in self.sessions:
            if not session.host.startswith("LT-") or session.locks:
                continue
            taken = sorted((u.start, u.end) for u in self.uses if u.device == session.host)
            edges = [session.logon, *(m for span in taken for m in span), session.logoff]
            gaps = [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a >= 3 * SETTLE + 3]
            for a, b in self.rng.sample(gaps, min(len(gaps), self.rng.randint(0, 3))):
                start = self.rng.randint(a + SETTLE, b - 2 * SETTLE - 1)
                session.locks.append((start, min(b - SETTLE, start + self.rng.randint(4, 25))))
            session.locks.sort()

    def _pupils(self, rng: Random, scale: float) -> None:
        """Pupils and guests: the same services, never judged."""
        slots = self.rota.slots("KS3")
        pools = (("pupil", 330, 15), ("guest", 70, 10))
        for segment, people, longest in pools:
            machines = [m for m in self.machines.values() if m.segment == segment]
            for machine in rng.sample(machines, min(round(people * scale), len(machines))):
                social = rng.random() < 0.5
                start = slots["LUN"][0] if social else rng.randint(machine.start + 5, machine.end - 25)
                start += rng.randint(2, 20)
                service, length = rng.choice(PUPIL_TASTE), rng.randint(2, longest)
                if machine.start < start and start + length < machine.end:
                    use = Use("", machine.name, segment, service, start, start + length, activity="pupil", grade="N")
                    self.add(replace(use, scripted=False))
