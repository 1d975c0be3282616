"""The jobs that change what is stored: days judged anew, a contest opened or decided, what is too old removed.

Theory of operation. Each is a function of a Work (school's files, store, who asks) and of plain data, which is checked
as if a stranger had sent it. A command has one done (`have_done`): by itself where the store is free, else by the
process that holds it, which does it by its own school's files and one after the other (pipeline.jobs); the command
shows what that process tells. The pages ask the same jobs of the process that they live in. Whoever was killed in the
middle has left the old or the new, and asking again completes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deploy.assembly import SchoolFiles, read_school, settings_path
from deploy.changes import account
from deploy.desk import actor_of, desk_at, trail_of
from deploy.stores import meant
from pipeline.contest import ContestReason, Status, decide, open_contest
from pipeline.contest import settle as settle_contests
from pipeline.door import RemoteStore
from pipeline.opening import owned
from pipeline.retag import DayAnew, marked_days, retag
from pipeline.retag import settle as settle_retags
from pipeline.retention import enforce
from pipeline.store import StoreBusy, StoreError

if TYPE_CHECKING:
    from pipeline.assess import Assessor
    from pipeline.jobs import Doer, Tell, Who
    from pipeline.store import Store

RETAG, OPEN, DECIDE, RETENTION = "retag", "contest.open", "contest.decide", "retention"
Result = Mapping[str, object]
_FREE: AbstractContextManager[object] = nullcontext()


class JobError(ValueError):
    """A job cannot be done; the message says why."""


@dataclass(frozen=True)
class Work:
    """What a job works with. past: held by the one who changes what is stored; alone: that, and nothing fresh comes in
    meanwhile; stopping: should it end at its next step?"""

    files: SchoolFiles
    store: Store
    who: Who
    tell: Tell
    past: AbstractContextManager[object] = _FREE
    alone: AbstractContextManager[object] = _FREE
    stopping: Callable[[], bool] = lambda: False

    @property
    def school(self) -> str:
        return self.files.settings.school.id


class Asked(BaseModel):
    """What every job is told: the settings file of the school that is meant."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    school: Annotated[str, Field(max_length=4096)]


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
        retag(work.store, judge, (), dry_run=False, alone=work.alone)  # finishes what was cut short, of any day
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
        found = open_contest(
            desk_at(work.files, people, actor, work.store), asked.episode, ContestReason(asked.reason), asked.text
        )
    return {"contest": found.id, "due": f"{found.due:%Y-%m-%d}"}


def decide_one(work: Work, asked: DecisionAsked) -> Result:
    """Decides a contest. Result: its `contest` and its `status`."""
    people, actor = actor_of(work.files, asked.named, work.who["account"], DECIDE)
    with work.alone:
        settle_retags(work.store, work.school)
        desk = desk_at(work.files, people, actor, work.store)
        found = decide(desk, asked.contest, Status(asked.status), asked.text)
    return {"contest": found.id, "status": found.status.value}


def remove_old(work: Work, asked: Asked | None) -> Result:
    """Finishes what was cut short, and removes what is too old. Result: `proofs`, and `problems` in words."""
    from pipeline.pseudonym import Pseudonyms

    files, settings = work.files, work.files.settings
    keys = Pseudonyms(settings.school.pseudonym_keys) if settings.school.mode == "pseudonymous" else None
    spool, alerts, backups = settings.sensor.spool, settings.alerts.folder, settings.store.backup_folder
    with work.alone:
        settle_contests(work.store, work.school, settings.school.zone)
        settle_retags(work.store, work.school)
    with work.past:
        found = enforce(work.store, files.school, spool, trail_of(files), keys, alerts=alerts, backups=backups)
    return {"proofs": [asdict(proof) for proof in found.proofs], "problems": list(found.problems)}


def judge_of(files: SchoolFiles) -> Assessor:
    """What judges anew. The identity feeds are not needed: it is known whose minutes they are."""
    from pipeline.assess import Assessor
    from pipeline.profile import load_profile
    from pipeline.pseudonym import Pseudonyms
    from sensor.catalogue import load_catalogue

    settings = files.settings
    catalogue = load_catalogue(settings.sensor.services, settings.sensor.exempt_sites)
    profile = load_profile(settings.school.policy_profile, files.folder)
    return Assessor(files.school, catalogue, profile, None, Pseudonyms(settings.school.pseudonym_keys))


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


# -------------------------------------------------------------------------------------------------------- who does it


def have_done(given: Path, store_path: Path | None, name: str, asked: Mapping[str, object], tell: Tell) -> Result:
    """Has a job done for the school whose settings or folder is given, by us or by the process that has the store.

    Raises StoreBusy if that one does no jobs, and whatever the job raises."""
    files = read_school(given)
    what = _checked(name, {**asked, "school": str(settings_path(given).resolve())})
    try:
        with owned(meant(store_path, files.settings.store), make=False) as store:
            return _ACTS[name](Work(files, store, {"account": account()}, tell), what)
    except StoreBusy as busy:
        owner = RemoteStore(busy.path, busy.holder)
        try:
            owner.query("SELECT 1")
        except StoreError:
            raise busy from None  # it has no door for us
        return owner.have_done(name, what.model_dump(mode="json"), tell)


class Bench(Protocol):
    """The process that has the store and works for a school, as its jobs see it."""

    def take_up(self) -> None:
        """Goes by the school's files as they are now."""

    def work(self, who: Who, tell: Tell) -> Work:
        """What a job works with. Raises SchoolError."""

    def changed(self) -> None:
        """Looks at what follows when the past is another one."""


def doers(folder: Path, bench: Bench) -> Mapping[str, Doer]:
    """The jobs as the process does them that has the store and works for the school in `folder`."""

    def doer(name: str) -> Doer:
        def do(asked: Mapping[str, object], who: Who, tell: Tell) -> Result:
            what, own = _checked(name, asked), settings_path(folder).resolve()
            if Path(what.school) != own:
                raise JobError(f"the process that has the store works for {own}, not for {what.school}; name that one")
            bench.take_up()
            try:
                return _ACTS[name](bench.work(who, tell), what)
            finally:
                bench.changed()

        return do

    return {name: doer(name) for name in _ACTS}


_SORTS: Mapping[str, type[Asked]] = {
    RETAG: RetagAsked,
    OPEN: ContestAsked,
    DECIDE: DecisionAsked,
    RETENTION: Asked,
}
_ACTS: Mapping[str, Callable[[Work, Any], Result]] = {
    RETAG: judge_anew,
    OPEN: open_one,
    DECIDE: decide_one,
    RETENTION: remove_old,
}


def _checked(name: str, asked: Mapping[str, object]) -> Asked:
    """What is asked of a job. Raises JobError naming what is wrong."""
    try:
        return _SORTS[name].model_validate(asked)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "it"
        raise JobError(f"the job {name} cannot be done as it was asked for: {where}: {first['msg']}") from None
