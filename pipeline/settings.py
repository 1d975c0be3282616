"""What a school sets for the pipeline: who it is, how far monitoring goes, its feeds and its store."""

from __future__ import annotations

import difflib
import re
import unicodedata
from datetime import date
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from sensor.settings import PathName, Refusal, Table, Whole, refuse


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        near = difflib.get_close_matches(name, available_timezones(), 1) or ["Europe/London"]
        raise refuse(Refusal(f"{name!r} is not a time zone", f"use an IANA name such as {near[0]}")) from None
    return name


ZoneName = Annotated[str, AfterValidator(_zone)]


def _slug(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", text) or len(text) > 40:
        plain = unicodedata.normalize("NFKD", text.lower()).encode("ascii", "ignore").decode()
        better = "-".join(re.findall(r"[a-z0-9]+", plain))[:40].strip("-") or "our-school"
        raise refuse(Refusal(f"{text!r} is not a short id", f"use up to 40 of a-z, 0-9 and -, such as {better}"))
    return text


Slug = Annotated[str, AfterValidator(_slug)]


def _profile_name(text: str) -> str:
    return text if text.endswith(".toml") and "\0" not in text else _slug(text)


ProfileName = Annotated[str, AfterValidator(_profile_name)]


class SchoolSettings(Table):
    """`[school]`: the school and the rules that it chose."""

    id: Slug = Field(description="Short id of the school in the store and in links, in a-z, 0-9 and -.")
    name: Annotated[str, Field(min_length=1, max_length=100)] = Field(
        description="Name of the school as pages and reports show it."
    )
    zone: ZoneName = Field(description="Time zone in which the bells ring, as Europe/London.")
    mode: Literal["aggregate", "pseudonymous"] = Field(
        default="aggregate",
        description="aggregate: only sums leave memory; pseudonymous: also episodes outside allowed time.",
    )
    notice_date: date | None = Field(
        default=None,
        validate_default=True,
        description="First day on which everybody has been told of the monitoring; it is off before, and off without.",
    )
    identity: Literal["feeds", "none"] = Field(
        default="feeds",
        description="feeds: addresses are tied to staff by the feeds; none: to nobody, all use is unknown.",
    )
    policy_profile: ProfileName = Field(
        default="cwmbran",
        description="Policy profile (clauses, times, limits): a shipped one, or the path of your own, as policy.toml.",
    )
    pseudonym_keys: PathName = Field(
        default=Path("pseudonym-keys.json"),
        description="File of the pseudonyms' keys (mode 0600), made when needed; keep it out of the store.",
    )
    boundary_margin_min: Whole = Field(
        default=5,
        ge=0,
        le=30,
        description="Minutes around a change of what is allowed that are unknown; use in allowed time stays allowed.",
    )

    @field_validator("identity")
    @classmethod
    def _has_pseudonyms_to_give(cls, identity: str, info: ValidationInfo) -> str:
        if identity == "none" and info.data.get("mode") == "pseudonymous":
            mend = "use mode 'aggregate', or identity 'feeds'"
            raise refuse(Refusal("'none' leaves nobody to give a pseudonym to", mend))
        return identity

    @field_validator("notice_date")
    @classmethod
    def _is_announced(cls, notice_date: date | None, info: ValidationInfo) -> date | None:
        if notice_date is None and info.data.get("mode") == "pseudonymous":
            mend = "add notice_date = 2026-09-01, the first day on which everybody has been told"
            raise refuse(Refusal("mode 'pseudonymous' needs a notice date", mend))
        return notice_date


class FeedSettings(Table):
    """`[feeds]`: files that tie addresses to staff. Paths are relative to the settings file."""

    devices: PathName = Field(default=Path("devices.csv"), description="Asset register: which MAC address is whose.")
    kea_leases: PathName | None = Field(default=None, description="Lease file of Kea DHCP (kea-leases4.csv).")
    kea_leases6: PathName | None = Field(default=None, description="Lease file of Kea DHCPv6 (kea-leases6.csv).")
    isc_leases: PathName | None = Field(default=None, description="Lease file of ISC DHCP (dhcpd.leases).")
    dnsmasq_leases: PathName | None = Field(default=None, description="Lease file of dnsmasq (dnsmasq.leases).")
    dnsmasq_lease_min: Whole = Field(
        default=60, ge=2, le=527_040, description="Length of dnsmasq's leases in minutes; the shortest if they differ."
    )
    windows_dhcp_logs: PathName | None = Field(
        default=None, description="Folder of Windows DHCP's audit logs (DhcpSrvLog-*.log), or one of them."
    )
    windows_leases: PathName | None = Field(
        default=None, description="Leases of Windows DHCP as CSV (Get-DhcpServerv4Lease), or a folder of such files."
    )
    windows_dhcp_zone: ZoneName | None = Field(
        default=None, description="Time zone of the Windows DHCP server; the school's if not set."
    )
    windows_lease_h: Annotated[Whole, Field(ge=1, le=8_784)] | None = Field(
        default=None, description="Length of Windows DHCP's leases in hours; its log does not say it."
    )
    radius_detail: PathName | None = Field(
        default=None, description="Accounting of FreeRADIUS: a detail file, or the folder (radacct) that has them."
    )
    radius_zone: ZoneName | None = Field(
        default=None, description="Time zone of RADIUS times that carry none; the school's if not set."
    )
    radius_session_min: Whole = Field(
        default=240,
        ge=1,
        le=1_440,
        description="Minutes after which an 802.1X session without Interim and Stop is over.",
    )
    logons: PathName | None = Field(
        default=None, description="Windows log-on events (4624, 4634, 4647, 4778, 4779, 4800, 4801) as CSV."
    )
    logons_zone: ZoneName = Field(default="UTC", description="Time zone of log-on times that carry none.")
    neighbours: PathName | None = Field(
        default=None, description="ARP and NDP tables of a router (`ip neigh`, arp, CSV), or a folder of such files."
    )
    sightings: PathName | None = Field(
        default=None,
        description="What another sensor sees of ARP, NDP and DHCP, as CSV or Arrow: time, address, mac. "
        "What this one sees counts by itself.",
    )
    domains: tuple[str, ...] = Field(
        default=(), description="Domains and realms whose accounts are the school's, as SCHOOL and school.example."
    )
    shared_accounts: tuple[str, ...] = Field(
        default=(), description="Accounts that several people use, as staffroom or supply*: nobody is known by them."
    )


def _server(text: str) -> str:
    host = r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]"
    found = re.fullmatch(rf"(?:{host})(?::(\d{{1,5}}))?", text)
    if not found or (found[2] and not 0 < int(found[2]) < 65536):
        raise refuse(Refusal(f"{text!r} is not a host", "write it as db1.example or db1.example:9440"))
    return text


