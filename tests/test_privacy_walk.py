"""A full run of the sample day in both modes, then a walk through all that it left: every table, spool file, trail,
export, document and message. Words that stand for somebody or something are planted in every file of the school; each
place may hold only the sorts of words that it needs.
"""

from __future__ import annotations

import csv
import hashlib
import io
import ipaddress
import json
import re
import shutil
import stat
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy.alerting import texts_of
from deploy.assembly import read_school
from pcaps.sample_school.facts import SAMPLE_DAY
from pipeline.alerts.copies import copy_changes
from pipeline.alerts.outbox import Outbox
from pipeline.alerts.raising import Alerts
from pipeline.feeds.reading import FEEDS
from pipeline.notice import SOURCES
from pipeline.pseudonym import Pseudonyms
from pipeline.schema import BY_NAME
from pipeline.store import open_store
from pipeline.words import Reason
from sensor.catalogue import load_catalogue
from sensor.slices import pack_address
from tests import canary_feeds
from tests.conftest import SampleDay
from tests.deploy.command import Contents, contents, many, schoolgate_well
from tests.pipeline.alarming import Alarm

DAY, SCHOOL = SAMPLE_DAY.isoformat(), "ysgol-enghraifft"
PLANTED = {  # file -> columns whose cells are replaced; nothing of them may go anywhere
    "staff.csv": ("email", "department"),
    "timetable.csv": ("class", "room"),
    "duties.csv": ("place",),
    "exceptions.csv": ("ref",),
    "official_sites.csv": ("account", "purpose", "host"),
    "devices.csv": ("asset_tag",),
}
RELEASE = {"date": DAY, "start_or_slot": "P3", "kind": "facility_time", "entered_at": f"{DAY}T07:00:00"}
RELEASED = ("T10", "T11", "T12")
ABSENCES = """date,staff_id,start_or_slot,end,kind,ref,entered_at,Reason,Pupil
{day},T20,P1,,sick canary migraine,canarypupil Jones,{day}T07:00:00,canary surgery,canarypupil Jones
"""
MAPPED: tuple[str, ...] = ()
TOKEN = re.compile(r"[A-Za-z0-9_.:@/-]+")
NM, HEAD, DPO = "network_manager/Sam Rees", "head/Ann Bowen", "dpo/Dewi Prys"
TEXT = "A parent says that lessons begin late"


@dataclass
class World:
    """One run: the school's folder, what is in the store, and every text that came out, by name."""

    mode: str
    folder: Path
    subject: str
    tables: Contents
    words: dict[str, set[str]]
    texts: dict[str, str] = field(default_factory=dict)

    def sorts_in(self, text: str) -> dict[str, set[str]]:
        """The sorts of words in a text, with those found."""
        found: dict[str, set[str]] = {}
        for token in {part.strip(".:-/") for part in TOKEN.findall(text.lower())}:
            for sort, words in self.words.items():
                if token in words:
                    found.setdefault(sort, set()).add(token)
            if CATALOGUE.lookup(token) is not None:
                found.setdefault("site", set()).add(token)
            if is_address(token):
                found.setdefault("address", set()).add(token)
        if str(self.folder) in text or "/tmp/" in text or "canary" in text.lower():
            found.setdefault("path or planted word", set()).add(text[:80])
        if re.search("facility|trade.union.*rep", text.lower()):
            found.setdefault("why released", set()).add(text[:80])
        return found


CATALOGUE = load_catalogue()


def is_address(token: str) -> bool:
    try:
        ipaddress.ip_address(token)
    except ValueError:
        return bool(re.fullmatch(r"(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}", token))
    return "." in token or token.count(":") > 1


