"""Which records of a watched connection may be an upload, and the records around them: upload units.

Theory of operation. Each whole record goes to a short log of its connection and to the units that are open there. A
unit opens at a client's record that is larger than its usual request. Requests of browsers are small (headers are
packed: 50-350 B) unless cookies are huge; so where the median is small, LEAST_UPLOAD is much, and where it is not, a
record counts that differs from the median by a fifth, either way (the body of a request is smaller than such headers).
A connection that has never sent many requests at once is
a script's, or at its beginning: there, any burst of more than one record opens a unit once it is answered, as a
script's edit may be tiny. What follows without an answer belongs to the same burst.
Percentiles are of the client's last records before. The detector decides; this is to miss nothing.

It does not know flows, names or bytes. See sensor.watch for the memory.
"""

from __future__ import annotations

from sensor.load import inlined, kernel
from sensor.watch import (
    ASSUMED_RTT,
    DOWN,
    FACTS,
    K_BURST,
    K_BURST_AT,
    K_BURST_SINCE,
    K_CLIENTS,
    K_END,
    K_FACT,
    K_IN_BURST,
    K_OPEN,
    K_PENDING,
    K_RTT,
    K_RUN,
    K_SEEN,
    K_SINCE,
    K_TLS13,
    K_UNIT,
    K_USUAL,
    K_WIDE,
    L_LOGGED,
    LOG,
    LOG_SIZE,
    LOG_TIME,
    LOOK_BACK,
    N_OPEN,
    N_RECORDS,
    N_UNITS,
    N_UNITS_CUT,
    OPEN_UNITS,
    R_KNOWN,
    R_SIZE,
    R_TIME,
    S_LOST,
    U_BEFORE,
    U_CLIENTS,
    U_CLOSED,
    U_COUNT,
    U_DROPPED,
    U_FACT,
    U_LOST,
    U_MISSING,
    U_OPENED,
    U_P15,
    U_P50,
    U_P70,
    U_P85,
    U_PLACE,
    U_RTT,
    U_SERIAL,
    U_STATE,
    U_TLS13,
    UNIT_RECORDS,
    UNITS,
    UP,
    USUAL,
    WINDOW,
)

MICROSECOND = 1000
LEAST_UPLOAD = 600  # bytes of a client's record
FIRST_RECORDS, LEAST_FIRST = 4, 1000  # a connection's first ones carry settings, and headers that are new to the server
WIDE = 6  # requests at once: a browser's
LEAST_BODY = 100  # bytes of what a script sends after a request's header
TAG_13, TAG_12 = 17, 24  # of a record: tag and content type (RFC 8446 5.2); nonce and tag of AES-GCM (RFC 5288)
LARGE, LARGEST = -1000, -(1 << 30)  # a server's record that may count together with the one before, and their sum
RUN_GAP = 50_000_000


