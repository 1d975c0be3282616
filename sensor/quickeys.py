"""What opens a client's QUIC Initial packets: the salt of its version, and the keys that follow from a connection id.

`initial_keys` is the key schedule of RFC 9001 5.2 and keeps the latest, as the second Initial of a hello has the keys
of the first. `InitialKeys.open` takes header protection off a packet and decrypts it. A version whose salt nobody
published (greased, experimental) is tried with each known salt: the AEAD tag proves the right one, so no packet is ever
read with a wrong key.

Sources: RFC 9001 5, RFC 9369 3 (v2), draft-ietf-quic-tls-22 to -34 5.2 and draft-ietf-quic-v2-00 to -01 (older salts).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

V1, V2 = 0x00000001, 0x6B3343CF
V2_DRAFT_00, V2_DRAFT_01 = 0xFF020000, 0x709A50C4
Q050, T050, T051 = 0x51303530, 0x54303530, 0x54303531
MVFST_22 = (0xFACEB001,)
MVFST_27 = (0xFACEB002, 0xFACEB00E, 0xFACEB010, 0xFACEB011, 0xFACEB013)

SALT_V1 = bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a")  # RFC 9001 5.2; drafts 33 and 34
SALT_V2 = bytes.fromhex("0dede3def700a6db819381be6e269dcbf9bd2ed9")  # RFC 9369 3.3.1
SALT_V2_DRAFT = bytes.fromhex("a707c203a59b47184a1d62ca570406ea7ae3e5d3")  # draft-ietf-quic-v2-00 and -01
SALT_29 = bytes.fromhex("afbfec289993d24c9e9786f19c6111e04390a899")  # drafts 29 to 32
SALT_23 = bytes.fromhex("c3eef712c72ebb5a11a7d2432bb46365bef9f502")  # drafts 23 to 28
SALT_22 = bytes.fromhex("7fbcdb0e7c66bbe9193a96cd21519ebd7a02644a")  # drafts 21 and 22
SALT_Q050 = bytes.fromhex("504574efd066fe2f9d945cfcdbd3a7f0d3b56b45")
SALT_T050 = bytes.fromhex("7ff579e5acd072915580304c43a2367c60488310")
SALT_T051 = bytes.fromhex("7a4edef4e7ccee5fa4506c19124fc8ccda6e033d")
ALL_SALTS = (SALT_V1, SALT_29, SALT_23, SALT_V2, SALT_22)

_INNER_PAD = bytes(byte ^ 0x36 for byte in range(256))
_OUTER_PAD = bytes(byte ^ 0x5C for byte in range(256))
_ECB = modes.ECB()


def salts(version: int) -> tuple[bytes, ...]:
    """Salts to try for a version, likeliest first."""
    known = _KNOWN.get(version)
    if known is not None:
        return known
    if version >> 8 == 0xFF0000:
        draft = version & 0xFF
        return (SALT_22 if draft <= 22 else SALT_23 if draft <= 28 else SALT_29 if draft <= 32 else SALT_V1,)
    return ALL_SALTS


_KNOWN = {
    V1: (SALT_V1,),
    V2: (SALT_V2,),
    V2_DRAFT_00: (SALT_V2_DRAFT,),
    V2_DRAFT_01: (SALT_V2_DRAFT,),
    Q050: (SALT_Q050,),
    T050: (SALT_T050,),
    T051: (SALT_T051,),
    **dict.fromkeys(MVFST_22, (SALT_22, *ALL_SALTS)),
    **dict.fromkeys(MVFST_27, (SALT_23, *ALL_SALTS)),
}


def has_v2_types(version: int) -> bool:
    """Are long header packets numbered as in RFC 9369 3.2: Initial 1, 0-RTT 2, Handshake 3, Retry 0?"""
    return version in (V2, V2_DRAFT_01)


class InitialKeys:
    """What opens a client's Initial packets: AEAD with its nonce base, and header protection."""

    __slots__ = ("aead", "iv", "mask")

    def __init__(self, aead: AESGCM, iv: int, mask: Callable[[bytes], bytes]) -> None:
        self.aead = aead
        self.iv = iv
        self.mask = mask

    def open(self, packet: bytes, number_at: int) -> bytes | None:
        """The payload of a packet whose number is at `number_at` (RFC 9001 5.3, 5.4); None if the keys are not its."""
        mask = self.mask(packet[number_at + 4 : number_at + 20])
        first = packet[0] ^ mask[0] & 0x0F
        width = (first & 3) + 1
        start = number_at + width
        number = int.from_bytes(packet[number_at:start], "big") ^ int.from_bytes(mask[1 : 1 + width], "big")
        header = b"%c%b%b" % (first, packet[1:number_at], number.to_bytes(width, "big"))
        try:
            return self.aead.decrypt((self.iv ^ number).to_bytes(12, "big"), packet[start:], header)
        except InvalidTag:
            return None


def _info(label: bytes, length: int) -> bytes:
    """The message that HKDF-Expand-Label (RFC 8446 7.1) hashes, for lengths up to one SHA-256 block."""
    label = b"tls13 " + label
    return length.to_bytes(2, "big") + bytes([len(label)]) + label + b"\0\x01"


_CLIENT = _info(b"client in", 32)
_LABELS_V1, _LABELS_V2 = (
    tuple(_info(prefix + label, length) for label, length in ((b"key", 16), (b"iv", 12), (b"hp", 16)))
    for prefix in (b"quic ", b"quicv2 ")
)


def _pads(key: bytes) -> tuple[bytes, bytes]:
    """What HMAC hashes before the message and before the inner hash (RFC 2104 2); the key has at most 64 bytes."""
    padded = key.ljust(64, b"\0")
    return padded.translate(_INNER_PAD), padded.translate(_OUTER_PAD)


_pads_of_salt = functools.lru_cache(maxsize=16)(_pads)


@functools.lru_cache(maxsize=512)
def initial_keys(salt: bytes, connection_id: bytes) -> InitialKeys:
    """The client's Initial keys (RFC 9001 5.2, RFC 9369 3.3). HMAC is written out: it is what this module waits for.

    More of them than 512 would fall out of the processor's cache, and cost more than they save.
    """
    key_label, iv_label, protection = _LABELS_V2 if salt in (SALT_V2, SALT_V2_DRAFT) else _LABELS_V1
    inner, outer = _pads_of_salt(salt)
    inner, outer = _pads(sha256(outer + sha256(inner + connection_id).digest()).digest())
    inner, outer = _pads(sha256(outer + sha256(inner + _CLIENT).digest()).digest())
    key = sha256(outer + sha256(inner + key_label).digest()).digest()[:16]
    iv = sha256(outer + sha256(inner + iv_label).digest()).digest()[:12]
    mask = sha256(outer + sha256(inner + protection).digest()).digest()[:16]
    protector = Cipher(algorithms.AES(mask), _ECB).encryptor()
    return InitialKeys(AESGCM(key), int.from_bytes(iv, "big"), protector.update)
