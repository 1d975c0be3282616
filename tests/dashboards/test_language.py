"""Two languages: every English text of the pages has its Welsh, with the same names to fill in."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from pathlib import Path

import pytest

from dashboards.frame import NAVIGATION, THEMES
from dashboards.language import long_day, minutes, say, short_day, translated, welsh

ROOT = Path(__file__).parents[2] / "dashboards"
_LITERAL = r"\"(?:[^\"\\\\]|\\\\.)*\"|'(?:[^'\\\\]|\\\\.)*'"
_TEMPLATE = re.compile(rf"\bt\(\s*({_LITERAL})")
_CODE = re.compile(rf"\bsay\((?:request|lang|self\.lang|language), ({_LITERAL})[,)]")


def texts() -> dict[str, str]:
    """Every text that is to be translated, and where it stands."""
    found = {entry.label: "NAVIGATION" for entry in NAVIGATION} | dict.fromkeys(THEMES.values(), "THEMES")
    for path, pattern in (
        *((p, _TEMPLATE) for p in sorted((ROOT / "templates").glob("*.html"))),
        *((p, _CODE) for p in sorted(ROOT.rglob("*.py"))),
    ):
        for literal in pattern.findall(path.read_text("utf-8")):
            found.setdefault(re.sub(r"\\(.)", r"\1", literal[1:-1]), path.name)
    return found


def test_every_text_has_its_welsh() -> None:
    missing = {text: where for text, where in texts().items() if text not in welsh()}
    assert not missing


def test_both_sides_are_filled_in_with_the_same_names() -> None:
    names = re.compile(r"{(\w+)}")
    for english, cymraeg in welsh().items():
        assert set(names.findall(english)) == set(names.findall(cymraeg)), english


def test_tables_agree_where_they_have_the_same_text() -> None:
    known: dict[str, str] = {}
    for path in sorted((ROOT / "welsh").glob("*.toml")):
        for english, cymraeg in tomllib.loads(path.read_text("utf-8")).items():
            assert known.setdefault(english, cymraeg) == cymraeg, f"{path.name}: {english}"


def test_a_text_without_welsh_is_shown_in_english() -> None:
    assert translated("cy", "Nobody wrote this down") == "Nobody wrote this down"
    assert say("en", "since {day}", day="Monday") == "since Monday"


@pytest.mark.parametrize(
    ("day", "english", "cymraeg"),
    [
        (date(2026, 11, 17), "Tue 17 Nov", "Maw 17 Tach"),
        (date(2026, 3, 1), "Sun 1 Mar", "Sul 1 Maw"),
        (date(2026, 7, 3), "Fri 3 Jul", "Gwe 3 Gorff"),
        (date(2026, 8, 6), "Thu 6 Aug", "Iau 6 Awst"),
    ],
)
def test_days_in_both_languages(day: date, english: str, cymraeg: str) -> None:
    assert (short_day(day), short_day(day, "cy")) == (english, cymraeg)


def test_long_days_and_minutes_in_welsh() -> None:
    assert long_day(date(2026, 11, 17), "cy") == "Dydd Mawrth 17 Tachwedd 2026"
    assert (minutes(1, "cy"), minutes(1204, "cy")) == ("1 munud", "1,204 munud")
