"""Fills the templates of the pages, of the report and of mails. Everything is escaped, but in plain text (`.txt`); an
undefined name is an error.

`lang` among the values is the language of `t(...)` and of the filters for days, minutes and sentences that were decided
elsewhere (`tell`: dashboards.said; `recognise`: dashboards.recognised); without it, English.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from dashboards import language, said, words
from dashboards.recognised import recognised

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
        minutes=_in_language(language.minutes),
        long_day=_in_language(language.long_day),
        short_day=_in_language(language.short_day),
        number="{:,}".format,
        share=words.share,
        tell=_in_language(said.said),
        recognise=_recognise,
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
def _recognise(context: Context, sentence: str) -> str:
    """`{{ finding.sentence | recognise }}`: what was made below the pages, in the page's language where it is known."""
    found = recognised(_language(context), sentence)
    return Markup('<span lang="en">{}</span>').format(sentence) if found is None else found


def _in_language(words_of: Callable[[Any, language.Language], str]) -> Callable[[Context, Any], str]:
    """A filter of what is said of a value in the page's language."""

    @pass_context
    def told(context: Context, value: Any) -> str:
        return words_of(value, _language(context))

    return told
