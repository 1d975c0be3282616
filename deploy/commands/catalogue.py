"""`schoolgate catalogue`: the services, and a school's own changes to them, each with its effect and a way back."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deploy.commands._say import fail, failing_well, note
from deploy.commands._services import (
    ADDING,
    JSON,
    KIND,
    OVERRIDING,
    SCHOOL,
    STORE,
    YES,
    CatalogueChange,
    adding,
    overriding,
    own_services,
)
from deploy.commands._store import STORE_THERE

if TYPE_CHECKING:
    from pipeline.profile import Profile
    from sensor.catalogue import Catalogue


@click.group("catalogue")
def command() -> None:
    """List the services; add or re-grade one, see what that would have made of the last week, take it back.

    What a school changes stands in a file of its own (sensor.services, else services.csv beside the settings), of which
    every version is kept. Another action or kind counts from the next window on; `schoolgate run` learns new host names
    within seconds, for connections that begin then.

    \b
    Example:  schoolgate catalogue preview override youtube --action tag --school school/
              schoolgate catalogue override youtube --action tag --school school/
              schoolgate catalogue undo --school school/
    """


@command.command("list")
@click.argument("service", required=False)
@click.option("--school", "folder", type=click.Path(exists=True, path_type=Path), help="The school's folder.")
@KIND
@JSON
def list_(service: str | None, folder: Path | None, kind: str | None, as_json: bool) -> None:
    """List all services, or one SERVICE with its host names: kind, what is done with its use, and who says so.

    \b
    Example:  schoolgate catalogue list --kind forum
              schoolgate catalogue list youtube --school school/
    """
    with failing_well():
        from pipeline.profile import load_profile
        from pipeline.settings import SchoolSettings
        from sensor.catalogue import load_catalogue

        shipped = load_catalogue()
        catalogue, profile = shipped, load_profile(SchoolSettings.model_fields["policy_profile"].default)
        if folder:
            own = own_services(folder)
            catalogue, profile = load_catalogue(own.extra, own.exempt), own.profile
        if service is not None and service not in catalogue.services:
            fail(f"there is no service {service!r}; list them with: schoolgate catalogue list")
    rows = [_row(s, catalogue, shipped, profile) for s in sorted(catalogue.services)]
    rows = [
        row for row in rows if row["service"] == (service or row["service"]) and row["kind"] == (kind or row["kind"])
    ]
    if service:
        rows[0]["hosts"] = [
            {"domain": key[1], "match": key[0].value, "role": hit.role.value}
            for key, hit in sorted(catalogue.hosts.items())
            if hit is not None and hit.service == service
        ]
    if as_json:
        click.echo(json.dumps({"version": catalogue.version, "services": rows}, indent=1))
        return
    for row in rows:
        says = "" if row["said_by"] == "catalogue" else f"  ({row['said_by']})"
        click.echo(
            f"{row['service']:16} {row['name']:24} {row['kind']:18} {row['action']:10} {row['names']:4} names{says}"
        )
    for host in rows[0].get("hosts", []) if service else ():
        click.echo(f"    {host['domain']:44} {host['match']:8} {host['role']}")
    click.echo(f"Catalogue {catalogue.version}, {len(rows)} of {len(catalogue.services)} services.")


def _row(service: str, catalogue: Catalogue, shipped: Catalogue, profile: Profile) -> dict[str, Any]:
    """One service for people: what is done with its use, and who says so."""
    known = catalogue.services[service]
    action = profile.action_of(service, known.action, known.kind)
    own = known != shipped.services.get(service)
    return {
        "service": service,
        "name": known.name,
        "kind": known.kind.value,
        "action": action.value,
        "status": known.status.value,
        "said_by": "policy profile" if action is not known.action else "own file" if own else "catalogue",
        "names": sum(hit is not None and hit.service == service for hit in catalogue.hosts.values()),
    }


@command.command("add")
@ADDING
@YES
def add(yes: bool, **asked: Any) -> None:
    """Add a SERVICE with its host names, or names to a known one; `none` as the service takes names out.

    A new service needs --name and --kind. The effect on the last week is shown first.

    \b
    Example:  schoolgate catalogue add ourspace ourspace.example --name OurSpace --kind forum --school school/
              schoolgate catalogue add none news.facebook.com --school school/
    """
    _apply(adding(**asked), yes)


@command.command("override")
@OVERRIDING
@YES
def override(yes: bool, **asked: Any) -> None:
    """Change what is done with use of a known SERVICE, or its kind, name or status; the effect is shown first.

    \b
    Example:  schoolgate catalogue override youtube --action tag --school school/
    """
    _apply(overriding(**asked), yes)


@command.group("preview")
def preview() -> None:
    """Show what a change would have made of the last week, and change nothing.

    \b
    Example:  schoolgate catalogue preview override youtube --action tag --school school/
              schoolgate catalogue preview file services-new.csv --school school/
    """


@preview.command("add")
@ADDING
@JSON
def preview_add(as_json: bool, **asked: Any) -> None:
    """What `schoolgate catalogue add` would do.

    \b
    Example:  schoolgate catalogue preview add ourspace ourspace.example --name OurSpace --kind forum --school school/
    """
    _preview(adding(**asked), as_json)


@preview.command("override")
@OVERRIDING
@JSON
def preview_override(as_json: bool, **asked: Any) -> None:
    """What `schoolgate catalogue override` would do.

    \b
    Example:  schoolgate catalogue preview override youtube --action tag --school school/
    """
    _preview(overriding(**asked), as_json)


@preview.command("file")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@SCHOOL
@STORE
@JSON
def preview_file(path: Path, folder: Path, store_path: Path | None, as_json: bool) -> None:
    """What the services file PATH in place of the school's own would do.

    \b
    Example:  schoolgate catalogue preview file services-new.csv --school school/
    """
    with failing_well():
        from deploy.stores import meant

        own = own_services(folder)
        change = CatalogueChange(own, path.read_bytes(), meant(store_path, own.store), f"file {path.name}")
    _preview(change, as_json)


@command.command("undo")
@SCHOOL
@click.option("--to", type=click.IntRange(0), help="Go to this version instead of one back.")
@click.option("--list", "list_them", is_flag=True, help="List the versions, and change nothing.")
def undo(folder: Path, to: int | None, list_them: bool) -> None:
    """Take the last change of the school's own services back, to the byte; again for the one before.

    \b
    Example:  schoolgate catalogue undo --school school/
              schoolgate catalogue undo --school school/ --list
    """
    with failing_well():
        from sensor.catalogue import load_catalogue
        from sensor.versions import VersionedFile

        own = own_services(folder, check=False)
        file = VersionedFile(own.path)
        if list_them:
            for version in file.history():
                click.echo(f"{version.number:4}  {version.at}  {version.did}")
            return
        left, now = file.undo(to)
        catalogue = load_catalogue(own.path if now.exists else None, own.exempt)
    click.echo(f"Taken back: {left.did} (version {left.number}). The catalogue is {catalogue.version} now.")


@command.command("changes")
@STORE_THERE
@click.option("--school", "school_id", help="School id, if the store holds several.")
@JSON
def changes(store_path: Path, school_id: str | None, as_json: bool) -> None:
    """Show what new versions of the catalogue changed: the first day of each is judged by the version before, too.

    \b
    Example:  schoolgate catalogue changes --store store/
    """
    with failing_well():
        from dashboards.schools import find_school
        from deploy.stores import reading
        from pipeline import dualrun

        with reading(store_path) as store:
            found = dualrun.changes(store, find_school(store, school_id).id)
    if as_json:
        click.echo(json.dumps([asdict(change) for change in found], indent=1, default=str))
        return
    if not found:
        click.echo("No version of the catalogue has changed an outcome on its first day.")
    for change in found:
        click.echo(
            f"{change.day}  {change.before} -> {change.after}  {change.service} ({change.kind}) {change.outcome}: "
            f"{change.minutes_before} -> {change.minutes_after} minutes"
        )


def _preview(change: CatalogueChange, as_json: bool) -> None:
    with failing_well():
        from pipeline.effect import as_text

        before, after = change.catalogues()
        found, week = change.effects()
        if week is None:
            fail(f"{change.store.path}: there is nothing stored to try the change on; name the store with --store")
    if as_json:
        data = {
            "from": week.first.isoformat(),
            "to": week.last.isoformat(),
            "catalogue": [before.version, after.version],
        }
        click.echo(json.dumps(data | {"effects": [asdict(effect) for effect in found]}, indent=1))
        return
    click.echo(as_text(found, week))
    click.echo(f"Nothing is changed. The catalogue would go from {before.version} to {after.version}.")


def _apply(change: CatalogueChange, yes: bool) -> None:
    with failing_well():
        from pipeline.effect import as_text
        from pipeline.store import StoreError
        from sensor.versions import VersionedFile

        before, after = change.catalogues()
        if before.version == after.version:
            fail("that changes nothing")
        expected = change.own.extra.read_bytes() if change.own.extra else None
        try:
            found, week = change.effects()
        except StoreError as error:
            note(f"the effect on the last week cannot be shown: {error}")
            found, week = (), None
        if week:
            click.echo(as_text(found, week))
        if not yes and sys.stdin.isatty():
            click.confirm(f"Go from catalogue {before.version} to {after.version}?", abort=True)
        VersionedFile(change.own.path).put(change.content, change.did, expected)
    click.echo(f"Done: {change.did}. The catalogue is {after.version} now; to take it back: schoolgate catalogue undo.")
