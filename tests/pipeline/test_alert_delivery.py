"""Delivery: a message comes once, or it comes twice and says so; never not at all and silently."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pipeline.alerts.answers import Answer, Result
from pipeline.alerts.database import Delivery
from pipeline.alerts.limits import GIVE_UP_S
from tests.pipeline.alarming import Alarm, Desk, quick_folder, titles

TWICE = "[possible duplicate] "


@pytest.fixture
def folder() -> Iterator[Path]:
    with quick_folder() as path:
        yield path


def test_a_channel_that_refuses_is_tried_again_later_and_then_it_comes_once(folder: Path) -> None:
    desk = Desk(folder)
    desk.channel.answers = [Result(Answer.REFUSED, "connection")] * 3
    desk.alerts.edit(Alarm(), desk.now)
    assert desk.tell() == []
    (waiting,) = desk.outbox.deliveries()
    assert (waiting.state, waiting.attempt, waiting.problem) == ("pending", 1, "connection")
    assert waiting.due == desk.now + 10
    desk.now += 9
    assert desk.send() == []
    for _ in range(3):
        desk.now += 61
        desk.send()
    assert titles(desk.channel.got) == ["Schoolgate: Likely edit of en.wikipedia.org, 10:42, the staff network"]
    (done,) = desk.outbox.deliveries()
    assert (done.state, done.attempt, done.problem, done.possible_duplicate) == ("sent", 4, "", False)


def test_what_may_have_been_taken_is_sent_again_as_a_possible_duplicate(folder: Path) -> None:
    desk = Desk(folder)
    desk.channel.answers = [Result(Answer.UNCLEAR, "unclear")]
    desk.alerts.edit(Alarm(), desk.now)
    desk.tell()
    desk.now += 60
    desk.send()
    first, second = desk.channel.got
    assert second[0] == TWICE + first[0]
    assert second[1].startswith("Possible duplicate: an earlier attempt")
    assert first[1] in second[1]


def test_after_three_days_it_is_given_up_and_shown(folder: Path) -> None:
    desk = Desk(folder)
    desk.channel.answers = [Result(Answer.REFUSED, "name")] * 1000
    alert = desk.alerts.edit(Alarm(), desk.now)
    desk.plan()
    made = desk.now
    while desk.outbox.deliveries()[0].state == "pending":
        desk.now = max(desk.now, desk.outbox.deliveries()[0].due)
        desk.send()
    assert alert is not None
    (failed,) = desk.outbox.deliveries(alert=alert.id)
    assert (failed.state, failed.problem) == ("failed", "name")
    assert GIVE_UP_S < desk.now - made < GIVE_UP_S + 1000


def test_a_channel_that_was_removed_is_given_up_and_shown(folder: Path) -> None:
    desk = Desk(folder)
    desk.alerts.edit(Alarm(), desk.now)
    desk.alerts.plan(desk.now, ["mail", "old"])
    assert desk.outbox.give_up_others(["mail"], desk.now) == 1
    assert {one.channel: one.state for one in desk.outbox.deliveries()} == {"mail": "pending", "old": "failed"}
    assert desk.outbox.give_up_others([], desk.now) == 1


def test_an_attempt_that_was_given_up_cannot_be_settled_twice(folder: Path) -> None:
    desk = Desk(folder)
    desk.alerts.edit(Alarm(), desk.now)
    desk.plan()
    claimed = desk.outbox.claim("mail", desk.now)
    assert claimed is not None
    assert desk.outbox.claim("mail", desk.now) is None
    desk.outbox.settle(claimed[1], "sent", desk.now)
    desk.outbox.settle(claimed[1], "pending", desk.now)
    assert desk.outbox.deliveries()[0].state == "sent"


class Delivering(RuleBasedStateMachine):
    """Alerts, refusals, cuts and restarts in any order; what arrived is compared with what had to."""

    def __init__(self) -> None:
        super().__init__()
        self._held = quick_folder()
        self.desk = Desk(self._held.__enter__())
        self.units = 0
        self.raised: set[str] = set()

    def teardown(self) -> None:
        self._held.__exit__(None, None, None)

    @rule(again=st.booleans())
    def alarm(self, again: bool) -> None:
        self.units += not (again and self.units)
        alarm = Alarm(unit=self.units, client=self.units.to_bytes(16, "big"))
        alert = self.desk.alerts.edit(alarm, self.desk.now)
        assert alert is not None
        self.raised.add(alert.id)

    @rule()
    def plan(self) -> None:
        self.desk.plan()

    @rule(answer=st.sampled_from(list(Answer)))
    def attempt(self, answer: Answer) -> None:
        self.desk.channel.answers = [Result(answer, "" if answer is Answer.TOOK else "unclear")]
        self.desk.send()
        self.desk.channel.answers = []

    @rule(before=st.booleans())
    def cut_off(self, before: bool) -> None:
        """The power fails while the message is on its way: before or after the other side took it."""
        claimed = self.desk.outbox.claim("mail", self.desk.now)
        if claimed is not None and not before:
            message, delivery = claimed
            both = message.title, message.body
            self.desk.channel.got.append(self.desk.texts.as_duplicate(*both) if delivery.possible_duplicate else both)
        self.restart()

    @rule()
    def restart(self) -> None:
        self.desk.outbox.close()
        self.desk.restart()
        self.desk.outbox.recover()

    @rule(seconds=st.sampled_from([1, 60, 1000]))
    def wait(self, seconds: int) -> None:
        self.desk.now += seconds

    def copies(self, id_: str) -> list[str]:
        return [title for title, body in self.desk.channel.got if id_ in body]

    @invariant()
    def nothing_comes_twice_without_saying_so(self) -> None:
        for id_ in self.raised:
            plain = [title for title in self.copies(id_) if not title.startswith(TWICE)]
            assert len(plain) <= 1, id_

    @invariant()
    def what_is_sent_has_come(self) -> None:
        for id_ in self.raised:
            for delivery in self.desk.outbox.deliveries(alert=id_):
                assert delivery.state in ("pending", "sending", "sent", "failed")
                assert delivery.state != "sent" or self.copies(id_), id_

    @precondition(lambda self: self.raised)
    @rule()
    def in_the_end_everything_comes(self) -> None:
        self.restart()
        self.desk.now += 1000
        self.desk.tell()
        for _ in range(3):
            self.desk.now += 1000
            self.desk.tell()
        assert all(self.copies(id_) for id_ in self.raised)
        assert not [one for one in self.desk.outbox.deliveries() if one.state != "sent"]


TestDelivering = Delivering.TestCase
TestDelivering.settings = hypothesis_settings(max_examples=25, stateful_step_count=20)


@pytest.mark.parametrize("step", range(5))
def test_a_cut_between_any_two_steps_loses_nothing(folder: Path, step: int) -> None:
    """0 before the message is written, 1 before it is claimed, 2 before it is sent, 3 after, 4 after that is noted."""
    desk = Desk(folder)
    desk.alerts.edit(Alarm(), desk.now)
    delivery: Delivery | None = None
    if step > 0:
        desk.plan()
    if step > 1:
        claimed = desk.outbox.claim("mail", desk.now)
        assert claimed is not None
        message, delivery = claimed
        if step > 2:
            desk.channel.got.append((message.title, message.body))
        if step > 3:
            desk.outbox.settle(delivery, "sent", desk.now)
    desk.restart()
    desk.outbox.recover()
    desk.tell()
    marked = [title.startswith(TWICE) for title in titles(desk.channel.got)]
    assert marked == {0: [False], 1: [False], 2: [True], 3: [False, True], 4: [False]}[step]
