"""Health checks of the register of official school sites: what is refused, what is due, what has just closed.

They are findings like any other (`sensor.health`) for `schoolgate doctor` and `schoolgate sites check`. They concern
the register, never anybody's use. What a site lacks and where it stands is decided in pipeline.sites.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from pipeline.profile import Profile
from pipeline.rows import OfficialSite
from pipeline.school import School
from pipeline.sites import FILE, Lack, SiteRules, Standing, lacks, service_of, standing
from sensor.catalogue import Service
from sensor.health import Registry, Severity, Verdict, fine

IN_FORCE = (Standing.OFFICIAL, Standing.REFUSED)


@dataclass(frozen=True, slots=True)
class SiteState:
    """One site on a date: where it stands, what it lacks, and its service in the catalogue (None: it is not there)."""

    site: OfficialSite
    standing: Standing
    lacks: tuple[Lack, ...]
    service: str | None

    @property
    def name(self) -> str:
        """The site for people."""
        return f"{self.site.site_id} ({self.site.service})"


@dataclass(frozen=True, slots=True)
class SiteFacts:
    """All official sites of a school on a date, in the order of the file."""

    day: date
    rules: SiteRules
    sites: tuple[SiteState, ...]


def site_facts(school: School, profile: Profile, services: Mapping[str, Service], day: date) -> SiteFacts:
    """The register on a date. Planned sites are held against the demands of the day on which they go live."""
    rules, found = profile.official_sites, []
    for site in school.official_sites:
        stands = standing(site, school.staff, rules, profile.clauses, day)
        if stands in (Standing.JUST_CLOSED, Standing.CLOSED):
            missing: tuple[Lack, ...] = ()
        else:
            missing = lacks(site, school.staff, rules, profile.clauses, max(day, site.go_live or day))
        found.append(SiteState(site, stands, missing, service_of(site, services)))
    return SiteFacts(day, rules, tuple(found))


SITES: Registry[SiteFacts] = Registry()


@SITES.check("sites_approved", "Official sites: approval")
def _approved(facts: SiteFacts) -> Verdict:
    open_ones = [state for state in facts.sites if state.standing in IN_FORCE]
    refused = [state for state in open_ones if state.standing is Standing.REFUSED]
    if not refused:
        return fine(f"{_number(len(open_ones), 'site')} live, all of them as the policy wants.", str(len(open_ones)))
    names = ", ".join(f"{state.name} lacks {_number(len(state.lacks), 'thing')}" for state in refused)
    sentence = (
        f"{len(refused)} of {_number(len(open_ones), 'live site')} refused: {names}; use by their people is unknown."
    )
    return Verdict(Severity.WARN, sentence, str(len(refused)), "`schoolgate sites check` names each with its clause.")


@SITES.check("sites_planned", "Official sites: planned")
def _planned(facts: SiteFacts) -> Verdict:
    planned = [state for state in facts.sites if state.standing is Standing.PLANNED]
    short = [state for state in planned if state.lacks]
    if not short:
        return fine(f"{_number(len(planned), 'site')} planned; nothing is missing.", str(len(planned)))
    names = ", ".join(f"{state.name}, live on {state.site.go_live}" for state in short)
    mend = "Complete them before then; `schoolgate sites check` names what is missing."
    return Verdict(Severity.WARN, f"Not ready to go live: {names}.", str(len(short)), mend)


@SITES.check("sites_review", "Official sites: review")
def _review(facts: SiteFacts) -> Verdict:
    due = _due(facts, IN_FORCE, "review_on")
    if not due:
        return fine(f"No review falls due within {facts.rules.remind_days} days.", "0")
    mend = f"Review them, and write the date of the next review in review_on of {FILE}."
    return Verdict(Severity.WARN, f"{_listed(due, facts.day, 'review due')}.", str(len(due)), mend)


@SITES.check("sites_closing", "Official sites: closure")
def _closing(facts: SiteFacts) -> Verdict:
    due = _due(facts, (*IN_FORCE, Standing.JUST_CLOSED), "closure")
    if not due:
        return fine(f"No site closes within {facts.rules.remind_days} days, and none has just closed.", "0")
    closed = [state for state, on in due if on < facts.day]
    until = [
        f"{s.name} until {s.site.closure + timedelta(facts.rules.unknown_after_closure_days)}"
        for s in closed
        if s.site.closure
    ]
    after = f" Use of the service by its people stays unknown: {', '.join(until)}." if until else ""
    mend = f"Take the site down in time, or have it approved anew and correct closure in {FILE}."
    return Verdict(Severity.WARN, f"{_listed(due, facts.day, 'closes', 'closed')}.{after}", str(len(due)), mend)


@SITES.check("sites_service", "Official sites: service")
def _service(facts: SiteFacts) -> Verdict:
    strange = [state for state in facts.sites if state.service is None]
    if not strange:
        return fine("The catalogue knows the service of every site.", "0")
    names = ", ".join(f"{state.name}, line {state.site.line}" for state in strange)
    mend = (
        f"Write the id that `schoolgate catalogue list` shows into service of {FILE}; until then they protect nobody."
    )
    return Verdict(Severity.WARN, f"Unknown services: {names}.", str(len(strange)), mend)


_Due = list[tuple[SiteState, date]]


def _due(facts: SiteFacts, standings: tuple[Standing, ...], column: str) -> _Due:
    """Sites whose date in a column is past or near, the earliest first."""
    last = facts.day + timedelta(facts.rules.remind_days)
    dated = [(s, getattr(s.site, column)) for s in facts.sites if s.standing in standings]
    return sorted([(s, on) for s, on in dated if on is not None and on <= last], key=lambda due: due[1])


def _listed(due: _Due, day: date, coming: str, past: str = "") -> str:
    texts = []
    for state, on in due:
        days = (on - day).days
        when = f"in {_number(days, 'day')}" if days > 0 else "today" if not days else f"{_number(-days, 'day')} ago"
        texts.append(f"{state.name}: {past if days < 0 and past else coming} {on} ({when})")
    return "; ".join(texts)


def _number(n: int, word: str) -> str:
    return f"{n} {word}" if n == 1 else f"{n} {word}s"
