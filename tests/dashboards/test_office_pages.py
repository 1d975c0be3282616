"""Edits, Official sites, Health, Settings and the notice over HTTP: what they say and do, what they never show."""

from __future__ import annotations

import csv
import io
import re
from contextlib import closing
from datetime import timedelta

import pytest

from dashboards.queries import ask_one
from pipeline.access import Role
from pipeline.alerts.outbox import Outbox
from pipeline.store import ChdbStore
from pipeline.wiki.odds import measured
from sensor.health import Finding, Severity
from tests.dashboards.sample_store import DAY, SCHOOL
from tests.dashboards.schoolhouse import EVIL, Schoolhouse, send


def rows(house: Schoolhouse) -> dict[str, dict[str, str]]:
    """The register as it lies on the disk, by site."""
    text = (house.folder / "official_sites.csv").read_text()
    return {row["site_id"]: row for row in csv.DictReader(io.StringIO(text))}


# ---------------------------------------------------------------------------------------------------------------- edits


def test_edits_of_store_and_outbox_are_one_list(house: Schoolhouse) -> None:
    house.add_alert()
    page = house.client().get("/edits").text
    assert [id_ for id_ in ("a0", "a1", "a2", "a1f0c404a8") if f"/edits/{id_}" in page] == [
        "a0",
        "a1",
        "a2",
        "a1f0c404a8",
    ]
    assert f"{measured()['likely'].wrong * 100:.0f} %" in re.findall(r'<td class="n">(.*?)</td>', page)
    assert "not delivered" in page


def test_edits_are_filtered(house: Schoolhouse) -> None:
    house.add_alert()
    client = house.client()
    found = {
        query: re.findall(r'href="/edits/(\w+)"', client.get(f"/edits?{query}").text)
        for query in ("certainty=likely", "certainty=confirmed", "state=noticed", "days=x&certainty=y&state=z")
    }
    assert [len(ids) for ids in found.values()] == [3, 0, 0, 4]


def test_an_edit_says_why_and_how_likely_it_is_wrong_and_nobodys_name(house: Schoolhouse) -> None:
    house.add_alert()
    page = house.client().get("/edits/a1f0c404a8").text
    for words in (
        "An upload of about 10 kB",
        "that this alert is wrong",
        "temporary account",
        "office",
        "teams",
    ):
        assert words in page
    assert "its certificate is not trusted" in page
    assert EVIL not in page
    assert not re.search(r"\bp[0-9a-f]{12}\b|\b10\.20\.", page)


def test_titles_from_the_wire_are_text_wherever_they_are_shown(house: Schoolhouse) -> None:
    house.add_alert(wiki=f'en.wikipedia.org"{EVIL}')
    for path in ("/edits", "/edits/a1f0c404a8"):
        page = house.client().get(path).text
        assert EVIL not in page
        assert "&lt;script&gt;" in page


def test_an_edit_is_acknowledged_once_by_who_may_and_into_the_trail_first(house: Schoolhouse) -> None:
    house.add_alert()
    path = "/edits/a1f0c404a8"
    assert house.client(Role.DPO).post(path, data={}).status_code == 403
    assert "<textarea" not in house.client(Role.DPO).get(path).text
    answer = send(house.client(Role.HEAD), path, note="It was\r\na lesson.")
    assert answer.headers["location"] == f"{path}?done=1"
    with closing(Outbox(house.folder / "alerts")) as outbox:
        alert = outbox.alert("a1f0c404a8")
    assert alert
    assert (alert.acknowledged_by, alert.note) == ("Ann Bowen", "It was a lesson.")
    assert house.audit()[-1] == ("alert.acknowledged", "done", "head")
    page = house.client(Role.NETWORK_MANAGER).get(path).text
    assert "Ann Bowen" in page
    assert "<textarea" not in page
    house_client = house.client(Role.NETWORK_MANAGER)
    mark = re.search(r'name="form_token" value="(\w+)"', page)
    assert mark
    assert house_client.post(path, data={"form_token": mark[1]}).status_code in (403, 409)


def test_an_acknowledgement_that_cannot_be_written_down_does_not_happen(house: Schoolhouse) -> None:
    house.add_alert()
    client = house.client(Role.HEAD)
    (house.folder / "audit.jsonl").mkdir()
    answer = send(client, "/edits/a1f0c404a8", note="x")
    assert answer.status_code == 500
    with closing(Outbox(house.folder / "alerts")) as outbox:
        alert = outbox.alert("a1f0c404a8")
    assert alert
    assert not alert.acknowledged


def test_unknown_edits_are_said(house: Schoolhouse) -> None:
    assert house.client().get("/edits/nothing").status_code == 404
    assert house.client().get("/edits/%3Cscript%3E").status_code == 404


def test_another_schools_edits_are_not_mixed_in(house: Schoolhouse) -> None:
    house.add_alert()
    assert "a1f0c404a8" not in house.client().get("/edits?school=ysgol-haf").text


# ---------------------------------------------------------------------------------------------------------------- sites


