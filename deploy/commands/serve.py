"""`schoolgate serve`: the pages of a store that nobody owns."""

from __future__ import annotations

from pathlib import Path

import click

from deploy.commands._say import failing_well
from deploy.commands._store import STORE_THERE


@click.command("serve")
@STORE_THERE
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to serve on.")
@click.option("--port", default=8350, show_default=True, type=click.IntRange(0, 65535), help="TCP port; 0 picks one.")
def command(store_path: Path, host: str, port: int) -> None:
    """Serve the pages of a store that no other process has open.

    \b
    Example:  schoolgate serve --store store/
    """
    with failing_well():
        from dashboards.settings import PageSettings
        from dashboards.web import make_app
        from deploy.pages import run_pages
        from deploy.stores import owning

        with owning(store_path) as store:
            run_pages(make_app(store, PageSettings(host=host, port=port or 1)), host, port)
