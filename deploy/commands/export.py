"""`schoolgate export`: aggregates for spreadsheets and programs, with small numbers hidden."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from deploy.commands._say import fail, failing_well
from deploy.commands._store import ABOUT

_TABLES = "weeks days groups kinds services reasons coverage"
DAY = click.DateTime(["%Y-%m-%d"])


@click.command("export")
@click.option("--table", required=True, type=click.Choice(_TABLES.split()), help="What to write.")
@click.option("--from", "first", required=True, type=DAY, help="A day of the first week.")
@click.option("--to", "last", required=True, type=DAY, help="A day of the last week.")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="File: .csv or .parquet; - for CSV on stdout."
)
@click.option("--config", "path", type=click.Path(exists=True, path_type=Path), help="Settings file, or its folder.")
@click.option("--store", "store_path", type=click.Path(exists=True, path_type=Path), help=ABOUT)
@click.option("--school", "school", help="School id, if the store holds several.")
def command(
    table: str,
    first: datetime,
    last: datetime,
    out: Path,
    path: Path | None,
    store_path: Path | None,
    school: str | None,
) -> None:
    """Write aggregates of whole weeks as CSV or Parquet; never of persons or devices.

    Small numbers are hidden as in the weekly report, unless report.export of the settings is `exact`; without --config
    they always are. The column NAME_hidden says why a number is missing. With --config the audit trail notes it.

    \b
    Example:  schoolgate export --table days --from 2026-09-01 --to 2026-12-18 --config /etc/schoolgate --out days.csv
    """
    if path is None and store_path is None:
        raise click.UsageError("name the store or the settings: --store or --config")
    if last < first:
        raise click.UsageError("--to lies before --from")
    if str(out) != "-" and out.suffix not in (".csv", ".parquet"):
        raise click.UsageError("--out ends in .csv or .parquet, or is -")
    with failing_well():
        from dashboards.export import export
        from dashboards.schools import find_school
        from deploy.assembly import read_school
        from deploy.stores import reading

        files = read_school(path) if path else None
        exact = files is not None and files.settings.report.export == "exact"
        with reading(store_path, files.settings.store if files else None) as store:
            info = find_school(store, school or (files.settings.school.id if files else None))
            found = export(store, info, table, first.date(), last.date(), exact=exact)
        if files is not None:
            from deploy.changes import account
            from deploy.desk import trail_of

            told = {"table": table, "from": f"{first:%Y-%m-%d}", "to": f"{last:%Y-%m-%d}", "exact": exact}
            trail_of(files).add("export.written", {"account": account()}, details=told)
        if not found.columns:
            fail(f"the store has nothing of {first:%Y-%m-%d} to {last:%Y-%m-%d}; see: schoolgate report --list")
        if out.suffix == ".parquet":
            out.write_bytes(found.parquet())
        elif str(out) == "-":
            click.echo(found.csv(), nl=False)
            return
        else:
            out.write_text(found.csv(), "utf-8", newline="")
        rows = len(next(iter(found.columns.values())))
        click.echo(f"{rows} rows of {table}{'' if exact else ', small numbers hidden'}: {out}")
