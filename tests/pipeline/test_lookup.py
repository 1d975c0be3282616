"""Look-ups: two people, one reason, one day; and nobody about himself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from pipeline.access import AccessError, Refused, find_actor, read_access
from pipeline.lookup import LookupReason, Request, Sort, approve, deny, lookups, request, show
from pipeline.store import open_store
from tests.pipeline.desks import ACCESS, CHAIR, DPO, HEAD, NM, SCHOOL, STAFF, Office, use
from tests.pipeline.judging import DAY

ASK = Request("2026/7", LookupReason.COMPLAINT, "A parent says that lessons begin late", DAY, DAY, Sort.STAFF, "T00")


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("office")
    with open_store(folder / "store") as store:
        office = Office(folder, store)
        office.observe(use(0, "09:10", 8) + use(0, "11:30", 5) + use(2, "09:10", 8) + use(15, "09:10", 8))
        yield office


@pytest.fixture
def office(stored: Office, tmp_path: Path) -> Office:
    """The same store and keys with a trail of its own."""
    (tmp_path / "keys").write_bytes((stored.folder / "keys").read_bytes())
    (tmp_path / "keys").chmod(0o600)
    return Office(tmp_path, stored.store)


def test_two_people_see_the_episodes_of_one_for_a_day(office: Office) -> None:
    asked = request(office.desk(NM), ASK)
    with pytest.raises(Refused, match="is waiting"):
        show(office.desk(NM), asked.id)
    approve(office.desk(HEAD), asked.id)
    seen = show(office.desk(NM), asked.id)
    assert (seen.staff_id, seen.usernames) == ("T00", ("t00",))
    assert sorted(str(explanation.facts["episode"]) for explanation, _ in seen.episodes) == office.episodes("T00")
    assert len(seen.episodes) == 2
    assert show(office.desk(HEAD), asked.id) == seen
    with pytest.raises(Refused, match="for Sam Rees and Ann Bowen only"):
        show(office.desk(DPO), asked.id)
    office.clock[0] += 86_399
    show(office.desk(NM), asked.id)
    office.clock[0] += 1
    with pytest.raises(Refused, match="is expired"):
        show(office.desk(NM), asked.id)
    assert office.said() == [
        ("lookup.requested", "done"),
        ("lookup.show", "refused"),
        ("lookup.approved", "done"),
        ("lookup.shown", "done"),
        ("lookup.shown", "done"),
        ("lookup.show", "refused"),
        ("lookup.shown", "done"),
        ("lookup.show", "refused"),
    ]
    entries = office.trail.entries()
    assert [entry.subjects for entry in entries if entry.action == "lookup.shown"] == [("T00",)] * 3


@pytest.mark.parametrize("sort", [Sort.PSEUDONYM, Sort.EPISODE])
def test_the_trail_does_not_say_who_a_pseudonym_is_before_it_is_approved(office: Office, sort: Sort) -> None:
    subject = office.pseudonym("T00") if sort is Sort.PSEUDONYM else office.episodes("T00")[0]
    asked = request(office.desk(NM), replace(ASK, sort=sort, subject=subject))
    assert '"T00"' not in office.trail.path.read_text()
    approve(office.desk(HEAD), asked.id)
    seen = show(office.desk(NM), asked.id)
    assert seen.staff_id == "T00"
    assert len(seen.episodes) == (2 if sort is Sort.PSEUDONYM else 1), "only what was asked for"


def test_only_the_days_that_were_asked_for_are_shown(office: Office) -> None:
    day = DAY + timedelta(days=1)
    asked = request(office.desk(NM), replace(ASK, date_from=day, date_to=day))
    approve(office.desk(HEAD), asked.id)
    assert show(office.desk(NM), asked.id).episodes == ()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"text": "too short"}, "at least 20 characters"),
        ({"text": "short" + " " * 40 + "text"}, "at least 20 characters"),
        ({"case": " "}, "case number"),
        ({"date_to": DAY + timedelta(days=14)}, "range is 15 days"),
        ({"date_to": DAY - timedelta(days=1)}, "range is 0 days"),
        ({"subject": "T99"}, "no staff id"),
        ({"sort": Sort.PSEUDONYM, "subject": "p000000000000"}, "leads to nobody"),
        ({"sort": Sort.EPISODE, "subject": "e0"}, "no episode"),
    ],
)
def test_what_is_badly_asked_is_refused_and_written_down(
    office: Office, wrong: dict[str, str | date], message: str
) -> None:
    with pytest.raises(Refused, match=message):
        request(office.desk(NM), replace(ASK, **wrong))  # type: ignore[arg-type]
    assert office.said() == [("lookup.request", "refused")]
    request(office.desk(NM), replace(ASK, date_to=DAY + timedelta(days=13)))


@pytest.mark.parametrize(
    ("requester", "subject", "approvers"),
    [
        (NM, "T00", {HEAD, CHAIR}),
        (HEAD, "T00", {CHAIR}),
        (DPO, "T00", {HEAD, CHAIR}),
        (CHAIR, "T00", {HEAD}),
        (NM, "T02", {CHAIR}),
        (DPO, "T02", {CHAIR}),
        (CHAIR, "T02", set()),
        (HEAD, "S01", {CHAIR}),
        (DPO, "S02", {CHAIR}),
        (NM, "S01", None),
        (HEAD, "T02", None),
        (STAFF, "T04", None),
    ],
)
def test_conflicts_are_routed(office: Office, requester: str, subject: str, approvers: set[str] | None) -> None:
    """None: the request itself is refused."""
    for sort, named in ((Sort.STAFF, subject), (Sort.PSEUDONYM, office.pseudonym(subject))):
        what = replace(ASK, sort=sort, subject=named)
        if approvers is None:
            with pytest.raises(Refused):
                request(office.desk(requester), what)
            continue
        found = set()
        for approver in (NM, HEAD, DPO, CHAIR, STAFF, "staff/Ann B. Bowen"):
            asked = request(office.desk(requester), what)
            try:
                approve(office.desk(approver), asked.id)
                found.add(approver)
            except Refused:
                assert office.said()[-1] == ("lookup.approve", "refused")
        assert found == approvers


def test_a_person_in_two_roles_stays_one_person(office: Office) -> None:
    people = read_access(ACCESS + b"Sam Rees,head,S01,\nSAM REES,chair_of_governors,,\n", SCHOOL.numbers)
    asked = request(office.desk(NM), ASK)
    for named in ("head/Sam Rees", "chair_of_governors/Sam Rees"):
        desk = replace(office.desk(NM), people=people, actor=find_actor(people, named, "root"))
        with pytest.raises(Refused, match="second person"):
            approve(desk, asked.id)


def test_a_request_is_decided_once_and_does_not_wait_for_ever(office: Office) -> None:
    asked = request(office.desk(NM), ASK)
    deny(office.desk(HEAD), asked.id)
    with pytest.raises(Refused, match="is denied"):
        approve(office.desk(HEAD), asked.id)
    late = request(office.desk(NM), ASK)
    office.clock[0] += 8 * 86_400
    with pytest.raises(Refused, match="is expired"):
        approve(office.desk(HEAD), late.id)
    with pytest.raises(Refused, match="no look-up L99"):
        approve(office.desk(HEAD), "L99")


def test_a_forged_approval_counts_for_nothing(office: Office) -> None:
    asked = request(office.desk(NM), ASK)
    with office.trail.path.open("a") as file:
        line = office.trail.path.read_text().replace("lookup.requested", "lookup.approved")
        file.write(line.replace('"n":1', '"n":2'))
    with pytest.raises(ValueError, match="broken"):
        show(office.desk(NM), asked.id)


def test_the_state_of_all_is_in_the_trail(office: Office) -> None:
    first, second = request(office.desk(NM), ASK), request(office.desk(DPO), ASK)
    approve(office.desk(HEAD), first.id)
    found = lookups(office.trail.entries())
    assert {id_: one.state(office.desk(NM).time) for id_, one in found.items()} == {
        first.id: "approved",
        second.id: "waiting",
    }


def test_people_come_from_the_access_file(office: Office) -> None:
    people = read_access(ACCESS, SCHOOL.numbers)
    assert find_actor(people, "HEAD/ann bowen", "x").person.staff_id == "T02"
    for named in ("Ann Bowen", "head", "king/Ann Bowen", "head/Sam Rees"):
        with pytest.raises(Refused):
            find_actor(people, named, "x")
    with pytest.raises(Refused, match="from the account wyn"):
        find_actor(people, "network_manager/Elin Wyn", "root")
    assert find_actor(people, "network_manager/Elin Wyn", "wyn").account == "wyn"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (b"name,role\nA,head\n", "access.csv:1: missing column staff_id"),
        (b"name,role,staff_id\nA,king,\n", "access.csv:2: role 'king' is unknown"),
        (b"name,role,staff_id\nA,head,\n", "access.csv:2: a head needs a staff_id"),
        (b"name,role,staff_id\nA,dpo,T99\n", "access.csv:2: staff_id 'T99' is not in staff.csv"),
        (b"name,role,staff_id\nA,dpo,\na,dpo,\n", "access.csv:3: dpo/a is listed twice"),
        (b"name,role,staff_id\n,dpo,\n", "access.csv:2: name is empty"),
        (b"", "access.csv:1: the file is empty"),
        (b"name,role,staff_id\n\xff,dpo,\n", "access.csv:2: byte 0xff is not UTF-8"),
    ],
)
def test_a_wrong_access_file_is_one_message(rows: bytes, message: str) -> None:
    with pytest.raises(AccessError) as error:
        read_access(rows, SCHOOL.numbers)
    assert str(error.value).startswith(message)
