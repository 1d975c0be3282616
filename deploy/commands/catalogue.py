"""`schoolgate catalogue`: the services, and a school's own changes to them, each with its effect and a way back."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deploy.commands._say import fail, failing_well, note

if TYPE_CHECKING:
    from pipeline.effect import Effect, Week
    from pipeline.profile import Profile
    from sensor.catalogue import Catalogue

Option = Callable[[Any], Any]

_SCHOOL = click.option(
    "--school", "folder", required=True, type=click.Path(exists=True, path_type=Path), help="The school's folder."
)
_STORE = click.option(
    "--store",
    "store_path",
    type=click.Path(path_type=Path),
    help="Folder of the store; else store.path of the settings.",
)
_YES = click.option("--yes", is_flag=True, help="Do not ask before applying.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_KINDS = "social_networking blog microblog chatroom forum podcast encyclopaedia bookmarking content_sharing other"
_KIND = click.option("--kind", type=click.Choice(_KINDS.split()), help="Its kind (clause 2.3).")
_ACTION = click.option(
    "--action", type=click.Choice(["tag", "count_only", "ignore"]), help="What is done with its use."
)
_NAME = click.option("--name", default="", help="Its name for people.")
_ABOUT = click.option("--about", default="", help="A remark.")
_STATUS = click.option("--status", type=click.Choice(["active", "defunct", "renamed"]), help="Whether it still exists.")
_ROLES = "primary api cdn media auth push widget ads shared"
_ROLE = click.option(
    "--role", type=click.Choice(_ROLES.split()), default="primary", show_default=True, help="What the names are for."
)
_MATCH = click.option(
    "--match",
    type=click.Choice(["suffix", "full", "pattern"]),
    default="suffix",
    show_default=True,
    help="The names and all below them, exactly them, or first.*.example.com.",
)


def _with(*options: Option) -> Option:
    """Several options as one decorator, in this order."""

    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


_ADDING = _with(
    click.argument("service"),
    click.argument("domains", nargs=-1, required=True, metavar="DOMAIN..."),
    *(_SCHOOL, _NAME, _KIND, _ACTION, _ROLE, _MATCH, _ABOUT, _STORE),
)
_OVERRIDING = _with(click.argument("service"), _SCHOOL, _ACTION, _KIND, _NAME, _STATUS, _ABOUT, _STORE)


@click.group("catalogue")
def command() -> None:
    """List the services; add or re-grade one, see what that would have made of the last week, take it back.

    What a school changes stands in a file of its own (sensor.services, else services.csv beside the settings), of which
    every version is kept. Another action or kind counts from the next window on; `schoolgate run` reads new host names
    when it starts.

    \b
    Example:  schoolgate catalogue preview override youtube --action tag --school school/
              schoolgate catalogue override youtube --action tag --school school/
              schoolgate catalogue undo --school school/
    """


@command.command("list")
@click.argument("service", required=False)
@click.option("--school", "folder", type=click.Path(exists=True, path_type=Path), help="The school's folder.")
@_KIND
@_JSON
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
            own = _own(folder)
            catalogue, profile = load_catalogue(own.extra), own.profile
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
@_ADDING
@_YES
def add(yes: bool, **asked: Any) -> None:
    """Add a SERVICE with its host names, or names to a known one; `none` as the service takes names out.

    A new service needs --name and --kind. The effect on the last week is shown first.

    \b
    Example:  schoolgate catalogue add ourspace ourspace.example --name OurSpace --kind forum --school school/
              schoolgate catalogue add none news.facebook.com --school school/
    """
    _apply(_adding(**asked), yes)


@command.command("override")
@_OVERRIDING
@_YES
def override(yes: bool, **asked: Any) -> None:
    """Change what is done with use of a known SERVICE, or its kind, name or status; the effect is shown first.

    \b
    Example:  schoolgate catalogue override youtube --action tag --school school/
    """
    _apply(_overriding(**asked), yes)


@command.group("preview")
def preview() -> None:
    """Show what a change would have made of the last week, and change nothing.

    \b
    Example:  schoolgate catalogue preview override youtube --action tag --school school/
              schoolgate catalogue preview file services-new.csv --school school/
    """


@preview.command("add")
@_ADDING
@_JSON
def preview_add(as_json: bool, **asked: Any) -> None:
    """What `schoolgate catalogue add` would do.

    \b
    Example:  schoolgate catalogue preview add ourspace ourspace.example --name OurSpace --kind forum --school school/
    """
    _preview(_adding(**asked), as_json)


@preview.command("override")
@_OVERRIDING
@_JSON
def preview_override(as_json: bool, **asked: Any) -> None:
    """What `schoolgate catalogue override` would do.

    \b
    Example:  schoolgate catalogue preview override youtube --action tag --school school/
    """
    _preview(_overriding(**asked), as_json)


@preview.command("file")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_SCHOOL
@_STORE
@_JSON
def preview_file(path: Path, folder: Path, store_path: Path | None, as_json: bool) -> None:
    """What the services file PATH in place of the school's own would do.

    \b
    Example:  schoolgate catalogue preview file services-new.csv --school school/
    """
    with failing_well():
        own = _own(folder)
        change = _Change(own, path.read_bytes(), store_path or own.store, f"file {path.name}")
    _preview(change, as_json)


@command.command("undo")
@_SCHOOL
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

        own = _own(folder, check=False)
        file = VersionedFile(own.path)
        if list_them:
            for version in file.history():
                click.echo(f"{version.number:4}  {version.at}  {version.did}")
            return
        left, now = file.undo(to)
        catalogue = load_catalogue(own.path if now.exists else None)
    click.echo(f"Taken back: {left.did} (version {left.number}). The catalogue is {catalogue.version} now.")


@command.command("changes")
@click.option(
    "--store", "store_path", required=True, type=click.Path(exists=True, path_type=Path), help="Folder of the store."
)
@click.option("--school", "school_id", help="School id, if the store holds several.")
@_JSON
def changes(store_path: Path, school_id: str | None, as_json: bool) -> None:
    """Show what new versions of the catalogue changed: the first day of each is judged by the version before, too.

    \b
    Example:  schoolgate catalogue changes --store store/
    """
    with failing_well():
        from dashboards.schools import find_school
        from pipeline import dualrun
        from pipeline.store import open_store

        with open_store(store_path) as store:
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


# ------------------------------------------------------------------------------------------------------ what is shared


@dataclass(frozen=True)
class _Own:
    """A school's own services: where they stand, `extra` as load_catalogue takes it, and what judges them."""

    path: Path
    extra: Path | None
    profile: Profile
    store: Path
    school: str


