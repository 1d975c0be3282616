"""The catalogue: which service a host name belongs to, and what the host is for.

Theory of operation: the data live in `services/` as CSV files and are compiled once into dictionaries keyed by name
suffix, so a look-up costs a few dictionary accesses per label of the longest name listed, however long the host is. Of
several rows that match, the one with the longest suffix wins; for the same suffix `full` beats `pattern` beats
`suffix`. A school's own file is laid over the shipped rows. Names of `exempt.csv` (unions, help lines, health, faith)
belong to no service, and no row can make them part of one. It does not know people, times or traffic.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Generic, Literal, NoReturn, TypeVar

from sensor.exempt import SHIPPED as EXEMPT
from sensor.exempt import exempt_sites, is_exempt, shipped_sites
from sensor.words import Action, Kind, Role, Watch

SHIPPED = Path(__file__).parent / "services"
NO_SERVICE = "none"  # as a row's service: these names belong to no service, whatever a shorter row says

Blindness = Literal["doh", "vpn", "ech"]


class Status(StrEnum):
    """Whether a service still exists. Defunct ones stay listed so that the policy's own list is complete."""

    ACTIVE = "active"
    DEFUNCT = "defunct"
    RENAMED = "renamed"


class Match(StrEnum):
    """How a row's name is compared with a host name, label by label."""

    SUFFIX = "suffix"  # the name itself and everything below it
    FULL = "full"  # exactly this name
    PATTERN = "pattern"  # `a.*.b.c`: first label a, then one label or more, then b.c


class CatalogueError(ValueError):
    """A catalogue file cannot be used; the message is `FILE:LINE: what is wrong; mend`."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service as people name it. `kind` is its heading in policy clause 2.3, `action` the default for its use."""

    id: str
    name: str
    kind: Kind
    action: Action
    status: Status
    about: str


@dataclass(frozen=True, slots=True)
class Hit:
    """What a host name stands for: the id of a service, and the host's role in it."""

    service: str
    role: Role


@dataclass(frozen=True, slots=True)
class Wiki:
    """A host of a wiki: service, what it is watched for, and the name it is shown by."""

    service: str
    watch: Watch
    host: str


@dataclass(frozen=True, slots=True)
class _Watched:
    """A row of wikis.csv; `domain` is shown instead of the host if it is not empty."""

    watch: Watch
    domain: str = ""


T = TypeVar("T")
_Key = tuple[Match, str]


class _Names(Generic[T]):
    """Values by host name, compiled from rows keyed by (match, name)."""

    def __init__(self, rows: Mapping[_Key, T]) -> None:
        self._full = {name: value for (match, name), value in rows.items() if match is Match.FULL}
        self._suffix = {name: value for (match, name), value in rows.items() if match is Match.SUFFIX}
        patterns = {name.partition(".*."): value for (match, name), value in rows.items() if match is Match.PATTERN}
        self._pattern = {(first, tail): value for (first, _, tail), value in patterns.items()}
        tails = [*self._suffix, *(tail for _, tail in self._pattern)]
        self._depth = max((name.count(".") + 1 for name in tails), default=0)

    def find(self, host: str) -> T | None:
        if not host.isascii():  # str.lower() makes ASCII of some other letters, such as the Kelvin sign
            return None
        host = host.lower().removesuffix(".")
        if host in self._full:
            return self._full[host]
        first = host.partition(".")[0]
        parts = host.rsplit(".", self._depth)
        for start in range(len(parts)):
            tail = ".".join(parts[start:])
            if (first, tail) in self._pattern and host.count(".") - tail.count(".") >= 2:
                return self._pattern[first, tail]
            if tail in self._suffix:
                return self._suffix[tail]
        return None


class Catalogue:
    """Services by id, rows by (match, host name), and a look-up by host name. `version` is `YYYY-MM-DD.hash`: the day
    the shipped rows were last checked, and a hash of every file read, so that a school's own rows show in it."""

    def __init__(
        self,
        version: str,
        services: Mapping[str, Service],
        domains: Mapping[_Key, Hit | None],
        blind: Mapping[_Key, Blindness],
        exempt: frozenset[str] = frozenset(),
        wikis: Mapping[_Key, _Watched] | None = None,
    ) -> None:
        self.version = version
        self._exempt = exempt
        self.services = services
        self.hosts = domains
        self._domains = _Names(domains)
        self._blind = _Names(blind)
        self._wikis = _Names(wikis or {})

    def lookup(self, host: str) -> Hit | None:
        """The service and role of `host`, or None. Any text is answered: case and one trailing dot do not matter."""
        hit = self._domains.find(host)
        return None if hit is None or is_exempt(host.lower(), self._exempt) else hit

    def wiki(self, host: str) -> Wiki | None:
        """What `host` is to a wiki whose edits can be told from reads (sensor.uploads); None for all other names.

        A mobile host counts as its wiki (en.m.wikipedia.org: en.wikipedia.org)."""
        row = self._wikis.find(host)
        hit = self.lookup(host) if row else None
        if row is None or hit is None or (row.watch is Watch.TEXT and hit.role not in _TEXT_ROLES):
            return None
        return Wiki(hit.service, row.watch, row.domain or _without_mobile(host.lower().removesuffix(".")))

    def blindness(self, host: str) -> Blindness | None:
        """What a connection to `host` hides from a sensor: `doh` (DNS inside HTTPS), `vpn` (a tunnel or relay),
        `ech` (the outer name of an encrypted ClientHello); None when it hides nothing known."""
        return self._blind.find(host)


