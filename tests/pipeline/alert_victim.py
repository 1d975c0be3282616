"""A process that raises one alert and sends it on its channels until all have it; it may be told where to be killed.

python -m tests.pipeline.alert_victim FOLDER STEP NAME=URL...
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from pydantic import SecretStr

from pipeline.alerts.channels import AppriseChannel
from pipeline.alerts.outbox import Outbox
from pipeline.alerts.sender import Lock, Sender
from pipeline.alerts.settings import Address
from tests.killing import Step, kill_at
from tests.pipeline.alarming import Alarm, Desk

STEPS: dict[str, Step] = {
    "before_add": (Outbox, "add", False),
    "after_add": (Outbox, "add", True),
    "before_tell": (Outbox, "tell", False),
    "after_tell": (Outbox, "tell", True),
    "before_claim": (Outbox, "claim", False),
    "before_send": (AppriseChannel, "send", False),
    "after_send": (AppriseChannel, "send", True),
    "after_settle": (Outbox, "settle", True),
}


def main(folder: Path, step: str, addresses: list[Address]) -> None:
    if step in STEPS:
        kill_at(STEPS[step])
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
