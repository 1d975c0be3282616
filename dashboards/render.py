"""Fills the templates of the pages and of the report. Everything is escaped; an undefined name is an error."""

from __future__ import annotations

import importlib.metadata
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from dashboards import words

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **values: object) -> str:
    """One template as text."""
    return _environment().get_template(template).render(**values)


@cache
def version() -> str:
    """The installed version of Schoolgate; 'source' when it runs from a checkout without being installed."""
    try:
        return importlib.metadata.version("schoolgate")
    except importlib.metadata.PackageNotFoundError:
        return "source"


@cache
def _environment() -> Environment:
    env = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters.update(minutes=words.minutes, long_day=words.long_day, short_day=words.short_day, number="{:,}".format)
    env.globals.update(looks=words.LOOKS, version=version())
    return env
