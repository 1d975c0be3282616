"""The rules that turn traffic into use: each has an id, a version and the sentence that people read.

`schoolgate why` prints these sentences, filled with the limits of the policy profile that was in force; they are the
documentation of the rules. A rule whose meaning changes gets a new version, so that an old outcome still says by which
wording it was made. The numbering follows the product's list E1-E15.
This module knows no traffic and no people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sensor.words import Role

SITE_ROLES = frozenset({Role.PRIMARY})
INTERFACE_ROLES = frozenset({Role.API})
CONTENT_ROLES = frozenset({Role.CDN, Role.MEDIA})
ASIDE_ROLES = frozenset({Role.WIDGET})
PUSH_ROLES = frozenset({Role.PUSH})


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
    2,
    "Bytes from a service's picture, video and programming hosts count only within {support_within_s} seconds of "
    "contact with the service's own site, or with the interface that its apps call, by the same person.",
)
E3 = Rule(
    "E3",
    4,
    "A minute is active if requests of the person's own show it in one of these ways. Looking: pictures, films or "
    "code were asked for at {site_looks} or more moments in the minute and the two beside it ({app_looks} or more "
    "where only the interface for apps was in contact until then) and {down_kb} KB came in the three. Reading: where "
    "the service has no hosts for pictures, two or more requests to the site in the three minutes were answered with "
    "{page_bytes} bytes or more each; else three or more in the minute, with three times that, and pictures besides. "
    "Watching, where a service of films sent {down_kb} KB for two requests. Asking: {client_bursts} or more requests "
    "to the site (where more than one is asked for, two of them within {quick_s} seconds) were answered with "
    "{answer_bytes} bytes or more each. Visiting: in the minute after the service was opened, by no other page, with "
    "{beside_bytes} bytes or more, two or more requests to the site were answered with {visit_bytes} bytes or more "
    "each (one with {page_bytes} where there are no hosts for pictures); or in the minute of its opening three or "
    "more came after the page, with {down_kb} KB. Beside such a minute less is enough: {beside_bytes} bytes for one "
    "request, {beside_answer_bytes} for each of two or more, or {beside_bytes} for what comes up just before (a page "
    "of the site, anything with a request of the person's own, or anything in the last {just_before_s} seconds of "
    "the minute); and between two such minutes {answer_bytes} bytes for each request, or {down_kb} KB.",
)
E4 = Rule(
    "E4",
    3,
    "Requests to the service made within {embedded_within_s} seconds after one to another site, or within {widget_s} "
    "seconds after one to a widget of the service, are that page's doing and not the person's own; so are those "
    "within {embedded_within_s} seconds after them, {embedded_steps} times over. Each of them takes one of the "
    "person's own away for asking, and for watching and visiting at once where no pictures or films were asked for. "
    "What comes up with more of them than of the person's own, or beside a widget, counts only if it holds a line "
    "open, as only the service's own pages do. While they are more than half as many as the person's own, or while a "
    "widget is there and no such line, requests show use only by looking, or as something less beside a minute of "
    "use.",
)
E5 = Rule(
    "E5",
    2,
    "Requests made within {coming_s} seconds after the service was opened are the page that comes up, as tabs do by "
    "themselves, and not the person's own. Requests alone are background, not use, when they come by the clock (each "
    "of less than {background_burst_bytes} bytes with an answer of less than {background_answer_bytes}, and at least "
    "{background_bursts}: with distances that vary by less than {background_percent} %, or half of them or more at the "
    "same second, give or take one, as others in the minutes before and after), or "
    "when nothing new was opened for {slow_flow_min} minutes and less than {slow_bytes_per_s} bytes a second passed. "
    "So are pages that come at the same second of each minute, and small requests that do so beside a minute of use. "
    "A locked workstation is used by nobody, and the first "
    "{log_on_min} minutes after a log-on are never held against anybody.",
)
E6 = Rule(
    "E6",
    1,
    "A minute is not use but an embedded medium when a single connection was asked once and {media_kb} KB or more "
    "passed.",
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
E9 = Rule(
    "E9",
    2,
    "Confidence in such an episode is high when it has at least {confident_minutes} of these minutes, the service's "
    "picture or video hosts took part and no other site led to it; otherwise it is medium. When nothing but DNS "
    "answers names the service (E13) it is medium with at least {confident_minutes} minutes, else low; and when it is "
    "low the minutes are unknown.",
)
E10 = Rule(
    "E10",
    1,
    "Use of a service by a person who runs a live official school site there is possibly official and never held "
    "against him; while the site's approval lacks something, and for {unknown_after_closure_days} days after its "
    "closure, what else would be outside the allowed times is unknown.",
)
E11 = Rule("E11", 1, "Services that are used for teaching too are only counted.")
E12 = Rule(
    "E12",
    2,
    "A minute in which several people used one address is unknown, and so is one in which somebody used a computer on "
    "which another person's session was locked, as its programs run on.",
)
E13 = Rule(
    "E13",
    2,
    "A DNS answer without traffic shows nothing. A connection that hides its name, or did not show it, is named by "
    "the DNS answers that this very device got for that address, while they hold and if none of them names anything "
    "else; an episode that nothing but such answers names is unknown unless it has at least {confident_minutes} "
    "minutes (E9).",
)
E14 = Rule(
    "E14",
    1,
    "Connections that begin in the same or the next second, such as QUIC and TCP tried together or one after the other "
    "failed, count as one request, and a minute counts once however many connections carried it.",
)
E15 = Rule(
    "E15",
    1,
    "The first day of a new version of the catalogue is judged by the version before, too, and the difference is "
    "shown; what counts is the new one.",
)

RULES: tuple[Rule, ...] = (E1, E2, E3, E4, E5, E6, E7, E8, E9, E10, E11, E12, E13, E14, E15)
CITED: tuple[Rule, ...] = (E1, E2, E3, E4, E5, E6, E7, E8, E9, E13, E14)
"""What an outcome is explained with, beside the step of decision that gave it (pipeline.outcomes), which says what the
others say."""
BY_ID: Mapping[str, Rule] = {rule.id: rule for rule in RULES}
