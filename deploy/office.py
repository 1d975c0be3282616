"""A school's files for the pages that show them (dashboards.office), read anew whenever they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import date
from pathlib import Path

from dashboards.door import Visitor
from dashboards.language import Language
from dashboards.office import OfficeError, Setting
from dashboards.standing import Standing
from deploy.acts import RETAG
from deploy.assembly import SchoolFiles, read_school, settings_path
from deploy.desk import access_of, desk_at
from deploy.examining import examine
from deploy.settings import Settings, describe, effective, load_settings
from deploy.standing import standing_in
from pipeline.access import Refused, find_actor
from pipeline.alerts.outbox import Outbox
from pipeline.alerts.texts import Texts
from pipeline.audit import AuditTrail
from pipeline.desk import Desk
from pipeline.imports.merge import check, merge, present_rows
from pipeline.imports.tables import Line, Part, file_of
from pipeline.imports.versions import WAITING, Version, Versions
from pipeline.jobs import Job, Jobs
from pipeline.notice import Facts
from pipeline.profile import load_profile
from pipeline.school import School, table_paths
from pipeline.settings import SchoolSettings
from pipeline.sitechecks import SiteFacts, site_facts
from pipeline.store import Store
from pipeline.tables import zone_of
from sensor.catalogue import load_catalogue
from sensor.health import Finding

SITES = "official_sites"


class SchoolOffice:
    """One school's files, by its settings file or folder, and the jobs of the process that has the store. Raises
    SchoolError if there is no such file."""

    def __init__(self, given: Path, jobs: Jobs | None = None) -> None:
        self._path, self._jobs = settings_path(given), jobs or Jobs()

    @property
    def id(self) -> str:
        return self._settings().school.id

    @property
    def folder(self) -> Path:
        return self._path.parent

    @property
    def trail(self) -> AuditTrail:
        return AuditTrail(self.folder / self._settings().privacy.audit)

    def school(self) -> School:
        return self._files().school

    def contact(self) -> str:
        return self._settings().report.contact

    def standing(self, first: date, last: date) -> Standing | None:
        return standing_in(self._files(), first, last)

    def imports(self) -> tuple[SchoolSettings, Versions]:
        return self._settings().school, self._versions()

    def desk(self, visitor: Visitor, store: Store | None) -> Desk:
        if visitor.role is None:
            raise Refused("nobody has logged in")
        files = self._files()
        people = access_of(files)
        return desk_at(files, people, find_actor(people, f"{visitor.role}/{visitor.name}", visitor.login), store)

    def judge_anew(self, import_id: str, who: Mapping[str, str], *, dry_run: bool) -> Job:
        asked = {"school": str(self._path.resolve()), "import_id": import_id, "dry_run": dry_run}
        return self._jobs.ask(RETAG, asked, who)

    def job(self, id_: str) -> Job:
        return self._jobs.look(id_)

    def findings(self) -> Sequence[Finding]:
        return examine(self._path)

    def settings(self) -> Sequence[Setting]:
        about = {known.key: known.about for known in describe()}
        found = effective(self._settings())
        return [Setting(one.key, one.value, _short(one.origin), about.get(_general(one.key), "")) for one in found]

    def facts(self) -> Facts:
        from deploy.commands.notice import facts_of_school

        return facts_of_school(self._files())

    def texts(self, language: Language) -> Texts:
        school = self._settings().school
        return Texts(school.name, zone_of(school.zone), language, school.mode == "pseudonymous")

    def outbox(self) -> AbstractContextManager[Outbox]:
        return closing(Outbox(self._settings().alerts.folder))

    def sites(self, day: date) -> SiteFacts:
        files = self._files()
        with _told():
            profile = load_profile(files.settings.school.policy_profile, files.folder)
            services = load_catalogue(files.settings.sensor.services).services
        return site_facts(files.school, profile, services, day)

    def services(self) -> Sequence[tuple[str, str]]:
        found = load_catalogue(self._settings().sensor.services).services.values()
        return sorted(((service.id, service.name) for service in found), key=lambda one: one[1].casefold())

    def site_form(self, site: str) -> dict[str, str]:
        rows = present_rows(SITES, self._versions().present())
        return next((dict(row.cells) for row in rows if row.cells.get("site_id") == site), {})

    def keep_site(self, cells: Mapping[str, str], who: str) -> str:
        with _told():
            versions, settings = self._versions(), self._settings().school
            present = versions.present()
            rows = present_rows(SITES, present)
            at = next((n for n, row in enumerate(rows) if row.cells.get("site_id") == cells["site_id"]), len(rows))
            new = Line(dict(cells), file_of(SITES), rows[at].line if at < len(rows) else len(rows) + 2)
            merged = merge(present, [Part(SITES, [*rows[:at], new, *rows[at + 1 :]])], fewer=True)
            school = check(present, merged, settings)
            what = f"site {cells['site_id']} {'changed' if at < len(rows) else 'added'}"
            record = Version("", WAITING, "", who, ["page"], [], {}, {file_of(SITES): what}, [], school.version)
            version = versions.add({}, merged.files, versions.maps(), record)
            return versions.apply(version.id, who).id

    def _versions(self) -> Versions:
        return Versions(self.folder, table_paths(self.folder, self._settings().feeds))

    def _files(self) -> SchoolFiles:
        with _told():
            return read_school(self._path)

    def _settings(self) -> Settings:
        with _told():
            return load_settings(self._path)


@contextmanager
def _told() -> Iterator[None]:
    """What is wrong with files is told to whoever looks at a page."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise OfficeError(str(error)) from error


def _short(origin: str) -> str:
    """`FILE:LINE` without the folders."""
    return Path(origin).name


def _general(key: str) -> str:
    """A key as `describe` has it: `segment[0].vlans` is one of `segment[].vlans`."""
    table, bracket, rest = key.partition("[")
    return f"{table}[]{rest.partition(']')[2]}" if bracket else key
