"""DNS answers, and what one client was told about one server.

`read_answers` turns a UDP payload into an `Answers` (dpkt reads the message; whatever it raises on hostile bytes
means "not readable", never an error). `DnsMemory` remembers, per (client, server address), the names that this
client was given, and from when until when. There is no map from address to name that is shared between clients: such
a map names innocent hosts. If two live names of one pair belong to different services, the pair has no name.

Sources: RFC 1035 4.1, RFC 3596 (AAAA). It does not know which flows exist.
"""

from __future__ import annotations

import ipaddress
import struct
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import dpkt
import numpy as np

MAX_MESSAGE = 4096  # more than any resolver sends over UDP; reading time grows with the square (pointers to pointers)
MAX_ANSWERS = 64
MAX_NAMES_PER_PAIR = 8
REMEMBERED_S = 900  # expired names are kept so long: a flow may be named minutes after it began
MANY = ""  # stands for the names that MAX_NAMES_PER_PAIR left out: with them there is doubt
MAX_TTL = 86400  # seconds; a longer promise is not believed (RFC 8767 4 advises a cap)
_WORDS = {dpkt.dns.DNS_A: "A", dpkt.dns.DNS_AAAA: "AAAA", dpkt.dns.DNS_CNAME: "CNAME"}


@dataclass(frozen=True, slots=True)
class Answer:
    """One resource record of an answer; `data` is an address or a name as text, ttl in seconds."""

    name: str
    type: str
    ttl: int
    data: str


@dataclass(frozen=True, slots=True)
class Answers:
    """A response with its question."""

    qname: str
    answers: tuple[Answer, ...]


def read_answers(message: bytes) -> Answers | None:
    """A, AAAA and CNAME answers of a DNS response; None if it is none or cannot be read."""
    if len(message) < 12 or not message[2] & 0x80:
        return None
    questions, answers = struct.unpack_from(">HH", message, 4)
    if questions > 4 or answers == 0:
        return None
    try:
        dns = dpkt.dns.DNS(message[:MAX_MESSAGE])
        found = []
        for record in dns.an[:MAX_ANSWERS]:
            word = _WORDS.get(record.type)
            if word == "A" and len(record.rdata) == 4:
                data = str(ipaddress.IPv4Address(record.rdata))
            elif word == "AAAA" and len(record.rdata) == 16:
                data = str(ipaddress.IPv6Address(record.rdata))
            elif word == "CNAME":
                data = _text(record.cname)
            else:
                continue
            found.append(Answer(_text(record.name), word, record.ttl, data))
        qname = _text(dns.qd[0].name) if dns.qd else (found[0].name if found else "")
    except (dpkt.Error, struct.error, ValueError, IndexError, AttributeError, KeyError, RecursionError):
        return None
    return Answers(qname, tuple(found))


def _text(name: str) -> str:
    """A name as printable lower-case text without a final dot; other bytes as \\xNN."""
    raw = name.rstrip(".").encode("utf-8").lower()
    return "".join(chr(b) if 0x21 <= b <= 0x7E else f"\\x{b:02x}" for b in raw)


_SPREAD_CLIENT, _SPREAD_SERVER, _SKETCH_BITS = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 20


class DnsMemory:
    """Names that clients were given, bounded to `capacity` (client, server) pairs; the oldest pair goes first."""

    def __init__(self, capacity: int) -> None:
        self._pairs: OrderedDict[tuple[bytes, bytes], tuple[tuple[str, float, float], ...]] = OrderedDict()
        self._capacity = capacity
        self._sketch = np.zeros(1 << _SKETCH_BITS, np.bool_)  # pairs ever learnt, hashed: no false 'no'
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._pairs)

    def learn(self, client: bytes, answers: Answers, now: float) -> None:
        """Remember the addresses of a response under the name that was asked for.

        client: 16 bytes (sensor.slices.pack_address); now: Unix seconds. The whole CNAME chain lives as long as its
        shortest record; addresses of names outside the chain are not believed.
        """
        if not answers.qname or not answers.answers:
            return
        until = now + min(min(a.ttl for a in answers.answers), MAX_TTL)
        aliases = {a.name: a.data for a in answers.answers if a.type == "CNAME"}
        chain = [answers.qname]
        while (alias := aliases.get(chain[-1])) and alias not in chain:
            chain.append(alias)
        for answer in answers.answers:
            if answer.type == "CNAME" or answer.name not in chain:
                continue
            address = ipaddress.ip_address(answer.data)
            server = address.packed if address.version == 6 else b"\0" * 10 + b"\xff\xff" + address.packed
            spread = (
                int.from_bytes(client[8:], "big") * _SPREAD_CLIENT ^ int.from_bytes(server[8:], "big") * _SPREAD_SERVER
            )
            self._sketch[(spread & (1 << 64) - 1) >> (64 - _SKETCH_BITS)] = True
            key = (client, server)
            self._pairs[key] = _with_name(self._pairs.pop(key, ()), answers.qname, now, until)
        while len(self._pairs) > self._capacity:
            self._pairs.popitem(last=False)
            self.evicted += 1

    def may_know(self, client_low: Any, server_low: Any) -> Any:
        """For many pairs at once (lower address halves, uint64): false where nothing was ever learnt."""
        spread = client_low * np.uint64(_SPREAD_CLIENT) ^ server_low * np.uint64(_SPREAD_SERVER)
        return self._sketch[(spread >> np.uint64(64 - _SKETCH_BITS)).astype(np.int64)]

    def names(self, client: bytes, server: bytes, when: float) -> tuple[str, ...]:
        """Names that this client had been given for this server at `when` and that had not expired; newest first."""
        told = self._pairs.get((client, server), ())
        return tuple(name for name, since, until in told if since <= when <= until)


def _with_name(
    told: tuple[tuple[str, float, float], ...], name: str, now: float, until: float
) -> tuple[tuple[str, float, float], ...]:
    """Names with their stretches (since, until), newest first, after one more answer."""
    since, others = now, []
    for known in told:
        if known[0] == name and known[2] >= now:  # told again before it expired: one stretch
            since, until = min(since, known[1]), max(until, known[2])
        elif known[2] >= now - REMEMBERED_S:
            others.append(known)
    left_out = others[MAX_NAMES_PER_PAIR - 1 :]
    if left_out:
        others[MAX_NAMES_PER_PAIR - 1 :] = [(MANY, min(k[1] for k in left_out), max(k[2] for k in left_out))]
    return ((name, since, until), *others)
