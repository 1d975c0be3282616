"""Edits of wikis: what is told, when, in which words; and that reading is not told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.profile import ProfileError, load_profile, parse_profile
from pipeline.wiki.alarm import Certainty, EditAlarm, Thresholds
from pipeline.wiki.calibrate import CalibrationError, Edit, read_edits, sizes_of, toml
from pipeline.wiki.constants import ConstantsError, Rates, read, shipped
from pipeline.wiki.cues import Shape
from pipeline.wiki.detector import Detector
from pipeline.wiki.exchange import Habits, exchanges
from pipeline.wiki.flights import Record
from pipeline.wiki.odds import odds_of
from pipeline.wiki.telling import cue_words
from pipeline.wiki.trial import Save, Session, TrialError, poisson_lower, poisson_upper, read_sessions, score, wilson
from pipeline.wiki.unit import HostCue, Request, Unit
from tests import wiki_wire as wire

THRESHOLDS = Thresholds(0.4, 0.6)


def told(*units: Unit, cues: tuple[HostCue, ...] = (), requests: tuple[Request, ...] = ()) -> list[EditAlarm]:
    detector = Detector(shipped(), THRESHOLDS)
    return detector.feed(units, cues, requests) + detector.finish()


@pytest.mark.parametrize(
    ("records", "rule"),
    [
        (wire.form(0), "form"),
        (wire.form(0, body=960, answer=1320, gap=0.06), "form"),
        (wire.form(0, body=120_000), "form"),
        (wire.form(0, answer=1250), "form"),
        (wire.visual(0), "visual"),
        (wire.reply(0), "reply"),
        (wire.program(0), "bare"),
    ],
)
def test_a_save_is_likely_and_told_once(records: list[Record], rule: str) -> None:
    (alarm,) = told(wire.unit(records))
    assert (alarm.certainty, alarm.rule, alarm.wiki) == (Certainty.LIKELY, rule, "en.wikipedia.org")
    assert 0.6 <= alarm.probability < 1


@pytest.mark.parametrize(
    "records",
    [
        wire.reading(),
        wire.beacon(0),
        wire.beacon(0) + wire.reading(0.3),
        wire.log_in(0),
        wire.stash(0),
        wire.form(0, body=820, answer=1195),  # preferences
    ],
)
def test_reading_logging_in_and_typing_are_not_told(records: list[Record]) -> None:
    assert told(wire.unit(sorted(records))) == []


def test_a_beacon_in_one_flight_with_the_save_does_not_hide_it() -> None:
    sent = [(0.0, 62), (0.0, 1529), (0.001, 3493)] + [(t + 0.002, s) for t, s in wire.form(0)]
    (alarm,) = told(wire.unit([*sent[:5], (0.036, -39), (0.04, -170), *sent[6:]]))
    assert alarm.rule == Shape.FORM


def test_an_event_whose_long_answer_comes_before_a_page_is_not_told() -> None:
    turn = [(0.2, -1330), (0.212, 190), (0.412, -9300), (0.95, -1347)]
    assert told(wire.unit(wire.form(0)[:3] + turn)), "an upload with such an answer is a save"
    assert told(wire.unit(wire.event(0, answer=1330, wait=0.2)[:4] + turn)) == []


def test_events_are_no_text_that_visual_editor_stored() -> None:
    saved = [(3.0, 106), (3.001, 2062), (3.032, -26), (3.5, -8067)]
    assert told(wire.unit(wire.visual(0)[:5] + saved)), "a text that was stored, and the save"
    assert told(wire.unit(wire.event(0, 8000) + saved)) == []


def test_a_short_event_is_known_by_the_answer_that_others_got() -> None:
    short = [(4.0, 67), (4.0, 1330), (4.031, -26)]
    turn = [(4.034, -1193), (4.07, 365), (4.3, -16384), (4.34, 378)]
    assert told(wire.unit(wire.form(0)[:0] + short + turn))
    earlier = wire.event(0, answer=1193)
    assert told(wire.unit(earlier + short + turn)) == []


def test_a_save_beside_events_is_told_once() -> None:
    records = wire.event(-2.0) + wire.form(0) + wire.event(0.6) + wire.event(2.0)
    (alarm,) = told(wire.unit(sorted(records)))
    assert (alarm.rule, alarm.certainty) == (Shape.FORM, Certainty.LIKELY)


def test_text_kept_at_the_moment_of_saving_does_not_hide_the_save() -> None:
    kept = [record for n in range(4) for record in wire.stash(-20.0 + 4 * n)]
    beside = [(0.1, 62), (0.101, 313), (0.132, -26), (0.22, -928)]
    units = [wire.unit(kept, opened=wire.OPENED), wire.unit(sorted(wire.form(0) + beside), number=2)]
    (alarm,) = told(*units)
    assert (alarm.rule, alarm.certainty) == (Shape.FORM, Certainty.LIKELY)


def test_requests_with_large_cookies_are_requests_on_a_connection_known_to_be_http_2() -> None:
    pages = sorted([(2.0 * n, 900 + 20 * n) for n in range(6)] + [(2.0 * n + 0.6, -7000) for n in range(6)])
    habits = Habits()
    assert exchanges([(-1.0, 13), *pages], wire.RTT, 900, habits) == []
    assert exchanges(pages, wire.RTT, 900, habits) == []
    assert len(exchanges(pages, wire.RTT, 900, Habits())) == 6, "in HTTP/1.1 they may be forms"


def test_a_log_in_after_an_event_is_not_the_event_s_answer_though_the_handshake_was_slow() -> None:
    near = [(t, s) for t, s in wire.event(-3.0, wait=0.009) if s != -26]
    event = [(0.0, 67), (0.0, 933), (0.009, -26), (0.009, -584)]
    log_in = [(0.17, 126), (0.17, 218), (0.18, -26), (0.684, -1430), (0.687, 241), (0.892, -16285)]
    assert told(wire.unit([*near, *event, *log_in])) == []
    (alarm,) = told(wire.unit([*event[:2], *log_in[3:]]))
    assert alarm.rule == Shape.FORM, "alone it is a short form that was saved"


def test_a_slow_save_is_told_as_soon_as_its_page_is_known() -> None:
    slow = [(t if t < 0.2 else t + 13.0, s) for t, s in wire.form(0)]
    (alarm,) = told(wire.unit(slow))
    assert (alarm.certainty, alarm.known - alarm.time) == (Certainty.LIKELY, pytest.approx(13.46, abs=0.02))


def test_a_form_on_commons_is_told_only_if_other_hosts_speak_for_an_edit() -> None:
    unit = wire.unit(wire.form(0), wiki="commons.wikimedia.org")
    assert told(unit) == [], "most are uploads of files"
    cues = tuple(HostCue(wire.OPENED + at, wire.CLIENT, cue) for at, cue in ((-60, "hcaptcha"), (0.3, "auth")))
    (alarm,) = told(unit, cues=cues)
    assert any(text.startswith("Against") and "uploads of files" in text for text in alarm.why)


def test_a_log_in_with_huge_cookies_is_not_told() -> None:
    records = [(0.0, 2897), (0.001, 212), (0.032, -26), (0.3, -1612), (0.31, 2789), (0.5, -7472), (0.7, 2850)]
    assert told(wire.unit([(-2.0, 2860), (-1.9, -16384), *records], usual=2850)) == []


def test_likely_is_told_with_the_record_that_decides_and_possible_only_after_a_pause() -> None:
    detector = Detector(shipped(), Thresholds(0.4, 0.6))
    records = wire.form(0)
    early = detector.feed([wire.unit(records, known=0.3, final=False)])
    page = next(t for t, s in records if s == -9300)
    (alarm,) = detector.feed([wire.unit(records, known=page + 0.01, final=False)])
    assert early == []
    assert alarm.known == pytest.approx(wire.OPENED + page)
    assert detector.feed([wire.unit(records)]) == []

    patient = Detector(shipped(), Thresholds(0.4, 0.9999))
    assert patient.feed([wire.unit(records, known=page + 0.01, final=False)]) == []
    assert patient.advance(wire.OPENED + page + 2) == []
    (alarm,) = patient.advance(wire.OPENED + page + 4)
    assert alarm.certainty is Certainty.POSSIBLE


def test_the_text_sent_ahead_is_not_a_second_alarm() -> None:
    (alarm,) = told(wire.unit(wire.stash(0)[:4] + wire.form(1.5)))
    assert alarm.time == pytest.approx(wire.OPENED + 1.501)


def test_two_units_that_show_the_same_save_give_one_alarm() -> None:
    records = wire.form(2.0)
    later = [(t - 2.0, s) for t, s in records]
    assert len(told(wire.unit(records), wire.unit(later, opened=wire.OPENED + 2, number=2))) == 1


def test_hosts_of_the_edit_form_lift_the_probability() -> None:
    records = wire.form(0, gap=0.13)
    (plain,) = told(wire.unit(records))
    before = HostCue(wire.OPENED - 60, wire.CLIENT, "hcaptcha")
    after = HostCue(wire.OPENED + 0.3, wire.CLIENT, "auth")
    (lifted,) = told(wire.unit(records), cues=(before, after))
    assert lifted.probability > plain.probability
    assert any("test for people" in sentence for sentence in lifted.why)


def test_nothing_is_edited_on_hosts_for_logging_in() -> None:
    assert told(wire.unit(wire.form(0), wiki="auth.wikimedia.org")) == []


def test_only_a_form_that_was_read_and_redirected_is_confirmed() -> None:
    def request(status: int, edit: bool = True) -> Request:
        return Request(1.0, 1.2, wire.CLIENT, "pupil", "wiki", "wiki.example.org", edit, status)

    (saved,) = told(requests=(request(302),))
    (unknown,) = told(requests=(request(200),))
    assert (saved.certainty, saved.probability) == (Certainty.CONFIRMED, 1.0)
    assert unknown.certainty is Certainty.POSSIBLE
    assert told(requests=(request(302, edit=False),)) == []


def test_an_alarm_says_what_it_saw_what_it_cannot_know_and_how_often_it_is_wrong() -> None:
    (alarm,) = told(wire.unit(wire.form(0)))
    seen, text = " ".join(alarm.why), " ".join(alarm.always)
    assert "5,600 bytes" in seen
    assert "1,330 bytes" in seen
    assert "It cannot be seen from outside which page it was" in text
    assert "About 1 of 1,000 page views is an edit" in text
    assert "at worst" in text
    assert "never as proof" in text
    assert "4 November 2025" in text
    assert "10.1.2.3" not in seen + text + repr(alarm)


def test_another_wiki_has_its_own_sizes_and_words() -> None:
    (alarm,) = told(wire.unit(wire.form(0, answer=720), wiki="fandom.com"))
    assert "temporary account" not in " ".join(alarm.always)
    assert told(wire.unit(wire.form(0, answer=300))) == []


def test_the_chance_of_being_wrong_is_never_zero_and_of_this_certainty_alone() -> None:
    rates = {"likely": Rates(90, 100, 0, 5000), "possible": Rates(95, 100, 10, 5000)}
    odds = odds_of(replace(shipped(), rates=rates))
    assert 0 < odds["likely"].wrong < odds["likely"].worst < odds["possible"].wrong < odds["possible"].worst < 1
    assert (odds["possible"].found, odds["possible"].false_per_10k) == (pytest.approx(0.05), 20)
    assert odds["likely"].wrong == pytest.approx(1.0 / (1.0 + 9.0))


def test_of_a_certainty_that_no_alarm_had_nothing_is_said() -> None:
    same = Rates(90, 100, 0, 5000)
    assert set(odds_of(replace(shipped(), rates={"likely": same, "possible": same}))) == {"likely"}


def test_the_text_sent_ahead_is_not_told_though_a_unit_of_its_own_shows_the_answer_too() -> None:
    ahead = wire.stash(0)[:4] + [record for record in wire.form(1.5) if record[0] >= 0]
    own = [(t - 1.5, s) for t, s in ahead]
    units = [wire.unit(ahead), wire.unit(own, opened=wire.OPENED + 1.5, number=2)]
    (alarm,) = told(units[1], units[0])
    assert alarm.time == pytest.approx(wire.OPENED + 1.501)


def test_every_cue_that_can_speak_has_words_or_a_number_in_the_first_sentence() -> None:
    cues = {cue for weights in shipped().shapes.values() for cue in weights.cues}
    assert cues - set(cue_words()) <= {"stored"}
    assert set(shipped().cue_hosts) <= set(cue_words())
    assert set(shipped().shapes) == {shape.value for shape in Shape}


def test_every_cue_is_monotone() -> None:
    for weights in shipped().shapes.values():
        for cue in weights.cues.values():
            assert list(cue.weights) in (sorted(cue.weights), sorted(cue.weights, reverse=True))
            assert list(cue.edges) == sorted(cue.edges)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.floats(-3, 20), st.integers(-70_000, 17_000).filter(bool)), max_size=80),
    st.floats(0, 2),
    st.integers(0, 20_000),
)
def test_any_records_are_read(records: list[Record], rtt: float, usual: int) -> None:
    ordered = sorted(records)
    found = exchanges(ordered, rtt, usual)
    sent = sum(s for _, s in ordered if s > 0)
    assert sum(e.up for e in found) <= sent
    assert all(e.bodies and e.start <= e.end for e in found)
    told(wire.unit(ordered, usual=usual))


def test_memory_is_bounded() -> None:
    detector = Detector(shipped(), THRESHOLDS)
    for n in range(10_000):
        detector.feed([wire.unit([], client=n.to_bytes(16, "big"))])
    assert len(detector._clients) <= 1 << 13


# -- thresholds and constants --------------------------------------------------------------------------------------


def test_thresholds_are_of_the_policy_profile() -> None:
    edits = load_profile("cwmbran").edits
    assert (edits.possible, edits.likely) == (0.4, 0.6)
    text = Path("pipeline/profiles/cwmbran.toml").read_bytes().replace(b"likely = 0.6", b"likely = 0.3")
    with pytest.raises(ProfileError, match=r"p\.toml:\d+: .*likely must be possible"):
        parse_profile(text, "p.toml")


def test_sizes_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    path = tmp_path / "sizes.toml"
    path.write_text('[wiki."a.org"]\nsaved = "many"\n')
    with pytest.raises(ConstantsError, match="wiki calibrate"):
        read(path)


# -- calibration ----------------------------------------------------------------------------------------------------


def test_calibration_measures_what_the_test_edits_show() -> None:
    units, edits = [], []
    for n in range(8):
        at = wire.OPENED + 60 * n
        units.append(wire.unit(wire.stash(0)[:4] + wire.form(1.5, answer=700 + n), opened=at, number=n))
        edits.append(Edit("form", at - 1, at + 5))
    measured = sizes_of(units, edits)
    assert measured["saved"].size == pytest.approx(703.5)
    assert 703 <= measured["saved"].high <= 707
    assert "stored_answer_max" not in measured  # stashed text had the larger answer here
    assert 'wiki."cy.wikipedia.org"' in toml("cy.wikipedia.org", measured)


def test_calibration_says_when_the_edits_do_not_show() -> None:
    with pytest.raises(CalibrationError, match="only 0 of the edits"):
        sizes_of([wire.unit(wire.reading())], [Edit("form", 0, 1e10)])


def test_what_is_calibrated_is_used(tmp_path: Path) -> None:
    units = [wire.unit(wire.form(0, answer=420), opened=wire.OPENED + 60 * n, number=n) for n in range(6)]
    edits = [Edit("form", wire.OPENED + 60 * n - 1, wire.OPENED + 60 * n + 5) for n in range(6)]
    path = tmp_path / "wiki-sizes.toml"
    path.write_text(toml("cy.wikipedia.org", sizes_of(units, edits)))
    own = shipped().with_wikis(read(path))
    save = wire.unit(wire.form(0, answer=420), wiki="cy.wikipedia.org")
    assert told(save) == []
    assert len(Detector(own, THRESHOLDS).feed([save])) == 1


def test_a_file_of_edits_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "edits.jsonl"
    path.write_text('{"kind": "form", "start": 1, "end": 2}\n{"kind": "song"}\n')
    with pytest.raises(CalibrationError, match=r"edits\.jsonl:2: no test edit"):
        read_edits(path)


# -- scoring --------------------------------------------------------------------------------------------------------


def session(sid: str, *saves: Save, scenario: str = "read", views: int = 10, nulls: tuple[float, ...] = ()) -> Session:
    return Session(sid, "firefox", scenario, views, saves, nulls)


def test_a_save_takes_the_nearest_alarm_and_others_near_it_count_neither_way() -> None:
    found = score([session("a", Save(100, "save_small"))], {"a": [95.0, 101.0, 111.9, 200.0, 205.0, 230.0]})
    assert found.kinds == {"browser": (1, 1)}
    assert [time for *_, time in found.false] == [200.0, 230.0]


def test_rollback_and_programs_are_kept_apart_and_null_saves_are_no_false_alarm() -> None:
    found = score(
        [
            session("a", Save(100, "save_rollback"), nulls=(300.0,)),
            session("b", Save(5, "save_api"), scenario="api_h1", views=0),
        ],
        {"a": [300.0], "b": [5.0, 50.0]},
    )
    assert found.kinds == {"api": (1, 1), "rollback": (0, 1)}
    assert found.false == ()
    assert found.views == 10


def test_intervals_are_the_textbook_ones() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(9, 10) == pytest.approx((0.596, 0.982), abs=1e-3)
    assert (poisson_lower(0), poisson_lower(4)) == pytest.approx((0.0, 1.090), abs=1e-3)
    assert (poisson_upper(0), poisson_upper(4)) == pytest.approx((3.689, 10.242), abs=1e-3)


def test_truth_that_cannot_be_read_is_named_with_its_line(tmp_path: Path) -> None:
    for name in ("saves", "page_views"):
        (tmp_path / f"{name}.jsonl").write_text("")
    (tmp_path / "sessions.jsonl").write_text(json.dumps({"sid": "a"}) + "\n")
    with pytest.raises(TrialError, match=r"sessions\.jsonl:1: 'browser' is missing"):
        read_sessions(tmp_path)
