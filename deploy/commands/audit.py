"""`schoolgate audit`: check and read the audit trail."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploy.changes import account
from deploy.commands._desk import AS, JSON, SCHOOL, STORE, desk_of
from deploy.commands._say import fail, failing_well, note

if TYPE_CHECKING:
    from pipeline.audit import Anchor
    from pipeline.chain import Verdict
    from pipeline.settings import StoreSettings


@click.group("audit")
def command() -> None:
    """Check or read the audit trail.

    \b
    Example:  schoolgate audit verify --school school/
              schoolgate audit show --school school/ --as "dpo/Dewi Prys"
              schoolgate audit summary --school school/
    """


@command.command("verify")
@SCHOOL
@STORE
@JSON
def verify(folder: Path, store_path: Path | None, as_json: bool) -> None:
    """Check every line, and the whole against what the store noted of it; name the first thing that is not as it was
    written. Shows no entry, so anybody may ask.

    Exit status: 0 the trail is intact, 1 it is not.

    \b
    Example:  schoolgate audit verify --school school/
    """
    with failing_well():
        from deploy.assembly import read_school
        from deploy.desk import trail_of

        files = read_school(folder)
        trail = trail_of(files)
        noted, missing = _noted(store_path, files.settings.store, files.school.settings.id)
        verdict = trail.verify()
        unlike = _unlike(verdict, noted)
        if verdict.entries or verdict.broken or verdict.torn:
            details: dict[str, object] = {"entries": len(verdict.entries), "intact": verdict.intact and not unlike}
            trail.add("audit.verified", {"account": account()}, details=details)
    line, why = verdict.broken or (None, "")
    result = {
        "intact": verdict.intact and not unlike,
        "entries": len(verdict.entries),
        "broken_line": line,
        "why": why or unlike,
        "compared_with_store": len(noted),
        "not_compared": missing,
        "torn_lines": list(verdict.torn),
        "head": verdict.end.hash,
    }
    if as_json:
        click.echo(json.dumps(result, indent=1))
    for torn in verdict.torn:
        ending = "the next entry accounts for it" if not verdict.unmended or torn != verdict.torn[-1] else "mended now"
        click.echo(f"schoolgate: {trail.path}:{torn}: the writing of this line was interrupted; {ending}", err=True)
    if line is not None:
        fail(f"{trail.path}:{line}: the trail is broken: {why}; {len(verdict.entries)} entries before it are intact")
    if verdict.unmended:
        fail("what that line should have said is lost; the bytes that are left of it are kept")
    if unlike:
        fail(f"{trail.path}: {unlike}")
    if missing and not as_json:
        note(missing)
    if not as_json:
        if noted:
            click.echo(f"It holds all {len(noted)} entries that the store noted.")
        click.echo(f"{trail.path}: {len(verdict.entries)} entries, none changed, none missing. Head {verdict.end.hash}")


def _noted(store_path: Path | None, settings: StoreSettings, school: str) -> tuple[list[Anchor], str]:
    """What the store noted of the trail, or why it could not be asked."""
    from deploy.stores import reading
    from pipeline.retention import anchors
    from pipeline.store import StoreBusy

    if not settings.servers and not (where := store_path or settings.path).exists():
        return [], f"{where}: there is no store, so the trail was compared with nothing; give --store"
    try:
        with reading(store_path, settings) as store:
            return anchors(store, school), ""
    except StoreBusy as busy:
        return [], f"the trail was not compared with the store: {busy}"


def _unlike(verdict: Verdict, noted: list[Anchor]) -> str:
    import time

    from pipeline.audit import unlike

    return "" if verdict.broken else unlike(verdict, noted, time.time())


@command.command("show")
@SCHOOL
@AS
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="From this day on (UTC).")
@click.option("--subject", help="Only entries about this staff id, pseudonym or episode.")
@JSON
def show(folder: Path, named: str, since: datetime | None, subject: str | None, as_json: bool) -> None:
    """Print the entries: for the data protection officer and the chair of governors. Reading is written down too.

    \b
    Example:  schoolgate audit show --school school/ --as "dpo/Dewi Prys" --since 2026-11-01
    """
    with desk_of(folder, named, "audit.show", with_store=False) as desk:
        from pipeline.access import Role, refuse_unless_role

        with desk.at_work("audit.show"):
            refuse_unless_role(desk.actor, {Role.DPO, Role.CHAIR}, "read the audit trail")
        desk.note("audit.shown", [subject] if subject else [])
        verdict = desk.trail.verify()
    start = since.replace(tzinfo=UTC) if since else datetime.min.replace(tzinfo=UTC)
    found = [e for e in verdict.entries if e.at >= start and (subject is None or subject in e.subjects)]
    for entry in found:
        if as_json:
            told = {"n": entry.n, "at": entry.at.isoformat(), "action": entry.action, "result": entry.result}
            told |= {"who": dict(entry.who), "subjects": list(entry.subjects), "details": dict(entry.details)}
            click.echo(json.dumps(told, ensure_ascii=False))
        else:
            who = "/".join(entry.who[key] for key in ("role", "name") if entry.who.get(key)) or "-"
            about = ", ".join(entry.subjects) or "-"
            rest = "; ".join(f"{key} {value}" for key, value in entry.details.items())
            account_ = entry.who.get("account", "-")
            click.echo(
                f"{entry.n:6}  {entry.at:%Y-%m-%d %H:%M:%S}Z  {entry.result:8} {entry.action:20} "
                f"{who} ({account_})  about {about}  {rest}"
            )
    if verdict.broken:
        fail(f"{desk.trail.path}:{verdict.broken[0]}: the trail is broken here: {verdict.broken[1]}")


@command.command("summary")
@SCHOOL
@click.option("--month", type=click.DateTime(["%Y-%m"]), help="Which one; the last whole month if none is given.")
@JSON
def summary(folder: Path, month: datetime | None, as_json: bool) -> None:
    """Count what was done, refused or failed in a month, by role: for the data protection officer.

    Names nobody, so anybody may ask. Exit status: 0, or 1 if the trail is broken.

    \b
    Example:  schoolgate audit summary --school school/ --month 2026-10
    """
    with failing_well():
        from dataclasses import asdict

        from deploy.assembly import read_school
        from deploy.desk import trail_of
        from pipeline.auditsummary import month_before, summarise
        from pipeline.tables import zone_of

        files = read_school(folder)
        zone, trail = zone_of(files.settings.school.zone), trail_of(files)
        verdict = trail.verify()
        told = summarise(verdict.entries, month.date() if month else month_before(datetime.now(zone)), zone)
    if as_json:
        click.echo(json.dumps(asdict(told) | {"intact": verdict.intact}, default=str, indent=1))
    else:
        click.echo(f"{told.month:%Y-%m}: {told.entries} entries, {told.refused} refused, {told.failed} failed")
        for line in told.lines:
            roles = ", ".join(f"{role} {times}" for role, times in line.by_role)
            click.echo(f"{line.times:6}  {line.result:8} {line.action:20} {roles:40}  {line.about}".rstrip())
    if verdict.broken:
        fail(f"{trail.path}:{verdict.broken[0]}: the trail is broken here: {verdict.broken[1]}")
