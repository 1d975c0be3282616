"""One-time codes of an authenticator app: TOTP, RFC 6238 with SHA-1, 30 seconds and 6 digits, which every app knows.

A code is good for its half minute and the ones beside it, as clocks differ; and once, so that a code that somebody
looked at is of no use. It keeps nothing: who asks says which half minute was used last.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import struct
from urllib.parse import quote, urlencode

STEP_S, DIGITS, AROUND = 30, 6, 1


def new_secret() -> str:
    """160 random bits in base32, as apps take them."""
    return base64.b32encode(secrets.token_bytes(20)).decode()


def code(secret: str, step: int) -> str:
    """The code of one half minute (its number since 1970). Raises ValueError for what is no base32."""
    try:
        key = base64.b32decode(secret.upper() + "=" * (-len(secret) % 8))
    except binascii.Error as error:
        raise ValueError(f"the secret is not base32: {error}") from None
    digest = hmac.digest(key, struct.pack(">Q", step), hashlib.sha1)
    start = digest[-1] & 15
    number = struct.unpack(">I", digest[start : start + 4])[0] & 0x7FFF_FFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"


def step_of(given: str, secret: str, now: float, after: int = 0) -> int | None:
    """The half minute whose code was given, if it is near `now` and later than `after`; None: it does not fit."""
    digits = given.replace(" ", "")
    here, found = int(now // STEP_S), None
    for step in range(here - AROUND, here + AROUND + 1):
        same = hmac.compare_digest(code(secret, step).encode(), digits.encode())
        if same and step > after:
            found = step
    return found


def address(secret: str, login: str, issuer: str) -> str:
    """The otpauth: address that an app takes over the secret from."""
    query = urlencode({"secret": secret, "issuer": issuer, "digits": DIGITS, "period": STEP_S}, quote_via=quote)
    return f"otpauth://totp/{quote(issuer)}:{quote(login)}?{query}"
