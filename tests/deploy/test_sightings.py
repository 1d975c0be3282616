"""People whom only the mirror knows: no lease feed, yet ARP, NDP and DHCP in the capture say whose address it was."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from scapy.packet import Packet as Layer

from deploy.assembly import SchoolWatch, read_school
from pcaps.sample_school.facts import HERE
from pipeline.words import Grade
from sensor.sense import sensor_of
from sensor.sightings import CAP_BYTES, FOLDER, SIGHTING_SCHEMA
from sensor.slices import pack_address
from sensor.spool import Spool
from tests.deploy.command import contents, schoolgate_well
from tests.pipeline.feeding import second
from tests.sensor.building import START, Packet, Talk, client_hello, feed, pcap
from tests.sensor.lending import ack, advertisement, on_wire, request

LT_001, LT_002, PUPIL = "00:16:3e:00:10:00", "00:16:3e:00:10:01", "00:16:3e:77:77:77"  # T01's, T02's
FOUR, CLAIMED, SIX = "10.20.0.77", "10.20.0.78", "2001:db8:20:10:5c1e:77aa:1:2"
HELLO = client_hello("www.facebook.com")


@pytest.fixture
def school(tmp_path: Path) -> Path:
    """The sample school without its leases, and without log-ons at LT-002."""
    folder = Path(shutil.copytree(HERE, tmp_path / "school"))
    settings = folder / "schoolgate.toml"
    settings.write_text(re.sub(r"^kea_leases.*\n", "", settings.read_text(), flags=re.MULTILINE))
    events = folder / "feeds" / "logons.csv"
    events.write_text("".join(line for line in events.open() if "LT-002" not in line))
    return folder


def at(clock: str, packet: Layer, vlan: int = 10) -> Packet:
    return on_wire(second(clock) - START, packet, vlans=(vlan,))


def use(client: str, clock: str, minutes: int = 6) -> list[Packet]:
    """Facebook, with a request every ten seconds."""
    begin, vlans = second(clock) - START, (10,)
    server = "2001:db8:ffff::7" if ":" in client else "203.0.113.7"
    talk = Talk(client=client, server=server, client_port=51_000, vlans=vlans).open(begin).up(begin + 0.1, HELLO)
    for n in range(6 * minutes):
        talk.up(begin + 1 + 10 * n, b"u" * 700).down(begin + 1.5 + 10 * n, b"d" * 30_000)
    return talk.close(begin + 60 * minutes).packets


def replayed(folder: Path, packets: Iterable[Packet], store: str) -> dict[str, dict[str, int]]:
    """Minutes of use by outcome, as `schoolgate replay` says them."""
    capture = folder.parent / "capture.pcap"
    capture.write_bytes(pcap(sorted(packets, key=lambda packet: packet.time)))
    done = schoolgate_well("replay", capture, "--school", folder, "--store", folder.parent / store, "--json")
    minutes: dict[str, dict[str, int]] = json.loads(done.stdout)["minutes"]
    return minutes.get("2026-11-17", {})


def test_a_person_known_by_sightings_alone(school: Path) -> None:
    """T01 is logged on at a laptop of which ARP says the address (grade B); T02's is only assigned (C, by NDP); a
    third address is claimed by both."""
    traffic = [*use(FOUR, "09:20:00"), *use(SIX, "09:40:00"), *use(CLAIMED, "09:40:00")]
    told = [at("08:50:00", request(FOUR, LT_001)), at("08:51:00", advertisement(SIX, LT_002))]
    told += [at(f"09:{n:02}:00", request(CLAIMED, LT_002 if n % 2 else LT_001)) for n in range(30, 60)]
    assert replayed(school, traffic, "without") == {"unknown": 18}
    found = replayed(school, [*told, *traffic], "with")
    assert found == {"outside_allowed": 6, "count_only": 6, "unknown": 6}
    tables = contents(school.parent / "with")
    known = [one for one in tables["episode"] if one["grade"] == "B"]
    assert sum(one["minutes"] for one in known) == 6
    assert {one["source"] for one in known} == {"log-on, register, sighting"}
    everything = json.dumps(tables).lower()
    macs = {form for mac in (LT_001, LT_002) for form in (mac, mac.replace(":", ""), mac.replace(":", "-"))}
    assert [text for text in {*macs, FOUR, CLAIMED, SIX, "canary"} if text in everything] == [], (
        "nothing of it is stored"
    )
    assert replayed(school, [*told, *traffic], "with") == found, "again changes nothing"
    assert len(contents(school.parent / "with")["episode"]) == len(tables["episode"])


def test_where_identity_is_off_sightings_bind_nobody(school: Path) -> None:
    settings = school / "schoolgate.toml"
    settings.write_text(settings.read_text().replace('mode = "pseudonymous"', 'identity = "none"'))
    told = [at("08:50:00", request(FOUR, LT_001))]
    assert set(replayed(school, [*told, *use(FOUR, "09:20:00")], "off")) == {"unknown"}


def spooled(folder: Path, *packets: Packet) -> Spool:
    """What a sensor that runs leaves in the spool of this school."""
    settings = read_school(folder).settings.sensor
    sensor = sensor_of(settings)
    feed(sensor, packets)
    spool = Spool(settings.spool / FOLDER, CAP_BYTES, "eth1")
    spool.write(sensor.sightings())
    return spool


def test_what_a_running_sensor_sees_is_a_feed_without_a_setting(school: Path) -> None:
    watch = SchoolWatch(read_school(school))
    spooled(school, at("08:50:00", ack(FOUR, LT_001)), at("08:50:01", request("10.20.40.1", PUPIL), vlan=20))
    renewed = watch.renewed()
    assert renewed is not None, "as soon as it lies there"
    minute = np.array([second("12:00:00") // 60], np.uint32)
    person, grade, *_ = renewed.bindings.who(np.array([pack_address(FOUR)], "S16"), minute)
    assert (renewed.school.staff[person[0]].staff_id, list(Grade)[grade[0]]) == ("T01", Grade.B)
    assert watch.renewed() is None
    said = schoolgate_well("feeds", "--school", school).stdout
    assert "Seen by the sensor: the mirror\n  records 1, newest 2026-11-17 08:50:00" in said


def test_pupils_never_reach_the_spool_and_a_file_that_breaks_stops_nothing(school: Path) -> None:
    spool = spooled(school, at("08:50:00", ack(FOUR, LT_001)), at("08:50:01", request("10.20.40.1", PUPIL), vlan=20))
    (path,) = spool.files()
    data = path.read_bytes()
    assert bytes.fromhex(LT_001.replace(":", ""))[::-1] in data, "the walk reads what it thinks it reads"
    assert bytes.fromhex(PUPIL.replace(":", ""))[::-1] not in data
    assert pack_address("10.20.40.1") not in data
    assert b"canary" not in data
    assert spool.read(path).schema.remove_metadata() == SIGHTING_SCHEMA.remove_metadata()
    (path.parent / "000000000002-eth1.arrow").write_bytes(data[:-40])
    done = schoolgate_well("feeds", "--school", school)
    assert "the mirror, 2 files\n  records 1," in done.stdout
    assert "refused rows 1" in done.stdout
    assert "000000000002-eth1.arrow:1: this Arrow file cannot be read" in done.stdout