def test_the_register_says_where_each_site_stands_and_what_it_lacks(house: Schoolhouse) -> None:
    path = house.folder / "official_sites.csv"
    path.write_text(path.read_text().replace("T03;S02", "T03"))
    page = house.client(Role.DPO).get("/sites").text
    assert "live, but not approved" in page
    assert "it has 1 administrator of the 2 it needs" in page
    assert "T03" in page
    assert "/sites/new" not in page


NEW = {
    "site_id": "OS9",
    "service": "facebook",
    "account": "ysgol.newydd",
    "purpose": "News",
    "audience": "Families",
    "contributors": "none",
    "host": "third party: facebook",
    "administrators": ["T03", "T05"],
    "moderators": ["T07", "L02"],
    "line_manager": "L03",
    "lm_approved_on": "2026-11-02",
    "go_live": "2026-11-01",
    "closure": "2027-07-16",
    "review_on": "2027-03-01",
}


def test_a_site_is_registered_and_approved_by_two_people(house: Schoolhouse) -> None:
    before = (house.folder / "official_sites.csv").read_bytes()
    manager = house.client(Role.NETWORK_MANAGER)
    answer = send(manager, "/sites/new", **NEW, approval="give", head="L01", head_approved_on="2026-11-01")
    assert answer.headers["location"] == "/sites?done=OS9#OS9"
    row = rows(house)["OS9"]
    assert (row["administrators"], row["network_manager"], row["nm_approved_on"]) == ("T03;T05", "S11", "2026-11-20")
    assert (row["head"], row["head_approved_on"]) == ("", "")  # nobody approves for the head
    assert len(rows(house)) == 5
    assert "the head teacher&#39;s approval is missing" in manager.get("/sites/OS9").text
    kept = {name: value for name, value in NEW.items() if name != "site_id"}
    send(house.client(Role.HEAD), "/sites/OS9", **kept, approval="give")
    assert rows(house)["OS9"]["head"] == "L01"
    page = house.client(Role.HEAD).get("/sites").text
    assert "Form of OS9" in page
    assert "is missing" not in page.split('id="OS9"')[1].split("</section>")[0]
    assert [entry for entry in house.audit() if entry[0] == "sites.changed"] == [
        ("sites.changed", "done", "network-manager"),
        ("sites.changed", "done", "head"),
    ]
    assert before.splitlines()[1] in (house.folder / "official_sites.csv").read_bytes()


def test_an_approval_can_be_withdrawn(house: Schoolhouse) -> None:
    row = rows(house)["OS1"]
    fields = {name: value for name, value in row.items() if name not in ("site_id", "administrators", "moderators")}
    teams = {team: row[team].split(";") for team in ("administrators", "moderators")}
    send(house.client(Role.HEAD), "/sites/OS1", **fields, **teams, approval="withdraw")
    after = rows(house)["OS1"]
    assert (after["head"], after["head_approved_on"], after["network_manager"]) == ("", "", "S11")
    assert {k: v for k, v in after.items() if not k.startswith("head")} == {
        k: v for k, v in row.items() if not k.startswith("head")
    }


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"site_id": "a b"}, "short name"),
        ({"site_id": "OS1"}, "There is a site of that short name"),
        ({"go_live": "soon"}, "is not a date"),
        ({"administrators": ["T99"]}, "T99"),
        ({"purpose": "x" * 501}, "too long"),
        ({"service": ""}, "service is empty"),
    ],
)
def test_a_form_with_an_error_is_shown_again_and_nothing_changes(
    house: Schoolhouse, wrong: dict[str, object], words: str
) -> None:
    before = (house.folder / "official_sites.csv").read_bytes()
    answer = send(house.client(Role.NETWORK_MANAGER), "/sites/new", **{**NEW, **wrong})
    assert answer.status_code == 422
    assert words in answer.text
    assert "Families" in answer.text  # what was typed is still there
    assert (house.folder / "official_sites.csv").read_bytes() == before


def test_a_form_cannot_smuggle_rows_or_columns(house: Schoolhouse) -> None:
    evil = {"purpose": 'News\nOS8,facebook,"x', "account": "a;b,c\r\nd", "extra": "x", "source": "y"}
    send(house.client(Role.NETWORK_MANAGER), "/sites/new", **{**NEW, **evil})
    assert set(rows(house)) == {"OS1", "OS2", "OS3", "OS4", "OS9"}
    assert rows(house)["OS9"]["purpose"] == 'News OS8,facebook,"x'


# --------------------------------------------------------------------------------------------------------------- health


def test_the_way_has_six_steps_and_the_stores_figures(house: Schoolhouse, store: ChdbStore) -> None:
    page = house.client().get(f"/health?day={DAY}").text
    table = re.findall(r'<table id="stages">.*?</table>', page, re.S)[0]
    labels = re.findall(r'<th scope="row">([^<]+)</th>', table)
    assert labels == ["Packets seen", "Named", "Person known", "Timetabled", "Judged", "Stored"]
    strip = ask_one(store, "health_strip", school=SCHOOL, day=DAY)
    assert f"{strip['flows_named'] / strip['flows']:.0%}".replace("%", " %") in table
    assert "connections with an encrypted name (ECH)" in table
    assert "Why minutes are unknown" in page


