"""The page "How it works": what becomes of a minute, what can be lost on the way, where the figures come from."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from dashboards import words
from dashboards.frame import Page, Site
from dashboards.needs import Need
from dashboards.queries import questions


def pages(site: Site) -> list[Page]:
    """One page, open to all."""

    async def method(request: Request) -> Response:
        mends = {**words.MENDS, **words.LEFT_UNKNOWN}
        return site.page(
            request, "method.html", current="method", mends=mends, kinds=words.KINDS, questions=questions()
        )

    return [Page("/method", method, Need.NOTHING)]
