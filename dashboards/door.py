"""The door: who stands before a page, told by the cookie; and the marks that our forms carry.

While there is no account, whoever uses this machine is let in to what is free (dashboards.needs), and nobody who comes
by way of a proxy or from another machine. With the first account every page but the log-in and the notice needs one.
The cookie holds a random word: of a session, or of a visitor who has not logged in, so that the log-in's own form can
be marked too. A log-in always makes a new word, so one that somebody else put there is worth nothing.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from ipaddress import ip_address

from starlette.requests import Request
from starlette.responses import Response

from dashboards.accounts import Account, Accounts
from dashboards.guard import forwarded
from dashboards.needs import ROLES, WITHOUT_ACCOUNTS, Need
from dashboards.settings import PageSettings
from pipeline.access import Role

LONGEST_WORD = 100
KNOWN_DAYS = 180


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who looks. Without `role` nobody has logged in. `free`: sums are open to whoever uses this machine. `address`:
    where from, as far as it can be trusted. `word`: of the cookie; `fresh`: the cookie is not there yet. `enrolling`:
    the secret that is being connected, of a log-in that may do nothing else."""

    login: str = ""
    name: str = ""
    role: Role | None = None
    address: str = ""
    free: bool = False
    word: str = ""
    fresh: bool = False
    form_token: str = ""
    enrolling: str = ""

    def may(self, need: Need) -> bool:
        """Has the visitor what a page needs?"""
        if self.role is None:
            return need is Need.NOTHING or (self.free and need in WITHOUT_ACCOUNTS)
        return self.role in ROLES[need]

    @property
    def who(self) -> dict[str, str]:
        """As the audit trail has it."""
        if self.role is None:
            return {"account": self.login, "from": self.address}
        return {"account": self.login, "role": self.role.value, "name": self.name, "from": self.address}


class Door:
    """Tells visitors. `accounts` None: a store without a school is served."""

    def __init__(self, settings: PageSettings, accounts: Accounts | None) -> None:
        self._settings = settings
        self.accounts = accounts

    def visitor(self, request: Request) -> Visitor:
        """Who stands before a page; reads the accounts' file."""
        address = request.client.host if request.client else ""
        if self.accounts is None:
            return Visitor(address=address, free=self._is_here(request))
        word = request.cookies.get(_name(request), "")
        session = self.accounts.session(word) if 0 < len(word) <= LONGEST_WORD else None
        if session is None:
            fresh = not 0 < len(word) <= LONGEST_WORD
            word = secrets.token_urlsafe(32) if fresh else word
            free = not self.accounts.all() and self._is_here(request)
            mark = self.accounts.mark("form", word)
            return Visitor(address=address, free=free, word=word, fresh=fresh, form_token=mark)
        account, mark = session.account, self.accounts.mark("form", word)
        if session.enrolling:
            return Visitor(account.login, address=address, word=word, form_token=mark, enrolling=session.enrolling)
        return Visitor(account.login, account.name, account.role, address, word=word, form_token=mark)

    def _is_here(self, request: Request) -> bool:
        """Does somebody at this very machine ask, of pages that are served to it alone?"""
        return is_near(request) and self._settings.local and not self._settings.proxies

    # -------------------------------------------------------------------------------------------------------- cookies

    @staticmethod
    def give(answer: Response, request: Request, word: str) -> None:
        """The cookie of a visitor; it goes when the browser is closed."""
        answer.set_cookie(_name(request), word, path="/", httponly=True, samesite="strict", secure=_secure(request))

    @staticmethod
    def take(answer: Response, request: Request) -> None:
        """Takes the cookie away."""
        answer.delete_cookie(_name(request), path="/", httponly=True, samesite="strict", secure=_secure(request))

    def remember(self, answer: Response, request: Request, account: Account) -> None:
        """Marks a browser that has logged in to an account; others' failures do not make it wait (attempts)."""
        assert self.accounts is not None
        mark = self.accounts.mark("known", account.login)
        age = KNOWN_DAYS * 86_400
        answer.set_cookie(
            _name(request, "known"), mark, age, path="/", httponly=True, samesite="strict", secure=_secure(request)
        )

    def knows(self, request: Request, login: str) -> bool:
        """Has this browser logged in to the account before?"""
        assert self.accounts is not None
        given = request.cookies.get(_name(request, "known"), "")
        return secrets.compare_digest(given.encode(), self.accounts.mark("known", login).encode())


def is_near(request: Request) -> bool:
    """Does somebody on this machine ask, and no proxy for somebody else? Who has no IP address is not elsewhere."""
    try:
        near = request.client is None or ip_address(request.client.host).is_loopback
    except ValueError:
        near = True
    return near and not forwarded(request.headers)


def _secure(request: Request) -> bool:
    return request.url.scheme == "https"


def _name(request: Request, what: str = "visit") -> str:
    """Over https the name itself forbids other hosts of the domain to set it."""
    return f"__Host-schoolgate-{what}" if _secure(request) else f"schoolgate-{what}"
