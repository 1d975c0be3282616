"""The sentences of the Today page, in both languages: the day in one, and why there is nothing to show of a day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from dashboards import words
from dashboards.language import Language, long_day, minutes, say
from dashboards.queries import Row
from dashboards.schools import SchoolInfo
from pipeline.words import Outcome


def unmonitored(school: SchoolInfo, day: date, lang: Language) -> str:
    """Why monitoring was off on the day; empty if it was on."""
    if school.notice is None:
        return say(lang, "Monitoring is off: no notice date is set (school.notice_date in schoolgate.toml).")
    if day < school.notice:
        return say(lang, "Monitoring was off: it was announced from {day}.", day=long_day(school.notice, lang))
    return ""


def lede(
    off: str, totals: Row, periods: Sequence[Row], bells: Sequence[Row], now: datetime | None, lang: Language
) -> str:
    """The day in one sentence: how much, when, how much of it outside allowed times, how much unknown."""
    week = next((b["week"] for b in bells if b["week"]), "")
    running = any(now and b["time"] <= now < b["timeEnd"] for b in bells)
    if off and not totals["total"]:
        return off
    parts = [say(lang, "Week {week}.", week=week), " "] if week else []
    if not totals["total"]:
        none = "No use of social media by staff was seen"
        return "".join(parts) + say(lang, f"{none} so far." if running else f"{none}.")
    used = "Staff used social media for {minutes}"
    parts.append(say(lang, f"{used} so far" if running else used, minutes=minutes(totals["total"], lang)))
    by_kind: dict[str, int] = {}
    for row in periods:
        by_kind[row["period_kind"]] = by_kind.get(row["period_kind"], 0) + row["total"]
    if when := words.when(by_kind):
        parts.append(say(lang, ", most of it {when}", when=say(lang, when)))
    outside, unknown = totals[Outcome.OUTSIDE_ALLOWED], totals[Outcome.UNKNOWN]
    if outside:
        text = "; {minutes} fell outside the policy’s allowed times (automatic, unverified)"
        parts.append(say(lang, text, minutes=minutes(outside, lang)))
    else:
        parts.append(say(lang, "; none was seen to fall outside the policy’s allowed times"))
    if unknown:
        parts.append(say(lang, ", and {minutes} could not be judged", minutes=minutes(unknown, lang)))
    return "".join(parts) + "."


def why_empty(school: SchoolInfo, day: date, today: date, known: Sequence[date], bells: bool, lang: Language) -> str:
    """Why there is nothing to show; asked where there is nothing."""
    if day > today:
        return say(lang, "This day has not come yet.")
    if off := unmonitored(school, day, lang):
        return off
    if not known:
        return say(lang, "No packets have been stored yet. Replay a capture, or see whether the sensor runs.")
    if day < known[-1]:
        text = "The store begins on {day}; earlier days were not seen or have been deleted."
        return say(lang, text, day=long_day(known[-1], lang))
    if day > known[0]:
        text = "Nothing has been stored since {day}: see whether the sensor runs."
        return say(lang, text, day=long_day(known[0], lang))
    if not bells:
        text = "No packets were seen, and no bells ring: a weekend, a holiday or a missing row in calendar.csv."
        return say(lang, text)
    return say(lang, "No packets were seen on this school day: the sensor was off or the mirror port was silent.")
