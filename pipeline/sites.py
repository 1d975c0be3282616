"""Official school sites (policy clause 7, Appendix A and B): what each lacks, where it stands on a date, whose use it
makes official or doubtful.

Theory of operation. A row of official_sites.csv is the approval form of Appendix B. On each date it is held against the
demands of the policy profile (`SiteRules`): enough administrators and moderators in post, three approvals given by
then, dates of opening, closure and review. A site that meets them makes its people's use of its service
`official_possible` from go-live to closure. A site that lacks something is refused, and the clause that asks for it is
said; but its people may still have worked for the school, so what else would be outside the allowed times is unknown.
So it is for some days after closure, when habits and log-ins linger. Allowed time stays allowed: it is allowed
whichever account was used. It knows no traffic; which account somebody used can never be seen from outside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated

import numpy as np
import numpy.typing as npt
import pydantic

from pipeline.rows import OfficialSite, Staff
from pipeline.school import School
from pipeline.words import Reason
from sensor.catalogue import Service

FILE = "official_sites.csv"
_Days = Annotated[int, pydantic.Field(ge=0, le=366)]
_People = Annotated[int, pydantic.Field(ge=0, le=20)]


class SiteRules(pydantic.BaseModel):
    """`[official_sites]` of a policy profile. `clauses` says which clause asks for each part of the form."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    administrators: _People = 2
    moderators: _People = 2
    unknown_after_closure_days: _Days = 14
    remind_days: _Days = 28
    clauses: SiteClauses = pydantic.Field(default_factory=lambda: SiteClauses())


class SiteClauses(pydantic.BaseModel):
    """The clause that asks for each part of the form of Appendix B; empty: the profile names none."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    administrators: str = ""
    moderators: str = ""
    line_manager: str = ""
    network_manager: str = ""
    head: str = ""
    go_live: str = ""
    closure: str = ""
    review_on: str = ""


class Standing(StrEnum):
    """Where a site stands on a date."""

    OFFICIAL = "official"
    REFUSED = "refused"
    PLANNED = "planned"
    JUST_CLOSED = "just_closed"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Lack:
    """Something that the policy asks of a site and that its row does not have."""

    line: int
    site: str
    part: str
    what: str
    mend: str
    clause: str
    text: str

    def __str__(self) -> str:
        """`FILE:LINE: site: what; mend`, with the clause in its own words."""
        by = f' (clause {self.clause}: "{self.text}")' if self.clause else ""
        return f"{FILE}:{self.line}: site {self.site}: {self.what}; {self.mend}{by}"


@dataclass(frozen=True, slots=True)
class SitePeople:
    """Of one service on one date: who runs an official site (bool[n_staff]), and who may have (int8[n_staff]: code of
    the Reason for the doubt, 0 none)."""

    official: npt.NDArray[np.bool_]
    doubt: npt.NDArray[np.int8]


def lacks(
    site: OfficialSite, staff: tuple[Staff, ...], rules: SiteRules, clauses: Mapping[str, str], day: date
) -> tuple[Lack, ...]:
    """What the site lacks on a date, in the order of the form; nothing: it is as the policy wants it."""
    found: list[Lack] = []

    def lack(part: str, what: str, mend: str) -> None:
        clause = getattr(rules.clauses, part)
        found.append(Lack(site.line, site.site_id, part, what, mend, clause, clauses.get(clause, "")))

    for part, people, wanted in (
        ("administrators", site.administrators, rules.administrators),
        ("moderators", site.moderators, rules.moderators),
    ):
        here = [p for p in dict.fromkeys(people) if staff[p].contract_start <= day <= staff[p].contract_end]
        if len(here) < wanted:
            gone = len(set(people)) - len(here)
            left = f" ({gone} named there {'is' if gone == 1 else 'are'} not in post)" if gone else ""
            who = part.removesuffix("s") if len(here) == 1 else part
            lack(part, f"it has {len(here)} {who} of the {wanted} it needs{left}", f"name members of staff in {part}")
    for part, column, name, on in (
        ("line_manager", "lm_approved_on", site.line_manager, site.lm_approved_on),
        ("network_manager", "nm_approved_on", site.network_manager, site.nm_approved_on),
        ("head", "head_approved_on", site.head, site.head_approved_on),
    ):
        title = "head teacher" if part == "head" else part.replace("_", " ")
        if not name:
            lack(part, f"the {title}'s approval is missing", f"write who approved it in {part}, and when in {column}")
        elif on is None:
            lack(part, f"the {title}'s approval has no date", f"write it in {column}")
        elif on > day:
            lack(part, f"the {title} approves it only on {on}", f"wait until then, or correct {column}")
    for part, what in (
        ("go_live", "it has no date of going live"),
        ("closure", "it has no date of closure"),
        ("review_on", "it has no date of review"),
    ):
        if getattr(site, part) is None:
            lack(part, what, f"write it in {part}")
    if site.go_live and site.closure and site.closure < site.go_live:
        lack("closure", f"it closes on {site.closure}, before it goes live on {site.go_live}", "correct the dates")
    return tuple(found)


def standing(
    site: OfficialSite, staff: tuple[Staff, ...], rules: SiteRules, clauses: Mapping[str, str], day: date
) -> Standing:
    """Where the site stands on a date."""
    opens, closes = site.go_live, site.closure
    if opens and closes and closes < opens:
        return Standing.REFUSED  # nobody knows when it was open
    if opens and day < opens:
        return Standing.PLANNED
    if closes and day > closes:
        lingering = day <= closes + timedelta(rules.unknown_after_closure_days)
        return Standing.JUST_CLOSED if lingering else Standing.CLOSED
    return Standing.REFUSED if lacks(site, staff, rules, clauses, day) else Standing.OFFICIAL


def service_of(site: OfficialSite, services: Mapping[str, Service]) -> str | None:
    """The catalogue's id of a site's service, by id or by name; None if the catalogue has no such service."""
    if site.service in services:
        return site.service
    return next((s.id for s in services.values() if s.name.casefold() == site.service.casefold()), None)


def site_people(school: School, rules: SiteRules, services: Mapping[str, Service], day: date) -> dict[str, SitePeople]:
    """Per service of the catalogue that has a site which matters on this date: whose use it makes official or doubtful.
    Who runs an official site beside a doubtful one is no matter of doubt."""
    found: dict[str, SitePeople] = {}
    for site in school.official_sites:
        service = service_of(site, services)
        stands = standing(site, school.staff, rules, {}, day)
        if service is None or stands in (Standing.PLANNED, Standing.CLOSED):
            continue
        none = SitePeople(np.zeros(len(school.staff), np.bool_), np.zeros(len(school.staff), np.int8))
        people = found.setdefault(service, none)
        team = list(site.administrators + site.moderators)
        if stands is Standing.OFFICIAL:
            people.official[team] = True
        else:
            closed = stands is Standing.JUST_CLOSED
            reason = Reason.SITE_CLOSED if closed else Reason.SITE_UNAPPROVED
            people.doubt[team] = np.maximum(people.doubt[team], reason.code)
    for people in found.values():
        people.doubt[people.official] = Reason.NONE.code
    return found
