"""Log-in, the first log-in, and log-out.

One form asks for login, password and code together, so a wrong password is told from a wrong code by nobody. Every
log-in and every failure is in the audit trail before it is answered; what is typed into the form never is, unless it is
the login of an account. A try that comes too early is not looked at (dashboards.attempts).
"""

from __future__ import annotations

from functools import partial
from math import ceil

from anyio import CapacityLimiter, to_thread
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dashboards import otp
from dashboards.accounts import Account, AccountError, Accounts
from dashboards.attempts import Attempts
from dashboards.frame import Page, Site, with_form
from dashboards.needs import Need

LOGIN, LOGOUT, ENROLLED = "account.login", "account.logout", "account.enrolled"
AT_ONCE, QUEUE = 2, 50
"""Passwords worked out at once, and how many may wait for it."""
_NO = "That did not fit. Check login, password and code; each code works once."
_WAIT = "Too many tries. Wait {seconds} seconds, then try again."


def pages(site: Site) -> list[Page]:
    """None of a store without a school: nobody can log in there."""
    if site.door.accounts is None:
        return []
    desk = _Porter(site, site.door.accounts)
    return [
        *with_form("/login", desk.ask, desk.log_in, Need.NOTHING),
        *with_form("/login/first", desk.first, desk.enrol, Need.NOTHING),
        Page("/logout", desk.log_out, Need.NOTHING, ("POST",)),
    ]


class _Porter:
    def __init__(self, site: Site, accounts: Accounts) -> None:
        self._site, self._accounts, self._attempts = site, accounts, Attempts()
        self._hashing = CapacityLimiter(AT_ONCE)  # who waits for it holds no thread that other pages need

    async def ask(self, request: Request) -> Response:
        """The form."""
        visitor = self._site.visitor(request)
        if visitor.role is not None:
            return RedirectResponse(self._site.home(visitor), 303)
        if visitor.enrolling:
            return RedirectResponse("/login/first", 303)
        return self._form(request)

    async def log_in(self, request: Request) -> Response:
        """Looks at login, password and code."""
        form = request.state.form
        login, password, code = (str(form.get(name, ""))[:1000] for name in ("login", "password", "code"))
        login = login.strip().lower()[:40]
        visitor, now = self._site.visitor(request), self._site.seconds()
        known = self._site.door.knows(request, login)
        if wait := self._attempts.wait(login, visitor.address, known, now):
            answer = self._form(request, 429, _WAIT, login, seconds=ceil(wait))
            answer.headers["retry-after"] = str(ceil(wait))
            return answer
        self._attempts.failed(login, visitor.address, known, now)  # until it is known better: tries at once count too
        if self._hashing.statistics().tasks_waiting >= QUEUE:
            return self._form(request, 503, "Too many people are logging in at once. Try again in a moment.", login)
        check = partial(self._accounts.check, login, password, code)
        account = await to_thread.run_sync(check, limiter=self._hashing)
        if account is None:
            await run_in_threadpool(self._note_failure, login, visitor.address)
            return self._form(request, 403, _NO, login)
        self._attempts.worked(login, visitor.address, known)
        await run_in_threadpool(self._accounts.end, visitor.word)
        who = {"account": account.login, "role": account.role.value, "name": account.name, "from": visitor.address}
        await run_in_threadpool(self._site.note, LOGIN, who, first=not account.enrolled)
        return await self._let_in(request, account)

    async def first(self, request: Request) -> Response:
        """The form of the first log-in."""
        if not self._site.visitor(request).enrolling:
            return RedirectResponse("/login", 303)
        return self._first_form(request)

    async def enrol(self, request: Request) -> Response:
        """Takes over password and app."""
        form, visitor = request.state.form, self._site.visitor(request)
        password, again, code = (str(form.get(name, ""))[:1000] for name in ("password", "again", "code"))
        if not visitor.enrolling:
            return RedirectResponse("/login", 303)
        if password != again:
            return self._first_form(request, "The two passwords differ.")
        try:
            word = await run_in_threadpool(self._accounts.enrol, visitor.word, password, code)
        except AccountError as error:
            return self._first_form(request, str(error))
        account = self._accounts.find(visitor.login)
        who = {"account": account.login, "role": account.role.value, "name": account.name, "from": visitor.address}
        await run_in_threadpool(self._site.note, ENROLLED, who)
        answer = RedirectResponse(self._site.home_of(account.role), 303)
        self._site.door.give(answer, request, word)
        self._site.door.remember(answer, request, account)
        return answer

    async def log_out(self, request: Request) -> Response:
        """Ends the session."""
        visitor = self._site.visitor(request)
        if visitor.role is not None:
            await run_in_threadpool(self._site.note, LOGOUT, visitor.who)
        await run_in_threadpool(self._accounts.end, visitor.word)
        answer = RedirectResponse("/login", 303)
        self._site.door.take(answer, request)
        return answer

    async def _let_in(self, request: Request, account: Account) -> Response:
        word = await run_in_threadpool(self._accounts.begin, account)
        after = _own_path(str(request.state.form.get("to", ""))) or self._site.home_of(account.role)
        answer = RedirectResponse(after if account.enrolled else "/login/first", 303)
        self._site.door.give(answer, request, word)
        if account.enrolled:
            self._site.door.remember(answer, request, account)
        return answer

    def _note_failure(self, login: str, address: str) -> None:
        known = any(account.login == login for account in self._accounts.all())
        who = {"account": login if known else "", "from": address}
        self._site.note(LOGIN, who, "refused", why="login, password or code did not fit")

    def _form(
        self, request: Request, status: int = 200, wrong: str = "", login: str = "", **values: object
    ) -> Response:
        wrong = self._site.say(request, wrong, **values) if wrong else ""
        to = _own_path(str(request.query_params.get("to", "")))
        empty = not self._accounts.all()
        return self._site.page(
            request, "login.html", status, current="login", wrong=wrong, login=login, to=to, empty=empty
        )

    def _first_form(self, request: Request, wrong: str = "") -> Response:
        visitor = self._site.visitor(request)
        secret = visitor.enrolling
        values = {
            "wrong": self._site.say(request, wrong) if wrong else "",
            "secret": " ".join(secret[n : n + 4] for n in range(0, len(secret), 4)),
            "address": otp.address(secret, visitor.login, "Schoolgate"),
            "login": visitor.login,
        }
        return self._site.page(request, "login_first.html", 422 if wrong else 200, current="login", **values)


def _own_path(text: str) -> str:
    """An address of our own pages to go on to; '' for anything else."""
    good = text.startswith("/") and text[1:2] not in ("/", "\\") and text.isprintable() and "\\" not in text
    return text[:500] if good and not text.startswith("/log") else ""
