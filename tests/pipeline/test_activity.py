"""Rules E2 to E15, one behaviour after another, on minutes made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.activity import Limits, Use, find_use
from pipeline.assess import Assessor
from pipeline.evidence import Findings
from pipeline.gather import Clients, gather
from pipeline.profile import load_profile
from pipeline.pseudonym import Pseudonyms
from pipeline.school import School
from pipeline.traffic import merge
from pipeline.users import Who
from pipeline.words import Activity, Confidence, Grade, Outcome, Reason
from tests.pipeline.judging import SERVICES, Slice, TableBindings, minute, slice_rows, small_catalogue, small_school

PROFILE = load_profile("cwmbran")
AT, CLIENT = minute("09:20"), "10.0.0.1"
SCHOOL = small_school()
BINDINGS = TableBindings({CLIENT: (0, Grade.B, Reason.NONE, 1), "10.0.0.3": (3, Grade.B, Reason.NONE, 3)})


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Pseudonyms:
    return Pseudonyms(tmp_path_factory.mktemp("keys") / "keys")


def assessor(keys: Pseudonyms, school: School = SCHOOL, bindings: TableBindings = BINDINGS) -> Assessor:
    return Assessor(school, small_catalogue(), PROFILE, bindings, keys)


def use_of(slices: Sequence[Slice]) -> Use:
    judge = tuple(sorted(SERVICES))
    clients = Clients()
    scope = Assessor(small_school(mode="aggregate"), small_catalogue(), PROFILE, None).scope
    traffic, _ = gather(slice_rows(slices), clients, scope)
    return find_use(merge(traffic), Limits.of(PROFILE, judge, small_catalogue()))


def look(*slices: Slice) -> list[str]:
    """What the minutes look like, in order of time."""
    use = use_of(slices)
    return [list(Activity)[code].value for code in use.activity.tolist()]


def kept(*asked: int, down: int = 40_000, **other: object) -> Slice:
    """A minute on a connection that is already there, with requests in these seconds."""
    return replace(Slice(AT, CLIENT, "facebook", down=down, begins=False, asked=asked, largest=3000), **other)  # type: ignore[arg-type]


def opened(second: int, *asked: int, down: int = 400_000, **other: object) -> Slice:
    """A minute in which a connection begins, with requests then and in these seconds."""
    return kept(second, *asked, down=down, begins=True, first=second * 1000, **other)


def elsewhere(*seconds: int, at: int = AT) -> list[Slice]:
    """Requests to sites in no catalogue."""
    return [Slice(at, CLIENT, "", first=second * 1000) for second in seconds]


def pictures(*asked: int, down: int = 60_000, **other: object) -> Slice:
    """A minute on a connection to a host for pictures."""
    return kept(*asked, down=down, role="cdn", **other)


def test_picture_after_picture_is_use() -> None:
    """What an open page fetches by itself it fetches once."""
    assert look(kept(3), pictures(3, 20)) == ["active"]
    assert look(kept(3), pictures(3)) == ["background"]
    assert look(kept(3, down=1_000), pictures(3, 20, down=10_000)) == ["inactive"]
    spread = [kept(3), pictures(3), pictures(20, minute=AT + 1)]
    assert look(*spread) == ["active", "active"], "one in each of two minutes"
    assert look(pictures(3, 20, 30, 40, 50)) == ["inactive"], "the service itself was never in contact"


def test_an_app_that_never_calls_the_site_is_use_by_more_pictures() -> None:
    """Apps in pockets fetch some, now and then."""
    interface = kept(3, 24, role="api")
    assert look(interface, pictures(4, 9, 25, 31)) == ["active"]
    assert look(interface, pictures(4, 9, 25)) == ["background"]


def test_page_after_page_is_use() -> None:
    """Of a service without hosts for pictures (instagram, in these tests), and of others with pictures besides."""
    assert look(kept(3, 30, down=30_000, service="instagram")) == ["active"]
    assert look(kept(3, 30, down=15_000, service="instagram")) == ["inactive"]
    assert look(kept(3, down=60_000, service="instagram")) == ["inactive"]
    assert look(kept(3, 15, 30, down=90_000), pictures(31)) == ["active"]
    assert look(kept(3, 15, 30, down=40_000), pictures(31)) == ["background"]


def test_slow_readers_turn_a_page_a_minute() -> None:
    pages = [kept(9 + 17 * n, down=30_000, service="instagram", minute=AT + n) for n in range(3)]
    assert look(*pages) == ["active"] * 3
    by_itself = [replace(pages[0], minute=AT + n, asked=(9 + n % 2,)) for n in range(7)]
    assert look(*by_itself)[2:5] == ["inactive"] * 3, "each minute at the same second"
    came = opened(50, down=40_000, service="instagram")
    assert look(came, replace(pages[1], asked=(40,))) == ["active", "active"], "a page came up, and another"
    assert look(came, replace(pages[1], asked=(40,), down=3_000)) == ["inactive", "inactive"], "a tab that calls home"


def test_films_are_use_where_much_came_for_two_requests() -> None:
    film = kept(3, 30, down=1_200_000, service="twitch")
    assert look(film) == ["active"]
    assert look(replace(film, down=900_000)) == ["inactive"]
    assert look(replace(film, asked=(3,)), replace(film, asked=(3,), role="cdn", down=10)) == ["active"]


def test_requests_in_quick_succession_are_use() -> None:
    assert look(kept(3, 11, 24, 40, 52, down=5_000)) == ["active"]
    assert look(kept(3, 11, 24, 40, down=5_000)) == ["inactive"]
    assert look(kept(3, 11, 24, 40, 52, down=2_000)) == ["background"], "a pixel is hardly answered"
    assert look(kept(1, 13, 27, 41, 55, down=5_000)) == ["background"], "never two within ten seconds"


def test_messages_are_use() -> None:
    """Short services ask for less: two requests close together, or the single one of a message."""
    assert look(kept(3, 8, down=2_000, service="discord")) == ["active"]
    assert look(kept(3, 33, down=2_000, service="discord")) == ["background"], "an open page that calls home"
    assert look(kept(9, down=300, service="whatsapp")) == ["active"]


def test_what_follows_on_a_page_that_came_up_is_a_visit() -> None:
    came, later = opened(50, 52), kept(9, 40, down=20_000, minute=AT + 1)
    assert look(came, later) == ["active", "active"]
    assert look(came, replace(later, down=2_000)) == ["background", "inactive"], "tabs call home"
    assert look(opened(10, 12, 20, 31, 44)) == ["active"]


def test_requests_that_come_again_at_the_same_second_are_background() -> None:
    """A page that calls home by two clocks, one of twenty seconds and one of sixty."""
    calls = [kept(0, 20 + n % 2, 40, 43, 59, down=10_000, largest=1400, minute=AT + n) for n in range(7)]
    assert look(*calls)[2:5] == ["background"] * 3
    assert look(*[replace(s, largest=2_500) for s in calls]) == ["active"] * 7, "programs say little"
    moved = [
        replace(calls[0], minute=AT + n, asked=tuple((s + 7 * n) % 60 for s in (3, 20, 24, 40, 51))) for n in range(4)
    ]
    assert look(*moved) == ["active"] * 4


def test_less_is_enough_beside_an_active_minute() -> None:
    full, less = kept(3, 11, 24, 40, 52), kept(9, 30, down=6_000, minute=AT + 1)
    assert look(less) == ["inactive"]
    assert look(full, less) == ["active", "active"]
    assert look(full, replace(less, minute=AT + 2)) == ["active", "inactive"]
    single, again = replace(less, asked=(9,), down=1_600), replace(full, minute=AT + 2)
    assert look(full, single) == ["active", "inactive"]
    assert look(full, single, again) == ["active"] * 3
    assert look(full, replace(single, down=500), again) == ["active", "inactive", "active"], "it only called home"
    assert look(full, replace(single, down=25_000)) == ["active", "active"]


def test_a_page_that_comes_up_by_itself_is_not_use() -> None:
    """Tabs restored at the start of the day; beside a minute of use the page's coming up belongs to it."""
    assert look(opened(10, 12, 14)) == ["background"]
    assert look(opened(58), kept(1, 2, down=400_000, minute=AT + 1)) == ["background", "background"]
    used = kept(3, 11, 24, 40, 52, minute=AT + 1)
    assert look(opened(50, 52), used) == ["active", "active"]
    app = opened(20, 22, role="api")
    assert look(app, used) == ["background", "active"], "an app that woke up long before"
    assert look(opened(20, 22), used) == ["active", "active"], "a page of the site is looked at longer"
    assert look(opened(50, 52), *elsewhere(49), used) == ["embedded", "active"], "another page led to it"
    assert look(opened(50, 52), kept(53, role="push"), *elsewhere(49), used) == ["active", "active"], "its own page"


