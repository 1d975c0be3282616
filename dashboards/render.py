"""Fills the templates of the pages, of the report and of mails. Everything is escaped, but in plain text (`.txt`); an
undefined name is an error.

`lang` among the values is the language of `t(...)` and of the filters for days and minutes; without it, English.
"""

from __future__ import annotations

import importlib.metadata
from datetime import date
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from dashboards import language, said, words

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **values: object) -> str:
    """One template as text."""
    return _environment(template.endswith(".html")).get_template(template).render(**values)


@cache
def version() -> str:
    """The installed version of Schoolgate; 'source' when it runs from a checkout without being installed."""
    try:
        return importlib.metadata.version("schoolgate")
    except importlib.metadata.PackageNotFoundError:
        return "source"


@cache
def _environment(markup: bool) -> Environment:
    env = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=markup,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters.update(
        minutes=_minutes,
        long_day=_long_day,
        short_day=_short_day,
        number="{:,}".format,
        share=words.share,
        tell=_tell,
    )
    env.globals.update(looks=words.LOOKS, version=version(), t=_translated)
    return env


def _language(context: Context) -> language.Language:
    return "cy" if context.get("lang") == "cy" else "en"


@pass_context
def _translated(context: Context, text: str, **values: object) -> str:
    """`{{ t("since {day}", day=...) }}`: the text in the page's language; what is filled in is escaped."""
    found = language.translated(_language(context), text)
    return Markup(escape(found)).format(**values) if context.eval_ctx.autoescape else found.format(**values)


@pass_context
def _tell(context: Context, value: object) -> str:
    """`{{ sentence | tell }}`: what was decided elsewhere (dashboards.said), in the page's language."""
    return said.said(value, _language(context))


@pass_context
def _minutes(context: Context, count: int) -> str:
    return language.minutes(count, _language(context))


@pass_context
def _long_day(context: Context, day: date) -> str:
    return language.long_day(day, _language(context))


@pass_context
def _short_day(context: Context, day: date) -> str:
    return language.short_day(day, _language(context))
