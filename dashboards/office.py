"""What the pages know besides the store: the school's files, by way of whoever serves the pages (deploy.office).

A store that is served alone has no office: then there are sums and nothing else. Everything is read anew when it is
asked for, as the files may change beneath; calls are slow (files, hashes) and belong into a worker thread. What is
wrong with the files is raised as an OfficeError that says what to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from dashboards.language import Language

if TYPE_CHECKING:
    from dashboards.door import Visitor
    from dashboards.standing import Standing
    from pipeline.alerts.outbox import Outbox
    from pipeline.alerts.texts import Texts
    from pipeline.audit import AuditTrail
    from pipeline.desk import Desk
    from pipeline.imports.versions import Versions
    from pipeline.jobs import Job
    from pipeline.notice import Facts
    from pipeline.school import School
    from pipeline.settings import SchoolSettings
    from pipeline.sitechecks import SiteFacts
    from pipeline.store import Store
    from sensor.health import Finding


class OfficeError(ValueError):
    """The school's files cannot be used as they are now; the message says what to mend."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting in force: dotted key, value as TOML ('' not set; secrets are stars), where from, what it is for."""

    key: str
    value: str
    origin: str
    about: str


class Office(Protocol):
    """One school's files."""

    @property
    def id(self) -> str:
        """The school's id in the store."""

    @property
    def folder(self) -> Path:
        """Where they lie."""

    @property
    def trail(self) -> AuditTrail:
        """The audit trail."""

    def contact(self) -> str:
        """Whom to ask or complain to about a report; '' if nobody is set."""

    def standing(self, first: date, last: date) -> Standing | None:
        """What a report of these days tells besides figures; None where that cannot be read."""

    def school(self) -> School:
        """The school's tables."""

    def imports(self) -> tuple[SchoolSettings, Versions]:
        """What imports need: the school's settings, and the versions of its tables."""

    def desk(self, visitor: Visitor, store: Store | None) -> Desk:
        """The desk of a visitor who has logged in: the person of access.csv of that role and name. Raises Refused."""

    def judge_anew(self, import_id: str, who: Mapping[str, str], *, dry_run: bool) -> Job:
        """Asks the process that has the store to judge the past days anew that an import changed; with `dry_run` only
        to say what that would change. Raises JobRefused."""

    def job(self, id_: str) -> Job:
        """How far a job is. Raises JobRefused if it is not known (any more)."""

    def findings(self) -> Sequence[Finding]:
        """Every health check, as `schoolgate doctor` has them."""

    def settings(self) -> Sequence[Setting]:
        """The settings in force."""

    def facts(self) -> Facts:
        """What the notice says."""

    def texts(self, language: Language) -> Texts:
        """The texts of alerts."""

    def outbox(self) -> AbstractContextManager[Outbox]:
        """The alerts."""

    def sites(self, day: date) -> SiteFacts:
        """The register of official sites on a day."""

    def services(self) -> Sequence[tuple[str, str]]:
        """Id and name of every service of the catalogue."""

    def site_form(self, site: str) -> dict[str, str]:
        """The cells of a site's row in the register; empty for a site that is not there."""

    def keep_site(self, cells: Mapping[str, str], who: str) -> str:
        """Puts a row into the register, as an import that can be taken back; returns its number. Raises OfficeError if
        the row, or the school with it, cannot be used."""
