"""`schoolgate subject-access`: all that is kept about one person."""

from __future__ import annotations

import json
from pathlib import Path

import click

from deploy.commands._desk import AS, SCHOOL, STORE, desk_of, put_out


@click.command("subject-access")
@click.argument("staff")
@SCHOOL
@AS
@STORE
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for STAFF.json and STAFF.html.")
def command(staff: str, folder: Path, named: str, store_path: Path | None, out: Path) -> None:
    """Write all that is kept about STAFF (a staff id): episodes, evidence, contests, who looked; nothing of others.

    \b
    Example:  schoolgate subject-access T03 --school school/ --as "staff/Nia Pugh" --out export/
    """
    with desk_of(folder, named, "subject.export", store_path, with_store=True) as desk:
        from dashboards.subject import render_subject
        from pipeline.subject import subject_access

        data = subject_access(desk, staff)
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
        put_out(json.dumps(data, indent=1, ensure_ascii=False), out / f"{staff}.json", "For machines")
        put_out(render_subject(data), out / f"{staff}.html", "To read")
