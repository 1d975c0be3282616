"""What servers add to the store: settings that name them, TLS, lost connections, and the whole way into one."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import schema
from pipeline.ingest import Ingest
from pipeline.opening import address_of, owned, to_read
from pipeline.server import ServerStore
from pipeline.settings import StoreSettings
from pipeline.store import Store, StoreError, batches, open_store
from pipeline.wire import Address
from tests.pipeline import servers
from tests.pipeline.engines import address
from tests.pipeline.judging import Slice, minute, slice_rows
from tests.pipeline.test_store_behaviour import coverage, totals
from tests.pipeline.test_way import judge

needs_server = pytest.mark.skipif(bool(servers.lacking()), reason=servers.lacking())


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Process]:
    started = servers.server(tmp_path_factory.mktemp("server"))
    try:
        started.start()
        yield started
    finally:
        started.kill()


def contents(store: Store, school: str) -> dict[str, list[tuple[object, ...]]]:
    """All rows of a school, without when they were written."""
    found = {}
    for table in schema.TABLES:
        names = [f"`{c.name}`" for c in table.columns if c.name not in ("stored", "updated")]
        if table.columns[0].name == "school":
            final = "FINAL " if table.engine.startswith("Replacing") else ""
            sql = f"SELECT {', '.join(names)} FROM schoolgate.{table.name} {final}WHERE school = {{s:String}}"
            found[table.name] = sorted(store.query(sql, {"s": school}).rows, key=repr)
    return found


@needs_server
def test_the_whole_way_leads_to_the_same_rows_as_in_chdb(process: servers.Process, tmp_path: Path) -> None:
    use = [Slice(minute("09:20") + n, "10.0.0.1", "facebook", down=150_000, bursts=4) for n in range(9)]
    with open_store(tmp_path / "store") as embedded, ServerStore(address(process)) as server:
        for store in (embedded, server):
            for _ in range(2):  # the second time everything is known
                ingest = Ingest(store, judge(tmp_path, "way", mode="pseudonymous"))
                ingest.add(slice_rows(use), 0.0)
                ingest.finish()
        ours, theirs = contents(embedded, "way"), contents(server, "way")
        assert theirs == ours
        assert ours["episode"]
        assert batches(server, "way") == batches(embedded, "way")


@needs_server
def test_a_server_that_starts_again_is_reached_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = servers.server(tmp_path)
    try:
        started.start()
        with ServerStore(address(started)) as store:
            store.insert("coverage", coverage("again", [1]), "again/1")
            started.kill()
            with pytest.raises(StoreError, match=rf"127.0.0.1:{started.port}: .*refused"):
                store.query("SELECT 1")
            started.start()
            assert totals(store, "again") == (1, 1)
            started.kill()
            monkeypatch.setattr("pipeline.server.PAUSES_S", (0.5,) * 240)
            late = threading.Thread(target=store.insert, args=("coverage", coverage("again", [2]), "again/2"))
            late.start()  # tried again until the server is back
            started.start()
            late.join()
            assert totals(store, "again") == (2, 3)
    finally:
        started.kill()


@needs_server
def test_tls_with_an_own_authority(tmp_path: Path) -> None:
    certificate, key = tmp_path / "server.crt", tmp_path / "server.key"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    started = servers.server(tmp_path / "server", secure=(certificate, key))
    try:
        started.start()
        settings = StoreSettings(servers=(f"127.0.0.1:{started.port}",), ca=certificate)
        with owned(settings) as store:
            store.insert("coverage", coverage("tls", [1, 2]), "tls/1")
            assert totals(store, "tls") == (2, 3)
        with pytest.raises(StoreError, match=r"(?i)certificate"):
            ServerStore(address_of(settings.model_copy(update={"ca": None})))
    finally:
        started.kill()


@needs_server
def test_who_reads_makes_no_tables(tmp_path: Path) -> None:
    started = servers.server(tmp_path)
    settings = StoreSettings(servers=(f"127.0.0.1:{started.port}",), secure=False)
    try:
        started.start()
        with pytest.raises(StoreError, match="there are no tables of Schoolgate yet"), to_read(settings):
            pass
        with owned(settings) as store:
            applied = {"version": [schema.VERSION + 1], "applied": [0]}
            store.insert("schema_version", applied, "newer")
        for opened in (owned, to_read):
            with pytest.raises(StoreError, match=rf"127.0.0.1:{started.port}: it was written by a newer Schoolgate"):
                opened(settings).__enter__()
    finally:
        started.kill()


def test_hosts_and_ports_as_settings_write_them() -> None:
    named = ("db1.example", "db2.example:9999", "10.0.0.1", "[2001:db8::1]", "[2001:db8::1]:9001")
    found = address_of(StoreSettings(servers=named))
    assert found.hosts == (
        ("db1.example", 9440), ("db2.example", 9999), ("10.0.0.1", 9440), ("2001:db8::1", 9440), ("2001:db8::1", 9001),
    )  # fmt: skip
    assert address_of(StoreSettings(servers=("db",), secure=False)).hosts == (("db", 9000),)


def test_the_password_comes_from_a_file_that_others_cannot_read(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("secret word\nnot this\n")
    settings = StoreSettings(servers=("db",), password_file=path)
    path.chmod(0o644)
    with pytest.raises(StoreError, match=f"{path}: others may read the password; run: chmod 600"):
        address_of(settings)
    path.chmod(0o600)
    found = address_of(settings)
    assert found.password == "secret word"
    assert "secret" not in repr(found)
    path.unlink()
    with pytest.raises(StoreError, match=f"{path}: the password cannot be read"):
        address_of(settings)


@pytest.mark.parametrize("server", ["", "a b", "db:0", "db:70000", "db,other", "http://db", "[::1", "-x", "db:9000/x"])
def test_what_is_no_host_is_refused(server: str) -> None:
    with pytest.raises(ValueError, match="is not a host"):
        StoreSettings(servers=(server,))


@pytest.mark.parametrize("cluster", ["a b", "x'", "1a", "a-b", "a;DROP"])
def test_what_is_no_name_of_a_cluster_is_refused(cluster: str) -> None:
    with pytest.raises(ValueError, match="is not a name"):
        StoreSettings(cluster=cluster)


def test_a_host_that_is_not_there_is_named_at_once() -> None:
    (port,) = servers.free_ports(1)
    with pytest.raises(StoreError, match=rf"127.0.0.1:{port}: .*[Cc]onnection refused"):
        ServerStore(Address((("127.0.0.1", port),), secure=False))
