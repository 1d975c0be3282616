"""The order of decision: which outcome a minute of use gets, step by step, each with the sentence that people read.

`STEPS` stands in the order in which pipeline.judge decides; the first step that fits gives the outcome. Every (outcome,
reason) that can be stored belongs to one step, so that `schoolgate why` can say by which rule a minute came to its
outcome. A `Rulebook` is all of this for one policy profile and one boundary margin: the store keeps it, because rules,
limits and margins move on and old outcomes must still be explained by the wording that made them.
It knows no traffic, no people and no store.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from pipeline.profile import Profile
from pipeline.rules import CITED, RULES, Rule
from pipeline.words import Outcome, Reason

_SURE, _PERSON = "grade A or B: a log-on in force", "grade A, B or C: a person is known"


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its rule, the outcome that it gives, the reasons that it is stored with, and how surely the person of
    such a minute is known."""

    rule: Rule
    outcome: Outcome
    reasons: frozenset[Reason]
    identity: str


def _step(id_: str, outcome: Outcome, reasons: set[Reason], identity: str, template: str, version: int = 1) -> Step:
    return Step(Rule(id_, version, template), outcome, frozenset(reasons), identity)


STEPS: tuple[Step, ...] = (
    _step(
        "O1",
        Outcome.COUNT_ONLY,
        {Reason.DUAL_USE},
        "not asked: the service is counted whoever used it",
        "Use of a service that serves teaching too, or that the catalogue or the policy profile only counts, is only "
        "counted, whoever it was and whenever; use of an ignored service is not stored at all.",
    ),
    _step(
        "O2",
        Outcome.UNKNOWN,
        {Reason.SHARED_DEVICE},
        "grade D: a shared device or account, and so nobody",
        "Use on a shared device or account (grade D) is nobody's: it is unknown.",
    ),
    _step(
        "O3",
        Outcome.UNKNOWN,
        {Reason.NO_PERSON, Reason.SEVERAL_PEOPLE, Reason.LOCKED, Reason.IDENTITY_OFF, Reason.TOO_FEW_PEOPLE},
        "grade N: nobody",
        "Use that cannot be tied to exactly one person is unknown: no record binds the address, several people were at "
        "it, the screen was locked, or the school ties addresses to nobody; so it does if it has fewer than ten "
        "members of staff and keeps only sums.",
    ),
    _step(
        "O4",
        Outcome.OFFICIAL_POSSIBLE,
        {Reason.OFFICIAL_SITE},
        _PERSON,
        "Use of a service by an administrator or moderator of an approved school site there, from its going live to "
        "its closure, may be for the school, as the account cannot be seen: it is possibly official, never personal.",
    ),
    _step(
        "O5",
        Outcome.ALLOWED,
        {Reason.ALLOWED_TIME},
        _PERSON,
        "Use in a state in which the policy allows it (clause {clause}: {allow}) is allowed, also within "
        "{boundary_margin_min} minutes of a change: the margin is there for the person's good, and takes nothing from "
        "time that is allowed.",
        version=2,
    ),
    _step(
        "O6",
        Outcome.UNKNOWN,
        {
            *(Reason.NOT_IN_POST, Reason.DUTY_DATA_MISSING, Reason.AWAY, Reason.BOUNDARY, Reason.NO_PATTERN),
            *(Reason.NO_BELLS, Reason.NO_CALENDAR, Reason.CONFLICT, Reason.LEADERSHIP_HOURS, Reason.INSET_BREAK),
            *(Reason.RELEASED, Reason.NO_EXCEPTIONS, Reason.UNCLEAR),
        },
        _PERSON,
        "Use in a minute of which timetable, rota or calendar do not say for certain whether it is allowed is unknown, "
        "and so is use in time that is not allowed within {boundary_margin_min} minutes of time that is, or may be "
        "(but see O7, O13).",
        version=3,
    ),
    _step(
        "O7",
        Outcome.COUNT_ONLY,
        {Reason.NON_CONTACT},
        _PERSON,
        "Use in contracted time without a lesson or duty is only counted, as long as the policy profile says so; and "
        "so is use within {boundary_margin_min} minutes of a change between such time and allowed time, where nothing "
        "else is near, as neither is held against anybody.",
        version=2,
    ),
    _step(
        "O8",
        Outcome.COUNT_ONLY,
        {Reason.ASSIGNED_DEVICE},
        "grade C: the device is assigned to a person, and nobody was logged on",
        "Use in time that is not allowed, on a device that is assigned to a person but without a log-on (grade C), is "
        "only counted.",
    ),
    _step(
        "O9",
        Outcome.UNKNOWN,
        {Reason.SITE_UNAPPROVED, Reason.SITE_CLOSED},
        _PERSON,
        "Other use by somebody who is named for a school site on the service is unknown while the site's approval "
        "lacks something that the policy asks for, and for {unknown_after_closure_days} days after its closure.",
    ),
    _step(
        "O10",
        Outcome.UNKNOWN,
        {Reason.LOG_ON},
        _SURE,
        "Other use in the first {log_on_min} minutes after a log-on is unknown, as tabs come back by themselves (E5).",
    ),
    _step(
        "O11",
        Outcome.UNKNOWN,
        {Reason.DNS_ONLY},
        _SURE,
        "An episode that would be outside the allowed times, but that nothing but DNS answers names, is unknown if it "
        "has fewer than {confident_minutes} such minutes (E9, E13).",
        version=2,
    ),
    _step(
        "O12",
        Outcome.OUTSIDE_ALLOWED,
        {Reason.EPISODE},
        _SURE,
        "Use in time that is not allowed, by a person known by a log-on, is outside the allowed times if its episode "
        "has at least {episode_minutes} such minutes (rule E8).",
    ),
    _step(
        "O13",
        Outcome.COUNT_ONLY,
        {Reason.INCIDENTAL},
        _SURE,
        "Use that no step before has decided is incidental and only counted. So is use within {boundary_margin_min} "
        "minutes of a change between allowed and not allowed, by a person known by a log-on, if its episode has fewer "
        "than {episode_minutes} minutes that are, or may be, not allowed: on either side it is held against nobody.",
        version=2,
    ),
    _step(
        "O14",
        Outcome.UNKNOWN,
        {Reason.WITHDRAWN},
        _SURE,
        "An episode that the person contested, and that was withdrawn, is unknown from then on.",
    ),
)


