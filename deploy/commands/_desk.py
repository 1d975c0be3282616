"""What the privacy commands share: who acts, on which school's data, with which trail."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from deploy.changes import account
from deploy.commands._say import failing_well
from sensor.durable import write_whole

if TYPE_CHECKING:
    from deploy.assembly import SchoolFiles
    from pipeline.audit import AuditTrail
    from pipeline.desk import Desk

Command = TypeVar("Command", bound=Callable[..., Any])

SCHOOL = click.option(
    "--school", "folder", required=True, type=click.Path(exists=True, path_type=Path), help="The school's folder."
)
AS = click.option("--as", "named", required=True, metavar="ROLE/NAME", help="Who you are: a row of access.csv.")
AS_IF_SAID = click.option(
    "--as",
    "named",
    metavar="ROLE/NAME",
    help="Who you are, for the audit trail; else your account in access.csv says it.",
)
STORE = click.option(
    "--store",
    "store_path",
    type=click.Path(path_type=Path),
    help="Folder of the store; else store.path.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
OUT = click.option("--out", type=click.Path(path_type=Path), help="File to write; else standard output.")


def trail_of(files: SchoolFiles) -> AuditTrail:
    """The school's audit trail."""
    from pipeline.audit import AuditTrail

    return AuditTrail(files.folder / files.settings.privacy.audit)


@contextmanager
def desk_of(
    folder: Path, named: str, action: str, store_path: Path | None = None, *, with_store: bool, writes: bool = False
) -> Iterator[Desk]:
    """The desk of the person that is named; what is refused is in the trail, and ends the command with a message.

    `writes`: the store is changed, so its owner must not be at work."""
    from deploy.assembly import read_school
    from deploy.stores import owning, reading
    from pipeline.access import AccessError, Refused, find_actor, read_access
    from pipeline.alerts.lookup import AlertTracer
    from pipeline.desk import Desk
    from pipeline.identity import load_bindings
    from pipeline.pseudonym import Pseudonyms

    with failing_well(), ExitStack() as stack:
        files = read_school(folder)
        settings, trail = files.settings, trail_of(files)
        path = files.folder / settings.privacy.access
        try:
            people = read_access(_content(path), files.school.numbers, path.name)
            actor = find_actor(people, named, account())
        except (Refused, AccessError) as error:
            who = {"account": account(), "claimed": named}
            result = "refused" if isinstance(error, Refused) else "failed"
            trail.add(action, who, result=result, details={"why": str(error)})
            raise
        keys = Pseudonyms(settings.school.pseudonym_keys) if settings.school.mode == "pseudonymous" else None
        store = None
        if with_store:
            opened = owning(store_path, settings.store, make=False) if writes else reading(store_path, settings.store)
            store = stack.enter_context(opened)
        tracer = AlertTracer(
            settings.alerts.folder, files.school, lambda: load_bindings(files.school, settings.feeds, files.folder)
        )
        yield Desk(trail, people, actor, files.school, keys, store, tracer=tracer)


def note_look(files: SchoolFiles, named: str | None, action: str, subjects: Sequence[str], **details: object) -> None:
    """Writes down that somebody is about to see what concerns one person, where it is said who asks: by `--as`, or by
    an account in the access file. A school that keeps a trail has such looks in it whoever asks."""
    from pipeline.access import Actor, Refused, find_actor, read_access

    path, trail, me = files.folder / files.settings.privacy.access, trail_of(files), account()
    people = read_access(_content(path), files.school.numbers, path.name) if named or path.is_file() else ()
    mine = [person for person in people if person.account == me]
    if named:
        try:
            who = find_actor(people, named, me).who
        except Refused as error:
            trail.add(action, {"account": me, "claimed": named}, result="refused", details={"why": str(error)})
            raise
    elif mine:
        who = Actor(mine[0], me).who if len(mine) == 1 else {"account": me}
    elif trail.path.exists():
        who = {"account": me}
    else:
        return
    trail.add(action, who, subjects=subjects, details=details)


def _content(path: Path) -> bytes:
    from pipeline.access import AccessError

    if path.is_file():
        return path.read_bytes()
    raise AccessError(path.name, 1, f"there is no such file in {path.parent}", "list there who may ask and approve")


def put_out(text: str, out: Path | None, what: str) -> None:
    """To the file, for its owner's eyes only, or to standard output."""
    if out is None:
        click.echo(text)
        return
    write_whole(out, (text if text.endswith("\n") else text + "\n").encode(), private=True)
    click.echo(f"{what}: {out}")
