"""The jobs of who has the store: days judged anew, a contest opened or decided, a report sent, what is too old removed.

Each is a function of a Work and of plain data, whose shape is checked before (deploy.jobs). Whoever is killed in the
middle leaves the old or the new, and doing it again completes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import Field

from deploy.asking import ask_for, check_addresses
from deploy.assembly import judge_of
from deploy.desk import actor_of, desk_at, trail_of
from deploy.work import Asked, JobError, Work
from pipeline.contest import ContestReason, Status, decide, open_contest
from pipeline.contest import settle as settle_contests
from pipeline.pseudonym import Pseudonyms
from pipeline.retag import DayAnew, marked_days, retag
from pipeline.retag import settle as settle_retags
from pipeline.retention import Outcome, enforce

if TYPE_CHECKING:
    from deploy.assembly import SchoolFiles
    from pipeline.settings import SchoolSettings
    from pipeline.store import Store

RETAG, OPEN, DECIDE, SEND, RETENTION = "retag", "contest.open", "contest.decide", "report.send", "retention"
Result = Mapping[str, object]


class RetagAsked(Asked):
    """The days from `first` to `last`, or those whose minutes an import changed."""

    first: date | None = None
    last: date | None = None
    import_id: Annotated[str, Field(max_length=20)] = ""
    dry_run: bool = False


class ContestAsked(Asked):
    named: Annotated[str, Field(max_length=200)]
    episode: Annotated[str, Field(max_length=100)]
    reason: ContestReason
    text: Annotated[str, Field(max_length=8000)]


class DecisionAsked(Asked):
    named: Annotated[str, Field(max_length=200)]
    contest: Annotated[str, Field(max_length=100)]
    status: Literal["upheld", "rejected"]
    text: Annotated[str, Field(max_length=8000)]


class SendAsked(Asked):
    """A period as issues have it, or '' for what is due; `to`: else those that are set."""

    period: Annotated[str, Field(max_length=200)] = ""
    to: Annotated[tuple[str, ...], Field(max_length=20)] = ()


# ------------------------------------------------------------------------------------------------------- what they do


def judge_anew(work: Work, asked: RetagAsked) -> Result:
    """Judges past days anew. Result: `days`, one object each; `kept`: the first and last day that could be."""
    settings = work.files.settings
    if settings.school.mode == "aggregate":
        raise JobError(
            "this school keeps sums only (mode aggregate), nothing per person: past sums stay as they were judged, "
            "and a correction holds from the moment it is applied"
        )
    judge, trail = judge_of(work.files), trail_of(work.files)
    kept = marked_days(work.store, work.school)
    changed = set(_changed_by(work.files, asked.import_id, kept) if asked.import_id else kept)
    chosen = [day for day in kept if day in changed and (asked.first or day) <= day <= (asked.last or day)]
    details: dict[str, object] = {"days": [day.isoformat() for day in chosen], "import": asked.import_id}
    if not asked.dry_run:
        trail.add("retag.begun", work.who, details=details | judge.versions)
        with work.alone:
            finish(work.store, settings.school)  # also of days that are not chosen
    done: list[DayAnew] = []
    for day in chosen:
        if work.stopping():
            raise JobError(f"it was ended after {len(done)} of {len(chosen)} days; ask again for the rest")
        work.tell(f"{day}: day {len(done) + 1} of {len(chosen)}")
        done += retag(work.store, judge, [day], dry_run=asked.dry_run, alone=work.alone)
    if not asked.dry_run:
        counts = {"minutes": sum(day.looked for day in done), "changed": sum(day.changed for day in done)}
        trail.add("retag.done", work.who, details=details | counts)
    reach = [kept[0].isoformat(), kept[-1].isoformat()] if kept else []
    return {"days": [_facts(day) for day in done], "kept": reach, "dry_run": asked.dry_run, "import": asked.import_id}


def open_one(work: Work, asked: ContestAsked) -> Result:
    """Opens a contest. Result: its `contest` and the day when it is `due`."""
    people, actor = actor_of(work.files, asked.named, work.who["account"], OPEN)
    with work.alone:
        found = open_contest(desk_at(work.files, people, actor, work.store), asked.episode, asked.reason, asked.text)
    return {"contest": found.id, "due": f"{found.due:%Y-%m-%d}"}


def decide_one(work: Work, asked: DecisionAsked) -> Result:
    """Decides a contest. Result: its `contest` and its `status`."""
    people, actor = actor_of(work.files, asked.named, work.who["account"], DECIDE)
    with work.alone:
        settle_retags(work.store, work.school)
        desk = desk_at(work.files, people, actor, work.store)
        found = decide(desk, asked.contest, Status(asked.status), asked.text)
    return {"contest": found.id, "status": found.status.value}


def send_report(work: Work, asked: SendAsked) -> Result:
    """Leaves a request to send a report, and has it looked at. Result: nothing; `schoolgate report --list` tells it."""
    from dashboards.schedule import find_term, is_term
    from dashboards.week import monday_of
    from pipeline.issued import TERM

    if work.send is None:
        raise JobError(
            "the process that has the store sends no reports; stop it, or let `schoolgate run` have the store"
        )
    if is_term(asked.period):
        find_term(work.files.school, asked.period.removeprefix(TERM))
    elif asked.period:
        monday_of(asked.period)
    check_addresses(asked.period, asked.to)
    if asked.period:
        ask_for(work.files.settings.report.folder, asked.period, asked.to)
    work.send()
    return {}


def remove_old(work: Work, asked: Asked) -> Result:
    """Result: the `proofs` of `retain`, and its `problems` in words."""
    found = retain(work)
    return {"proofs": [asdict(proof) for proof in found.proofs], "problems": list(found.problems)}


def retain(work: Work) -> Outcome:
    """Finishes what was cut short, and removes what is too old."""
    files, settings = work.files, work.files.settings
    keys = Pseudonyms.of_school(settings.school)
    spool, alerts, backups = settings.sensor.spool, settings.alerts.folder, settings.store.backup_folder
    with work.alone:
        finish(work.store, settings.school)
    with work.past:
        return enforce(work.store, files.school, spool, trail_of(files), keys, alerts=alerts, backups=backups)


def finish(store: Store, school: SchoolSettings) -> None:
    """Finishes what was cut short of contests and of days judged anew."""
    settle_contests(store, school.id, school.zone)
    settle_retags(store, school.id)


def _changed_by(files: SchoolFiles, import_id: str, days: list[date]) -> list[date]:
    """Of these days those whose minutes an import changed."""
    from pipeline.imports.difference import changed_days
    from pipeline.imports.versions import Versions
    from pipeline.school import missing_of, parse_school, table_paths

    versions = Versions(files.folder, table_paths(files.folder, files.settings.feeds))
    former = versions.before(import_id)
    before = parse_school(former, files.settings.school, missing_of(former))
    return list(changed_days(before, files.school, days))


def _facts(day: DayAnew) -> dict[str, object]:
    moves = [{"was": was, "becomes": becomes, "minutes": n} for (was, becomes), n in sorted(day.moves.items())]
    left = dict(sorted(day.left.items()))
    return {"day": day.day.isoformat(), "judged": day.looked, "changed": day.changed, "moves": moves, "left": left}


class Act(NamedTuple):
    """A job: the shape of what is asked for, and what does it."""

    shape: type[Asked]
    do: Callable[[Work, Any], Result]


ACTS: Mapping[str, Act] = {
    RETAG: Act(RetagAsked, judge_anew),
    OPEN: Act(ContestAsked, open_one),
    DECIDE: Act(DecisionAsked, decide_one),
    SEND: Act(SendAsked, send_report),
    RETENTION: Act(Asked, remove_old),
}
