"""What raises an operational alert, and what only looks as if it should."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.ages import MONTHS_14
from pipeline.alerts.clients import KEEP_DAYS
from pipeline.alerts.database import Delivery
from pipeline.alerts.health import ALERTING, WATCHED, AlertFacts, Blind, blind_of
from pipeline.feeds.status import FEEDS_HEALTH
from pipeline.native import Values
from pipeline.privacy_health import PRIVACY
from pipeline.retention import enforce
from pipeline.schema import VERSIONS
from pipeline.sitechecks import SITES
from pipeline.store import ChdbStore, open_store
from pipeline.store_health import STORE
from sensor.checks import SENSOR
from tests.pipeline import alarming
from tests.pipeline.alarming import AT, Alarm
from tests.pipeline.desks import SCHOOL, Office

TODAY = date(2026, 11, 17)


def verdict(check: str, **facts: object) -> tuple[str, str]:
    found = {finding.id: finding for finding in ALERTING.examine(AlertFacts(AT, TODAY, **facts))}  # type: ignore[arg-type]
    return found[check].severity.value, found[check].sentence


def test_every_watched_check_exists() -> None:
    registries = (SENSOR, FEEDS_HEALTH, SITES, PRIVACY, ALERTING, STORE)
    checks = {check.id for registry in registries for check in registry.checks}
    assert set(WATCHED) <= checks


@pytest.mark.parametrize(
    ("counters", "severity"),
    [
        ({}, "unknown"),
        ({"packets": 100_000}, "ok"),
        ({"packets": 100_000, "ring_drops": 900, "nic_drops": 100}, "ok"),
        ({"packets": 100_000, "ring_drops": 900, "nic_drops": 200}, "fail"),
        ({"packets": 0, "ring_drops": 5}, "fail"),
        ({"packets": 100_000, "gap_bytes": 2_000_000, "gap_checked_bytes": 100_000_000}, "fail"),
        ({"packets": 100_000, "gap_bytes": 90, "gap_checked_bytes": 100}, "ok"),  # too little to tell
    ],
)
def test_more_than_a_hundredth_lost_is_an_alert(counters: dict[str, int], severity: str) -> None:
    assert verdict("loss", counters=counters)[0] == severity


@pytest.mark.parametrize(
    ("blind", "severity"),
    [
        (Blind(), "unknown"),
        (Blind(5_000, 4_000, 9_000, 0), "unknown"),
        (Blind(5_000, 1_000, 100_000, 15_000), "ok"),  # 20 % after 15 %
        (Blind(5_000, 1_700, 100_000, 18_000), "ok"),  # 34 % after 18 %: not twice as many
        (Blind(5_000, 400, 100_000, 1_000), "ok"),  # 8 % after 1 %: still few
        (Blind(5_000, 1_700, 100_000, 15_000), "warn"),
    ],
)
def test_a_jump_of_hidden_names_is_an_alert(blind: Blind, severity: str) -> None:
    assert verdict("blind_jump", blind=blind)[0] == severity


def test_an_old_catalogue_is_an_alert() -> None:
    assert verdict("catalogue_age", catalogue="2026-05-21.abc")[0] == "ok"
    assert verdict("catalogue_age", catalogue="2026-05-20.abc") == (
        "warn",
        "The services and their names were last checked on 2026-05-20; newer ones have no name here.",
    )
    assert verdict("catalogue_age", catalogue="mine")[0] == "unknown"


def delivery(channel: str, state: str, attempt: int, changed: float, problem: str = "") -> Delivery:
    return Delivery(f"m{changed}", channel, state, attempt, changed, changed, False, problem)


def test_a_channel_is_dead_after_three_attempts_and_well_when_something_arrives() -> None:
    once = delivery("mail", "pending", 1, AT - 5, "connection")
    thrice = delivery("mail", "pending", 3, AT - 5, "connection")
    later = delivery("mail", "sent", 1, AT - 1)
    forgotten = delivery("teams", "pending", 0, AT - 1000)
    given_up = delivery("teams", "failed", 300, AT - 86_400, "login")
    assert verdict("alert_channels") == ("ok", "Nothing waits.")
    assert verdict("alert_channels", deliveries=[once]) == ("ok", "1 messages wait.")
    assert verdict("alert_channels", deliveries=[thrice])[0] == "fail"
    assert verdict("alert_channels", deliveries=[later, thrice])[0] == "ok"
    assert "teams: it has not been tried" in verdict("alert_channels", deliveries=[forgotten])[1]
    said = verdict("alert_channels", deliveries=[given_up, thrice])[1]
    assert "mail: no connection to it; teams: it refused the log-in; a message was given up." in said
    assert verdict("alerts_set")[0] == "warn"
    assert verdict("alerts_set", channels=["mail"])[0] == "ok"
    assert verdict("alerts_set", trouble="x: others can read the channels.")[0] == "fail"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChdbStore]:
    with open_store(tmp_path_factory.mktemp("store")) as store:
        yield store


def test_the_last_hour_is_compared_with_the_two_weeks_before(store: ChdbStore) -> None:
    now = datetime.fromtimestamp(AT, UTC)
    cells: list[tuple[timedelta, str, int]] = [
        (timedelta(minutes=20), "flows", 1000),
        (timedelta(minutes=60), "flows_ech", 300),
        (timedelta(minutes=60), "flows_vpn", 7),
        (timedelta(hours=3), "flows", 500),
        (timedelta(days=13), "flows_doh", 11),
        (timedelta(days=15), "flows", 9_999),
    ]
    columns: dict[str, Values] = {
        "school": ["small"] * len(cells),
        "day": [(now - ago).date() for ago, _, _ in cells],
        "start": [int((now - ago).timestamp()) for ago, _, _ in cells],
        "metric": [metric for _, metric, _ in cells],
        "value": [value for _, _, value in cells],
        **{name: ["v1"] * len(cells) for name in VERSIONS},
    }
    store.insert("coverage", columns, "blind")
    assert blind_of(store, "small", AT) == Blind(1000, 307, 500, 11)
    assert blind_of(store, "other", AT) == Blind()


def test_retention_proves_that_addresses_names_and_old_alerts_are_gone(store: ChdbStore, tmp_path: Path) -> None:
    office = Office(tmp_path, store)
    board = alarming.Desk(tmp_path / "alerts", school=SCHOOL, now=AT)
    alert = board.alerts.edit(Alarm(), AT)
    assert alert is not None
    board.tell()
    board.outbox.acknowledge(alert.id, AT, "Sam Rees", "A note.")

    def run(days: float) -> dict[str, tuple[int, int, int]]:
        office.clock[0] = AT + days * 86_400
        outcome = enforce(store, SCHOOL, None, office.trail, office.keys, lambda: office.clock[0], board.folder)
        assert not outcome.problems
        return {proof.what: (proof.keep_days, proof.removed, proof.left) for proof in outcome.proofs}

    assert run(KEEP_DAYS - 1)["alert_client"] == (KEEP_DAYS, 0, 0)
    assert run(KEEP_DAYS + 0.1)["alert_client"] == (KEEP_DAYS, 1, 0)
    kept = board.outbox.alert(alert.id)
    assert kept is not None
    assert (kept.state, kept.acknowledged_by, kept.note) == ("acknowledged", "", "")
    assert run(MONTHS_14 - 1)["alert_outbox"] == (MONTHS_14, 0, 0)
    assert run(MONTHS_14 + 1)["alert_outbox"] == (MONTHS_14, 1, 0)
    assert board.outbox.alerts() == []
    assert board.outbox.deliveries() == []
    proved = store.query("SELECT DISTINCT what FROM schoolgate.retention_proof WHERE what LIKE 'alert%'").rows
    assert {what for (what,) in proved} == {"alert", "alert_delivery", "alert_outbox", "alert_client"}
