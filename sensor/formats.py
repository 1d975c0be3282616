"""Files that are no pcap or pcapng, by their first bytes: what they are, and what to do with them.

Sources: the magic numbers of Wireshark's wiretap library and of file(1); Endace ERF types reference guide, 1; Microsoft
Learn, WMI_BUFFER_HEADER and SYSTEM_TRACE_HEADER (ETL).
"""

from __future__ import annotations

HEAD = 512  # bytes of a file that `foreign` wants to see

_CONVERT = "convert it with: editcap -F pcapng IN OUT"
_CAPTURES = {
    b"snoop\0\0\0": "a snoop capture",
    b"RTSS": "a Network Monitor 1 capture",
    b"GMBU": "a Network Monitor 2 capture",
    b"TRSNIFF data    \x1a": "a Sniffer capture",
    b"XCP\0": "a NetXRay or Sniffer (Windows) capture",
    b"iptrace 1.0": "an iptrace capture",
    b"iptrace 2.0": "an iptrace capture",
    b"ObserverPktBuffe": "an Observer capture",
    b"\x05VNF": "a Visual Networks capture",
    b"\x7fver": "an OmniPeek capture",
    b"\xaa\xaa\xaa\xaa": "a 5View capture",
    b"TR\0": "a nettl capture",
    b"\x01\x10": "a LANalyzer capture",
    b"EyeSDN": "an EyeSDN capture",
    b"btsnoop\0": "a Bluetooth capture (btsnoop)",
    b"cpse": "a Capsa capture",
    b"\x00\x00\x02\x00\x12\x05\x00\x10": "a Tektronix K12 capture",
    b"LOGG": "a Vector BLF capture",
    b"\xa1\xb2\xcd\x34": "a modified (Kuznetzov) pcap",
    b"\x34\xcd\xb2\xa1": "a modified (Kuznetzov) pcap",
    b"\x1c\x00\x01\xab": "an IXIA capture",
    b"\x1c\x00\x01\xac": "an IXIA capture",
    b"\xab\x01\x00\x1c": "an IXIA capture",
    b"\xac\x01\x00\x1c": "an IXIA capture",
}
_PACKED = {
    b"PK\x03\x04": ("a zip archive", "unzip FILE"),
    b"\x28\xb5\x2f\xfd": ("a zstd file", "unzstd FILE"),
    b"\xfd7zXZ\0": ("an xz file", "unxz -k FILE"),
    b"BZh": ("a bzip2 file", "bunzip2 -k FILE"),
    b"\x04\x22\x4d\x18": ("an lz4 file", "unlz4 FILE"),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", "7z x FILE"),
    b"Rar!\x1a\x07": ("a rar archive", "unrar x FILE"),
}
_TAR = 257, b"ustar"


def foreign(head: bytes) -> tuple[str, str] | None:
    """What a file that begins so is, and the mend; None if nobody here knows."""
    for magic, name in _CAPTURES.items():
        if head.startswith(magic):
            return name, _CONVERT
    for magic, (name, command) in _PACKED.items():
        if head.startswith(magic):
            return name, f"unpack it with: {command}"
    if head[_TAR[0] :].startswith(_TAR[1]):
        return "a tar archive", "unpack it with: tar -xf FILE"
    if _is_etl(head):
        return (
            "an ETL trace of Windows",
            "convert it on Windows with: pktmon etl2pcap IN --out OUT",
        )
    if _is_erf(head):
        return "an ERF capture", _CONVERT
    return None


def _is_etl(head: bytes) -> bool:
    """A buffer header of 72 bytes, then the marker of a system trace header, of 32 or 64 bits."""
    buffer = int.from_bytes(head[:4], "little")
    return len(head) >= 76 and head[75] == 0xC0 and head[74] in (1, 2) and buffer > 0 and buffer % 1024 == 0


def _is_erf(head: bytes) -> bool:
    """No magic number: a record with a time of this century, a known type and a length that fits."""
    seconds, kind = int.from_bytes(head[4:8], "little"), head[8] & 0x7F if len(head) >= 16 else 0
    return 946_684_800 <= seconds < 1 << 32 and 1 <= kind <= 48 and 16 <= int.from_bytes(head[10:12], "big") < 0x2000
