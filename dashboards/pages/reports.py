"""The Reports page: every report as it was issued, as a page and on paper; and the governors' report of a term.

A report is shown as it was issued, whatever has become of the figures since. A term that nobody has issued yet is told
as it stands, made of its whole weeks as they are published; a week that is not issued is shown to whoever may see
minutes anyway, and to nobody else, as a look at it every day would give away what its report hides (dashboards.needs).
A report stands alone, so it brings a style sheet of its own and a policy that allows that one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from anyio import CapacityLimiter, to_thread
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from dashboards.door import Visitor
from dashboards.frame import Page, Site
from dashboards.issuing import word_left_out
from dashboards.language import LANGUAGES, Language, language_of, say
from dashboards.mail import PROBLEMS, file_name
from dashboards.needs import Need
from dashboards.office import Office, OfficeError
from dashboards.pdf import PdfError, pdf_of
from dashboards.report import policy_of, tell
from dashboards.said import Said
from dashboards.schedule import TermError, find_term, is_term, period_of
from dashboards.schools import SchoolInfo
from dashboards.term import tell_term, term_view
from dashboards.week import WeekError, monday_of, week_of, week_view
from pipeline.issued import FAILED, SENT, TERM, Delivery, Issue, deliveries, issue_of, issues, languages
from pipeline.terms import Term, terms

LISTED = 60
"""Weeks that are listed, the latest first."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A week, or a term, with its issues, the latest first; `left_out`: why it has none; `term`: its name and days."""

    period: str
    day: date
    issues: tuple[tuple[Issue, str], ...] = ()
    left_out: Said | None = None
    term: Term | None = None


def pages(site: Site) -> list[Page]:
    """The list, a report as a page, and on paper."""
    archive = _Archive(site)
    return [
        Page("/reports", archive.all, Need.REPORTS),
        Page("/reports/page", archive.page, Need.REPORTS),
        Page("/reports/pdf", archive.paper, Need.REPORTS),
    ]


