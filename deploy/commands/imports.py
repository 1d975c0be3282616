"""`schoolgate import`: a school's exports into its files, as versions that can be looked at, applied and taken back."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deploy.commands._say import failing_well

if TYPE_CHECKING:
    from pipeline.imports.read import Import
    from pipeline.imports.versions import Version, Versions
    from pipeline.settings import SchoolSettings

_DAY = click.DateTime(["%Y-%m-%d"])


class _Imports(click.Group):
    """`import FILE...` is `import files FILE...`, and its options are told with the commands."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        files = self.commands["files"]
        shown = [record for option in files.get_params(ctx) if (record := option.get_help_record(ctx))]
        with formatter.section("Options of FILE..."):
            formatter.write_dl(shown)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, "-h", "--help"}:
            args = ["files", *args]
        return super().parse_args(ctx, args)


def _school_option(function: Callable[..., None]) -> Callable[..., None]:
    return click.option(
        "--school",
        "folder",
        default=".",
        show_default="here",
        type=click.Path(exists=True, path_type=Path),
        help="The school's folder.",
    )(function)


@click.group("import", cls=_Imports, subcommand_metavar="FILE... | COMMAND")
def command() -> None:
    """Import FILEs that a school's programs export: CSV of any table, Untis (GPU001.TXT and others), FET, iCalendar.

    An import is read whole, checked against everything else, and shown as a difference. It then waits: `apply` puts it
    in force at once or not at all, `rollback` restores the former files byte for byte.

    \b
    Example:  schoolgate import staff.csv --school school/ --dry-run
              schoolgate import GPU001.TXT GPU002.TXT GPU009.TXT time.txt --school school/ --to 2027-07-20
              schoolgate import apply --school school/
              schoolgate import list --school school/
              schoolgate import rollback --school school/
    """


@command.command("files")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_school_option
@click.option("--as", "kind", metavar="KIND", default="", help="What the files are, if names and headers do not tell.")
@click.option("--dry-run", is_flag=True, help="Only show what would change; keep nothing.")
@click.option("--apply", "at_once", is_flag=True, help="Apply at once.")
@click.option(
    "--map", "entries", multiple=True, metavar="OURS=THEIRS",
    help="Our column and the export's name of it, or WHAT:THEIRS=OURS with WHAT person, slot, day, week, subject or "
    "kind; remembered for the source.",
)  # fmt: skip
@click.option("--source", default="", help="Name under which this is remembered; default: of the file, without dates.")
@click.option("--from", "first", type=_DAY, help="First day of validity, and of repeated events that are followed.")
@click.option("--to", "last", type=_DAY, help="Last day.")
@click.option("--week", type=click.Choice(["A", "B", "*"]), help="The week that a one-week export is of.")
@click.option("--person", default="", help="Staff id whose calendar it is, or * for everybody.")
@click.option("--add-staff", is_flag=True, help="Add people who are not in staff.csv, as teachers.")
@click.option("--keep", is_flag=True, help="Add to the tables; replace only what the same source said before.")
@click.option("--fewer", is_flag=True, help="It is right that a table loses more than a third of its rows.")
def files_command(files: tuple[Path, ...], folder: Path, dry_run: bool, at_once: bool, **words: Any) -> None:
    """Read export FILEs, show what would change, and keep that as an import that waits for `import apply`.

    \b
    Example:  schoolgate import "Staff export.csv" --as staff --map staff_id="Staff Code" --school school/
              schoolgate import IBDP_timetable.csv --add-staff --school school/ --dry-run
              schoolgate import duties.ics --person T01 --school school/ --apply
    """
    with failing_well():
        from pipeline.imports.read import KINDS, Asked, read_import
        from pipeline.imports.said import MapRefused, parse_entries
        from pipeline.imports.tables import ImportRefused
        from pipeline.imports.text import read_file
        from pipeline.rows import Week

        if words["kind"] and words["kind"] not in KINDS:
            raise click.UsageError(f"--as {words['kind']!r} is unknown; use one of {', '.join(KINDS)}")
        try:
            entries = parse_entries(words["entries"])
        except MapRefused as error:
            raise click.UsageError(str(error)) from None
        asked = Asked(
            words["kind"],
            words["source"],
            entries,
            _date(words["first"]),
            _date(words["last"]),
            Week(words["week"].lower()) if words["week"] else None,
            words["person"],
            words["add_staff"],
            words["fewer"],
            words["keep"],
        )
        if len({path.name for path in files}) < len(files):
            raise ImportRefused(files[0].name, 1, "two files have the same name", "import them one at a time")
        data = {path.name: read_file(path) for path in files}
        settings, versions = _open(folder)
        present = versions.present()
        found = read_import(data, present, settings, versions.maps(), asked)
        _finish(found, data, present, settings, versions, folder, dry_run, at_once)


