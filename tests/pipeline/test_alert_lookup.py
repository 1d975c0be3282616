"""From an alert to a name: by two people, for a case, for 28 days, of staff only, and never in aggregate mode."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.access import Refused
from pipeline.alerts.clients import KEEP_DAYS, AlertClients
from pipeline.alerts.lookup import AlertTracer, days_of_alert
from pipeline.desk import Desk
from pipeline.identity import Bindings
from pipeline.lookup import LookupReason, Request, Sort, approve, deny, request, show
from pipeline.words import Grade, Reason
from sensor.health import Severity
from sensor.slices import pack_address
from tests.pipeline import alarming
from tests.pipeline.alarming import AT, Alarm
from tests.pipeline.desks import CHAIR, DPO, HEAD, NM, SCHOOL, Office
from tests.pipeline.judging import DAY, TableBindings, small_school

PEOPLE = {
    "10.0.0.7": (0, Grade.B, Reason.NONE, 7),  # T00
    "10.0.0.8": (2, Grade.B, Reason.NONE, 8),  # T02, the head
    "10.0.0.9": (15, Grade.B, Reason.NONE, 9),  # S01, the network manager
}


class Known(TableBindings):
    """Bindings that say where they are from."""

    def find(self, address: object, minutes: object) -> object:
        import numpy as np

        return np.zeros(len(minutes), np.int64)  # type: ignore[arg-type]

    def source(self, binding: int) -> str:
        return "log-on"


class Case:
    """An office with one alert of an address."""

    def __init__(self, folder: Path) -> None:
        self.office = Office(folder)
        self.office.clock[0] = AT + 3600
        self.board = alarming.Desk(folder / "alerts", school=SCHOOL)

    def alert(self, address: str = "10.0.0.7", **changes: object) -> str:
        alarm = Alarm(client=pack_address(address)).but(**changes)
        alert = self.board.alerts.edit(alarm, self.board.now)
        assert alert is not None
        return alert.id

    def desk(self, named: str) -> Desk:
        bindings: Bindings = Known(PEOPLE)  # type: ignore[assignment]
        return replace(
            self.office.desk(named), tracer=AlertTracer(self.office.folder / "alerts", SCHOOL, lambda: bindings)
        )

    def ask(self, alert: str, by: str = NM) -> str:
        text = "The wiki's stewards have written to us"
        reason = LookupReason.ENCYCLOPAEDIA_EDIT
        return request(self.desk(by), Request("2026/9", reason, text, DAY, DAY, Sort.ALERT, alert)).id


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_two_people_see_whose_it_was_and_the_trail_does_too(case: Case) -> None:
    alert = case.alert()
    asked = case.ask(alert)
    with pytest.raises(Refused, match="is waiting"):
        show(case.desk(NM), asked)
    with pytest.raises(Refused, match="a second person has to"):
        approve(case.desk(NM), asked)
    approve(case.desk(HEAD), asked)
    seen = show(case.desk(NM), asked)
    assert (seen.staff_id, seen.usernames, seen.episodes) == ("T00", ("t00",), ())
    assert seen.traced is not None
    ((trace,),) = (seen.traced.traces,)
    assert (trace.address, trace.staff_id, trace.grade, trace.source) == ("10.0.0.7", "T00", Grade.B, "log-on")
    entries = case.office.trail.entries()
    assert [entry.subjects for entry in entries] == [(alert,), (), (), ("T00",), ("T00",)]
    assert entries[-1].details["alert"] == alert
    assert "10.0.0.7" not in case.office.trail.path.read_text()
    with pytest.raises(Refused, match="for Sam Rees and Ann Bowen only"):
        show(case.desk(DPO), asked)
    assert days_of_alert(case.desk(NM), alert) == (DAY, DAY)


def test_nobody_approves_what_leads_to_himself(case: Case) -> None:
    of_head, of_manager = case.ask(case.alert("10.0.0.8")), None
    with pytest.raises(Refused, match="about himself"):
        approve(case.desk(HEAD), of_head)
    approve(case.desk(CHAIR), of_head)
    with pytest.raises(Refused, match="nobody may look himself up"):
        of_manager = case.ask(case.alert("10.0.0.9", unit=9))
    assert of_manager is None


def test_what_leads_to_nobody_is_for_the_chair_to_approve(case: Case) -> None:
    asked = case.ask(case.alert("10.0.0.99"), by=DPO)
    with pytest.raises(Refused, match="a second person"):
        approve(case.desk(DPO), asked)
    with pytest.raises(Refused, match="chair_of_governors may"):
        approve(case.desk(HEAD), asked)
    approve(case.desk(CHAIR), asked)
    seen = show(case.desk(DPO), asked)
    assert (seen.staff_id, seen.usernames, seen.email) == ("", (), "")
    assert seen.traced is not None
    assert seen.traced.traces[0].address == "10.0.0.99"
    assert seen.traced.traces[0].source == Reason.NO_PERSON.sentence
    deny(case.desk(CHAIR), case.ask(case.alert("10.0.0.98", unit=8), by=DPO))


@pytest.mark.parametrize("segment", ["pupil", "guest", "unknown"])
def test_other_networks_are_never_looked_up(case: Case, segment: str) -> None:
    with pytest.raises(Refused, match="only staff may be looked up"):
        case.ask(case.alert(segment=segment))


def test_after_28_days_nothing_leads_anywhere(case: Case) -> None:
    alert = case.alert()
    clients = AlertClients(case.office.folder / "alerts")
    assert clients.prune(AT) == 0
    assert clients.prune(AT + 1) == 1
    with pytest.raises(Refused, match=f"leaves after {KEEP_DAYS} days"):
        case.ask(alert)
    packed = pack_address("10.0.0.7")
    assert packed not in (case.office.folder / "alerts" / "clients.sqlite").read_bytes()


def test_operational_and_unknown_alerts_lead_to_nobody(case: Case) -> None:
    case.board.examine(Severity.FAIL, 3)
    (alert,) = case.board.outbox.alerts()
    with pytest.raises(Refused, match="about the monitor itself"):
        case.ask(alert.id)
    with pytest.raises(Refused, match="there is no alert"):
        case.ask("a000")


def test_a_school_that_keeps_sums_says_so(case: Case) -> None:
    desk = replace(case.desk(NM), school=small_school(mode="aggregate"), keys=None)
    text = "The wiki's stewards have written to us"
    with pytest.raises(Refused, match="keeps sums only"):
        request(desk, Request("1", LookupReason.COMPLAINT, text, DAY, DAY, Sort.ALERT, case.alert()))
    assert ("lookup.request", "refused") in case.office.said()


def test_an_address_that_changed_hands_leads_to_nobody(case: Case) -> None:
    first = case.alert("10.0.0.7")
    AlertClients(case.office.folder / "alerts").keep(first, pack_address("10.0.0.8"), AT + 5)
    seen = case.desk(NM).trace(first)
    assert {trace.staff_id for trace in seen.traces} == {"T00", "T02"}
    assert seen.staff_id == ""


def test_somebody_whose_data_are_restricted_is_not_looked_up(case: Case) -> None:
    from pipeline.restriction import Restriction, RestrictionReason

    rows = (Restriction(0, DAY, DAY, RestrictionReason.LEGAL),)
    desk = replace(case.desk(NM), school=replace(SCHOOL, restrictions=rows))
    text = "The wiki's stewards have written to us"
    with pytest.raises(Refused, match="is restricted"):
        request(desk, Request("1", LookupReason.COMPLAINT, text, DAY, DAY, Sort.ALERT, case.alert()))
