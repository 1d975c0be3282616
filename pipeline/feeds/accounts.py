"""Account names of feeds to members of staff: who it is, that it is somebody else, or that it is nobody at all.

A name may carry its domain (`SCHOOL\\t01`, `t01@school.example`). It is a member of staff if it is a username or an
e-mail address of staff.csv and its domain is the school's: one of `feeds.domains`; without that setting any Windows
domain but the computer's own, and of realms those of the staff's e-mail addresses (a visitor from another eduroam
school may well have a colleague's name).

Everybody else is somebody, but never by name: pupils, generic accounts, those of `feeds.shared_accounts`. What is kept
of them is a number that means something in this process only (Python's keyed hash), so that two of their events can be
told to be of one account. Machines, Windows' own accounts and outer identities (`anonymous@`, RFC 7542) are nobody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatchcase

from pipeline.rows import Staff

_WINDOWS = frozenset({"window manager", "font driver host", "nt authority", "nt service", "iis apppool"})
_NOBODY = frozenset({"", "-", "anonymous", "anonymous logon"})


class Accounts:
    """Looks accounts up. `counts`: events of accounts that are no member of staff, by sort."""

    def __init__(self, staff: Sequence[Staff], domains: Sequence[str] = (), shared: Sequence[str] = ()) -> None:
        self._people = {name: number for number, person in enumerate(staff) for name in person.usernames}
        self._mails = {person.email: number for number, person in enumerate(staff) if person.email}
        self._domains = frozenset(domain.lower() for domain in domains)
        self._realms = self._domains or {mail.rpartition("@")[2] for mail in self._mails}
        self._shared = [pattern.lower() for pattern in shared]
        self._others: set[int] = set()
        self.counts: Counter[str] = Counter()

    @property
    def others(self) -> int:
        """How many accounts were dropped because they are not staff."""
        return len(self._others)

    def number(self, name: str, domain: str = "", host: str = "") -> int | None:
        """A person number; below 0 a number for one account that is nobody's own or not staff; None for machines and
        the like. host: the computer whose own accounts are not the school's."""
        name, domain = name.strip().lower(), domain.strip().lower()
        prefix, _, local = name.rpartition("\\")
        domain = prefix or domain
        user, _, realm = local.partition("@")
        if domain in _WINDOWS or user.endswith("$") or local.startswith("host/"):
            self.counts["machines"] += 1
            return None
        if user in _NOBODY:
            self.counts["anonymous"] += 1
            return None
        if self._is_shared(user):
            self.counts["shared"] += 1
        elif (person := self._person(local, user, realm, domain, host)) is not None:
            return person
        else:
            self.counts["not_staff"] += 1
        number = -1 - (hash((user, realm, domain)) & 0x7FFFFFFFFFFFFFFF)
        self._others.add(number)
        return number

    def _person(self, local: str, user: str, realm: str, domain: str, host: str) -> int | None:
        if realm and local in self._mails:
            return self._mails[local]
        if realm and realm not in self._realms:
            return None
        if domain and domain.partition(".")[0] == host:
            return None
        if domain and not realm and self._domains and domain not in self._domains:
            return None
        return self._people.get(user)

    def _is_shared(self, user: str) -> bool:
        return any(fnmatchcase(user, pattern) for pattern in self._shared)
