"""ClientHellos made by OpenSSL and by hand, cut at every byte, in several records, and with bytes changed."""

from __future__ import annotations

import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sensor.tls import MAX_HELLO, read_hello, read_stream
from tests.sensor.building import bare_hello, client_hello, in_records, record_of

NAME = "www.one.example"
HELLOS = {
    "plain": client_hello(NAME),
    "tls12": client_hello(NAME, tls12=True),
    "long": client_hello(NAME, alpn=30),
    "one letter": client_hello("x"),
    "longest": client_hello("a" * 63 + "." + "b" * 63 + "." + "c" * 63 + "." + "d" * 61),
    "name last": record_of(bare_hello(NAME.encode(), extensions=struct.pack(">HH", 10, 4) + b"\0\x02\0\x1d")),
    "name first": record_of(bare_hello(NAME.encode(), padding=300)),
}
NAMES = {"one letter": b"x", "longest": b"a" * 63 + b"." + b"b" * 63 + b"." + b"c" * 63 + b"." + b"d" * 61}


@pytest.mark.parametrize("which", HELLOS)
def test_the_name_appears_when_it_is_whole_and_the_end_is_known(which: str) -> None:
    hello, name = HELLOS[which], NAMES.get(which, NAME.encode())
    whole = hello.index(struct.pack(">BH", 0, len(name)) + name) + 3 + len(name)
    for size in range(1, len(hello) + 1):
        reading = read_stream(hello[:size])
        assert reading.is_hello
        assert reading.name == (name if size >= whole else None), size
        assert reading.complete == (size == len(hello)), size


@pytest.mark.parametrize("which", ["plain", "name first"])
def test_the_same_in_a_bare_handshake_message(which: str) -> None:
    message = HELLOS[which][5:]
    whole = message.index(NAME.encode()) + len(NAME)
    for size in range(len(message) + 1):
        reading = read_hello(message[:size])
        assert reading.is_hello
        assert reading.name == (NAME.encode() if size >= whole else None)
        assert reading.complete == (size == len(message))


def test_any_two_records_make_the_hello_that_one_makes() -> None:
    hello = HELLOS["plain"]
    for cut in range(1, len(hello) - 5):
        stream = in_records(hello, cut)
        assert read_stream(stream).name == NAME.encode(), cut
        assert read_stream(stream).complete
        assert not read_stream(stream[:-1]).complete


@given(st.lists(st.integers(1, 60), max_size=40), st.data())
def test_many_records_and_any_prefix(sizes: list[int], data: st.DataObject) -> None:
    stream = in_records(HELLOS["plain"], *sizes)
    assert read_stream(stream).name == NAME.encode()
    reading = read_stream(stream[: data.draw(st.integers(1, len(stream) - 1))])
    assert reading.is_hello
    assert not reading.complete
    assert reading.name in (None, NAME.encode())


def test_what_follows_the_hello_does_not_matter() -> None:
    for tail in (b"\x14\x03\x03\0\x01\x01", b"\x17\x03\x03\0\x20" + bytes(32), HELLOS["tls12"], b"\xff" * 9):
        reading = read_stream(HELLOS["plain"] + tail)
        assert (reading.complete, reading.name) == (True, NAME.encode())


def test_a_record_of_another_kind_inside_the_hello_keeps_what_was_read() -> None:
    stream = in_records(HELLOS["name first"], 120)[: 5 + 120]
    reading = read_stream(stream + b"\x17\x03\x03\0\x20" + bytes(32))
    assert (reading.is_hello, reading.complete, reading.name) == (True, False, NAME.encode())


def test_a_hello_without_a_name() -> None:
    hello = client_hello(None)
    for size in range(1, len(hello) + 1):
        reading = read_stream(hello[:size])
        assert (reading.name, reading.complete) == (None, size == len(hello))