def _own(folder: Path, *, check: bool = True) -> _Own:
    """Raises ValueError (settings, profile; with `check` also the file as it is)."""
    from deploy.assembly import settings_path
    from deploy.settings import OWN_SERVICES, load_settings
    from pipeline.profile import load_profile
    from sensor.catalogue import load_catalogue

    file = settings_path(folder)
    settings = load_settings(file)
    path = settings.sensor.services or file.parent / OWN_SERVICES
    extra = path if path.is_file() else None
    if check:
        load_catalogue(extra)
    profile = load_profile(settings.school.policy_profile, file.parent)
    return _Own(path, extra, profile, settings.store.path, settings.school.id)


@dataclass(frozen=True)
class _Change:
    """A change that is asked for: the new content of the school's own file."""

    own: _Own
    content: bytes
    store: Path
    did: str

    def catalogues(self) -> tuple[Catalogue, Catalogue]:
        """Before and after; raises CatalogueError if the new one cannot be used."""
        from sensor.catalogue import load_catalogue

        return load_catalogue(self.own.extra), load_catalogue(self.own.path, self.content)

    def effects(self) -> tuple[tuple[Effect, ...], Week | None]:
        """What it would have made of the last week. Raises StoreError."""
        from pipeline.effect import effects, last_week
        from pipeline.store import open_store

        week = None
        if self.store.is_dir():
            with open_store(self.store) as store:
                week = last_week(store, self.own.school)
        return (effects(*self.catalogues(), self.own.profile, week) if week else ()), week


def _adding(
    service: str,
    domains: tuple[str, ...],
    folder: Path,
    name: str,
    kind: str | None,
    action: str | None,
    role: str,
    match: str,
    about: str,
    store_path: Path | None,
) -> _Change:
    with failing_well():
        from sensor.ownservices import with_rows

        own = _own(folder)
        words = {"name": name, "kind": kind or "", "action": action or "", "about": about}
        rows = [
            {"service": service, "domain": domain, "match": match, "role": role, **(words if not n else {})}
            for n, domain in enumerate(domains)
        ]
        content = with_rows(own.extra.read_bytes() if own.extra else None, rows, str(own.path))
        return _Change(own, content, store_path or own.store, shlex.join(["add", service, *domains]))


def _overriding(
    service: str,
    folder: Path,
    action: str | None,
    kind: str | None,
    name: str,
    status: str | None,
    about: str,
    store_path: Path | None,
) -> _Change:
    words = {"action": action or "", "kind": kind or "", "name": name, "status": status or "", "about": about}
    if not any(words.values()):
        raise click.UsageError("say what to change: --action, --kind, --name, --status or --about")
    with failing_well():
        from sensor.catalogue import load_catalogue
        from sensor.ownservices import with_service

        own = _own(folder)
        if service not in load_catalogue(own.extra).services:
            fail(f"there is no service {service!r}; list them with: schoolgate catalogue list, or add it")
        content = with_service(own.extra.read_bytes() if own.extra else None, service, words, str(own.path))
        said = " ".join(f"{key}={value}" for key, value in words.items() if value)
        return _Change(own, content, store_path or own.store, f"override {service} {said}")


def _preview(change: _Change, as_json: bool) -> None:
    with failing_well():
        from pipeline.effect import as_text

        before, after = change.catalogues()
        found, week = change.effects()
        if week is None:
            fail(f"{change.store}: there is nothing stored to try the change on; name the store with --store")
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


def _apply(change: _Change, yes: bool) -> None:
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
