"""Contests: a person says that an episode is wrong; somebody who is not involved decides, within 30 days.

Open, then upheld or rejected, each with role and time in the store, and with name and words in the audit trail. Upheld
withdraws the episode: its minutes leave the sums (pipeline.correction), its minute marks are deleted, and every place
that shows the episode says that it is withdrawn. A decision is stored first, then its rows under its own batch names,
then that all is done; whoever was interrupted in between finishes before the next decision (`settle`), so the sums are
those of all decisions made, each taken out once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from pipeline.access import Person, Refused, Role, is_subject, refuse_unless_decider, refuse_unless_role
from pipeline.correction import Piece, read_piece, withdrawal
from pipeline.desk import Desk
from pipeline.native import Values
from pipeline.schema import DATABASE, VERSIONS
from pipeline.store import Store

CLOCK = timedelta(days=30)
"""Time to answer (Data Protection Act 2018, s.164A)."""
SETTLED = timedelta(hours=2)
"""After which an episode does not grow any more."""
ON_BEHALF = frozenset({Role.HEAD, Role.CHAIR, Role.DPO})
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class ContestReason(StrEnum):
    """Why an episode is said to be wrong."""

    COVER = "cover"
    SWAP = "swap"
    OFFICIAL_WORK = "official_work"
    NOT_ME = "not_me"
    WRONG_SERVICE = "wrong_service"
    OTHER = "other"


class Status(StrEnum):
    """Where a contest stands."""

    OPEN = "open"
    UPHELD = "upheld"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Contest:
    """A row of the table `contest`; `day` is the episode's. `applied`: the sums are what the decision makes them."""

    day: date
    id: str
    episode: str
    pseudonym: str
    reason: ContestReason
    status: Status
    opened: datetime
    opened_by: str
    due: datetime
    decided: datetime
    decided_by: str
    applied: bool
    revision: int

    def days_left(self, now: datetime) -> int:
        """Days until it must be answered; below 0 when it is late."""
        return (self.due - now).days


def contests(store: Store, school: str) -> list[Contest]:
    """All contests of a school, the oldest first."""
    names = [f.name for f in fields(Contest)]
    found = store.query(
        f"SELECT {', '.join(names)} FROM {DATABASE}.contest FINAL WHERE school = {{school:String}}", {"school": school}
    )
    rows = [_contest(dict(zip(found.columns, row, strict=True))) for row in found.rows]
    return sorted(rows, key=lambda contest: (contest.opened, contest.id))


def statuses(store: Store, school: str) -> dict[str, str]:
    """The status of each contested episode; of several contests the last."""
    return {contest.episode: contest.status.value for contest in contests(store, school)}


def open_contest(desk: Desk, episode: str, reason: ContestReason, text: str) -> Contest:
    """Contests an episode, one's own or on behalf of its person. Raises Refused."""
    with desk.at_work("contest.open", [episode], reason=reason.value):
        pieces, pseudonym = _episode(desk, episode)
        subject = desk.whose_pseudonym(pseudonym)
        if not is_subject(desk.people, desk.actor, subject):
            refuse_unless_role(desk.actor, ON_BEHALF, "contest an episode of somebody else")
        if not text.strip() or len(text) > 4000:
            raise Refused("say in words why the episode is wrong (up to 4000 characters)")
        before = [contest for contest in contests(desk.store, desk.school.settings.id) if contest.episode == episode]
        if before and before[-1].status is not Status.REJECTED:
            raise Refused(f"episode {episode} is contested already: {before[-1].id} is {before[-1].status}")
    now = desk.time
    key = hashlib.sha256(f"{desk.school.settings.id}/{episode}/{len(before)}".encode()).hexdigest()
    day = min(piece.day for piece in pieces)
    role = desk.actor.person.role.value
    contest = Contest(
        day, f"c{key[:10]}", episode, pseudonym, reason, Status.OPEN, now, role, now + CLOCK, _NEVER, "", False, 1
    )
    desk.note("contest.opened", [subject, episode], contest=contest.id, reason=reason.value, text=text)
    _keep(desk.store, desk.school.settings.id, contest)
    return contest


def decide(desk: Desk, id_: str, status: Status, text: str) -> Contest:
    """Upholds or rejects a contest. Raises Refused, and StoreError if the sums could not be changed: they will be by
    the next decision, or by `settle`."""
    school = desk.school.settings.id
    with desk.at_work("contest.decide", contest=id_, status=status.value):
        settle(desk.store, school, desk.school.settings.zone)
        found = {contest.id: contest for contest in contests(desk.store, school)}.get(id_)
        if found is None:
            raise Refused(f"there is no contest {id_}; `schoolgate contest list` shows those there are")
        if found.status is not Status.OPEN:
            raise Refused(f"contest {id_} is {found.status} already")
        subject = desk.whose_pseudonym(found.pseudonym)
        opened = [e for e in desk.trail.entries() if e.action == "contest.opened" and e.details.get("contest") == id_]
        who = opened[-1].who if opened else {"name": "", "staff_id": subject}
        asker = Person(who["name"], Role.STAFF, who.get("staff_id", ""))
        refuse_unless_decider(desk.people, desk.actor, subject, asker, "decide a contest")
        if not text.strip() or len(text) > 4000:
            raise Refused("say in words why (up to 4000 characters)")
        if status is Status.UPHELD:
            pieces, _ = _episode(desk, found.episode)
            last = datetime.fromtimestamp(max(piece.start for piece in pieces), UTC)
            if last <= desk.time < last + SETTLED:
                raise Refused(f"the episode may still be growing; decide it after {last + SETTLED:%H:%M} UTC")
    desk.note("contest.decided", [subject, found.episode], contest=id_, status=status.value, text=text)
    by = desk.actor.person.role.value
    rejected = status is Status.REJECTED
    found = replace(found, status=status, decided=desk.time, decided_by=by, applied=rejected, revision=2)
    _keep(desk.store, school, found)
    settle(desk.store, school, desk.school.settings.zone)
    return replace(found, applied=True)


