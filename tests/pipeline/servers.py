"""Real ClickHouse servers for tests: Debian's clickhouse-server 18.16 on loopback, and ZooKeeper for two of them.

Each server has a folder and ports of its own and runs in the foreground of the test that started it, which also stops
it: `kill` ends it as a power cut would, `start` brings it back on the same folder and ports. A server dies with the
process of the tests (PR_SET_PDEATHSIG), whatever becomes of that. 18.16 is of 2018: it tests the protocol, replication
and failover, not what newer servers can do.
"""

from __future__ import annotations

import contextlib
import ctypes
import glob
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

BINARY = next(
    (path for path in ("/usr/sbin/clickhouse-server", "/usr/bin/clickhouse-server") if Path(path).exists()), ""
)
ZOOKEEPER = Path("/usr/share/java/zookeeper.jar")
PATIENCE_S = 120.0  # machines of tests may stand still for a while
_PDEATHSIG = 1


def lacking(cluster: bool = False) -> str:
    """Why no server can be started here; '' if one can."""
    if not BINARY:
        return "needs clickhouse-server: apt-get install --no-install-recommends clickhouse-server"
    if cluster and not (ZOOKEEPER.exists() and shutil.which("java")):
        return "needs ZooKeeper: apt-get install --no-install-recommends libzookeeper-java default-jre-headless"
    return ""


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody uses just now, below those that connections are given while a server starts."""
    with contextlib.ExitStack() as stack:
        ports: set[int] = set()
        while len(ports) < count:
            port = random.randrange(10_000, 32_000)
            with contextlib.suppress(OSError):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
                ports.add(port)
        return list(ports)


@dataclass
class Process:
    """A process that listens on `port`, with what it said in `folder`/output."""

    folder: Path
    port: int
    command: list[str]
    _running: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start it, and return when it listens."""
        self.folder.mkdir(parents=True, exist_ok=True)
        output: IO[bytes]
        with (self.folder / "output").open("ab") as output:
            self._running = subprocess.Popen(
                self.command, cwd=self.folder, stdout=output, stderr=output, preexec_fn=_die_with_parent
            )
        deadline = time.monotonic() + PATIENCE_S
        while not self.listens():
            assert self._running.poll() is None, f"it ended: {self.said()}"
            assert time.monotonic() < deadline, f"it does not listen: {self.said()}"
            time.sleep(0.02)

    def listens(self) -> bool:
        """Whether it takes connections."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def pause(self) -> None:
        """Stand still, as a machine that has hung does."""
        self._send(signal.SIGSTOP)

    def go_on(self) -> None:
        """Go on after `pause`."""
        self._send(signal.SIGCONT)

    def kill(self) -> None:
        """End at once, as in a power cut; harmless if it has ended."""
        if self._running is not None:
            self._running.kill()
            self._running.wait()
            self._running = None

    def stop(self) -> None:
        """End it as an administrator does, and wait for it."""
        self._send(signal.SIGTERM)
        assert self._running is not None
        self._running.wait(PATIENCE_S)
        self._running = None

    def said(self) -> str:
        """The end of what it wrote."""
        return (self.folder / "output").read_text(errors="replace")[-2000:]

    def _send(self, number: signal.Signals) -> None:
        assert self._running is not None
        self._running.send_signal(number)


@dataclass(frozen=True)
class Cluster:
    """Two replicas of one shard, and the ZooKeeper that they agree by. `name` is the cluster's in their files."""

    name: str
    zookeeper: Process
    replicas: tuple[Process, Process]


def server(folder: Path, users: str = "", secure: tuple[Path, Path] | None = None) -> Process:
    """A server on its own, not yet started. `users`: a file for its users.d; `secure`: certificate and key."""
    port, interserver = free_ports(2)
    return _server(folder, port, interserver, "", users, secure)


