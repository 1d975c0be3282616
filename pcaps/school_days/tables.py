"""A made-up school by seed, as the canonical CSV tables: its bells, people, hours, timetable, duties and dated changes.

Every seed gives another school on another date: five or six periods or four long ones, one lunch or lunches by key
stage, short Fridays, one week or two, exam season, days beside a change of the clock, INSET afternoons, a closure at
noon. `hidden` holds what happened and nobody recorded: the other half of a swap of duties. Codes as
in domain facts 2.1; nobody in these tables exists.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random

from pcaps.sample_school.facts import DOMAIN, hardware, private_hardware
from pcaps.sample_school.make_school import HEADERS
from pcaps.sample_school.rota import clock_of
from pcaps.school_days.bells import Slot, bells, exam_bells
from pcaps.school_days.changes import Day, Rows, changes

DAYS = (
    date(2026, 10, 26),  # Monday after the clock went back
    date(2027, 5, 18),  # exams
    date(2026, 11, 20),  # Friday
    date(2027, 3, 24),  # last week before the clock goes forward
    date(2027, 1, 13),
    date(2026, 10, 23),  # Friday before the clock goes back
    date(2027, 4, 6),  # the clock went forward in the week before
    date(2027, 6, 17),  # exams
    date(2026, 12, 10),
    date(2027, 2, 23),
)
TERM = (date(2026, 9, 1), date(2027, 7, 20))
FROM, TO = TERM[0].isoformat(), TERM[1].isoformat()


@dataclass
class School:
    """Tables by name, rows as in the CSV files; `hidden` are rows of exceptions that no file holds."""

    seed: int
    day: date
    margin: int
    event: str
    groups: tuple[str, ...]
    slots: dict[int, list[Slot]]
    tables: dict[str, Rows] = field(default_factory=dict)
    hidden: Rows = field(default_factory=list)

    @property
    def people(self) -> list[str]:
        return [row[0] for row in self.tables["staff"]]


class _Builder:
    """Fills the tables of one school."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = Random(f"school {seed}")
        self.day = DAYS[seed % len(DAYS)]
        self.exams = self.day.month in {5, 6}
        self.letters = "AB" if rng.random() < 0.6 else "*"
        split, self.short_friday = rng.random() < 0.5, rng.random() < 0.5
        self.groups = ("KS3", "KS4")
        self.week = bells(rng, split, self.short_friday)
        events = ("", "", "twilight", "inset_afternoon", "", "closed_at_noon")
        self.event = "" if self.exams else events[seed % len(events)]
        self.counts = {"T": rng.randint(42, 60), "L": rng.randint(4, 6), "S": rng.randint(14, 20),
                       "M": rng.randint(3, 5), "R": rng.randint(1, 2), "V": 1}  # fmt: skip
        self.staff = [f"{letter}{n:02}" for letter, count in self.counts.items() for n in range(1, count + 1)]
        self.group = {who: rng.choice(self.groups) for who in self.staff}
        self.hours: dict[str, dict[int, tuple[int, int]]] = {}
        self.school = School(
            seed, self.day, rng.choice((5, 5, 5, 3, 8)), self.event, self.groups,
            exam_bells(self.week) if self.exams else self.week,
        )  # fmt: skip
        self.letter = "*" if self.letters == "*" else "AB"[(self.day.isocalendar().week + seed) % 2]

    def build(self) -> School:
        tables = self.school.tables
        tables["staff"] = [self._person(who) for who in self.staff]
        tables["bells"], tables["calendar"] = self._all_bells(), self._calendar()
        tables["patterns"] = self._patterns()
        tables["timetable"], tables["duties"] = self._timetable(), self._duties()
        tables["exceptions"], self.school.hidden = changes(self._today(), self.rng)
        tables["official_sites"], tables["devices"] = self._sites(), self._devices()
        return self.school

    def _person(self, who: str) -> tuple[str, ...]:
        role = {"T": "teacher", "L": "leadership", "S": "support", "M": "support", "R": "trainee", "V": "contractor"}
        user = who.lower() if self.rng.random() > 0.04 else f"{who.lower()};{who.lower()}-former"
        mail = f"{who.lower()}@{DOMAIN}"
        since = "2026-09-01" if who[0] == "R" else "2019-09-01"
        return (who, user, mail, role[who[0]], "1.0", since, "", "", self.group[who])

    def _all_bells(self) -> Rows:
        rows: Rows = []
        for schedule, week in (("normal", self.week), ("exams", exam_bells(self.week))):
            for weekday, slots in week.items():
                for s in slots:
                    rows.append((schedule, str(weekday), s.name, s.kind, clock_of(s.start), clock_of(s.end), s.group))
        return rows

    def _calendar(self) -> Rows:
        rows: Rows = [(FROM, TO, "term", "2026/27"), (FROM, "2026-09-02", "inset", "INSET")]
        rows += [
            ("2026-12-21", "2027-01-01", "holiday", "Christmas"),
            ("2027-03-25", "2027-04-04", "holiday", "Easter"),
        ]
        if self.exams:
            rows.append(("2027-05-10", "2027-06-25", "bell_override", "exams"))
        if self.letters != "*":
            monday = self.day - timedelta(days=self.day.weekday())
            for n in range(-2, 3):
                start = monday + timedelta(days=7 * n)
                letter = "AB"[("AB".index(self.letter) + n) % 2]
                rows.append((start.isoformat(), (start + timedelta(days=4)).isoformat(), f"week_{letter.lower()}", ""))
        return rows

    def _ends(self, weekday: int) -> tuple[int, int]:
        slots = self.school.slots[weekday]
        return slots[0].start, max(s.end for s in slots)

    def _patterns(self) -> Rows:
        rng, rows = self.rng, Rows()

        def add(who: str, weekday: int, start: int, end: int, unpaid: tuple[int, int] | None = None) -> None:
            clocks = (clock_of(unpaid[0]), clock_of(unpaid[1])) if unpaid else ("", "")
            known = self.hours.setdefault(who, {}).get(weekday, (start, end))
            self.hours[who][weekday] = min(known[0], start), max(known[1], end)
            rows.append((who, FROM, "", "*", str(weekday), clock_of(start), clock_of(end), *clocks, "contracted"))

        for who in self.staff:
            part = rng.random() < 0.15
            free = set(rng.sample(range(1, 6), 2)) if part else set()
            half = part and rng.random() < 0.3
            early = rng.choice((-30, 0, 15))
            for weekday in range(1, 6):
                start, end = self._ends(weekday)
                lunch = [(s.start, s.end) for s in self.school.slots[weekday] if s.kind == "lunch"
                         and s.group in {"*", self.group[who]}]  # fmt: skip
                if who[0] in "LR" or (who[0] == "V"):
                    continue
                if who[0] == "M":
                    lunches = [s for s in self.school.slots[weekday] if s.kind == "lunch"]
                    add(who, weekday, min(s.start for s in lunches) - 10, max(s.end for s in lunches) + 5)
                    if who == "M01":  # a second post: teaching assistant in the morning
                        add(who, weekday, start + 15, min(s.start for s in lunches) - 10)
                elif weekday in free:
                    continue
                elif who[0] == "T":
                    noon = lunch[0][0] if lunch else 12 * 60
                    add(who, weekday, start, noon if half else end)
                else:
                    add(who, weekday, start + early, end + rng.choice((-15, 0, 45)), lunch[0] if lunch else None)
        return rows

    def _lessons_of(self, weekday: int, group: str) -> list[Slot]:
        return [s for s in self.school.slots[weekday] if s.kind == "lesson" and s.group in {"*", group}]

    def _timetable(self) -> Rows:
        rng, rows = self.rng, Rows()
        busy = rng.uniform(0.72, 0.85)
        for who in self.staff:
            rooms = f"B{rng.randint(1, 40):02}"
            tutor = rng.random() < 0.65
            for letter in self.letters:
                for weekday in range(1, 6):
                    if who[0] == "L":
                        if rng.random() < 0.6:
                            slot = rng.choice(self._lessons_of(weekday, self.group[who]))
                            rows.append(
                                (
                                    who,
                                    letter,
                                    str(weekday),
                                    slot.name,
                                    rng.choice(("lesson", "meeting")),
                                    "",
                                    "",
                                    FROM,
                                    TO,
                                )
                            )
                        continue
                    hours = self.hours.get(who, {}).get(weekday)
                    if hours is None or who[0] in "MRV" or (who[0] == "S" and int(who[1:]) % 2):
                        continue
                    for slot in self.school.slots[weekday]:
                        if slot.group not in {"*", self.group[who]} or slot.start < hours[0] or slot.end > hours[1]:
                            continue
                        activity = ""
                        if slot.kind == "registration" and tutor and who[0] == "T":
                            activity = "lesson"
                        elif slot.kind == "lesson":
                            draw = rng.random()
                            activity = (
                                "lesson"
                                if draw < busy
                                else rng.choice(("ppa", "", "free", "meeting") if draw > 0.95 else ("ppa", ""))
                            )
                        if activity:
                            rows.append((who, letter, str(weekday), slot.name, activity, "", rooms, FROM, TO))
        return rows

    def _duties(self) -> Rows:
        rng, rows = self.rng, Rows()

        def add(who: str, letter: str, weekday: int, start: str, end: str, kind: str) -> None:
            rows.append((who, letter, str(weekday), start, end, kind, "Yard", FROM, TO))

        for letter in self.letters:
            for weekday in range(1, 6):
                here = self._whole_day(weekday)
                names = {s.name for s in self.school.slots[weekday]}
                for who in rng.sample(here, min(6, len(here))):
                    add(who, letter, weekday, "BRK", "", "break")
                for who in rng.sample(here, min(3, len(here))):
                    if any(s.name == "LUN" and s.group in {"*", self.group[who]} for s in self.school.slots[weekday]):
                        add(who, letter, weekday, "LUN", "", "lunch")
                for who in rng.sample(here, 2):
                    add(who, letter, weekday, "GATE", "", "gate")
                end = self._ends(weekday)[1]
                for who in rng.sample(here, 2):
                    add(who, letter, weekday, clock_of(end - 15), clock_of(end), "bus")
                for who in rng.sample(here, 2):
                    add(who, letter, weekday, clock_of(end), clock_of(end + 45), "detention")
                add(rng.choice(here), letter, weekday, next(n for n in ("P2", "P1") if n in names), "", "cover_standby")
                for who in self.staff:
                    if who[0] == "M":
                        lunches = [s for s in self.school.slots[weekday] if s.kind == "lunch"]
                        add(who, letter, weekday, clock_of(min(s.start for s in lunches)),
                            clock_of(max(s.end for s in lunches)), "lunch")  # fmt: skip
        return rows

    def _today(self) -> Day:
        weekday, tables = self.day.isoweekday(), self.school.tables
        holds = {table: [r for r in tables[table] if r[2] == str(weekday) and r[1] in {"*", self.letter}]
                 for table in ("timetable", "duties")}  # fmt: skip
        return Day(
            self.day, self.school.event, self.exams, self.school.slots[weekday], self._whole_day(weekday),
            [s for s in self.staff if s[0] == "S" and int(s[1:]) % 2], self.group,
            {(r[0], r[3]) for r in holds["timetable"] if r[4] in {"lesson", "meeting"}},
            [(r[0], r[3]) for r in holds["duties"] if r[3] in {"BRK", "LUN"}],
        )  # fmt: skip

    def _whole_day(self, weekday: int) -> list[str]:
        """Teachers who stay to the end of this day of the week."""
        end = self._ends(weekday)[1]
        return [t for t in self.staff if t[0] == "T" and self.hours.get(t, {}).get(weekday, (0, 0))[1] == end]

    def _sites(self) -> Rows:
        rng = self.rng
        rows: Rows = []
        approved = ("L01", "2025-06-12", "S01", "2025-06-16", "L02", "2025-06-20")
        for number, service in enumerate(rng.sample(("facebook", "twitter", "instagram", "youtube", "tiktok"), 3), 1):
            who = rng.sample([w for w in self.staff if w[0] in "TS"], 4)
            dates = (
                ("2025-09-08", "2028-07-16", "2027-12-01") if number < 3 else ("2025-09-08", "2026-09-30", "2026-09-01")
            )
            names = (f"OS{number}", service, "ysgol", ";".join(who[:2]), ";".join(who[2:]), "News", "Families", "none")
            rows.append((*names, f"third party: {service}", *approved, *dates))
        return rows

    def _devices(self) -> Rows:
        rng = self.rng
        rows: Rows = []

        def add(name: str, owner: str = "", shared: bool = False, mac: str = "", ownership: str = "school") -> None:
            number = 0x10000 * (self.school.seed + 1) + len(rows)
            rows.append(
                (mac or hardware(number), f"A{1000 + len(rows)}", name, owner, str(int(shared)), FROM, "", ownership)
            )

        laptops = rng.uniform(0.7, 1.0)
        for n, who in enumerate(self.staff, 1):
            if who[0] in "LRV" or (who[0] in "TS" and rng.random() < laptops):
                add(f"LT-{n:03}", who)
        for n in range(1, 31):
            add(f"ROOM-{n:02}", shared=True)
        for n in range(1, 7):
            add(f"STAFF-{n}", shared=True)
        for n in range(1, 3):
            add(f"DESK-{n}", shared=True)
        add("TS-1", shared=True)
        for n, who in enumerate(rng.sample(self.staff, 8), 1):  # phones registered under the address of one day
            add(f"byod-{n}", who, mac=private_hardware(10_000 + 100 * self.school.seed + n), ownership="byod")
        for n in range(1, 9):
            add(f"TAB-{n:02}", rng.choice([w for w in self.staff if w[0] == "T"]))
        for n in range(1, 21):
            add(f"CB-{n:03}", shared=True)
        return rows


def build(seed: int) -> School:
    """The school of a seed."""
    return _Builder(seed).build()


def header(table: str) -> list[str]:
    """The columns of a table."""
    return HEADERS[table].split(",")
