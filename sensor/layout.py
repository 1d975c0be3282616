"""The memory that kernel and meter share: rows of flows, raw slices, to-do items, counters, and what their words mean.

A flow has a hot row, one cache line that every packet touches, and a cold row for all else. Numba works on plain
arrays, so a row is a run of machine words and these names are offsets into it. There is no code here.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sensor.wire import SKIP_DUPLICATE

# Hot row, 64-bit words: one cache line. A row never moves; row 0 is no flow.
HASH, LAST, BYTES_AB, BYTES_BA = 0, 1, 2, 3  # HASH 0 = free row, LAST then the next free one; LAST packet time, ns
# The same row as 32-bit words. LAST_UP: client payload last seen, low 32 bits of milliseconds. FIRST_MS: milliseconds
# after the minute began, and from bit PLACE on the place of a watched flow's connection (sensor.watch); 0: it has none.
PACKETS_AB, PACKETS_BA, NAME, FLAGS, MINUTE, LAST_UP, BURST_NOW, FIRST_MS = 8, 9, 10, 11, 12, 13, 14, 15
BEGUN, PLACE = 0xFFFF, 16
ROW = 8
# Cold row, two cache lines. The first is read when a slice is written; 0-4 flow key, as in Batch.key.
FLOW_FIRST, VLAN, UID = 5, 6, 7
# The second is touched by handshakes and bursts.
# BURST_SECONDS: bit s is set if a burst came in second s of the minute; two never come in one second.
NEXT_SEQUENCE, BURST_BEFORE, GAP_SUM, GAP_SUMSQ, BURST_SECONDS, BURST_BYTES, BURST_LARGEST = 8, 9, 10, 11, 12, 13, 14
# PROGRESS: while LOOK_HERE, how many of the client's bytes from NEXT_SEQUENCE on held no hello; while LOOK_GATHER, the
# flow's place in Gather.
PROGRESS = 15
COLD = 16
# Index: buckets of one cache line, each entry the upper half of a flow's hash and its row.
BUCKET = 8

# Flow flags.
CLIENT_IS_B, SYN_SEEN, CLOSED, PARTIAL, OLD, NO_NAME, PAYLOAD_SEEN, BURST_SEEN = 1, 2, 4, 8, 16, 32, 64, 128
LOOK_MASK = 3 << 8
LOOK_HERE, LOOK_PYTHON, LOOK_DONE, LOOK_GATHER = 0, 1 << 8, 2 << 8, 3 << 8
IS_TCP = 1 << 14
ECH = 1 << 15  # the hello carried encrypted_client_hello (RFC 9849): real or GREASE, nobody outside can tell
EVIDENCE_SHIFT, EVIDENCE_MASK = 16, 7 << 16
LOOKED_SHIFT, LOOKED_MASK = 19, 63 << 19
WATCHED = 1 << 25  # its packets go to the list of sensor.records: it leads to a wiki, or may
WATCH_TOLD = 1 << 26  # one of them has gone there
MAX_LOOKED = 12  # datagrams of a UDP flow
LOOK_BUDGET = 48  # of a TCP flow; see sensor.looking
LOOK_BYTES = 16384  # client bytes of a TCP flow

# Raw slice, 64-bit words; 0-3 client and server address, 4 ports and protocol.
S_LAST, S_BYTES_UP, S_BYTES_DOWN, S_VLAN, S_FLOW_FIRST, S_BURST_SECONDS = 6, 7, 8, 9, 10, 16
# The same as 32-bit words (gaps: floats). S_BEGUN: milliseconds after the minute began.
S_MINUTE, S_BEGUN, S_GAP_SUM, S_GAP_SUMSQ, S_PACKETS_UP, S_PACKETS_DOWN = 10, 11, 22, 23, 24, 25
S_NAME, S_FLAGS, S_UID, S_ROW, S_BURST_BYTES, S_BURST_LARGEST = 26, 27, 28, 29, 30, 31
SLICE = 17

# To-do item, 64-bit words: 0-4 flow key.
T_KIND, T_TIME, T_PAYLOAD, T_END, T_SEQUENCE, T_UID, T_FROM_B, T_NEXT, T_ROW = 5, 6, 7, 8, 9, 10, 11, 12, 13
T_VLAN, T_FILLER = 14, 15
TODO = 16
TODO_STREAM, TODO_QUIC, TODO_DNS, TODO_FRAGMENT, TODO_DTLS, TODO_GATHERED, TODO_DNS_TCP = 1, 2, 3, 4, 5, 6, 7
TODO_NEIGHBOUR, TODO_DHCP = 8, 9

# A hello that is being gathered. G_START: sequence number of its first byte; G_WANTED: all its bytes, record header
# included; G_OWNER: UID of the flow; G_CLIENT: half of its client's address.
G_STATE, G_OWNER, G_START, G_HELD, G_WANTED, G_CLIENT = 0, 1, 2, 3, 4, 5
GATHER_FREE, GATHER_USED, GATHER_HANDED = 0, 1, 2
GATHER_PLACES, GATHER_BYTES = 4096, 4096
# Indices into Gather.state. LOST: hellos whose place another took.
GATHER_FREE_COUNT, GATHER_HAND, GATHER_LOST = 0, 1, 2

# A packet of a watched flow. W_LENGTH: of its payload on the wire; W_FLAGS: of TCP, and W_FROM_CLIENT, and W_FIRST for
# the first of its flow, and from bit W_HEAD on the first five bytes of its payload, 0 if it has less than eight. W_ROW:
# of the flow table, and from bit W_PLACE on the place of the flow's connection.
W_TIME, W_PAYLOAD, W_END, W_LENGTH, W_SEQUENCE, W_HASH, W_ROW, W_FLAGS = 0, 1, 2, 3, 4, 5, 6, 7
WATCH_ITEM = 8
W_FROM_CLIENT, W_FIRST, W_HEAD, W_PLACE = 1 << 8, 1 << 9, 16, 32
WATCH_BUFFER = 1 << 12
# Indices into Todo.watching. SEEN: packets that were followed; KEPT: of these, those in the clear, still there.
LISTED, SEEN, KEPT = 0, 1, 2
# Names.watch: the number of a wiki (sensor.uploads), or that it is none, or that nobody has asked the catalogue yet.
WATCH_NO, WATCH_ASK = 0, -1
# A handshake: the flow's hash, the SYN's time (-1: it was sent twice, so nobody knows which was answered), the time
# from it to the SYN/ACK. A new flow takes the place of an older one.
H_HASH, H_SYN, H_RTT = 0, 1, 2
HANDSHAKES, HANDSHAKE = 1 << 12, 4
PAIRS = 1 << 12  # of client and server, mixed into one number: the client was told that the server is a wiki

# Counters. NAMEABLE: flows that carried something a name can be read from.
C_PACKETS, C_BYTES, C_FLOWS, C_NAMED, C_EVICTED = 0, 1, 2, 3, 4
C_LATEST, C_USED, C_UID, C_EXPIRED, C_NAMEABLE = 5, 6, 7, 8, 9
C_FREE, C_ROWS, C_HAND = 10, 11, 12  # first row to be used again, rows ever used, row last looked at for eviction
C_DOT, C_DOQ = 13, 14  # flows of DNS over TLS and over QUIC, by port
C_UNTOLD = 15  # ARP, NDP and DHCP beyond TOLD_A_SECOND
C_SKIP = 16  # + SKIP reason (sensor.wire)
C_DUPLICATES = C_SKIP + SKIP_DUPLICATE
COUNTERS = 32

# Why `advance` returned.
BLOCK_DONE, SLICES_FULL, TODO_FULL, NAMES_FULL, TABLE_FULL, SWEEP_DUE = 0, 1, 2, 3, 4, 5

DNS_PORTS = (53, 5353, 5355)  # DNS, mDNS, LLMNR
DOT_PORT = 853  # RFC 7858; over QUIC too (RFC 9250), where drafts used DOQ_DRAFT_PORTS
DOQ_DRAFT_PORTS = (784, 8853)
CLIENTS = 1 << 13  # distinct clients told apart between two looks at Todo.clients
CLIENT_PROBES = 16
# An opening: client's address (0, 1), then these. TIME in ns.
O_TIME, O_NAME, O_VLAN = 2, 3, 4
OPENING = 5
OPENINGS = 1 << 12  # between two looks at Todo.openings
HEARD = 1 << 12  # a power of two
TOLD_A_SECOND = 4096  # packets of ARP, NDP and DHCP that Python is given in a second of packet time: a storm has more
DHCP_SERVER_PORTS = (67, 547)

SECOND = 1_000_000_000
MINUTE_NS = 60 * SECOND
MILLISECOND = 1_000_000
BURST_MIN = 300  # payload bytes (rule E3)
BURST_SILENCE_MS = 1000
LOW32 = 0xFFFFFFFF


class Flows(NamedTuple):
    """The table: an index by hash, and rows in the order of their making, as several views of the same memory."""

    index: Any  # uint64[buckets * BUCKET]
    words: Any  # uint64[rows, ROW]
    signed: Any  # int64 view
    halves: Any  # uint32 view [capacity, 2 * ROW]
    cold: Any  # int64[rows, COLD]
    keys: Any  # uint64 view of cold
    gaps: Any  # float64 view of cold


class Slices(NamedTuple):
    """Raw slices waiting to be drained."""

    words: Any  # uint64[n, SLICE]
    signed: Any  # int64 view
    halves: Any  # uint32 view
    gaps: Any  # float32 view
    count: Any  # int64[1]


class Gather(NamedTuple):
    """Hellos that have come in part and in order; see sensor.gather."""

    bytes: Any  # uint8[GATHER_PLACES * GATHER_BYTES]
    places: Any  # int64[GATHER_PLACES, 6]
    free: Any  # int64[GATHER_PLACES]: a stack of free places
    state: Any  # int64[3]


class Todo(NamedTuple):
    """Packets that Python must look at, oldest first."""

    words: Any  # uint64[n, TODO]
    signed: Any  # int64 view
    count: Any  # int64[1]
    gather: Gather
    clients: Any  # uint64[CLIENTS, 2]: addresses of clients that opened a flow whose name can be read; 0, 0 = free
    openings: Any  # uint64[OPENINGS, OPENING]: who has just asked a site that no catalogue entry is known to want
    opened: Any  # int64[1]: how many there are
    heard: Any  # uint64[HEARD]: by client, the last second in which that was noted, both mixed into one number
    told: Any  # int64[2]: the last second in which ARP, NDP or DHCP came, and how many packets of it
    watched: Any  # int64[WATCH_BUFFER, WATCH_ITEM]: packets of watched flows, oldest first
    watching: Any  # int64[3]: how many there are (LISTED), see sensor.follow
    handshakes: Any  # int64[HANDSHAKES, HANDSHAKE]
    pairs: Any  # uint64[PAIRS]


class Limits(NamedTuple):
    """Settings of the loop."""

    max_used: int  # flows before the table must grow or evict
    may_grow: int
    tcp_idle: int  # ns
    udp_idle: int  # ns
    emit_all: int  # also write slices that no catalogue entry will want
    sweep_at: int  # return SWEEP_DUE when packet time reaches this
    drop_duplicates: int  # a packet seen twice counts once (sensor.duplicates)
    note_openings: int  # tell who asked a site that no catalogue entry wants (sensor.openings)
