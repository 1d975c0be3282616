"""The rules that turn traffic into use: each has an id, a version and the sentence that people read.

`schoolgate why` prints these sentences, filled with the limits of the policy profile that was in force; they are the
documentation of the rules. A rule whose meaning changes gets a new version, so that an old outcome still says by which
wording it was made. The numbering follows the product's list E1-E15; rules not listed here are not applied.
This module knows no traffic and no people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sensor.words import Role

PRIMARY_ROLES = frozenset({Role.PRIMARY})
SUPPORT_ROLES = frozenset({Role.CDN, Role.MEDIA, Role.API})


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: `template` is its sentence, with the limits of a policy profile as named gaps."""

    id: str
    version: int
    template: str

    def sentence(self, limits: Mapping[str, object]) -> str:
        """The rule in words, for these limits (`pipeline.profile.Profile.limits_of`)."""
        return self.template.format(**limits)

    def cited(self, limits: Mapping[str, object]) -> dict[str, object]:
        """The rule as it is kept with an outcome: id, version, sentence."""
        return {"id": self.id, "version": self.version, "sentence": self.sentence(limits)}


E1 = Rule(
    "E1",
    1,
    "Widgets, adverts, push messages, log-in pages and hosts that several services share are counted but never show "
    "use.",
)
E2 = Rule(
    "E2",
    1,
    "Bytes from a service's picture, video and programming hosts count only within {support_within_s} seconds of "
    "contact with the service's own site by the same person.",
)
E3 = Rule(
    "E3",
    1,
    "A minute is active when the service sent at least {down_kb} KB, or when the person's device sent at least "
    "{client_bursts} separate requests to the service's own site.",
)
E7 = Rule(
    "E7",
    1,
    "Active minutes of one service that lie at most {episode_gap_min} minutes apart form one episode; its length is "
    "the number of active minutes, not the time from first to last.",
)
E8 = Rule(
    "E8",
    1,
    "An episode counts as outside the allowed times only with at least {episode_minutes} active minutes in time that "
    "is not allowed, by a person known by a log-on (grade A or B); minutes that the policy profile only counts do not "
    "help.",
)

RULES: tuple[Rule, ...] = (E1, E2, E3, E7, E8)
BY_ID: Mapping[str, Rule] = {rule.id: rule for rule in RULES}