def plant(folder: Path) -> None:
    """Puts a word that is nowhere else into every cell that nobody needs, and says why somebody is released."""
    canary_feeds.plant_feeds(folder)
    for name, columns in PLANTED.items():
        with (folder / name).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        if name == "exceptions.csv":
            rows += [dict.fromkeys(rows[0], "") | {"staff_id": who, **RELEASE} for who in RELEASED]
        for n, row in enumerate(rows):
            for column in columns:
                row[column] = f"canary-{column}-{n}@canary.example" if column == "email" else f"canary-{column}-{n}"
            writer.writerow(row)
        (folder / name).write_text(text.getvalue(), encoding="utf-8")
    logons = folder / "feeds" / "logons.csv"
    lines = logons.read_text(encoding="utf-8").splitlines()
    more = [line for line in lines[1:] if ",4624," in line][:20]
    staff = {row["username"] for row in csv.DictReader((folder / "staff.csv").open(encoding="utf-8"))}
    pupils = [re.sub(rf",({'|'.join(sorted(staff))}),", ",canarypupil,", line) for line in more]
    logons.write_text("\n".join([*lines, *(line.replace("LT-", "PUPIL-") for line in pupils)]) + "\n", encoding="utf-8")


def words_of(folder: Path, day: SampleDay) -> dict[str, set[str]]:
    def column(name: str, *columns: str) -> set[str]:
        with (folder / name).open(encoding="utf-8", newline="") as file:
            return {part.lower() for row in csv.DictReader(file) for c in columns for part in row[c].split(";") if part}

    words = {"person": column("staff.csv", "staff_id", "username"), "mail": column("staff.csv", "email")}
    words["machine"] = column("devices.csv", "hostname", "mac") | {str(row["device"]).lower() for row in day.truth}
    words["leased"] = column("feeds/kea-leases4.csv", "address", "hwaddr")
    words["leased"] |= {*canary_feeds.MARKS, *canary_feeds.ADDRESSES}
    words["actor"] = {"sam", "rees", "bowen", "dewi", "prys", "mair", "lloyd", "nia", "pugh"}
    return words


def raise_alert(folder: Path, store: Path) -> str:
    """An edit by somebody with a lease, told and copied into the store."""
    files = read_school(folder)
    settings = files.settings.alerts
    at = datetime(SAMPLE_DAY.year, SAMPLE_DAY.month, SAMPLE_DAY.day, 10, tzinfo=UTC).timestamp()
    with closing(Outbox(settings.folder)) as outbox, open_store(store) as opened:
        alerts = Alerts(outbox, settings.folder, files.school, settings, texts_of(files.settings))
        why = ("10.20.1.99 at 00:16:3e:00:10:62 sent 5,124 B",)
        alert = alerts.edit(Alarm(time=at, client=pack_address("10.20.1.99"), why=why), at)
        assert alert is not None
        alerts.plan(at, ["mail"])
        assert copy_changes(outbox, opened, SCHOOL) == 2
    return alert.id


