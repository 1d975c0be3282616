"""The fast judge against a slow one, and the promises that must hold whatever the traffic."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.activity import Limits, Use, find_use
from pipeline.assess import Assessor, Rows
from pipeline.gather import Clients, gather, window_starts
from pipeline.judge import Circumstances, decide, parts
from pipeline.profile import Profile, load_profile
from pipeline.pseudonym import Pseudonyms
from pipeline.traffic import Traffic, merge
from pipeline.users import Who
from pipeline.windows import end_needed, first_needed
from pipeline.words import Activity, Allowed, Grade, Outcome, Reason
from tests.pipeline.judging import (
    DAY,
    SERVICES,
    Slice,
    TableBindings,
    minute,
    slice_rows,
    small_catalogue,
    small_school,
)
from tests.pipeline.slow_judge import SlowJudge, day_sums

SCHOOL = small_school()
PROFILE = load_profile("cwmbran")
PEOPLE = {
    "10.0.0.1": (0, Grade.B, Reason.NONE, 1),  # T00 teaches P1 and P2
    "10.0.0.2": (1, Grade.B, Reason.NONE, 2),  # T01: non-contact in P2, duty in break
    "10.0.0.3": (3, Grade.A, Reason.NONE, 3),  # T03 runs the official site on facebook
    "10.0.0.4": (2, Grade.C, Reason.NONE, 4),  # T02, nobody logged on
    "10.0.0.5": (-1, Grade.D, Reason.SHARED_DEVICE, 5),
    "10.0.0.6": (-1, Grade.NONE, Reason.LOCKED, 6),
    "10.0.0.7": (14, Grade.B, Reason.NONE, 7),  # S00 has no working pattern
    "fd00::1": (0, Grade.B, Reason.NONE, 1),  # T00's laptop again
    "fd00::5": (-1, Grade.NONE, Reason.LOCKED, 5),  # the shared device by another address, locked: shared goes first
    "10.0.0.8": (0, Grade.C, Reason.NONE, 8),  # T00's phone
}
BINDINGS = TableBindings(PEOPLE)
CLIENTS = (*PEOPLE, "10.0.0.99")


@pytest.fixture(scope="module")
def pseudonyms(tmp_path_factory: pytest.TempPathFactory) -> Pseudonyms:
    return Pseudonyms(tmp_path_factory.mktemp("keys") / "keys")


def assessor(pseudonyms: Pseudonyms, profile: Profile = PROFILE, **settings: object) -> Assessor:
    school = small_school(**settings) if settings else SCHOOL
    return Assessor(school, small_catalogue(), profile, BINDINGS, pseudonyms)


def assess(judge: Assessor, slices: list[Slice]) -> dict[int, Rows]:
    """The rows of all windows, in one go."""
    clients = Clients()
    traffic, counts = gather(slice_rows(slices), clients, judge.scope)
    return judge.rows(traffic, clients, window_starts(traffic, counts), counts)


def sums(
    rows: dict[int, Rows], table: str, *keys: str, value: str = "minutes", **where: str
) -> Counter[tuple[object, ...]]:
    found: Counter[tuple[object, ...]] = Counter()
    for tables in rows.values():
        columns = tables.get(table, {})
        for i in range(len(columns.get("school", []))):
            if all(columns[name][i] == wanted for name, wanted in where.items()):
                found[tuple(columns[key][i] for key in keys)] += int(str(columns[value][i]))
    return found


slices = st.builds(
    Slice,
    minute=st.integers(minute("09:40"), minute("11:30")),
    client=st.sampled_from(CLIENTS),
    service=st.sampled_from(("facebook", "facebook", "instagram", "youtube", "wikipedia", "twitter", "unheard", "")),
    role=st.sampled_from(("primary", "primary", "primary", "cdn", "media", "api", "widget", "push", "auth")),
    up=st.integers(0, 5_000),
    down=st.sampled_from((0, 40_000, 60_000, 100_000, 99_999, 1_000_000)),
    bursts=st.integers(0, 3),
    first=st.integers(0, 59_999),
    segment=st.sampled_from(("staff",) * 9 + ("pupil",)),
    evidence=st.sampled_from(("sni", "sni", "quic_sni", "dns")),
)


@st.composite
def traffic(draw: st.DrawFn) -> list[Slice]:
    """Some single slices, and dense runs of minutes by few users of few services, so that episodes arise."""
    found = draw(st.lists(slices, max_size=10))
    rng = random.Random(draw(st.integers(0, 1 << 32)))
    for _ in range(draw(st.integers(0, 6))):
        client, service = rng.choice(CLIENTS), rng.choice(("facebook", "instagram", "youtube"))
        at, longest = minute("09:30") + rng.randrange(90), rng.choice((1, 2, 6, 7))
        for _ in range(rng.randrange(30)):
            at += rng.randint(1, longest)
            for _ in range(rng.choice((1, 1, 2, 4))):
                role = rng.choice(("primary", "primary", "cdn", "cdn", "api", "widget", "push"))
                down, bursts = rng.choice((0, 50_000, 100_000, 400_000, 1_000_000)), rng.choice((0, 0, 1, 3))
                first = rng.choice((0, 29_999, 30_000, 30_001, 59_999))
                found.append(Slice(at, client, service, role, 500, down, bursts, first, rng.choice((first, 59_999))))
                if rng.random() < 0.2:
                    found.append(Slice(at, client, "", first=max(0, first - rng.choice((0, 2_999, 3_000, 3_001)))))
    for _ in range(draw(st.integers(0, 2))):  # flows that call home by the clock, or hardly move
        client, every, at = rng.choice(CLIENTS), rng.choice((7, 13, 19, 31)), minute("09:30") + rng.randrange(60)
        evidence, jitter, second = rng.choice(("sni", "dns")), rng.choice((0, 1, 5)), rng.randrange(20)
        down, largest = rng.choice((500, 9_000, 60_000)), rng.choice((400, 1_999, 2_000))
        for n in range(rng.randrange(25)):
            asked = []
            while second < 60:
                asked.append(second)
                second += every + rng.randint(0, jitter)
            second -= 60
            begins = n == 0 or rng.random() < 0.05
            one = Slice(at + n, client, "facebook", "primary", 500, down, 0, 0, 59_999, evidence=evidence)
            found.append(replace(one, asked=tuple(asked), begins=begins, largest=largest))
    return [replace(s, last=max(s.first, s.last)) for s in found]


@settings(max_examples=70)
@given(traffic(), st.booleans())
def test_fast_and_slow_judge_agree(pseudonyms: Pseudonyms, given_slices: list[Slice], dns_counts: bool) -> None:
    profile = replace(PROFILE, dns_named_flows=dns_counts)
    rows = assess(assessor(pseudonyms, profile), given_slices)
    slow = SlowJudge(SCHOOL, dict(SERVICES), profile, BINDINGS, DAY)
    judged = slow.judge(given_slices)
    expected = day_sums(judged, dict(SERVICES))
    for table in ("use_day", "use_period", "use_five"):
        everybody = {} if table == "use_five" else {"people": "all"}
        for level in ("service", "kind", "all"):
            label = "service" if level == "service" else "kind"
            assert sums(rows, table, label, "outcome", "reason", level=level, **everybody) == expected[level], level
    for name in ("up", "down"):
        total = sum(getattr(row, name) for row in judged)
        assert sum(sums(rows, "use_day", "day", value=f"bytes_{name}", level="all", people="all").values()) == total
    metrics = sums(rows, "coverage", "metric", value="value")
    assert metrics[("minutes_inactive",)] == slow.activities["inactive"]
    assert metrics[("minutes_embedded",)] == slow.activities["embedded"] + slow.activities["embedded_media"]
    assert metrics[("minutes_background",)] == slow.activities["background"]
    assert metrics[("minutes_ignored",)] == slow.ignored
    assert metrics[("slices",)] == len(given_slices)
    outside = sum(n for (_, outcome, _), n in expected["service"].items() if outcome == "outside_allowed")
    assert sum(sums(rows, "episode", "id").values()) == outside
    marks = [word for tables in rows.values() for word in tables.get("minute_mark", {}).get("outcome", ())]
    assert marks.count("outside_allowed") == outside


@settings(max_examples=60)
@given(traffic(), st.randoms(use_true_random=False))
def test_order_and_cutting_of_slices_do_not_matter(
    pseudonyms: Pseudonyms, given_slices: list[Slice], rng: random.Random
) -> None:
    judge = assessor(pseudonyms)
    shuffled = given_slices[:]
    rng.shuffle(shuffled)
    cut = rng.randint(0, len(shuffled))
    clients, pieces, counts = Clients(), [], Counter[tuple[int, str]]()
    for piece in (shuffled[:cut], shuffled[cut:]):
        traffic, counted = gather(slice_rows(piece), clients, judge.scope)
        pieces.append(traffic)
        counts += counted
    joined = Traffic.join(pieces)
    assert judge.rows(joined, clients, window_starts(joined, counts), counts) == assess(judge, given_slices)


@settings(max_examples=60)
@given(traffic(), st.integers(1, 5))
def test_a_window_alone_has_the_rows_it_has_among_others(
    pseudonyms: Pseudonyms, given_slices: list[Slice], together: int
) -> None:
    judge = assessor(pseudonyms)
    whole = assess(judge, given_slices)
    starts = sorted(whole)
    for at in range(0, len(starts), together):
        chunk = starts[at : at + together]
        needed = [s for s in given_slices if first_needed(chunk[0]) <= s.minute < end_needed(chunk[-1])]
        clients = Clients()
        traffic, counts = gather(slice_rows(needed), clients, judge.scope)
        assert judge.rows(traffic, clients, np.array(chunk, np.int64), counts) == {s: whole[s] for s in chunk}


@settings(max_examples=80)
@given(traffic(), st.lists(slices, max_size=10))
def test_bytes_without_a_primary_never_make_a_minute_active(
    pseudonyms: Pseudonyms, given_slices: list[Slice], more: list[Slice]
) -> None:
    judge = assessor(pseudonyms)
    roles = ("cdn", "media", "widget", "push", "shared", "ads", "auth")
    lonely = [
        replace(s, role=roles[n % len(roles)], client="10.9.9.9", down=10**9, bursts=99) for n, s in enumerate(more)
    ]
    before, after = assess(judge, given_slices), assess(judge, given_slices + lonely)
    for table in ("use_five", "use_day", "use_period", "episode"):
        keys = ("level", "service", "kind", "outcome", "reason") if table != "episode" else ("id",)
        assert sums(before, table, *keys) == sums(after, table, *keys)


@settings(max_examples=100)
@given(traffic())
def test_outside_allowed_only_when_not_allowed_and_surely_known(
    pseudonyms: Pseudonyms, given_slices: list[Slice]
) -> None:
    judge = assessor(pseudonyms)
    for tables in assess(judge, given_slices).values():
        marks = tables.get("minute_mark")
        if marks is None:
            continue
        outside = [n for n, outcome in enumerate(marks["outcome"]) if outcome == "outside_allowed"]
        assert {marks["allowed"][n] for n in outside} <= {"no"}
        assert not {"non_contact", "break", "lunch", "unknown", "outside_hours"} & {marks["state"][n] for n in outside}
        assert set(marks["grade"]) <= {"A", "B"}
        assert not {"allowed", "official_possible"} & set(marks["outcome"])
        assert "yes" not in marks["allowed"]
        assert not {"youtube", "vimeo", "wikipedia"} & set(marks["service"])


@pytest.mark.parametrize("grade", [Grade.C, Grade.D, Grade.NONE])
@settings(max_examples=15)
@given(traffic())
def test_weak_identity_never_gives_outside_allowed(
    pseudonyms: Pseudonyms, grade: Grade, given_slices: list[Slice]
) -> None:
    table = {a: (p if grade is Grade.C else -1, grade, Reason.NO_PERSON, d) for a, (p, _, _, d) in PEOPLE.items()}
    judge = Assessor(SCHOOL, small_catalogue(), PROFILE, TableBindings(table), pseudonyms)
    rows = assess(judge, given_slices)
    assert not [key for key in sums(rows, "use_day", "outcome") if key == ("outside_allowed",)]
    assert not any("episode" in tables or "minute_mark" in tables for tables in rows.values())


def active_use(minute: npt.NDArray[np.int64]) -> Use:
    """One user's active minutes, all in one episode, named by the client's own bytes."""
    n = len(minute)
    zeros, no = np.zeros(n, np.int64), np.zeros(n, bool)
    active = np.full(n, Activity.ACTIVE.code, np.int8)
    return Use(zeros, zeros, minute, active, zeros, zeros, zeros, zeros, no, no, zeros + 0b10, zeros)


@settings(max_examples=300)
@given(st.integers(0, 1 << 32), st.integers(2, 4))
def test_only_what_a_window_sees_makes_an_episode_long(seed: int, at_least: int) -> None:
    """E8 over one sparse episode with few minutes that count, against counting by hand."""
    rng = random.Random(seed)
    at = np.cumsum([rng.randint(1, 5) for _ in range(60)]) + 30_000
    no = np.array([rng.random() < rng.choice((0.02, 0.1)) for _ in at])
    n = len(at)
    codes = np.zeros(n, np.int8)
    use = active_use(minute=at)
    circumstances = Circumstances(
        action=codes,
        grade=codes + np.int8(Grade.B.code),
        nobody=codes,
        official=np.zeros(n, bool),
        doubt=codes,
        state=codes,
        allowed=np.where(no, np.int8(Allowed.NO.code), np.int8(Allowed.YES.code)),
        reason=codes,
        counted=np.zeros(n, bool),
        fresh=np.zeros(n, bool),
    )
    outcome = decide(use, circumstances, at_least, 5).outcome
    for m, forbidden, code in zip(at.tolist(), no.tolist(), outcome.tolist(), strict=True):
        window = m // 5 * 5
        seen = sum(window - 60 <= other < window + 12 for other in at[no].tolist())
        expected = Outcome.ALLOWED
        if forbidden:
            expected = Outcome.OUTSIDE_ALLOWED if seen >= at_least else Outcome.COUNT_ONLY
        assert list(Outcome)[code] is expected


def use_of(clock: str, minutes: int, client: str = "10.0.0.1", service: str = "facebook", step: int = 1) -> list[Slice]:
    """Plain active use, one slice a minute."""
    return [Slice(minute(clock) + n * step, client, service, down=150_000, bursts=4) for n in range(minutes)]


def outcome_of(judge: Assessor, given_slices: list[Slice]) -> dict[tuple[object, ...], int]:
    return dict(sums(assess(judge, given_slices), "use_day", "outcome", "reason", level="service", people="all"))


@pytest.mark.parametrize(
    ("given_slices", "expected"),
    [
        (use_of("09:20", 3), {("outside_allowed", "episode"): 3}),
        (use_of("09:20", 2), {("count_only", "incidental"): 2}),
        (use_of("09:20", 3, step=5), {("outside_allowed", "episode"): 3}),
        (use_of("09:20", 3, step=6), {("count_only", "incidental"): 3}),
        (use_of("09:20", 3, service="youtube"), {}),  # 150 KB of video are no use, but four bursts are
        (use_of("09:20", 3, client="10.0.0.4"), {("count_only", "assigned_device"): 3}),
        (use_of("09:20", 3, client="10.0.0.5"), {("unknown", "shared_device"): 3}),
        (use_of("09:20", 3, client="10.0.0.6"), {("unknown", "locked"): 3}),
        (use_of("09:20", 3, client="10.0.0.7"), {("unknown", "no_pattern"): 3}),
        (use_of("09:20", 3, client="10.0.0.99"), {("unknown", "no_person"): 3}),
        (use_of("09:20", 3, client="10.0.0.3"), {("official_possible", "official_site"): 3}),
        (use_of("09:20", 3, client="10.0.0.3", service="twitter"), {("outside_allowed", "episode"): 3}),
        (use_of("10:20", 3, client="10.0.0.2"), {("count_only", "non_contact"): 3}),
        (use_of("11:08", 3), {("allowed", "allowed_time"): 3}),
        (use_of("11:08", 3, client="10.0.0.2"), {("outside_allowed", "episode"): 3}),  # on duty
        (use_of("10:57", 3), {("unknown", "boundary"): 3}),
        (use_of("07:30", 3), {("allowed", "allowed_time"): 3}),
        (use_of("09:20", 3, service="wikipedia"), {}),
    ],
)
def test_each_outcome_once(
    pseudonyms: Pseudonyms, given_slices: list[Slice], expected: dict[tuple[object, ...], int]
) -> None:
    if given_slices[0].service == "youtube":
        given_slices = [replace(s, bursts=2) for s in given_slices]
    assert outcome_of(assessor(pseudonyms), given_slices) == expected


def test_non_contact_is_judged_after_the_date_of_the_profile(pseudonyms: Pseudonyms) -> None:
    given_slices = use_of("10:20", 3, client="10.0.0.2")
    still = replace(PROFILE, non_contact_counted_until=DAY)
    over = replace(PROFILE, non_contact_counted_until=DAY.replace(day=16))
    assert outcome_of(assessor(pseudonyms, still), given_slices) == {("count_only", "non_contact"): 3}
    assert outcome_of(assessor(pseudonyms, over), given_slices) == {("outside_allowed", "episode"): 3}


def test_counted_minutes_do_not_make_an_episode(pseudonyms: Pseudonyms) -> None:
    """Two minutes of a lesson after ten of non-contact are too little, although the episode is long."""
    given_slices = use_of("09:57", 2, client="10.0.0.2") + use_of("10:01", 10, client="10.0.0.2")
    expected = {("count_only", "incidental"): 2, ("count_only", "non_contact"): 10}
    assert outcome_of(assessor(pseudonyms), given_slices) == expected


def test_support_counts_within_a_minute_of_the_primary(pseudonyms: Pseudonyms) -> None:
    """A minute of pictures alone is use beside one of the service's own site, and only then."""
    at, one, two = minute("09:20"), {("count_only", "incidental"): 1}, {("count_only", "incidental"): 2}
    primary = Slice(at, "10.0.0.1", "facebook", down=9000, last=40_000, begins=False, asked=(10, 14, 24, 31, 44))
    near = Slice(at + 1, "10.0.0.1", "facebook", "cdn", down=200_000, first=40_000, last=50_000, bursts=1)
    assert outcome_of(assessor(pseudonyms), [primary, near]) == two
    assert outcome_of(assessor(pseudonyms), [primary, replace(near, client="fd00::1")]) == two
    assert outcome_of(assessor(pseudonyms), [primary, replace(near, first=40_001)]) == one
    assert outcome_of(assessor(pseudonyms), [primary, replace(near, minute=at + 2, first=0)]) == one
    assert outcome_of(assessor(pseudonyms), [primary, replace(near, client="10.0.0.2")]) == one
    assert outcome_of(assessor(pseudonyms), [primary, replace(near, service="instagram")]) == one


