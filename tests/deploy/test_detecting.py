"""The detector as the owner runs it: what the sensor wrote about a recorded session becomes alerts without sizes."""

from __future__ import annotations

import json
import os
import re
from datetime import date
from pathlib import Path

import pytest

from deploy.detecting import live_detector
from pipeline.profile import load_profile
from pipeline.wiki.constants import ConstantsError
from sensor.wikicapture import units_of_capture
from tests.pipeline.alarming import Desk, quick_folder
from tests.pipeline.judging import small_school

CAPTURES = Path(os.environ.get("SCHOOLGATE_CAPTURES", "/nonesuch")) / "wikiedit"


def test_sizes_of_a_school_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    sizes = tmp_path / "wiki-sizes.toml"
    live_detector(load_profile("cwmbran"), sizes)
    sizes.write_text("[wiki]\nx = 1\n", encoding="utf-8")
    with pytest.raises(ConstantsError, match="let `schoolgate wiki calibrate` write it"):
        live_detector(load_profile("cwmbran"), sizes)


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="needs SCHOOLGATE_CAPTURES")
def test_a_recorded_save_becomes_an_alert_that_tells_no_size_and_no_client() -> None:
    saves = [json.loads(line) for line in (CAPTURES / "saves.jsonl").read_text().splitlines()]
    sid = next(save["sid"] for save in saves)
    tables = units_of_capture(CAPTURES / f"{sid}.pcap.gz")
    detector = live_detector(load_profile("cwmbran"), Path("nonesuch"))
    alarms = detector.read([tables.cues, tables.units], 0.0) + detector.read([tables.http], 2e10)
    assert alarms
    with quick_folder() as folder:
        desk = Desk(folder, school=small_school(notice_date=date(2020, 1, 1)), now=alarms[0].time + 3)
        for alarm in alarms:
            desk.alerts.edit(alarm, desk.now)
        said = str(desk.tell())
        assert "data went up" in said
        assert not re.search(r"\d[\d,]* bytes", said), said
        assert said.count("temporary account") == said.count("public lists of changes")
        assert not re.search(r"\d+\.\d+\.\d+\.\d+", said)