@pytest.fixture(scope="module", params=["aggregate", "pseudonymous"])
def world(request: pytest.FixtureRequest, sample_day: SampleDay, tmp_path_factory: pytest.TempPathFactory) -> World:
    root = tmp_path_factory.mktemp("walk")
    folder, store, out = root / "school", root / "store", root / "out"
    shutil.copytree(sample_day.folder, folder, ignore=shutil.ignore_patterns("*.pcap", "*.jsonl", "*-keys.json"))
    settings = folder / "schoolgate.toml"
    settings.write_text(settings.read_text().replace('"pseudonymous"', f'"{request.param}"'))
    plant(folder)
    out.mkdir()
    said = schoolgate_well("replay", sample_day.capture, "--school", folder, "--store", store)
    tables = contents(store)
    episodes = {row["id"]: row["pseudonym"] for row in tables["episode"]}
    whose = {}
    if episodes:
        keys, ids = Pseudonyms(folder / "pseudonym-keys.json"), read_school(folder).school.numbers
        whose = {id_: str(keys.whose(pseudonym, ids)) for id_, pseudonym in episodes.items()}
    episode = next((id_ for id_, staff in sorted(whose.items()) if staff not in ("L01", "S11")), "e0")
    subject = whose.get(episode, "T05")
    world = World(request.param, folder, subject, tables, words_of(folder, sample_day))
    world.texts["replay"] = said.stdout + said.stderr
    at, contest = ["--school", str(folder)], "c" + hashlib.sha256(f"{SCHOOL}/{episode}/0".encode()).hexdigest()[:10]
    with_store = [*at, "--store", str(store)]
    alert = raise_alert(folder, store)
    asked = ["--case", "2026/7", "--reason", "complaint", "--text", TEXT, "--from", DAY, "--to", DAY]
    absences = root / "absences.csv"
    absences.write_text(ABSENCES.format(day=DAY), encoding="utf-8")
    commands = {
        "import": ["import", str(absences), *at, "--as", "exceptions", "--apply", "--keep", *MAPPED],
        "lookup request": ["lookup", "request", *with_store, "--as", NM, *asked, "--episode", episode],
        "lookup approve": ["lookup", "approve", "L1", *with_store, "--as", HEAD],
        "lookup show": ["lookup", "show", "L1", *with_store, "--as", NM, "--json"],
        "contest open": ["contest", "open", episode, *with_store, "--as", DPO, "--reason", "cover", "--text", "Cover."],
        "contest uphold": ["contest", "uphold", contest, *with_store, "--as", HEAD, "--text", "Sheet found."],
        "contest list": ["contest", "list", *with_store, "--as", HEAD],
        "subject access": ["subject-access", subject, *with_store, "--as", DPO, "--out", str(out)],
        "refused": ["subject-access", "T06", *with_store, "--as", NM, "--out", str(out)],
        "pause": ["pause", *at, "--as", HEAD, "--reason", "evacuation"],
        "resume": ["resume", *at, "--as", HEAD],
        "notice": ["notice", *at, "--issue", "--as", DPO],
        "hysbysiad": ["notice", *at, "--lang", "cy"],
        "banner": ["notice", *at, "--banner"],
        "dpia": ["dpia", *at],
        "record": ["dpia", *at, "--record"],
        "state": ["state", RELEASED[0], DAY, *at],
        "feeds": ["feeds", *at],
        "feeds as data": ["feeds", *at, "--json"],
        "list": ["why", "--store", str(store), "--day", DAY, "--list"],
        "why": ["why", episode, "--store", str(store)],
        "alerts": ["alerts", "list", *at],
        "alerts as data": ["alerts", "list", *at, "--json"],
        "alert": ["alerts", "show", alert, *at],
        "report": ["report", "--week", "2026-W47", "--store", str(store), "--out", "-"],
        "retag": ["retag", *with_store],
        "audit show": ["audit", "show", *at, "--as", DPO],
        "audit summary": ["audit", "summary", *at, "--month", f"{datetime.now():%Y-%m}", "--json"],
        "audit verify": ["audit", "verify", *with_store, "--json"],
    }
    refused = {"refused"} | ({"why", "lookup show", "retag"} if world.mode == "aggregate" else set())
    if world.mode == "aggregate":
        refused |= {"lookup request", "lookup approve", "contest open", "contest uphold"}
    for (name, command), (status, said_, errors) in zip(commands.items(), many(list(commands.values())), strict=True):
        assert (status != 0) == (name in refused), (name, command, said_, errors)
        world.texts[name] = (said_ + errors).replace(str(root), "")  # a command may repeat the paths that it was given
    for path in out.iterdir():
        world.texts[path.name] = path.read_text(encoding="utf-8")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    world.texts["audit"] = (folder / "audit.jsonl").read_text(encoding="utf-8")
    for path in (path for path in (folder / "imports").rglob("*") if path.is_file()):
        world.texts[f"imports/{path.relative_to(folder / 'imports')}"] = path.read_text(encoding="utf-8")
        assert path.name in ("lock", "state.json") or stat.S_IMODE(path.stat().st_mode) == 0o600, path
    world.texts["pauses"] = (folder / "pauses.csv").read_text(encoding="utf-8")
    world.tables = contents(store)
    return world


def without_wiki(found: dict[str, set[str]]) -> dict[str, set[str]]:
    """An alert names the wiki, and no other site."""
    sites = found.pop("site", set()) - {"en.wikipedia.org"}
    return found | ({"site": sites} if sites else {})


def test_no_table_holds_any_such_word(world: World) -> None:
    assert set(world.tables) == set(BY_NAME)
    found = {}
    for table, rows in world.tables.items():
        named = [name for name, kind in BY_NAME[table].types.items() if "String" in kind]
        text = "\n".join(str(row[name]) for row in rows for name in named)
        if sorts := without_wiki(world.sorts_in(text)) if table == "alert" else world.sorts_in(text):
            found[table] = sorts
    assert found == {}
    assert bool(world.tables["episode"]) == bool(world.tables["contest"]) == (world.mode == "pseudonymous")


