"""Requests in the clear: which are edits of a wiki, and how they were answered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.posts import Posts
from tests.sensor.building import START
from tests.sensor.wiki_traffic import Segment, packets_of, seen

HEAD = b" HTTP/1.1\r\nHost: en.wikipedia.org\r\nContent-Length: 400\r\nCookie: a=b\r\n\r\n"
FORM = b"POST /w/index.php?title=CANARY&action=submit" + HEAD
SCRIPT = b"POST /w/api.php" + HEAD
MULTIPART = b'--x\r\nContent-Disposition: form-data; name="action"\r\n\r\nedit\r\n--x\r\n'


@pytest.mark.parametrize(
    ("request_", "edit"),
    [
        (FORM, True),
        (b"POST /w/index.php?title=Special:UserLogin&action=submitlogin" + HEAD, False),
        (b"POST /w/index.php?title=Special:UserLogin" + HEAD, False),
        (SCRIPT + b"action=edit&title=CANARY&text=", True),
        (SCRIPT + MULTIPART, True),
        (SCRIPT + b"action=query&meta=tokens", False),
        (SCRIPT + b"title=CANARY&action=edit", True),
        (b"POST /w/api.php?action=edit" + HEAD, True),
        (b"POST http://en.wikipedia.org/w/index.php?action=submit" + HEAD, True),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 40, 5000])
def test_an_edit_is_told_from_other_requests_however_it_is_cut(request_: bytes, edit: bool, size: int) -> None:
    posts = Posts()
    for at in range(0, len(request_), max(size, 5)):
        assert posts.up(at, request_[at : at + max(size, 5)], 7) is None
    post = posts.down(b"HTTP/1.1 302 Found\r\n")
    assert post is not None
    assert (post.time, post.edit, post.status) == (7, edit, 302)
    assert posts.down(b"HTTP/1.1 302 Found\r\n") is None


def test_each_request_of_a_connection_has_its_own_answer() -> None:
    posts = Posts()
    posts.up(0, FORM, 1)
    assert posts.down(b"HTTP/1.1 100 Continue\r\n") is None, "an interim answer is none"
    unanswered = posts.up(9000, FORM, 2)
    assert unanswered is not None
    assert (unanswered.time, unanswered.status) == (1, 0)
    answered = posts.down(b"HTTP/1.1 200 OK\r\n")
    assert answered is not None
    assert (answered.time, answered.status) == (2, 200)
    assert posts.end() is None


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 99), st.binary(max_size=300)), max_size=20))
def test_no_bytes_stop_it(segments: list[tuple[bool, int, bytes]]) -> None:
    posts = Posts()
    for up, sequence, data in segments:
        posts.up(sequence, (b"POST " if len(data) % 2 else b"") + data, 1) if up else posts.down(data)
    posts.end()


def test_a_capture_s_edit_in_the_clear_is_a_row_without_its_title() -> None:
    body = b"x" * 400
    segments = [
        Segment(1.0, True, 0, b"GET /wiki/CANARY" + HEAD),
        Segment(1.2, False, 0, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        Segment(5.0, True, len(b"GET /wiki/CANARY" + HEAD), FORM),
        Segment(5.01, True, len(b"GET /wiki/CANARY" + HEAD) + len(FORM), body),
        Segment(5.4, False, 43, b"HTTP/1.1 302 Found\r\nLocation: /wiki/CANARY\r\n\r\n"),
    ]
    tables = seen(packets_of(segments, server_port=80))
    (row,) = tables.http.to_pylist()
    assert (row["time"], row["known"]) == (START + 5.0, START + 5.4)
    assert (row["method"], row["edit"], row["status"]) == ("POST", True, 302)
    assert (row["host"], row["service"], row["server_port"]) == ("en.wikipedia.org", "wikipedia", 80)
    assert "CANARY" not in str(tables.http.to_pylist())
    assert [cue["evidence"] for cue in tables.cues.to_pylist()] == ["http_host"]
    assert not tables.units.num_rows
