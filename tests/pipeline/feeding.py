"""A small school and its feeds as text, and who they say had an address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np

from pipeline.feeds.reading import parse_feeds
from pipeline.feeds.text import FeedFile
from pipeline.identity import Bindings, bind
from pipeline.settings import FeedSettings
from pipeline.words import Grade, Reason
from sensor.slices import pack_address
from tests.pipeline.schools import school_of

DAY = "2026-11-17"
PC, LAPTOP, PHONE, SHARED, NEW = (f"00:16:3e:00:00:0{n}" for n in range(1, 6))
PRIVATE = "da:16:3e:00:00:09"  # locally administered
ONE, TWO, SIX = "10.20.0.1", "10.20.0.2", "2001:db8:20:10:5c1e:77aa:1:2"
SCHOOL = school_of(
    {
        "staff": [
            "T1,t1;maiden,t1@school.example,teacher,,,,,",
            "T2,t2,t2@school.example,teacher,,,,,",
            "T3,t3,,teacher,,,,,",
        ],
        "devices": [
            f"{PC},A1,PC-1,,0,,,school",
            f"{LAPTOP},A2,LT-1,T1,0,,,school",
            f"{PHONE},A3,phone-1,T3,0,,,byod",
            f"{SHARED},A4,ROOM-1,,1,,,school",
            f"{PRIVATE},A5,tablet,T3,0,,,byod",
        ],
    }
)
NOBODY = ("nobody", "N", "no_person")
LOCKED = ("nobody", "N", "locked")
SEVERAL = ("nobody", "N", "several_people")
SHARED_DEVICE = ("nobody", "D", "shared_device")
KEA4 = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id"
KEA6 = (
    "address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,fqdn_fwd,fqdn_rev,hostname,"
    "hwaddr,state,user_context,hwtype,hwaddr_source,pool_id"
)
LOGONS = "TimeCreated,EventId,Computer,TargetUserName,TargetDomainName,TargetLogonId,LogonType,IpAddress"


def second(clock: str) -> int:
    """Unix seconds of a time of the day (UTC), or of a whole date and time."""
    return int(datetime.fromisoformat((clock if "T" in clock else f"{DAY}T{clock}") + "+00:00").timestamp())


def kea(address: str, mac: str, start: str, end: str, host: str = "", state: int = 0) -> str:
    begin, expire = second(start), second(end)
    return f"{address},{mac},01:{mac},{expire - begin},{expire},10,0,0,{host},{state},,0"


def event(
    clock: str, number: int, user: str, session: str = "0x1", kind: str = "2", host: str = "PC-1.school.example"
) -> str:
    return f"{DAY}T{clock}Z,{number},{host},{user},SCHOOL,{session},{kind if number == 4624 else ''},-"


def detail(clock: str, status: str, user: str, mac: str = NEW, session: str = "A1", **more: object) -> str:
    """A message of FreeRADIUS as it writes it."""
    lines = [
        datetime.fromisoformat(f"{DAY}T{clock}").strftime("%a %b %e %H:%M:%S %Y"),
        f"\tAcct-Status-Type = {status}",
        f'\tUser-Name = "{user}"',
        f'\tAcct-Session-Id = "{session}"',
        f'\tCalling-Station-Id = "{mac}"',
        '\tCalled-Station-Id = "02-11-22-33-44-55:Staff"',
        "\tNAS-IP-Address = 10.9.0.1",
        *(f"\t{name.replace('_', '-')} = {value}" for name, value in more.items()),
        f"\tTimestamp = {second(clock)}",
    ]
    return "\n".join([*lines, "", ""])


def table(header: str, rows: Sequence[str]) -> bytes:
    return "\n".join([header, *rows, ""]).encode()


def bindings(files: Mapping[str, bytes | Sequence[FeedFile]], **settings: object) -> Bindings:
    """Bindings of feeds by the name of their setting."""
    feeds = FeedSettings.model_validate(settings)
    own = {key: [FeedFile.of(key, data)] if isinstance(data, bytes) else data for key, data in files.items()}
    return bind(SCHOOL, parse_feeds(SCHOOL, feeds, own))


def who(found: Bindings, clock: str, address: str = ONE) -> tuple[str, str, str]:
    """(staff id or nobody, grade, reason) of a minute."""
    minute = np.array([second(clock) // 60], np.uint32)
    person, grade, reason, _ = found.who(np.array([pack_address(address)], "S16"), minute)
    name = SCHOOL.staff[person[0]].staff_id if person[0] >= 0 else "nobody"
    return name, list(Grade)[grade[0]].value, list(Reason)[reason[0]].value


def day(found: Bindings, address: str = ONE) -> list[tuple[int, int, int, int]]:
    """Every minute of the day: person, grade, reason, and whether a device is known."""
    minutes = np.arange(second("00:00:00") // 60, second("2026-11-18T04:00:00") // 60, dtype=np.uint32)
    columns = found.who(np.array([pack_address(address)] * len(minutes), "S16"), minutes)
    return list(zip(*(column.tolist() for column in columns), strict=True))
