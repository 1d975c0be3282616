"""Sets up and runs the wiki in the server's namespace: MariaDB, php-fpm with Debian's MediaWiki, nginx, HAProxy.

Everything lives in one folder: database, caches, logs, a test authority and its certificate for all names. Setting up
takes some minutes and happens once for a folder and seed; starting it takes seconds.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from pcaps.use.network import within
from pcaps.use.server import Authority
from pcaps.wikiedit import HERE, content
from pcaps.wikiedit.network import SERVER, TEXT_HOSTS, UPLOAD_HOST

PEOPLE = tuple(f"Editor{n}" for n in range(1, 25))
PASSWORD = "laboratory password"
_MEDIAWIKI = Path("/usr/share/mediawiki")
_PATIENCE_S = 300.0
Command = list[str]


class Website:
    """Context manager: inside of it the wiki answers."""

    def __init__(self, folder: Path, seed: str, workers: int = 4) -> None:
        self.folder, self._seed, self._workers = folder.resolve(), seed, workers
        self._running: list[subprocess.Popen[bytes]] = []

    @property
    def authority(self) -> Path:
        """The certificate that browsers must trust."""
        return self.folder / "ca.pem"

    def sizes(self) -> dict[str, int]:
        """Every page and its bytes when the wiki was set up."""
        found: dict[str, int] = json.loads((self.folder / "pages.json").read_text(encoding="utf-8"))
        return found

    # --------------------------------------------------------------------------------------------------------- set-up

    def _write_site(self) -> None:
        for name in ("log", "tmp", "cache", "images", "site", "db"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
            if name != "db":
                os.chmod(self.folder / name, 0o777)
        for source in (HERE / "site").iterdir():
            text = source.read_text(encoding="utf-8")
            text = text.replace("@FOLDER@", str(self.folder)).replace("@WORKERS@", str(self._workers))
            (self.folder / "site" / source.name).write_text(text, encoding="utf-8")
        for name in ("access", "posts"):
            log = self.folder / "log" / f"{name}.jsonl"
            log.touch()
            os.chmod(log, 0o666)
        if not (self.folder / "edge.pem").exists():
            certificate, key = Authority(self.folder).sign((*TEXT_HOSTS, UPLOAD_HOST))
            (self.folder / "edge.pem").write_bytes(certificate.read_bytes() + key.read_bytes())

    def _php(self, script: str, *words: str) -> None:
        settings = self.folder / "site" / "LocalSettings.php"
        environment = os.environ | {"LAB_FOLDER": str(self.folder), "MW_CONFIG_FILE": str(settings)}
        command = ["php", str(_MEDIAWIKI / "maintenance" / script), *words]
        done = subprocess.run(within(SERVER, command), env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{script}: {done.stdout[-600:]} {done.stderr[-600:]}")

    def _fill(self) -> None:
        """Make the database, the people, the articles and the pictures."""
        bare = self.folder / "installed"
        bare.mkdir(exist_ok=True)
        command = ["php", str(_MEDIAWIKI / "maintenance" / "install.php"), "--dbtype=mysql", "--dbname=wiki"]
        command += [f"--dbserver=localhost:{self.folder / 'db.sock'}", "--dbuser=root", "--dbpass=", "--scriptpath=/w"]
        command += [
            f"--pass={PASSWORD}",
            f"--confpath={bare}",
            "--server=https://en.wikipedia.org",
            "Wikipedia",
            "Importer",
        ]
        environment = os.environ | {"MW_CONFIG_FILE": str(bare / "LocalSettings.php")}
        done = subprocess.run(within(SERVER, command), env=environment, capture_output=True, text=True, check=False)
        if done.returncode or not (bare / "LocalSettings.php").exists():
            raise RuntimeError(f"install.php: {done.stdout[-900:]} {done.stderr[-600:]}")
        self._php("update.php", "--quick", "--skip-external-dependencies", "--skip-config-validation")
        for name in PEOPLE:
            self._php("createAndPromote.php", "--force", name, PASSWORD)
        text, sizes = content.dump(self._seed)
        (self.folder / "dump.xml").write_text(text, encoding="utf-8")
        self._php("importDump.php", "--no-updates", str(self.folder / "dump.xml"))
        self._php("rebuildtextindex.php")
        self._php("initSiteStats.php", "--update")
        content.pictures(self.folder / "images", self._seed)
        (self.folder / "pages.json").write_text(json.dumps(sizes), encoding="utf-8")

    # -------------------------------------------------------------------------------------------------- start and stop

    def _start(self, command: Command, name: str, ready: Callable[[], bool]) -> None:
        log = (self.folder / "log" / f"{name}.out").open("wb")
        command = ["nice", "-n", "-10", *command]  # on a busy machine a server must not be slower than a real one
        process = subprocess.Popen(within(SERVER, command), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self._running.append(process)
        until = time.monotonic() + _PATIENCE_S
        while not ready():
            if process.poll() is not None or time.monotonic() > until:
                said = (self.folder / "log" / f"{name}.out").read_text(errors="replace")[-800:]
                raise RuntimeError(f"{name} did not start: {said}")
            time.sleep(0.1)

    def _answers(self, port: int) -> bool:
        listing = subprocess.run(within(SERVER, ["ss", "-Hltn"]), capture_output=True, text=True, check=True).stdout
        return f":{port} " in listing

    def __enter__(self) -> Website:
        try:
            self._up()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _up(self) -> None:
        self._write_site()
        data, sock = self.folder / "db", self.folder / "db.sock"
        if not (data / "mysql").exists():
            shutil.chown(data, "mysql", "mysql")
            make = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--user=mysql", "--skip-test-db"]
            subprocess.run([*make, "--auth-root-authentication-method=normal"], check=True, capture_output=True)
        database = ["mariadbd", "--no-defaults", f"--datadir={data}", f"--socket={sock}", "--user=root"]
        database += ["--skip-networking", "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=256M"]
        database += [f"--pid-file={self.folder / 'db.pid'}", "--skip-log-bin", "--max-allowed-packet=64M"]
        sock.unlink(missing_ok=True)
        self._start(database, "mariadb", sock.exists)
        os.chmod(sock, 0o777)
        if not (self.folder / "pages.json").exists():
            self._fill()
        fpm = self.folder / "fpm.sock"
        fpm.unlink(missing_ok=True)
        site = self.folder / "site"
        self._start(["php-fpm8.2", "-F", "-y", str(site / "fpm.conf")], "fpm", fpm.exists)
        self._start(["nginx", "-c", str(site / "nginx.conf")], "nginx", lambda: self._answers(8081))
        self._start(["haproxy", "-db", "-f", str(site / "haproxy.cfg")], "haproxy", lambda: self._answers(443))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in reversed(self._running):
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
