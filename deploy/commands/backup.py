"""`schoolgate backup`: the store as files, while its owner works."""

from __future__ import annotations

from pathlib import Path

import click

from deploy.commands._say import failing_well
from deploy.commands._store import STORE_THERE


@click.command("backup")
@STORE_THERE
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the backups; else store.backups of the settings, or beside the store.",
)
@click.option("--keep", type=click.IntRange(1, 400), help="Keep so many there; else store.backups_keep, or 7.")
def command(store_path: Path, folder: Path | None, keep: int | None) -> None:
    """Back the store up as it is at one moment; `run` does it every night.

    The store's owner may be at work. A backup is a folder of Parquet files and a list with their checksums; rows that
    are too old leave kept backups too. It holds no school's files, no audit trail and no key of pseudonyms: copy those
    yourself. Restoring: schoolgate restore.

    \b
    Example:  schoolgate backup --store /etc/schoolgate/schoolgate.toml --to /mnt/nas/schoolgate
    """
    with failing_well():
        import time

        from deploy.stores import meant, of_school, reading
        from pipeline.backup import KEEP, back_up
        from pipeline.backup_age import thin_out

        settings = meant(store_path, None)
        where = folder or settings.backup_folder
        with reading(store_path) as store:
            made = back_up(
                store,
                where,
                of_school(store_path),
                keep=keep or settings.backups_keep or KEEP,
                reserve=settings.free_mib << 20,
            )
            made = thin_out(store, where, made, time.time())
    click.echo(f"{made.folder}: {made.rows} rows, {made.size / 1e6:.1f} MB")
