"""What a job of the store's owner works with and is told, whichever job it is (deploy.acts)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from deploy.assembly import SchoolFiles
    from pipeline.jobs import Tell, Who
    from pipeline.store import Store

_FREE: AbstractContextManager[object] = nullcontext()


class JobError(ValueError):
    """A job cannot be done; the message says why."""


@dataclass(frozen=True)
class Work:
    """What a job works with. past: held by the one who changes what is stored; alone: that, and nothing fresh comes in
    meanwhile; stopping: should it end at its next step? send: has the reports sent that are due or were asked for."""

    files: SchoolFiles
    store: Store
    who: Who
    tell: Tell
    past: AbstractContextManager[object] = _FREE
    alone: AbstractContextManager[object] = _FREE
    stopping: Callable[[], bool] = lambda: False
    send: Callable[[], None] | None = None

    @property
    def school(self) -> str:
        return self.files.settings.school.id


class Asked(BaseModel):
    """What every job is told: the settings file of the school that is meant."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    school: Annotated[str, Field(max_length=4096)]
