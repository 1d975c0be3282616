"""The desk at which somebody works on a school's data, by its files: for commands, the owner's jobs and the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.access import AccessError, Actor, Person, Refused, find_actor, read_access
from pipeline.audit import AuditTrail
from pipeline.desk import Desk

if TYPE_CHECKING:
    from deploy.assembly import SchoolFiles
    from pipeline.store import Store


def trail_of(files: SchoolFiles) -> AuditTrail:
    """The school's audit trail."""
    return AuditTrail(files.folder / files.settings.privacy.audit)


def access_of(files: SchoolFiles) -> tuple[Person, ...]:
    """The people of the access file. Raises AccessError, also if there is none."""
    path = files.folder / files.settings.privacy.access
    if not path.is_file():
        raise AccessError(path.name, 1, f"there is no such file in {path.parent}", "list there who may ask and approve")
    return read_access(path.read_bytes(), files.school.numbers, path.name)


def actor_of(files: SchoolFiles, named: str, account: str, action: str) -> tuple[tuple[Person, ...], Actor]:
    """All people, and the one that is named, acting from this account; who is refused is in the trail. Raises Refused,
    AccessError."""
    try:
        people = access_of(files)
        return people, find_actor(people, named, account)
    except (Refused, AccessError) as error:
        result = "refused" if isinstance(error, Refused) else "failed"
        who = {"account": account, "claimed": named}
        trail_of(files).add(action, who, result=result, details={"why": str(error)})
        raise


def desk_at(files: SchoolFiles, people: tuple[Person, ...], actor: Actor, store: Store | None) -> Desk:
    """The actor's desk. Raises what the keys' file gives."""
    from pipeline.alerts.lookup import AlertTracer
    from pipeline.identity import load_bindings
    from pipeline.pseudonym import Pseudonyms

    settings = files.settings
    keys = Pseudonyms.of_school(settings.school)
    tracer = AlertTracer(
        settings.alerts.folder, files.school, lambda: load_bindings(files.school, settings.feeds, files.folder)
    )
    return Desk(trail_of(files), people, actor, files.school, keys, store, tracer=tracer)
