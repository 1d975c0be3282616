"""What a school sets for what people see: the pages and the weekly report."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from sensor.settings import PathName, Refusal, Table, Whole, refuse


class PageSettings(Table):
    """`[pages]`: the built-in pages."""

    host: Annotated[str, Field(min_length=1)] = Field(
        default="127.0.0.1", description="Address on which the pages are served; the default is this machine alone."
    )
    port: Whole = Field(default=8350, ge=1, le=65_535, description="TCP port of the pages.")
    names: tuple[str, ...] = Field(
        default=(), description="Names by which browsers reach the pages, as monitor.school.example."
    )
    certificate: PathName | None = Field(
        default=None, description="TLS certificate with its chain (PEM); the pages are then served over https."
    )
    certificate_key: PathName | None = Field(default=None, description="Private key of the certificate (PEM).")
    proxies: tuple[str, ...] = Field(
        default=(),
        description="Addresses of reverse proxies that end TLS; only they may say who asks (X-Forwarded-For).",
    )
    accounts: PathName = Field(
        default=Path("accounts.sqlite"), description="File of the accounts (mode 0600), made when needed."
    )
    idle_min: Whole = Field(default=30, ge=1, le=720, description="Minutes without a look after which a log-in ends.")
    session_h: Whole = Field(default=10, ge=1, le=24, description="Hours after which a log-in ends in any case.")

    @field_validator("proxies")
    @classmethod
    def _are_addresses(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for text in proxies:
            try:
                ip_address(text)
            except ValueError:
                raise refuse(Refusal(f"{text!r} is not an address", "write it as 10.0.0.5")) from None
        return proxies

    @field_validator("names")
    @classmethod
    def _are_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for text in names:
            if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", text):
                raise refuse(Refusal(f"{text!r} is not a host name", "write it as monitor.school.example"))
        return names

    @field_validator("certificate_key")
    @classmethod
    def _comes_with_certificate(cls, key: Path | None, info: ValidationInfo) -> Path | None:
        if key is not None and info.data.get("certificate") is None:
            raise refuse(Refusal("a key without a certificate", "set pages.certificate too"))
        return key

    @property
    def local(self) -> bool:
        """Are the pages bound to this machine alone?"""
        try:
            return self.host.lower() == "localhost" or ip_address(self.host).is_loopback
        except ValueError:
            return False


def is_address(text: str) -> bool:
    """Is it a mail address, plain as head@school.example?"""
    return re.fullmatch(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,253}", text) is not None


def _address(text: str) -> str:
    if not is_address(text):
        raise refuse(Refusal(f"{text[:60]!r} is not a mail address", "write it as head@school.example"))
    return text


def _no_address_or_one(text: str) -> str:
    return _address(text) if text else text


def _when(text: str) -> str:
    if not re.fullmatch(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun) ([01]\d|2[0-3]):[0-5]\d", text):
        raise refuse(Refusal(f"{text[:20]!r} is not a time of the week", "write it as Fri 17:00"))
    return text


def _each_once(languages: tuple[str, ...]) -> tuple[str, ...]:
    if not languages or len(set(languages)) != len(languages):
        raise refuse(Refusal("each language is needed once, and one at least", 'write languages = ["en", "cy"]'))
    return languages


class ReportSettings(Table):
    """`[report]`: the weekly report."""

    contact: str = Field(
        default="", max_length=200, description="Whom to ask or complain to (data protection officer), in the footer."
    )
    languages: Annotated[tuple[Literal["en", "cy"], ...], AfterValidator(_each_once)] = Field(
        default=("en", "cy"),
        description="Languages of the report, in this order: en, cy (Welsh, to be checked by a speaker before use).",
    )
    at: Annotated[str, AfterValidator(_when)] = Field(
        default="Fri 17:00",
        description="When a week's report is due, by the school's clock; Mon to Thu are those of the week after.",
    )
    to: tuple[Annotated[str, AfterValidator(_address)], ...] = Field(
        default=(),
        description="Mail addresses that get it, as head@school.example; none: it is kept in the store only.",
    )
    terms: bool = Field(
        default=False,
        description="Whether the governors' report is made too, at report.at of the week in which a term ends.",
    )
    terms_to: tuple[Annotated[str, AfterValidator(_address)], ...] = Field(
        default=(), description="Mail addresses that get the governors' report; none: those of report.to."
    )
    sender: Annotated[str, AfterValidator(_no_address_or_one)] = Field(
        default="", description="Mail address that it comes from; the first of report.to if empty."
    )
    host: str = Field(default="localhost", max_length=253, description="Mail server (SMTP).")
    port: Whole = Field(default=587, ge=1, le=65_535, description="Its TCP port.")
    tls: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="starttls, tls from the first byte (port 465), or none (this machine only)."
    )
    ca: PathName | None = Field(
        default=None, description="Certificates to trust the mail server by; the system's if not set."
    )
    user: str = Field(default="", max_length=200, description="User at the mail server; none: no log-in.")
    password_file: PathName | None = Field(
        default=None, description="File (mode 0600) whose first line is that user's password."
    )
    folder: PathName = Field(
        default=Path("reports"), description="Folder (mode 0700) of requests to send, and of how the sending stands."
    )
    export: Literal["suppressed", "exact"] = Field(
        default="suppressed", description="How `schoolgate export` writes small numbers: as the report, or exactly."
    )