def test_what_another_site_led_to_is_embedded() -> None:
    """A page with a box of the service, and another page of that site twenty seconds later."""
    box = opened(10, 30, 31, 45)
    assert look(box, *elsewhere(9, 29, 44)) == ["embedded"]
    assert look(kept(10, 30, 45, 48, 55), *elsewhere(9, 29, 44, 54)) == ["embedded"]
    assert look(box, pictures(12, 32, 34, 36, 46, 48), *elsewhere(9, 29, 44)) == ["embedded"], "one led to the next"
    asks = replace(box, asked=(1, 20, 28, 40, 46), begins=False)
    assert look(asks, *elsewhere(30)) == ["active"], "it came after"
    early = replace(box, asked=(1, 20, 26, 35, 40, 44, 50), begins=False)
    assert look(early, *elsewhere(59, at=AT - 1)) == ["active"], "one of seven requests is led to"
    assert look(early, *elsewhere(59, at=AT - 1), *elsewhere(19)) == ["embedded"], "two are, and three left is too few"
    film = opened(10, 16, 19, 21, down=2_000_000, service="twitch")
    assert look(film, *elsewhere(9)) == ["embedded"], "a player that reports what it plays"
    assert look(film) == ["active"]
    own = [opened(10, 20, 30, 45), pictures(22, 40, 52)]
    assert look(*own, *elsewhere(9, 29, 44)) == ["active"], "somebody is at the service all the same"


