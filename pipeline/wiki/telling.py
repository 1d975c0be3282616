"""An alarm's reasons in plain words: what was seen; and what holds of every such alarm: what it cannot know, how often
it is wrong.

The words name no person, address or page: of an upload the detector knows sizes and times only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.wiki.constants import Constants, is_wikimedia
from pipeline.wiki.cues import Candidate, Shape
from pipeline.wiki.odds import odds_of
from pipeline.wiki.unit import Unit

CANNOT_KNOW = (
    "It cannot be seen from outside which page it was, what was written, under which account, or whether it was in a "
    "personal capacity; a save that changed nothing, a file upload or another form of this shape looks the same."
)
TEMPORARY = (
    "Since 4 November 2025 English Wikipedia shows a temporary account, and not the school's address, for an edit "
    "without log-in; Wikimedia's other wikis do the same. The address stays visible to some of their administrators."
)
ADDRESS = "An edit without log-in may show the school's address on this wiki."
_HOSTS = {
    "hcaptcha": "in the ten minutes before it the wiki's test for people without a confirmed account was loaded",
    "auth": "right after it the wiki's log-in host was asked, as after the first save of a logged-out person",
    "cxserver": "the wiki's translation tool was in use",
    "commons": "on Wikimedia Commons most forms of this shape are uploads of files",
}
_FOR = {
    "typed": "short texts had been sent ahead, as the preview of a reply does",
}
_AGAINST = {
    "order": "other answers came first",
    "later": "other uploads followed that may have caused the answer",
    "think": "the answer came sooner than a save takes",
    "wait": "the page took long",
    "requests": "other requests came between",
    "in_stream": "the answer came at the end of another one",
    "answer": "the answer's size is unusual for a save",
    "gap": "the next request came late",
    "body": "the upload's size is unusual for a save",
    "credit": "the server was not seen to take in a body",
    "since": "the text had been stored long before",
    "between": "other uploads came between",
    "asked": "fewer requests followed than usual",
    "quiet": "something else followed at once",
}


def of_upload(candidate: Candidate, unit: Unit, hosts: Sequence[str], constants: Constants) -> tuple[str, ...]:
    """Why an upload is held to be a save."""
    evidence = constants.shapes[candidate.shape].evidence(candidate.values)
    said = [_seen(candidate, unit)]
    said += [f"For it speaks that {_FOR[cue]}." for cue in _FOR if evidence.get(cue, 0) > 0.2]
    for host in hosts:
        side = "For" if constants.cue_hosts.get(host, 0) > 0 else "Against"
        said += [f"{side} it speaks that {_HOSTS[host]}."] if host in _HOSTS else []
    said += [f"Against it speaks that {_AGAINST[cue]}." for cue in _AGAINST if evidence.get(cue, 0) < -0.3]
    return tuple(said)


def of_every(wiki: str, certainty: str, constants: Constants) -> tuple[str, ...]:
    """What holds of every alarm of this certainty on this wiki."""
    unknown = f"{CANNOT_KNOW.partition(';')[0]}." if certainty == "confirmed" else CANNOT_KNOW
    return (unknown, *chances(certainty, constants), visible(wiki))


def of_request(saved: bool) -> tuple[str, ...]:
    """Why a request in the clear is held to be a save."""
    if saved:
        said = "A form that asks to save an edit was sent without encryption, and answered by the redirect of a save."
    else:
        said = "A request to save an edit was sent without encryption; its answer does not show whether it was saved."
    return (said,)


def _seen(candidate: Candidate, unit: Unit) -> str:
    exchange, answer = candidate.exchange, candidate.answer
    up = f"{exchange.body:,} bytes of data went up to {unit.wiki}"
    think = f"{max(0.0, answer.think):.1f} s later"
    match candidate.shape:
        case Shape.FORM:
            return (
                f"{up}; {think} came a lone answer of {answer.size:,} bytes, about what the redirect after a save has, "
                f"and {answer.gap * 1000:.0f} ms after it the next page was asked for."
            )
        case Shape.VISUAL:
            return (
                f"{up}, about what VisualEditor sends to save a text that it has stored before; {think} began an "
                f"answer like the rendered page ({answer.size:,} bytes in its first record)."
            )
        case Shape.REPLY:
            return (
                f"{up}; {think} came an answer of {answer.size:,} bytes, and the page's script then asked for "
                f"{answer.asked} things at once, as after a reply on a discussion page."
            )
        case Shape.BARE:
            return (
                f"{up}; {think} came a lone answer of {answer.size:,} bytes, about what a program's edit or a rollback "
                "is answered with, and nothing was asked for upon it."
            )


def chances(certainty: str, constants: Constants) -> tuple[str, ...]:
    """The base rate, and the chance that an alarm of this certainty is wrong."""
    odds = odds_of(constants).get(certainty)
    if odds is None:
        return ()
    return (
        f"About {constants.edits_per_1000_views:g} of 1,000 page views is an edit. In the laboratory alarms of this "
        f"certainty found {odds.found:.0%} of all saves and were false in {odds.false_per_10k:.2g} of 10,000 page "
        f"views ({odds.views:,} were looked at); reckoned with care, {odds.wrong:.0%} of them are wrong, at worst "
        f"{odds.worst:.0%}, and real networks are less tidy. Treat it as a hint, never as proof.",
    )


def visible(wiki: str) -> str:
    """Who can see where an edit came from."""
    return TEMPORARY if is_wikimedia(wiki) else ADDRESS


def cue_words() -> Mapping[str, str]:
    """The sentences, for tests that every cue has one."""
    return {**_FOR, **_AGAINST, **_HOSTS}
