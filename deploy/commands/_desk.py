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


@contextmanager
def desk_of(
    folder: Path, named: str, action: str, store_path: Path | None = None, *, with_store: bool
) -> Iterator[Desk]:
    """The desk of the person that is named, who reads; what is refused is in the trail, and ends the command with a
    message. What changes the store is a job (deploy.jobs)."""
    from deploy.assembly import read_school
    from deploy.desk import actor_of, desk_at
    from deploy.stores import reading

    with failing_well(), ExitStack() as stack:
        files = read_school(folder)
        people, actor = actor_of(files, named, account(), action)
        store = stack.enter_context(reading(store_path, files.settings.store)) if with_store else None
        yield desk_at(files, people, actor, store)


def note_look(files: SchoolFiles, named: str | None, action: str, subjects: Sequence[str], **details: object) -> None:
    """Writes down that somebody is about to see what concerns one person, where it is said who asks: by `--as`, or by
    an account in the access file. A school that keeps a trail has such looks in it whoever asks."""
    from deploy.desk import access_of, trail_of
    from pipeline.access import Actor, Refused, find_actor

    path, trail, me = files.folder / files.settings.privacy.access, trail_of(files), account()
    people = access_of(files) if named or path.is_file() else ()
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


def put_out(text: str, out: Path | None, what: str) -> None:
    """To the file, for its owner's eyes only, or to standard output."""
    if out is None:
        click.echo(text)
        return
    write_whole(out, (text if text.endswith("\n") else text + "\n").encode(), private=True)
    click.echo(f"{what}: {out}")
