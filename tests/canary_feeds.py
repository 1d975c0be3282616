"""Identity feeds of every sort with a word in each cell that nobody needs: hosts, hardware, accounts of pupils.

Nothing in them is of the sample day's traffic, so they change no judgement; none of their words may go anywhere.
"""

from __future__ import annotations

from pathlib import Path

DATE = "2026-11-17"
PUPIL, MACHINE = "canarypupil@ysgol-enghraifft.example", "canary-{0}.school.example"
MARKS = tuple(f"de:ad:be:ef:00:0{n}" for n in range(8))
ADDRESSES = tuple(f"10.20.7.{240 + n}" for n in range(8))
EXPIRY = 1_794_938_400  # 18:00 UTC on DATE


def _table(*lines: str) -> str:
    return "\n".join((*lines, ""))


_HARDWARE, _HOSTS = tuple(mark.replace(":", "") for mark in MARKS), tuple(MACHINE.format(n) for n in range(8))
FILES = {  # setting -> what the settings name, the file, its contents
    "kea_leases6": (
        "feeds/kea-leases6.csv",
        "feeds/kea-leases6.csv",
        _table(
            "address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,fqdn_fwd,fqdn_rev,"
            "hostname,hwaddr,state,user_context,hwtype,hwaddr_source,pool_id",
            f"2001:db8:20:10::ca0,00:01:00:01:aa:bb,7200,{EXPIRY},1,3600,0,7,128,0,0,{_HOSTS[0]},{MARKS[0]},0,,1,1,0",
        ),
    ),
    "isc_leases": (
        "feeds/dhcpd.leases",
        "feeds/dhcpd.leases",
        f"lease {ADDRESSES[1]} {{\n  starts 2 2026/11/17 08:00:00;\n  ends 2 2026/11/17 18:00:00;\n"
        f'  binding state active;\n  hardware ethernet {MARKS[1]};\n  client-hostname "{_HOSTS[1]}";\n}}\n',
    ),
    "dnsmasq_leases": (
        "feeds/dnsmasq.leases",
        "feeds/dnsmasq.leases",
        _table(f"{EXPIRY} {MARKS[2]} {ADDRESSES[2]} {_HOSTS[2]} 01:{MARKS[2]}"),
    ),
    "windows_dhcp_logs": (
        "feeds/dhcp",
        "feeds/dhcp/DhcpSrvLog-Tue.log",
        _table(
            "ID,Date,Time,Description,IP Address,Host Name,MAC Address,User Name",
            f"10,11/17/26,08:00:00,Assign,{ADDRESSES[3]},{_HOSTS[3]},{_HARDWARE[3]},{PUPIL}",
        ),
    ),
    "windows_leases": (
        "feeds/windows.csv",
        "feeds/windows.csv",
        _table(
            '"IPAddress","ScopeId","AddressState","ClientId","HostName","LeaseExpiryTime"',
            f'"{ADDRESSES[4]}","10.20.0.0","Active","{_HARDWARE[4]}","{_HOSTS[4]}","2026-11-17T18:00:00Z"',
        ),
    ),
    "radius_detail": (
        "feeds/radacct",
        "feeds/radacct/10.9.0.1/detail-20261117",
        _table(
            "Tue Nov 17 08:00:00 2026",
            "\tAcct-Status-Type = Start",
            f'\tUser-Name = "{PUPIL}"',
            '\tAcct-Session-Id = "canary-session"',
            f'\tCalling-Station-Id = "{MARKS[5]}"',
            '\tCalled-Station-Id = "02-11-22-33-44-55:canary-ssid"',
            f"\tFramed-IP-Address = {ADDRESSES[5]}",
            "\tTimestamp = 1794902400",
            "",
        ),
    ),
    "neighbours": (
        "feeds/neighbours.txt",
        "feeds/neighbours.txt",
        _table(f"{DATE}T08:00:00Z", f"{ADDRESSES[6]} dev canary0 lladdr {MARKS[6]} REACHABLE"),
    ),
    "sightings": (
        "feeds/sightings.csv",
        "feeds/sightings.csv",
        _table("time,address,mac", f"{DATE}T08:00:00Z,{ADDRESSES[7]},{MARKS[7]}"),
    ),
}


def plant_feeds(folder: Path) -> None:
    """Adds all these feeds to a school that has leases of Kea and log-ons."""
    settings = folder / "schoolgate.toml"
    text, named = settings.read_text(encoding="utf-8"), []
    for setting, (path, file, data) in FILES.items():
        named.append(f'{setting} = "{path}"')
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(data, encoding="utf-8")
    changed = text.replace("[feeds]\n", "\n".join(["[feeds]", *named, 'shared_accounts = ["canary-shared*"]', ""]))
    assert changed != text
    settings.write_text(changed, encoding="utf-8")
