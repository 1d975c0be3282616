"""Has a job done (deploy.acts) by whoever has the store: by us where it is free, else by the process that holds it.

Servers nobody holds; there it is `schoolgate run`, if it runs, by a door in the spool's folder. That process does it by
its own school's files, one job after the other (pipeline.jobs), and whoever asked shows what it tells. What is asked
for is checked as if a stranger had sent it. The pages ask the same jobs of the process that they live in.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pydantic import ValidationError

from deploy.acts import ACTS, Result
from deploy.assembly import read_school, settings_path
from deploy.changes import account
from deploy.stores import on_own_servers, owning
from deploy.work import Asked, JobError, Work
from pipeline.door import RemoteStore
from pipeline.store import StoreBusy

if TYPE_CHECKING:
    from pipeline.jobs import Doer, Tell, Who


def have_done(given: Path, store_path: Path | None, name: str, asked: Mapping[str, object], tell: Tell) -> Result:
    """Has a job done for the school whose settings or folder is given, by us or by the process that has the store.

    Raises StoreBusy if that one does no jobs, and whatever the job raises."""
    files = read_school(given)
    what = _checked(name, {**asked, "school": str(files.path.resolve())})
    owner = RemoteStore(files.settings.sensor.spool, None)
    if not (on_own_servers(store_path, files.settings.store) and owner.listens()):
        try:
            with owning(store_path, files.settings.store, make=False) as store:
                return ACTS[name].do(Work(files, store, {"account": account()}, tell), what)
        except StoreBusy as busy:
            owner = RemoteStore(busy.path, busy.holder)
            if not owner.listens():
                raise  # it has no door for us
    return owner.have_done(name, what.model_dump(mode="json"), tell)


class Bench(Protocol):
    """The process that has the store and works for a school, as its jobs see it."""

    def take_up(self) -> None:
        """Goes by the school's files as they are now."""

    def work(self, who: Who, tell: Tell) -> Work:
        """What a job works with. Raises SchoolError."""

    def changed(self) -> None:
        """Looks at what follows when the past is another one."""


def doers(given: Path, bench: Bench) -> Mapping[str, Doer]:
    """The jobs as the process does them that has the store and works for the school whose settings or folder is
    given."""

    def doer(name: str) -> Doer:
        def do(asked: Mapping[str, object], who: Who, tell: Tell) -> Result:
            what, own = _checked(name, asked), settings_path(given).resolve()
            if Path(what.school) != own:
                raise JobError(f"the process that has the store works for {own}, not for {what.school}; name that one")
            bench.take_up()
            try:
                return ACTS[name].do(bench.work(who, tell), what)
            finally:
                bench.changed()

        return do

    return {name: doer(name) for name in ACTS}


def _checked(name: str, asked: Mapping[str, object]) -> Asked:
    """What is asked of a job. Raises JobError naming what is wrong."""
    try:
        return ACTS[name].shape.model_validate(asked)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "it"
        raise JobError(f"the job {name} cannot be done as it was asked for: {where}: {first['msg']}") from None
