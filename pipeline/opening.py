"""Opens the store that the settings name: the folder of the embedded engine, or ClickHouse servers.

`owned` is for who writes, `to_read` for who only asks; both are context managers. The owner of a folder also opens its
door, so that others may read meanwhile and, where it does jobs, have them done; servers need no owner.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.door import Door, RemoteStore, read_store
from pipeline.engine import StoreError
from pipeline.jobs import Jobs
from pipeline.settings import StoreSettings
from pipeline.store import ChdbStore, Store, open_store

if TYPE_CHECKING:
    from pipeline.wire import Address


@contextmanager
def owned(settings: StoreSettings, *, make: bool = True, jobs: Jobs | None = None) -> Iterator[Store]:
    """The store to read and write, its tables brought up to date; with `make`, a folder that is not there is made.
    `jobs`: those that others may ask for at the door of a folder.

    Raises StoreError, StoreBusy.
    """
    if settings.servers:
        from pipeline.server import ServerStore

        with ServerStore(address_of(settings)) as server:
            yield server
        return
    if not make:
        _need(settings.path)
    with open_store(settings.path) as chdb, Door(chdb, jobs):
        yield chdb


@contextmanager
def to_read(settings: StoreSettings) -> Iterator[Store]:
    """The store to read from; of a folder that another process holds, through its owner. Raises StoreError."""
    if settings.servers:
        from pipeline.server import ServerStore

        with ServerStore(address_of(settings), reading=True) as server:
            yield server
        return
    _need(settings.path)
    found: ChdbStore | RemoteStore = read_store(settings.path)
    with found:
        yield found


def _need(path: Path) -> None:
    if not path.is_dir():
        raise StoreError(f"{path}: there is no store; give --store, or correct store.path in the settings")


def address_of(settings: StoreSettings) -> Address:
    """Hosts, ports and who we are, with the password from its file. Raises StoreError."""
    from pipeline.wire import NATIVE_PORT, NATIVE_TLS_PORT, Address

    port = NATIVE_TLS_PORT if settings.secure else NATIVE_PORT
    password = _password(settings.password_file) if settings.password_file else ""
    hosts = tuple(_host(server, port) for server in settings.servers)
    return Address(hosts, settings.user, password, settings.secure, settings.ca, settings.cluster)


def _host(server: str, port: int) -> tuple[str, int]:
    name, colon, number = server.rpartition(":")
    if not colon or (name.count(":") and not name.endswith("]")):  # an IPv6 address has colons of its own
        name, number = server, str(port)
    return name.strip("[]"), int(number)


def _password(path: Path) -> str:
    """The first line of a file that only its owner may read."""
    try:
        if path.stat().st_mode & 0o077:
            raise StoreError(f"{path}: others may read the password; run: chmod 600 {path}")
        return path.read_text(encoding="utf-8").split("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{path}: the password cannot be read: {getattr(error, 'strerror', error)}") from None