@pytest.mark.parametrize(
    "message",
    [
        bare_hello(b""),
        bare_hello(NAME.encode(), kind=1),  # not a host_name
        bare_hello(None),
        b"\x01\0\0\x26\x03\x03" + bytes(36),  # no extensions at all, as before TLS 1.2
    ],
    ids=["empty name", "another name type", "no extension", "no extension block"],
)
def test_no_name_to_be_had(message: bytes) -> None:
    reading = read_stream(record_of(message))
    assert (reading.is_hello, reading.complete, reading.name) == (True, True, None)


def test_lengths_that_contradict_each_other_give_no_name() -> None:
    """The list, the extension and the block of extensions each bound the name (RFC 6066 3, RFC 8446 4.2)."""
    good = bare_hello(NAME.encode())
    at = good.index(NAME.encode())
    size = len(NAME)
    for offset, value in ((at - 2, size + 1), (at - 5, size + 2), (at - 7, size + 4), (at - 11, 8), (at - 11, size)):
        bad = bytearray(good)
        struct.pack_into(">H", bad, offset, value)
        assert read_stream(record_of(bytes(bad))).name is None, offset - at


@pytest.mark.parametrize(
    "data",
    [
        b"\x16",  # may still become one
        b"\x16\x03",
        b"\x16\x03\x01\x02",
        b"\x16\x03\x01\x02\0",
        b"\x16\x03\x01\x02\0\x01",
    ],
)
def test_a_few_bytes_ask_for_more(data: bytes) -> None:
    assert read_stream(data).is_hello
    assert not read_stream(data).complete


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"G",
        b"\x16\x02",
        b"\x17\x03\x03\0\x05hello",
        b"\x16\x03\x01\0\0",  # an empty record
        b"\x16\x03\x01\xff\xff\x01",  # longer than a record may be
        record_of(b"\x02" + HELLOS["plain"][6:]),  # a ServerHello
        record_of(b"\x01" + (MAX_HELLO + 1).to_bytes(3, "big") + bytes(100)),
    ],
)
def test_other_bytes_are_no_hello(data: bytes) -> None:
    reading = read_stream(data)
    assert (reading.is_hello, reading.complete, reading.name) == (False, True, None)


@given(st.binary(max_size=400))
@example(b"\x01\0\0\x05\x03\x03")
def test_arbitrary_bytes_never_give_a_name_that_is_not_in_them(data: bytes) -> None:
    for reading in (read_hello(data), read_hello(b"\x01" + data), read_stream(data), read_stream(record_of(data))):
        assert reading.name is None or (reading.name in data and reading.name != b"")


MUTATION = st.tuples(st.integers(0, 10_000), st.integers(0, 255))


@given(st.sampled_from(sorted(HELLOS)), st.lists(MUTATION, min_size=1, max_size=4), st.integers(0, 600))
def test_a_changed_hello_gives_a_name_from_its_bytes_or_none(
    which: str, changes: list[tuple[int, int]], cut: int
) -> None:
    data = bytearray(HELLOS[which])
    for at, value in changes:
        data[at % len(data)] = value
    for stream in (bytes(data), bytes(data[: len(data) - cut % len(data)])):
        reading = read_stream(stream)
        assert reading.name is None or reading.name in stream
        assert reading.is_hello or (reading.complete and reading.name is None)


@given(st.sampled_from(sorted(HELLOS)), st.lists(MUTATION, max_size=3), st.data())
def test_more_bytes_never_change_a_name_that_was_given(
    which: str, changes: list[tuple[int, int]], data: st.DataObject
) -> None:
    hello = bytearray(HELLOS[which])
    for at, value in changes:
        hello[5 + at % (len(hello) - 5)] = value
    early, late = sorted((data.draw(st.integers(1, len(hello))), data.draw(st.integers(1, len(hello)))))
    before, after = read_stream(bytes(hello[:early])), read_stream(bytes(hello[:late]))
    if before.name is not None:
        assert after.name == before.name
    if before.complete:
        assert after == before
