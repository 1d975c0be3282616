"""The boards in a running Grafana, through its HTTP API: put there, compared, fetched.

Theory of operation. Everything is known by uid: one folder and the boards. Grafana fills in what a board leaves out
(ids, versions, defaults, an annotation of its own), so a board is compared in what we say of it only: `told_of` takes
from Grafana's copy the parts that ours has. A board that is the same is not sent; one that differs is sent with the
version that was read, so that a change made in between is refused by Grafana (412) and never overwritten unseen. What a
push replaces stays in Grafana's history of versions. A board that the school has moved to another folder stays there;
one that comes from provisioned files is left alone.
File provisioning (`provisioning/`) needs no token and is the better way where it is possible.
Sources: Grafana's HTTP API for folders, dashboards, search and data sources (`/api`, up to version 13).
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from grafana_client.api import GrafanaApi
from grafana_client.client import GrafanaException

from dashboards.grafana.boards import BOARDS
from dashboards.grafana.fields import Json
from dashboards.grafana.panels import PLUGIN

TIMEOUT_S = 10.0
"""For one answer of Grafana."""
FOLDER_UID = "schoolgate"
FOLDER_TITLE = "Schoolgate"
_UID = re.compile(r"[A-Za-z0-9_-]{1,40}")
_OWN = ("id", "version")
"""What Grafana numbers itself."""


class GrafanaError(ValueError):
    """Grafana could not be reached or refused; the message says what it answered and what to do."""


@dataclass(frozen=True, slots=True)
class Change:
    """What became, or would become, of the folder or of a board."""

    what: str
    action: str
    note: str = ""

    def __str__(self) -> str:
        return f"{self.action:10} {self.what}" + (f"  ({self.note})" if self.note else "")


def push(url: str, token: str, dry_run: bool = False) -> list[Change]:
    """Create or replace folder and boards at `url` with a service account's token; `dry_run`: only say what would be.

    Doing it again changes nothing. Raises GrafanaError; boards before the one at fault are then in place.
    """
    with _grafana(url, token) as grafana:
        changes = [_push_folder(grafana, dry_run)]
        changes += [_push_board(grafana, name, dry_run) for name in BOARDS]
        if not _source_there(grafana):
            changes.append(Change("data source", "missing", f"no {PLUGIN}: see provisioning/datasources"))
    return changes


def diff(url: str, token: str) -> list[str]:
    """How Grafana's boards differ from ours, as lines of a unified diff (theirs to ours); empty if they do not."""
    lines: list[str] = []
    with _grafana(url, token) as grafana:
        for name, ours in BOARDS.items():
            found = _board(grafana, ours["uid"])
            theirs = told_of(found["dashboard"], ours) if found else {}
            if theirs != ours:
                pages = [_text(page) if page else "" for page in (theirs, ours)]
                before, after = (page.splitlines() for page in pages)
                lines += difflib.unified_diff(
                    before, after, f"grafana/{name}.json", f"schoolgate/{name}.json", "", "", 3, ""
                )
    return lines


def export(url: str, token: str, folder: Path) -> list[Path]:
    """Write every board of Grafana's folder Schoolgate into `folder`, the school's own ones too; returns the files."""
    names = {board["uid"]: name for name, board in BOARDS.items()}
    paths = []
    with _grafana(url, token) as grafana:
        found = grafana.search.search_dashboards(type_="dash-db", folder_uids=FOLDER_UID)
        if not found:
            raise GrafanaError(f"{url}: its folder {FOLDER_TITLE} has no boards; push them first, or check the token")
        folder.mkdir(parents=True, exist_ok=True)
        for uid in sorted(str(entry["uid"]) for entry in found):
            if not _UID.fullmatch(uid):
                raise GrafanaError(f"{url}: {uid!r} is no uid of a dashboard; export it by hand")
            board = (_board(grafana, uid) or {"dashboard": {}})["dashboard"]
            path = folder / f"{names.get(uid, uid)}.json"
            path.write_text(_text({name: value for name, value in board.items() if name not in _OWN}), "utf-8")
            paths.append(path)
    return paths


