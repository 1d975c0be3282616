"""The boards are what @grafana/schema says a board is: checked by the TypeScript compiler, strictly, as literals.

The package has types only, no JSON schema. `deploy/test` gets it and the compiler from the npm registry into
build/grafana-types, in the versions and with the hashes of `grafana_types/package-lock.json`; nothing of them is in the
product. Where they cannot be had these tests are skipped, which the README says.
A board's panels are typed deeper than `Dashboard` does: queries as the ClickHouse plugin declares them, options and
field options as each panel plugin declares its own.
"""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dashboards.grafana.boards import BOARDS

HERE = Path(__file__).parent / "grafana_types"
GOT = Path(__file__).parents[2] / "build/grafana-types"
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


@pytest.fixture(scope="module")
def folder() -> Path:
    """Where compiler and types are."""
    if not (GOT / "node_modules/.bin/tsc").exists():
        pytest.skip("no types of Grafana in build/grafana-types: deploy/test gets them from the npm registry")
    return GOT


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
