"""The reports of a live Schoolgate: issues what is due, issues anew what a correction changed, and sends it.

A tick does what there is to do and returns; who ticks (the owner's scheduler, or `schoolgate report --send`) decides
nothing. What is due is computed from the table of issues (dashboards.schedule), what is to be sent from the
table of deliveries (pipeline.issued); only one process of a machine sends, who holds the lock beside the requests. A
server that does not answer is tried again, later each time, for three days; how that stands is in `state.json` for
`schoolgate doctor`. Whoever cannot write to the store leaves a request in the folder, and the owner takes it up.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from email.message import EmailMessage
from typing import TYPE_CHECKING

import click

from dashboards.issuing import Press, skipped, word_left_out, words_left_out
from dashboards.mail import PROBLEMS
from dashboards.queries import ask
from dashboards.report_health import note_state
from dashboards.schedule import (
    SCHEDULED,
    TermError,
    When,
    due_terms,
    due_weeks,
    find_term,
    is_term,
    over_at,
    period_of,
)
from dashboards.schools import NoSuchSchool, find_school
from dashboards.week import monday_of
from deploy.asking import REQUESTS, requests
from deploy.letters import handed_over, letter_of
from deploy.standing import standing_in
from pipeline.alerts.answers import Answer, Result
from pipeline.alerts.limits import GIVE_UP_S, wait_after
from pipeline.alerts.sender import Lock
from pipeline.issued import (
    FAILED,
    PENDING,
    SENT,
    TERM,
    Delivery,
    Issue,
    claim,
    deliveries,
    issue_of,
    issues,
    keep,
    recover,
    settle,
)
from pipeline.issued import put as put_delivery

if TYPE_CHECKING:
    from dashboards.settings import ReportSettings
    from deploy.assembly import SchoolFiles
    from pipeline.store import Store

_NOBODY_ELSE: AbstractContextManager[object] = nullcontext()
CORRECT_EVERY_S = 3600.0
CORRECT_WEEKS = 8
"""How far back an issue is looked at again; a re-tag reaches a week, a contest two months."""


class Reporting:
    """See the module's header. One a process; `renew` when the school's files have changed. `past`: held while reports
    are made, by whoever changes what is stored, too."""

    def __init__(
        self,
        files: SchoolFiles,
        store: Store,
        now: Callable[[], float] = time.time,
        stopping: threading.Event | None = None,
        past: AbstractContextManager[object] = _NOBODY_ELSE,
    ) -> None:
        self._files, self._store, self._now = files, store, now
        self._stopping = stopping or threading.Event()
        self._past = past
        self._folder = files.settings.report.folder
        self._lock: Lock | None = None
        self._correct_at = 0.0

    def renew(self, files: SchoolFiles) -> None:
        """Goes by newer files from the next tick on."""
        self._files = files
        self.look_again()

    def look_again(self) -> None:
        """The past may have changed: the next tick looks whether a report must be issued anew."""
        self._correct_at = 0.0

    def close(self) -> None:
        """Lets another process send."""
        if self._lock:
            self._lock.close()
            self._lock = None

    def tick(self) -> None:
        """One round; what fails is said, and tried again by the next."""
        try:
            self.work()
        except (OSError, ValueError) as error:
            click.echo(f"schoolgate: the report: {error}", err=True)

    def work(self) -> list[Delivery]:
        """One round; returns the deliveries that it tried. Raises StoreError, OSError and what the files give."""
        if not self._take():
            return []
        try:
            press = self._press()
        except NoSuchSchool:
            return []  # nothing has been stored yet
        with self._past:
            self._issue_due(press)
            if self._now() >= self._correct_at:
                self._correct_at = self._now() + CORRECT_EVERY_S
                try:
                    self._correct(press)
                except BaseException:
                    self.look_again()
                    raise
            self._take_requests(press)
        tried: list[Delivery] = []
        for one in self._waiting():
            if self._stopping.is_set():
                break
            before = (other for other in tried if not other.copy and is_term(other.period) == is_term(one.period))
            if one.copy or all(other.state == SENT for other in before):  # in order, or not at all
                tried.append(self._send(one))
        note_state(self._folder, deliveries(self._store, self._school), self._now())
        return tried

    # ------------------------------------------------------------------------------------------------------- issuing

    def _take(self) -> bool:
        """The right to send; then nothing is being sent, and what was left in the middle was cut off."""
        if self._lock is None:
            lock = Lock(self._folder)
            if not lock.take():
                lock.close()
                return False
            self._lock = lock
        if cut := recover(self._store, self._school, self._now()):
            click.echo(f"schoolgate: the report: {cut} mails were cut off; they come marked as duplicates", err=True)
        return True

    @property
    def _school(self) -> str:
        return self._files.settings.school.id

    def _press(self) -> Press:
        report = self._files.settings.report
        return Press(self._store, find_school(self._store, self._school), report.languages, report.contact)

    def _issue_due(self, press: Press) -> None:
        known = issues(self._store, self._school)
        issued = (issue.day for issue in known if issue.basis.get(SCHEDULED) and not is_term(issue.period))
        first = min(issued, default=None)
        if first is None:
            first = min((row["day"] for row in ask(self._store, "days", school=self._school)), default=None)
        settings = self._files.settings.report
        when = When.of(settings.at)
        left = words_left_out(known)
        for due in due_weeks(self._files.school, when, self._now(), known, first):
            if due.why:
                keep(self._store, self._school, skipped(due, self._now()))
                left.append(word_left_out(due.period, due.why, due.name))
                click.echo(f"schoolgate: no report of week {due.period} ({due.why})", err=True)
                continue
            standing = standing_in(self._files, due.monday)
            issue = press.week(due.period, self._now(), standing, tuple(left), scheduled=True)
            self._keep(issue)
            left = []
        for term in due_terms(self._files.school, when, self._now(), known, first) if settings.terms else ():
            number = 1 + max((issue.issue for issue in known if issue.period == period_of(term)), default=0)
            self._keep(self._term(press, period_of(term), number, scheduled=True))

    def _correct(self, press: Press) -> None:
        """Issues anew what a correction has changed."""
        newest = {issue.period: issue for issue in issues(self._store, self._school) if not issue.left_out}
        since = self._now() - CORRECT_WEEKS * 7 * 86_400
        for light in newest.values():
            if light.made < since or is_term(light.period):
                continue
            before = issue_of(self._store, self._school, light.period, light.issue)
            if before and (issue := press.corrected(before, self._now(), standing_in(self._files, before.day))):
                self._keep(issue)

    def _keep(self, issue: Issue) -> None:
        keep(self._store, self._school, issue)
        click.echo(f"schoolgate: report of {issue.period}, version {issue.issue}, issued", err=True)
        if readers_of(self._files.settings.report, issue.period) and issue.basis.get(SCHEDULED):
            self._post(issue, "")

    def _post(self, issue: Issue, copy: str) -> None:
        now = int(self._now())
        first = Delivery(issue.day, issue.period, issue.issue, copy, now, PENDING, now, now)
        if all(first.key != one.key for one in deliveries(self._store, self._school)):
            put_delivery(self._store, self._school, first)

    # ------------------------------------------------------------------------------------------------------- sending

    def _take_requests(self, press: Press) -> None:
        done = {one.copy for one in deliveries(self._store, self._school) if one.state in (SENT, FAILED)}
        for request in requests(self._folder):
            if request.id in done:
                (self._folder / REQUESTS / f"{request.id}.json").unlink(missing_ok=True)
                continue
            issue = issue_of(self._store, self._school, request.period)
            try:
                if issue is None or issue.left_out or self._early(issue):
                    issue = self._made(press, request.period, issue)
                    self._keep(issue)
            except TermError as error:  # the calendar is another one by now; others must not wait for it
                click.echo(f"schoolgate: the report that was asked for: {error}", err=True)
                continue
            self._post(issue, request.id)

    def _early(self, issue: Issue) -> bool:
        """Was it made of a term that is over by now, before it was?"""
        if not is_term(issue.period):
            return False
        term = find_term(self._files.school, issue.period.removeprefix(TERM))
        over = over_at(term, When.of(self._files.settings.report.at), self._files.settings.school.zone)
        return issue.made < over <= self._now()

    def _made(self, press: Press, period: str, before: Issue | None) -> Issue:
        """An issue of a week or a term that nobody waited for."""
        if is_term(period):
            return self._term(press, period, before.issue + 1 if before else 1, scheduled=False)
        monday = monday_of(period)
        return press.week(period, self._now(), standing_in(self._files, monday))

    def _term(self, press: Press, period: str, number: int, *, scheduled: bool) -> Issue:
        school, term = self._files.school, find_term(self._files.school, period.removeprefix(TERM))
        standing = standing_in(self._files, term.first, term.last)
        return press.term(term, school, self._now(), standing, number, scheduled=scheduled)

    def _waiting(self) -> list[Delivery]:
        """What is due to be sent, in the order of periods; of the reports to all, no week before the week before it,
        and no term before the term before it."""
        self._complete()
        every = deliveries(self._store, self._school)
        due = [one for one in every if one.state == PENDING]
        first: dict[bool, Delivery] = {}
        for one in due:
            if not one.copy:
                first.setdefault(is_term(one.period), one)
        late = {sort for sort, one in first.items() if one.due > self._now()}
        return [one for one in due if one.due <= self._now() and (one.copy or is_term(one.period) not in late)]

    def _complete(self) -> None:
        """An issue that was cut off before its delivery was written gets one."""
        settings = self._files.settings.report
        known = {(one.period, one.issue) for one in deliveries(self._store, self._school)}
        for issue in issues(self._store, self._school):
            late = self._now() - issue.made > GIVE_UP_S or issue.left_out or not issue.basis.get(SCHEDULED)
            if readers_of(settings, issue.period) and not late and (issue.period, issue.issue) not in known:
                self._post(issue, "")

    def _send(self, delivery: Delivery) -> Delivery:
        mail = self._letter(delivery)  # which takes a while; between the claim and the end there is only the sending
        taken = claim(self._store, self._school, delivery, self._now())
        if taken is None:
            return delivery
        settings = self._files.settings.report
        result = mail if isinstance(mail, Result) else handed_over(settings, mail)
        now = self._now()
        if result.answer is Answer.TOOK:
            after = settle(self._store, self._school, taken, SENT, now, problem=result.problem)
        else:
            unclear = result.answer is Answer.UNCLEAR
            over = now - taken.made > GIVE_UP_S or result.problem == "gone"
            state, due = (FAILED, 0.0) if over else (PENDING, now + wait_after(taken.attempt))
            after = settle(
                self._store,
                self._school,
                taken,
                state,
                now,
                problem=result.problem,
                due=due,
                possible_duplicate=unclear,
            )
            click.echo(f"schoolgate: the report of {taken.period} was not sent: {PROBLEMS[result.problem]}", err=True)
        if after.state in (SENT, FAILED) and after.copy:
            (self._folder / REQUESTS / f"{after.copy}.json").unlink(missing_ok=True)
        return after

    def _letter(self, delivery: Delivery) -> EmailMessage | Result:
        """The mail of a delivery, or why there is none."""
        settings = self._files.settings.report
        to: Sequence[str] = readers_of(settings, delivery.period)
        if delivery.copy:
            asked = [request for request in requests(self._folder) if request.id == delivery.copy]
            to = asked[0].to or to if asked else ()
        issue = issue_of(self._store, self._school, delivery.period, delivery.issue)
        return letter_of(settings, self._school, to, delivery, issue)


def readers_of(settings: ReportSettings, period: str) -> tuple[str, ...]:
    """Addresses that get the report of a period without asking for it."""
    return (is_term(period) and settings.terms_to) or settings.to
