"""Subject access: everything that is kept about one person, and nothing about anybody else.

Episodes and minute marks under the pseudonyms of all terms whose keys are still there, with their evidence and
contests; restrictions; and every entry of the audit trail about the person: who looked (by role), when, for which case
and reason. Words that others wrote into a look-up are left out, because they may speak of third people; the data
protection officer can give them after reading. A person asks for himself, or the data protection officer does for him.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from pipeline.access import Refused, Role, is_subject, refuse_unless_role
from pipeline.chain import Entry
from pipeline.contest import Contest, contests
from pipeline.desk import Desk
from pipeline.schema import DATABASE
from pipeline.why import why_episode

_MARK = ("day", "service", "minute", "state", "allowed", "outcome", "reason", "grade")
_TOLD = ("case", "reason", "from", "to", "episodes", "status", "contest", "lookup", "until")
_OWN_WORDS = frozenset({"contest.opened", "contest.decided"})


def subject_access(desk: Desk, staff_id: str) -> dict[str, object]:
    """All that is kept about a member of staff, as JSON types. Raises Refused."""
    with desk.at_work("subject.export", [staff_id]):
        if staff_id not in desk.school.numbers:
            raise Refused(f"staff.csv has no staff id {staff_id!r}")
        if not is_subject(desk.people, desk.actor, staff_id):
            refuse_unless_role(desk.actor, {Role.DPO}, "export somebody else's data")
        desk.note("subject.exported", [staff_id])
        return _all_of(desk, staff_id)


def _all_of(desk: Desk, staff_id: str) -> dict[str, object]:
    school = desk.school.settings.id
    person = desk.school.staff[desk.school.numbers[staff_id]]
    terms = desk.keys.terms_of(staff_id) if desk.keys else {}
    own = [contest for contest in contests(desk.store, school) if contest.pseudonym in terms.values()]
    episodes = _episodes(desk, sorted(terms.values()))
    words = {staff_id, *terms.values(), *(str(episode["episode"]) for episode in episodes)}
    words |= {contest.episode for contest in own}
    entries = [entry for entry in desk.trail.entries() if words & set(entry.subjects)]
    return {
        "school": desk.school.settings.name,
        "made": desk.time.isoformat(),
        "mode": desk.school.settings.mode,
        "person": {
            "staff_id": staff_id,
            "usernames": list(person.usernames),
            "email": person.email,
            "role": person.role.value,
            "department": person.department,
        },
        "pseudonyms": dict(sorted(terms.items())),
        "episodes": [{**episode, "contest": _last_status(own, str(episode["episode"]))} for episode in episodes],
        "minute_marks": _marks(desk, sorted(terms.values())),
        "contests": [_contest(contest, entries) for contest in own],
        "restrictions": [
            {"from": row.date_from.isoformat(), "to": row.date_to.isoformat(), "reason": row.reason.value}
            for row in desk.school.restrictions
            if row.person == desk.school.numbers[staff_id]
        ],
        "who_looked": [_entry(entry) for entry in entries],
    }


def _episodes(desk: Desk, pseudonyms: list[str]) -> list[dict[str, object]]:
    school = desk.school.settings.id
    found = desk.store.query(
        f"SELECT id, toUnixTimestamp(min(start)) AS first FROM {DATABASE}.episode WHERE school = {{school:String}} "
        "AND has({pseudonyms:Array(String)}, pseudonym) GROUP BY id ORDER BY first, id",
        {"school": school, "pseudonyms": pseudonyms},
    )
    told = [why_episode(desk.store, school, str(id_)) for id_, _ in found.rows]
    return [{**one.facts, "in_words": list(one.sentences)} for one in told if one is not None]


def _marks(desk: Desk, pseudonyms: list[str]) -> list[dict[str, str]]:
    found = desk.store.query(
        f"SELECT {', '.join(_MARK)} FROM {DATABASE}.minute_mark WHERE school = {{school:String}} "
        "AND has({pseudonyms:Array(String)}, pseudonym) ORDER BY minute, service",
        {"school": desk.school.settings.id, "pseudonyms": pseudonyms},
    )
    return [dict(zip(found.columns, map(str, row), strict=True)) for row in found.rows]


def _last_status(own: Iterable[Contest], episode: str) -> str:
    return next((one.status.value for one in reversed(list(own)) if one.episode == episode), "")


def _contest(contest: Contest, entries: Iterable[Entry]) -> dict[str, object]:
    words = [
        {"at": entry.at.isoformat(), "by": entry.who.get("role", ""), "text": str(entry.details.get("text", ""))}
        for entry in entries
        if entry.action in _OWN_WORDS and entry.details.get("contest") == contest.id
    ]
    return {
        "contest": contest.id,
        "episode": contest.episode,
        "reason": contest.reason.value,
        "status": contest.status.value,
        "opened": contest.opened.isoformat(),
        "due": contest.due.isoformat(),
        "decided": contest.decided.isoformat() if contest.decided_by else "",
        "decided_by": contest.decided_by,
        "words": words,
    }


def _entry(entry: Entry) -> dict[str, object]:
    told = {name: entry.details[name] for name in _TOLD if name in entry.details}
    return {
        "at": entry.at.isoformat(),
        "action": entry.action,
        "result": entry.result,
        "by": entry.who.get("role", ""),
        "details": json.loads(json.dumps(told, default=str)),
    }
