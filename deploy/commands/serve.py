"""`schoolgate serve`: the pages of a store that nobody owns."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploy.commands._say import failing_well
from deploy.commands._store import ABOUT

if TYPE_CHECKING:
    from deploy.work import Work
    from pipeline.jobs import Jobs, Tell, Who
    from pipeline.store import Store


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
    """Serve the pages of a store that no other process has open. With --school, what other commands want changed in
    the store meanwhile (`retag`, `contest`, `retention`) is done here, too.

    \b
    Example:  schoolgate serve --store store/
              schoolgate serve --school /etc/schoolgate
    """
    with failing_well():
        from dashboards.settings import PageSettings
        from deploy.acts import finish
        from deploy.assembly import settings_path
        from deploy.jobs import doers
        from deploy.pages import app_of, open_accounts, refuse_unsafe, run_pages
        from deploy.settings import load_settings
        from deploy.stores import owning
        from pipeline.jobs import Jobs

        if school is None and store_path is None:
            raise click.UsageError("name a store (--store) or a school (--school)")
        settings = load_settings(settings_path(school)) if school else None
        pages = settings.pages if settings else PageSettings()
        chosen = {"host": host, "port": port}
        pages = pages.model_copy(update={name: value for name, value in chosen.items() if value is not None})
        accounts = open_accounts(pages) if settings else None
        refuse_unsafe(pages, accounts)
        jobs = Jobs() if school else None
        with owning(store_path, settings.store if settings else None, jobs=jobs) as store:
            if jobs and school and settings:
                if not settings.store.servers:  # there another process may just be at it
                    finish(store, settings.school)
                jobs.start(doers(school, _Bench(school, store, jobs)))
            try:
                run_pages(app_of(store, pages, school, accounts, jobs), pages)
            finally:
                if jobs:
                    jobs.stop()


class _Bench:
    """For jobs beside the pages: nothing else changes the store here."""

    def __init__(self, school: Path, store: Store, jobs: Jobs) -> None:
        self._school, self._store, self._jobs = school, store, jobs

    def take_up(self) -> None:
        """Files are read anew for each job."""

    def work(self, who: Who, tell: Tell) -> Work:
        from deploy.assembly import read_school
        from deploy.work import Work

        return Work(read_school(self._school), self._store, who, tell, stopping=self._jobs.stopping.is_set)

    def changed(self) -> None:
        """The pages ask the store anew."""
