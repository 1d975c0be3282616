"""The labelled corpus of real browsers: what it holds, how it was labelled and cut, and how well the rules do on it."""

from __future__ import annotations

import gzip
from collections import defaultdict
from pathlib import Path

import pytest

from pcaps.hellos import Hello, hellos
from pcaps.use import HALVES, HERE, captures, truth
from pcaps.use.embeds import EMBEDS, FRAMES
from pcaps.use.labels import label_minutes
from pcaps.use.services import SERVICES
from pcaps.use.shorten import blank_hello, shorten
from pcaps.use.sites import page_at
from sensor.catalogue import load_catalogue
from sensor.tls import read_stream
from sensor.words import Role
from tests.sensor.building import Talk, client_hello, datagram, dns_answer, pcap, quic_datagrams
from tests.use_corpus import LEAST_FOUND, MOST_CALLED, confusion, judge, shares, slices_of

MOST_BYTES = 6_000_000
ONE_RECORD = [h for h in hellos() if 5 + int.from_bytes(h.stream[3:5], "big") == len(h.stream)]

half = pytest.mark.parametrize("half", HALVES)


@half
def test_a_half_holds_every_scenario_with_both_browsers_and_every_label(half: str) -> None:
    rows, other = truth(half), truth(HALVES[1 - HALVES.index(half)])
    kinds = {(row.scenario, row.browser) for row in rows}
    scenarios = {scenario for scenario, browser in kinds if browser != "program"}
    assert kinds == {(row.scenario, row.browser) for row in other}
    assert {(s, b) for s in scenarios for b in ("chromium", "firefox")} <= kinds
    assert {row.label for row in rows} == {"use", "widget", "background", "none", "edge"}
    assert not {row.client for row in rows} & {row.client for row in other}
    assert {row.capture for row in rows} == {path.name.removesuffix(".pcap.gz") for path in captures(half)}


def test_it_is_small() -> None:
    assert sum(path.stat().st_size for path in HERE.iterdir() if path.is_file()) < MOST_BYTES


@half
def test_nearly_all_use_has_traffic(half: str) -> None:
    """What nobody could find would make the figures mean less."""
    use = [row for row in judge(half) if row.of.label == "use"]
    assert len(use) >= 50
    assert sum(row.seen for row in use) >= 0.97 * len(use)


@half
def test_no_minute_has_two_labels(half: str) -> None:
    keys = [(row.client, row.service, row.minute) for row in truth(half)]
    assert len(keys) == len(set(keys))


def test_use_is_told_from_widgets_and_sleeping_tabs() -> None:
    """On the half that the rules were not tuned on."""
    judged = judge("held")
    found, called = shares(judged)
    assert found >= LEAST_FOUND, "\n".join(confusion(judged))
    assert called <= MOST_CALLED, "\n".join(confusion(judged))


def test_shares_count_what_was_seen() -> None:
    judged = judge("tune")
    found, called = shares(judged)
    use = [row for row in judged if row.of.label == "use"]
    others = [row for row in judged if row.of.label in ("widget", "background") and row.seen]
    assert found == pytest.approx(sum(row.called for row in use) / len(use))
    assert called == pytest.approx(sum(row.called for row in others) / len(others))


# ---------------------------------------------------------------------------------------------------- how it was made


def test_minutes_are_labelled_by_what_counts_most() -> None:
    minutes = label_minutes(
        [
            ("widget", "x", 30, 200),
            ("background", "x", 70, 170),
            ("use", "x", 125, 134),
            ("use", "x", 290, 295),
            ("use", "x", 292, 301),
            ("use", "y", 0, 400),
        ],
        420,
        [(365, 380)],
    )
    assert [label for label, _ in minutes["x"].values()] == [
        "widget",
        "background",
        "edge",
        "widget",
        "use",
        "edge",
        "edge",
        "none",
    ]
    assert minutes["x"][4] == ("use", 10.0)
    assert [label for label, _ in minutes["y"].values()] == ["use"] * 6 + ["edge", "none"]


@pytest.mark.parametrize("hello", ONE_RECORD, ids=lambda hello: hello.label)
def test_a_cut_hello_reads_as_the_whole_one(hello: Hello) -> None:
    record = bytearray(hello.stream)
    blank_hello(record)
    assert len(record) == len(hello.stream)
    assert read_stream(bytes(record)) == read_stream(hello.stream)
    assert record[11:43] == bytes(32)


def test_a_cut_capture_makes_the_same_slices(tmp_path: Path) -> None:
    hello = client_hello("www.facebook.com", alpn=20)
    site, tube, client = "198.18.0.9", "198.18.0.10", "10.20.1.1"
    talk = Talk(client=client, server=site).open(0).up(0.01, hello[:900]).up(0.02, hello[900:]).down(0.03, b"x" * 1400)
    talk.up(2, b"y" * 900).down(2.1, b"z" * 1400).close(70)
    flight = quic_datagrams("www.youtube.com")
    packets = [
        dns_answer(0, "connect.facebook.net", ["198.18.0.11"], client=client, ttl=600),
        *talk.packets,
        *(datagram(80 + n, data, client=client, server=tube) for n, data in enumerate(flight)),
        datagram(85, b"\x40" + bytes(700), client=client, server=tube),
        *Talk(client=client, server="198.18.0.11").open(90).up(90.1, b"\x17\x03\x03" + bytes(500)).close(91).packets,
    ]
    raw, cut = tmp_path / "raw.pcap", tmp_path / "cut.pcap.gz"
    raw.write_bytes(pcap(packets, nano=False))
    assert shorten(raw, cut) == len(packets)
    rows = slices_of(cut).to_pylist()
    assert rows == slices_of(raw).to_pylist()
    assert {(row["service"], row["evidence"]) for row in rows} == {
        ("facebook", "sni"),
        ("facebook", "dns"),
        ("youtube", "quic_sni"),
    }
    assert b"yyyy" not in gzip.decompress(cut.read_bytes())


def test_the_sites_hosts_are_the_catalogues() -> None:
    """Each service's page is at a primary host; what a widget asks of a service belongs to that service."""
    catalogue = load_catalogue()

    def service_of(url: str) -> tuple[str, Role] | None:
        hit = catalogue.lookup(url.split("/")[2])
        return (hit.service, hit.role) if hit else None

    for name, page in SERVICES.items():
        assert service_of(page["url"]) == (name, Role.PRIMARY)
    met = defaultdict(set)
    for widget in EMBEDS.values():
        urls = [*widget["scripts"], *widget["frames"], *(f"https://{group['host']}/" for group in widget["boot"])]
        met[widget["service"]] |= {service_of(url) for url in urls}
        assert all(any(url.startswith(start) for start in FRAMES) for url in widget["frames"])
    for name, found in met.items():
        assert {hit[0] for hit in found if hit} == {name}


def test_a_page_carries_the_widgets_that_its_address_names() -> None:
    page = page_at("www.bbc.co.uk", "/page/1", {"e": "fb_like-tw_ads", "h": "dns_x.com"})
    assert page
    assert [widget["service"] for widget in page["embeds"]] == ["facebook", "twitter"]
    assert page["hints"] == ["dns_x.com"]
    assert page_at("www.facebook.com", "/tr/", {}) is None
