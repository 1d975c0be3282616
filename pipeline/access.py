"""Who may do what: the people of `access.csv`, and the rules of who may decide about whom.

Nobody requests, approves or decides anything about himself. What concerns the head or the network manager is decided
by the chair of governors alone. Two people are the same if their staff id, their name or their account is the same,
whatever roles they hold. A log-in comes later; until then a person is the operating system's account together with the
role and the name that are given, and a row that names an account can be used from that account only.
"""

from __future__ import annotations

import pwd
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pipeline.tables import InputError, read_rows

COLUMNS = ("name", "role", "staff_id")


class Role(StrEnum):
    """What somebody is at the school, as far as this product goes."""

    NETWORK_MANAGER = "network_manager"
    HEAD = "head"
    DPO = "dpo"
    CHAIR = "chair_of_governors"
    STAFF = "staff"
    INSTALLER = "installer"


_KNOWN_STAFF = frozenset({Role.NETWORK_MANAGER, Role.HEAD, Role.STAFF})  # a conflict could not be noticed otherwise
_ROUTED = frozenset({Role.HEAD, Role.NETWORK_MANAGER})


class AccessError(InputError):
    """The file of people cannot be used."""


class Refused(ValueError):
    """Somebody may not do this; the message says why and who may. Whoever raises it has it written down."""


@dataclass(frozen=True, slots=True)
class Person:
    """One row. `account`: the operating system's account that may speak for this person; '' for any."""

    name: str
    role: Role
    staff_id: str
    account: str = ""

    def same_as(self, other: Person) -> bool:
        """Is it one human being?"""
        return (
            (bool(self.staff_id) and self.staff_id == other.staff_id)
            or self.name.casefold() == other.name.casefold()
            or (bool(self.account) and self.account == other.account)
        )


@dataclass(frozen=True, slots=True)
class Actor:
    """A person who acts, and the account from which."""

    person: Person
    account: str

    @property
    def who(self) -> dict[str, str]:
        """As the audit trail has it."""
        return {
            "account": self.account,
            "role": self.person.role.value,
            "name": self.person.name,
            "staff_id": self.person.staff_id,
        }


def account_of(user: int) -> str:
    """The operating system's account of a user id."""
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"uid {user}"


def read_access(data: bytes, staff_ids: Collection[str], file: str = "access.csv") -> tuple[Person, ...]:
    """The people in the bytes of a file. Raises AccessError."""
    found: list[Person] = []
    for row in read_rows(file, data, COLUMNS, AccessError):
        person = Person(row.text("name"), row.word("role", Role), row.get("staff_id"), row.get("account"))
        if not person.staff_id and person.role in _KNOWN_STAFF:
            raise row.fail(f"a {person.role} needs a staff_id", "without it nobody could notice a conflict of interest")
        if person.staff_id and person.staff_id not in staff_ids:
            raise row.fail(
                f"staff_id {person.staff_id!r} is not in staff.csv", "add the person there or correct the id"
            )
        if any(other.role == person.role and other.name.casefold() == person.name.casefold() for other in found):
            raise row.fail(f"{person.role}/{person.name} is listed twice", "keep one of the rows")
        found.append(person)
    return tuple(found)


def find_actor(people: Sequence[Person], named: str, account: str) -> Actor:
    """The person that `ROLE/NAME` means, acting from this account. Raises Refused."""
    role, slash, name = named.partition("/")
    if not slash or role.strip().lower() not in list(Role):
        raise Refused(f"{named!r} names nobody; write ROLE/NAME with a role of {', '.join(Role)}")
    key = (role.strip().lower(), name.strip().casefold())
    for person in people:
        if (person.role.value, person.name.casefold()) == key:
            if person.account and person.account != account:
                raise Refused(f"{named} may only act from the account {person.account}, not from {account}")
            return Actor(person, account)
    raise Refused(f"{named} is not in the access file; ask the network manager to add the person")


def refuse_unless_role(actor: Actor, roles: Collection[Role], what: str) -> None:
    """Raises Refused unless the actor has one of these roles."""
    if actor.person.role not in roles:
        raise Refused(f"{actor.person.role} may not {what}; {' or '.join(sorted(roles))} may")


def deciders(people: Sequence[Person], subject: str) -> frozenset[Role]:
    """The roles that may decide about a member of staff."""
    roles = {person.role for person in people if person.staff_id == subject}
    return frozenset({Role.CHAIR}) if roles & _ROUTED else frozenset({Role.HEAD, Role.CHAIR})


def refuse_unless_decider(people: Sequence[Person], actor: Actor, subject: str, asker: Person, what: str) -> None:
    """Raises Refused unless the actor may decide what `asker` asks about `subject` (a staff id)."""
    if is_subject(people, actor, subject):
        raise Refused(f"nobody may {what} about himself; {' or '.join(sorted(deciders(people, subject)))} may")
    if actor.person.same_as(asker):
        raise Refused(f"a second person has to {what}; {actor.person.name} asked for it")
    refuse_unless_role(actor, deciders(people, subject), f"{what} here")


def is_subject(people: Sequence[Person], actor: Actor, subject: str) -> bool:
    """Is the actor, under whatever role, the member of staff of this staff id?"""
    own = [person for person in people if person.same_as(actor.person)]
    return any(person.staff_id == subject for person in (*own, actor.person))
