"""A walk through all that lies in the spool: addresses, moments and ids of services, and never a name."""

from __future__ import annotations

import csv
import ipaddress
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from deploy.assembly import read_school
from sensor.capture import open_capture
from sensor.catalogue import load_catalogue
from sensor.sense import Sensor, sensor_of
from sensor.settings import SegmentRule, SensorSettings
from sensor.slices import SLICE_SCHEMA, pack_address
from sensor.spool import Spool
from sensor.words import Evidence, Role, Segment
from tests.conftest import SampleDay
from tests.sensor.building import CLIENT, Talk, bare_hello, feed, record_of

CATALOGUE = load_catalogue()
SAID_OF_OTHER_SITES = {"minute", "first_ms", "last_ms", "first_of_flow", "client", "vlan", "segment", "service"}
ALWAYS_THE_SAME = {"server": bytes(16), "role": "primary", "evidence": "none"}


def spooled(sensor: Sensor, spool: Spool) -> bytes:
    """Writes what a sensor has, looks at every file as a table, and gives all bytes in lower case.

    Each column is a number, an address or a word of a vocabulary, so there is no place for a name; of another site
    that was opened there is only whose computer opened it, and when.
    """
    sensor.meter.finish()
    spool.write(sensor.table())
    vocabularies = {
        "segment": set(Segment),
        "service": {*CATALOGUE.services, ""},
        "role": set(Role),
        "evidence": set(Evidence),
    }
    for path in spool.files():
        table = spool.read(path)
        assert table.schema.remove_metadata() == SLICE_SCHEMA.remove_metadata()
        assert set(table.schema.metadata) == {b"catalogue", b"sensor", b"until", b"from", b"counters"}
        assert all(type(n) in (int, float) for n in json.loads(table.schema.metadata[b"counters"]).values())
        for name, words in vocabularies.items():
            for piece in table.column(name).chunks:
                assert set(piece.dictionary.to_pylist()) <= words, name
        for column in table.columns:
            kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
            assert kind in (pa.string(), pa.binary(16), pa.bool_()) or pa.types.is_primitive(kind)
        marks = pc.max(table["burst_seconds"]).as_py() or 0
        assert marks < 1 << 60, "one mark for each second of a minute"
        elsewhere = table.filter(pc.equal(table["service"].cast(pa.string()), ""))
        assert set(elsewhere["segment"].to_pylist()) <= {"staff"}
        for name in set(table.column_names) - SAID_OF_OTHER_SITES:
            assert set(elsewhere[name].to_pylist()) <= {ALWAYS_THE_SAME.get(name, 0)}, name
    return b"".join(path.read_bytes() for path in spool.files()).lower()


def test_of_other_sites_and_exempt_ones_the_spool_says_only_that_one_was_opened(tmp_path: Path) -> None:
    rules = (SegmentRule(segment=Segment.STAFF, subnets=(f"{CLIENT}/32",)),)
    sensor = sensor_of(SensorSettings(segments=rules, exempt_sites=("canary.facebook.com",)))
    names = (b"canary-news.example", b"www.canary.facebook.com", b"www.samaritans.org", b"www.facebook.com")
    packets = []
    for n, name in enumerate(names):
        talk = Talk(client_port=50_000 + n, server=f"203.0.113.{200 + n}").open(2 * n)
        packets += talk.up(2 * n + 0.125, record_of(bare_hello(name))).down(2 * n + 0.2, b"x" * 500).packets
    feed(sensor, packets)
    spool = Spool(tmp_path / "spool")
    data = spooled(sensor, spool)
    services = [name for path in spool.files() for name in spool.read(path)["service"].to_pylist()]
    assert sorted(services) == ["", "", "", "facebook"]
    assert [word for word in (b"canary", b"samaritan", b"facebook.com", b"example") if word in data] == []
    servers = [ipaddress.ip_address(f"203.0.113.{200 + n}").packed in data for n in range(4)]
    assert servers == [False, False, False, True]


def test_a_days_spool_holds_addresses_and_service_ids_only(sample_day: SampleDay, tmp_path: Path) -> None:
    """Slices need addresses for the hours that they live; names, host names, hardware addresses and paths never."""
    folder = sample_day.folder
    sensor, spool = sensor_of(read_school(folder).settings.sensor), Spool(tmp_path / "spool")
    for _ in open_capture(sample_day.capture).read(sensor.feed_capture):
        spool.write(sensor.table())
    data = spooled(sensor, spool)
    assert any("" in spool.read(path)["service"].to_pylist() for path in spool.files())
    ours = {*cells(folder / "staff.csv", "email"), *cells(folder / "devices.csv", "hostname", "mac")}
    ours |= {str(row["device"]).lower() for row in sample_day.truth}
    ours |= {"facebook.com", "wikipedia.org", "youtube.com", "googlevideo", "/home", "/tmp", "http:/"}
    assert [word for word in ours if len(word) > 4 and word.encode() in data] == []
    macs = [bytes.fromhex(mac.replace(":", "")) for mac in cells(folder / "feeds" / "kea-leases4.csv", "hwaddr")]
    assert len(macs) > 100
    assert [mac.hex() for mac in macs if mac.lower() in data] == []
    assert pack_address("10.20.1.1")[:14] in data, "the walk reads what it thinks it reads"


def cells(path: Path, *columns: str) -> set[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row[column].lower() for row in csv.DictReader(file) for column in columns}
