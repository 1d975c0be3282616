"""Look-ups: the only way from a pseudonym to a name, by two people, for a reason, for a day.

One person requests (case number, a reason of a closed list, why in words, at most 14 days), another one approves, and
for 24 hours either of them may see the episodes that match and nothing else. Who may approve is decided in
pipeline.access. A look-up has no record besides the audit trail: its state is what the trail's entries add up to, so
nothing can be looked up without being in it. Until it is approved the trail names the subject only as the request did.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from pipeline.access import Person, Refused, Role, is_subject, refuse_unless_decider, refuse_unless_role
from pipeline.alerts.lookup import Traced, staff_behind
from pipeline.chain import Entry
from pipeline.contest import statuses
from pipeline.desk import Desk
from pipeline.schema import DATABASE
from pipeline.telling import Explanation
from pipeline.why import why_episode

LONGEST_DAYS = 14
SHORTEST_TEXT = 20
GRANTED = timedelta(hours=24)
WAITS = timedelta(days=7)
"""After which a request that nobody approved is void."""
REQUESTERS = frozenset({Role.NETWORK_MANAGER, Role.HEAD, Role.DPO, Role.CHAIR})
REQUESTED, APPROVED, DENIED, SHOWN = "lookup.requested", "lookup.approved", "lookup.denied", "lookup.shown"


class LookupReason(StrEnum):
    """What a name may be looked up for; nothing else is a reason."""

    REPEATED_EPISODES = "repeated_episodes"
    COMPLAINT = "complaint"
    SAFEGUARDING = "safeguarding"
    ENCYCLOPAEDIA_EDIT = "encyclopaedia_edit"
    CONTEST = "contest"
    DISCIPLINARY_CASE = "disciplinary_case"
    LEGAL_DUTY = "legal_duty"


class Sort(StrEnum):
    """How a request names its subject."""

    STAFF = "staff"
    PSEUDONYM = "pseudonym"
    EPISODE = "episode"
    ALERT = "alert"


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody asks for. Days are the school's own, both included."""

    case: str
    reason: LookupReason
    text: str
    date_from: date
    date_to: date
    sort: Sort
    subject: str


@dataclass(frozen=True, slots=True)
class Lookup:
    """A look-up as the trail tells it. `until`: when the approval ends."""

    id: str
    request: Request
    requester: Person
    requested: datetime
    approver: Person | None = None
    denied: bool = False
    until: datetime | None = None

    def state(self, now: datetime) -> str:
        """waiting, approved, denied or expired."""
        if self.denied:
            return "denied"
        if self.until is None:
            return "waiting" if now < self.requested + WAITS else "expired"
        return "approved" if now < self.until else "expired"


@dataclass(frozen=True, slots=True)
class Revealed:
    """What a look-up shows: whose the episodes are, and each with its evidence and the state of its contest; of an
    alert where it leads. `staff_id`: '' where an alert leads to nobody."""

    lookup: str
    staff_id: str
    usernames: tuple[str, ...]
    email: str
    episodes: tuple[tuple[Explanation, str], ...]
    traced: Traced | None = None


def lookups(entries: Iterable[Entry]) -> dict[str, Lookup]:
    """All look-ups of a trail by id, in order."""
    found: dict[str, Lookup] = {}
    for entry in entries:
        if entry.result != "done":
            continue
        if entry.action == REQUESTED:
            id_ = f"L{entry.n}"
            found[id_] = Lookup(id_, _request(entry.details), _person(entry.who), entry.at)
        elif (known := found.get(str(entry.details.get("lookup")))) is None:
            continue
        elif entry.action == APPROVED:
            until = datetime.fromisoformat(str(entry.details["until"]))
            found[known.id] = replace(known, approver=_person(entry.who), until=until)
        elif entry.action == DENIED:
            found[known.id] = replace(known, denied=True)
    return found


