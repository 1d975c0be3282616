"""Health checks: one way to ask whether all is well, for `schoolgate doctor`, the pages and the metrics alike.

A check is a name, a title and a pure function from facts to a verdict. Each package keeps a registry of its own checks
over facts of its own (the sensor's: `sensor.vitals`), and whoever shows them puts the findings one after the other.
Thresholds are for health only, never for staff. Nothing is measured here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

Facts = TypeVar("Facts")


class Severity(StrEnum):
    """How bad it is. `unknown`: it could not be measured, which by itself is no harm."""

    OK = "ok"
    UNKNOWN = "unknown"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found: a sentence for people, the measured value, and what to do (empty: nothing)."""

    severity: Severity
    sentence: str
    value: str = ""
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict and the check that it is of: what is shown."""

    id: str
    title: str
    severity: Severity
    sentence: str
    value: str
    mend: str


@dataclass(frozen=True, slots=True)
class Check(Generic[Facts]):
    """`id` is stable: metrics and scripts go by it."""

    id: str
    title: str
    judge: Callable[[Facts], Verdict]


class Registry(Generic[Facts]):
    """Checks over one kind of facts, in the order in which they are shown."""

    def __init__(self) -> None:
        self._checks: dict[str, Check[Facts]] = {}

    def check(self, id: str, title: str) -> Callable[[Callable[[Facts], Verdict]], Callable[[Facts], Verdict]]:
        """Decorator: registers the judging function of a check."""

        def register(judge: Callable[[Facts], Verdict]) -> Callable[[Facts], Verdict]:
            if id in self._checks:
                raise ValueError(f"there is a check {id} already")
            self._checks[id] = Check(id, title, judge)
            return judge

        return register

    @property
    def checks(self) -> tuple[Check[Facts], ...]:
        return tuple(self._checks.values())

    def examine(self, facts: Facts) -> tuple[Finding, ...]:
        """Every check's finding on these facts."""
        found = ((check, check.judge(facts)) for check in self.checks)
        return tuple(Finding(c.id, c.title, v.severity, v.sentence, v.value, v.mend) for c, v in found)


def worst(findings: Iterable[Finding]) -> Severity:
    """The worst severity among findings; what is unknown is not bad."""
    order = (Severity.OK, Severity.UNKNOWN, Severity.WARN, Severity.FAIL)
    worst_of = max((finding.severity for finding in findings), key=order.index, default=Severity.OK)
    return Severity.OK if worst_of is Severity.UNKNOWN else worst_of


def fine(sentence: str, value: str = "") -> Verdict:
    return Verdict(Severity.OK, sentence, value)


def unknown(sentence: str) -> Verdict:
    return Verdict(Severity.UNKNOWN, sentence)


def by_share(part: int, whole: int, *, warn: float, fail: float, what: str, mend: str) -> Verdict:
    """A verdict on a share that should be small: `what` ends the sentence "0.3 % of ..."."""
    share = part / whole if whole else 0.0
    severity = Severity.FAIL if share >= fail else Severity.WARN if share >= warn else Severity.OK
    value = percent(share)
    return Verdict(severity, f"{value} {what}.", value, "" if severity is Severity.OK else mend)


def percent(share: float) -> str:
    """A share for people: small ones are not rounded away."""
    if 0 < share < 0.0001:
        return "< 0.01 %"
    return f"{share * 100:.{0 if share >= 0.1 or share == 0 else 2}f} %"
