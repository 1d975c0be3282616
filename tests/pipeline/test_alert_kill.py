"""Kill -9 at every step between an alert and a real mail server and webhook: it comes once, or twice and says so."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.deploy.command import ROOT
from tests.pipeline.alert_victim import STEPS
from tests.pipeline.sinks import Hook, MailSink, hook, mail_sink, wait_for

TWICE = "[possible duplicate] "
LINE = "Schoolgate: Likely edit of en.wikipedia.org, 10:42, the staff network"
Victim = subprocess.Popen[str]


def victim(folder: Path, step: str, mail: MailSink, web: Hook) -> Victim:
    words = [
        sys.executable,
        "-m",
        "tests.pipeline.alert_victim",
        str(folder),
        step,
        f"mail={mail.url}",
        f"web={web.url()}",
    ]
    return subprocess.Popen(words, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def ends(process: Victim, *, killed: bool) -> None:
    _, errors = process.communicate(timeout=150)
    assert process.returncode == (-signal.SIGKILL if killed else 0), errors


def judge(arrived: list[str], *, at_most: int = 2) -> None:
    """One plain message, or one or more and those after the first say that they may be copies."""
    assert 1 <= len(arrived) <= at_most, arrived
    assert set(arrived) <= {LINE, TWICE + LINE}
    assert arrived.count(LINE) <= 1, "twice without saying so"


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_every_step_and_started_again(tmp_path: Path, step: str) -> None:
    with mail_sink() as mail, hook() as web:
        ends(victim(tmp_path, step, mail, web), killed=True)
        ends(victim(tmp_path, "", mail, web), killed=False)
        judge([title for title, _ in mail.texts()])
        judge([str(body["title"]) for body in web.got])


@pytest.mark.parametrize("sink", ["mail", "web"])
def test_killed_while_the_other_side_has_it_and_has_not_answered(tmp_path: Path, sink: str) -> None:
    with mail_sink() as mail, hook() as web:
        running: list[Victim] = []
        once = threading.Event()

        def kill(*_: object) -> None:
            if not once.is_set():
                once.set()
                wait_for(lambda: running)
                os.kill(running[0].pid, signal.SIGKILL)
                running[0].wait(150)

        if sink == "web":
            web.before = kill
        else:
            mail.handle_DATA = _killing(mail, kill)  # type: ignore[method-assign]
        running.append(victim(tmp_path, "", mail, web))
        ends(running[0], killed=True)
        ends(victim(tmp_path, "", mail, web), killed=False)
        arrived = {"mail": [title for title, _ in mail.texts()], "web": [str(body["title"]) for body in web.got]}
        assert arrived[sink] == [LINE, TWICE + LINE]
        for titles in arrived.values():
            judge(titles)


def _killing(mail: MailSink, kill: Callable[[], None]) -> Callable[..., object]:
    keep = mail.handle_DATA

    async def handle(*args: object) -> str:
        answer = await keep(*args)  # type: ignore[arg-type]
        kill()
        return answer

    return handle