class _Archive:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._printing = CapacityLimiter(1)  # a page on paper keeps a processor busy for a second

    async def all(self, request: Request) -> Response:
        """The list."""
        lang, visitor = self._site.language(request), self._site.visitor(request)

        def found() -> dict[str, object]:
            school = self._site.school(request)
            known, sent = issues(self._site.store, school.id), deliveries(self._site.store, school.id)
            today = self._site.now().astimezone(school.tz).date()
            weeks = _weeks(known, sent, lang)
            running = week_of(today)
            may = visitor.may(Need.MINUTES) and all(one.period != running for one in weeks)
            return {
                "school": school,
                "weeks": weeks[:LISTED],
                "terms": self._terms(school, known, sent, lang, today),
                "issued_in": languages(self._site.store, school.id),
                "running": running if may else "",
            }

        values = await run_in_threadpool(found)
        return self._site.page(
            request, "reports.html", 200, current="reports", codes=LANGUAGES, friday=timedelta(days=4),
            made=lambda issue: datetime.fromtimestamp(issue.made, UTC).date(), **values,
        )  # fmt: skip

    async def page(self, request: Request) -> Response:
        """One report, as it was issued or as it stands."""
        _, page = await run_in_threadpool(self._page, request)
        return HTMLResponse(page, headers={"content-security-policy": policy_of(page)})

    async def paper(self, request: Request) -> Response:
        """The same as PDF."""

        def made() -> tuple[str, bytes]:
            name, page = self._page(request)
            return name, pdf_of(page)

        try:
            name, paper = await to_thread.run_sync(made, limiter=self._printing)
        except PdfError as error:
            raise HTTPException(503, f"{error}.") from None
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return Response(paper, media_type="application/pdf", headers=headers)

    # ------------------------------------------------------------------------------------------------------- reading

    def _terms(
        self, school: SchoolInfo, known: Sequence[Issue], sent: Sequence[Delivery], lang: Language, today: date
    ) -> list[Listed]:
        """The terms that have begun, the latest first; those of the calendar only where the school's files are."""
        begun = [one for one in self._calendar(school) if one.first <= today]
        found = [
            Listed(period_of(term), term.first, _of(period_of(term), known, sent, lang), term=term) for term in begun
        ]
        listed = {one.period for one in found}
        issued = {issue.period: issue for issue in known if is_term(issue.period) and issue.period not in listed}
        found += [
            Listed(period, one.day, _of(period, known, sent, lang), term=Term(one.name, one.day, one.day))
            for period, one in issued.items()
        ]
        return sorted(found, key=lambda one: one.day, reverse=True)

    def _calendar(self, school: SchoolInfo) -> list[Term]:
        """The terms of the school's files; none where they are not here, or cannot be read, which Health says."""
        try:
            office = self._office(school)
            return terms(office.school().calendar) if office else []
        except OfficeError:
            return []

    def _office(self, school: SchoolInfo) -> Office | None:
        """The office, if it is that of the school. Raises OfficeError."""
        office = self._site.office
        return office if office is not None and office.id == school.id else None

    def _page(self, request: Request) -> tuple[str, str]:
        """The name of a file for a report, and its page."""
        asked, site = request.query_params, self._site
        school, visitor = site.school(request), site.visitor(request)
        period = asked.get("period", "")[:40]
        lang = language_of(asked.get("lang")) or site.language(request)
        version = asked.get("version", "")
        number = int(version) if version.isdecimal() and len(version) < 6 else None
        issue = issue_of(site.store, school.id, period, number)
        if issue is not None and not issue.left_out:
            code = lang if lang in issue.pages else next(iter(issue.pages))
            return file_name(period, issue.issue, language_of(code) or "en", "pdf"), issue.pages[code]
        if number is not None:
            raise HTTPException(404, say(site.language(request), "That report was never issued."))
        return file_name(period, 1, lang, "pdf"), self._as_it_stands(school, visitor, period, lang)

    def _as_it_stands(self, school: SchoolInfo, visitor: Visitor, period: str, lang: Language) -> str:
        """A report that nobody has issued: of a term, or, for whoever may see minutes, of a week."""
        site, ours = self._site, self._office(school)
        contact = ours.contact() if ours else ""
        if is_term(period) and ours is not None:
            files = ours.school()
            try:
                term = find_term(files, period.removeprefix(TERM))
            except TermError as error:
                raise HTTPException(404, f"{error}.") from None
            today = site.now().astimezone(school.tz).date()
            term = replace(term, last=min(term.last, today - timedelta(days=today.weekday() + 1)))
            if term.last < term.first:
                raise HTTPException(404, say(lang, "No week of this term is over yet."))
            view = term_view(site.store, school, term, files)
            return tell_term(view, lang, contact, ours.standing(term.first, term.last)).page
        if visitor.may(Need.MINUTES):
            try:
                monday = monday_of(period)
            except WeekError as error:
                raise HTTPException(404, f"{error}.") from None
            standing = ours.standing(monday, monday + timedelta(days=6)) if ours else None
            return tell(week_view(site.store, school, period), lang, contact, standing).page
        raise HTTPException(404, say(lang, "That report was never issued."))


def _weeks(known: Sequence[Issue], sent: Sequence[Delivery], lang: Language) -> list[Listed]:
    """The weeks that were issued or left out, the latest first."""
    weeks = {issue.period: issue for issue in known if not is_term(issue.period)}
    found = [
        Listed(
            period,
            one.day,
            _of(period, known, sent, lang),
            word_left_out(period, one.why, one.name) if one.left_out else None,
        )
        for period, one in weeks.items()
    ]
    return sorted(found, key=lambda one: one.day, reverse=True)


def _of(period: str, known: Sequence[Issue], sent: Sequence[Delivery], lang: Language) -> tuple[tuple[Issue, str], ...]:
    """The issues of a period, the latest first, and what became of the mail to all."""
    mails = {one.issue: one for one in sent if one.period == period and not one.copy}
    mine = [issue for issue in known if issue.period == period and not issue.left_out]
    return tuple((issue, _told(mails.get(issue.issue), lang)) for issue in sorted(mine, key=lambda one: -one.issue))


def _told(mail: Delivery | None, lang: Language) -> str:
    if mail is None:
        return say(lang, "not sent by mail")
    if mail.state == SENT:
        return say(lang, "sent by mail, perhaps twice") if mail.possible_duplicate else say(lang, "sent by mail")
    why = say(lang, PROBLEMS[mail.problem]) if mail.problem in PROBLEMS else ""
    if mail.state == FAILED:
        return say(lang, "not sent: {why}", why=why)
    return say(lang, "waits to be sent again: {why}", why=why) if why else say(lang, "is being sent")
