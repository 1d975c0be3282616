"""The door of an embedded store: other processes of the same user ask its owner, and change nothing.

Theory of operation. Only one process can hold the folder. Its owner listens on a socket in it (mode 0600; who connects
must be the owner's user or root), takes one question a connection, runs it as its own are run (`readonly=1`, bound
parameters, time limit) and hands over the engine's answer as it is. `read_store` opens the folder where it is free, and
else asks through the door: the same `Result`, one process further. A question is a line of JSON,
`{"sql": ..., "params": {name: text}}`; the answer is a line, `{"bytes": N}` or `{"error": ...}`, and N bytes.
The socket is reached through the folder's descriptor, because names of sockets must be short and folders need not be.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn, Self

from pipeline.engine import StoreBusy, StoreError
from pipeline.native import Values
from pipeline.sqltext import ParameterError, decode_rows, encode_parameters
from pipeline.store import QUERY_SECONDS, ChdbStore, Result, open_store

NAME = "door"
LONGEST_QUESTION = 1 << 20
AT_ONCE = 8
_PATIENCE_S = 5.0


class Door:
    """The owner's side, open while the block runs; answers in threads of its own."""

    def __init__(self, store: ChdbStore) -> None:
        self._store = store
        self._places = threading.BoundedSemaphore(AT_ONCE)
        self._listener = socket.socket(socket.AF_UNIX)

    def __enter__(self) -> Self:
        with _reached(self._store.path) as place:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(place)  # of an owner that was killed: we hold the folder
            self._listener.bind(place)
            os.chmod(place, 0o600)
        self._listener.listen(AT_ONCE)
        threading.Thread(target=self._serve, name="door", daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with contextlib.suppress(OSError):
            (self._store.path / NAME).unlink()

    def _serve(self) -> None:
        while True:
            try:
                visitor, _ = self._listener.accept()
            except OSError:
                return
            self._places.acquire()
            threading.Thread(target=self._answer, args=(visitor,), name="door", daemon=True).start()

    def _answer(self, visitor: socket.socket) -> None:
        try:
            with visitor, contextlib.suppress(OSError):
                visitor.settimeout(_PATIENCE_S)
                if _user_of(visitor) not in (os.getuid(), 0):
                    return
                body, header = b"", dict[str, object]()
                try:
                    body = self._store.answer(*_question(visitor))
                    header = {"bytes": len(body)}
                except (StoreError, ValueError) as error:
                    header = {"error": str(error)}
                visitor.sendall(json.dumps(header).encode() + b"\n" + body)
        finally:
            self._places.release()


class RemoteStore:
    """A `Store` that asks the owner of a folder; it reads only. Made by `read_store`."""

    def __init__(self, path: Path, holder: int | None) -> None:
        self.path = path
        self._holder = holder

    def query(self, sql: str, params: Mapping[str, object] | None = None) -> Result:
        """See `Store.query`."""
        try:
            texts = encode_parameters(sql, params or {}, complete=True)
        except ParameterError as error:
            raise StoreError(str(error)) from None
        question = json.dumps({"sql": sql, "params": texts}).encode() + b"\n"
        try:
            with socket.socket(socket.AF_UNIX) as owner, _reached(self.path) as place:
                owner.settimeout(QUERY_SECONDS + _PATIENCE_S)
                owner.connect(place)
                owner.sendall(question)
                with owner.makefile("rb") as answer:
                    header = json.loads(answer.readline())
                    body = answer.read(header.get("bytes", 0))
        except (OSError, ValueError) as error:
            raise StoreError(f"{self.path}: the owner of the store does not answer ({error}); try again") from error
        if "error" in header:
            raise StoreError(header["error"])
        if len(body) != header["bytes"]:
            raise StoreError(f"{self.path}: the owner of the store ended while it answered; try again")
        return Result(*decode_rows(body))

    def insert(self, table: str, columns: Mapping[str, Values], batch: str) -> int:
        """Refused: only the owner writes."""
        self._refuse()

    def delete(self, table: str, where: str, params: Mapping[str, object]) -> None:
        """Refused: only the owner writes."""
        self._refuse()

    def execute(self, ddl: str) -> None:
        """Refused: only the owner writes."""
        self._refuse()

    def close(self) -> None:
        """Nothing is held open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _refuse(self) -> NoReturn:
        raise StoreBusy(self.path, self._holder)


def read_store(path: Path) -> ChdbStore | RemoteStore:
    """The store in the folder `path` to read from: our own where it is free, else its owner's through the door.

    Raises as `open_store` does, `StoreBusy` only where the owner has no door for us.
    """
    try:
        return open_store(path)
    except StoreBusy as busy:
        remote = RemoteStore(busy.path, busy.holder)
        try:
            remote.query("SELECT 1")
        except StoreError:
            raise busy from None
        return remote


def _question(visitor: socket.socket) -> tuple[str, dict[str, str]]:
    """SQL and parameters' texts. Raises ValueError for anything else."""
    with visitor.makefile("rb") as stream:
        line = stream.readline(LONGEST_QUESTION)
    asked = json.loads(line)
    sql, params = (asked.get("sql"), asked.get("params")) if isinstance(asked, dict) else (None, None)
    if not isinstance(sql, str) or not isinstance(params, dict):
        raise ValueError("not a question: it takes sql and params")
    return sql, {str(name): str(text) for name, text in params.items()}


def _user_of(visitor: socket.socket) -> int:
    """The user id of the process at the other end."""
    peer = visitor.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", peer)[1])


@contextlib.contextmanager
def _reached(folder: Path) -> Iterator[str]:
    """A short name of the socket in a folder, for as long as the block runs."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{NAME}"
    finally:
        os.close(descriptor)
