"""How a school stands with what its report tells besides figures: look-ups, documents, official sites.

The store does not know these; they lie in the audit trail, the settings and the register of sites. A report that is
made from a store alone leaves them out. Only numbers and dates are taken, nobody's name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from dashboards.said import Said, counted
from pipeline.lookup import SHOWN
from pipeline.notice import ISSUED, SIGNED, Currency, currency
from pipeline.sites import Standing as SiteStanding

if TYPE_CHECKING:
    from pipeline.chain import Entry
    from pipeline.sitechecks import SiteFacts

_CURRENT = {
    ISSUED: {
        Currency.CURRENT: "The notice to staff is of the present settings.",
        Currency.OUT_OF_DATE: "The notice to staff is out of date.",
        Currency.NEVER: "No notice to staff has been written down as given.",
    },
    SIGNED: {
        Currency.CURRENT: "The impact assessment is of the present settings.",
        Currency.OUT_OF_DATE: "The impact assessment is out of date.",
        Currency.NEVER: "No impact assessment has been signed.",
    },
}


@dataclass(frozen=True, slots=True)
class Standing:
    """What a report says about fairness, rights and official sites, sentence by sentence."""

    rights: tuple[Said, ...]
    sites: tuple[Said, ...]


def standing_of(entries: Iterable[Entry], version: str, sites: SiteFacts, first: date, last: date) -> Standing:
    """From the audit trail, the version of the documents as they would be now, and the register on a date."""
    known = list(entries)
    looks = [entry.at.date() for entry in known if entry.action == SHOWN and entry.result == "done"]
    year = last - timedelta(days=365)
    rights = [
        Said(
            "Look-ups of a name: {n} in this time, {year} in a year.",
            {"n": sum(first <= day <= last for day in looks), "year": sum(year < day <= last for day in looks)},
        )
    ]
    rights += [Said(texts[currency(known, action, version)]) for action, texts in _CURRENT.items()]
    return Standing(tuple(rights), tuple(_sites(sites, last)))


def _sites(facts: SiteFacts, last: date) -> Iterable[Said]:
    live = [s for s in facts.sites if s.standing in (SiteStanding.OFFICIAL, SiteStanding.REFUSED)]
    if not facts.sites:
        return
    yield counted(len(live), "{n} official site is live.", "{n} official sites are live.")
    soon = last + timedelta(days=facts.rules.remind_days)
    if review := [s for s in live if s.site.review_on and s.site.review_on < last]:
        yield counted(len(review), "{n} is past its review date.", "{n} are past their review dates.")
    if refused := [s for s in live if s.standing is SiteStanding.REFUSED]:
        yield counted(len(refused), "{n} lacks part of its approval.", "{n} lack part of their approval.")
    for state in live:
        if state.site.closure and last <= state.site.closure <= soon:
            yield Said("{site} closes on {day}.", {"site": state.site.site_id, "day": state.site.closure})
