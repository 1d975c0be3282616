"""`schoolgate serve`: the pages of a store that nobody owns."""

from __future__ import annotations

from pathlib import Path

import click

from deploy.commands._say import failing_well
from deploy.commands._store import ABOUT


@click.command("serve")
@click.option("--store", "store_path", type=click.Path(exists=True, path_type=Path), help=ABOUT)
@click.option(
    "--school",
    "school",
    type=click.Path(exists=True, path_type=Path),
    help="The school's folder: its accounts, alerts, register and settings; without it there are sums alone.",
)
@click.option("--host", help="Address to serve on; else pages.host, this machine alone.")
@click.option("--port", type=click.IntRange(0, 65535), help="TCP port; 0 picks one. Else pages.port.")
def command(store_path: Path | None, school: Path | None, host: str | None, port: int | None) -> None:
    """Serve the pages of a store that no other process has open.

    \b
    Example:  schoolgate serve --store store/
              schoolgate serve --school /etc/schoolgate
    """
    with failing_well():
        from dashboards.settings import PageSettings
        from deploy.assembly import settings_path
        from deploy.pages import app_of, open_accounts, refuse_unsafe, run_pages
        from deploy.settings import load_settings
        from deploy.stores import owning

        if school is None and store_path is None:
            raise click.UsageError("name a store (--store) or a school (--school)")
        settings = load_settings(settings_path(school)) if school else None
        pages = settings.pages if settings else PageSettings()
        chosen = {"host": host, "port": port}
        pages = pages.model_copy(update={name: value for name, value in chosen.items() if value is not None})
        accounts = open_accounts(pages) if settings else None
        refuse_unsafe(pages, accounts)
        with owning(store_path, settings.store if settings else None) as store:
            run_pages(app_of(store, pages, school, accounts), pages)
