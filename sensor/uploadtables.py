"""What leaves the sensor about uploads to wikis: upload units, cues, and requests in the clear, as Arrow tables.

The schemas are the contract between sensor.uploads and pipeline/; each field says what it holds (`about`). Live, each
kind of table goes to the spool as files of its own (uploads-units-*, uploads-cues-*, uploads-http-*); a capture gives
all at once (sensor.wikicapture). They hold sizes and times, addresses, and words of the catalogue; never content.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pyarrow as pa

from sensor.slices import WORD, field_of

_I64 = pa.list_(pa.field("item", pa.int64(), nullable=False))
_I32 = pa.list_(pa.field("item", pa.int32(), nullable=False))
UNIT_SCHEMA = pa.schema(
    [
        field_of("unit", pa.uint64(), "id, keyed anew by every live process"),
        field_of("revision", pa.uint16(), "0, 1, 2...: how often the unit has been given out before"),
        field_of("final", pa.bool_(), "no further revision comes"),
        field_of("known", pa.float64(), "Unix seconds: packet time by which all that this row says was known"),
        field_of("connection", pa.uint64(), "id of the connection, keyed likewise"),
        field_of("opened", pa.float64(), "Unix seconds: first byte of the first upload record"),
        field_of("seen", pa.float64(), "Unix seconds: the last record of this row"),
        field_of("client", pa.binary(16), "the client's address; IPv4 as ::ffff:a.b.c.d"),
        field_of("server", pa.binary(16), "the server's"),
        field_of("client_port", pa.uint16(), "TCP port of the client"),
        field_of("server_port", pa.uint16(), "TCP port of the server"),
        field_of("vlan", pa.uint64(), "VLAN stack (sensor.slices.pack_vlan); 0 when untagged"),
        field_of("segment", WORD, "staff, pupil, guest or unknown"),
        field_of("service", WORD, "catalogue id"),
        field_of("host", WORD, "the wiki, by the name that the connection was opened for; mobile counts as the wiki"),
        field_of("evidence", WORD, "how that name is known; `none`: from another connection of this client and server"),
        field_of("rtt_us", pa.uint32(), "least time from SYN to SYN/ACK between this client and server; 0 unknown"),
        field_of("tls13", pa.bool_(), "TLS 1.3 was chosen, or nobody saw; else sizes are of TLS 1.2 with AES-GCM"),
        field_of("midstream", pa.bool_(), "the connection's beginning was not seen"),
        field_of("gaps", pa.uint32(), "bytes missing from both directions since the unit opened"),
        field_of("age_s", pa.float32(), "age of the connection when the unit opened"),
        field_of("client_records", pa.uint32(), "records that the client has sent on the connection"),
        field_of("p15", pa.int32(), "usual size of the client's records: 15th percentile of the last 16 before, B"),
        field_of("p50", pa.int32(), "median of the last 32"),
        field_of("p70", pa.int32(), "70th percentile of the last 16"),
        field_of("p85", pa.int32(), "85th percentile of the last 32"),
        field_of("rec_dt_us", _I32, "records from 3 s before to 20 s after `opened`: when, relative to it; a client's "
               "record has the time of its last byte, a server's of its first"),
        field_of("rec_size", _I32, "plaintext bytes, + from the client, - from the server; at most 512 records, and "
                 "after 256, large ones of the server within 50 ms count as one"),
        field_of("prev_dt_us", _I64, "up to four earlier units of this client on any wiki connection, latest first: "
                 "how long before this one they opened"),
        field_of("prev_up", _I32, "bytes that they sent up"),
        field_of("prev_reply", _I32, "bytes of the first record of the answer; 0 none seen"),
    ]
)  # fmt: skip
CUE_SCHEMA = pa.schema(
    [
        field_of("time", pa.float64(), "Unix seconds"),
        field_of("client", pa.binary(16), "who"),
        field_of("vlan", pa.uint64(), "VLAN stack; 0 for a cue from DNS"),
        field_of("segment", WORD, "staff, pupil, guest or unknown"),
        field_of("service", WORD, "catalogue id"),
        field_of("cue", WORD, "hcaptcha, auth, cxserver, upload_media, beacon; wiki_open: a text host"),
        field_of("evidence", WORD, "sni, http_host...: a connection was opened; dns: the name was asked for"),
    ]
)
HTTP_SCHEMA = pa.schema(
    [
        field_of("time", pa.float64(), "Unix seconds: the request's first segment"),
        field_of("known", pa.float64(), "Unix seconds: packet time by which the row was known"),
        field_of("client", pa.binary(16), "who"),
        field_of("server", pa.binary(16), "whom"),
        field_of("client_port", pa.uint16(), "TCP port of the client"),
        field_of("server_port", pa.uint16(), "TCP port of the server"),
        field_of("vlan", pa.uint64(), "VLAN stack"),
        field_of("segment", WORD, "staff, pupil, guest or unknown"),
        field_of("service", WORD, "catalogue id"),
        field_of("host", WORD, "the wiki"),
        field_of("method", WORD, "POST"),
        field_of("edit", pa.bool_(), "action=submit, or api.php with an action that changes a page"),
        field_of("status", pa.uint16(), "HTTP status of the answer, 0 none seen; a saved form is redirected"),
    ]
)  # fmt: skip


class Tables(NamedTuple):
    """What is ready: rows of UNIT_SCHEMA, CUE_SCHEMA and HTTP_SCHEMA."""

    units: pa.Table
    cues: pa.Table
    http: pa.Table


def table_of(schema: pa.Schema, rows: list[tuple[Any, ...]]) -> pa.Table:
    """Rows, given column by column in the schema's order, as a table."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
    arrays = []
    for column, kind in zip(columns, schema.types, strict=True):
        if pa.types.is_dictionary(kind):
            words = [str(word) for word in column]
            codes = {word: code for code, word in enumerate(dict.fromkeys(words))}
            indices = pa.array([codes[word] for word in words], pa.int16())
            arrays.append(pa.DictionaryArray.from_arrays(indices, pa.array(list(codes), pa.string())))
        else:
            arrays.append(pa.array(column, kind))
    return pa.Table.from_arrays(arrays, schema=schema)


NOTHING = Tables(*(schema.empty_table() for schema in (UNIT_SCHEMA, CUE_SCHEMA, HTTP_SCHEMA)))
