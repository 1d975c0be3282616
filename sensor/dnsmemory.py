"""What each client was told by DNS: names of a server's address, from when until when.

Theory of operation. `DnsMemory.learn` takes an answer with the client that got it; `names` gives the names that this
client had been given for this server at a moment, and that had not expired. There is no map from address to name that
clients share: such a map names innocent hosts. If two live names of one pair belong to different services, the caller
has doubt, and doubt is no name. All addresses at the end of a CNAME chain are the asked name's; so are the hints of its
HTTPS record, and the addresses of that record's target when this client asks for them next (RFC 9460 2.4, 3).

Bounded two ways: one client holds at most a share of the pairs and loses its own oldest beyond that, so a noisy client
cannot push out what others were told; when all of it is full, the client that has been told nothing for longest loses
its oldest. Answers of mDNS and LLMNR are learnt for local names and addresses only: anybody on the link may send them.

It does not know which flows exist. Sources: RFC 1035 3.2.1 and RFC 2181 8 (TTL), RFC 6762 3 (.local), RFC 4795 (LLMNR).
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sensor.dns import Answers

MAX_NAMES_PER_PAIR = 8
MAX_ALIASES = 64  # of one client
CLIENT_SHARE = 32  # a client may hold one part in so many of all pairs, but never fewer than MIN_PER_CLIENT
MIN_PER_CLIENT = 64
REMEMBERED_S = 900  # expired names are kept so long: a flow may be named minutes after it began
MANY = ""  # stands for the names that MAX_NAMES_PER_PAIR left out: with them there is doubt
MIN_TTL, MAX_TTL = 1, 86400  # s; zero means "for the connection in progress", longer is not believed (RFC 8767 4)
_SPREAD_CLIENT, _SPREAD_SERVER, _SKETCH_BITS = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 20
_LOW64, _SHIFT = (1 << 64) - 1, 64 - _SKETCH_BITS

Told = tuple[tuple[str, float, float], ...]  # (name, since, until), newest first


def is_local_name(name: str) -> bool:
    """A name that means something on one link only: a single label, or below .local (RFC 6762 3, RFC 4795 1)."""
    return "." not in name or name.endswith(".local")


_LOCAL_V4 = tuple(map(ipaddress.IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16")))
_LOCAL_V6 = tuple(map(ipaddress.IPv6Network, ("fc00::/7", "fe80::/10")))


def is_local_address(address: bytes) -> bool:
    """A private or link-local address (RFC 1918, 3927, 4193, 4291 2.5.6), given as 16 bytes."""
    parsed = ipaddress.IPv6Address(address)
    if parsed.ipv4_mapped:
        return any(parsed.ipv4_mapped in network for network in _LOCAL_V4)
    return any(parsed in network for network in _LOCAL_V6)


def _lifetime(ttl: int) -> int:
    """Seconds to believe a TTL for; one with the top bit set counts as zero (RFC 2181 8)."""
    return MIN_TTL if ttl == 0 or ttl >> 31 else min(ttl, MAX_TTL)


@dataclass(slots=True)
class _Client:
    pairs: dict[bytes, Told] = field(default_factory=dict)  # by server, oldest first
    aliases: dict[str, tuple[str, float]] = field(default_factory=dict)  # target -> asked name, until
    held: int = 0  # names of pairs, and aliases

    def drop_oldest(self) -> int:
        """Forget the oldest of whatever there is more of, pairs or aliases; returns how many names that were."""
        if len(self.pairs) >= len(self.aliases):
            dropped = len(self.pairs.pop(next(iter(self.pairs))))
        else:
            del self.aliases[next(iter(self.aliases))]
            dropped = 1
        self.held -= dropped
        return dropped


class DnsMemory:
    """See the module's header; bounded to `capacity` names of (client, server) pairs, and aliases."""

    def __init__(self, capacity: int) -> None:
        self._clients: OrderedDict[bytes, _Client] = OrderedDict()  # longest untold first
        self._capacity = capacity
        self._per_client = min(capacity, max(MIN_PER_CLIENT, capacity // CLIENT_SHARE))
        self._sketch = bytearray(1 << _SKETCH_BITS)  # pairs ever learnt, hashed: no false 'no'
        self._sketch_view = np.frombuffer(self._sketch, np.bool_)
        self._held = 0
        self.evicted = 0  # because all was full
        self.evicted_noisy = 0  # because one client had more than its share

    def __len__(self) -> int:
        return self._held

    def count(self, clients: Iterable[bytes]) -> int:
        """How many of these clients were told anything that is still remembered."""
        return sum(map(self._clients.__contains__, clients))

    def learn(self, client: bytes, answers: Answers, now: float) -> None:
        """Remember the addresses of a response under the name that was asked for.

        client: 16 bytes (sensor.slices.pack_address); now: Unix seconds. The whole CNAME chain lives as long as its
        shortest record; addresses of names outside the chain are not believed.
        """
        qname, records, services = answers.qname, answers.records, answers.services
        if not qname or not (records or services):
            return
        chain = {qname}
        aliases = {r.name: r.target for r in records if r.target}
        end = qname
        while (end := aliases.get(end, "")) and end not in chain:
            chain.add(end)
        known = self._clients.get(client)
        if known is None:
            known = self._clients[client] = _Client()
        else:
            self._clients.move_to_end(client)
        name = qname
        if known.aliases and (alias := known.aliases.get(qname)) and now <= alias[1]:
            name = alias[0]
        if records:
            until = now + min([_lifetime(r.ttl) for r in records])
            for record in records:
                if record.address and record.name in chain:
                    self._tell(client, known, record.address, name, now, until)
        for service in services:
            if service.name not in chain:
                continue
            until = now + _lifetime(service.ttl)
            for hint in service.hints:
                self._tell(client, known, hint, name, now, until)
            if service.target and service.target not in chain:
                before = len(known.aliases)
                known.aliases.pop(service.target, None)
                known.aliases[service.target] = (name, until)
                if len(known.aliases) > MAX_ALIASES:
                    del known.aliases[next(iter(known.aliases))]
                self._count(known, len(known.aliases) - before)
        self._shrink(known)

    def learn_local(self, client: bytes, answers: Answers, now: float) -> None:
        """The same for mDNS and LLMNR: only local names, only for local addresses."""
        for record in answers.records:
            if record.address and is_local_name(record.name) and is_local_address(record.address):
                self.learn(client, Answers(record.name, (record,)), now)

    def _tell(self, client: bytes, known: _Client, server: bytes, name: str, now: float, until: float) -> None:
        spread = int.from_bytes(client[8:], "big") * _SPREAD_CLIENT ^ int.from_bytes(server[8:], "big") * _SPREAD_SERVER
        self._sketch[(spread & _LOW64) >> _SHIFT] = 1
        told = known.pairs.pop(server, ())
        known.pairs[server] = new = _with_name(told, name, now, until)
        self._count(known, len(new) - len(told))

    def _count(self, known: _Client, more: int) -> None:
        known.held += more
        self._held += more

    def _shrink(self, known: _Client) -> None:
        """Back within the bounds: first the client that was just told, then whoever was told nothing for longest."""
        while known.held > self._per_client:
            self._held -= known.drop_oldest()
            self.evicted_noisy += 1
        while self._held > self._capacity or len(self._clients) > self._capacity:
            client, oldest = next(iter(self._clients.items()))
            if oldest.held:
                self._held -= oldest.drop_oldest()
                self.evicted += 1
            if not oldest.held:
                del self._clients[client]

    def may_know(self, client_low: Any, server_low: Any) -> Any:
        """For many pairs at once (lower address halves, uint64): false where nothing was ever learnt."""
        spread = client_low * np.uint64(_SPREAD_CLIENT) ^ server_low * np.uint64(_SPREAD_SERVER)
        return self._sketch_view[(spread >> np.uint64(_SHIFT)).astype(np.int64)]

    def names(self, client: bytes, server: bytes, when: float) -> tuple[str, ...]:
        """Names that this client had been given for this server at `when` and that had not expired; newest first."""
        known = self._clients.get(client)
        told = known.pairs.get(server, ()) if known else ()
        return tuple(name for name, since, until in told if since <= when <= until)


def _with_name(told: Told, name: str, now: float, until: float) -> Told:
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
