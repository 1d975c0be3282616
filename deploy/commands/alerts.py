"""`schoolgate alerts`: what was raised, what became of it, who took notice, and does it arrive?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploy.commands._desk import JSON, SCHOOL
from deploy.commands._say import fail, failing_well

if TYPE_CHECKING:
    from deploy.assembly import SchoolFiles
    from pipeline.alerts.alert import Alert
    from pipeline.alerts.database import Delivery
    from pipeline.alerts.outbox import Outbox

ACKNOWLEDGED = "alert.acknowledged"


@click.group("alerts")
def command() -> None:
    """Alerts of edits and of trouble: list them, show one, acknowledge it, try the channels.

    They hold no person, no pseudonym and no address; those are for `schoolgate lookup request --alert`.

    \b
    Example:  schoolgate alerts test --school /etc/schoolgate
              schoolgate alerts list --school /etc/schoolgate --days 7
    """


@contextmanager
def _opened(folder: Path) -> Iterator[tuple[SchoolFiles, Outbox]]:
    from deploy.assembly import read_school
    from pipeline.alerts.outbox import Outbox

    with failing_well():
        files = read_school(folder)
        with closing(Outbox(files.settings.alerts.folder)) as outbox:
            yield files, outbox


@command.command("list")
@SCHOOL
@click.option("--days", default=28, show_default=True, type=click.IntRange(1, 430), help="How far back.")
@click.option("--open", "open_only", is_flag=True, help="Only what nobody has acknowledged and what is not over.")
@JSON
def list_(folder: Path, days: int, open_only: bool, as_json: bool) -> None:
    """List the alerts, the newest first, and what waits or was given up on each channel.

    \b
    Example:  schoolgate alerts list --school /etc/schoolgate --open
    """
    import time

    with _opened(folder) as (files, outbox):
        from deploy.alerting import texts_of

        texts = texts_of(files.settings)
        now = time.time()
        found = outbox.alerts(now - days * 86_400, open_only=open_only)
        waiting = [one for one in outbox.unsettled(now - 7 * 86_400) if one.state != "sent"]
        sent = {alert.id: [one.state for one in outbox.deliveries(alert=alert.id)] for alert in found}
        if as_json:
            rows = [_facts(alert) | {"title": texts.title(alert)} for alert in found]
            click.echo(json.dumps({"alerts": rows, "waiting": [_delivery(one) for one in waiting]}, indent=1))
            return
        for alert in found:
            more = f" (x {alert.count})" if alert.count > 1 else ""
            click.echo(
                f"{alert.id}  {_utc(alert.raised)}  {alert.state:12} {_told(sent[alert.id]):9} "
                f"{texts.title(alert)}{more}"
            )
    if not found:
        click.echo(f"No alerts in {days} days.")
    for one in waiting:
        click.echo(f"! {_line(one)}")


@command.command("show")
@click.argument("alert_id", metavar="ALERT")
@SCHOOL
@JSON
def show(alert_id: str, folder: Path, as_json: bool) -> None:
    """Show one alert as it is told, and what became of every message about it.

    \b
    Example:  schoolgate alerts show a1f0c404a8 --school /etc/schoolgate
    """
    with _opened(folder) as (files, outbox):
        from deploy.alerting import texts_of

        alert = _known(outbox, alert_id)
        deliveries = outbox.deliveries(alert=alert.id)
        title, body = texts_of(files.settings).alert(alert)
    if as_json:
        facts = _facts(alert) | {"title": title, "text": body, "deliveries": [_delivery(one) for one in deliveries]}
        click.echo(json.dumps(facts, indent=1, ensure_ascii=False))
        return
    click.echo(f"{title}\n\n{body}\n")
    if alert.acknowledged:
        who = f" by {alert.acknowledged_by}" if alert.acknowledged_by else ""
        click.echo(f"Acknowledged {_utc(alert.acknowledged)} UTC{who}. {alert.note}".rstrip())
    for one in deliveries:
        click.echo(_line(one))
    if not deliveries:
        click.echo("No message has told of it yet, or there is no channel.")


@command.command("ack")
@click.argument("alert_id", metavar="ALERT")
@SCHOOL
@click.option("--by", required=True, help="Who takes notice.")
@click.option("--note", default="", help="What was done; without names of others. It is kept for 28 days.")
def ack(alert_id: str, folder: Path, by: str, note: str) -> None:
    """Acknowledge an alert: somebody has taken notice. It is written into the audit trail.

    \b
    Example:  schoolgate alerts ack a1f0c404a8 --school /etc/schoolgate --by "Sam Rees" --note "It was a lesson."
    """
    import time

    with _opened(folder) as (files, outbox):
        from deploy.changes import account
        from deploy.desk import trail_of

        if not by.strip() or len(by) > 100 or len(note) > 1000:
            fail("say who takes notice in 1 to 100 characters, and what was done in at most 1000")
        alert = _known(outbox, alert_id)
        if alert.acknowledged:
            fail(f"{alert_id} was acknowledged already, {_utc(alert.acknowledged)} UTC")
        trail_of(files).add(ACKNOWLEDGED, {"account": account(), "claimed": by.strip()}, details={"alert": alert.id})
        outbox.acknowledge(alert.id, time.time(), by.strip(), note.strip())
    click.echo(f"Alert {alert_id} is acknowledged.")


@command.command("test")
@SCHOOL
@click.option("--channel", "only", help="Name of one channel; else all.")
@click.option("--wait", "patience", default=60, show_default=True, type=click.IntRange(1, 600), help="Seconds to wait.")
def test(folder: Path, only: str | None, patience: int) -> None:
    """Send a test message on every channel, the way alerts go, and say whether it was taken.

    Exit status 1 if one was not. While `run` runs, that process sends it; else this command does.

    \b
    Example:  schoolgate alerts test --school /etc/schoolgate --channel office
    """
    with _opened(folder) as (files, outbox):
        from deploy.trying import try_channel
        from pipeline.alerts.settings import read_addresses

        addresses = {address.name: address for address in read_addresses(files.settings.alerts)}
        if not addresses:
            fail('no channel is set; name one in [alerts] channels, as channels = ["office mailto://..."]')
        if only is not None and only not in addresses:
            fail(f"there is no channel {only}; there are: {', '.join(addresses)}")
        chosen = [address for name, address in addresses.items() if only in (None, name)]
        tried = [try_channel(files, outbox, address, patience) for address in chosen]
    for one in tried:
        click.echo(_line(one))
    if not all(one.state == "sent" for one in tried):
        raise click.exceptions.Exit(1)


def _known(outbox: Outbox, id_: str) -> Alert:
    found = outbox.alert(id_)
    if found is None:
        fail(f"there is no alert {id_}; `schoolgate alerts list` shows those there are")
    return found


def _told(states: list[str]) -> str:
    """What became of the messages about an alert, in a word."""
    for state in ("failed", "sending", "pending"):
        if state in states:
            return "waiting" if state != "failed" else "failed"
    return "sent" if states else "not sent"


def _line(one: Delivery) -> str:
    from pipeline.alerts.words import PROBLEMS

    why = f": {PROBLEMS.get(one.problem, one.problem)}" if one.problem and one.state != "sent" else ""
    again = f"; next attempt {_utc(one.due)} UTC" if one.state == "pending" else ""
    twice = "; possible duplicate" if one.possible_duplicate else ""
    return f"{one.channel}: {one.state} {_utc(one.changed)} UTC, attempt {one.attempt}{why}{again}{twice}"


def _facts(alert: Alert) -> dict[str, object]:
    from pipeline.alerts.alert import columns_of

    facts = columns_of(alert) | {"why": list(alert.why), "state": alert.state}
    times = ("raised", "at", "last", "recovered", "acknowledged")
    return facts | {name: _iso(getattr(alert, name)) for name in times}


def _delivery(one: Delivery) -> dict[str, object]:
    return {
        "message": one.message,
        "channel": one.channel,
        "state": one.state,
        "attempt": one.attempt,
        "changed": _iso(one.changed),
        "problem": one.problem,
        "possible_duplicate": one.possible_duplicate,
    }


def _iso(at: float) -> str | None:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds") if at else None


def _utc(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}"
