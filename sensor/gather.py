"""Hellos that come in several segments, put together inside the kernel while they come in order.

Post-quantum key shares make a browser's hello longer than a segment, so two segments in order are the normal case,
and too common for Python. A flow that has shown the beginning of a hello gets a place here, which takes the client's
next bytes until the hello is whole; its name is given as soon as that is. Whatever is rarer (a gap, a hello in
several TLS records or longer than GATHER_BYTES) is handed to Python with what has come so far. Bytes already here are
never replaced: what came first counts.

Places are bounded: when none is free, one that a moving hand meets next is taken from its flow and counted, rather one
of the newcomer's own client, never one that waits to be read by Python. This room knows places and bytes;
`sensor.looking` decides.
"""

from __future__ import annotations

from sensor.layout import (
    G_CLIENT,
    G_HELD,
    G_OWNER,
    G_START,
    G_STATE,
    G_WANTED,
    GATHER_BYTES,
    GATHER_FREE,
    GATHER_FREE_COUNT,
    GATHER_HAND,
    GATHER_LOST,
    GATHER_PLACES,
    GATHER_USED,
    LOW32,
)
from sensor.load import copy_bytes, kernel

IN_ORDER, SEEN_BEFORE, GAP = 0, 1, 2
OWN_FIRST = 64  # places searched for one of the same client


@kernel
def take_place(gather, owner, client, start, wanted):
    """A place for a hello of `wanted` bytes whose first has sequence number `start`; -1 if all wait for Python.

    If none is free, the newcomer takes one of its own client's among the next few, else the next: a client that
    begins hellos without end pushes out its own.
    """
    n = -1
    if gather.state[GATHER_FREE_COUNT] > 0:
        gather.state[GATHER_FREE_COUNT] -= 1
        n = gather.free[gather.state[GATHER_FREE_COUNT]]
    else:
        hand = gather.state[GATHER_HAND]
        for k in range(GATHER_PLACES):
            at = (hand + k) % GATHER_PLACES
            if gather.places[at, G_STATE] == GATHER_USED:
                if n < 0:
                    n = at
                if gather.places[at, G_CLIENT] == client:
                    n = at
                    break
            if n >= 0 and k >= OWN_FIRST:
                break
        if n >= 0:
            gather.state[GATHER_HAND] = (n + 1) % GATHER_PLACES
            gather.state[GATHER_LOST] += 1
    if n >= 0:
        gather.places[n, G_STATE] = GATHER_USED
        gather.places[n, G_OWNER] = owner
        gather.places[n, G_CLIENT] = client
        gather.places[n, G_START] = start
        gather.places[n, G_HELD] = 0
        gather.places[n, G_WANTED] = wanted
    return n


@kernel
def free_place(gather, n):
    if gather.places[n, G_STATE] != GATHER_FREE:
        gather.places[n, G_STATE] = GATHER_FREE
        gather.places[n, G_OWNER] = -1
        gather.free[gather.state[GATHER_FREE_COUNT]] = n
        gather.state[GATHER_FREE_COUNT] += 1


@kernel
def add_bytes(gather, n, buf, p, end, sequence):
    """Append what is new of the segment buf[p:end] at `sequence`: IN_ORDER, SEEN_BEFORE or GAP (nothing appended)."""
    held = gather.places[n, G_HELD]
    ahead = (sequence - gather.places[n, G_START] - held) & LOW32
    if ahead:
        if ahead < 1 << 31:
            return GAP
        p += (1 << 32) - ahead
        if p >= end:
            return SEEN_BEFORE
    room = min(gather.places[n, G_WANTED], GATHER_BYTES) - held
    size = copy_bytes(gather.bytes, n * GATHER_BYTES + held, buf, p, min(end - p, room), end)
    gather.places[n, G_HELD] = held + size
    return IN_ORDER
