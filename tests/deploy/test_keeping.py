"""The owner's keeping of the store: when it backs up, what it does on a disk that is nearly full, what health says."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy.keeping import Keeping, due
from deploy.settings import Settings
from pipeline.backup import back_up
from pipeline.backup_files import kept
from pipeline.settings import StoreSettings
from pipeline.store import ChdbStore, StoreError, open_store
from pipeline.store_health import STORE, StoreFacts, store_facts
from sensor.health import Severity

HOUR = 3600.0
NIGHT = datetime(2026, 11, 17, 2, 30, tzinfo=UTC).timestamp()


def settings(folder: Path, **store: object) -> Settings:
    school = {"id": "ysgol", "name": "Ysgol", "zone": "Europe/London"}
    return Settings.model_validate({"school": school, "store": {"path": folder / "store", **store}})


def test_a_backup_is_due_once_a_day_from_two_oclock_on() -> None:
    assert due(NIGHT, "Europe/London", None)
    assert due(NIGHT, "Europe/London", NIGHT - 24 * HOUR)
    assert not due(NIGHT + 12 * HOUR, "Europe/London", NIGHT)
    assert not due(NIGHT - HOUR, "Europe/London", NIGHT - 24 * HOUR)
    summer = datetime(2026, 7, 1, 1, 30, tzinfo=UTC).timestamp()  # half past two in London
    assert due(summer, "Europe/London", summer - 20 * HOUR)
    assert not due(summer, "UTC", summer - 20 * HOUR)


def test_the_owner_backs_up_at_night_and_after_a_failure_an_hour_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = [NIGHT - 0.5 * HOUR]
    chosen = settings(tmp_path)
    with open_store(tmp_path / "store") as store:
        keeping = Keeping(chosen, lambda: clock[0])
        assert not keeping.back_up_if_due(store), "what waits in the spool comes first"
        clock[0] = NIGHT
        chosen.store.backup_folder.write_text("in the way")
        assert not keeping.back_up_if_due(store)
        assert "no backup was made" in capsys.readouterr().err
        chosen.store.backup_folder.unlink()
        assert not keeping.back_up_if_due(store), "not at once again"
        clock[0] += HOUR
        assert keeping.back_up_if_due(store)
        assert [path.name for path in kept(tmp_path / "store-backups")] == ["20261117T033000Z"]
        clock[0] += 2 * HOUR
        assert not keeping.back_up_if_due(store)
        keeping.settings = settings(tmp_path, backups_keep=0)
        clock[0] += 24 * HOUR
        assert not keeping.back_up_if_due(store)


def test_a_disk_that_is_nearly_full_stops_the_storing_and_says_so_now_and_then(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, free = [0.0], [100 << 20]
    monkeypatch.setattr("deploy.keeping.free_bytes", lambda path: free[0])
    keeping = Keeping(settings(tmp_path), lambda: clock[0])
    assert [keeping.has_room(), keeping.has_room()] == [False, False]
    assert re.fullmatch(
        r"schoolgate: .*store: only 100 MiB are free on that disk, so nothing is stored and the spool keeps it; "
        r"make room \(512 MiB stay free\)\n",
        capsys.readouterr().err,
    )
    clock[0] += 601
    assert not keeping.has_room()
    assert "only 100 MiB" in capsys.readouterr().err
    free[0] = 600 << 20
    assert keeping.has_room()
    assert Keeping(settings(tmp_path, servers=["db.example"])).has_room(), "servers say it themselves"


def facts(**changed: object) -> StoreFacts:
    whole: dict[str, object] = {
        "now": NIGHT, "where": "store", "free": 10 << 30, "wanted": 512 << 20, "made": NIGHT - 90 * HOUR,
        "backed_up": NIGHT - 3 * HOUR, "backups": "backups", "keep": 7, **changed,
    }  # fmt: skip
    return StoreFacts(**whole)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "id_", "severity", "said"),
    [
        ({}, "store_disk", Severity.OK, "10240 MiB are free"),
        ({"free": 1 << 30}, "store_disk", Severity.WARN, "1024 MiB are free"),
        ({"free": 1 << 20}, "store_disk", Severity.FAIL, "nothing is stored; the spool keeps it"),
        ({"free": None}, "store_disk", Severity.UNKNOWN, "cannot be seen"),
        ({}, "backups", Severity.OK, "of 2026-11-16 23:30 UTC"),
        ({"backed_up": NIGHT - 30 * HOUR}, "backups", Severity.FAIL, "The last backup of the store is of 2026-11-15"),
        ({"backed_up": None}, "backups", Severity.FAIL, "has ever been made"),
        ({"backed_up": None, "made": NIGHT - HOUR}, "backups", Severity.UNKNOWN, "No backup has been made yet"),
        ({"backed_up": None, "keep": 0}, "backups", Severity.OK, "No backups are wanted"),
    ],
)
def test_health_says_what_is_wrong_with_disk_and_backups(
    changed: dict[str, object], id_: str, severity: Severity, said: str
) -> None:
    found = {finding.id: finding for finding in STORE.examine(facts(**changed))}[id_]
    assert found.severity == severity
    assert said in found.sentence
    assert bool(found.mend) == (severity in (Severity.WARN, Severity.FAIL))


def test_the_facts_are_those_of_the_store(tmp_path: Path) -> None:
    wanted = StoreSettings(path=tmp_path / "store")
    assert store_facts(wanted, NIGHT).backed_up is None
    with open_store(tmp_path / "store") as store:
        back_up(store, wanted.backup_folder, now=lambda: NIGHT)
    found = store_facts(wanted, NIGHT)
    assert found.backed_up == NIGHT
    assert found.made is not None
    assert found.free


def test_nothing_is_lost_while_there_is_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables of a new store are not begun either."""
    monkeypatch.setattr("pipeline.store.ROOM_BYTES", 1 << 60)
    with pytest.raises(StoreError, match="too few to make or change tables safely"):
        open_store(tmp_path / "store")
    monkeypatch.undo()
    with open_store(tmp_path / "store") as store:
        assert isinstance(store, ChdbStore)
