"""Forms: read within bounds of size and time, and only if one of our own pages was filled in.

A form carries a mark made of the visitor's cookie (dashboards.accounts); another site can neither read the cookie nor
make the mark. Browsers also say where a request began, and one from elsewhere is refused whatever it carries.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncGenerator
from urllib.parse import parse_qsl

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

FIELD = "form_token"
FIELDS = 500
FILES = 12
SECONDS = 60.0
"""How long a form may take to arrive."""


async def read_form(request: Request, largest: int, token: str) -> FormData:
    """The fields of a form. Raises HTTPException: 403 it is not ours, 408, 413, 415, 400 it cannot be read."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise HTTPException(403, "The form was sent from another site; nothing was done.")
    origin = request.headers.get("origin", "null")
    if origin != "null" and origin.lower() != f"{request.url.scheme}://{request.headers.get('host', '')}".lower():
        raise HTTPException(403, "The form was sent from another site; nothing was done.")
    body = await _read(request, largest)
    form = await _parsed(request, body, largest)
    given = form.get(FIELD)
    if not token or not isinstance(given, str) or not hmac.compare_digest(given.encode(), token.encode()):
        raise HTTPException(403, "This page was open for too long; open it again and send the form once more.")
    return form


async def _read(request: Request, largest: int) -> bytes:
    said = request.headers.get("content-length", "0")
    if not said.isdigit() or int(said) > largest:
        raise HTTPException(413, f"A form for this page may have {largest:,} bytes.")
    body = bytearray()
    try:
        async with asyncio.timeout(SECONDS):
            async for part in request.stream():
                body += part
                if len(body) > largest:
                    raise HTTPException(413, f"A form for this page may have {largest:,} bytes.")
    except TimeoutError:
        raise HTTPException(408, "The form took too long to arrive; send it again.") from None
    except ClientDisconnect:
        raise HTTPException(400, "The form was cut off; send it again.") from None
    return bytes(body)


async def _parsed(request: Request, body: bytes, largest: int) -> FormData:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == "application/x-www-form-urlencoded":
            fields = parse_qsl(body.decode("ascii"), True, errors="strict", max_num_fields=FIELDS)
            return FormData([(name, value) for name, value in fields])
        if kind == "multipart/form-data":

            async def whole() -> AsyncGenerator[bytes, None]:
                yield body

            return await MultiPartParser(
                request.headers, whole(), max_files=FILES, max_fields=FIELDS, max_part_size=largest
            ).parse()
    except (ValueError, KeyError, MultiPartException):
        raise HTTPException(400, "The form cannot be read; open its page again and send it once more.") from None
    raise HTTPException(415, "Forms are sent by the pages themselves.")
