"""The sensor worker's process as the owner starts it: when the owner is gone, however it went, the worker ends too.

A worker that outlived its owner would write into the spool beside the worker of the next one. It imports nothing of the
store or the pages.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading

from sensor.worker import WorkerPlan, work


def work_for_owner(plan: WorkerPlan) -> None:
    """Entry point of the process: `sensor.worker.work`, as long as the parent process lives."""
    threading.Thread(target=_end_after_owner, daemon=True).start()
    work(plan)


def _end_after_owner() -> None:
    owner = multiprocessing.parent_process()
    if owner is not None:
        owner.join()
        os.kill(os.getpid(), signal.SIGTERM)
