"""The settings file: what it takes, what it refuses and how it says so, and where each value comes from."""

from __future__ import annotations

import contextlib
from datetime import date
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.settings import SettingsError, describe, effective, load_settings
from sensor.words import Segment

SCHOOL = """\
[school]
id = "ysgol-enghraifft"
name = "Ysgol Enghraifft"
zone = "Europe/London"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "schoolgate.toml"
    path.write_text(text, encoding="utf-8")
    return path


def errors(folder: Path, text: str) -> list[str]:
    """The messages for a file of this text, without its path."""
    path = write(folder, text)
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    lines = str(caught.value).split("\n")
    assert all(line.startswith(f"{path}:") for line in lines)
    return [line.removeprefix(f"{path}:") for line in lines]


def test_the_least_that_a_school_must_say(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, SCHOOL))
    assert settings.school.mode == "aggregate"
    assert settings.school.notice_date is None
    assert settings.sensor.segments == ()
    assert (settings.pages.host, settings.pages.port) == ("127.0.0.1", 8350)


def test_paths_start_at_the_folder_of_the_file(tmp_path: Path) -> None:
    text = SCHOOL + '[feeds]\nkea_leases = "/var/lib/kea/kea-leases4.csv"\nlogons = "feeds/logons.csv"\n'
    settings = load_settings(write(tmp_path, text))
    assert settings.feeds.kea_leases == Path("/var/lib/kea/kea-leases4.csv")
    assert settings.feeds.logons == tmp_path / "feeds" / "logons.csv"
    assert settings.feeds.devices == tmp_path / "devices.csv"
    assert settings.sensor.spool == tmp_path / "spool"
    assert settings.sensor.services is None
    assert settings.store.path == tmp_path / "store"


def test_segments(tmp_path: Path) -> None:
    text = SCHOOL + (
        '[[segment]]\nsegment = "staff"\nvlans = [10, 11]\nsubnets = ["10.20.0.0/20", "fd00:20::/64"]\n'
        '[[segment]]\nsegment = "pupil"\nsubnets = ["10.20.16.0/20"]\n'
    )
    staff, pupil = load_settings(write(tmp_path, text)).sensor.segments
    assert staff.segment is Segment.STAFF
    assert staff.vlans == (10, 11)
    assert staff.subnets == (ip_network("10.20.0.0/20"), ip_network("fd00:20::/64"))
    assert pupil.subnets == (ip_network("10.20.16.0/20"),)


def test_everything_wrong_is_said_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = """\
port = 80
[school]
id = "Ysgol Enghraifft"
zone = "Europe/Londn"
mode = "pseudonymous"
noticedate = 2026-09-01