def _identifier(text: str) -> str:
    if text and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", text):
        raise refuse(Refusal(f"{text!r} is not a name", "use a-z, 0-9 and _, as council"))
    return text


class StoreSettings(Table):
    """`[store]`: where the aggregates lie."""

    path: PathName = Field(default=Path("store"), description="Folder of the embedded ClickHouse.")
    servers: tuple[Annotated[str, AfterValidator(_server)], ...] = Field(
        default=(),
        description="ClickHouse servers to use instead of the folder, as db1.example; all replicas, the best first.",
    )
    user: Annotated[str, Field(min_length=1, max_length=100)] = Field(
        default="default", description="User at the servers; `schoolgate store users` makes them."
    )
    password_file: PathName | None = Field(
        default=None, description="File (mode 0600) whose first line is that user's password."
    )
    secure: bool = Field(default=True, description="Whether to speak TLS with the servers (port 9440, else 9000).")
    ca: PathName | None = Field(
        default=None, description="Certificates to trust the servers by; the system's if not set."
    )
    cluster: Annotated[str, AfterValidator(_identifier)] = Field(
        default="", description="Name of the cluster in the servers' remote_servers; none for a server of its own."
    )
    backups: PathName | None = Field(
        default=None, description="Folder of the nightly backups, best on another disk; beside store.path if not set."
    )
    backups_keep: Whole = Field(default=7, ge=0, le=400, description="How many backups are kept; 0: none are made.")
    free_mib: Whole = Field(
        default=512,
        ge=16,
        le=1_000_000,
        description="MiB that stay free on the disks of store and backups; with less, nothing is stored and the spool "
        "keeps it.",
    )

    @property
    def backup_folder(self) -> Path:
        """Where backups are."""
        return self.backups or self.path.with_name(f"{self.path.name}-backups")


class PrivacySettings(Table):
    """`[privacy]`: who may look at what, and where it is written down. Paths are relative to the settings file."""

    access: PathName = Field(default=Path("access.csv"), description="Who may ask, approve and read: CSV file.")
    audit: PathName = Field(
        default=Path("audit.jsonl"), description="Audit trail (mode 0600); `NAME.head` beside it belongs to it."
    )
    controller: Annotated[str, Field(max_length=200)] = Field(
        default="", description="Who is responsible for the data, as the notice names it; the school if empty."
    )
    complaints: Annotated[str, Field(max_length=200)] = Field(
        default="", description="Where staff contest an episode or complain, for the notice; else report.contact."
    )
