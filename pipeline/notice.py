"""What staff must be told, and what an impact assessment describes, as facts of the live settings.

The notice, the banner, the draft of the assessment and the record of processing are written from these facts alone
(dashboards.documents), so they cannot disagree with what the product does. A document carries a version, a hash of the
facts; when it is issued or signed the audit trail keeps that version, and when the facts change it is out of date.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path

from pipeline.ages import DAYS
from pipeline.aggregate import SMALLEST_GROUP
from pipeline.alerts.clients import KEEP_DAYS as CLIENT_DAYS
from pipeline.audit import KEEP_DAYS
from pipeline.chain import Entry
from pipeline.feeds.reading import FEEDS
from pipeline.profile import Profile
from pipeline.settings import FeedSettings, PrivacySettings, SchoolSettings
from sensor.settings import SensorSettings
from sensor.words import Segment

ISSUED, SIGNED = "notice.issued", "dpia.signed"
SOURCES = {"devices": "asset register"} | {feed.key: feed.title for feed in FEEDS}
"""What people call the files that tie addresses to staff, by their setting."""


class Currency(StrEnum):
    """Does a document that was given out still describe the settings?"""

    NEVER = "never issued"
    CURRENT = "current"
    OUT_OF_DATE = "out of date"


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the documents say. Days of retention, ISO dates; `sources`: titles of the feeds that are set."""

    school: str
    controller: str
    contact: str
    complaints: str
    mode: str
    identity: str
    notice_date: str
    zone: str
    sources: tuple[str, ...]
    staff_networks: int
    policy: str
    policy_version: str
    clause: str
    clause_text: str
    non_contact: str
    margin_min: int
    episode_minutes: int
    smallest_group: int
    exempt: tuple[str, ...]
    keep_spool_hours: int
    keep_marks: int
    keep_episodes: int
    keep_sums: int
    keep_audit: int
    keep_alerts: int
    keep_alert_clients: int

    @property
    def version(self) -> str:
        """The version of every document that is written from these facts."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:10]

    @property
    def pseudonymous(self) -> bool:
        return self.mode == "pseudonymous"

    def monitoring(self, today: date) -> bool:
        """Has the notice date been reached?"""
        return bool(self.notice_date) and today >= date.fromisoformat(self.notice_date)


def facts_of(
    school: SchoolSettings,
    sensor: SensorSettings,
    feeds: FeedSettings,
    privacy: PrivacySettings,
    contact: str,
    profile: Profile,
    exempt: Iterable[str],
) -> Facts:
    """The facts of these settings."""
    known = school.identity == "feeds"
    sources = tuple(SOURCES[name] for name, value in feeds if isinstance(value, Path)) if known else ()
    staff = [rule for rule in sensor.segments if rule.segment is Segment.STAFF]
    return Facts(
        school=school.name,
        controller=privacy.controller or school.name,
        contact=contact,
        complaints=privacy.complaints or contact,
        mode=school.mode,
        identity=school.identity,
        notice_date=school.notice_date.isoformat() if school.notice_date else "",
        zone=school.zone,
        sources=sources,
        staff_networks=sum(len(rule.vlans) + len(rule.subnets) for rule in staff),
        policy=profile.title,
        policy_version=profile.version,
        clause=profile.clause,
        clause_text=profile.clauses[profile.clause],
        non_contact=profile.non_contact.value,
        margin_min=school.boundary_margin_min,
        episode_minutes=profile.episode_minutes,
        smallest_group=SMALLEST_GROUP,
        exempt=tuple(sorted(exempt)),
        keep_spool_hours=24,
        keep_marks=DAYS["minute_mark"],
        keep_episodes=DAYS["episode"],
        keep_sums=DAYS["use_day"],
        keep_audit=KEEP_DAYS,
        keep_alerts=DAYS["alert"],
        keep_alert_clients=CLIENT_DAYS,
    )


def currency(entries: Iterable[Entry], action: str, version: str) -> Currency:
    """Whether what the trail says was issued (ISSUED) or signed (SIGNED) last is of this version."""
    given = [
        str(entry.details.get("version")) for entry in entries if entry.action == action and entry.result == "done"
    ]
    if not given:
        return Currency.NEVER
    return Currency.CURRENT if given[-1] == version else Currency.OUT_OF_DATE
