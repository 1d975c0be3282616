"""How a school stands with what its reports tell besides figures: reads its files for dashboards.standing."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from dashboards.standing import Standing, standing_of
from deploy.desk import trail_of
from pipeline.audit import AuditError
from pipeline.sitechecks import site_facts

if TYPE_CHECKING:
    from deploy.assembly import SchoolFiles


def standing_in(files: SchoolFiles, first: date, last: date | None = None) -> Standing | None:
    """How a school stood in a week, or another time, with what no store knows; None where that cannot be read."""
    from deploy.commands.notice import facts_of_school
    from pipeline.profile import load_profile
    from sensor.catalogue import load_catalogue

    settings, last = files.settings, last or first + timedelta(days=6)
    try:
        entries = trail_of(files).verify().entries
        profile = load_profile(settings.school.policy_profile, files.folder)
        services = load_catalogue(settings.sensor.services, settings.sensor.exempt_sites).services
        sites = site_facts(files.school, profile, services, last)
        return standing_of(entries, facts_of_school(files).version, sites, first, last)
    except (AuditError, ValueError, OSError):
        return None