def test_health_is_told_in_welsh_to_whoever_reads_welsh(house: Schoolhouse) -> None:
    page = house.client().get(f"/health?day={DAY}", headers={"accept-language": "cy"}).text
    table = re.findall(r'<table id="findings">.*?</table>', page, re.S)[0]
    assert "Trywydd archwilio" in table
    assert re.findall(r'<span lang="en">(.*?)</span>', table) == []
    assert "o ddefnydd a ddaeth" in house.client().get("/method", headers={"accept-language": "cy"}).text


def test_every_check_of_the_doctor_is_on_the_page_and_in_the_metrics(
    house: Schoolhouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = (
        Finding("good", "Good", Severity.OK, "It is well.", "1", ""),
        Finding("bad", "Bad", Severity.FAIL, f"It is broken {EVIL}.", "2", "Mend it."),
        Finding("odd", "Odd", Severity.UNKNOWN, "Nobody knows.", "", ""),
    )
    monkeypatch.setattr("deploy.office.examine", lambda path: found)
    client = house.client()
    page = client.get("/health").text
    assert page.index("It is broken") < page.index("Nobody knows") < page.index("It is well")
    assert "Mend it." in page
    assert EVIL not in page
    metrics = client.get("/metrics").text
    assert 'schoolgate_check{id="good"} 0' in metrics
    assert 'schoolgate_check{id="odd"} 1' in metrics
    assert 'schoolgate_check{id="bad"} 3' in metrics
    assert "schoolgate_well 0" in metrics


def test_metrics_are_for_programs_on_this_machine(house: Schoolhouse) -> None:
    house.login_of(Role.HEAD)
    assert house.client().get("/metrics").status_code == 200
    assert house.client().get("/metrics", headers={"x-forwarded-for": "10.0.0.1"}).status_code == 403
    assert house.client(Role.INSTALLER).get("/metrics", headers={"via": "1.1 x"}).status_code == 200


def test_files_that_are_wrong_are_said_and_not_a_fault(house: Schoolhouse) -> None:
    client = house.client(Role.HEAD)
    (house.folder / "bells.csv").write_text("schedule,weekday\nx,y\n")
    answer = client.get("/sites")
    assert answer.status_code == 500
    assert "bells.csv" in answer.text
    assert client.get("/health").status_code == 200


# ------------------------------------------------------------------------------------------------- settings and notice


def test_settings_say_where_each_comes_from_and_no_secret(house: Schoolhouse) -> None:
    path = house.folder / "schoolgate.toml"
    path.write_text(path.read_text() + '\n[alerts]\nchannels = ["office mailto://sam:geheim@mail.example"]\n')
    page = house.client(Role.INSTALLER).get("/settings").text
    assert "geheim" not in page
    assert "schoolgate.toml:" in page
    assert str(house.folder) not in re.sub(r"<code>[^<]*</code>", "", page)
    assert "Time zone in which the bells ring" in page


def test_the_notice_is_open_to_all_in_both_languages_and_says_whether_it_is_current(house: Schoolhouse) -> None:
    house.login_of(Role.HEAD)
    client = house.client()
    page = client.get("/notice").text
    assert "HOW YSGOL ENGHRAIFFT MONITORS" in page
    assert "It has never been issued." in page
    house.clock.at += timedelta(days=1)
    assert "MONITORS" not in client.get("/notice?language=cy").text.split('id="text"')[1].split("</pre>")[0]


# -------------------------------------------------------------------------------------------------------------- my data


def test_staff_see_their_own_data_and_nobody_elses(house: Schoolhouse) -> None:
    page = house.client(Role.STAFF).get("/mine").text
    assert "T03" in page
    assert not re.search(r"\bT0[124-9]\b|\bL01\b", page)
    assert "<style" not in page
    assert ("subject.exported", "done", "staff") in house.audit()
    assert house.client(Role.STAFF).get("/login").url.path == "/mine"  # where staff begin
    assert house.client(Role.DPO).get("/mine").status_code == 403


# ----------------------------------------------------------------------------------------------------- odd addresses

ODD = ("%ff%00", "0001-01-01", "9999-12-31", "-1", "a" * 2000, "%0d%0aX:1%3Cscript%3E")


def test_whatever_an_address_asks_is_answered_and_never_a_fault(
    house: Schoolhouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.office.examine", lambda path: ())
    client = house.client(Role.NETWORK_MANAGER)
    names = ("day", "school", "week", "days", "certainty", "state", "span", "period", "at", "service", "show", "done")
    faults = []
    for path in sorted(path for path in house.app.state.site.paths if "{" not in path and path != "/day/events"):
        for odd in ODD:
            for query in (f"day={odd}&week={odd}", "&".join(f"{name}={odd}" for name in names)):
                answer = client.get(f"{path}?{query}", follow_redirects=False)
                if answer.status_code >= 500 or "<script>" in answer.text:
                    faults.append((path, query[:60], answer.status_code))
    assert not faults