_OTHERWISE = {Outcome.UNKNOWN: "O6", Outcome.COUNT_ONLY: "O13"}  # most reasons to doubt are the timetable's


def step_of(outcome: Outcome, reason: Reason) -> Step:
    """The step that gives an outcome for a reason; for a reason that no step names, the widest one of that outcome."""
    fitting = [step for step in STEPS if step.outcome is outcome]
    widest = next(step for step in fitting if step.rule.id == _OTHERWISE.get(outcome, step.rule.id))
    return next((step for step in fitting if reason in step.reasons), widest)


@dataclass(frozen=True)
class Rulebook:
    """All rules for one policy profile and one boundary margin. `version` is what stored rows call `policy`."""

    profile: Profile
    boundary_margin_min: int

    @cached_property
    def version(self) -> str:
        """The profile's version, and a hash of the rules' wording and limits."""
        return f"{self.profile.version}.{hashlib.sha256(self.content.encode()).hexdigest()[:6]}"

    @cached_property
    def content(self) -> str:
        """Everything as JSON: rules (id, version, template), which of them every outcome cites, which one gives which
        outcome for which reason, their limits by service ('' for all others), the clause on times, the margin."""
        kept = {
            "title": self.profile.title,
            "boundary_margin_min": self.boundary_margin_min,
            "clause": self.profile.clause,
            "text": self.profile.clauses[self.profile.clause],
            "rules": [{"id": r.id, "version": r.version, "template": r.template} for r in every_rule()],
            "cited": [rule.id for rule in CITED],
            "steps": {
                f"{outcome.value}/{reason.value}": {"rule": step.rule.id, "identity": step.identity}
                for outcome in Outcome
                for reason in Reason
                for step in [step_of(outcome, reason)]
            },
            "limits": {service: self.limits(service) for service in ("", *self.profile.services)},
        }
        return json.dumps(kept, sort_keys=True)

    def limits(self, service: str = "") -> dict[str, object]:
        """The limits that fill the rules' sentences, for one service."""
        return self.profile.limits_of(service) | {"boundary_margin_min": self.boundary_margin_min}

    def cited(self, rule: Rule, service: str = "") -> dict[str, object]:
        """A rule as it is kept with an outcome: id, version, sentence."""
        return rule.cited(self.limits(service))


def every_rule() -> tuple[Rule, ...]:
    """The rules of use, then the steps of decision."""
    return (*RULES, *(step.rule for step in STEPS))


def as_text(rulebook: Rulebook) -> str:
    """All rules as sentences, one a line."""
    return "\n".join(f"{rule.id} (version {rule.version}): {rule.sentence(rulebook.limits())}" for rule in every_rule())


def as_markdown(rulebook: Rulebook) -> str:
    """The page of documentation that the rules themselves write."""

    def table(rules: tuple[Rule, ...]) -> list[str]:
        rows = [f"| {rule.id} | {rule.version} | {rule.sentence(rulebook.limits())} |" for rule in rules]
        return ["| rule | version | what it says |", "|---|---|---|", *rows]

    outcomes = [f"| {s.rule.id} | `{s.outcome}` | {s.identity} |" for s in STEPS]
    reasons = [
        f"| `{reason}` | {_named(reason)} | {reason.sentence} |" for reason in Reason if reason is not Reason.NONE
    ]
    return "\n".join(
        [
            "# The rules",
            "",
            "Written by `schoolgate rules --markdown`, with the limits of the shipped policy profile; a test holds it",
            "against the code. Services may have limits of their own: see the profile.",
            "",
            "## When traffic is use",
            "",
            *table(RULES),
            "",
            "## What becomes of a minute of use",
            "",
            "The first step that fits decides. Of several outcomes in one minute (two services of a kind, or all",
            "services together) the sums take the first of: `outside_allowed`, `unknown`, `official_possible`,",
            "`count_only`, `allowed`.",
            "",
            *table(tuple(step.rule for step in STEPS)),
            "",
            "| step | outcome | how surely the person is known |",
            "|---|---|---|",
            *outcomes,
            "",
            "## Reasons",
            "",
            "| reason | step | sentence |",
            "|---|---|---|",
            *reasons,
            "",
        ]
    )


def _named(reason: Reason) -> str:
    return ", ".join(step.rule.id for step in STEPS if reason in step.reasons) or "of a state"


def read_content(content: str) -> Mapping[str, object]:
    """What `Rulebook.content` wrote."""
    found: dict[str, object] = json.loads(content)
    return found
