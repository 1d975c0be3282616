"""Health checks of the log-in: does each account still belong to somebody, and has everybody come who was given one?

They are findings like any other (`sensor.health`), for `schoolgate doctor`, the Health page and its metrics.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from dashboards.accounts import Account
from pipeline.access import Person, Role
from sensor.health import Registry, Severity, Verdict, fine


@dataclass(frozen=True, slots=True)
class DoorFacts:
    """What the checks look at: the accounts, the people of access.csv, and the time (Unix seconds)."""

    accounts: Sequence[Account]
    people: Collection[Person]
    now: float


DOOR: Registry[DoorFacts] = Registry()


@DOOR.check("accounts_known", "Accounts")
def _known(f: DoorFacts) -> Verdict:
    if not f.accounts:
        return fine("There is no account: the pages show sums, on this machine alone.", "0")
    known = {(person.role, person.name.casefold()) for person in f.people}
    lost = [
        one.login
        for one in f.accounts
        if one.role is not Role.INSTALLER and (one.role, one.name.casefold()) not in known
    ]
    if not lost:
        return fine(f"{len(f.accounts)} accounts, each of somebody in access.csv.", str(len(f.accounts)))
    mend = "Remove them (schoolgate account remove), or put the people back into access.csv."
    return Verdict(Severity.WARN, f"Of nobody in access.csv: {', '.join(lost)}.", str(len(lost)), mend)


@DOOR.check("accounts_used", "Accounts that wait")
def _used(f: DoorFacts) -> Verdict:
    late = [one.login for one in f.accounts if not one.enrolled and one.once_until < f.now]
    if not late:
        return fine("No account waits for a first log-in that cannot happen any more.", "0")
    mend = "Give a new password for once (schoolgate account reset), or remove the account."
    return Verdict(Severity.WARN, f"Never logged in, and too late now: {', '.join(late)}.", str(len(late)), mend)
