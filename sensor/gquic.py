"""The server name in Google's QUIC before TLS (Q024 to Q050): the SNI tag of a CHLO message.

Up to Q046 a client's first packets are not encrypted, only authenticated by a hash, so the message lies open in the
datagram; in Q050 it lies in the CRYPTO frames of an Initial (`sensor.quic` opens it). Bytes in, a `Reading` out.

A CHLO (QUIC Crypto, Google 2016): the tag, a 16-bit count and 16 bits of padding, little-endian; `count` entries of a
tag and the end of its value, counted from the end of the table; the values.
"""

from __future__ import annotations

from sensor.tls import NEED_MORE, UNDECIDED, Reading

ENTRY = 8


def is_plain_version(version: int) -> bool:
    """A Google version whose client hello is not encrypted: "Q0" and two digits, not Q050 and later."""
    return version >> 16 == 0x5130 and version & 0xFFFF < 0x3530


def read_google_hello(data: bytes) -> Reading:
    """The SNI tag of a CHLO message anywhere in `data`, which may end before the message does."""
    at = data.find(b"CHLO")
    if at < 0:
        return UNDECIDED
    count = int.from_bytes(data[at + 4 : at + 6], "little")
    table = at + 8
    values = table + ENTRY * count
    start = 0
    for entry in range(table, min(values, len(data) - ENTRY + 1), ENTRY):
        stop = int.from_bytes(data[entry + 4 : entry + 8], "little")
        if data[entry : entry + 4] == b"SNI\0":
            name = data[values + start : values + stop]
            if stop <= start:
                return Reading(True, True)
            return Reading(True, True, name) if len(name) == stop - start else NEED_MORE
        start = stop
    return Reading(True, values <= len(data))