MAY: dict[str, set[str]] = {  # what a text may hold; everything else nothing
    "audit": {"person", "actor"},
    "audit show": {"person", "actor"},
    "lookup show": {"person", "mail"},
    "import": {"person"},
}
TABLE_OF_THE_SCHOOL = {"person", "mail", "machine", "path or planted word", "why released"}
"""What the kept files of an import may hold: what the school's own files do, of which they are copies."""


def test_no_text_holds_what_it_need_not(world: World) -> None:
    own = {world.subject.lower()}
    for name, text in world.texts.items():
        found = world.sorts_in(text)
        about_one = name.startswith(world.subject) or name in ("subject access", "lookup show", "refused")
        if about_one:
            person = world.folder / "staff.csv"
            (row,) = [r for r in csv.DictReader(person.open()) if r["staff_id"] == world.subject]
            assert found.pop("person", own) <= own | ({"t06"} if name == "refused" else set()), (name, found)
            assert found.pop("mail", set()) <= {row["email"]}, name
            text = text.replace(row["email"], "").replace(row["department"], "")
            found.pop("path or planted word", None)
            assert "canary" not in text, name
            assert str(world.folder) not in text
        may = TABLE_OF_THE_SCHOOL if name.startswith("imports/") and name.endswith(".csv") else MAY.get(name, set())
        assert not re.search("migraine|surgery|canarypupil", text.lower()), name
        found = {sort: words for sort, words in found.items() if sort not in may}
        assert (without_wiki(found) if "alert" in name or name == "report" else found) == {}, name


def test_the_walk_would_find_them(world: World) -> None:
    text = "by t05 at LT-001 (10.20.1.87, 00:16:3e:00:10:00) on www.facebook.com, told Bowen of /tmp/x and canary-ref-3"
    assert set(world.sorts_in(text)) >= {"person", "machine", "address", "site", "actor", "path or planted word"}


def test_the_trail_names_who_was_looked_at_and_is_intact(world: World) -> None:
    verified = json.loads(world.texts["audit verify"])
    assert verified["intact"]
    entries = [json.loads(line) for line in world.texts["audit"].splitlines()]
    actions = [(entry["action"], entry["result"]) for entry in entries]
    assert ("subject.export", "refused") in actions
    assert ("pause.begun", "done") in actions
    looked = [entry for entry in entries if entry["action"] in ("lookup.approved", "lookup.shown")]
    assert [entry["subjects"] for entry in looked] == ([[world.subject]] * 2 if world.mode == "pseudonymous" else [])
    assert stat.S_IMODE((world.folder / "audit.jsonl").stat().st_mode) == 0o600


def test_keys_are_a_file_of_their_own_or_there_are_none(world: World) -> None:
    path = world.folder / "pseudonym-keys.json"
    assert path.exists() == (world.mode == "pseudonymous")
    if path.exists():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert all(re.fullmatch(r"[0-9a-f]{64}", key) for key in json.loads(path.read_text()).values())
        stored = json.dumps(world.tables, default=str)
        assert not [key for key in json.loads(path.read_text()).values() if key in stored]


def test_every_sort_of_feed_was_there_and_its_accounts_were_dropped(world: World) -> None:
    """Else the walk would not show what becomes of their words; and the documents name each of them."""
    told = {feed["key"]: feed for feed in json.loads(world.texts["feeds as data"])}
    assert set(told) == {"kea_leases", "logons", *canary_feeds.FILES} == {feed.key for feed in FEEDS}
    assert all(feed["records"] and not feed["refused"] for feed in told.values()), told
    assert told["radius_detail"]["accounts_dropped"] == 1
    assert told["logons"]["accounts_dropped"] > 1
    for text in ("notice", "hysbysiad", "dpia", "record"):
        assert [title for title in SOURCES.values() if title not in world.texts[text]] == [], text


def test_why_somebody_is_released_is_told_nowhere_but_that_he_is(world: World) -> None:
    assert Reason.RELEASED.sentence in world.texts["state"]
    assert "why released" in world.sorts_in("exceptions.csv:9 says facility_time")
