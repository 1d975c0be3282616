"""`schoolgate feeds`: how each identity feed is."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from deploy.commands._say import failing_well

if TYPE_CHECKING:
    from pipeline.feeds.status import FeedStatus


@click.command("feeds")
@click.option(
    "--school", "folder", required=True, type=click.Path(exists=True, path_type=Path), help="The school's folder."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(folder: Path, as_json: bool) -> None:
    """Show each identity feed: how many records, the newest, how far its clock is from this machine's or the sensor's,
    rows that cannot be read, and accounts that were dropped because they are not staff (never by name).

    \b
    Example:  schoolgate feeds --school school/
    """
    with failing_well():
        from deploy.assembly import feeds_facts, read_school
        from pipeline.feeds.status import FEEDS_HEALTH

        zone = ZoneInfo(read_school(folder).settings.school.zone)
        facts = feeds_facts(folder)
    if facts is None:
        click.echo("identity = none: no feed is read.")
        return
    if as_json:
        click.echo(json.dumps([asdict(feed) for feed in facts.feeds], indent=1))
        return
    for feed in facts.feeds:
        _show(feed, zone)
    for finding in FEEDS_HEALTH.examine(facts):
        if finding.severity in ("warn", "fail"):
            click.echo(f"{finding.severity}: {finding.sentence}\n  -> {finding.mend}")


def _show(feed: FeedStatus, zone: ZoneInfo) -> None:
    from pipeline.feeds.status import clock_words

    newest = "none" if feed.newest is None else f"{datetime.fromtimestamp(feed.newest, UTC).astimezone(zone):%F %T}"
    clock = "unknown" if feed.offset_s is None else f"{clock_words(feed.offset_s)} (by {feed.offset_by})"
    many = f", {len(feed.files)} files" if len(feed.files) > 1 else "" if feed.files else ": not there"
    click.echo(f"{feed.title}: {feed.path}{many}")
    click.echo(f"  records {feed.records}, newest {newest}, clock {clock}")
    left = ", ".join(f"{name} {number}" for name, number in sorted(feed.left_out.items()))
    click.echo(
        f"  refused rows {feed.refused}, accounts dropped {feed.accounts_dropped}"
        f"{', torn last line' if feed.torn else ''}{f'; left out: {left}' if left else ''}"
    )
    for problem in feed.problems[:3]:
        click.echo(f"    {problem}")
