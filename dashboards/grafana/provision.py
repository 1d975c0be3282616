"""Grafana's provisioning files and the boards, laid out as /etc/grafana has them.

    FOLDER/provisioning/datasources/schoolgate.yaml   the ClickHouse server, read as the user `grafana`
    FOLDER/provisioning/dashboards/schoolgate.yaml    says where the boards are
    FOLDER/schoolgate/NAME.json                       the boards

The shipped files name /etc/grafana, where Grafana's packages for Debian look; written elsewhere, the provider names the
folder they were written to.
"""

from __future__ import annotations

import json
from pathlib import Path

from dashboards.grafana.boards import FOLDER, write_all

HOME = "/etc/grafana"


def write(folder: Path) -> list[Path]:
    """Write all of it; returns the files."""
    boards = folder / "schoolgate"
    paths = []
    for source in sorted((FOLDER / "provisioning").rglob("*.yaml")):
        path = folder / source.relative_to(FOLDER)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = source.read_text("utf-8").replace(json.dumps(f"{HOME}/schoolgate"), json.dumps(str(boards.resolve())))
        path.write_text(text, "utf-8")
        paths.append(path)
    return [*paths, *write_all(boards)]
