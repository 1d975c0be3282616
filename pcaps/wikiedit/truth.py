"""From the server's logs to the truth of a session: saves, page views, and what every upload was.

The PHP hook writes a line for each POST with what it was and what it saved, with the client's address and port; nginx
writes a line for each request. An upload is a burst of client records that is larger than this connection's usual
request; it is named after the POST of the same connection that arrived at that time, and `none` if there was no POST.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pcaps.wikiedit.network import TEXT, UPLOAD_HOST
from pcaps.wikiedit.records import records

Row = dict[str, Any]
_LEAST, _USUAL, _MARGIN_S = 700, 16, 0.03
_IMPORTANT = ("SAVE", "null_save", "save_failed", "visualeditoredit:serializeforcache", "stashedit", "preview", "login")


@dataclass(frozen=True, slots=True)
class Upload:
    """A burst of client records on one connection."""

    client: str
    start: float
    end: float
    size: int


# --------------------------------------------------------------------------------------------------- from the server


def read_log(path: Path, offset: int, start: float, end: float, client: str) -> list[Row]:
    """The lines of a log, from a byte on, that belong to one client and time."""
    found = []
    with path.open("rb") as file:
        file.seek(offset)
        for line in file:
            if f'"{client}:'.encode() not in line or not line.endswith(b"\n"):
                continue
            row = json.loads(line)
            if "end" in row:
                row["time"] = row["end"] - row["seconds"]
            if start <= row["time"] <= end:
                found.append(row)
    return sorted(found, key=lambda row: float(row["time"]))


def kind_of(post: Row) -> str:
    """What a POST was, in one word."""
    action = post["action"]
    if action == "upload":
        return "commons_upload"
    if post["saved"]:
        return "null_save" if post["saved"]["null"] else "SAVE"
    if post["script"] == "api.php":
        return f"{action}:{post['paction']}" if action == "visualeditoredit" else action
    if action == "submit":
        return "preview" if post["preview"] else "save_failed"
    special = post["special"].split("/")[0]
    return {"UserLogin": "login", "Preferences": "prefs", "CreateAccount": "createaccount"}.get(special, "other")


def save_action(post: Row, scenario: str) -> str:
    """The kind of a save."""
    if scenario.startswith("api"):
        return "save_api"
    if post["mobile"]:
        return "save_mobile"
    if post["action"] == "visualeditoredit":
        return "save_ve"
    if post["action"] == "rollback":
        return "save_rollback"
    if post["undo"]:
        return "save_undo"
    if post["section"] == "new":
        return "save_talk"
    if post["section"]:
        return "save_section"
    size = post["saved"]["page_bytes"]
    return "save_small" if size < 12_000 else "save_mid" if size < 50_000 else "save_large"


def saves(sid: str, scenario: str, posts: list[Row]) -> list[Row]:
    """Rows of saves.jsonl."""
    return [
        {
            "sid": sid,
            "time": round(post["time"], 3),
            "client": post["client"],
            "post_bytes": post["bytes"],
            "action": save_action(post, scenario),
            "api": post["action"] if post["script"] == "api.php" else "",
            "page_bytes": post["saved"]["page_bytes"],
            "server_seconds": post["seconds"],
        }
        for post in posts
        if kind_of(post) == "SAVE"
    ]


def page_views(sid: str, requests: list[Row]) -> list[Row]:
    """Rows of page_views.jsonl: HTML pages of the wiki that came."""
    found = []
    for row in requests:
        uri = row["uri"]
        page = uri.startswith(("/wiki/", "/w/index.php", "/w/index.php?"))
        if (
            page
            and row["method"] == "GET"
            and row["status"] in (200, 304)
            and "text/html" in (row["type"] or "text/html")
        ):
            form = "action=edit" in uri or "veaction=edit" in uri
            found.append({"sid": sid, "time": round(row["time"], 3), "client": row["client"], "edit_form": form})
    return found


# --------------------------------------------------------------------------------------------------- from the capture


def uploads_of(capture: Path) -> list[Upload]:
    """Every upload of a zeroed capture, to the text hosts."""
    found: list[Upload] = []
    for connection in records(capture):
        if connection.server != TEXT:
            continue
        usual: list[int] = []
        current: list[tuple[float, int]] = []
        heads: list[tuple[float, int]] = []

        def finish(current: list[tuple[float, int]], connection: Any = connection) -> None:
            if current:
                client = f"{connection.client}:{connection.port}"
                found.append(Upload(client, current[0][0], current[-1][0], sum(size for _, size in current)))

        for moment, size in connection.records:
            if size <= 0:
                continue
            middle = sorted(usual)[int(0.7 * len(usual))] if usual else 150
            if current and moment - current[-1][0] <= 1.5 * connection.round_trip + _MARGIN_S:
                current.append((moment, size))
            else:
                finish(current)
                current = []
                if size >= max(_LEAST, 1.35 * middle):
                    current = [*(h for h in heads if moment - h[0] <= _MARGIN_S), (moment, size)]
            heads = [*heads[-3:], (moment, size)]
            if 20 < size < 9000:
                usual = [*usual[-_USUAL + 1 :], size]
        finish(current)
    return sorted(found, key=lambda upload: upload.start)


def label_uploads(sid: str, found: list[Upload], posts: list[Row], requests: list[Row], patience: float) -> list[Row]:
    """Rows of uploads.jsonl: each upload with the most telling POST of its connection that arrived meanwhile."""
    beacons = [
        r for r in requests if r["method"] == "POST" and (r["host"].startswith("intake") or "hcaptcha" in r["host"])
    ]
    media = [r for r in requests if r["method"] == "POST" and r["host"] == UPLOAD_HOST]
    known = [(p["client"], p["time"], kind_of(p)) for p in posts]
    known += [(r["client"], r["time"], "hcaptcha" if "hcaptcha" in r["host"] else "beacon") for r in beacons]
    known += [(r["client"], r["time"], "other") for r in media]
    result = []
    for upload in found:
        near = {
            kind
            for client, moment, kind in known
            if client == upload.client and upload.start - 0.05 <= moment <= upload.end + patience
        }
        truth = next(
            (kind for kind in _IMPORTANT if kind in near),
            min(near - {"beacon"}, default="") or min(near, default="none"),
        )
        row = {"sid": sid, "client": upload.client, "start": round(upload.start, 3), "end": round(upload.end, 3)}
        result.append(row | {"bytes_up": float(upload.size), "truth": truth})
    return result
