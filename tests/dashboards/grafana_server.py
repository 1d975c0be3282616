"""A strict stand-in for Grafana's HTTP API, written from its documentation: no Grafana server can be had for the tests.

Folders, dashboards, search and data sources, as `/api` has them up to version 13: what a request lacks, or has too much
of, is refused with the documented status and body; a dashboard comes back with the ids, versions, defaults and the
annotation that Grafana adds by itself. Sources: Grafana's HTTP API reference, pages folder, dashboard, search,
data source and authentication.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Json = dict[str, Any]
UID = re.compile(r"[a-zA-Z0-9_-]{1,40}")
BUILT_IN: Json = {
    "builtIn": 1,
    "datasource": {"type": "grafana", "uid": "-- Grafana --"},
    "enable": True,
    "hide": True,
    "iconColor": "rgba(0, 211, 255, 1)",
    "name": "Annotations & Alerts",
    "type": "dashboard",
}


@dataclass
class Board:
    """A stored dashboard."""

    model: Json
    folder: str
    version: int
    id: int
    provisioned: bool = False
    messages: list[str] = field(default_factory=list)


class Refusal(Exception):
    """An answer that is not 200."""

    def __init__(self, code: int, message: str, status: str = "") -> None:
        self.code = code
        self.body = {"message": message} | ({"status": status} if status else {})


class Grafana:
    """What the server holds. `tokens`: token -> role; `before_save`: called before a dashboard is saved."""

    def __init__(self) -> None:
        self.tokens = {"glsa_editor": "Editor", "glsa_viewer": "Viewer", "glsa_admin": "Admin"}
        self.folders: dict[str, str] = {}
        self.boards: dict[str, Board] = {}
        self.sources: list[Json] = []
        self.writes: list[str] = []
        self.before_save: Callable[[], None] = lambda: None

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any, role: str) -> object:
        """The body of a 200, or a Refusal."""
        if method != "GET" and role == "Viewer":
            raise Refusal(403, "You'll need additional permissions to perform this action.")
        if method != "GET" and not isinstance(body, dict):
            raise Refusal(400, "bad request data")
        match [method, *path.strip("/").split("/")]:
            case ["GET", "folders"]:
                return [{"id": n, "uid": uid, "title": t} for n, (uid, t) in enumerate(self.folders.items(), 1)]
            case ["GET", "folders", uid]:
                return self._folder(uid)
            case ["POST", "folders"]:
                return self._new_folder(body)
            case ["GET", "dashboards", "uid", uid]:
                return self._dashboard(uid)
            case ["POST", "dashboards", "db"]:
                return self._save(body)
            case ["GET", "search"]:
                return self._search(query)
            case ["GET", "datasources"]:
                if role != "Admin":
                    raise Refusal(403, "You'll need additional permissions to perform this action.")
                return self.sources
        raise Refusal(404, "Not found")

    def _folder(self, uid: str) -> Json:
        if uid not in self.folders:
            raise Refusal(404, "folder not found", "not-found")
        return {"id": 1, "uid": uid, "title": self.folders[uid], "url": f"/dashboards/f/{uid}/x", "version": 1}

    def _new_folder(self, body: Json) -> Json:
        if extra := body.keys() - {"uid", "title", "parentUid", "description"}:
            raise Refusal(400, f"unknown fields {sorted(extra)}")
        if not body.get("title"):
            raise Refusal(400, "folder title cannot be empty")
        if not UID.fullmatch(body.get("uid") or "x"):
            raise Refusal(400, "uid contains illegal characters or is too long")
        if body["uid"] in self.folders:
            raise Refusal(409, "a folder with the same UID already exists")
        self.writes.append(f"folder {body['uid']}")
        self.folders[body["uid"]] = body["title"]
        return self._folder(body["uid"])

    def _dashboard(self, uid: str) -> Json:
        if uid not in self.boards:
            raise Refusal(404, "Dashboard not found")
        board = self.boards[uid]
        notes = [BUILT_IN, *board.model["annotations"]["list"]]
        model = {**board.model, "id": board.id, "version": board.version, "annotations": {"list": notes}}
        model.setdefault("fiscalYearStartMonth", 0)
        meta = {"url": f"/d/{uid}/x", "folderUid": board.folder, "version": board.version}
        return {"dashboard": model, "meta": meta | {"provisioned": board.provisioned, "isFolder": False}}

    def _save(self, body: Json) -> Json:
        if extra := body.keys() - {"dashboard", "folderUid", "folderId", "message", "overwrite"}:
            raise Refusal(400, f"unknown fields {sorted(extra)}")
        model = body.get("dashboard")
        if not isinstance(model, dict):
            raise Refusal(400, "bad request data")
        if not model.get("title"):
            raise Refusal(400, "Dashboard title cannot be empty", "empty-name")
        uid = model.get("uid") or f"made-up-{len(self.boards)}"
        if not UID.fullmatch(uid):
            raise Refusal(400, "uid contains illegal characters or is too long")
        if not isinstance(model.get("schemaVersion"), int) or not isinstance(model.get("panels"), list):
            raise Refusal(400, "invalid dashboard model")
        if body.get("folderUid") and body["folderUid"] not in self.folders:
            raise Refusal(400, "folder not found", "not-found")
        self.before_save()
        there = self.boards.get(uid)
        if there is None and model.get("id") is not None:
            raise Refusal(404, "Dashboard not found", "not-found")
        if there is not None:
            if there.provisioned:
                raise Refusal(400, "Cannot save provisioned dashboard")
            if not body.get("overwrite"):
                if model.get("id") != there.id:
                    raise Refusal(412, "A dashboard with the same uid already exists", "name-exists")
                if model.get("version") != there.version:
                    raise Refusal(412, "The dashboard has been changed by someone else", "version-mismatch")
        version = there.version + 1 if there else 1
        number = there.id if there else len(self.boards) + 1
        messages = [*(there.messages if there else []), str(body.get("message", ""))]
        kept = {name: value for name, value in model.items() if name not in ("id", "version")}
        self.boards[uid] = Board(kept, body.get("folderUid") or "", version, number, messages=messages)
        self.writes.append(f"board {uid}")
        return {"id": number, "uid": uid, "url": f"/d/{uid}/x", "status": "success", "version": version, "slug": "x"}

    def _search(self, query: dict[str, list[str]]) -> list[Json]:
        if query.get("type", ["dash-db"]) != ["dash-db"]:
            raise Refusal(400, "unknown type")
        folders = query.get("folderUIDs")
        found = [(uid, b) for uid, b in self.boards.items() if folders is None or b.folder in folders]
        return [{"uid": uid, "title": b.model["title"], "type": "dash-db", "folderUid": b.folder} for uid, b in found]


@contextmanager
def running(prefix: str = "/grafana") -> Iterator[tuple[str, Grafana]]:
    """A server on loopback: its address, below a path as behind a proxy, and what it holds."""
    grafana = Grafana()

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            length = int(self.headers["content-length"] or 0)
            data = self.rfile.read(length)
            try:
                code, body = 200, self._answer(data)
            except Refusal as refusal:
                code, body = refusal.code, refusal.body
            text = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("content-type", "application/json; charset=UTF-8")
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def _answer(self, data: bytes) -> object:
            kind, _, token = (self.headers["authorization"] or "").partition(" ")
            role = grafana.tokens.get(token)
            if kind != "Bearer" or role is None:
                raise Refusal(401, "Invalid API key")
            url = urlsplit(self.path)
            if not url.path.startswith(f"{prefix}/api/"):
                raise Refusal(404, "Not found")
            if data and "application/json" not in (self.headers["content-type"] or ""):
                raise Refusal(415, "Unsupported media type")
            try:
                body = json.loads(data) if data else None
            except ValueError:
                raise Refusal(400, "bad request data") from None
            path = unquote(url.path.removeprefix(f"{prefix}/api/"))
            return grafana.answer(self.command, path, parse_qs(url.query), body, role)

        do_GET = do_POST = do_PUT = do_DELETE = _do

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}{prefix}", grafana
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
