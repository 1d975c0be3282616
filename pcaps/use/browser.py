"""Debian's Chromium (DevTools protocol) and Firefox (WebDriver BiDi), unaltered but for the test authority.

Both protocols are JSON over a websocket on the loopback of the client's namespace, so the tap does not see them. Tabs
behind another tab are really hidden: nothing is told to the browser about being visible.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from pcaps.use.network import socket_within, within

PORT = 9222
_CHROMIUM = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--no-first-run",
    "--no-default-browser-check",
    "--metrics-recording-only",
    "--disable-dev-shm-usage",
    "--disable-features=OptimizationHints,Translate,MediaRouter",
    "--remote-allow-origins=*",
    f"--remote-debugging-port={PORT}",
)
_FIREFOX_PREFS: dict[str, object] = {
    "app.normandy.enabled": False,
    "app.update.enabled": False,
    "browser.newtabpage.enabled": False,
    "browser.safebrowsing.downloads.remote.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.startup.homepage_override.mstone": "ignore",
    "browser.startup.page": 0,
    "captivedetect.canonicalURL": "",
    "datareporting.policy.dataSubmissionEnabled": False,
    "dom.push.connection.enabled": False,
    "extensions.getAddons.cache.enabled": False,
    "extensions.systemAddon.update.enabled": False,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.trr.mode": 5,
    "remote.active-protocols": 1,
    "remote.prefs.recommended": False,
    "services.settings.server": "data:,none",
    "toolkit.telemetry.enabled": False,
    "toolkit.telemetry.server": "",
}


class Browser:
    """A running browser in a namespace; tabs are known by the id that the browser gives them."""

    def __init__(self, name: str, namespace: str, folder: Path, authority: Path, quic: tuple[str, ...] = ()) -> None:
        self.name = name
        self._namespace, self._folder, self._authority, self._quic = namespace, folder, authority, quic
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._sessions: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None

    # ----------------------------------------------------------------------------------------------- start and stop

    async def start(self) -> None:
        """Start the browser and connect to it."""
        self._folder.mkdir(parents=True)
        command = self._chromium() if self.name == "chromium" else self._firefox()
        environment = os.environ | {"HOME": str(self._folder), "MOZ_HEADLESS": "1", "MOZ_DISABLE_CONTENT_SANDBOX": "1"}
        environment["XDG_RUNTIME_DIR"] = environment["TMPDIR"] = str(self._folder)
        self._process = subprocess.Popen(
            within(self._namespace, ["nice", "-n", "5", *command]),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(self._folder / "stderr").open("wb"),
            start_new_session=True,
        )
        for _ in range(600):
            with contextlib.suppress(OSError, ValueError):
                path = "/session"
                if self.name == "chromium":
                    said = (self._folder / "stderr").read_text(encoding="utf-8", errors="replace")
                    path = said[said.index("/devtools/browser/") :].split()[0]
                raw = socket_within(self._namespace, lambda: socket.create_connection(("127.0.0.1", PORT), 5))
                url = f"ws://127.0.0.1:{PORT}{path}"
                self._connection = await connect(url, sock=raw, max_size=None, ping_interval=None)
                break
            await asyncio.sleep(0.2)
        if not self._connection:
            raise RuntimeError(f"{self.name} did not start; see {self._folder}/stderr")
        self._reader = asyncio.create_task(self._read(self._connection))
        if self.name == "firefox":
            await self._call("session.new", {"capabilities": {}})

    def _store(self, database: Path) -> None:
        database.mkdir(parents=True, exist_ok=True)
        certutil = ("certutil", "-d", f"sql:{database}")
        subprocess.run((*certutil, "-N", "--empty-password"), check=True, capture_output=True)
        trust = (*certutil, "-A", "-n", "test authority", "-t", "C,,", "-i", str(self._authority))
        subprocess.run(trust, check=True, capture_output=True)

    def _chromium(self) -> list[str]:
        self._store(self._folder / ".pki" / "nssdb")
        flags = [*_CHROMIUM, f"--user-data-dir={self._folder / 'profile'}"]
        if self._quic:
            flags.append("--origin-to-force-quic-on=" + ",".join(f"{host}:443" for host in self._quic))
        return ["chromium", *flags, "about:blank"]

    def _firefox(self) -> list[str]:
        profile = self._folder / "profile"
        self._store(profile)
        lines = (f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in _FIREFOX_PREFS.items())
        (profile / "user.js").write_text("".join(lines), encoding="utf-8")
        flags = ["--headless", "--no-remote", "--profile", str(profile), f"--remote-debugging-port={PORT}"]
        return ["firefox-esr", *flags, "about:blank"]

    async def stop(self) -> None:
        """Kill the browser, as a machine that is switched off."""
        if self._reader:
            self._reader.cancel()
        if self._connection:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self._connection.close(), 2)
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    # ------------------------------------------------------------------------------------------------------ messages

    async def _read(self, connection: ClientConnection) -> None:
        async for text in connection:
            message = json.loads(text)
            waiting = self._waiting.pop(message.get("id"), None)
            if waiting and not waiting.done():
                waiting.set_result(message)

    async def _call(self, method: str, params: dict[str, Any], tab: str | None = None) -> Any:
        assert self._connection
        number = next(self._ids)
        waiting = asyncio.get_running_loop().create_future()
        self._waiting[number] = waiting
        message = {"id": number, "method": method, "params": params}
        if tab:
            message["sessionId"] = self._sessions[tab]
        await self._connection.send(json.dumps(message))
        answer = await asyncio.wait_for(waiting, 120)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']} {answer.get('message', '')}")
        return answer["result"]

    # ---------------------------------------------------------------------------------------------------------- tabs

    async def open(self, url: str, front: bool = True) -> str:
        """A new tab at `url`, in front of the others or behind them."""
        if self.name == "chromium":
            created = await self._call("Target.createTarget", {"url": url, "background": not front})
            tab: str = created["targetId"]
            session = await self._call("Target.attachToTarget", {"targetId": tab, "flatten": True})
            self._sessions[tab] = session["sessionId"]
            if front:
                await self.show(tab)
            return tab
        created = await self._call("browsingContext.create", {"type": "tab", "background": not front})
        tab = created["context"]
        await self.go(tab, url)
        return tab

    async def go(self, tab: str, url: str) -> None:
        """Go to another page in this tab; does not wait for it."""
        if self.name == "chromium":
            await self._call("Page.navigate", {"url": url}, tab)
        else:
            await self._call("browsingContext.navigate", {"context": tab, "url": url, "wait": "none"})

    async def show(self, tab: str) -> None:
        """Bring a tab to the front."""
        if self.name == "chromium":
            await self._call("Target.activateTarget", {"targetId": tab})
        else:
            await self._call("browsingContext.activate", {"context": tab})

    async def close(self, tab: str) -> None:
        """Close a tab."""
        if self.name == "chromium":
            await self._call("Target.closeTarget", {"targetId": tab})
        else:
            await self._call("browsingContext.close", {"context": tab})

    async def run(self, tab: str, script: str) -> Any:
        """Evaluate an expression in the page; its value, if it is a plain one."""
        if self.name == "chromium":
            result = await self._call("Runtime.evaluate", {"expression": script, "returnByValue": True}, tab)
            return result["result"].get("value")
        params = {"expression": script, "target": {"context": tab}, "awaitPromise": False}
        result = await self._call("script.evaluate", params)
        return result.get("result", {}).get("value")
