"""The Timetable page: what a day's states are, the imports, and the way of a file into them (dashboards.importing).

Upload, look, mend, keep, apply, take back: the same functions as `schoolgate import`, and so the same checks. Past days
that an import changes are judged anew when somebody says so: a job of the process that has the store, as `schoolgate
retag` asks for it (pipeline.jobs). Every form answers with a redirect; what was done is said on the page that it leads
to.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from dashboards.door import Visitor
from dashboards.frame import Page, Site, with_form
from dashboards.importing import (
    LARGEST,
    Attempt,
    Upload,
    UploadRefused,
    Uploads,
    attempt,
    column_words,
    keep,
    mended,
    safe_name,
)
from dashboards.needs import Need
from dashboards.office import Office
from dashboards.placed import LABELS, placed_day
from dashboards.today import day_of
from pipeline.imports.difference import describe
from pipeline.imports.proposal import MARKS_KEPT_DAYS, days_to_judge_anew
from pipeline.imports.read import KINDS, Asked
from pipeline.imports.tables import TABLES
from pipeline.imports.versions import APPLIED, WAITING, Version, VersionError
from pipeline.jobs import Job, JobRefused
from pipeline.rows import Week
from pipeline.school import SchoolError
from pipeline.tables import zone_of

LISTED = 50
KEPT, IN_FORCE, TAKEN_BACK, DROPPED = "kept", "applied", "taken_back", "dropped"
SAID = {
    KEPT: "Import {id} waits; nothing has changed yet.",
    IN_FORCE: "Import {id} is in force.",
    TAKEN_BACK: "Taken back: {id}.",
    DROPPED: "The upload was thrown away; nothing has changed.",
}


def pages(site: Site) -> list[Page]:
    """The page, its upload, and its buttons; none where a store is served without its school."""
    if site.office is None:
        return []
    desk = _Desk(site, site.office)
    upload = "/timetable/upload/{token}"
    largest = LARGEST + (1 << 20)
    return [
        Page("/timetable", desk.timetable, Need.IMPORTS),
        Page("/timetable/upload", desk.take, Need.IMPORTS, ("POST",), largest),
        *with_form(upload, desk.look, desk.go_on, Need.IMPORTS, 1 << 20),
        Page("/timetable/apply", desk.apply, Need.IMPORTS, ("POST",)),
        Page("/timetable/rollback", desk.roll_back, Need.IMPORTS, ("POST",)),
        Page("/timetable/retag", desk.judge_anew, Need.IMPORTS, ("POST",)),
        Page("/timetable/job.json", desk.job_json, Need.IMPORTS),
    ]


class _Desk:
    def __init__(self, site: Site, office: Office) -> None:
        self._site, self._office = site, office
        self._uploads = Uploads()
        self._reading = threading.Lock()

    # ------------------------------------------------------------------------------------------------------- looking

    async def timetable(self, request: Request, status: int = 200, problem: str = "") -> Response:
        asked = request.query_params

        def found() -> dict[str, object]:
            settings, versions = self._office.imports()
            today = self._site.now().astimezone(zone_of(settings.zone)).date()
            listed = versions.all()
            values: dict[str, object] = {"versions": listed[::-1][:LISTED], "anew": [], "mode": settings.mode}
            since = (today - timedelta(MARKS_KEPT_DAYS)).isoformat()
            values["recent"] = {v.id for v in listed if v.status == APPLIED and v.applied[:10] >= since}
            values["job"] = self._job(asked.get("job", ""))
            try:
                values |= {"placed": placed_day(self._office.school(), day_of(request) or today), "broken": ""}
            except (SchoolError, ValueError) as error:
                values |= {"placed": None, "broken": str(error)}
            done = next((v for v in listed if v.id == asked.get("id")), None)
            if done is not None and asked.get("done") in (IN_FORCE, TAKEN_BACK):
                values["anew"] = days_to_judge_anew(done, versions, settings, today)
            return values

        values = await run_in_threadpool(found)
        said = SAID.get(asked.get("done", ""), "")
        return self._site.page(
            request, "timetable.html", status, current="timetable", problem=problem, said=said,
            id=asked.get("id", "")[:60], labels=LABELS, kinds=KINDS,
            waiting=WAITING, applied=APPLIED, **values,
        )  # fmt: skip

    def _job(self, id_: str) -> Job | None:
        """The job that the address names; None for one that nobody knows any more."""
        try:
            return self._office.job(id_) if id_ else None
        except JobRefused:
            return None

    async def job_json(self, request: Request) -> Response:
        """How far a job is, for the page that waits for it."""
        job = self._job(request.query_params.get("job", ""))
        return JSONResponse({"over": job is None or job.over, "said": job.said[-1] if job and job.said else ""})

    async def look(self, request: Request) -> Response:
        """An upload: what would change, or what is wrong."""
        visitor = self._site.visitor(request)
        try:
            upload = self._uploads.get(request.path_params["token"], visitor.login)
        except UploadRefused as error:
            raise HTTPException(404, str(error)) from None
        tried = await run_in_threadpool(self._attempt, upload)
        return self._show(request, upload, tried)

    def _show(self, request: Request, upload: Upload, tried: Attempt, problem: str = "") -> Response:
        told = {name: list(describe(change, 60, 12)) for name, change in tried.changes.items()}
        return self._site.page(
            request, "import.html", 422 if problem or tried.fault else 200, current="timetable", upload=upload,
            tried=tried, told=told, kinds=KINDS, tables_of=TABLES, problem=problem,
        )  # fmt: skip

    def _attempt(self, upload: Upload) -> Attempt:
        """Reads an upload, one at a time: a year's substitutions keep a processor busy for seconds."""
        settings, versions = self._office.imports()
        with self._reading:
            return attempt(upload, versions, settings, self._site.now().date())

    # --------------------------------------------------------------------------------------------------------- doing

    async def take(self, request: Request) -> Response:
        """Files from the visitor's machine."""
        form: FormData = request.state.form
        chosen = [one for one in form.getlist("files") if isinstance(one, UploadFile) and one.filename]
        files = {safe_name(one.filename or ""): await one.read() for one in chosen}
        try:
            if len(files) < len(chosen):
                raise UploadRefused("Two files have the same name; import them one at a time.")
            upload = Upload(files, self._site.visitor(request).login, _asked(form, Asked()))
            held = self._uploads.take(upload)
        except (UploadRefused, ValueError) as error:
            return await self.timetable(request, 422, str(error))
        return RedirectResponse(f"/timetable/upload/{held.token}", 303)

    async def go_on(self, request: Request) -> Response:
        """A button of an upload's page: read it again with other words, mend a line, keep, apply or drop it."""
        form: FormData = request.state.form
        visitor = self._site.visitor(request)
        do = str(form.get("do", ""))
        try:
            upload = self._uploads.get(request.path_params["token"], visitor.login)
            if do == "drop":
                self._uploads.drop(upload.token)
                return _back(DROPPED)
            if do in ("keep", "apply"):
                return await run_in_threadpool(self._finish, upload, visitor, do == "apply", request)
            if do == "mend":
                line = str(form.get("line", ""))
                number = int(line) if line.isdecimal() and len(line) < 8 else 0
                upload = mended(upload, str(form.get("file", "")), number, str(form.get("text", "")))
            else:
                upload = await run_in_threadpool(self._said, upload, form)
        except (UploadRefused, ValueError) as error:
            try:
                upload = self._uploads.get(request.path_params["token"], visitor.login)
            except UploadRefused:
                return await self.timetable(request, 422, str(error))
            return self._show(request, upload, await run_in_threadpool(self._attempt, upload), str(error))
        self._uploads.change(upload)
        return RedirectResponse(f"/timetable/upload/{upload.token}", 303)

    def _said(self, upload: Upload, form: FormData) -> Upload:
        """The upload with what the form says of its columns and words."""
        words = [line.strip() for line in str(form.get("words", ""))[:20_000].splitlines() if line.strip()]
        for name, columns in self._attempt(upload).columns.items():
            mine = {ours: str(form.get(f"column:{name}:{ours}", "")).strip() for ours in TABLES[columns.table]}
            new = column_words(columns, mine)
            said = {word.partition("=")[0] for word in new}
            words = [word for word in words if word.partition("=")[0].strip() not in said] + list(new)
        return replace(upload, words=tuple(words), asked=_asked(form, upload.asked))

    def _finish(self, upload: Upload, visitor: Visitor, at_once: bool, request: Request) -> Response:
        _, versions = self._office.imports()
        tried = self._attempt(upload)
        if tried.fault is not None:
            return self._show(request, upload, tried)
        version = keep(replace(upload, who=_who(visitor)), tried, versions)
        self._site.note("import.kept", visitor.who, id=version.id)
        self._uploads.drop(upload.token)
        if not at_once:
            return _back(KEPT, version.id)
        return self._applied(versions.apply(version.id, _who(visitor)), visitor)

    def _applied(self, version: Version, visitor: Visitor) -> Response:
        self._site.note("import.applied", visitor.who, id=version.id, version=version.school_version)
        return _back(IN_FORCE, version.id)

    async def apply(self, request: Request) -> Response:
        """Puts an import that waits in force."""
        visitor, id_ = self._site.visitor(request), _id(request.state.form)
        _, versions = await run_in_threadpool(self._office.imports)
        return await self._doing(request, lambda: self._applied(versions.apply(id_, _who(visitor)), visitor))

    async def roll_back(self, request: Request) -> Response:
        """Restores the files as they were before an import."""
        visitor, id_ = self._site.visitor(request), _id(request.state.form)
        force = request.state.form.get("force") == "yes"

        def back() -> Response:
            _, versions = self._office.imports()
            done = versions.rollback(id_, _who(visitor), force)
            self._site.note("import.taken_back", visitor.who, id=done.id, undoes=list(done.undoes))
            return _back(TAKEN_BACK, done.id)

        return await self._doing(request, back)

    async def judge_anew(self, request: Request) -> Response:
        """Has past days judged anew that an import changed, or has it said what that would change."""
        form: FormData = request.state.form
        visitor, id_ = self._site.visitor(request), _id(form)
        dry_run = form.get("do") != "judge"

        def ask() -> Response:
            job = self._office.judge_anew(id_, visitor.who, dry_run=dry_run)
            return RedirectResponse("/timetable?" + urlencode({"job": job.id}), 303)

        return await self._doing(request, ask)

    async def _doing(self, request: Request, act: Callable[[], Response]) -> Response:
        try:
            return await run_in_threadpool(act)
        except (VersionError, JobRefused, OSError) as error:
            return await self.timetable(request, 422, str(error))


