"""A test message on one channel, on the very way that alerts go: into the outbox, and out by whoever sends.

If the owner process runs, it has the lock and sends; then this waits for what it writes down. Else this process takes
the lock and sends this one message, once.
"""

from __future__ import annotations

import contextlib
import time

from deploy.alerting import texts_of
from deploy.assembly import SchoolFiles
from pipeline.alerts.channels import open_channel
from pipeline.alerts.database import Delivery
from pipeline.alerts.outbox import Outbox
from pipeline.alerts.raising import Alerts
from pipeline.alerts.sender import Lock, send_next
from pipeline.alerts.settings import Address


def try_channel(files: SchoolFiles, outbox: Outbox, address: Address, patience_s: float) -> Delivery:
    """What became of a test message. Raises ChannelError if the URL cannot be used."""
    settings, texts = files.settings.alerts, texts_of(files.settings)
    channel = open_channel(address)
    message = Alerts(outbox, settings.folder, files.school, settings, texts).test(address.name, time.time())
    with contextlib.closing(Lock(settings.folder)) as lock:
        if lock.take():
            send_next(outbox, channel, texts, time.time, message.id)
            (done,) = outbox.deliveries(message=message.id)
            if done.state == "pending":  # nobody will try again
                outbox.give_up(message.id, time.time())
            (done,) = outbox.deliveries(message=message.id)
            return done
    end = time.monotonic() + patience_s
    while True:
        (done,) = outbox.deliveries(message=message.id)
        if done.state in ("sent", "failed") or done.problem or time.monotonic() > end:
            return done
        time.sleep(0.2)
