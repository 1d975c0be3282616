"""DNS messages out of a server's TCP stream.

Each message is preceded by its length in two bytes. `DnsStream` takes segments as they come, in any order, and gives
the messages that are whole. Where the stream began is not known if the capture began late or segments are out of order:
then the first segment that begins like a length and a response is taken for a beginning. Bytes that came first win. If
a segment is lost, the stream goes on at the next segment that looks like a beginning, once MAX_HELD bytes wait.

It does not know flows. Sources: RFC 1035 4.2.2, RFC 7766 (several messages, pipelined), RFC 9293 3.4.
"""

from __future__ import annotations

from dataclasses import dataclass, field

MAX_HELD = 1 << 16  # a message's greatest length: bytes that wait for the rest of a message, or for a lost segment
MAX_SEGMENTS = 64
MIN_MESSAGE = 12  # the header
_HALF, _MASK = 1 << 31, 0xFFFFFFFF


def begins_message(data: bytes) -> bool:
    """Could a response begin here? Length, then a header: a response, an ordinary query's, at most four questions."""
    return (
        len(data) >= 14
        and int.from_bytes(data[:2], "big") >= MIN_MESSAGE
        and data[4] & 0xF8 == 0x80
        and int.from_bytes(data[6:8], "big") <= 4
    )


@dataclass(slots=True)
class DnsStream:
    """`next`: sequence number of the first byte that was not yet given out, -1 while no beginning was seen."""

    next: int = -1
    ready: bytearray = field(default_factory=bytearray)  # contiguous bytes from the last message's end on
    waiting: list[tuple[int, bytes]] = field(default_factory=list)  # (sequence, bytes) beyond a gap
    held: int = 0

    def feed(self, sequence: int, payload: bytes) -> list[bytes]:
        """Take a segment; the messages that it completes."""
        if self.next < 0 and begins_message(payload):
            self.next = sequence
        self._hold(sequence, payload)
        messages = self._messages()
        if self._is_full():
            messages += self._resume()
        return messages

    def _hold(self, sequence: int, payload: bytes) -> None:
        self.waiting.append((sequence, payload))
        self.held += len(payload)
        while self.next >= 0 and self._advance():
            pass

    def _advance(self) -> bool:
        """Move what continues the stream from `waiting` to `ready`; false if nothing does."""
        for n, (sequence, payload) in enumerate(self.waiting):
            behind = (self.next - sequence) & _MASK
            if behind >= _HALF:
                continue
            new = payload[behind:]
            for earlier, _ in self.waiting[:n]:  # came before this one, begins later: its bytes win
                new = new[: (earlier - self.next) & _MASK]
            self.ready += new
            self.next = (self.next + len(new)) & _MASK
            if behind + len(new) >= len(payload):
                del self.waiting[n]
                self.held -= len(payload)
            return True
        return False

    def _messages(self) -> list[bytes]:
        messages: list[bytes] = []
        at = 0
        while at + 2 <= len(self.ready):
            size = int.from_bytes(self.ready[at : at + 2], "big")
            if size < MIN_MESSAGE:  # this is not DNS, or not where a message begins
                self._restart()
                return messages
            if at + 2 + size > len(self.ready):
                break
            messages.append(bytes(self.ready[at + 2 : at + 2 + size]))
            at += 2 + size
        del self.ready[:at]
        return messages

    def _restart(self) -> None:
        self.next, self.held = -1, 0
        self.ready.clear()
        self.waiting.clear()

    def _resume(self) -> list[bytes]:
        """Give up what is lost: go on at the earliest segment that waits and looks like a beginning."""
        base = self.next if self.next >= 0 else self.waiting[0][0]
        segments = sorted(self.waiting, key=lambda s: (s[0] - base + _HALF) & _MASK)
        self._restart()
        for n, (sequence, payload) in enumerate(segments):
            if begins_message(payload):
                self.next = sequence
                for later in segments[n:]:
                    self._hold(*later)
                break
        messages = self._messages()
        if self._is_full():
            self._restart()
        return messages

    def _is_full(self) -> bool:
        return self.held > MAX_HELD or len(self.waiting) > MAX_SEGMENTS