def settle(store: Store, school: str, zone: str) -> int:
    """Takes every upheld episode out of the sums that is still in them; returns how many."""
    known = contests(store, school)
    waiting = [contest for contest in known if contest.status is Status.UPHELD and not contest.applied]
    withdrawn = {contest.episode for contest in known if contest.status is Status.UPHELD and contest.applied}
    for contest in sorted(waiting, key=lambda one: (one.decided, one.id)):
        _take_out(store, school, contest, withdrawn, zone)
        withdrawn.add(contest.episode)
        _keep(store, school, replace(contest, applied=True, revision=contest.revision + 1))
    return len(waiting)


def _take_out(store: Store, school: str, contest: Contest, withdrawn: set[str], zone: str) -> None:
    pieces = pieces_of(store, school, contest.pseudonym)
    own = [piece for piece in pieces if piece.episode == contest.episode]
    others = [piece for piece in pieces if piece.episode not in withdrawn | {contest.episode}]
    batch = f"{school}/correction/{contest.id}"
    for table, columns in withdrawal(school, own, others).items():
        store.insert(table, columns, batch)
    minutes = sum(part.bits.bit_count() for piece in own for part in piece.parts)
    at = int(contest.decided.timestamp())
    counted: dict[str, Values] = {
        "school": [school] * 2,
        "day": [contest.decided.astimezone(ZoneInfo(zone)).date()] * 2,
        "start": [at - at % 300] * 2,
        "metric": ["episodes_withdrawn", "minutes_withdrawn"],
        "value": [1, minutes],
    }
    versions = max(own, key=lambda piece: piece.start).versions if own else ("", "", "")
    counted |= {name: [value] * 2 for name, value in zip(VERSIONS, versions, strict=True)}
    store.insert("coverage", counted, batch)
    for piece in own:
        minutes_of = {piece.start + 60 * n for part in piece.parts for n in range(8) if part.bits >> n & 1}
        store.delete(
            "minute_mark",
            "school = {school:String} AND pseudonym = {pseudonym:String} AND service = {service:String} "
            "AND has({minutes:Array(UInt32)}, toUnixTimestamp(minute))",
            {"school": school, "pseudonym": contest.pseudonym, "service": piece.service, "minutes": sorted(minutes_of)},
        )


def _episode(desk: Desk, episode: str) -> tuple[list[Piece], str]:
    """The pieces of an episode and its pseudonym. Raises Refused if the store has none."""
    found = desk.store.query(
        f"SELECT DISTINCT pseudonym FROM {DATABASE}.episode WHERE school = {{school:String}} AND id = {{id:String}}",
        {"school": desk.school.settings.id, "id": episode},
    ).rows
    if not found:
        gone = "it may have left by age, or a correction has left nothing of it, as `schoolgate why` would say"
        raise Refused(f"the store has no episode {episode!r}; {gone}")
    pseudonym = str(found[0][0])
    pieces = [p for p in pieces_of(desk.store, desk.school.settings.id, pseudonym) if p.episode == episode]
    if not pieces:
        raise Refused(f"episode {episode} was stored by an older version and does not say which sums it is part of")
    return pieces, pseudonym


def pieces_of(store: Store, school: str, pseudonym: str) -> list[Piece]:
    """All pieces of a pseudonym's episodes."""
    found = store.query(
        f"SELECT id, day, toUnixTimestamp(start) AS first, service, kind, sums, policy, catalogue, timetable "
        f"FROM {DATABASE}.episode WHERE school = {{school:String}} AND pseudonym = {{pseudonym:String}} "
        f"AND sums != '' ORDER BY first, id",
        {"school": school, "pseudonym": pseudonym},
    )
    return [read_piece(dict(zip(found.columns, row, strict=True))) for row in found.rows]


def _keep(store: Store, school: str, contest: Contest) -> None:
    row = {f.name: getattr(contest, f.name) for f in fields(Contest)}
    row |= {"reason": contest.reason.value, "status": contest.status.value, "applied": int(contest.applied)}
    columns: dict[str, Values] = {"school": [school]} | {name: [value] for name, value in row.items()}
    store.insert("contest", columns, f"{school}/contest/{contest.id}/{contest.revision}")


def _contest(row: Mapping[str, object]) -> Contest:
    values = dict(row)
    values |= {"reason": ContestReason(str(row["reason"])), "status": Status(str(row["status"]))}
    values["applied"] = bool(row["applied"])
    return Contest(**values)  # type: ignore[arg-type]
