"""The policy profile: a school's policy as data (clauses, allowed states, limits of the rules, services that differ).

A profile is a TOML file; the shipped one, `profiles/cwmbran.toml`, explains every key. It is read once, checked, and
then immutable; its version is its id and a hash of its bytes, and every stored row carries it. What is done with use of
a service is said by its own entry; else by the catalogue, but never more than the profile lets its kind have. It knows
no people and no traffic. Policy clause ids and texts live there and nowhere in the code.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

import pydantic

from pipeline.sites import SiteRules
from pipeline.toml_lines import key_lines, line_of
from pipeline.words import Outcome, State
from sensor.words import Action, Kind

_SHIPPED = files("pipeline") / "profiles"
_NEVER_CERTAIN = frozenset({State.UNKNOWN, State.NOT_IN_POST, State.ABSENT, State.TRIP, State.HOME_WORKING})
_ACTIONS = tuple(Action)  # from the gravest to the mildest
Count = Annotated[int, pydantic.Field(ge=1, le=2**40)]


class ProfileError(ValueError):
    """A policy profile that cannot be used; the message is `FILE:LINE: what is wrong; mend`."""


class _Table(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")


class _Time(_Table):
    clause: str
    allow: tuple[State, ...]
    non_contact: Literal["count_only", "outside_allowed"] = "count_only"
    non_contact_counted_until: date | None = None


class _Use(_Table):
    down_bytes: Count = 100_000
    client_bursts: Count = 5
    support_within_s: Annotated[int, pydantic.Field(ge=0, le=60)] = 60
    episode_gap_min: Annotated[int, pydantic.Field(ge=1, le=5)] = 5
    episode_minutes: Annotated[int, pydantic.Field(ge=1, le=60)] = 3
    dns_named_flows: bool = True


class Doubt(_Table):
    """Limits of the rules that tell use from what only looks like it (E3 to E6), and of E9.

    Sizes in bytes; other units as the names say.
    """

    site_looks: Count = 2
    app_looks: Count = 4
    page_bytes: Count = 10_000
    answer_bytes: Count = 800
    quick_s: Annotated[int, pydantic.Field(ge=2, le=30)] = 10
    visit_bytes: Count = 5_000
    beside_bytes: Count = 20_000
    beside_answer_bytes: Count = 2_000
    just_before_s: Annotated[int, pydantic.Field(ge=0, le=60)] = 20
    embedded_within_s: Annotated[int, pydantic.Field(ge=0, le=30)] = 2
    embedded_steps: Annotated[int, pydantic.Field(ge=0, le=10)] = 2
    widget_s: Annotated[int, pydantic.Field(ge=0, le=30)] = 3
    coming_s: Annotated[int, pydantic.Field(ge=0, le=30)] = 5
    background_percent: Annotated[int, pydantic.Field(ge=0, le=100)] = 20
    background_bursts: Annotated[int, pydantic.Field(ge=3)] = 4
    background_burst_bytes: Count = 2_000
    background_answer_bytes: Count = 4_000
    slow_flow_min: Annotated[int, pydantic.Field(ge=1, le=10)] = 10
    slow_bytes_per_s: Count = 20
    log_on_min: Annotated[int, pydantic.Field(ge=0, le=10)] = 2
    media_bytes: Count = 1_000_000
    confident_minutes: Annotated[int, pydantic.Field(ge=1, le=60)] = 5


class Edits(_Table):
    """From which probability a wiki's edit is called so (clause 6.11); `confirmed` is not a matter of probability."""

    possible: Annotated[float, pydantic.Field(ge=0.05, le=0.99)] = 0.4
    likely: Annotated[float, pydantic.Field(ge=0.05, le=0.999)] = 0.6

    @pydantic.model_validator(mode="after")
    def _ordered(self) -> Edits:
        if self.possible > self.likely:
            raise ValueError("edits.possible is more than edits.likely; what is likely must be possible too")
        return self