_TEXT_ROLES = (Role.PRIMARY, Role.API, Role.AUTH)


def _without_mobile(host: str) -> str:
    """Labels `m` are of the mobile view (wikitech.wikimedia.org/wiki/Mobile_domain)."""
    labels = host.split(".")
    return ".".join(label for n, label in enumerate(labels) if label != "m" or n > 1)


def load_catalogue(extra: Path | None = None, exempt: Iterable[str] = (), content: bytes | None = None) -> Catalogue:
    """The shipped catalogue, with the school's own rows from `extra` laid over it, without the exempt sites: those of
    sensor.exempt and these. With `content`, as if these bytes were what `extra` holds.

    `extra` has the columns `service,domain,match,role` and, as far as wanted, `watch` (what a wiki's host is watched
    for: `text` for the school's own MediaWiki), `source,checked_on` and those of `services.csv`: `name`, `kind`, `status`, `action`, `about`. Filled in, the latter define a new service or change a
    known one; such a row may leave the domain empty. The service `none` takes names out of the catalogue.
    Raises CatalogueError for the first row that cannot be used, OSError if a file cannot be read.
    """
    files = [SHIPPED / name for name in ("services.csv", "domains.csv", "blind.csv", "wikis.csv")]
    files.append(EXEMPT)
    services, lines = _services(files[0])
    domains, checked = _domains(files[1], services)
    blind = _blind(files[2])
    wikis = _wikis(files[3])
    contents = [path.read_bytes() for path in files]
    if extra is not None:
        contents.append(extra.read_bytes() if content is None else content)
        _overlay(extra, contents[-1], services, lines, domains, wikis)
    with_primary = {hit.service for hit in domains.values() if hit is not None and hit.role is Role.PRIMARY}
    for service, (path, line) in lines.items():
        if service not in with_primary:
            _fail(path, line, f"service {service!r} has no primary domain", "add a row with role primary for it")
    digest = hashlib.sha256()
    for data in contents:
        digest.update(data + b"\0")
    sites = exempt_sites(exempt)
    if own := sites - shipped_sites():
        digest.update("\n".join(sorted(own)).encode())
    return Catalogue(f"{checked:%Y-%m-%d}.{digest.hexdigest()[:6]}", services, domains, blind, sites, wikis)


_Where = dict[str, tuple[Path, int]]


def _services(path: Path) -> tuple[dict[str, Service], _Where]:
    services: dict[str, Service] = {}
    lines: _Where = {}
    for line, row in _rows(path, ("service", "name", "kind", "status", "action", "about"), ()):
        name = row["service"]
        if name in services:
            _fail(path, line, f"service {name!r} is listed twice", "keep one of the rows")
        services[name] = _service(path, line, row, None)
        lines[name] = path, line
    return services, lines


def _service(path: Path, line: int, row: Mapping[str, str], known: Service | None) -> Service:
    """The service that a row describes; where the row is empty, `known` speaks."""
    name = row["service"]
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", name) or name == NO_SERVICE:
        _fail(path, line, f"service {name!r} is no id", "use up to 40 of a-z, 0-9, _ and -, and not the word 'none'")
    if known is None:
        if not row.get("name") or not row.get("kind"):
            _fail(path, line, f"service {name!r} is not known", "fill in name and kind to add it, or correct the id")
        known = Service(name, row["name"], Kind.OTHER, Action.TAG, Status.ACTIVE, "")
    return Service(
        id=name,
        name=row.get("name") or known.name,
        kind=_word(path, line, "kind", row.get("kind") or known.kind, Kind),
        action=_word(path, line, "action", row.get("action") or known.action, Action),
        status=_word(path, line, "status", row.get("status") or known.status, Status),
        about=row.get("about") or known.about,
    )


def _domains(path: Path, services: Mapping[str, Service]) -> tuple[dict[_Key, Hit | None], date]:
    domains: dict[_Key, Hit | None] = {}
    newest = date.min
    for line, row in _rows(path, ("service", "domain", "match", "role", "source", "checked_on"), ()):
        key = _key(path, line, row)
        if key in domains:
            _fail(path, line, f"{key[1]!r} is listed twice", "keep one of the rows")
        if row["service"] not in services:
            _fail(path, line, f"service {row['service']!r} is not known", "add it to services.csv or correct the id")
        domains[key] = Hit(row["service"], _word(path, line, "role", row["role"], Role))
        try:
            newest = max(newest, date.fromisoformat(row["checked_on"]))
        except ValueError:
            _fail(path, line, f"checked_on {row['checked_on']!r} is no date", "write it as YYYY-MM-DD")
    return domains, newest


