"""From what a script did to one label per service and clock minute.

`use`: somebody was at it for ten seconds of the minute or more. `edge`: for less (it is in the truth but not scored,
for either answer would be right), or the machine stood still meanwhile, so that nobody knows. Else `background` if a
tab or program of the service was open, else `widget` if a page was that embeds it, else `none` (all was closed before).
A service has labels from the minute in which it was first met.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

ENOUGH_S = 10.0
Interval = tuple[str, str, float, float]


def label_minutes(
    intervals: Sequence[Interval], end: float, stood_still: Iterable[tuple[float, float]] = ()
) -> dict[str, dict[int, tuple[str, float]]]:
    """Label and seconds of use, by service and minute since 1970, up to `end`."""
    still = {m for a, b in stood_still for m in range(int(a // 60), int(b // 60) + 1)}
    found: dict[str, dict[int, tuple[str, float]]] = {}
    for service in sorted({i[1] for i in intervals}):
        mine = [i for i in intervals if i[1] == service]
        first = int(min(i[2] for i in mine) // 60)
        found[service] = {}
        for minute in range(first, int(end // 60) + 1):
            start, stop = minute * 60, minute * 60 + 60
            here = [(what, max(a, start), min(b, stop)) for what, _, a, b in mine if a < stop and b > start]
            seconds = covered([(a, b) for what, a, b in here if what == "use"])
            present = {what for what, *_ in here}
            if minute in still or 0 < seconds < ENOUGH_S:
                label = "edge"
            elif seconds:
                label = "use"
            else:
                label = next((word for word in ("background", "widget") if word in present), "none")
            found[service][minute] = (label, round(seconds, 1))
    return found


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """How long at least one of the spans lasts."""
    total, until = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total
