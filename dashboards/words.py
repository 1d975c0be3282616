"""What the pages, the boards and the report call things, and what to do about a reason: words for people, in one place.

The enumerations come from `sensor.words` and `pipeline.words`; this module adds only how they read. It asks nothing of
the store. Words are those of the policy: "outside allowed times", never anything stronger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from dashboards.language import long_day as long_day
from dashboards.language import minutes as minutes
from dashboards.language import short_day as short_day
from pipeline.words import Outcome, Reason
from sensor.catalogue import load_catalogue
from sensor.words import Kind


@dataclass(frozen=True, slots=True)
class Look:
    """How an outcome is shown everywhere: label, explanation, colour on light and on dark ground (CSS hex)."""

    label: str
    about: str
    light: str
    dark: str


LOOKS: Mapping[Outcome, Look] = MappingProxyType(
    {
        Outcome.ALLOWED: Look(
            "Allowed times",
            "Break or lunch when not on duty, or outside contracted hours: clause 6.13 allows personal use.",
            "#4c9f86",
            "#4c9f86",
        ),
        Outcome.OFFICIAL_POSSIBLE: Look(
            "Official, possible",
            "The person runs an official school site on this service (Appendix B), so it may well be work.",
            "#7d6bb0",
            "#8f7dc4",
        ),
        Outcome.COUNT_ONLY: Look(
            "Counted only",
            "Dual-use services, time without a lesson, too little to be an episode, or no proof of who it was.",
            "#a9bbd2",
            "#5d6c7e",
        ),
        Outcome.OUTSIDE_ALLOWED: Look(
            "Outside allowed times",
            "At least three active minutes in time that clause 6.13 does not allow; automatic and unverified.",
            "#d9772b",
            "#d9772b",
        ),
        Outcome.UNKNOWN: Look(
            "Unknown",
            "Something needed to judge was missing, late or contradictory; the reasons are listed.",
            "#d3d6db",
            "#39424e",
        ),
    }
)
"""In the order of stacking, from the ground up. Hues are told apart by colour-blind eyes; orange, never red."""

KINDS: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.SOCIAL_NETWORKING: "Social networking",
        Kind.BLOG: "Blogs",
        Kind.MICROBLOG: "Microblogs",
        Kind.CHATROOM: "Chatrooms",
        Kind.FORUM: "Forums",
        Kind.PODCAST: "Podcasts",
        Kind.ENCYCLOPAEDIA: "Encyclopaedias",
        Kind.BOOKMARKING: "Social bookmarking",
        Kind.CONTENT_SHARING: "Content sharing",
        Kind.OTHER: "Other",
    }
)

FREE: Mapping[str, str] = MappingProxyType(
    {"holiday": "holiday", "bank_holiday": "bank holiday", "closure": "school closed", "inset": "INSET day"}
)
"""Days on which nobody, or no pupil, is at school."""

PAUSES: Mapping[str, str] = MappingProxyType(
    {
        "industrial_action": "industrial action",
        "evacuation": "evacuation",
        "exam_emergency": "exam emergency",
        "bereavement": "bereavement",
        "legal_advice": "legal advice",
        "maintenance": "maintenance",
        "other": "other",
    }
)
"""Why nobody was observed."""

_WHEN: Mapping[str, str] = MappingProxyType(
    {
        "lunch": "at lunch",
        "break": "in break",
        "lesson": "in lesson times",
        "registration": "in registration",
        "before": "before the first bell",
        "after": "after the last bell",
        "": "outside the bells",
    }
)

MENDS: Mapping[Reason, str] = MappingProxyType(
    {
        Reason.NO_PERSON: "Connect log-on events or DHCP leases, or list the device in devices.csv.",
        Reason.DUTY_DATA_MISSING: "Ask the cover manager for the duty rota of this date and add it to duties.csv.",
        Reason.SEVERAL_PEOPLE: "Look for log-offs that never arrived: two people seem to be at one address.",
        Reason.NO_PATTERN: "Add a working pattern for the date to patterns.csv.",
        Reason.NO_BELLS: "Complete the date’s bells in bells.csv: breaks, and kinds before and after at its ends.",
        Reason.NO_CALENDAR: "Add the date’s term or holiday, and its week letter, to calendar.csv.",
        Reason.CONFLICT: "See which two rows contradict each other with schoolgate state, and take one out.",
        Reason.UNCLEAR: "Import the timetable or feed again with what it lacked; `schoolgate import list` tells.",
        Reason.NOT_IN_POST: "Check the contract dates in staff.csv, and whether the account should still be open.",
        Reason.INSET_BREAK: "Enter the breaks of the INSET day in exceptions.csv, or leave them unknown.",
        Reason.NO_EXCEPTIONS: "Put exceptions.csv beside the other files; its header alone says that there are none.",
        Reason.IDENTITY_OFF: "Set school.identity to feeds when the impact assessment allows it.",
        Reason.SITE_UNAPPROVED: "Complete the site’s approval: schoolgate sites check says what it lacks.",
        Reason.NONE: "Tell the makers: every unknown minute should carry a reason.",
    }
)
"""What somebody can do about the reasons for which a minute is unknown."""

LEFT_UNKNOWN: Mapping[Reason, str] = MappingProxyType(
    {
        Reason.SHARED_DEVICE: "It stays unknown while the device is shared; personal log-ons would tell who used it.",
        Reason.BOUNDARY: "It stays unknown on purpose: bells and clocks differ (school.boundary_margin_min).",
        Reason.AWAY: "It stays unknown on purpose.",
        Reason.RELEASED: "It stays unknown on purpose, and nobody need know why.",
        Reason.LOCKED: "It stays unknown on purpose: traffic of a locked workstation is not its owner’s use.",
        Reason.SITE_CLOSED: "It stays unknown on purpose for some days after the site’s closure.",
        Reason.LOG_ON: "It stays unknown on purpose: browsers open their tabs again after a log-on.",
        Reason.DNS_ONLY: "It stays unknown on purpose: a look-up alone is no use.",
        Reason.TOO_FEW_PEOPLE: "It stays unknown on purpose while the school is that small.",
        Reason.WITHDRAWN: "It stays unknown on purpose: an episode was contested and withdrawn.",
        Reason.LEADERSHIP_HOURS: "It stays unknown on purpose: leadership time is judged only where it is booked.",
    }
)
"""Reasons that nobody should mend, and why."""


def mend_of(reason: str) -> str:
    """What can be done about a reason's word, or why nothing should be; empty if there is nothing to say."""
    return {**MENDS, **LEFT_UNKNOWN}.get(Reason(reason), "") if reason in _REASONS else ""


