"""`schoolgate retention`: remove what is too old, and prove it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import click

from deploy.commands._desk import JSON, SCHOOL, STORE
from deploy.commands._say import fail, failing_well, note


@click.command("retention")
@SCHOOL
@STORE
@JSON
def command(folder: Path, store_path: Path | None, as_json: bool) -> None:
    """Remove what is older than the notice says; `run` does it by itself every hour.

    Ages are counted from today, so old captures that were replayed leave as well. Exit status 1: something is left.
    The process that has the store does it, if there is one.

    \b
    Example:  schoolgate retention --school school/
    """
    with failing_well():
        from deploy.acts import RETENTION
        from deploy.jobs import have_done

        done = cast(dict[str, list[Any]], have_done(folder, store_path, RETENTION, {}, note))
    if as_json:
        click.echo(json.dumps(done["proofs"], indent=1))
    else:
        for proof in done["proofs"]:
            held = f", {proof['held']} held for a contest" if proof["held"] else ""
            went = f"{proof['removed']} removed{held}, {proof['left']} left"
            click.echo(f"{proof['what']:16} {proof['keep_days']:4} days: {went}")
    if done["problems"]:
        fail("; ".join(done["problems"]))
