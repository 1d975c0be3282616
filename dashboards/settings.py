"""What a school sets for what people see: the pages and the weekly report."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

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


class ReportSettings(Table):
    """`[report]`: the weekly report."""

    contact: str = Field(
        default="", max_length=200, description="Whom to ask or complain to (data protection officer), in the footer."
    )
