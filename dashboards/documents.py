"""The documents that go with monitoring, as text: notice and banner (English and Welsh), impact assessment, record.

Each is a template filled with `pipeline.notice.Facts` and nothing else; it ends with the version of these facts.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache
from typing import Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from dashboards.render import TEMPLATES
from pipeline.notice import Facts

Language = Literal["en", "cy"]
_MONTHS_CY = (
    *("Ionawr", "Chwefror", "Mawrth", "Ebrill", "Mai", "Mehefin"),
    *("Gorffennaf", "Awst", "Medi", "Hydref", "Tachwedd", "Rhagfyr"),
)


def notice(facts: Facts, language: Language) -> str:
    """The notice to everybody who may use the network."""
    return _fill(f"notice.{language}.txt", facts)


def banner(facts: Facts) -> str:
    """The text for log-on screens, the Wi-Fi portal and signs, in both languages."""
    return _fill("banner.txt", facts)


def assessment(facts: Facts, today: date) -> str:
    """The draft of a data protection impact assessment."""
    return _fill("dpia.md", facts, review=today + timedelta(days=365))


def record_of_processing(facts: Facts) -> str:
    """The entry for the record of processing activities (UK GDPR, Article 30)."""
    return _fill("record.md", facts)


def _fill(template: str, facts: Facts, **more: object) -> str:
    return _environment().get_template(template).render(f=facts, **more)


def _cy_date(text: str) -> str:
    day = date.fromisoformat(text)
    return f"{day.day} {_MONTHS_CY[day.month - 1]} {day.year}"


def _en_date(text: str) -> str:
    from dashboards.words import long_day

    return long_day(date.fromisoformat(text)).partition(" ")[2]


@cache
def _environment() -> Environment:
    env = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=False,  # plain text
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    env.filters.update(en_date=_en_date, cy_date=_cy_date)
    return env
