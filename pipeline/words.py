"""The pipeline's fixed vocabularies: states, answers, outcomes, grades and reasons.

An enumeration's value is its word, the same in the store and on the pages; its position (`code`) is the small number
used in columns. Never reorder, only append. Each reason carries the sentence that people read.
"""

from enum import StrEnum


class _Coded(StrEnum):
    @property
    def code(self) -> int:
        return list(type(self)).index(self)


class State(_Coded):
    """What a person is scheduled to do in a minute (reference: the school's timetable, rota and exceptions)."""

    UNKNOWN = "unknown"
    NOT_IN_POST = "not_in_post"
    NON_WORKING_DAY = "non_working_day"
    OUTSIDE_HOURS = "outside_hours"
    REGISTRATION = "registration"
    TEACHING = "teaching"
    EXAM = "exam"
    COVER = "cover"
    DUTY = "duty"
    MEETING = "meeting"
    INSET = "inset"
    NON_CONTACT = "non_contact"
    BREAK = "break"
    LUNCH = "lunch"
    ABSENT = "absent"
    TRIP = "trip"
    HOME_WORKING = "home_working"


class Allowed(_Coded):
    """Does clause 6.13 allow personal use in this minute?"""

    UNKNOWN = "unknown"
    YES = "yes"
    NO = "no"


class Outcome(_Coded):
    """What becomes of a minute of use."""

    ALLOWED = "allowed"
    OUTSIDE_ALLOWED = "outside_allowed"
    OFFICIAL_POSSIBLE = "official_possible"
    COUNT_ONLY = "count_only"
    UNKNOWN = "unknown"


class Activity(_Coded):
    """What the traffic of one user with one service in a minute looks like; only ACTIVE is use."""

    INACTIVE = "inactive"
    ACTIVE = "active"
    EMBEDDED = "embedded"  # a button, a frame or a pixel on somebody else's page
    EMBEDDED_MEDIA = "embedded_media"  # one medium that plays by itself
    BACKGROUND = "background"  # a tab that nobody looks at


class Confidence(_Coded):
    """How much speaks for an episode outside the allowed times (rule E9)."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Grade(_Coded):
    """How surely an address is tied to a person. Only A and B can give `outside_allowed`."""

    NONE = "N"
    A = "A"  # 802.1X user on that port or MAC
    B = "B"  # interactive log-on on a known address, unlocked
    C = "C"  # device assigned to one person, no log-on seen
    D = "D"  # shared device, room or generic account


class Reason(_Coded):
    """Why a minute has its `allowed` answer, or a minute of use its outcome. `sentence` is what people read."""

    NONE = "none"
    # of a state
    NOT_IN_POST = "not_in_post"
    NON_WORKING_DAY = "non_working_day"
    OUTSIDE_HOURS = "outside_hours"
    SCHEDULED = "scheduled"
    NON_CONTACT = "non_contact"
    BREAK_NOT_ON_DUTY = "break_not_on_duty"
    DUTY_DATA_MISSING = "duty_data_missing"
    AWAY = "away"
    BOUNDARY = "boundary"
    NO_PATTERN = "no_pattern"
    NO_BELLS = "no_bells"
    NO_CALENDAR = "no_calendar"
    CONFLICT = "conflict"
    LEADERSHIP_HOURS = "leadership_hours"
    INSET_BREAK = "inset_break"
    # of an outcome
    ALLOWED_TIME = "allowed_time"
    NO_PERSON = "no_person"
    SHARED_DEVICE = "shared_device"
    ASSIGNED_DEVICE = "assigned_device"
    SEVERAL_PEOPLE = "several_people"
    LOCKED = "locked"
    DUAL_USE = "dual_use"
    OFFICIAL_SITE = "official_site"
    INCIDENTAL = "incidental"
    EPISODE = "episode"
    IDENTITY_OFF = "identity_off"
    # of a state, again: positions never change
    RELEASED = "released"
    NO_EXCEPTIONS = "no_exceptions"
    LOG_ON = "log_on"
    DNS_ONLY = "dns_only"
    SITE_CLOSED = "site_closed"
    # of an outcome that was changed later
    WITHDRAWN = "withdrawn"
    UNCLEAR = "unclear"
    # of an outcome, again
    SITE_UNAPPROVED = "site_unapproved"
    TOO_FEW_PEOPLE = "too_few_people"

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]


_SENTENCES: dict[Reason, str] = {
    Reason.NONE: "No reason was recorded.",
    Reason.NOT_IN_POST: "The date lies outside this person's contract, so the log-on itself should be looked at.",
    Reason.NON_WORKING_DAY: "This is not a working day for this person.",
    Reason.OUTSIDE_HOURS: "The minute lies outside contracted hours.",
    Reason.SCHEDULED: "The person was scheduled to work in this minute.",
    Reason.NON_CONTACT: "The minute is contracted time without a lesson, or lies between such and allowed time; the "
    "policy profile only counts it.",
    Reason.BREAK_NOT_ON_DUTY: "It was break or lunch and the person was not on duty.",
    Reason.DUTY_DATA_MISSING: "It was break or lunch, but there is no duty rota for this date.",
    Reason.AWAY: "The person was absent, on a trip or working at home, so somebody else may have used the device.",
    Reason.BOUNDARY: "The minute lies within a few minutes of a change between allowed and not allowed.",
    Reason.NO_PATTERN: "There is no working pattern for this person on this date.",
    Reason.NO_BELLS: "The bell schedule of this date does not say what this minute is.",
    Reason.NO_CALENDAR: "The calendar does not say what this date is, or which week it belongs to.",
    Reason.CONFLICT: "Two records contradict each other.",
    Reason.LEADERSHIP_HOURS: "Leadership hours are not defined; only booked time counts as work.",
    Reason.INSET_BREAK: "INSET days have breaks that no bell schedule records.",
    Reason.ALLOWED_TIME: "Personal use is allowed in this minute (6.13).",
    Reason.NO_PERSON: "No person could be tied to the address.",
    Reason.SHARED_DEVICE: "The device or account is shared.",
    Reason.ASSIGNED_DEVICE: "The device is assigned to the person, but no log-on proves who used it.",
    Reason.SEVERAL_PEOPLE: "More than one person was logged on at the address in this minute.",
    Reason.LOCKED: "The workstation was locked.",
    Reason.DUAL_USE: "The service is used for teaching too, so its use is only counted.",
    Reason.OFFICIAL_SITE: "The person runs an official school site on this service.",
    Reason.INCIDENTAL: "Fewer than three active minutes fell in time that is not allowed.",
    Reason.EPISODE: "An episode with at least three active minutes in time that is not allowed (6.13).",
    Reason.WITHDRAWN: "The person contested an episode, and it was withdrawn.",
    Reason.IDENTITY_OFF: "This school does not tie addresses to people.",
    Reason.RELEASED: "The person was released from scheduled work in this minute; why is not recorded.",
    Reason.NO_EXCEPTIONS: "There is no list of cover, swaps and absences, so what was scheduled may not have happened.",
    Reason.LOG_ON: "The person had just logged on or unlocked the computer, and tabs come back by themselves.",
    Reason.DNS_ONLY: "Only DNS answers named the service, which is too little for so short an episode.",
    Reason.SITE_CLOSED: "The person ran an official school site on this service that was closed a few days before.",
    Reason.SITE_UNAPPROVED: "The person is named for a school site on this service whose approval is incomplete.",
    Reason.TOO_FEW_PEOPLE: "The school has fewer than ten members of staff, so sums would show persons.",
    Reason.UNCLEAR: "Something is booked, but the timetable or rota does not say what it is, or in which week.",
}