@command.command("bank-holidays")
@_school_option
@click.option("--from", "first", type=_DAY, required=True, help="First day.")
@click.option("--to", "last", type=_DAY, required=True, help="Last day.")
@click.option("--region", type=click.Choice(["WLS", "ENG", "SCT", "NIR"]), default="WLS", show_default=True)
@click.option("--dry-run", is_flag=True, help="Only show what would change; keep nothing.")
@click.option("--apply", "at_once", is_flag=True, help="Apply at once.")
def bank_holidays_command(
    folder: Path, first: datetime, last: datetime, region: str, dry_run: bool, at_once: bool
) -> None:
    """Import the bank holidays of Wales, or of another part of the United Kingdom, into calendar.csv.

    \b
    Example:  schoolgate import bank-holidays --from 2026-09-01 --to 2027-08-31 --school school/
    """
    with failing_well():
        from pipeline.imports.dates import bank_holidays
        from pipeline.imports.read import finish

        settings, versions = _open(folder)
        present = versions.present()
        found = finish(bank_holidays(first.date(), last.date(), region), present, settings, versions.maps())
        _finish(found, {}, present, settings, versions, folder, dry_run, at_once)


@command.command("apply")
@click.argument("id_", metavar="[ID]", required=False)
@_school_option
def apply_command(id_: str | None, folder: Path) -> None:
    """Put an import that waits in force: the newest, or the one with this ID.

    \b
    Example:  schoolgate import apply --school school/
    """
    with failing_well():
        settings, versions = _open(folder)
        _applied(versions.apply(id_, _who()), versions, settings, folder)


@command.command("list")
@_school_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_command(folder: Path, as_json: bool) -> None:
    """List the imports: what, when, who, and the timetable version that each led to.

    \b
    Example:  schoolgate import list --school school/
    """
    with failing_well():
        import json
        from dataclasses import asdict

        from deploy.import_text import record_lines

        _, versions = _open(folder)
        listed = versions.all()
    if as_json:
        click.echo(json.dumps([asdict(version) for version in listed], indent=1, ensure_ascii=False))
        return
    if not listed:
        click.echo(f"No imports yet. First: schoolgate import FILE... --school {folder}")
    for version in listed:
        click.echo("\n".join(record_lines(version)))


@command.command("rollback")
@click.argument("id_", metavar="[ID]", required=False)
@_school_option
@click.option("--force", is_flag=True, help="Also lose what was changed by hand since.")
def rollback_command(id_: str | None, folder: Path, force: bool) -> None:
    """Restore the files as they were before the last import in force, or before import ID and all after it.

    \b
    Example:  schoolgate import rollback --school school/
    """
    with failing_well():
        settings, versions = _open(folder)
        done = versions.rollback(id_, _who(), force)
        click.echo(f"taken back: {', '.join(done.undoes)}; restored: {', '.join(sorted(done.tables))}")
        _tell_retag(done, versions, settings, folder)


# --- what they share


def _open(folder: Path) -> tuple[SchoolSettings, Versions]:
    from deploy.assembly import settings_path
    from deploy.settings import load_settings
    from pipeline.imports.versions import Versions
    from pipeline.school import table_paths

    path = settings_path(folder)
    settings = load_settings(path)
    return settings.school, Versions(path.parent, table_paths(path.parent, settings.feeds))


def _finish(
    found: Import,
    files: dict[str, bytes],
    present: dict[str, bytes],
    settings: SchoolSettings,
    versions: Versions,
    folder: Path,
    dry_run: bool,
    at_once: bool,
) -> None:
    """Shows an import, and keeps or applies it."""
    from deploy.import_text import shown_lines
    from pipeline.imports.proposal import changes_of, record_of

    changes = changes_of(found, present)
    for line in shown_lines(found, changes, present, settings):
        click.echo(line)
    if dry_run:
        click.echo("This was a dry run: nothing is kept.")
        return
    record = record_of(found, changes, _who())
    version = versions.add(files, found.merged.files, found.maps, record)
    if at_once:
        _applied(versions.apply(version.id, _who()), versions, settings, folder)
    else:
        click.echo(f"Import {version.id} waits; nothing has changed yet.")
        click.echo(f"To put it in force: schoolgate import apply {version.id} --school {folder}")


def _applied(version: Version, versions: Versions, settings: SchoolSettings, folder: Path) -> None:
    click.echo(f"Import {version.id} is in force: {', '.join(sorted(version.tables))}.")
    _tell_retag(version, versions, settings, folder)
    click.echo(f"To take it back: schoolgate import rollback {version.id} --school {folder}")


def _tell_retag(version: Version, versions: Versions, settings: SchoolSettings, folder: Path) -> None:
    from deploy.import_text import retag_lines

    for line in retag_lines(version, versions, settings, folder):
        click.echo(line)


def _date(moment: datetime | None) -> date | None:
    return moment.date() if moment else None


def _who() -> str:
    return os.environ.get("SUDO_USER") or getpass.getuser()
