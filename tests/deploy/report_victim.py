"""A process that issues and sends what is due of a school's reports; it is killed at the step that it is told.

python -m tests.deploy.report_victim FOLDER NOW STEP
"""

from __future__ import annotations

import sys
from pathlib import Path

from deploy import letters, reporting
from deploy.stores import owning
from tests.deploy.posting import files_of
from tests.killing import Step, kill_at

STEPS: dict[str, Step] = {
    "after_issue": (reporting, "keep", True),
    "after_delivery": (reporting, "put_delivery", True),
    "before_sending": (letters, "hand_over", False),
    "after_sending": (letters, "hand_over", True),
}


def main(folder: Path, now: float, step: str) -> None:
    kill_at(STEPS[step])
    letters.pdf_of = lambda page: b"%PDF-"
    files = files_of(folder)
    with owning(None, files.settings.store) as store:
        reporting.Reporting(files, store, lambda: now).work()


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3])