def test_what_a_widget_led_to_is_embedded() -> None:
    """Quotations bring their pictures, also where no other page was asked."""
    quoted = [kept(5, 35, role="widget"), kept(6, 37, down=9_000), pictures(7, 36, 38, down=120_000)]
    assert look(*quoted) == ["embedded"]
    assert look(*quoted[1:]) == ["active"]


def test_requests_beside_a_widget_show_less_than_beside_what_only_the_services_pages_hold_open() -> None:
    asks, widget, line = kept(3, 11, 24, 40, 52, down=20_000), kept(role="widget"), kept(role="push")
    assert look(asks, widget) == ["background"]
    assert look(asks, widget, line) == ["active"]


def test_pictures_from_elsewhere_do_not_lead_to_the_page_that_brings_them() -> None:
    """A forum's pictures lie at hosts in no catalogue."""
    page = kept(10, 12, 40, down=120_000, service="instagram")
    assert look(page, *elsewhere(11, 41)) == ["active"]
    assert look(page, *elsewhere(9, 39)) == ["embedded"]


def test_other_sites_of_other_people_do_not_matter() -> None:
    others = [replace(s, client="10.0.0.2") for s in elsewhere(9, 29, 44)]
    assert look(kept(10, 30, 36, 45, 55), *others) == ["active"]


def test_small_requests_by_the_clock_are_background() -> None:
    poll = kept(*range(2, 60, 10), down=6_000, largest=700)
    minutes = [replace(poll, minute=AT + n) for n in range(4)]
    assert set(look(*minutes)) == {"background"}
    assert set(look(*[replace(s, down=60_000) for s in minutes])) == {"active"}, "much comes in answer"
    uneven = [replace(s, asked=tuple((m + 11 * n) % 60 for m in (2, 9, 13, 31, 38, 57))) for n, s in enumerate(minutes)]
    assert set(look(*uneven)) == {"active"}


def test_a_flow_long_open_that_carries_next_to_nothing_is_background() -> None:
    hours = [kept(3, 9, down=200, service="whatsapp", up=500, minute=AT + n) for n in range(12)]
    assert look(*hours)[:10] == ["active"] * 10
    assert look(*hours)[10:] == ["background"] * 2
    assert set(look(*[replace(s, down=5_000) for s in hours])) == {"active"}


def test_one_request_for_one_medium_is_embedded_media() -> None:
    assert look(kept(9, down=3_000_000)) == ["embedded_media"]
    assert look(kept(9, down=3_000_000), kept(9, down=3_000_000, minute=AT + 1)) == ["embedded_media"] * 2


def test_connections_tried_together_ask_once() -> None:
    """QUIC, TCP when it fails, and a spare one."""
    tries = [replace(kept(n, 20, down=3_000), evidence=name) for n, name in ((3, "quic_sni"), (4, "sni"), (3, "sni"))]
    use = use_of(tries)
    assert use.bursts.tolist() == [2]
    assert look(*tries) == ["inactive"]


def findings(judge: Assessor, slices: Sequence[Slice]) -> Findings:
    clients = Clients()
    return judge.findings(gather(slice_rows(slices), clients, judge.scope)[0], clients)


def outcomes(found: Findings) -> set[tuple[str, str]]:
    pairs = zip(found.outcome.tolist(), found.reason.tolist(), strict=True)
    return {(list(Outcome)[outcome].value, list(Reason)[reason].value) for outcome, reason in pairs}


def session(minutes: int, **other: object) -> list[Slice]:
    return [kept(3, 11, 24, 40, 52, minute=AT + n, **other) for n in range(minutes)]


def test_confidence_grows_with_minutes_and_pictures(keys: Pseudonyms) -> None:
    judge, pictures = assessor(keys), session(6, role="cdn")

    def confidence(*slices: Slice) -> set[str]:
        found = findings(judge, slices)
        assert outcomes(found) == {("outside_allowed", "episode")}
        return {list(Confidence)[code].value for code in found.decision.confidence.tolist()}

    assert confidence(*session(6), *pictures) == {"high"}
    assert confidence(*session(4), *pictures[:4]) == {"medium"}
    assert confidence(*session(6)) == {"medium"}
    assert confidence(*session(6), *pictures, *elsewhere(2)) == {"medium"}, "another site led to it"


def test_what_only_dns_names_is_held_against_nobody_unless_it_is_long(keys: Pseudonyms) -> None:
    short, long = session(4, evidence="dns"), findings(assessor(keys), session(6, evidence="dns"))
    assert outcomes(findings(assessor(keys), short)) == {("unknown", "dns_only")}
    short[2] = replace(short[2], evidence="sni")
    assert outcomes(findings(assessor(keys), short)) == {("outside_allowed", "episode")}
    assert outcomes(long) == {("outside_allowed", "episode")}
    assert set(long.decision.confidence.tolist()) == {Confidence.MEDIUM.code}
    pictured = findings(assessor(keys), [*session(6, evidence="dns"), *session(6, role="cdn", evidence="dns")])
    assert set(pictured.decision.confidence.tolist()) == {Confidence.MEDIUM.code}, "never high"


class LoggedOn(TableBindings):
    """Nobody is logged on before AT."""

    def who(self, address: npt.NDArray[np.generic], minutes: npt.NDArray[np.uint32]) -> Who:
        person, grade, reason, device = super().who(address, minutes)
        early = minutes < AT
        return np.where(early, np.int32(-1), person), np.where(early, np.int8(0), grade), reason, device


def test_the_first_minutes_after_a_log_on_are_unknown(keys: Pseudonyms) -> None:
    found = findings(assessor(keys, bindings=LoggedOn(BINDINGS.table)), session(6))
    told = [list(Reason)[code].value for code in found.reason.tolist()]
    assert told == ["log_on"] * 2 + ["episode"] * 4