class _Service(_Table):
    id: str
    down_bytes: Count | None = None
    client_bursts: Count | None = None
    answer_bytes: Count | None = None
    action: Action | None = None


class _File(_Table):
    id: Annotated[str, pydantic.Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    title: str
    clauses: dict[str, str]
    time: _Time
    use: _Use = _Use()
    doubt: Doubt = Doubt()
    edits: Edits = Edits()
    kinds: dict[Kind, Action] = {}
    official_sites: SiteRules = SiteRules()
    service: tuple[_Service, ...] = ()

    @pydantic.model_validator(mode="after")
    def _consistent(self) -> _File:
        if self.time.clause not in self.clauses:
            raise ValueError(f"time.clause: there is no clause {self.time.clause!r} under [clauses]")
        if never := [state for state in self.time.allow if state in _NEVER_CERTAIN]:
            raise ValueError(f"time.allow: {never[0].value!r} is never certain, so it cannot be allowed")
        for part, clause in self.official_sites.clauses:
            if clause and clause not in self.clauses:
                raise ValueError(f"official_sites.clauses.{part}: there is no clause {clause!r} under [clauses]")
        ids = [s.id for s in self.service]
        if double := next((i for i in ids if ids.count(i) > 1), None):
            raise ValueError(f"service: {double!r} appears twice")
        return self


@dataclass(frozen=True)
class Profile:
    """A checked policy profile. Sizes in bytes, times in the unit their name says."""

    id: str
    version: str
    title: str
    clauses: Mapping[str, str]
    clause: str
    allow: frozenset[State]
    non_contact: Outcome
    non_contact_counted_until: date | None
    down_bytes: int
    client_bursts: int
    support_within_s: int
    episode_gap_min: int
    episode_minutes: int
    dns_named_flows: bool
    doubt: Doubt
    edits: Edits
    services: Mapping[str, _Service]
    kinds: Mapping[Kind, Action]
    official_sites: SiteRules

    def down_bytes_of(self, service: str) -> int:
        """E3: bytes that the service must send in a minute."""
        own = self.services.get(service)
        return own.down_bytes if own and own.down_bytes else self.down_bytes

    def client_bursts_of(self, service: str) -> int:
        """E3: bursts that the client must send in a minute."""
        own = self.services.get(service)
        return own.client_bursts if own and own.client_bursts else self.client_bursts

    def answer_bytes_of(self, service: str) -> int:
        """E3: bytes that answer each of these bursts."""
        own = self.services.get(service)
        return own.answer_bytes if own and own.answer_bytes else self.doubt.answer_bytes

    def action_of(self, service: str, default: Action, kind: Kind | None = None) -> Action:
        """What is done with use of the service: the profile's word, else the catalogue's (`default`) as far as the
        profile's word for the kind lets it."""
        own = self.services.get(service)
        if own and own.action:
            return own.action
        most = self.kinds.get(kind, default) if kind else default
        return max(most, default, key=_ACTIONS.index)

    def counts_non_contact(self, day: date) -> bool:
        """Is contracted time without a lesson only counted on this day?"""
        if self.non_contact is not Outcome.COUNT_ONLY:
            return False
        return self.non_contact_counted_until is None or day <= self.non_contact_counted_until

    def limits_of(self, service: str) -> dict[str, object]:
        """The limits that the rules' sentences name, for one service."""
        return {
            "down_kb": f"{self.down_bytes_of(service) / 1000:g}",
            "client_bursts": self.client_bursts_of(service),
            "support_within_s": self.support_within_s,
            "episode_gap_min": self.episode_gap_min,
            "episode_minutes": self.episode_minutes,
            **self.doubt.model_dump(),
            "answer_bytes": self.answer_bytes_of(service),
            "media_kb": f"{self.doubt.media_bytes / 1000:g}",
            "clause": self.clause,
            "allow": ", ".join(state.value for state in State if state in self.allow) or "none",
            "unknown_after_closure_days": self.official_sites.unknown_after_closure_days,
        }


def shipped_profiles() -> tuple[str, ...]:
    """Names of the profiles that come with the product."""
    return tuple(sorted(p.name.removesuffix(".toml") for p in _SHIPPED.iterdir() if p.name.endswith(".toml")))


def load_profile(name: str, folder: Path | None = None) -> Profile:
    """The profile NAME.toml of the school's folder, else the shipped one of that name. A name that ends in `.toml` is
    the path of a file, seen from the folder.

    Raises ProfileError, with file, line and mend.
    """
    own = profile_path(name, folder)
    by_path = name.endswith(".toml")
    if own is not None and (by_path or own.is_file()):
        try:
            return parse_profile(own.read_bytes(), str(own))
        except FileNotFoundError:
            raise ProfileError(f"policy_profile: there is no file {own}; correct the path") from None
        except OSError as error:
            raise ProfileError(f"{own}:1: cannot be read ({error.strerror}); correct its permissions") from error
    known = shipped_profiles()
    if name not in known:
        what = f"there is no policy profile {name!r}"
        raise ProfileError(f"policy_profile: {what}; use {' or '.join(known)}, or put {name}.toml beside your settings")
    return parse_profile((_SHIPPED / f"{name}.toml").read_bytes(), f"{name}.toml")


def profile_path(name: str, folder: Path | None) -> Path | None:
    """Where a school's own profile of this name would lie."""
    if name.endswith(".toml"):
        return (folder or Path()) / name
    return None if folder is None else folder / f"{name}.toml"


def parse_profile(data: bytes, source: str) -> Profile:
    """Checks the bytes of a profile; `source` is the file name for messages. Raises ProfileError."""
    try:
        text = data.decode("utf-8")
        table = tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ProfileError(f"{source}:{line}: not UTF-8; save the file as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(
            f"{source}:{_toml_line(str(error), text)}: not valid TOML ({error}); correct this line"
        ) from error
    try:
        checked = _File.model_validate(table)
    except pydantic.ValidationError as error:
        raise ProfileError(_message(error, text, source)) from error
    return Profile(
        id=checked.id,
        version=f"{checked.id}.{hashlib.sha256(data).hexdigest()[:8]}",
        title=checked.title,
        clauses=MappingProxyType(checked.clauses),
        clause=checked.time.clause,
        allow=frozenset(checked.time.allow),
        non_contact=Outcome(checked.time.non_contact),
        non_contact_counted_until=checked.time.non_contact_counted_until,
        down_bytes=checked.use.down_bytes,
        client_bursts=checked.use.client_bursts,
        support_within_s=checked.use.support_within_s,
        episode_gap_min=checked.use.episode_gap_min,
        episode_minutes=checked.use.episode_minutes,
        dns_named_flows=checked.use.dns_named_flows,
        doubt=checked.doubt,
        edits=checked.edits,
        services=MappingProxyType({s.id: s for s in checked.service}),
        kinds=MappingProxyType(checked.kinds),
        official_sites=checked.official_sites,
    )


def _toml_line(message: str, text: str) -> int:
    found = re.search(r"line (\d+)", message)
    return int(found.group(1)) if found else max(1, len(text.splitlines()))


def _message(error: pydantic.ValidationError, text: str, source: str) -> str:
    """The first fault of a validation as one line of text that names key and line."""
    fault = error.errors()[0]
    at, what = fault["loc"], fault["msg"].removeprefix("Value error, ")
    if not at:
        named, _, what = what.partition(": ")
        at = tuple(named.split("."))
    mend = {
        "extra_forbidden": "remove it, or correct its spelling",
        "missing": "add it",
    }.get(fault["type"], "correct its value")
    return f"{source}:{line_of(key_lines(text), at)}: {'.'.join(map(str, at))}: {what}; {mend}"
