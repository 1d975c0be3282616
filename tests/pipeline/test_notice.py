"""Documents say what the settings do, and are out of date as soon as these change; health says so."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date
from pathlib import Path

import pytest

from dashboards.documents import assessment, banner, notice, record_of_processing
from pipeline.audit import AuditTrail
from pipeline.notice import ISSUED, SIGNED, SOURCES, Currency, Facts, currency, facts_of
from pipeline.pause import Pause, PauseReason
from pipeline.privacy_health import PRIVACY, privacy_facts
from pipeline.profile import load_profile
from pipeline.retention import ENFORCED
from pipeline.settings import FeedSettings, PrivacySettings
from sensor.exempt import exempt_sites
from sensor.health import Severity
from sensor.settings import SensorSettings
from tests.pipeline.judging import small_school


def facts(**settings: object) -> Facts:
    return facts_with(FeedSettings(), **settings)


def facts_with(feeds: FeedSettings, **settings: object) -> Facts:
    privacy = PrivacySettings(complaints="dpo@school.example")
    school = small_school(**settings).settings
    exempt = exempt_sites(("union.example",))
    return facts_of(school, SensorSettings(), feeds, privacy, "office@x", load_profile("cwmbran"), exempt)


def test_every_feed_of_the_settings_is_named_and_nothing_else() -> None:
    """Files tie addresses to people; zones, lengths and lists of names do not."""
    files = {name for name, field in FeedSettings.model_fields.items() if "Path" in str(field.annotation)}
    assert files == set(SOURCES)
    for named in ({}, {"radius_detail": "radacct", "radius_zone": "UTC"}, dict.fromkeys(files - {"devices"}, "a file")):
        feeds = FeedSettings.model_validate({"shared_accounts": ["supply*"], **named})
        of = facts_with(feeds)
        told = {SOURCES[name] for name in {*named, "devices"} & files}
        assert set(of.sources) == told
        for text in everything(of):
            assert all(title in text for title in told)
            assert "supply" not in text


def everything(of: Facts) -> list[str]:
    return [notice(of, "en"), notice(of, "cy"), assessment(of, date(2026, 11, 22)), record_of_processing(of)]


def test_every_document_carries_the_version_and_what_is_in_force() -> None:
    of = facts()
    for text in (*everything(of), banner(of)):
        assert of.version in text
        assert "Small School" in text or "SMALL SCHOOL" in text
        assert "{" not in text
    english, welsh, draft, record = everything(of)
    for text in (english, welsh, draft):
        assert "6.13" in text
        assert "union.example" in text
    assert "1 September 2026" in english
    assert "1 Medi 2026" in welsh
    for days in ("24", "7", "28", "426", "731"):
        assert all(days in text for text in (english, welsh, draft, record)), days
    assert "Review by: 2027-11-22" in draft


def test_aggregate_mode_promises_nothing_about_single_people() -> None:
    english, welsh, draft, record = everything(facts(mode="aggregate"))
    assert "Nothing about any single person." in english
    assert "Dim am unrhyw unigolyn." in welsh
    assert "pseudonym" not in english + record
    assert "minute marks" not in draft
    none = everything(facts(mode="aggregate", identity="none", notice_date=None))
    assert "Monitoring is OFF" in none[0]
    assert "WEDI'I DDIFFODD" in none[1]
    assert "NOT tied to people" in none[0]


@pytest.mark.parametrize("name", [f.name for f in fields(Facts)])
def test_every_fact_is_part_of_the_version(name: str) -> None:
    of = facts()
    value = getattr(of, name)
    changed = (*value, "x") if isinstance(value, tuple) else value + 1 if isinstance(value, int) else f"{value}x"
    assert replace(of, **{name: changed}).version != of.version


def test_a_document_is_out_of_date_when_the_settings_change(tmp_path: Path) -> None:
    trail, old, new = AuditTrail(tmp_path / "audit"), facts(mode="aggregate").version, facts().version
    assert currency(trail.entries(), ISSUED, old) is Currency.NEVER
    trail.add(ISSUED, {}, details={"version": old})
    trail.add(ISSUED, {}, result="refused", details={"version": new})
    assert currency(trail.entries(), ISSUED, old) is Currency.CURRENT
    assert currency(trail.entries(), ISSUED, new) is Currency.OUT_OF_DATE
    assert currency(trail.entries(), SIGNED, old) is Currency.NEVER


def severities(
    path: Path, clock: float, pauses: tuple[Pause, ...] = (), keys: Path | None = None
) -> dict[str, Severity]:
    trail = AuditTrail(path, lambda: clock)
    found = PRIVACY.examine(privacy_facts(trail, "v1", pauses, keys, lambda: clock))
    return {finding.id: finding.severity for finding in found}


def test_health_says_what_is_wrong_with_privacy(tmp_path: Path) -> None:
    path, clock = tmp_path / "audit", 1_800_000_000.0
    trail = AuditTrail(path, lambda: clock)
    fresh = severities(path, clock)
    assert (fresh["audit"], fresh["retention"], fresh["notice"]) == (Severity.OK, Severity.UNKNOWN, Severity.WARN)
    for action in (ISSUED, SIGNED):
        trail.add(action, {}, details={"version": "v1"})
    trail.add(ENFORCED, {})
    assert set(severities(path, clock).values()) == {Severity.OK}
    assert severities(path, clock + 30 * 3600)["retention"] is Severity.FAIL
    trail.add(ENFORCED, {}, result="failed", details={"problems": ["episode: no space"]})
    assert severities(path, clock)["retention"] is Severity.FAIL
    pause = Pause(0, 1 << 40, PauseReason.EVACUATION)
    assert severities(path, clock, (pause,))["pause"] is Severity.WARN
    keys = tmp_path / "keys"
    keys.write_text("{}")
    keys.chmod(0o644)
    assert severities(path, clock, keys=keys)["pseudonym_keys"] is Severity.FAIL
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[1:]))
    assert severities(path, clock)["audit"] is Severity.FAIL
