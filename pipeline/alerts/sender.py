"""The sender: one thread a channel takes what is due from the outbox, sends it and writes down what became of it.

Threads, so that a channel that does not answer holds up neither the others nor whoever raises alerts. Only one process
sends from an outbox at a time (a lock beside it); a process that takes the lock first marks what the one before left in
`sending` as possible duplicates. What failed is tried again, later each time, for three days, and then given up and
shown. A retry is marked as a possible duplicate too unless the channel surely took nothing before.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from pipeline.alerts.answers import Answer, Result
from pipeline.alerts.channels import Channel, open_channel
from pipeline.alerts.database import Delivery, Message
from pipeline.alerts.limits import GIVE_UP_S, wait_after
from pipeline.alerts.outbox import Outbox
from pipeline.alerts.settings import Address, ChannelError
from pipeline.alerts.texts import Texts

LOOK_S = 0.5
_LOCK = "sender.lock"


class Lock:
    """The right to send from an outbox; goes with the process."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self) -> bool:
        """False if another process has it."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        os.close(self._file)


class Opener(Protocol):
    def __call__(self, address: Address) -> Channel: ...


class Unusable:
    """A channel whose URL cannot be used: it refuses everything, and says so."""

    def __init__(self, name: str) -> None:
        self.name = name

    def send(self, title: str, body: str, *, warning: bool, id: str) -> Result:
        return Result(Answer.REFUSED, "url")


class Sender:
    """Sends for the channels of one school until it is stopped. Needs the `Lock`."""

    def __init__(
        self,
        folder: Path,
        addresses: Sequence[Address],
        texts: Texts,
        *,
        opener: Opener = open_channel,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._folder, self._addresses, self._texts = folder, tuple(addresses), texts
        self._opener, self._now = opener, now
        self._stopping = threading.Event()
        self._wakes = [threading.Event() for _ in self._addresses]
        self._threads: list[threading.Thread] = []

    def start(self, *, recover: bool = True) -> None:
        """Begins. `recover`: this process has just taken the lock."""
        with contextlib.closing(Outbox(self._folder)) as outbox:
            if recover:
                outbox.recover()
            outbox.give_up_others([address.name for address in self._addresses], self._now())
        for address, wake in zip(self._addresses, self._wakes, strict=True):
            thread = threading.Thread(target=self._work, args=(address, wake), name=f"send {address.name}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def wake(self) -> None:
        """There is something new."""
        for wake in self._wakes:
            wake.set()

    def stop(self, patience_s: float = 10.0) -> None:
        """Ends; an attempt that takes longer is left, and the next process says that it may come twice."""
        self._stopping.set()
        self.wake()
        end = time.monotonic() + patience_s
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _work(self, address: Address, wake: threading.Event) -> None:
        channel: Channel
        try:
            channel = self._opener(address)
        except ChannelError:
            channel = Unusable(address.name)
        with contextlib.closing(Outbox(self._folder)) as outbox:
            while not self._stopping.is_set():
                wake.clear()
                try:
                    busy = send_next(outbox, channel, self._texts, self._now) is not None
                except Exception:  # the disk is full, or the file is locked: nothing is lost, it is tried again
                    busy = False
                if not busy:
                    wake.wait(LOOK_S)


def send_next(
    outbox: Outbox, channel: Channel, texts: Texts, now: Callable[[], float], message: str = ""
) -> Delivery | None:
    """Sends the next message that is due on a channel; None if there is none. `message`: only that one."""
    claimed = outbox.claim(channel.name, now(), message)
    if claimed is None:
        return None
    found, delivery = claimed
    title, body = (
        texts.as_duplicate(found.title, found.body) if delivery.possible_duplicate else (found.title, found.body)
    )
    result = channel.send(title, body, warning=found.sort == "alert", id=found.id)
    _settle(outbox, found, delivery, result, now())
    return delivery


def _settle(outbox: Outbox, message: Message, delivery: Delivery, result: Result, now: float) -> None:
    if result.answer is Answer.TOOK:
        outbox.settle(delivery, "sent", now)
        return
    unclear = result.answer is Answer.UNCLEAR
    if now - message.made > GIVE_UP_S:
        outbox.settle(delivery, "failed", now, problem=result.problem, possible_duplicate=unclear)
        return
    due = now + wait_after(delivery.attempt)
    outbox.settle(delivery, "pending", now, problem=result.problem, due=due, possible_duplicate=unclear)
