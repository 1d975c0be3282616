"""A school's own services as the commands see them: where they stand, a change that is asked for, and its effect.

Nothing is changed here; `schoolgate catalogue` applies a change by `sensor.versions`.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deploy.commands._say import fail, failing_well

if TYPE_CHECKING:
    from pipeline.effect import Effect, Week
    from pipeline.profile import Profile
    from pipeline.settings import StoreSettings
    from sensor.catalogue import Catalogue


Option = Callable[[Any], Any]

SCHOOL = click.option(
    "--school", "folder", required=True, type=click.Path(exists=True, path_type=Path), help="The school's folder."
)
STORE = click.option(
    "--store",
    "store_path",
    type=click.Path(path_type=Path),
    help="Folder of the store; else store.path of the settings.",
)
YES = click.option("--yes", is_flag=True, help="Do not ask before applying.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_KINDS = "social_networking blog microblog chatroom forum podcast encyclopaedia bookmarking content_sharing other"
KIND = click.option("--kind", type=click.Choice(_KINDS.split()), help="Its kind (clause 2.3).")
_ACTION = click.option(
    "--action", type=click.Choice(["tag", "count_only", "ignore"]), help="What is done with its use."
)
_NAME = click.option("--name", default="", help="Its name for people.")
_ABOUT = click.option("--about", default="", help="A remark.")
_STATUS = click.option("--status", type=click.Choice(["active", "defunct", "renamed"]), help="Whether it still exists.")
_ROLES = "primary api cdn media auth push widget ads shared"
_ROLE = click.option(
    "--role", type=click.Choice(_ROLES.split()), default="primary", show_default=True, help="What the names are for."
)
_MATCH = click.option(
    "--match",
    type=click.Choice(["suffix", "full", "pattern"]),
    default="suffix",
    show_default=True,
    help="The names and all below them, exactly them, or first.*.example.com.",
)


def _with(*options: Option) -> Option:
    """Several options as one decorator, in this order."""

    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


ADDING = _with(
    click.argument("service"),
    click.argument("domains", nargs=-1, required=True, metavar="DOMAIN..."),
    *(SCHOOL, _NAME, KIND, _ACTION, _ROLE, _MATCH, _ABOUT, STORE),
)
OVERRIDING = _with(click.argument("service"), SCHOOL, _ACTION, KIND, _NAME, _STATUS, _ABOUT, STORE)


@dataclass(frozen=True)
class OwnServices:
    """A school's own services: where they stand, `extra` and `exempt` as load_catalogue takes them, and what judges
    them."""

    path: Path
    extra: Path | None
    exempt: tuple[str, ...]
    profile: Profile
    store: StoreSettings
    school: str


def own_services(folder: Path, *, check: bool = True) -> OwnServices:
    """Raises ValueError (settings, profile; with `check` also the file as it is)."""
    from deploy.assembly import settings_path
    from deploy.settings import OWN_SERVICES, load_settings
    from pipeline.profile import load_profile
    from sensor.catalogue import load_catalogue

    file = settings_path(folder)
    settings = load_settings(file)
    path = settings.sensor.services or file.parent / OWN_SERVICES
    extra = path if path.is_file() else None
    if check:
        load_catalogue(extra, settings.sensor.exempt_sites)
    profile = load_profile(settings.school.policy_profile, file.parent)
    return OwnServices(path, extra, tuple(settings.sensor.exempt_sites), profile, settings.store, settings.school.id)


@dataclass(frozen=True)
class CatalogueChange:
    """A change that is asked for: the new content of the school's own file."""

    own: OwnServices
    content: bytes
    store: StoreSettings
    did: str

    def catalogues(self) -> tuple[Catalogue, Catalogue]:
        """Before and after; raises CatalogueError if the new one cannot be used."""
        from sensor.catalogue import load_catalogue

        own = self.own
        return load_catalogue(own.extra, own.exempt), load_catalogue(own.path, own.exempt, self.content)

    def effects(self) -> tuple[tuple[Effect, ...], Week | None]:
        """What it would have made of the last week. Raises StoreError."""
        from pipeline.effect import effects, last_week
        from pipeline.opening import to_read

        week = None
        if self.store.servers or self.store.path.is_dir():
            with to_read(self.store) as store:
                week = last_week(store, self.own.school)
        return (effects(*self.catalogues(), self.own.profile, week) if week else ()), week


def adding(
    service: str,
    domains: tuple[str, ...],
    folder: Path,
    name: str,
    kind: str | None,
    action: str | None,
    role: str,
    match: str,
    about: str,
    store_path: Path | None,
) -> CatalogueChange:
    with failing_well():
        from deploy.stores import meant
        from sensor.exempt import exempt_sites, is_exempt
        from sensor.ownservices import with_rows

        own = own_services(folder)
        sites = exempt_sites(own.exempt)
        if never := next((d for d in domains if is_exempt(d.lower().replace(".*.", "."), sites)), None):
            fail(f"{never!r} is exempt: nothing of it may be stored; leave it out (see sensor/services/exempt.csv)")
        words = {"name": name, "kind": kind or "", "action": action or "", "about": about}
        rows = [
            {"service": service, "domain": domain, "match": match, "role": role, **(words if not n else {})}
            for n, domain in enumerate(domains)
        ]
        content = with_rows(own.extra.read_bytes() if own.extra else None, rows, str(own.path))
        return CatalogueChange(own, content, meant(store_path, own.store), shlex.join(["add", service, *domains]))


def overriding(
    service: str,
    folder: Path,
    action: str | None,
    kind: str | None,
    name: str,
    status: str | None,
    about: str,
    store_path: Path | None,
) -> CatalogueChange:
    words = {"action": action or "", "kind": kind or "", "name": name, "status": status or "", "about": about}
    if not any(words.values()):
        raise click.UsageError("say what to change: --action, --kind, --name, --status or --about")
    with failing_well():
        from deploy.stores import meant
        from sensor.catalogue import load_catalogue
        from sensor.ownservices import with_service

        own = own_services(folder)
        if service not in load_catalogue(own.extra, own.exempt).services:
            fail(f"there is no service {service!r}; list them with: schoolgate catalogue list, or add it")
        content = with_service(own.extra.read_bytes() if own.extra else None, service, words, str(own.path))
        said = " ".join(f"{key}={value}" for key, value in words.items() if value)
        return CatalogueChange(own, content, meant(store_path, own.store), f"override {service} {said}")
