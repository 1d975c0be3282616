"""What a school sets for the sensor: where it listens, how much it may hold, and whose network is whose.

`Table` is the base of every settings class of the project: frozen, and any key it does not know is an error. Sizes
and times carry their unit in the name; every field says what it is for, and the documentation is written from that.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from sensor import cbpf
from sensor.words import Segment


class Table(BaseModel):
    """One table of the settings file."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Refusal(NamedTuple):
    """What is wrong with a value, how to mend it, and where: keys and positions below the value that is validated."""

    wrong: str
    mend: str
    at: tuple[str | int, ...] = ()


def refuse(*refusals: Refusal) -> PydanticCustomError:
    """The error for a validator to raise; whoever reports it finds the refusals in its context."""
    text = ", ".join(f"{refusal.wrong}; {refusal.mend}" for refusal in refusals)
    return PydanticCustomError("refused", "{text}", {"text": text, "refusals": refusals})


Whole = Annotated[int, Field(strict=True)]  # a whole number written as one, not as text and not as true or false


def _path(value: object) -> object:
    if value == "":
        raise refuse(Refusal("the path is empty", "name a file or folder, or leave the key out"))
    return value


PathName = Annotated[Path, BeforeValidator(_path)]


def _network(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return ipaddress.ip_network(value)
    except ValueError:
        pass
    try:
        network = ipaddress.ip_interface(value).network
    except ValueError:
        raise refuse(Refusal(f"{value!r} is not a subnet", "write it as 10.20.0.0/20 or fd00:20::/64")) from None
    raise refuse(Refusal(f"{value!r} is an address inside a subnet", f"write the subnet itself: {network}"))


Subnet = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]


def _site(name: str) -> str:
    plain = name.lower().removesuffix(".")
    if not re.fullmatch(r"(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})+", plain):
        raise refuse(Refusal(f"{name!r} is no name of a site", "write the host name alone, such as union.example.org"))
    return plain


SiteName = Annotated[str, AfterValidator(_site)]
VlanId = Annotated[int, Field(strict=True, ge=1, le=4094)]


class SegmentRule(Table):
    """`[[segment]]`: which VLANs and subnets belong to staff, pupils or guests."""

    segment: Segment = Field(description="Whose network it is: staff, pupil or guest. Only staff are ever judged.")
    vlans: tuple[VlanId, ...] = Field(
        default=(), description="VLAN ids (1 to 4094) of the segment; of stacked tags the innermost counts."
    )
    subnets: tuple[Subnet, ...] = Field(
        default=(), description="Subnets of the segment, IPv4 or IPv6, as in 10.20.0.0/20."
    )

    @field_validator("segment", mode="before")
    @classmethod
    def _is_a_segment(cls, segment: object) -> object:
        if segment not in (Segment.STAFF, Segment.PUPIL, Segment.GUEST):
            mend = "use staff, pupil or guest; whatever no rule names is unknown"
            raise refuse(Refusal(f"{segment!r} cannot be a rule's segment", mend))
        return segment

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.vlans and not self.subnets:
            mend = 'add vlans = [10] or subnets = ["10.20.0.0/20"]'
            raise refuse(Refusal("the rule names neither VLANs nor subnets", mend))
        return self


