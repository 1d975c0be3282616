"""Changes to a school's own file of services: what was there stays, and the catalogue reads what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.catalogue import load_catalogue
from sensor.exempt import is_exempt, shipped_sites
from sensor.ownservices import OwnServicesError, with_rows, with_service
from sensor.words import Action, Kind

PATH = Path("services.csv")
NEW = {"service": "ourspace", "domain": "ourspace.example", "match": "suffix", "role": "primary"}
NAMED = {**NEW, "name": "Our, Space", "kind": "forum"}
SMALL = b"service,domain,match,role\nfacebook,facebook.example,suffix,primary\n"


def test_a_first_row_makes_the_file() -> None:
    data = with_rows(None, [NAMED], "services.csv")
    ours = load_catalogue(PATH, content=data)
    assert (ours.services["ourspace"].name, ours.services["ourspace"].kind) == ("Our, Space", Kind.FORUM)
    assert ours.lookup("www.ourspace.example") is not None


def test_what_is_there_stays_to_the_byte() -> None:
    odd = b"\xef\xbb\xbfrole,service ,match,domain\r\n\r\nprimary, facebook,suffix,facebook.example"
    data = with_rows(odd, [{**NEW, "service": "reddit"}], "services.csv")
    assert data == odd + b"\r\nprimary,reddit,suffix,ourspace.example\r\n"
    assert load_catalogue(PATH, content=data).lookup("facebook.example") is not None


def test_a_header_that_lacks_a_column_gets_it() -> None:
    data = with_rows(SMALL, [NAMED], "services.csv")
    assert data.splitlines()[0] == b"service,domain,match,role,name,kind"
    assert load_catalogue(PATH, content=data).services["ourspace"].name == "Our, Space"
    assert load_catalogue(PATH, content=data).lookup("facebook.example") is not None


def test_a_service_is_graded_again_in_its_own_row() -> None:
    once = with_service(SMALL, "youtube", {"action": "tag"}, "services.csv")
    twice = with_service(once, "youtube", {"action": "ignore", "kind": "podcast"}, "services.csv")
    youtube = load_catalogue(PATH, content=twice).services["youtube"]
    assert (youtube.action, youtube.kind) == (Action.IGNORE, Kind.PODCAST)
    assert twice.count(b"youtube") == 1
    assert load_catalogue(PATH, content=once).services["youtube"].action is Action.TAG


def test_a_file_that_cannot_be_read_is_told() -> None:
    with pytest.raises(OwnServicesError, match=r"^services\.csv:2: the file is not UTF-8"):
        with_rows(b"service,domain,match,role\n\xff", [NEW], "services.csv")
    with pytest.raises(OwnServicesError, match=r"^services\.csv:1: the file cannot be read"):
        with_service(b'"a', "youtube", {"action": "tag"}, "services.csv")


cell = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), max_size=8)


@settings(max_examples=40)
@given(st.lists(cell, min_size=1, max_size=3), cell)
def test_any_words_that_are_added_are_read_again(names: list[str], about: str) -> None:
    rows = [{**NEW, "domain": f"n{n}.example", "name": "x" + name, "kind": "forum"} for n, name in enumerate(names)]
    rows[0]["about"] = about
    data = SMALL
    for row in rows:
        data = with_rows(data, [row], "services.csv")
    ours = load_catalogue(PATH, content=data)
    assert ours.services["ourspace"].name == ("x" + names[-1]).strip()
    assert all(ours.lookup(f"n{n}.example") for n in range(len(names)))


@pytest.mark.parametrize("host", ["neu.org.uk", "forum.neu.org.uk", "www.samaritans.org", "111.wales.nhs.uk"])
def test_exempt_names_belong_to_no_service_whatever_a_school_writes(host: str) -> None:
    assert load_catalogue().lookup(host) is None
    for match in ("suffix", "full"):
        row = {**NAMED, "domain": host, "match": match}
        data = with_rows(None, [{**NAMED}, {**row, "name": "", "kind": ""}], "services.csv")
        assert load_catalogue(PATH, content=data).lookup(host) is None
    wide = {**NAMED, "domain": host.split(".", host.count(".") - 1)[-1]}
    ours = load_catalogue(PATH, content=with_rows(None, [{**wide, "domain": "org.uk"}], "services.csv"))
    assert ours.lookup("some.org.uk") is not None
    assert ours.lookup(host) is None, "a wider row does not take it in"


def test_taking_an_exempt_name_out_is_no_error() -> None:
    data = with_rows(None, [{**NEW, "service": "none", "domain": "neu.org.uk"}], "services.csv")
    assert load_catalogue(PATH, content=data).lookup("neu.org.uk") is None


def test_no_shipped_name_is_exempt() -> None:
    assert len(shipped_sites()) > 20
    assert not [name for (_, name), hit in load_catalogue().hosts.items() if hit and is_exempt(name, shipped_sites())]
