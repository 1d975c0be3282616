"""`schoolgate lookup`: from a pseudonym to a name, by two people, for a reason."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploy.commands._desk import AS, JSON, SCHOOL, STORE, desk_of

if TYPE_CHECKING:
    from pipeline.lookup import Lookup, Revealed

_DAY = click.DateTime(["%Y-%m-%d"])
_REASONS = (
    *("repeated_episodes", "complaint", "safeguarding", "encyclopaedia_edit"),
    *("contest", "disciplinary_case", "legal_duty"),
)


@click.group("lookup")
def command() -> None:
    """Request, approve and see a look-up: who is behind an episode. Everything is written into the audit trail.

    \b
    Example:  schoolgate lookup list --school school/ --as "head/Ann Bowen"
              schoolgate lookup approve L12 --school school/ --as "head/Ann Bowen"
              schoolgate lookup show L12 --school school/ --as "network_manager/Sam Rees"
    """


@command.command("request")
@SCHOOL
@AS
@STORE
@click.option("--case", required=True, help="Number of the case.")
@click.option("--reason", required=True, type=click.Choice(_REASONS), help="What it is for.")
@click.option("--text", required=True, help="Why, in at least 20 characters.")
@click.option("--from", "first", type=_DAY, help="First day; at most 14 days. Not needed for an alert.")
@click.option("--to", "last", type=_DAY, help="Last day.")
@click.option("--staff", help="Whom: a staff id,")
@click.option("--pseudonym", help="or a pseudonym,")
@click.option("--episode", help="or an episode,")
@click.option("--alert", help="or an alert of an edit.")
@JSON
def request(
    folder: Path,
    named: str,
    store_path: Path | None,
    case: str,
    reason: str,
    text: str,
    first: datetime | None,
    last: datetime | None,
    staff: str | None,
    pseudonym: str | None,
    episode: str | None,
    alert: str | None,
    as_json: bool,
) -> None:
    """Ask for a look-up; a second person has to approve it. All of --school, --as, --from and --to are needed, too.
    An alert has a day of its own, and can be looked up for 28 days.

    \b
    Example:  schoolgate lookup request --case 2026/7 --reason complaint --text "..." --pseudonym p1f0c404a83b2
    """
    from pipeline import lookup
    from pipeline.alerts.lookup import days_of_alert

    given = [(lookup.Sort.STAFF, staff), (lookup.Sort.PSEUDONYM, pseudonym), (lookup.Sort.EPISODE, episode)]
    given.append((lookup.Sort.ALERT, alert))
    named_ones = [(sort, subject) for sort, subject in given if subject]
    if len(named_ones) != 1:
        raise click.UsageError("name one of --staff, --pseudonym, --episode and --alert")
    if sort_needs_days := [option for option, day in (("--from", first), ("--to", last)) if day is None and not alert]:
        raise click.UsageError(f"{' and '.join(sort_needs_days)} must be given")
    ((sort, subject),) = named_ones
    with desk_of(folder, named, "lookup.request", store_path, with_store=sort is lookup.Sort.EPISODE) as desk:
        days = (first.date(), last.date()) if first is not None and last is not None else days_of_alert(desk, subject)
        what = lookup.Request(case, lookup.LookupReason(reason), text, *days, sort, subject)
        found = lookup.request(desk, what)
    if as_json:
        click.echo(json.dumps({"lookup": found.id, "state": "waiting"}))
    else:
        click.echo(f"Look-up {found.id} waits for a second person: schoolgate lookup approve {found.id} ...")


@command.command("list")
@SCHOOL
@AS
@JSON
def list_(folder: Path, named: str, as_json: bool) -> None:
    """List the look-ups and their state; a subject is shown as the request named it.

    \b
    Example:  schoolgate lookup list --school school/ --as "head/Ann Bowen"
    """
    with desk_of(folder, named, "lookup.list", with_store=False) as desk:
        from pipeline import lookup
        from pipeline.access import refuse_unless_role

        with desk.at_work("lookup.list"):
            refuse_unless_role(desk.actor, lookup.REQUESTERS, "see the look-ups")
            found = list(lookup.lookups(desk.trail.entries()).values())
        desk.note("lookup.listed")
        now = desk.time
    rows = [_row(one, one.state(now)) for one in found]
    if as_json:
        click.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    for row in rows:
        click.echo(
            f"{row['lookup']:6} {row['state']:9} case {row['case']}, {row['reason']}: {row['text']}\n"
            f"{'':17}{row['subject']}, {row['from']} to {row['to']}, asked by {row['requester']}"
        )


def _row(one: Lookup, state: str) -> dict[str, str]:
    what = one.request
    row = {"lookup": one.id, "state": state, "case": what.case, "reason": what.reason.value, "text": what.text}
    row |= {"from": what.date_from.isoformat(), "to": what.date_to.isoformat(), "subject": what.subject}
    row |= {"requester": f"{one.requester.role}/{one.requester.name}"}
    row |= {"approver": f"{one.approver.role}/{one.approver.name}" if one.approver else ""}
    return row | {"until": one.until.isoformat() if one.until else ""}


@command.command("approve")
@click.argument("lookup_id", metavar="LOOKUP")
@SCHOOL
@AS
@STORE
def approve(lookup_id: str, folder: Path, named: str, store_path: Path | None) -> None:
    """Approve a look-up that somebody else asked for; it can be seen for 24 hours.

    \b
    Example:  schoolgate lookup approve L12 --school school/ --as "head/Ann Bowen"
    """
    _decide(lookup_id, folder, named, store_path, approving=True)


@command.command("deny")
@click.argument("lookup_id", metavar="LOOKUP")
@SCHOOL
@AS
@STORE
def deny(lookup_id: str, folder: Path, named: str, store_path: Path | None) -> None:
    """Turn a look-up down.

    \b
    Example:  schoolgate lookup deny L12 --school school/ --as "head/Ann Bowen"
    """
    _decide(lookup_id, folder, named, store_path, approving=False)


def _decide(lookup_id: str, folder: Path, named: str, store_path: Path | None, *, approving: bool) -> None:
    from pipeline import lookup

    action = "lookup.approve" if approving else "lookup.deny"
    with desk_of(folder, named, action, with_store=False) as desk:
        known = lookup.lookups(desk.trail.entries()).get(lookup_id)
    by_episode = known is not None and known.request.sort is lookup.Sort.EPISODE
    with desk_of(folder, named, action, store_path, with_store=by_episode) as desk:
        if approving:
            found = lookup.approve(desk, lookup_id)
            click.echo(f"Look-up {lookup_id} can be seen by both of you until {found.until:%Y-%m-%d %H:%M} UTC.")
        else:
            lookup.deny(desk, lookup_id)
            click.echo(f"Look-up {lookup_id} is denied.")


@command.command("show")
@click.argument("lookup_id", metavar="LOOKUP")
@SCHOOL
@AS
@STORE
@JSON
def show(lookup_id: str, folder: Path, named: str, store_path: Path | None, as_json: bool) -> None:
    """Show the episodes of an approved look-up, with the person's staff id, to the two who asked and approved.

    \b
    Example:  schoolgate lookup show L12 --school school/ --as "network_manager/Sam Rees"
    """
    with desk_of(folder, named, "lookup.show", with_store=False) as desk:
        from pipeline import lookup

        known = lookup.lookups(desk.trail.entries()).get(lookup_id)
    of_alert = known is not None and known.request.sort is lookup.Sort.ALERT
    with desk_of(folder, named, "lookup.show", store_path, with_store=not of_alert) as desk:
        found = lookup.show(desk, lookup_id)
    if found.traced is not None:
        _say_traced(found, as_json=as_json)
        return
    if as_json:
        episodes = [{**explanation.facts, "contest": status} for explanation, status in found.episodes]
        told = {"lookup": found.lookup, "staff_id": found.staff_id, "usernames": list(found.usernames)}
        click.echo(json.dumps({**told, "email": found.email, "episodes": episodes}, indent=1, ensure_ascii=False))
        return
    click.echo(f"Look-up {found.lookup}: {found.staff_id} ({', '.join(found.usernames)})")
    click.echo(f"{len(found.episodes)} episodes; automatic, unverified, and no finding of anything.")
    for explanation, status in found.episodes:
        click.echo(
            f"\n{explanation.facts['episode']}{f' (contested: {status})' if status else ''}\n{explanation.text()}"
        )


def _say_traced(found: Revealed, *, as_json: bool) -> None:
    """Where an alert leads."""
    from pipeline.wiki.odds import chance_wrong

    assert found.traced is not None
    rows = [
        {
            "time": datetime.fromtimestamp(trace.at, UTC).isoformat(timespec="seconds"),
            "address": trace.address,
            "staff_id": trace.staff_id,
            "grade": trace.grade.value,
            "source": trace.source,
        }
        for trace in found.traced.traces
    ]
    alert = found.traced.alert
    if as_json:
        told: dict[str, object] = {"lookup": found.lookup, "alert": alert.id, "staff_id": found.staff_id}
        told |= {"usernames": list(found.usernames), "email": found.email}
        click.echo(json.dumps({**told, "edits": rows}, indent=1, ensure_ascii=False))
        return
    who = f"{found.staff_id} ({', '.join(found.usernames)})" if found.staff_id else "nobody can be tied to it"
    click.echo(f"Look-up {found.lookup}, alert {alert.id}, a {alert.certainty} edit of {alert.wiki}: {who}")
    chance = chance_wrong(alert.certainty, alert.probability)
    wrong = "not measured" if chance is None else f"{chance:.0%}"
    click.echo(f"Automatic and unverified; chance that the alert is wrong: {wrong}. No finding.")
    for row in rows:
        click.echo(
            f"  {row['time']}  {row['address']}  {row['staff_id'] or 'nobody'}, grade {row['grade']}: {row['source']}"
        )
