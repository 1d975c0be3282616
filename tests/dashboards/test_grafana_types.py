"""The boards are what @grafana/schema says a board is: checked by the TypeScript compiler, strictly, as literals.

The package has types only, no JSON schema. It and the compiler come from the npm registry, once, into a folder of the
user's cache, in the versions and with the hashes of `grafana_types/package-lock.json`; nothing of them is in the
product. Where npm or the registry cannot be had the tests are skipped and say so; with CI set they fail instead.
A board's panels are typed deeper than `Dashboard` does: queries as the ClickHouse plugin declares them, options and
field options as each panel plugin declares its own.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import pytest

from dashboards.grafana.boards import BOARDS

HERE = Path(__file__).parent / "grafana_types"
PLUGINS = ("timeseries", "stat", "table", "barchart")
PRELUDE = (
    'import type { AnnotationQuery, Dashboard, DataQuery } from "@grafana/schema";\n'
    + "".join(
        f'import type * as {name} from "./node_modules/@grafana/schema/dist/types/raw/composable/{name}/panelcfg/x/'
        'types.gen";\n'
        for name in PLUGINS
    )
    + """
// enumerations as the words that stand in JSON
type Plain<T> = T extends string ? `${T}` : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
type Some<T> = Plain<Partial<T>>;
// SqlQuery of grafana-clickhouse-datasource 4 (src/types/sql.ts)
interface ClickHouseQuery extends DataQuery {
  editorType: "sql";
  queryType: "table" | "logs" | "timeseries" | "traces";
  rawSql: string;
  format: 0 | 1 | 2 | 3;
  pluginVersion: string;
}
type Note = AnnotationQuery<ClickHouseQuery>;
"""
)


def lacking(why: str) -> NoReturn:
    """No types, no check: loud where it must not pass unseen."""
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture(scope="module")
def folder() -> Path:
    """Where compiler and types are; got if need be."""
    npm = shutil.which("npm")
    if npm is None:
        lacking("npm is not installed: apt-get install npm")
    parts = [path.read_bytes() for path in sorted(HERE.glob("*.json"))]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "schoolgate-tests"
    there = cache / f"grafana-types-{hashlib.sha256(b''.join(parts)).hexdigest()[:12]}"
    if not there.exists():
        making = cache / f"{there.name}.{os.getpid()}"
        shutil.copytree(HERE, making)
        got = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(got, cwd=making, capture_output=True, text=True, check=False)
        if done.returncode:
            shutil.rmtree(making)
            lacking(f"@grafana/schema cannot be had from the npm registry: {done.stderr.strip()[-200:]}")
        if not there.exists():
            making.rename(there)
    return there


def faults(folder: Path, boards: Mapping[str, Any], own: Path) -> list[str]:
    """What the compiler says of these boards."""
    own.mkdir()
    (own / "node_modules").symlink_to(folder / "node_modules")
    shutil.copy(HERE / "tsconfig.json", own)
    (own / "boards.ts").write_text(PRELUDE + "".join(typed(n, b) for n, b in enumerate(boards.values())), "utf-8")
    tsc = [str(folder / "node_modules/.bin/tsc"), "--pretty", "false", "-p", str(own)]
    done = subprocess.run(tsc, capture_output=True, text=True, check=False)
    found = done.stdout.splitlines()
    assert bool(found) == bool(done.returncode), done.stderr
    return found


def typed(number: int, board: dict[str, Any]) -> str:
    """A board as TypeScript: every part that `Dashboard` leaves open in a constant of its own type."""
    lines = [f"const notes{number}: Note[] = {json.dumps(board['annotations']['list'], indent=1)};"]
    for panel in board["panels"]:
        name, kind = f"{number}_{panel['id']}", panel["type"]
        lines.append(f"const targets{name}: ClickHouseQuery[] = {json.dumps(panel['targets'], indent=1)};")
        lines.append(f"const options{name}: Some<{kind}.Options> = {json.dumps(panel['options'], indent=1)};")
        if custom := panel["fieldConfig"]["defaults"].get("custom"):
            lines.append(f"const custom{name}: Some<{kind}.FieldConfig> = {json.dumps(custom, indent=1)};")
        for n, override in enumerate(panel["fieldConfig"]["overrides"]):
            own = {p["id"][7:]: p["value"] for p in override["properties"] if p["id"].startswith("custom.")}
            if own:
                lines.append(f"const over{name}_{n}: Some<{kind}.FieldConfig> = {json.dumps(own)};")
    rest = {name: value for name, value in board.items() if name != "annotations"}
    text = json.dumps(rest, indent=1)
    lines.append(f"export const board{number}: Dashboard = {{ ...{{ annotations: {{ list: notes{number} }} }},")
    return "\n".join(lines) + text[1:] + ";\n"


def test_the_boards_have_no_type_errors(folder: Path, tmp_path: Path) -> None:
    assert faults(folder, BOARDS, tmp_path / "boards") == []


WRONG: dict[str, Any] = {
    "a misspelt key": lambda board: board.update(tittle="x"),
    "a version as text": lambda board: board.update(schemaVersion="42"),
    "a place with a wrong key": lambda board: board["panels"][0]["gridPos"].update(width=3),
    "an option that the panel has not": lambda board: board["panels"][0]["options"].update(colourMode="value"),
    "a word that an option has not": lambda board: board["panels"][0]["options"].update(colorMode="loud"),
    "a field option that the panel has not": lambda board: board["panels"][2]["fieldConfig"]["defaults"][
        "custom"
    ].update(drawStyl="bars"),
    "a query without SQL": lambda board: board["panels"][0]["targets"][0].pop("rawSql"),
    "an annotation without a colour": lambda board: board["annotations"]["list"][0].pop("iconColor"),
    "a link without an icon": lambda board: board["links"][0].pop("icon"),
    "a variable without a type": lambda board: board["templating"]["list"][1].pop("type"),
}


def test_each_of_these_mistakes_is_found(folder: Path, tmp_path: Path) -> None:
    """The check bites: one board for each mistake, each with at least one error of its own."""
    boards = {}
    for what, change in WRONG.items():
        boards[what] = copy.deepcopy(BOARDS["today"])
        change(boards[what])
    found = faults(folder, boards, tmp_path / "wrong")
    text = (tmp_path / "wrong/boards.ts").read_text("utf-8").splitlines()
    ends = [n for n, line in enumerate(text, 1) if line.startswith("export const board")]
    starts = [n for n, line in enumerate(text, 1) if line.startswith("const notes")]
    hit = {sum(start <= int(line.split("(")[1].split(",")[0]) for start in starts) - 1 for line in found}
    assert len(ends) == len(WRONG)
    assert hit == set(range(len(WRONG))), [list(WRONG)[n] for n in set(range(len(WRONG))) - hit]