def test_nothing_is_judged_before_the_notice_date(pseudonyms: Pseudonyms) -> None:
    given_slices = use_of("09:20", 6)
    for settings_of_school in ({"notice_date": DAY.replace(day=18)}, {"notice_date": None, "mode": "aggregate"}):
        rows = assess(assessor(pseudonyms, **settings_of_school), given_slices)
        assert {table for tables in rows.values() for table in tables} == {"coverage"}
        assert sums(rows, "coverage", "metric", value="value")[("minutes_before_notice",)] == 6
    rows = assess(assessor(pseudonyms, notice_date=DAY), given_slices)
    assert sums(rows, "use_day", "outcome", level="all", people="all") == {("outside_allowed",): 6}


class Curious(TableBindings):
    """Bindings that note how often they were asked."""

    asked: int

    def __init__(self) -> None:
        super().__init__(PEOPLE)
        object.__setattr__(self, "asked", 0)

    def who(self, address: npt.NDArray[np.generic], minutes: npt.NDArray[np.uint32]) -> Who:
        object.__setattr__(self, "asked", self.asked + len(address))
        return super().who(address, minutes)


@pytest.mark.parametrize(
    ("settings_of_school", "asked"),
    [
        ({"mode": "aggregate"}, 12),  # each minute, and who it was a little before
        ({"mode": "aggregate", "notice_date": None}, 0),
        ({"mode": "aggregate", "notice_date": DAY.replace(day=18)}, 0),
        ({"mode": "aggregate", "identity": "none"}, 0),
    ],
)
def test_nobody_is_looked_up_without_notice_or_identity(settings_of_school: dict[str, object], asked: int) -> None:
    bindings = Curious()
    judge = Assessor(small_school(**settings_of_school), small_catalogue(), PROFILE, bindings)
    assess(judge, use_of("09:20", 6))
    assert bindings.asked == asked


