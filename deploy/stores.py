"""Which store a command means: the one that `--store` names, or that of the settings.

`--store` takes the folder of an embedded store, or a settings file (schoolgate.toml) whose `[store]` says where it is:
that is how commands without a school reach ClickHouse servers.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from pipeline.jobs import Jobs
from pipeline.opening import owned, to_read
from pipeline.settings import StoreSettings
from pipeline.store import Store


def owning(
    given: Path | None, settings: StoreSettings | None = None, *, make: bool = True, jobs: Jobs | None = None
) -> AbstractContextManager[Store]:
    """The store to read and write; with `make`, it is made if there is none; `jobs`: what we do for others while we
    have it. Raises StoreError, StoreBusy, SettingsError."""
    return owned(meant(given, settings), make=make, jobs=jobs)


def reading(given: Path | None, settings: StoreSettings | None = None) -> AbstractContextManager[Store]:
    """The store to read from; its owner may be at work. Raises StoreError, StoreBusy, SettingsError."""
    return to_read(meant(given, settings))


def meant(given: Path | None, settings: StoreSettings | None) -> StoreSettings:
    """The store that `--store` names if it is given, else that of the settings."""
    if given is None:
        return settings or StoreSettings()
    if given.is_file() and given.suffix == ".toml":
        from deploy.settings import load_settings

        return load_settings(given).store
    return StoreSettings(path=given)


def on_own_servers(given: Path | None, settings: StoreSettings) -> bool:
    """Is the store that is meant the one on the servers that the school's settings name? Nobody holds those: the door
    of the process that works with them is in the spool's folder."""
    return bool(settings.servers) and meant(given, settings).servers == settings.servers


def of_school(given: Path) -> str:
    """The school whose rows a backup of this store holds: on servers that of the settings; '' for all that it has."""
    if given.is_file() and given.suffix == ".toml":
        from deploy.settings import load_settings

        settings = load_settings(given)
        return settings.school.id if settings.store.servers else ""
    return ""