@contextlib.contextmanager
def cluster(folder: Path, users: str = "") -> Iterator[Cluster]:
    """ZooKeeper and two replicas, started; all end with the block."""
    keeper, *ports = free_ports(5)
    zookeeper = _zookeeper(folder / "zookeeper", keeper)
    natives, inters = ports[:2], ports[2:]
    hosts = "".join(f"<replica><host>127.0.0.1</host><port>{port}</port></replica>" for port in natives)
    shared = f"""
<zookeeper><node><host>127.0.0.1</host><port>{keeper}</port></node><session_timeout_ms>4000</session_timeout_ms></zookeeper>
<remote_servers><council><shard><internal_replication>true</internal_replication>{hosts}</shard></council></remote_servers>
<distributed_ddl><path>/clickhouse/ddl</path></distributed_ddl>"""
    replicas = [
        _server(
            folder / f"replica{n}",
            natives[n],
            inters[n],
            f"{shared}<macros><shard>01</shard><replica>r{n}</replica></macros>",
            users,
            None,
        )
        for n in range(2)
    ]
    made = Cluster("council", zookeeper, (replicas[0], replicas[1]))
    try:
        zookeeper.start()
        for replica in replicas:
            replica.start()
        yield made
    finally:
        for process in (*replicas, zookeeper):
            process.kill()


def _server(
    folder: Path, port: int, interserver: int, more: str, users: str, secure: tuple[Path, Path] | None
) -> Process:
    folder.mkdir(parents=True, exist_ok=True)
    listening = f"<tcp_port>{port}</tcp_port>"
    if secure:
        certificate, key = secure
        listening = (
            f"<tcp_port_secure>{port}</tcp_port_secure><openSSL><server><certificateFile>{certificate}</certificateFile>"
            f"<privateKeyFile>{key}</privateKeyFile><verificationMode>none</verificationMode></server></openSSL>"
        )
    (folder / "config.xml").write_text(f"""<yandex>
<logger><level>information</level><log>{folder}/server.log</log><errorlog>{folder}/error.log</errorlog>
<size>10M</size><count>1</count></logger>
{listening}<interserver_http_port>{interserver}</interserver_http_port>
<interserver_http_host>127.0.0.1</interserver_http_host><listen_host>127.0.0.1</listen_host>
<mark_cache_size>67108864</mark_cache_size><path>{folder}/data/</path><tmp_path>{folder}/tmp/</tmp_path>
<user_files_path>{folder}/files/</user_files_path><format_schema_path>{folder}/files/</format_schema_path>
<users_config>users.xml</users_config><default_profile>default</default_profile>
<default_database>default</default_database><timezone>UTC</timezone>{more}
</yandex>""")
    low = "<allow_experimental_low_cardinality_type>1</allow_experimental_low_cardinality_type>" if more else ""
    (folder / "users.xml").write_text(f"""<yandex>
<profiles><default>{low}<max_memory_usage>1000000000</max_memory_usage><load_balancing>in_order</load_balancing></default>
</profiles>
<users><default><password></password><networks><ip>127.0.0.1</ip></networks><profile>default</profile>
<quota>default</quota></default></users>
<quotas><default><interval><duration>3600</duration></interval></default></quotas></yandex>""")
    if users:
        (folder / "users.d").mkdir(exist_ok=True)
        (folder / "users.d" / "schoolgate.xml").write_text(users)
    return Process(folder, port, [BINARY, f"--config-file={folder}/config.xml"])


def _zookeeper(folder: Path, port: int) -> Process:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "zoo.cfg").write_text(
        f"dataDir={folder}/data\nclientPort={port}\nclientPortAddress=127.0.0.1\ntickTime=1000\nadmin.enableServer=false\n"
    )
    wanted = ("zookeeper", "zookeeper-jute", "slf4j-api", "netty-*", "metrics-core", "snappy-java", "log4j-1.2")
    jars = [jar for name in wanted for jar in sorted(glob.glob(f"/usr/share/java/{name}.jar"))]
    command = ["java", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", ":".join(jars)]
    main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
    return Process(folder, port, [*command, main, str(folder / "zoo.cfg")])


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL)
