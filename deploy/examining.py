"""Every health check of a machine and its school, one after the other: for `schoolgate doctor` and the Health page.

Each package keeps its checks (sensor.health); here they get their facts. What cannot be read is a finding too.
"""

from __future__ import annotations

import time
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sensor.health import Finding
    from sensor.settings import SensorSettings


def examine(path: Path | None, interface: str | None = None) -> tuple[Finding, ...]:
    """All findings; `path`: settings file or its folder, None for the machine and its sensor alone."""
    from sensor.checks import SENSOR
    from sensor.vitals import measure

    settings, findings = _settings(path)
    findings += SENSOR.examine(measure(settings, interface)) + _grafana(path)
    if path is not None:
        findings += _store(path) + _feeds(path) + _sites(path) + _privacy(path) + _alerts(path) + _door(path)
        findings += _reports(path)
    return findings


def _settings(path: Path | None) -> tuple[SensorSettings, tuple[Finding, ...]]:
    """The sensor's settings, and a finding on the file; the defaults if it cannot be used."""
    from deploy.assembly import SchoolError, settings_path
    from deploy.settings import load_settings
    from sensor.health import Finding, Severity
    from sensor.settings import SensorSettings

    if path is None:
        return SensorSettings(), ()
    try:
        settings = load_settings(settings_path(path)).sensor
    except (SchoolError, ValueError, OSError) as error:
        mend = "Mend them; `schoolgate config check` says the same."
        return SensorSettings(), (Finding("settings", "Settings", Severity.FAIL, str(error), str(path), mend),)
    return settings, (Finding("settings", "Settings", Severity.OK, "The settings can be used.", str(path), ""),)


def _store(path: Path) -> tuple[Finding, ...]:
    """The findings on the store's disk and backups."""
    from deploy.assembly import SchoolError, settings_path
    from deploy.settings import load_settings
    from pipeline.store_health import STORE, store_facts

    try:
        settings = load_settings(settings_path(path))
    except (SchoolError, ValueError, OSError):
        return ()  # the settings' finding says it
    return STORE.examine(store_facts(settings.store, time.time()))


def _grafana(path: Path | None) -> tuple[Finding, ...]:
    """Whether Grafana could read the store."""
    from dashboards.grafana.health import GRAFANA, GrafanaFacts
    from deploy.assembly import SchoolError, settings_path
    from deploy.settings import load_settings

    if path is None:
        return ()
    try:
        servers = load_settings(settings_path(path)).store.servers
    except (SchoolError, ValueError, OSError):
        return ()  # the settings' finding says it
    return GRAFANA.examine(GrafanaFacts(tuple(servers)))


def _privacy(path: Path) -> tuple[Finding, ...]:
    """The findings on privacy, of a school that can be read; what cannot be read is said by the settings' finding."""
    from deploy.assembly import read_school
    from deploy.commands.notice import facts_of_school
    from deploy.desk import trail_of
    from pipeline.privacy_health import PRIVACY, privacy_facts

    try:
        files = read_school(path)
        version = facts_of_school(files).version
    except (ValueError, OSError):
        return ()
    keys = files.settings.school.pseudonym_keys
    return PRIVACY.examine(privacy_facts(trail_of(files), version, files.school.pauses, keys))


def _feeds(path: Path) -> tuple[Finding, ...]:
    """Findings on the identity feeds, or that they cannot be read; none where the settings want no identity."""
    from deploy.assembly import SchoolError, feeds_facts
    from pipeline.feeds.status import FEEDS_HEALTH
    from sensor.health import Finding, Severity

    try:
        facts = feeds_facts(path)
    except SchoolError as error:
        mend = "Mend it; `schoolgate feeds` says the same."
        return (Finding("feeds_there", "Identity feeds", Severity.FAIL, str(error), "", mend),)
    return FEEDS_HEALTH.examine(facts) if facts else ()


def _sites(path: Path) -> tuple[Finding, ...]:
    """Findings on the register of official sites, where the school has one."""
    from deploy.assembly import SchoolError, read_school
    from pipeline.profile import load_profile
    from pipeline.sitechecks import SITES, site_facts
    from sensor.catalogue import load_catalogue
    from sensor.health import Finding, Severity

    try:
        files = read_school(path)
        if not files.school.official_sites:
            return ()
        profile = load_profile(files.settings.school.policy_profile, files.folder)
        services = load_catalogue(files.settings.sensor.services).services
    except (SchoolError, ValueError, OSError) as error:
        mend = "Mend them; `schoolgate config check` says the same."
        return (Finding("sites_read", "Official sites", Severity.UNKNOWN, str(error), "", mend),)
    return SITES.examine(site_facts(files.school, profile, services, date.today()))


def _alerts(path: Path) -> tuple[Finding, ...]:
    """The findings on channels of alerts and on the catalogue's age."""
    from deploy.assembly import SchoolError, settings_path
    from deploy.settings import load_settings
    from pipeline.alerts.health import ALERTING, SHOWN_S, AlertFacts
    from pipeline.alerts.outbox import Outbox
    from pipeline.alerts.settings import read_addresses
    from sensor.catalogue import load_catalogue

    try:
        settings = load_settings(settings_path(path))
        catalogue = load_catalogue(settings.sensor.services).version
    except (SchoolError, ValueError, OSError):
        return ()  # the settings' finding says it
    now, names, trouble = time.time(), tuple[str, ...](), ""
    try:
        names = tuple(address.name for address in read_addresses(settings.alerts))
        deliveries = []
        if settings.alerts.folder.is_dir():
            with closing(Outbox(settings.alerts.folder)) as outbox:
                deliveries = outbox.unsettled(now - SHOWN_S)
    except ValueError as error:
        trouble, deliveries = f"{error}.", []
    facts = AlertFacts(now, date.today(), catalogue, {}, channels=names, trouble=trouble, deliveries=deliveries)
    wanted = ("alerts_set", "alert_channels", "catalogue_age")
    return tuple(finding for finding in ALERTING.examine(facts) if finding.id in wanted)


def _door(path: Path) -> tuple[Finding, ...]:
    """The findings on accounts of the pages; none where the settings cannot be read, which is said elsewhere."""
    from dashboards.doorchecks import DOOR, DoorFacts
    from deploy.assembly import read_school
    from deploy.pages import open_accounts
    from pipeline.access import read_access
    from sensor.health import Finding, Severity

    try:
        files = read_school(path)
    except (ValueError, OSError):
        return ()
    try:
        found = []
        if files.settings.pages.accounts.exists():
            with closing(open_accounts(files.settings.pages)) as accounts:
                found = accounts.all()
        access = files.folder / files.settings.privacy.access
        people = read_access(access.read_bytes(), files.school.numbers, access.name) if access.is_file() else ()
    except (ValueError, OSError) as error:
        return (Finding("accounts_known", "Accounts", Severity.FAIL, f"{error}.", "", "Mend it; nobody can log in."),)
    return DOOR.examine(DoorFacts(found, people, time.time()))


def _reports(path: Path) -> tuple[Finding, ...]:
    """The findings on reports, of what `schoolgate run` wrote down about sending them."""
    from dashboards.report_health import REPORTS, facts_of
    from deploy.assembly import SchoolError, settings_path
    from deploy.settings import load_settings

    try:
        settings = load_settings(settings_path(path))
    except (SchoolError, ValueError, OSError):
        return ()  # the settings' finding says it
    return REPORTS.examine(facts_of(settings.report, time.time()))
