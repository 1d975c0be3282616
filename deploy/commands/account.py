"""`schoolgate account`: who may log in to the pages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploy.commands._desk import SCHOOL
from deploy.commands._say import failing_well

if TYPE_CHECKING:
    from dashboards.accounts import Accounts
    from deploy.assembly import SchoolFiles

ROLES = ("network_manager", "head", "dpo", "chair_of_governors", "staff", "installer")
_ROLE = click.option("--role", required=True, type=click.Choice(ROLES), help="What the person is at the school.")
_LOGIN = click.argument("login")


@click.group("account")
def command() -> None:
    """Make, list, reset and remove accounts of the pages. Each act is in the audit trail.

    With the first account every page needs a log-in; without any, the pages show sums on this machine alone.

    \b
    Example:  schoolgate account add sam --role network_manager --name "Sam Rees" --school /etc/schoolgate
              schoolgate account list --school /etc/schoolgate
    """


@contextmanager
def _opened(folder: Path) -> Iterator[tuple[SchoolFiles, Accounts]]:
    from deploy.assembly import read_school
    from deploy.pages import open_accounts

    with failing_well():
        files = read_school(folder)
        with closing(open_accounts(files.settings.pages)) as accounts:
            yield files, accounts


@contextmanager
def _changing(folder: Path, action: str, login: str, **details: object) -> Iterator[tuple[SchoolFiles, Accounts]]:
    """The same, for one act that is in the audit trail when it is done."""
    from deploy.changes import account
    from deploy.desk import trail_of

    with _opened(folder) as (files, accounts):
        yield files, accounts
        who = {"account": account()}
        trail_of(files).add(f"account.{action}", who, details={"login": login, **details})


@command.command("add")
@_LOGIN
@_ROLE
@click.option("--name", required=True, help="The person's name, as access.csv has it.")
@SCHOOL
def add(login: str, role: str, name: str, folder: Path) -> None:
    """Make an account, and print the password for its first log-in.

    At the first log-in the person chooses a password and connects an authenticator app. Only an installer need not be
    in access.csv.

    \b
    Example:  schoolgate account add sam --role network_manager --name "Sam Rees" --school /etc/schoolgate
    """
    with _changing(folder, "added", login, role=role, name=name) as (files, accounts):
        from pipeline.access import Role

        _refuse_strangers(files, role, name, login)
        password = accounts.add(login, name, Role(role))
    _tell(login, password)


@command.command("list")
@SCHOOL
def list_(folder: Path) -> None:
    """Show every account: login, role, name, and whether it has been used.

    \b
    Example:  schoolgate account list --school /etc/schoolgate
    """
    with _opened(folder) as (_, accounts):
        found = accounts.all()
    for account in found:
        until = f"{datetime.fromtimestamp(account.once_until, UTC):%Y-%m-%d %H:%M}"
        state = "" if account.enrolled else f"  (waits for the first log-in, until {until} UTC)"
        click.echo(f"{account.login:20} {account.role:20} {account.name}{state}")
    if not found:
        click.echo("There is no account: the pages show sums, on this machine alone.")


@command.command("role")
@_LOGIN
@_ROLE
@SCHOOL
def role_(login: str, role: str, folder: Path) -> None:
    """Give an account another role; its log-ins end.

    \b
    Example:  schoolgate account role sam --role installer --school /etc/schoolgate
    """
    with _changing(folder, "role", login, role=role) as (files, accounts):
        from pipeline.access import Role

        _refuse_strangers(files, role, accounts.find(login).name, login)
        accounts.set_role(login, Role(role))
    click.echo(f"{login} is {role} now.")


@command.command("reset")
@_LOGIN
@SCHOOL
def reset(login: str, folder: Path) -> None:
    """Forget password and app of an account, and print a password for a new first log-in.

    \b
    Example:  schoolgate account reset sam --school /etc/schoolgate
    """
    with _changing(folder, "reset", login) as (_, accounts):
        password = accounts.reset(login)
    _tell(login, password)


@command.command("remove")
@_LOGIN
@SCHOOL
def remove(login: str, folder: Path) -> None:
    """Remove an account; its log-ins end.

    \b
    Example:  schoolgate account remove sam --school /etc/schoolgate
    """
    with _changing(folder, "removed", login) as (_, accounts):
        accounts.remove(login)
    click.echo(f"The account {login} is removed.")


def _refuse_strangers(files: SchoolFiles, role: str, name: str, login: str) -> None:
    """Raises AccessError or Refused unless access.csv has the person, with that role, and for that account."""
    from deploy.desk import access_of
    from pipeline.access import find_actor

    if role != "installer":
        find_actor(access_of(files), f"{role}/{name}", login)


def _tell(login: str, password: str) -> None:
    from dashboards.accounts import ONCE_DAYS

    click.echo(f"Login:              {login}")
    click.echo(f"Password for once:  {password}")
    click.echo(f"It is good for {ONCE_DAYS} days and not shown again; hand it over in person.")
