"""What a school sets for alerts: where they go, which are sent at once, when it wants to be left alone.

A channel is `NAME URL`, or a URL alone. The URLs hold passwords and keys, so they are secrets here: no message, no
listing and no error shows them. They may stand in the settings or, better, in a file of their own with mode 0600.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable
from datetime import time
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from sensor.settings import PathName, Refusal, Table, Whole, refuse

MOST_CHANNELS = 10
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_URL = re.compile(r"([a-z][a-z0-9+.-]*)://\S+", re.IGNORECASE)
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


class ChannelError(ValueError):
    """A channel cannot be used. The message never holds its URL."""


class Address(NamedTuple):
    """A channel as it is written: its name, and its URL (a secret)."""

    name: str
    url: SecretStr


def _texts(value: object) -> object:
    """Refuses what is no list of texts without repeating it."""
    if not isinstance(value, list | tuple) or not all(isinstance(item, str | SecretStr) for item in value):
        raise refuse(Refusal("it is not a list of texts", 'write channels = ["office mailto://..."]'))
    return value


def _channels(channels: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    try:
        addresses(channel.get_secret_value() for channel in channels)
    except ChannelError as error:
        what, _, mend = str(error).partition("; ")
        raise refuse(Refusal(what, mend)) from None
    return channels


def _clock(text: str) -> str:
    if not _CLOCK.fullmatch(text):
        raise refuse(Refusal(f"{text[:20]!r} is not a time of day", "write it as 16:00"))
    return text


def _span(text: str) -> str:
    begin, dash, end = text.partition("-")
    if text and not (dash and _CLOCK.fullmatch(begin) and _CLOCK.fullmatch(end) and begin != end):
        raise refuse(Refusal(f"{text[:20]!r} is not a span of the day", "write it as 18:00-07:00, or leave it empty"))
    return text


class AlertSettings(Table):
    """`[alerts]`: where alerts go, and when."""

    channels: Annotated[tuple[SecretStr, ...], BeforeValidator(_texts), AfterValidator(_channels)] = Field(
        default=(),
        description="Where alerts go, each `NAME URL`: any URL of Apprise (mailto://, workflows://, json://), "
        "syslog://HOST (UDP), syslog+tcp://HOST or syslog:///dev/log; never shown.",
    )
    channels_file: PathName = Field(
        default=Path("alert-channels.txt"),
        description="File of further channels (mode 0600), one `NAME URL` a line; it need not exist.",
    )
    folder: PathName = Field(
        default=Path("alerts"), description="Folder (mode 0700) of alerts and of what waits to be sent."
    )
    send: Literal["possible", "likely", "confirmed"] = Field(
        default="likely",
        description="Lowest certainty of an edit that is sent at once; what is below waits for digest_at.",
    )
    per_hour: Whole = Field(
        default=20,
        ge=1,
        le=1_000,
        description="Alerts sent one by one in an hour; more are sent together in one message.",
    )
    same_within_min: Whole = Field(
        default=10,
        ge=0,
        le=1_440,
        description="Minutes in which edits of one device on one wiki are one alert with a count.",
    )
    digest_at: Annotated[str, AfterValidator(_clock)] = Field(
        default="16:00", description="Time of day of the digest; no digest is sent when there is nothing to tell."
    )
    quiet: Annotated[str, AfterValidator(_span)] = Field(
        default="", description="Quiet hours, as 18:00-07:00: alerts wait until they end, and then come together."
    )
    quiet_for: Literal["operational", "all"] = Field(
        default="operational", description="What waits in quiet hours: operational alerts, or all."
    )
    wiki_sizes: PathName = Field(
        default=Path("wiki-sizes.toml"),
        description="Sizes of wikis' answers on your network, from `schoolgate wiki calibrate`; it need not exist.",
    )
    language: Literal["en", "cy"] = Field(
        default="en", description="Language of alerts: en, or cy (Welsh, to be checked by a speaker before use)."
    )


def addresses(lines: Iterable[str]) -> tuple[Address, ...]:
    """The channels in these texts. Raises ChannelError, which says which one by its place, never by its content."""
    found: list[Address] = []
    for place, line in enumerate(lines, 1):
        name, _, url = line.strip().rpartition(" ")
        name = name.strip()
        scheme = _URL.fullmatch(url)
        if scheme is None:
            raise ChannelError(f"channel {place} has no URL; write `NAME URL`, as office mailto://...")
        if name and (not _NAME.fullmatch(name) or len(name) > 20):
            raise ChannelError(f"the name of channel {place} cannot be used; use up to 20 of a-z, 0-9 and -")
        taken = {address.name for address in found}
        if name in taken:
            raise ChannelError(f"channel {place} has the name of another one; give each its own")
        plain = re.sub(r"[^a-z0-9]", "-", scheme[1].lower()).strip("-")
        own = name or next(n for n in (plain, *(f"{plain}-{k}" for k in range(2, 99))) if n not in taken)
        found.append(Address(own, SecretStr(url)))
    if len(found) > MOST_CHANNELS:
        raise ChannelError(f"there are {len(found)} channels; {MOST_CHANNELS} are the most")
    return tuple(found)


def read_addresses(settings: AlertSettings) -> tuple[Address, ...]:
    """All channels, of the settings and of the file. Raises ChannelError."""
    lines = [channel.get_secret_value() for channel in settings.channels]
    path = settings.channels_file
    try:
        with path.open(encoding="utf-8") as file:
            if stat.S_IMODE(path.stat().st_mode) & 0o077:
                raise ChannelError(f"{path}: others can read the channels; run: chmod 600 {path}")
            own = [text for text in map(str.strip, file) if text and not text.startswith("#")]
    except FileNotFoundError:
        own = []
    except (OSError, UnicodeDecodeError) as error:
        raise ChannelError(f"{path}: the channels cannot be read ({type(error).__name__}); correct the file") from None
    try:
        addresses(own)
        return addresses([*lines, *own])
    except ChannelError as error:
        raise ChannelError(f"{path if own else '[alerts] channels'}: {error}") from None


def clock_of(text: str) -> time:
    """A time of day as the settings write it."""
    return time.fromisoformat(text)