def request(desk: Desk, what: Request) -> Lookup:
    """Asks for a look-up. Raises Refused, also for one's own data."""
    details = _details(what)
    with desk.at_work("lookup.request", [what.subject], **details):
        refuse_unless_role(desk.actor, REQUESTERS, "request a look-up")
        _refuse_badly_asked(what)
        subject = _subject(desk, what)
        if subject and is_subject(desk.people, desk.actor, subject):
            raise Refused("nobody may look himself up; `schoolgate subject-access` gives everybody his own data")
    entry = desk.note(REQUESTED, [what.subject], **details)
    return lookups([entry])[f"L{entry.n}"]


def approve(desk: Desk, id_: str) -> Lookup:
    """Approves a request of somebody else, for 24 hours. Raises Refused."""
    with desk.at_work("lookup.approve", lookup=id_):
        found = _waiting(desk, id_)
        subject = _subject(desk, found.request)
        _refuse_unless_decider(desk, subject, found.requester, "approve a look-up")
    until = desk.time + GRANTED
    desk.note(APPROVED, [subject or found.request.subject], lookup=id_, until=until.isoformat())
    return replace(found, approver=desk.actor.person, until=until)


def deny(desk: Desk, id_: str) -> None:
    """Turns a request down. Raises Refused."""
    with desk.at_work("lookup.deny", lookup=id_):
        found = _waiting(desk, id_)
        subject = _subject(desk, found.request)
        _refuse_unless_decider(desk, subject, found.requester, "deny a look-up")
    desk.note(DENIED, [found.request.subject], lookup=id_)


def show(desk: Desk, id_: str) -> Revealed:
    """The episodes that an approved look-up matches, to the two who asked and approved. Raises Refused."""
    with desk.at_work("lookup.show", lookup=id_):
        found = _known(desk, id_)
        state = found.state(desk.time)
        if state != "approved" or found.approver is None:
            raise Refused(f"look-up {id_} is {state}; only an approved one shows anything, for 24 hours")
        if not any(desk.actor.person.same_as(person) for person in (found.requester, found.approver)):
            raise Refused(f"look-up {id_} is for {found.requester.name} and {found.approver.name} only")
        subject = _subject(desk, found.request)
        if subject and is_subject(desk.people, desk.actor, subject):
            raise Refused("nobody may look himself up")
        if found.request.sort is Sort.ALERT:
            return _show_alert(desk, found, subject)
        episodes = _matching(desk, found.request, subject)
        desk.note(SHOWN, [subject], lookup=id_, case=found.request.case, episodes=len(episodes))
        school = desk.school.settings.id
        contested = statuses(desk.store, school)
        told = [(why_episode(desk.store, school, episode), contested.get(episode, "")) for episode in episodes]
    person = desk.school.staff[desk.school.numbers[subject]]
    shown = tuple((explanation, status) for explanation, status in told if explanation is not None)
    return Revealed(id_, subject, person.usernames, person.email, shown)


def _show_alert(desk: Desk, found: Lookup, subject: str) -> Revealed:
    """Where the alert leads; written down first."""
    traced = desk.trace(found.request.subject)
    desk.note(
        SHOWN, [subject or found.request.subject], lookup=found.id, case=found.request.case, alert=traced.alert.id
    )
    if not subject:
        return Revealed(found.id, "", (), "", (), traced)
    person = desk.school.staff[desk.school.numbers[subject]]
    return Revealed(found.id, subject, person.usernames, person.email, (), traced)


def _refuse_unless_decider(desk: Desk, subject: str, asker: Person, what: str) -> None:
    """Raises Refused unless the actor may decide; where nobody knows about whom, that is the chair of governors."""
    if subject:
        refuse_unless_decider(desk.people, desk.actor, subject, asker, what)
    elif desk.actor.person.same_as(asker):
        raise Refused(f"a second person has to {what}; {desk.actor.person.name} asked for it")
    else:
        refuse_unless_role(desk.actor, {Role.CHAIR}, f"{what} that leads to nobody known, and so perhaps to the head")


