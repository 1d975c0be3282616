"""Edits of a wiki that are sent in the clear: POST requests to MediaWiki, and how they were answered.

`Posts` follows one connection of plain HTTP/1. Of a client's segment that begins a POST request it reads the request
line and, for the script interface (api.php), the beginning of the body: is it an edit or not. Of the next segment of the
server that begins an answer it reads the status. Nothing is kept but that, the moment and the verdict; never a title,
a path or a text. The form of the pages says so in its address (`action=submit`), for a preview too, which is answered
with 200; what was saved is answered with a redirection.

A request whose first line is split over segments, or lies in one that came out of order, is put together as far as it
comes in order; else it is not seen. Sources: RFC 9112 2-3, mediawiki.org "Manual:Parameters to index.php", "API:Edit",
"API:Action API".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_HEAD = 16384
MAX_BODY = 2048  # of a script's request: MediaWiki's libraries send the action first
EDITS = frozenset(
    ("edit", "rollback", "undelete", "move", "delete", "upload", "visualeditoredit", "discussiontoolsedit", "cxpublish",
     "wbeditentity", "wbsetclaim", "wbcreateclaim", "wbsetlabel", "wbsetdescription", "mergehistory", "import")
)  # fmt: skip
_LINE = re.compile(rb"POST ([^ \r\n]{1,8192}) HTTP/1\.[01]\r?\n")
_ACTION = re.compile(rb"(?:^|[?&])action=([a-z0-9_-]{1,40})")
_PART = re.compile(rb'name="?action"?\r?\n(?:[^\r\n]+\r?\n){0,4}\r?\n([a-z0-9_-]{1,40})', re.IGNORECASE)
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])[ \r]")


@dataclass(slots=True)
class Post:
    """A POST request: when it came (ns), whether it is an edit, the answer's status or 0."""

    time: int
    edit: bool
    status: int = 0


class Posts:
    """See the module's header. A request is handed out with its answer, or when the next one begins."""

    __slots__ = ("_head", "_next", "_open", "_since")

    def __init__(self) -> None:
        self._head = b""
        self._next = -1  # sequence number of what continues the head
        self._since = 0
        self._open: Post | None = None

    def up(self, sequence: int, payload: bytes, now: int) -> Post | None:
        """A segment of the client's; gives an earlier request that nobody has answered."""
        done = None
        if payload.startswith(b"POST ") and self._next != sequence:
            done, self._open = self._open, None
            self._head, self._since = b"", now
        elif not self._head or sequence != self._next:
            return None
        self._head += payload[: MAX_HEAD + MAX_BODY - len(self._head)]
        self._next = (sequence + len(payload)) & 0xFFFFFFFF
        self._judge()
        return done

    def down(self, payload: bytes) -> Post | None:
        """A segment of the server's; gives the request that it answers."""
        status = _STATUS.match(payload)
        if not status or int(status[1]) < 200:
            return None
        self._judge(over=True)
        done, self._open = self._open, None
        if done:
            done.status = int(status[1])
        return done

    def end(self) -> Post | None:
        """The connection has ended; gives a request that nobody has answered."""
        self._judge(over=True)
        done, self._open = self._open, None
        return done

    def _judge(self, over: bool = False) -> None:
        """Decide as soon as enough has come; then nothing of the request is kept."""
        line = _LINE.match(self._head)
        if not line:
            if over or len(self._head) >= MAX_HEAD:
                self._head = b""
            return
        target, _, _ = line[1].partition(b"#")
        path, _, query = target.partition(b"?")
        action = _ACTION.search(query)
        edit: bool | None = None
        if path.endswith(b"/api.php"):
            if not action:
                end = self._head.find(b"\r\n\r\n")
                body = self._head[end + 4 :] if end >= 0 else b""
                action = _ACTION.search(body[:MAX_BODY]) or _PART.search(body[:MAX_BODY])
                if not action and not over and len(body) < MAX_BODY and len(self._head) < MAX_HEAD:
                    return
            edit = bool(action) and action[1].decode() in EDITS  # type: ignore[index]
        elif action:
            edit = action[1] == b"submit"
        self._head = b""
        self._open = Post(self._since, bool(edit))
