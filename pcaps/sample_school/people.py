"""The people and machines of the made-up school: staff, contracted hours, official sites, asset register."""

from __future__ import annotations

from pcaps.sample_school.facts import DOMAIN, hardware, private_hardware

Rows = list[tuple[str, ...]]
DEPARTMENTS = ("Maths", "English", "Cymraeg", "Science", "Humanities", "Languages", "Arts", "Technology", "PE", "RVE")
PART_TIME = {  # weekday -> (start, end); days not named are days off
    "T36": {3: ("08:25", "15:20"), 4: ("08:25", "15:20"), 5: ("08:25", "13:20")},
    "T37": {1: ("08:25", "15:20"), 2: ("08:25", "15:20"), 3: ("08:25", "15:20")},
    "T38": dict.fromkeys(range(1, 6), ("08:25", "12:20")),
    "T39": dict.fromkeys(range(1, 5), ("12:20", "15:20")),
    "T40": dict.fromkeys(range(1, 5), ("08:25", "15:20")),
}


def bell_group(staff_id: str) -> str:
    number = int(staff_id[1:])
    if staff_id[0] == "T":
        return "KS3" if number <= 20 else "KS4"
    return "KS3" if staff_id in {"L01", "L02", "L03", "S01", "S02", "S03", "S04", "S05", "S08", "S12", "R01"} else "KS4"


def teachers() -> list[str]:
    return [f"T{n:02}" for n in range(1, 41)]


def staff_ids() -> list[str]:
    support = [f"S{n:02}" for n in range(1, 13)]
    return teachers() + [f"L{n:02}" for n in range(1, 7)] + support + ["R01", "C01"]


def staff() -> Rows:
    rows: Rows = []
    departments = {
        "S01": "Office",
        "S02": "Office",
        "S03": "Office",
        "S08": "Midday",
        "S09": "Midday",
        "S10": "Science",
    }
    departments |= {"S11": "IT", "C01": "IT", "R01": "Science"}
    fte = {"T36": "0.6", "T37": "0.6", "T38": "0.5", "T39": "0.5", "T40": "0.8", "S08": "0.27", "S09": "0.27"}
    role = {"T": "teacher", "L": "leadership", "S": "support", "R": "trainee", "C": "contractor"}
    for n, who in enumerate(staff_ids()):
        part = DEPARTMENTS[n % 10] if who[0] == "T" else departments.get(who, "Learning" if who[0] == "S" else "SLT")
        start = "2026-09-01" if who in {"T32", "R01"} else f"{2011 + n % 14}-09-01"
        end = "2027-07-20" if who in {"R01", "C01"} else ""
        user = who.lower()
        rows.append(
            (who, user, f"{user}@{DOMAIN}", role[who[0]], fte.get(who, "1.0"), start, end, part, bell_group(who))
        )
    return rows


def patterns() -> Rows:
    """Contracted hours. Leadership and the trainee have none; a contractor's hours are not the school's."""
    rows: Rows = []

    def add(
        who: str, weekday: int, start: str, end: str, lunch: tuple[str, str] = ("", ""), kind: str = "contracted"
    ) -> None:
        rows.append((who, "2026-09-01", "", "*", str(weekday), start, end, *lunch, kind))

    for who in teachers():
        days = PART_TIME.get(who, {d: ("08:25", "13:20" if d == 5 else "15:20") for d in range(1, 6)})
        for weekday, (start, end) in days.items():
            add(who, weekday, start, end)
    ks3, ks4, friday = ("12:20", "13:05"), ("13:20", "14:05"), ("11:40", "12:15")
    for weekday in range(1, 6):
        short = weekday == 5
        for who in ("S01", "S02"):
            add(who, weekday, "08:00", "15:00" if short else "16:00", friday if short else ks3)
        add("S03", weekday, "09:30", "15:00" if short else "15:30", friday if short else ks3, "flexi_core")
        for who in ("S04", "S05", "S06", "S07"):
            lunch = ks3 if bell_group(who) == "KS3" else ks4
            add(who, weekday, "08:40", "13:05" if short else "15:05", ("", "") if short else lunch)
        for who in ("S08", "S09"):
            add(who, weekday, "11:35" if short else "12:10", "13:10" if short else "14:10")
        for who in ("S10", "S11"):
            add(who, weekday, "08:00", "15:00" if short else "16:00", ("12:30", "13:05") if short else ks4)
        add("S12", weekday, "08:40", "11:40" if short else "12:20")  # post one: teaching assistant
        add("S12", weekday, "11:40" if short else "12:20", "12:40" if short else "13:20")  # post two: midday supervisor
    return rows


def official_sites() -> Rows:
    """Appendix B forms: those on Facebook and X are live, the one on Instagram is closed, the last is yet to open."""
    line = ("L03", "2025-06-12", "S11", "2025-06-16", "L01", "2025-06-20")
    late = ("L04", "2026-10-05", "S11", "2026-10-08", "L01", "2026-10-09")
    live, closed, later = ("2025-09-08", "2027-07-16"), ("2025-09-15", "2026-07-17"), ("2027-01-11", "2027-07-16")

    def site(number: int, service: str, account: str, people: str, purpose: str, audience: str) -> tuple[str, ...]:
        administrators, moderators = people.split()
        dates = {3: (*closed, "2026-06-30"), 4: (*later, "2027-03-01")}.get(number, (*live, "2026-12-01"))
        approved = late if number == 4 else line
        host = f"third party: {service}"
        names = (f"OS{number}", service, account, administrators, moderators, purpose, audience, "none", host)
        return (*names, *approved, *dates)

    return [
        site(1, "facebook", "ysgol.enghraifft", "T03;S02 T07;L02", "News for families", "Pupils' families"),
        site(2, "twitter", "enghraifft_pe", "T12;T20 T09;L05", "Fixtures and results", "Families, other schools"),
        site(3, "instagram", "celf.enghraifft", "T15;T07 T17;L04", "Art exhibition", "Members of the public"),
        site(4, "pinterest", "dt.enghraifft", "T18;T28 T08;L06", "Project ideas", "Pupils"),
    ]


def devices() -> Rows:
    """The asset register. Registered phones carry the randomised address they showed on one day: it proves nothing."""
    rows: Rows = []
    laptops = [s for s in staff_ids() if s not in {"S08", "S09"}]

    def add(name: str, owner: str = "", shared: bool = False, ownership: str = "school", mac: str = "") -> None:
        tag = f"YE{len(rows) + 1001}"
        rows.append(
            (mac or hardware(len(rows) + 0x1000), tag, name, owner, str(int(shared)), "2026-09-01", "", ownership)
        )

    for n, who in enumerate(laptops, 1):
        add(f"LT-{n:03}", who)
    for n in range(1, 13):
        add(f"TB-{n:03}", f"T{n:02}")
    for n in range(1, 7):
        add(f"STAFFROOM-{n}", shared=True)
    for n in range(1, 35):
        add(f"ROOM-B{n:02}", shared=True)
    for n in range(1, 13):
        add(f"PRINT-{n:02}", shared=True)
    for n in range(1, 561):
        add(f"CB-{n:04}", shared=True)
    for n in range(1, 131):
        add(f"PC-{n:03}", shared=True)
    for n in range(1, 21):
        add(f"phone-{n:02}", f"T{n + 10:02}", ownership="byod", mac=private_hardware(n))
    return rows
