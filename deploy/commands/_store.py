"""The option of commands that are about a store and need no school."""

from __future__ import annotations

from pathlib import Path

import click

ABOUT = "Folder of the store, or a settings file whose [store] says where it is."
STORE_THERE = click.option(
    "--store", "store_path", required=True, type=click.Path(exists=True, path_type=Path), help=ABOUT
)
STORE_ANY = click.option("--store", "store_path", required=True, type=click.Path(path_type=Path), help=ABOUT)