def test_aggregate_mode_and_no_identity_keep_nothing_of_persons(pseudonyms: Pseudonyms) -> None:
    given_slices = use_of("09:20", 6)
    rows = assess(assessor(pseudonyms, mode="aggregate"), given_slices)
    assert {table for tables in rows.values() for table in tables} == {"coverage", "use_five", "use_day", "use_period"}
    off = assess(assessor(pseudonyms, mode="aggregate", identity="none"), given_slices)
    assert sums(off, "use_day", "outcome", "reason", level="all") == {("unknown", "identity_off"): 6}


def test_a_person_on_two_devices_counts_once(pseudonyms: Pseudonyms) -> None:
    """By log-on on the laptop and by the register on the phone: one minute, with the laptop's outcome."""
    given_slices = use_of("09:20", 4) + use_of("09:20", 6, client="10.0.0.8")
    expected = {("outside_allowed", "episode"): 4, ("count_only", "assigned_device"): 2}
    assert outcome_of(assessor(pseudonyms), given_slices) == expected


def test_use_by_the_phone_does_not_push_the_laptop_over_the_threshold(pseudonyms: Pseudonyms) -> None:
    halves = [
        Slice(minute("09:20") + n, c, "facebook", down=60_000) for n in range(5) for c in ("10.0.0.1", "10.0.0.8")
    ]
    assert outcome_of(assessor(pseudonyms), halves) == {}


def test_a_long_episode_is_told_in_parts() -> None:
    at = np.arange(20, 145)
    use = active_use(minute=at)
    assert sorted(set(parts(use).tolist())) == [20, 60, 90, 120]
    alone = use.take((at >= 85) & (at < 125))
    assert sorted(set(parts(alone).tolist())) == [85, 120]


def test_find_use_of_nothing() -> None:
    limits = Limits.of(PROFILE, ("facebook",), small_catalogue())
    assert len(find_use(merge(Traffic.none()), limits)) == 0
