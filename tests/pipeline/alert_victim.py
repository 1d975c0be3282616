"""A process that raises one alert and sends it on its channels until all have it; it may be told where to be killed.

python -m tests.pipeline.alert_victim FOLDER STEP NAME=URL...
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from pipeline.alerts.channels import AppriseChannel
from pipeline.alerts.outbox import Outbox
from pipeline.alerts.sender import Lock, Sender
from pipeline.alerts.settings import Address
from tests.pipeline.alarming import Alarm, Desk

STEPS = {  # name -> class, method, whether the end comes after it
    "before_add": (Outbox, "add", False),
    "after_add": (Outbox, "add", True),
    "before_tell": (Outbox, "tell", False),
    "after_tell": (Outbox, "tell", True),
    "before_claim": (Outbox, "claim", False),
    "before_send": (AppriseChannel, "send", False),
    "after_send": (AppriseChannel, "send", True),
    "after_settle": (Outbox, "settle", True),
}


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(step: str) -> None:
    """The process ends at this step."""
    owner, name, after = STEPS[step]
    method: Callable[..., Any] = getattr(owner, name)

    def killed(*args: Any, **named: Any) -> Any:
        if after:
            method(*args, **named)
        die()

    setattr(owner, name, killed)


def main(folder: Path, step: str, addresses: list[Address]) -> None:
    if step in STEPS:
        arm(step)
    assert Lock(folder).take()
    desk = Desk(folder, now=time.time())
    desk.alerts.edit(Alarm(), desk.now)
    sender = Sender(folder, addresses, desk.texts)
    sender.start()
    print("started", flush=True)
    while not (found := desk.outbox.deliveries()) or any(one.state != "sent" for one in found):
        desk.alerts.plan(time.time(), [address.name for address in addresses])
        sender.wake()
        time.sleep(0.02)
    sender.stop()


if __name__ == "__main__":
    pairs = [text.partition("=") for text in sys.argv[3:]]
    main(Path(sys.argv[1]), sys.argv[2], [Address(name, SecretStr(url)) for name, _, url in pairs])
