"""Puts the parts together: from a school's folder to everything that a judgement needs.

The only place that knows every package. `SchoolError` is whatever is wrong with a school's files, as one message.
"""

from __future__ import annotations

import stat
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.settings import FILE_NAME, Settings, load_settings

if TYPE_CHECKING:
    from pipeline.assess import Assessor
    from pipeline.feeds.reading import Memory
    from pipeline.feeds.status import FeedsFacts
    from pipeline.feeds.text import FeedFile
    from pipeline.identity import Bindings
    from pipeline.school import School


class SchoolError(ValueError):
    """A school's files cannot be used; the message names file, line and mend."""


@dataclass(frozen=True, slots=True)
class SchoolFiles:
    """A school's folder, read: settings (the file at `path`) and tables."""

    path: Path
    settings: Settings
    school: School

    @property
    def folder(self) -> Path:
        """Where all the school's files lie."""
        return self.path.parent


def settings_path(given: Path) -> Path:
    """The settings file that `--school DIR` or `--config FILE` means. Raises SchoolError if there is none."""
    path = given / FILE_NAME if given.is_dir() else given
    if not path.is_file():
        raise SchoolError(f"{path}: there is no such settings file; copy one from the sample school and change it")
    return path


def read_school(given: Path) -> SchoolFiles:
    """Settings and tables of a school. Raises SchoolError, also for several errors at once, one a line."""
    from pipeline.school import load_school

    path = settings_path(given)
    try:
        settings = load_settings(path)
        return SchoolFiles(path, settings, load_school(path.parent, settings.school, settings.feeds))
    except (ValueError, OSError) as error:
        raise SchoolError(str(error)) from error


def seen_paths(settings: Settings) -> list[Path]:
    """Where a sensor that runs has written what it saw of ARP, NDP and DHCP: files in the spool, oldest first."""
    from sensor.sightings import FOLDER
    from sensor.spool import SUFFIX

    return sorted((settings.sensor.spool / FOLDER).glob(f"[0-9]*{SUFFIX}"))


def seen_by_sensor(settings: Settings) -> list[FeedFile]:
    """The same as files of the feed `sightings`."""
    from pipeline.feeds.text import FeedFile

    return [FeedFile.at(path, own=True) for path in seen_paths(settings)]


def assemble(
    files: SchoolFiles,
    remark: Callable[[str], None] = lambda text: None,
    memory: Memory | None = None,
    seen: Sequence[FeedFile] = (),
) -> Assessor:
    """Everything a judgement needs besides traffic. `remark` is told what the school's files and feeds lack: it makes
    minutes unknown, but is no error. `memory` spares reading feeds again that have not changed. `seen`: what a sensor
    saw of ARP, NDP and DHCP. Raises SchoolError."""
    from pipeline.identity import load_bindings
    from pipeline.school import LACKING
    from pipeline.sitechecks import site_facts
    from pipeline.sites import Standing

    try:
        bindings = load_bindings(files.school, files.settings.feeds, files.folder, memory, seen)
        judge = judge_of(files, bindings)
    except (ValueError, OSError) as error:
        raise SchoolError(str(error)) from error
    lacking = [f"{feed}: there is no such file, so nobody is known by it; correct [feeds]" for feed in bindings.missing]
    register = site_facts(files.school, judge.profile, judge.catalogue.services, date.today()).sites
    refused = [str(lack) for state in register if state.standing is Standing.REFUSED for lack in state.lacks]
    absent = [f"{name}: there is no such file, so {LACKING[name]}" for name in files.school.missing]
    for text in (*absent, *lacking, *bindings.problems, *refused):
        remark(text)
    return judge


def judge_of(files: SchoolFiles, bindings: Bindings | None = None) -> Assessor:
    """What judges by a school's files; without bindings minutes of which it is known whose they are. Raises ValueError,
    OSError."""
    from pipeline.assess import Assessor
    from pipeline.profile import load_profile
    from pipeline.pseudonym import Pseudonyms
    from sensor.catalogue import load_catalogue

    settings = files.settings
    catalogue = load_catalogue(settings.sensor.services, settings.sensor.exempt_sites)
    profile = load_profile(settings.school.policy_profile, files.folder)
    return Assessor(files.school, catalogue, profile, bindings, Pseudonyms.of_school(settings.school))


def feeds_facts(given: Path) -> FeedsFacts | None:
    """How the identity feeds of a school are now; None where it ties addresses to nobody. Raises SchoolError."""
    from pipeline.feeds.status import facts_now
    from pipeline.identity import load_bindings

    files = read_school(given)
    try:
        seen = seen_by_sensor(files.settings)
        bindings = load_bindings(files.school, files.settings.feeds, files.folder, seen=seen)
    except (ValueError, OSError) as error:
        raise SchoolError(str(error)) from error
    return None if bindings.off else facts_now(bindings.feeds, bindings.counts, time.time())


class SchoolWatch:
    """Notices when a file that a judgement rests on has changed: settings, tables, feeds, profile, catalogue."""

    def __init__(self, files: SchoolFiles) -> None:
        from pipeline.feeds.reading import Memory

        self._files = files
        self._memory = Memory()
        self._seen = self._fingerprint()

    def renewed(self) -> Assessor | None:
        """The school read anew if anything has changed since the last call, else None.

        Raises SchoolError if the files are wrong now; they are not looked at again until the next change.
        """
        seen = self._fingerprint()
        if seen == self._seen:
            return None
        self._seen = seen
        self._files = read_school(self._files.path)
        return assemble(self._files, memory=self._memory, seen=seen_by_sensor(self._files.settings))

    @property
    def files(self) -> SchoolFiles:
        """The school's files as they were read last."""
        return self._files

    @property
    def settings(self) -> Settings:
        """The settings as they were read last."""
        return self._files.settings

    def _fingerprint(self) -> tuple[tuple[str, int, int], ...]:
        from pipeline.feeds.reading import feed_files
        from pipeline.profile import profile_path

        settings, folder = self._files.settings, self._files.folder
        own_profile = profile_path(settings.school.policy_profile, folder)
        feeds = settings.feeds
        named = (feeds.devices, *feed_files(feeds, folder), settings.sensor.services, own_profile)
        paths = {*folder.glob("*.csv"), *folder.glob("*.toml"), *(path for path in named if path)}
        paths.update(seen_paths(settings))
        return tuple(state for path in sorted(paths) if (state := _state(path)))


def _state(path: Path) -> tuple[str, int, int] | None:
    """What changes with a file; None if it is not there, or no longer."""
    try:
        state = path.stat()
    except OSError:
        return None
    return (str(path), state.st_size, state.st_mtime_ns) if stat.S_ISREG(state.st_mode) else None
