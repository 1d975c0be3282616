"""What a school sets for what people see: the pages and the weekly report."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sensor.settings import Table, Whole


class PageSettings(Table):
    """`[pages]`: the built-in pages."""

    host: Annotated[str, Field(min_length=1)] = Field(
        default="127.0.0.1", description="Address on which the pages are served; the default is this machine alone."
    )
    port: Whole = Field(default=8350, ge=1, le=65_535, description="TCP port of the pages.")


class ReportSettings(Table):
    """`[report]`: the weekly report."""

    contact: str = Field(
        default="", max_length=200, description="Whom to ask or complain to (data protection officer), in the footer."
    )
