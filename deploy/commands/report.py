"""`schoolgate report`: the weekly report as one HTML file."""

from __future__ import annotations

from pathlib import Path

import click

from deploy.commands._say import failing_well
from deploy.commands._store import STORE_THERE


@click.command("report")
@click.option("--week", required=True, metavar="YYYY-Www", help="ISO week, as 2026-W47.")
@STORE_THERE
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="HTML file to write; - for standard output."
)
@click.option("--school", "school", help="School id, if the store holds several.")
@click.option("--contact", default="", help="Whom to ask or complain to, for the footer.")
def command(week: str, store_path: Path, out: Path, school: str | None, contact: str) -> None:
    """Write the weekly report of a school.

    \b
    Example:  schoolgate report --week 2026-W47 --store store/ --out report.html
    """
    with failing_well():
        from dashboards.report import render_report
        from deploy.stores import reading

        with reading(store_path) as store:
            html = render_report(store, school, week, contact)
        if str(out) == "-":
            click.echo(html)
            return
        out.write_text(html, "utf-8")
        click.echo(f"Report of week {week}: {out}")
