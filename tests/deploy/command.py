"""Runs the command line as scripts do, in processes of its own, and reads stores the same way.

A process opens one store at a time, and the process of the tests may have that of another test open.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PATIENCE_S = 600  # a command may compile the kernel first
SCRIPT = Path(sys.executable).with_name("schoolgate")
Contents = dict[str, list[dict[str, Any]]]
Done = subprocess.CompletedProcess[str]

_READ = """
import json, sys
from pathlib import Path
from pipeline.store import open_store
with open_store(Path(sys.argv[1])) as store:
    tables = store.query("SELECT name FROM system.tables WHERE database = 'schoolgate' ORDER BY name").rows
    found = {name: store.query(f"SELECT * FROM schoolgate.`{name}` ORDER BY ALL") for (name,) in tables}
rows = {name: [dict(zip(of.columns, row)) for row in of.rows] for name, of in found.items()}
json.dump(rows, sys.stdout, default=str)
"""
_MANY = """
import json, sys
from click.testing import CliRunner
from deploy.cli import schoolgate
results = [CliRunner().invoke(schoolgate, command) for command in json.load(sys.stdin)]
json.dump([(of.exit_code, of.stdout, of.stderr) for of in results], sys.stdout)
"""


def schoolgate(*words: object, **options: Any) -> Done:
    """Runs `schoolgate WORDS...` to its end, whatever its exit status."""
    command = [str(SCRIPT), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, **options)


def schoolgate_well(*words: object) -> Done:
    """The same for a command that must succeed."""
    done = schoolgate(*words)
    assert done.returncode == 0, done.stderr
    return done


def many(commands: list[list[str]]) -> list[tuple[int, str, str]]:
    """(exit status, stdout, stderr) of many commands, run one after the other in one other process."""
    done = _python(_MANY, stdin=json.dumps(commands))
    return [(status, out, err) for status, out, err in json.loads(done)]


def contents(store: Path) -> Contents:
    """All rows of all tables of a store, in order; what JSON does not know as text."""
    tables: Contents = json.loads(_python(_READ, str(store)))
    return tables


def _python(code: str, *words: str, stdin: str = "") -> str:
    command = [sys.executable, "-c", code, *words]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=PATIENCE_S, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout
