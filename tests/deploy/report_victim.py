"""A process that issues and sends what is due of a school's reports; it is killed at the step that it is told.

python -m tests.deploy.report_victim FOLDER NOW STEP
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deploy import letters, reporting
from deploy.stores import owning
from tests.deploy.posting import files_of

STEPS: dict[str, tuple[Any, str, bool]] = {  # name -> module, its function, whether the end comes after it
    "after_issue": (reporting, "keep", True),
    "after_delivery": (reporting, "put_delivery", True),
    "before_sending": (letters, "hand_over", False),
    "after_sending": (letters, "hand_over", True),
}


def arm(step: str) -> None:
    """The process ends at this step."""
    module, name, after = STEPS[step]
    function: Callable[..., Any] = getattr(module, name)

    def killed(*args: Any, **named: Any) -> Any:
        if after:
            function(*args, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(module, name, killed)


def main(folder: Path, now: float, step: str) -> None:
    arm(step)
    letters.pdf_of = lambda page: b"%PDF-"
    files = files_of(folder)
    with owning(None, files.settings.store) as store:
        reporting.Reporting(files, store, lambda: now).work()


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3])