def _asked(form: FormData, before: Asked) -> Asked:
    """What a form says beside columns and words; what it does not say stays. Raises UploadRefused."""
    if "options" not in form:
        return before
    kind = str(form.get("kind", ""))
    if kind and kind not in KINDS:
        raise UploadRefused("There is no such kind of file.")
    days = [str(form.get(name, "")) for name in ("first", "last")]
    try:
        first, last = (date.fromisoformat(day) if day else None for day in days)
    except ValueError:
        raise UploadRefused("A day is written as 2026-11-17.") from None
    week = str(form.get("week", ""))
    return replace(
        before,
        kind=kind,
        source=str(form.get("source", "")).strip()[:60],
        first=first,
        last=last,
        week=Week(week.lower()) if week in ("A", "B", "*") else None,
        person=str(form.get("person", "")).strip()[:60],
        add_staff=form.get("add_staff") == "yes",
        fewer=form.get("fewer") == "yes",
        keep=form.get("keep") == "yes",
    )


def _id(form: FormData) -> str:
    id_ = str(form.get("id", ""))
    if not (id_.isascii() and id_.isdigit() and len(id_) <= 8):
        raise HTTPException(400, "Name an import by its number.")
    return id_


def _who(visitor: Visitor) -> str:
    return visitor.name or visitor.login


def _back(done: str, id_: str = "") -> Response:
    return RedirectResponse("/timetable?" + urlencode({"done": done, **({"id": id_} if id_ else {})}), 303)