def sentence_of(reason: str) -> str:
    """The sentence for a reason's word; an unknown word is shown as it stands."""
    return Reason(reason).sentence if reason in _REASONS else reason


_REASONS = frozenset(r.value for r in Reason)
REASON_TEXTS = (*(reason.sentence for reason in Reason), *MENDS.values(), *LEFT_UNKNOWN.values())
"""What is said of reasons: their sentences, and what to do about them."""


def kind_name(kind: str) -> str:
    """A kind's heading, in the words of clause 2.3."""
    return KINDS[Kind(kind)] if kind in KINDS else kind


@cache
def _service_names() -> Mapping[str, str]:
    return {id_: service.name for id_, service in load_catalogue().services.items()}


def service_name(service: str) -> str:
    """A service's name from the shipped catalogue; a school's own service is shown by its id."""
    return _service_names().get(service, service)


def when(minutes_by_period_kind: Mapping[str, int]) -> str:
    """Where in the day most minutes lie, as a clause: 'at lunch', 'in break and at lunch'; empty if nowhere."""
    half = sum(minutes_by_period_kind.values()) / 2
    for kind, used in minutes_by_period_kind.items():
        if used > half:
            return _WHEN.get(kind, f"in {kind}")
    if minutes_by_period_kind.get("break", 0) + minutes_by_period_kind.get("lunch", 0) > half:
        return "in break and at lunch"
    return ""


def share(value: float | None) -> str:
    """A share as a whole percentage that never rounds to 0 or 100 by itself; an en dash where there is none."""
    if value is None:
        return "–"
    percent = round(value * 100)
    if percent == 100 and value < 1:
        return "> 99 %"
    if percent == 0 and value > 0:
        return "< 1 %"
    return f"{percent} %"


def big(count: int) -> str:
    """A count in three or four figures: '9,500', '41.2 k', '234 k', '41.2 M'."""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= max(size, 10**4):
            return f"{count / size:.1f} {unit}" if count < 100 * size else f"{count / size:,.0f} {unit}"
    return f"{count:,}"