[sensor]
max_flows = "many"
dns_names = 5
segments = []
[[segment]]
segment = "staff"
vlans = [10, 5000]
subnets = [
  "10.20.5.0/20",
  "banana",
]
[[segment]]
segment = "unknown"
vlan = [10]
[[segment]]
segment = "guest"
[pages]
port = true
"""
    assert errors(tmp_path, text) == [
        "1: port: unknown key; put it into the table [pages]",
        "2: school.name: is missing; add it: Name of the school as pages and reports show it.",
        "2: school.notice_date: mode 'pseudonymous' needs a notice date; "
        "add notice_date = 2026-09-01, the first day on which everybody has been told",
        "3: school.id: 'Ysgol Enghraifft' is not a short id; use up to 40 of a-z, 0-9 and -, such as ysgol-enghraifft",
        "4: school.zone: 'Europe/Londn' is not a time zone; use an IANA name such as Europe/London",
        "6: school.noticedate: unknown key; did you mean notice_date?",
        "9: sensor.max_flows: 'many' cannot be used; it should be a valid integer",
        "10: sensor.dns_names: 5 cannot be used; it should be greater than or equal to 1024",
        "11: sensor.segments: unknown key; write each segment as a [[segment]] table",
        "14: segment[0].vlans[1]: 5000 cannot be used; it should be less than or equal to 4094",
        "15: segment[0].subnets[0]: '10.20.5.0/20' is an address inside a subnet; "
        "write the subnet itself: 10.20.0.0/20",
        "15: segment[0].subnets[1]: 'banana' is not a subnet; write it as 10.20.0.0/20 or fd00:20::/64",
        "20: segment[1].segment: 'unknown' cannot be a rule's segment; "
        "use staff, pupil or guest; whatever no rule names is unknown",
        "21: segment[1].vlan: unknown key; did you mean vlans?",
        '22: segment[2]: the rule names neither VLANs nor subnets; add vlans = [10] or subnets = ["10.20.0.0/20"]',
        "25: pages.port: True cannot be used; it should be a valid integer",
    ]


def test_segments_must_not_overlap(tmp_path: Path) -> None:
    text = SCHOOL + (
        '[[segment]]\nsegment = "staff"\nvlans = [10]\nsubnets = ["10.20.0.0/20", "10.20.1.0/24", "fd00::/32"]\n'
        '[[segment]]\nsegment = "guest"\nsubnets = ["0.0.0.0/0", "fd00:0:1::/64"]\nvlans = [11, 10]\n'
    )
    mend = "; give each VLAN and each subnet to one segment"
    assert errors(tmp_path, text) == [
        f"11: segment[1].subnets[0]: 0.0.0.0/0 overlaps 10.20.0.0/20, which is staff already{mend}",
        f"11: segment[1].subnets[0]: 0.0.0.0/0 overlaps 10.20.1.0/24, which is staff already{mend}",
        f"11: segment[1].subnets[1]: fd00:0:1::/64 overlaps fd00::/32, which is staff already{mend}",
        f"12: segment[1].vlans[1]: VLAN 10 is staff already{mend}",
    ]


def test_what_the_kernel_has_no_room_for_is_refused(tmp_path: Path) -> None:
    many = ", ".join(f'"10.{n // 128}.{n * 2 % 256}.0/24"' for n in range(3000))
    (refused,) = errors(tmp_path, f"{SCHOOL}[sensor]\nexempt = [{many}]\n")
    assert refused.startswith("6: sensor.exempt: the kernel's filter would have ")
    assert refused.endswith(" instructions, and the kernel takes 4096; name fewer or wider networks")
    segment = f'[[segment]]\nsegment = "staff"\nsubnets = [{many}]\n'
    (refused,) = errors(tmp_path, f"{SCHOOL}[sensor]\nworkers = 2\n{segment}")
    assert refused.startswith("6: sensor.workers: the kernel's filter would have ")
    assert refused.endswith("; give the segments fewer or wider subnets, or set workers = 1")
    load_settings(write(tmp_path, f"{SCHOOL}[sensor]\nworkers = 1\n{segment}"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1: school: is missing; add it: The school and the rules that it chose."),
        (SCHOOL + "[school]\n", "5: this is not TOML (cannot declare ('school',) twice); "),
        (SCHOOL + "[pages]\nport = \n", "6: this is not TOML (invalid value); "),
        (SCHOOL + '[pages]\nhost = """\n\n', "6: this is not TOML"),
        (SCHOOL + '[segment]\nsegment = "staff"\n', "5: segment: is not a list of tables; write each segment as a [["),
        (SCHOOL.replace("[school]", "sensor = 3\n[school]"), "1: sensor: is not a table; write [sensor]"),
        (SCHOOL + "[sensors]\n", "5: sensors: unknown key; did you mean sensor?"),
        (SCHOOL + "[zebra]\n", "5: zebra: unknown key; remove it; known here: school, sensor, feeds, store, pages, "),
        (SCHOOL + '[feeds]\nlogons = ""\n', "6: feeds.logons: the path is empty; name a file"),
        (SCHOOL + '[feeds]\nlogons_zone = "../etc"\n', "6: feeds.logons_zone: '../etc' is not a time zone"),
        (SCHOOL + "notice_date = 20260901\n", "5: school.notice_date: 20260901 cannot be used"),
        (SCHOOL + "notice_date = 2026-02-30\n", "5: this is not TOML"),
        (SCHOOL + 'mode = "spy"\n', "5: school.mode: 'spy' cannot be used; it should be 'aggregate' or 'pseudonymous'"),
        (
            SCHOOL + 'mode = "pseudonymous"\nnotice_date = 2026-09-01\nidentity = "none"\n',
            "7: school.identity: 'none' leaves nobody to give a pseudonym to; use mode 'aggregate'",
        ),
    ],
)
def test_each_error_names_line_key_and_mend(tmp_path: Path, text: str, message: str) -> None:
    (error,) = errors(tmp_path, text)
    assert error.startswith(message)


def test_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "schoolgate.toml"
    path.write_bytes(SCHOOL.encode() + b'x = "\xff"\n')
    with pytest.raises(SettingsError, match=":5: the file is not UTF-8; save it as UTF-8"):
        load_settings(path)
    path.write_bytes(b"\xef\xbb\xbf" + SCHOOL.encode())
    assert load_settings(path).school.id == "ysgol-enghraifft"


def test_effective_settings_say_where_they_come_from(tmp_path: Path) -> None:
    path = write(tmp_path, SCHOOL + 'notice_date = 2026-09-01\n[[segment]]\nsegment = "guest"\nvlans = [30]\n')
    shown = {setting.key: (setting.value, setting.origin) for setting in effective(load_settings(path))}
    assert shown["school.zone"] == ('"Europe/London"', f"{path}:4")
    assert shown["school.notice_date"] == (str(date(2026, 9, 1)), f"{path}:5")
    assert shown["school.boundary_margin_min"] == ("5", "default")
    assert shown["segment[0].segment"] == ('"guest"', f"{path}:7")
    assert shown["segment[0].vlans"] == ("[30]", f"{path}:8")
    assert shown["segment[0].subnets"] == ("[]", "default")
    assert shown["sensor.interface"] == ("", "default")
    described = {known.key for known in describe()}
    assert {key.replace("[0]", "[]") for key in shown} == described


def test_every_key_says_what_it_is_for() -> None:
    for known in describe():
        assert known.about.endswith("."), known.key


@given(
    st.dictionaries(
        st.sampled_from(["id", "name", "zone", "mode", "identity", "boundary_margin_min", "colour"]),
        st.sampled_from(['"a"', '"Europe/London"', '"none"', '"pseudonymous"', "3", "-1", "true", "[]", "{}", "1.5"]),
    )
)
def test_any_table_is_taken_or_refused(tmp_path_factory: pytest.TempPathFactory, table: dict[str, str]) -> None:
    text = "[school]\n" + "".join(f"{key} = {value}\n" for key, value in table.items())
    with contextlib.suppress(SettingsError):
        settings = load_settings(write(tmp_path_factory.mktemp("settings"), text))
        assert settings.school.zone == "Europe/London"
        assert len(effective(settings)) > 20
