"""`schoolgate retention`: remove what is too old, and prove it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from deploy.commands._desk import JSON, SCHOOL, STORE, trail_of
from deploy.commands._say import fail, failing_well


@click.command("retention")
@SCHOOL
@STORE
@JSON
def command(folder: Path, store_path: Path | None, as_json: bool) -> None:
    """Remove what is older than the notice says; `run` does it by itself every hour.

    Ages are counted from today, so old captures that were replayed leave as well. Exit status 1: something is left.

    \b
    Example:  schoolgate retention --school school/
    """
    with failing_well():
        from deploy.assembly import read_school
        from deploy.stores import owning
        from pipeline.pseudonym import Pseudonyms
        from pipeline.retention import enforce

        files = read_school(folder)
        settings = files.settings
        keys = Pseudonyms(settings.school.pseudonym_keys) if settings.school.mode == "pseudonymous" else None
        with owning(store_path, settings.store, make=False) as store:
            outcome = enforce(
                store,
                files.school,
                settings.sensor.spool,
                trail_of(files),
                keys,
                alerts=settings.alerts.folder,
                backups=settings.store.backup_folder,
            )
    if as_json:
        click.echo(json.dumps([asdict(proof) for proof in outcome.proofs], indent=1))
    else:
        for proof in outcome.proofs:
            held = f", {proof.held} held for a contest" if proof.held else ""
            click.echo(f"{proof.what:16} {proof.keep_days:4} days: {proof.removed} removed{held}, {proof.left} left")
    if outcome.problems:
        fail("; ".join(outcome.problems))