@inlined
def _percentile(scratch, count, share):
    """Of the first `count` sorted numbers, by the nearest rank."""
    return scratch[min(count - 1, (share * count) // 100)] if count > 0 else 0


@kernel
def _sort_usual(w, c, most):
    """The sizes of the connection's last `most` client records, in order, in `scratch`; how many there are."""
    total = w.connection[c, K_USUAL]
    count = min(total, most)
    for n in range(count):
        value = w.usual[c, (total - 1 - n) % USUAL]
        at = n
        while at > 0 and w.scratch[at - 1] > value:
            w.scratch[at] = w.scratch[at - 1]
            at -= 1
        w.scratch[at] = value
    return count


@kernel
def _append(w, u, time, known, size):
    """A record for an open unit. Where room becomes short, large server records of one moment count as one."""
    unit = w.unit[u]
    n = unit[U_COUNT]
    rows = w.records[u]
    run = n > UNIT_RECORDS // 2 and size <= LARGE and LARGEST < rows[n - 1, R_SIZE] <= LARGE
    if run and time - rows[n - 1, R_TIME] < RUN_GAP:
        rows[n - 1, R_SIZE] += size
        return
    if n >= UNIT_RECORDS:
        unit[U_DROPPED] += 1
        return
    rows[n, R_TIME] = time
    rows[n, R_KNOWN] = known
    rows[n, R_SIZE] = size
    unit[U_COUNT] = n + 1


@kernel
def close_oldest(w, c, now):
    """Let the oldest open unit of a connection collect no more."""
    u = w.connection[c, K_UNIT] - 1
    w.unit[u, U_STATE] = 2
    w.unit[u, U_CLOSED] = now
    w.unit[u, U_MISSING] = w.side[c, UP, S_LOST] + w.side[c, DOWN, S_LOST]
    w.connection[c, K_OPEN] -= 1
    for k in range(w.connection[c, K_OPEN]):
        w.connection[c, K_UNIT + k] = w.connection[c, K_UNIT + k + 1]


@kernel
def release(w, u):
    """Free a unit; its connection collects for it no more."""
    c = w.unit[u, U_PLACE]
    for n in range(w.connection[c, K_OPEN]):
        if w.connection[c, K_UNIT + n] - 1 == u:
            w.connection[c, K_OPEN] -= 1
            for k in range(n, w.connection[c, K_OPEN]):
                w.connection[c, K_UNIT + k] = w.connection[c, K_UNIT + k + 1]
            break
    w.unit[u, U_STATE] = 0
    w.count[N_OPEN] -= 1


@inlined
def log_record(w, c, time, size):
    """Keep a record in the log of its connection."""
    line = w.line[c]
    w.log[c, line[L_LOGGED] % LOG] = (time // MICROSECOND & LOG_TIME) << LOG_SIZE | (size + (1 << LOG_SIZE >> 1))
    line[L_LOGGED] += 1
    w.count[N_RECORDS] += 1


@inlined
def _logged(entry, now):
    """Time (ns, the microsecond's beginning) and size of a record in the log, as it is read at `now`."""
    ago = (now // MICROSECOND - (entry >> LOG_SIZE)) & LOG_TIME
    if ago > LOG_TIME >> 1:  # packets whose times are out of order
        ago -= LOG_TIME + 1
    return (now // MICROSECOND - ago) * MICROSECOND, (entry & ((1 << LOG_SIZE) - 1)) - (1 << LOG_SIZE >> 1)


@kernel
def _open_unit(w, c, since, known):
    """Begin a unit at a client's record or burst that began at `since`; what the log has of before comes with it."""
    k = w.connection[c]
    u = -1
    for n in range(UNITS):
        if w.unit[(w.count[N_UNITS] + n) % UNITS, U_STATE] == 0:
            u = (w.count[N_UNITS] + n) % UNITS
            break
    if u < 0:
        w.count[N_UNITS_CUT] += 1
        return
    if k[K_OPEN] >= OPEN_UNITS:
        close_oldest(w, c, known)
        w.count[N_UNITS_CUT] += 1
    w.count[N_UNITS] += 1
    w.count[N_OPEN] += 1
    unit = w.unit[u]
    count = _sort_usual(w, c, USUAL // 2)
    unit[U_P15] = _percentile(w.scratch, count, 15)
    unit[U_P70] = _percentile(w.scratch, count, 70)
    count = _sort_usual(w, c, USUAL)
    unit[U_P50] = _percentile(w.scratch, count, 50)
    unit[U_P85] = _percentile(w.scratch, count, 85)
    unit[U_STATE] = 1
    unit[U_PLACE] = c
    unit[U_OPENED] = since
    unit[U_COUNT] = 0
    unit[U_DROPPED] = 0
    unit[U_LOST] = w.side[c, UP, S_LOST] + w.side[c, DOWN, S_LOST]
    unit[U_SERIAL] = w.count[N_UNITS]
    unit[U_CLIENTS] = k[K_CLIENTS]
    unit[U_RTT] = k[K_RTT]
    unit[U_TLS13] = k[K_TLS13]
    for n in range(FACTS):
        unit[U_FACT + n] = k[K_FACT + n]
    logged = w.line[c, L_LOGGED]
    for n in range(max(0, logged - LOG), logged):
        time, size = _logged(w.log[c, n % LOG], known)
        if time >= since - LOOK_BACK:
            _append(w, u, time, known, size)
    unit[U_BEFORE] = unit[U_COUNT]
    k[K_UNIT + k[K_OPEN]] = u + 1
    k[K_OPEN] += 1


@inlined
def _add_up(w, c, since, time, known, size):
    """A whole record of the client's: does it, or the burst that it ends, look like an upload?"""
    k = w.connection[c]
    rtt = k[K_RTT] if k[K_RTT] else ASSUMED_RTT
    if since - k[K_BURST_AT] > rtt + rtt // 2 + 30_000_000:
        k[K_BURST] = 0
        k[K_BURST_SINCE] = since
        k[K_IN_BURST] = 0
        k[K_RUN] = 0
    k[K_BURST_AT] = time
    if k[K_IN_BURST]:
        k[K_BURST] += size
    if size > 20:
        k[K_IN_BURST] += 1
    if k[K_IN_BURST] >= WIDE and k[K_BURST] < WIDE * 1000:
        k[K_WIDE] = 1
    if k[K_RUN] == 0 and size >= (LEAST_FIRST if k[K_CLIENTS] < FIRST_RECORDS else LEAST_UPLOAD):
        usual = _percentile(w.scratch, _sort_usual(w, c, USUAL), 50)
        if usual < LEAST_UPLOAD or size * 100 > usual * 120 or size * 100 < usual * 85:
            _open_unit(w, c, k[K_BURST_SINCE], known)
            k[K_RUN] = 1
    if 20 < size < 9000:
        w.usual[c, k[K_USUAL] % USUAL] = size
        k[K_USUAL] += 1
    k[K_CLIENTS] += 1


@inlined
def _log(w, c, time, known, size):
    """Keep a record: in the log, and in every open unit."""
    log_record(w, c, time, size)
    k = w.connection[c]
    while k[K_OPEN] and known > w.unit[k[K_UNIT] - 1, U_OPENED] + WINDOW:
        close_oldest(w, c, w.unit[k[K_UNIT] - 1, U_OPENED] + WINDOW)
    for n in range(k[K_OPEN]):
        _append(w, k[K_UNIT + n] - 1, time, known, size)


@inlined
def end_up_here(w, c, time, known):
    """The client's record has come to its end."""
    k = w.connection[c]
    size = k[K_PENDING]
    k[K_PENDING] = -1
    _add_up(w, c, k[K_SINCE], time, known, size)
    _log(w, c, time, known, size)


@kernel
def end_up(w, c, time, known):
    """The same, where it is rare."""
    end_up_here(w, c, time, known)


@inlined
def add_record(w, c, side, length, end, time, now):
    """A header of application data: a record of `length` bytes that ends at sequence number `end`; its header came at
    `time`, and is known at `now`."""
    k = w.connection[c]
    size = max(0, length - (TAG_12 if k[K_TLS13] == 0 else TAG_13))
    if side == UP:
        k[K_PENDING] = size
        k[K_SINCE] = time
        k[K_SEEN] = time
        k[K_END] = end
        return
    soonest = (3 * (k[K_RTT] if k[K_RTT] else ASSUMED_RTT)) // 4
    if k[K_PENDING] >= 0 and size > 53 and time - k[K_SEEN] > soonest:
        end_up(w, c, k[K_SEEN], now)  # there is an answer: the rest was sent, and we have missed it
    if size > 250 and k[K_BURST_AT] and time - k[K_BURST_AT] > soonest:
        narrow = k[K_WIDE] == 0 and k[K_RUN] == 0 and k[K_CLIENTS] > FIRST_RECORDS
        if narrow and k[K_IN_BURST] > 1 and k[K_BURST] >= LEAST_BODY:
            _open_unit(w, c, k[K_BURST_SINCE], now)
        k[K_BURST_AT] = 0  # what the client sends next is something new
    _log(w, c, time, now, -size)