class SensorSettings(Table):
    """`[sensor]`: capture, memory and the spool."""

    interface: Annotated[str, Field(min_length=1, max_length=15)] | None = Field(
        default=None, description="Network interface of the mirror port, as `ip link` names it; only `run` needs it."
    )
    max_flows: Whole = Field(
        default=1_048_576, ge=1_024, le=16_777_216, description="Flows remembered at once; beyond it the oldest go."
    )
    tcp_idle_s: Whole = Field(
        default=3_600,
        ge=10,
        le=14_400,
        description="Seconds of silence after which a TCP flow is over, and its name forgotten.",
    )
    udp_idle_s: Whole = Field(
        default=300,
        ge=10,
        le=14_400,
        description="Seconds of silence after which a UDP flow is over, and its name forgotten.",
    )
    dns_names: Whole = Field(
        default=262_144, ge=1_024, le=8_388_608, description="DNS answers remembered at once, over all clients."
    )
    duplicates: Literal["once", "keep"] = Field(
        default="once",
        description="Whether a packet that the mirror delivers twice counts `once`, or both are kept (`keep`).",
    )
    workers: Whole = Field(
        default=1,
        ge=1,
        le=64,
        description="Processes that share the mirror port, each with all packets of its clients.",
    )
    ring_mib: Whole = Field(default=64, ge=1, le=4_096, description="Size of each worker's capture ring in MiB.")
    exempt: tuple[Subnet, ...] = Field(
        default=(),
        description="Networks never watched live: the kernel keeps away every packet from or to them, also under VLAN "
        "tags, MPLS and PPPoE and inside two tunnels (GRE, ERSPAN, VXLAN, Geneve, TZSP, IP in IP); `replay` reads all.",
    )
    spool: PathName = Field(default=Path("spool"), description="Folder of slices that wait for the store.")
    spool_cap_mib: Whole = Field(
        default=1_024,
        ge=16,
        le=1_048_576,
        description="Size in MiB at which the spool drops its oldest files, counted.",
    )
    services: PathName | None = Field(
        default=None,
        description="CSV file of the school's own services and host names, laid over the shipped ones; "
        "unset: services.csv beside the settings, if there is one.",
    )
    exempt_sites: tuple[SiteName, ...] = Field(
        default=(),
        description="Sites never named, nor anything below them, besides sensor/services/exempt.csv.",
    )
    sightings: Annotated[bool, Field(strict=True)] = Field(
        default=True,
        description="Whether to note from ARP, NDP and DHCP on the mirror which device has which address, but of no "
        "pupils and guests: a feed of identity, kept in the spool for a day.",
    )
    segments: tuple[SegmentRule, ...] = Field(
        default=(), description="Whose network is whose; written as `[[segment]]` tables."
    )

    @model_validator(mode="after")
    def _fit_into_the_kernel(self) -> Self:
        from sensor import filters  # which knows the types of this module

        try:
            if self.exempt:
                at, mend = "exempt", "name fewer or wider networks"
                filters.exempt_program(self.exempt)
            if self.workers > 1:
                at, mend = "workers", "give the segments fewer or wider subnets, or set workers = 1"
                filters.share_program(filters.inside_subnets(self.segments))
        except cbpf.ProgramTooLong as error:
            raise refuse(Refusal(f"the kernel's filter would have {error}", mend, (at,))) from None
        return self

    @field_validator("segments")
    @classmethod
    def _are_apart(cls, segments: tuple[SegmentRule, ...]) -> tuple[SegmentRule, ...]:
        if overlaps := list(_overlaps(segments)):
            raise refuse(*overlaps)
        return segments


def _overlaps(rules: tuple[SegmentRule, ...]) -> Iterator[Refusal]:
    """VLANs and subnets that two different segments claim."""
    mend = "give each VLAN and each subnet to one segment"
    vlans: dict[int, Segment] = {}
    subnets: list[tuple[IPv4Network | IPv6Network, Segment]] = []
    for index, rule in enumerate(rules):
        for place, vlan in enumerate(rule.vlans):
            if vlans.setdefault(vlan, rule.segment) is not rule.segment:
                yield Refusal(f"VLAN {vlan} is {vlans[vlan]} already", mend, (index, "vlans", place))
        for place, subnet in enumerate(rule.subnets):
            for other, segment in subnets:
                if segment is not rule.segment and _meet(subnet, other):
                    wrong = f"{subnet} overlaps {other}, which is {segment} already"
                    yield Refusal(wrong, mend, (index, "subnets", place))
            subnets.append((subnet, rule.segment))


def _meet(one: IPv4Network | IPv6Network, other: IPv4Network | IPv6Network) -> bool:
    if isinstance(one, IPv4Network):
        return isinstance(other, IPv4Network) and one.overlaps(other)
    return isinstance(other, IPv6Network) and one.overlaps(other)