def told_of(theirs: Any, ours: Any) -> Any:
    """Of Grafana's copy what ours has too; lists of another length are whole, without what Grafana itself adds."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        return {name: told_of(theirs[name], value) for name, value in ours.items() if name in theirs}
    if isinstance(theirs, list) and isinstance(ours, list):
        own = [entry for entry in theirs if not (isinstance(entry, dict) and entry.get("builtIn"))]
        if len(own) == len(ours):
            return [told_of(a, b) for a, b in zip(own, ours, strict=True)]
        return own
    return theirs


def _text(board: Json) -> str:
    return json.dumps(board, indent=2, ensure_ascii=False) + "\n"


@contextmanager
def _grafana(url: str, token: str) -> Iterator[Any]:
    """The client; its errors become ours."""
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise GrafanaError(f"{url!r} is no address of a Grafana; write it as https://grafana.example.org")
    try:
        # the client glues "api" to the path as it stands
        yield GrafanaApi.from_url(url=url.rstrip("/") + "/", credential=token, timeout=TIMEOUT_S)
    except GrafanaException as error:
        raise GrafanaError(f"{url}: {error.message or error}; {_mend(error.status_code)}") from error
    except OSError as error:
        raise GrafanaError(f"{url}: {error}; check the address, and that Grafana runs") from error
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, GrafanaError):
            raise
        raise GrafanaError(f"{url}: its answer is not that of a Grafana ({error!r:.80}); check the address") from error


def _mend(status: int) -> str:
    if status == 412:
        return "somebody changed it in the meantime: look at `schoolgate grafana diff`, then push again"
    if status in (401, 403):
        return "check the token, and that its account may edit dashboards and folders (role Editor)"
    return "check the address, and that Grafana is 11.6 or newer"


def _unless_missing(ask: Callable[[], Any]) -> Any:
    """The answer, or None where Grafana has no such thing."""
    try:
        return ask()
    except GrafanaException as error:
        if error.status_code != 404:
            raise
        return None


def _board(grafana: Any, uid: str) -> Any:
    return _unless_missing(lambda: grafana.dashboard.get_dashboard(uid))


def _push_folder(grafana: Any, dry_run: bool) -> Change:
    if _unless_missing(lambda: grafana.folder.get_folder(FOLDER_UID)):
        return Change(f"folder {FOLDER_TITLE}", "unchanged")
    if not dry_run:
        grafana.folder.create_folder(FOLDER_TITLE, FOLDER_UID)
    return Change(f"folder {FOLDER_TITLE}", "created")


def _push_board(grafana: Any, name: str, dry_run: bool) -> Change:
    ours, found = BOARDS[name], _board(grafana, BOARDS[name]["uid"])
    meta = found["meta"] if found else {}
    if found and told_of(found["dashboard"], ours) == ours:
        return Change(name, "unchanged", str(meta.get("url", "")))
    if meta.get("provisioned"):
        return Change(name, "left alone", "Grafana has it from provisioned files: write those anew")
    if dry_run:
        return Change(name, "replaced" if found else "created")
    known = {own: found["dashboard"].get(own) for own in _OWN} if found else {"id": None}
    answer = grafana.dashboard.update_dashboard(
        {
            "dashboard": {**ours, **known},
            "folderUid": meta.get("folderUid") or FOLDER_UID,
            "overwrite": False,
            "message": "schoolgate grafana push",
        }
    )
    return Change(name, "replaced" if found else "created", str(answer["url"]))


def _source_there(grafana: Any) -> bool:
    """Whether there is a data source for the boards; taken for granted where the token may not see."""
    try:
        return any(source["type"] == PLUGIN for source in grafana.datasource.list_datasources())
    except GrafanaException as error:
        if error.status_code != 403:
            raise
        return True
