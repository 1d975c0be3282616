"""`schoolgate restore`: a backup into an empty store."""

from __future__ import annotations

from pathlib import Path

import click

from deploy.commands._say import fail, failing_well
from deploy.commands._store import ABOUT


@click.command("restore")
@click.argument("folder", metavar="BACKUP", type=click.Path(path_type=Path))
@click.option("--store", "store_path", type=click.Path(path_type=Path), help=ABOUT)
@click.option("--check", is_flag=True, help="Only read all files of the backup and compare their checksums.")
def command(folder: Path, store_path: Path | None, check: bool) -> None:
    """Restore a backup into a store that holds nothing, or check one.

    Wholly or not at all. Rows that must not be kept any longer stay behind. What was decided after the backup
    (contests, corrections) must be decided again: the audit trail says what. A store on ClickHouse
    servers is named by a settings file; a backup of the one kind can be restored into the other.

    \b
    Example:  schoolgate restore backups/20261117T020004Z --store store/
              schoolgate restore backups/20261117T020004Z --check
    """
    with failing_well():
        import time

        from deploy.stores import meant, owning
        from pipeline import restore
        from pipeline.backup_files import kept, read
        from pipeline.store import StoreBusy

        if not (folder / "backup.json").exists() and (inside := kept(folder)):
            fail(f"{folder}: this is a folder of backups; name one of them, as {inside[-1]}")
        backup = read(folder)
        if check:
            restore.check(backup)
            click.echo(f"{folder}: {len(backup.pieces)} files with {backup.rows} rows, all as they were written")
            return
        if store_path is None:
            raise click.UsageError("--store is needed: where the backup goes")
        settings = meant(store_path, None)
        if settings.servers:
            restore.check(backup)
            with owning(store_path) as store:
                done = restore.restore_server(backup, store, str(store_path), time.time())
        else:
            try:
                done = restore.restore_folder(backup, settings.path, time.time())
            except StoreBusy as busy:
                fail(
                    f"{busy.held}, and a backup goes into an empty one only. Stop "
                    "Schoolgate (systemctl stop schoolgate), move the folder away, restore, start it again; or restore "
                    "into a new folder and look at that (schoolgate serve --store NEW --port 8351)",
                    3,
                )
    old = f"; {done.too_old} rows were too old and stayed behind" if done.too_old else ""
    closed = f"; {done.closed} windows that were half stored are closed" if done.closed else ""
    click.echo(f"{store_path}: {sum(done.rows.values())} rows restored{old}{closed}")
