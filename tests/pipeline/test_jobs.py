"""Jobs: one at a time, in order, each once however often it is asked for, bounded; whoever asks hears how it went."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.jobs import LARGEST, LINES, REMEMBERED, WAITING_AT_MOST, Job, JobRefused, Jobs, JobState, Tell

SAM, ANN = {"account": "sam"}, {"account": "ann"}


class Workshop:
    """Jobs that wait for a word, and what was done."""

    def __init__(self) -> None:
        self.jobs = Jobs()
        self.go = threading.Event()
        self.begun = threading.Event()
        self.done: list[object] = []
        self.at_once = 0

    def start(self) -> None:
        self.jobs.start({"wait": self._wait, "fail": self._fail, "fault": self._fault, "talk": self._talk})

    def _wait(self, asked: Mapping[str, object], who: Mapping[str, str], tell: Tell) -> Mapping[str, object]:
        self.at_once += 1
        assert self.at_once == 1
        tell("begun")
        self.begun.set()
        assert self.go.wait(120)
        self.done.append(asked["n"])
        self.at_once -= 1
        return {"n": asked["n"], "by": who["account"]}

    def _fail(self, asked: Mapping[str, object], who: Mapping[str, str], tell: Tell) -> Mapping[str, object]:
        raise PermissionError(13, "Permission denied", "audit.jsonl")

    def _fault(self, asked: Mapping[str, object], who: Mapping[str, str], tell: Tell) -> Mapping[str, object]:
        raise KeyError("x")

    def _talk(self, asked: Mapping[str, object], who: Mapping[str, str], tell: Tell) -> Mapping[str, object]:
        for n in range(3 * LINES):
            tell(str(n))
        return {}

    def over(self, job: Job) -> Job:
        """The job when it is over."""
        end = time.monotonic() + 120
        while not (found := self.jobs.look(job.id)).over:
            assert time.monotonic() < end
            time.sleep(0.005)
        return found


@pytest.fixture
def shop() -> Iterator[Workshop]:
    shop = Workshop()
    yield shop
    shop.go.set()
    shop.jobs.stop()


def test_jobs_are_done_one_after_the_other_and_each_hears_how_it_went(shop: Workshop) -> None:
    early = shop.jobs.ask("wait", {"n": 0}, SAM)
    assert (early.state, early.ahead) == (JobState.WAITING, 0), "before the owner is ready, it waits"
    shop.start()
    assert shop.begun.wait(120)
    later = [shop.jobs.ask("wait", {"n": n}, ANN) for n in (2, 1)]
    assert [job.ahead for job in later] == [1, 2]
    assert shop.jobs.look(early.id).said == ("begun",)
    shop.go.set()
    assert [shop.over(job).result for job in (early, *later)] == [
        {"n": 0, "by": "sam"},
        {"n": 2, "by": "ann"},
        {"n": 1, "by": "ann"},
    ]
    assert shop.done == [0, 2, 1]


def test_who_asks_twice_is_told_of_the_same_job_until_it_is_over(shop: Workshop) -> None:
    shop.start()
    first = shop.jobs.ask("wait", {"n": 1, "m": 2}, SAM)
    assert shop.jobs.ask("wait", {"m": 2, "n": 1}, SAM).id == first.id
    assert shop.jobs.ask("wait", {"n": 1, "m": 2}, ANN).id != first.id, "somebody else's is another one"
    shop.go.set()
    shop.over(first)
    assert shop.jobs.ask("wait", {"n": 1, "m": 2}, SAM).id != first.id


def test_only_so_many_wait_and_only_so_much_is_asked_for(shop: Workshop) -> None:
    shop.start()
    shop.jobs.ask("wait", {"n": -1}, SAM)
    assert shop.begun.wait(120)
    for n in range(WAITING_AT_MOST):
        shop.jobs.ask("wait", {"n": n}, SAM)
    with pytest.raises(JobRefused, match="wait already"):
        shop.jobs.ask("wait", {"n": 99}, SAM)
    assert shop.jobs.ask("wait", {"n": 0}, SAM).state is JobState.WAITING, "one that waits already is no more"
    with pytest.raises(JobRefused, match="KiB"):
        shop.jobs.ask("wait", {"n": "x" * LARGEST}, SAM)
    with pytest.raises(JobRefused, match="plain data"):
        shop.jobs.ask("wait", {"n": object()}, SAM)


def test_what_goes_wrong_is_told_and_the_next_job_goes_on(shop: Workshop) -> None:
    shop.start()
    shop.go.set()
    said = [shop.over(shop.jobs.ask(name, {"n": 0}, SAM)) for name in ("fail", "fault", "nothing", "wait")]
    assert [job.state for job in said] == [JobState.FAILED] * 3 + [JobState.DONE]
    assert said[0].problem == "audit.jsonl: Permission denied"
    assert "a fault of Schoolgate (KeyError" in said[1].problem
    assert "there is no job 'nothing'" in said[2].problem


def test_what_is_remembered_is_bounded(shop: Workshop) -> None:
    shop.start()
    talked = shop.over(shop.jobs.ask("talk", {}, SAM))
    assert len(talked.said) == LINES
    for n in range(REMEMBERED + 2):
        shop.over(shop.jobs.ask("fail", {"n": n}, SAM))
    with pytest.raises(JobRefused, match="does not know this job"):
        shop.jobs.look(talked.id)


def test_when_the_owner_ends_the_others_are_refused(shop: Workshop) -> None:
    shop.start()
    first = shop.jobs.ask("wait", {"n": 1}, SAM)
    assert shop.begun.wait(120)
    second = shop.jobs.ask("wait", {"n": 2}, SAM)
    ending = threading.Thread(target=shop.jobs.stop)
    ending.start()
    assert shop.jobs.stopping.wait(120)
    with pytest.raises(JobRefused, match="ending"):
        shop.jobs.ask("wait", {"n": 3}, SAM)
    shop.go.set()
    ending.join(120)
    assert shop.jobs.look(first.id).state is JobState.DONE
    assert "ask again" in shop.jobs.look(second.id).problem
    assert shop.done == [1]


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda of: st.lists(of) | st.dictionaries(st.text(), of)
)


@given(st.lists(st.text()), st.none() | st.dictionaries(st.text(), plain), st.sampled_from(JobState), st.text())
def test_a_job_is_the_same_on_both_sides_of_the_door(
    said: list[str], result: dict[str, object] | None, state: JobState, problem: str
) -> None:
    job = Job("1f", "retag", state, 3, tuple(said), result, problem)
    assert Job.from_json(job.as_json()) == job
