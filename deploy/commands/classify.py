"""`schoolgate classify`: every flow of capture files, named."""

from __future__ import annotations

import collections
import json
import sys
from pathlib import Path
from typing import Any

import click

from deploy.commands._say import failing_well


@click.command("classify")
@click.argument("captures", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--jsonl", "form", flag_value="jsonl", default="jsonl", help="One JSON object per flow (default).")
@click.option("--summary", "form", flag_value="summary", help="Flows and bytes per service.")
@click.option("--dns", is_flag=True, help="Print DNS answers instead of flows.")
@click.option(
    "--catalogue", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The school's own rows."
)
def command(captures: tuple[Path, ...], form: str, dns: bool, catalogue: Path | None) -> None:
    """Name every flow of CAPTURES (pcap, pcapng, or either in gzip).

    \b
    Example:  schoolgate classify lunch.pcapng --summary
              schoolgate classify lunch.pcapng | jq -r 'select(.service) | .name'

    Packets that cannot be read are counted on stderr. A file that is no capture is named and the rest go on; the exit
    status is then 2.
    """
    from sensor.capture import CaptureError
    from sensor.catalogue import load_catalogue
    from sensor.classify import classify_file

    with failing_well():
        rows = load_catalogue(catalogue)
    totals: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    failed = False
    for path in captures:
        try:
            report = classify_file(path, rows, dns_only=dns)
        except (CaptureError, OSError) as error:
            failed = True
            click.echo(f"schoolgate: {error}", err=True)
            continue
        if report.skipped:
            counts = ", ".join(f"{count} {reason}" for reason, count in report.skipped)
            click.echo(
                f"{path}: skipped {sum(c for _, c in report.skipped)} of {report.packets} packets: {counts}", err=True
            )
        if report.note:
            click.echo(f"{path}: {report.note}", err=True)
        if form == "summary" and not dns:
            for flow in report.flows:
                _add(totals, flow)
        else:
            sys.stdout.writelines(
                json.dumps(row, separators=(",", ":")) + "\n" for row in (report.answers if dns else report.flows)
            )
    if form == "summary" and not dns:
        _print_summary(totals)
    if failed:
        raise click.exceptions.Exit(2)


def _add(totals: dict[str, collections.Counter[str]], flow: dict[str, Any]) -> None:
    row = totals[flow["service"] or ("(other sites)" if flow["name"] else "(no name)")]
    row["flows"] += 1
    row["up"] += flow["bytes_up"]
    row["down"] += flow["bytes_down"]


def _print_summary(totals: dict[str, collections.Counter[str]]) -> None:
    click.echo(f"{'service':24} {'flows':>8} {'bytes up':>14} {'bytes down':>14}")
    for service, row in sorted(totals.items(), key=lambda item: -item[1]["down"]):
        click.echo(f"{service:24} {row['flows']:8} {row['up']:14} {row['down']:14}")
