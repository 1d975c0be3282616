"""Every sentence of the health checks, of the answers to "why?" and of the rules has its Welsh, names and all."""

from __future__ import annotations

import re
import string
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.alerts import PROBLEMS as ALERT_PROBLEMS
from dashboards.mail import PROBLEMS
from dashboards.recognised import TABLES, recognised
from pipeline.outcomes import STEPS, Rulebook, every_rule
from pipeline.profile import load_profile
from pipeline.telling import OUTCOME_WORDS
from pipeline.wiki.telling import cue_words, of_request
from pipeline.words import Reason
from tests.dashboards.sentences import ROOT, sentences, titles, yielded

CHECKS = (
    *("sensor/checks.py", "pipeline/privacy_health.py", "pipeline/sitechecks.py", "pipeline/store_health.py"),
    *("pipeline/feeds/status.py", "pipeline/alerts/health.py", "dashboards/report_health.py"),
    *("dashboards/grafana/health.py", "dashboards/doorchecks.py", "deploy/examining.py", "deploy/alerting.py"),
)
MARK = re.compile("\u27e8\\w+\u27e9")


def lacking(texts: list[str]) -> list[str]:
    """Those without a Welsh text, or with one that loses what is filled in."""
    found = []
    for text in texts:
        welsh = recognised("cy", text)
        if welsh is None or sorted(MARK.findall(welsh)) != sorted(MARK.findall(text)):
            found.append(f"{text} -> {welsh}")
    return found


def test_the_modules_with_checks_are_all_here() -> None:
    known = {
        str(path.relative_to(ROOT))
        for package in ("sensor", "pipeline", "dashboards", "deploy")
        for path in (ROOT / package).rglob("*.py")
        if "] = Registry()" in path.read_text("utf-8")
    }
    assert known
    assert known <= set(CHECKS)


@pytest.mark.parametrize("module", CHECKS)
def test_every_sentence_of_the_checks_has_its_welsh(module: str) -> None:
    assert sentences(module) or module == "deploy/alerting.py"
    assert not lacking([*titles(module), *sentences(module)])


@pytest.mark.parametrize("module", ["pipeline/why.py", "pipeline/whycells.py", "pipeline/telling.py"])
def test_every_sentence_of_an_answer_has_its_welsh(module: str) -> None:
    assert not lacking(yielded(module))


def left_in_english(english: str, welsh: str) -> list[str]:
    """Six words in a row that are still there; a filled-in list may be five."""
    words = english.split()
    rows = (" ".join(words[n : n + 6]) for n in range(len(words) - 5))
    return [row for row in rows if row in welsh]


def test_every_rule_and_step_has_its_welsh() -> None:
    book = Rulebook(load_profile("cwmbran"), 5)
    rules = [rule.sentence(book.limits()) for rule in every_rule()]
    assert len(rules) == 29
    assert not [rule for rule in rules if left_in_english(rule, recognised("cy", rule) or rule)]
    assert not [step.identity for step in STEPS if recognised("cy", step.identity) is None]


def test_reasons_outcomes_problems_and_cues_have_theirs() -> None:
    texts = [*(reason.sentence for reason in Reason), *OUTCOME_WORDS.values(), *PROBLEMS.values()]
    texts += [*ALERT_PROBLEMS.values(), *of_request(True), *of_request(False)]
    texts += [f"{side} it speaks that {cue}." for side in ("For", "Against") for cue in cue_words().values()]
    assert not [text for text in texts if recognised("cy", text) in (None, text)]


@pytest.mark.parametrize(
    ("english", "welsh"),
    [
        (
            "facebook (social_networking), Tuesday 17 November 2026, 09:10 to 09:15 (Europe/London): 5 active minutes "
            "outside the allowed times (automatic, unverified). The person was scheduled to work in this minute.",
            "facebook (social_networking), Dydd Mawrth 17 Tachwedd 2026, 09:10 i 09:15 (Europe/London): 5 munud "
            "gweithredol y tu allan i'r amserau a ganiateir (awtomatig, heb ei wirio). Roedd y person i fod i weithio "
            "yn y funud hon.",
        ),
        ("Timetable: teaching 4 minutes, break 1 minute; personal use was not allowed.",
         "Amserlen: addysgu 4 munud, egwyl 1 munud; ni chaniateid defnydd personol."),
        ("Alerts do not arrive. mail: it did not answer in time; a message was given up.",
         "Nid yw rhybuddion yn cyrraedd. mail: nid atebodd mewn pryd; rhoddwyd y gorau i neges."),
        ("The report of 2026-W47 waits after 2 attempts: the mail server did not answer in time.",
         "Mae adroddiad 2026-W47 yn aros ar ôl 2 ymgais: nid atebodd y gweinydd post mewn pryd."),
    ],
)  # fmt: skip
def test_what_is_filled_in_is_told_in_welsh_too(english: str, welsh: str) -> None:
    assert recognised("cy", english) == welsh
    assert recognised("en", english) == english


def test_a_sentence_that_nobody_knows_stays_english() -> None:
    assert recognised("cy", "The moon is full.") is None


@given(st.text(alphabet=string.printable, max_size=200))
def test_no_text_breaks_it(text: str) -> None:
    assert recognised("en", text) == text
    told = recognised("cy", text)
    assert told is None or isinstance(told, str)


def test_braces_in_a_name_are_no_gaps() -> None:
    assert recognised("cy", "There is no interface {0}{name}.") == "Nid oes rhyngwyneb {0}{name}."


def test_the_tables_say_that_a_speaker_has_to_read_them() -> None:
    for path in sorted((ROOT / "dashboards" / "welsh").glob("*.toml")):
        head = path.read_text("utf-8").split('\n"')[0]
        assert "speaker" in head, path.name
    assert all((ROOT / "dashboards" / "welsh" / name).exists() for name in TABLES)
    assert date(2026, 11, 17)
