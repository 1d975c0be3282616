"""Put the boards into a running Grafana through its HTTP API: one folder, each board by its uid, as often as one likes.

File provisioning (`provisioning/`) needs no token and is the better way where it is possible.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from grafana_client.api import GrafanaApi
from grafana_client.client import GrafanaException

from dashboards.grafana.boards import BOARDS

FOLDER_UID = "schoolgate"
FOLDER_TITLE = "Schoolgate"


class PushError(ValueError):
    """Grafana could not be reached or refused; the message says what it answered."""


def push(url: str, token: str, timeout: float = 10.0) -> list[str]:
    """Create or replace folder and boards at `url` with a service account's token; returns the boards' addresses.

    Idempotent: boards and folder are known by uid. PushError if Grafana refuses or is not there.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise PushError(f"{url!r} is no address of a Grafana; write it as https://grafana.example.org")
    try:
        # the client glues "api" to the path as it stands
        grafana = GrafanaApi.from_url(url=url.rstrip("/") + "/", credential=token, timeout=timeout)
        if FOLDER_UID not in {f["uid"] for f in grafana.folder.get_all_folders()}:
            grafana.folder.create_folder(FOLDER_TITLE, FOLDER_UID)
        return [_push_board(grafana, name) for name in BOARDS]
    except (GrafanaException, OSError) as error:
        mend = "check the address, and that the token's account may edit dashboards"
        raise PushError(f"{url}: {error}; {mend}") from error


def _push_board(grafana: Any, name: str) -> str:
    answer = grafana.dashboard.update_dashboard(
        {
            "dashboard": {**BOARDS[name], "id": None},
            "folderUid": FOLDER_UID,
            "overwrite": True,
            "message": "schoolgate grafana push",
        }
    )
    return str(answer["url"])
