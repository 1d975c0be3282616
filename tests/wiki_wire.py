"""Upload units as a browser at a wiki would make them, written by hand: for tests of the detector."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.wiki.flights import Record
from pipeline.wiki.unit import Unit

OPENED = 1_800_000_000.0
CLIENT = bytes(10) + b"\xff\xff" + bytes([10, 1, 2, 3])
RTT = 0.03


def unit(
    records: Sequence[Record],
    *,
    wiki: str = "en.wikipedia.org",
    opened: float = OPENED,
    known: float | None = None,
    final: bool = True,
    number: int = 1,
    connection: int = 7,
    client: bytes = CLIENT,
    usual: int = 150,
) -> Unit:
    """The revision in which all of `records` are known, or only those up to `known` seconds after it opened."""
    shown = tuple(r for r in records if known is None or r[0] <= known)
    until = 20.0 if known is None else known
    return Unit(
        number, final, opened + until, connection, opened, client, "staff", "wikipedia", wiki, RTT, usual, shown, ()
    )


def reading(start: float = 0.0) -> list[Record]:
    """A page, its scripts, and some clicks: requests and answers, no data."""
    return [
        (start, 180), (start + 0.1, -16384), (start + 0.1, -7000), (start + 0.2, 120), (start + 0.2, 130),
        (start + 0.24, -982), (start + 0.25, 13), (start + 0.26, -9300), (start + 1.5, 140), (start + 1.55, -614),
    ]  # fmt: skip


def beacon(start: float, size: int = 2900) -> list[Record]:
    """Measurements that the browser sends, answered by an empty reply."""
    return [(start, 67), (start, 1529), (start + 0.001, size - 1529), (start + 0.031, -26), (start + 0.034, -170)]


def event(start: float, size: int = 2700, answer: int = 584, wait: float = 0.034) -> list[Record]:
    """An event of Firefox: the first piece of its body is as long as a request without cookies leaves."""
    return [
        (start, 67), (start, 1529), (start + 0.001, size - 1529), (start + 0.031, -26), (start + wait, -answer),
    ]  # fmt: skip


def form(start: float, body: int = 5600, answer: int = 1330, gap: float = 0.012) -> list[Record]:
    """An edit form: the redirect, and the page that the browser asks for at once."""
    back = start + 0.25
    return [
        (start, 160), (start + 0.001, body), (start + 0.032, -26), (back, -answer), (back + gap, 190),
        (back + gap + 0.2, -9300), (back + gap + 0.5, 150), (back + gap + 0.54, -1347),
    ]  # fmt: skip


def log_in(start: float) -> list[Record]:
    """A log-in: a short form that is redirected, too."""
    return form(start, body=212, answer=1612)


def stash(start: float, body: int = 4200) -> list[Record]:
    """Text that the edit form sends ahead while its author types."""
    return [(start, 150), (start + 0.001, body), (start + 0.032, -26), (start + 0.2, -928), (start + 4.0, 80)]


def visual(start: float) -> list[Record]:
    """VisualEditor stores the text, and saves it 3 s later."""
    save = start + 3.0
    return [
        (start, 130), (start + 0.001, 14000), (start + 0.032, -26), (start + 0.6, -934),
        (save, 106), (save + 0.001, 2062), (save + 0.032, -26), (save + 0.5, -8067),
    ]  # fmt: skip


def reply(start: float) -> list[Record]:
    """A discussion reply after a preview of it."""
    return [
        (start - 2.0, 54), (start - 2.0, 363), (start - 1.969, -26), (start - 1.8, -1829),
        (start, 105), (start + 0.001, 2236), (start + 0.032, -26), (start + 0.29, -3855),
        (start + 0.33, 256), (start + 0.334, 205), (start + 0.338, 153), (start + 0.49, -877), (start + 0.53, -1591),
    ]  # fmt: skip


def program(start: float, body: int = 3017) -> list[Record]:
    """A program's edit: an answer, and nothing asked for upon it."""
    return [(start, 36), (start + 0.01, body), (start + 0.011, 9), (start + 0.042, -26), (start + 0.6, -1310)]