def _matching(desk: Desk, what: Request, subject: str) -> list[str]:
    """Ids of the subject's episodes in the range; of a request for one episode that one."""
    found = desk.store.query(
        f"SELECT id, toUnixTimestamp(min(start)) AS first FROM {DATABASE}.episode WHERE school = {{school:String}} "
        "AND day >= {from:Date} AND day <= {to:Date} AND has({pseudonyms:Array(String)}, pseudonym) "
        "GROUP BY id ORDER BY first, id",
        {
            "school": desk.school.settings.id,
            "from": what.date_from,
            "to": what.date_to,
            "pseudonyms": sorted(desk.pseudonyms.terms_of(subject).values())
            if what.sort is not Sort.PSEUDONYM
            else [what.subject],
        },
    )
    ids = [str(id_) for id_, _ in found.rows]
    return [id_ for id_ in ids if id_ == what.subject] if what.sort is Sort.EPISODE else ids


def _subject(desk: Desk, what: Request) -> str:
    """The staff id that a request means. Raises Refused."""
    if what.sort is Sort.STAFF:
        _ = desk.pseudonyms
        if what.subject not in desk.school.numbers:
            raise Refused(f"staff.csv has no staff id {what.subject!r}")
        return what.subject
    if what.sort is Sort.PSEUDONYM:
        return desk.whose_pseudonym(what.subject)
    if what.sort is Sort.ALERT:
        return staff_behind(desk, what.subject)
    return desk.whose_pseudonym(pseudonym_of(desk, what.subject))


def pseudonym_of(desk: Desk, episode: str) -> str:
    """The pseudonym of an episode. Raises Refused for one that the store does not have."""
    rows = desk.store.query(
        f"SELECT DISTINCT pseudonym FROM {DATABASE}.episode WHERE school = {{school:String}} AND id = {{id:String}}",
        {"school": desk.school.settings.id, "id": episode},
    ).rows
    if not rows:
        raise Refused(f"the store has no episode {episode!r}; it may have left by age")
    return str(rows[0][0])


def _refuse_badly_asked(what: Request) -> None:
    if not what.case.strip() or len(what.case) > 40:
        raise Refused("a look-up needs a case number of up to 40 characters")
    if len(" ".join(what.text.split())) < SHORTEST_TEXT:
        raise Refused(f"say why in at least {SHORTEST_TEXT} characters")
    if len(what.text) > 2000:
        raise Refused("say why in at most 2000 characters")
    days = (what.date_to - what.date_from).days + 1
    if not 1 <= days <= LONGEST_DAYS:
        raise Refused(f"the range is {days} days; it must be 1 to {LONGEST_DAYS}, the first one first")


def _known(desk: Desk, id_: str) -> Lookup:
    found = lookups(desk.trail.entries()).get(id_)
    if found is None:
        raise Refused(f"there is no look-up {id_}; `schoolgate lookup list` shows those there are")
    return found


def _waiting(desk: Desk, id_: str) -> Lookup:
    found = _known(desk, id_)
    if (state := found.state(desk.time)) != "waiting":
        raise Refused(f"look-up {id_} is {state} and cannot be decided any more")
    return found


def _details(what: Request) -> dict[str, object]:
    return {
        "case": what.case,
        "reason": what.reason.value,
        "text": what.text,
        "from": what.date_from.isoformat(),
        "to": what.date_to.isoformat(),
        "sort": what.sort.value,
        "subject": what.subject,
    }


def _request(details: Mapping[str, object]) -> Request:
    words = {name: str(details[name]) for name in ("case", "reason", "text", "from", "to", "sort", "subject")}
    days = date.fromisoformat(words["from"]), date.fromisoformat(words["to"])
    return Request(
        words["case"], LookupReason(words["reason"]), words["text"], *days, Sort(words["sort"]), words["subject"]
    )


def _person(who: Mapping[str, str]) -> Person:
    return Person(who["name"], Role(who["role"]), who.get("staff_id", ""))