def _blind(path: Path) -> dict[_Key, Blindness]:
    words: dict[str, Blindness] = {"doh": "doh", "vpn": "vpn", "ech": "ech"}
    blind: dict[_Key, Blindness] = {}
    for line, row in _rows(path, ("domain", "match", "blindness", "about", "source", "checked_on"), ()):
        key = _key(path, line, row)
        if key in blind:
            _fail(path, line, f"{key[1]!r} is listed twice", "keep one of the rows")
        if row["blindness"] not in words:
            _fail(path, line, f"blindness {row['blindness']!r} is not known", f"use one of {', '.join(words)}")
        blind[key] = words[row["blindness"]]
    return blind


def _wikis(path: Path) -> dict[_Key, _Watched]:
    wikis: dict[_Key, _Watched] = {}
    for line, row in _rows(path, ("domain", "match", "watch", "show", "about"), ()):
        key = _key(path, line, row)
        if key in wikis:
            _fail(path, line, f"{key[1]!r} is listed twice", "keep one of the rows")
        if row["show"] not in ("host", "domain"):
            _fail(path, line, f"show {row['show']!r} is not known", "use one of host, domain")
        shown = row["domain"] if row["show"] == "domain" else ""
        wikis[key] = _Watched(_word(path, line, "watch", row["watch"], Watch), shown)
    return wikis


def _overlay(
    path: Path,
    data: bytes,
    services: dict[str, Service],
    lines: _Where,
    domains: dict[_Key, Hit | None],
    wikis: dict[_Key, _Watched],
) -> None:
    """Lays the rows of a school's own file over `services`, `lines`, `domains` and `wikis`."""
    about = ("name", "kind", "status", "action", "about")
    seen: set[_Key] = set()
    columns = ("service", "domain", "match", "role"), ("watch", "source", "checked_on", *about)
    for line, row in _rows(path, *columns, data):
        service = row["service"]
        if service != NO_SERVICE and (service not in services or any(row.get(column) for column in about)):
            services[service] = _service(path, line, row, services.get(service))
            lines.setdefault(service, (path, line))
            if not row["domain"]:
                continue
        key = _key(path, line, row)
        if key in seen:
            _fail(path, line, f"{key[1]!r} is listed twice", "keep one of the rows")
        seen.add(key)
        domains[key] = None if service == NO_SERVICE else Hit(service, _word(path, line, "role", row["role"], Role))
        if row.get("watch"):
            wikis[key] = _Watched(_word(path, line, "watch", row["watch"], Watch))


_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})+")
_PATTERN = re.compile(rf"{_LABEL}\.\*(?:\.{_LABEL}){{2,}}")


def _key(path: Path, line: int, row: Mapping[str, str]) -> _Key:
    match = _word(path, line, "match", row["match"], Match)
    name = row["domain"].lower().removesuffix(".")
    if match is Match.PATTERN:
        if not _PATTERN.fullmatch(name):
            _fail(path, line, f"{row['domain']!r} is no pattern", "write it as first.*.example.com")
    elif len(name) > 253 or not _HOST.fullmatch(name):
        mend = "write the host name alone, such as example.com, without https://, path, port or *"
        _fail(path, line, f"{row['domain']!r} is no host name", mend)
    return match, name


W = TypeVar("W", bound=StrEnum)


def _word(path: Path, line: int, column: str, text: str, words: type[W]) -> W:
    try:
        return words(text)
    except ValueError:
        _fail(path, line, f"{column} {text!r} is not known", f"use one of {', '.join(words)}")


def _rows(
    path: Path, required: tuple[str, ...], optional: tuple[str, ...], data: bytes | None = None
) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file as (line, cells by column), cells stripped, empty rows left out. `data`: its bytes."""
    try:
        text = (path.read_bytes() if data is None else data).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        _fail(path, line, "the file is not UTF-8", "save it as 'CSV UTF-8'")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [cell.strip() for cell in next(reader, [])]
        missing = [column for column in required if column not in header]
        strange = [column for column in header if column not in required + optional]
        if missing or strange or len(set(header)) < len(header):
            wrong = f"the header row is {','.join(header)!r}"
            _fail(
                path,
                1,
                wrong,
                f"it must be {','.join(required)}" + (", then any of " + ",".join(optional)) * bool(optional),
            )
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                wrong = f"{len(cells)} cells instead of {len(header)}"
                _fail(path, reader.line_num, wrong, "put cells that contain a comma in double quotes")
            yield reader.line_num, dict(zip(header, (cell.strip() for cell in cells), strict=True))
    except csv.Error as error:
        _fail(path, reader.line_num, f"the row cannot be read ({error})", "mend its quotes")


def _fail(path: Path, line: int, wrong: str, mend: str) -> NoReturn:
    raise CatalogueError(f"{path}:{line}: {wrong}; {mend}")
