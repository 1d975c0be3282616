"""The catalogue: contested names, the policy's own list, and what a school may add."""

from __future__ import annotations

import contextlib
import csv
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.catalogue import SHIPPED, Catalogue, CatalogueError, Hit, Match, Status, load_catalogue
from sensor.words import Action, Kind, Role

CATALOGUE = load_catalogue()
with (SHIPPED / "domains.csv").open(encoding="utf-8") as file:
    ROWS = list(csv.DictReader(file))
SUFFIXES = {row["domain"]: row for row in ROWS if row["match"] == "suffix"}


@pytest.mark.parametrize(
    ("host", "service", "role"),
    [
        ("www.facebook.com", "facebook", Role.PRIMARY),
        ("facebook.com", "facebook", Role.PRIMARY),
        ("WWW.FaceBook.COM", "facebook", Role.PRIMARY),
        ("www.facebook.com.", "facebook", Role.PRIMARY),
        ("static.xx.fbcdn.net", "facebook", Role.CDN),
        ("scontent.fman1-2.fna.fbcdn.net", "facebook", Role.CDN),
        ("instagram.fman1-2.fna.fbcdn.net", "instagram", Role.MEDIA),
        ("instagram.fbcdn.net", "facebook", Role.CDN),
        ("scontent-lhr8-1.cdninstagram.com", "instagram", Role.MEDIA),
        ("edge-mqtt.facebook.com", "facebook", Role.PUSH),
        ("graph.facebook.com", "facebook", Role.API),
        ("connect.facebook.net", "facebook", Role.WIDGET),
        ("pixel.facebook.com", "facebook", Role.ADS),
        ("platform.twitter.com", "twitter", Role.WIDGET),
        ("px.ads.linkedin.com", "linkedin", Role.ADS),
        ("alb.reddit.com", "reddit", Role.ADS),
        ("gateway.discord.gg", "discord", Role.PUSH),
        ("rr3---sn-cu-n1q6.googlevideo.com", "youtube", Role.MEDIA),
        ("www.youtube-nocookie.com", "youtube", Role.WIDGET),
        ("studio.youtube.com", "youtube", Role.PRIMARY),
        ("stats.wp.com", "wordpress", Role.ADS),
        ("staff.blogspot.co.uk", "blogger", Role.PRIMARY),
        ("cy.wikipedia.org", "wikipedia", Role.PRIMARY),
        ("en.m.wikipedia.org", "wikipedia", Role.PRIMARY),
        ("commons.wikimedia.org", "wikipedia", Role.PRIMARY),
        ("auth.wikimedia.org", "wikipedia", Role.AUTH),
        ("upload.wikimedia.org", "wikipedia", Role.MEDIA),
        ("assets-hcaptcha.wikimedia.org", "wikipedia", Role.WIDGET),
        ("intake-analytics.wikimedia.org", "wikipedia", Role.ADS),
        ("forums.digitalspy.com", "digitalspy", Role.PRIMARY),
        ("e7.whatsapp.net", "whatsapp", Role.PUSH),
    ],
)
def test_contested_names(host: str, service: str, role: Role) -> None:
    assert CATALOGUE.lookup(host) == Hit(service, role)


@pytest.mark.parametrize(
    "host",
    [
        "notfacebook.com",
        "facebook.com.evil.example",
        "facebook.com..",
        "com",
        "",
        ".",
        "www.gstatic.com",
        "lh3.googleusercontent.com",
        "www.google.com",
        "www.digitalspy.com",
        "faceboo\N{KELVIN SIGN}.com",
        "britannica.com",
        "cloudflare-ech.com",
    ],
)
def test_names_of_no_service(host: str) -> None:
    assert CATALOGUE.lookup(host) is None


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Facebook", Kind.SOCIAL_NETWORKING),
        ("MySpace", Kind.SOCIAL_NETWORKING),
        ("WordPress.com", Kind.BLOG),
        ("Blogger", Kind.BLOG),
        ("Tumblr", Kind.BLOG),
        ("Medium", Kind.BLOG),
        ("Substack", Kind.BLOG),
        ("X (Twitter)", Kind.MICROBLOG),
        ("Discord", Kind.CHATROOM),
        ("Mumsnet", Kind.FORUM),
        ("The Student Room", Kind.FORUM),
        ("Reddit", Kind.FORUM),
        ("Apple Podcasts", Kind.PODCAST),
        ("Wikipedia", Kind.ENCYCLOPAEDIA),
        ("del.icio.us", Kind.BOOKMARKING),
        ("flickr", Kind.CONTENT_SHARING),
        ("YouTube", Kind.CONTENT_SHARING),
    ],
)
def test_what_policy_2_3_names_is_listed_under_its_heading(name: str, kind: Kind) -> None:
    assert [service.kind for service in CATALOGUE.services.values() if service.name == name] == [kind]


def test_dual_use_and_reading_are_not_tagged() -> None:
    action = {service.id: service.action for service in CATALOGUE.services.values()}
    counted = ("youtube", "linkedin", "whatsapp", "messenger", "flickr", "wordpress", "blogger", "medium", "substack")
    assert {action[service] for service in counted} == {Action.COUNT_ONLY}
    assert action["wikipedia"] is Action.IGNORE
    assert {action[service] for service in ("facebook", "twitter", "tiktok", "discord", "mumsnet")} == {Action.TAG}
    assert CATALOGUE.services["delicious"].status is Status.DEFUNCT


def test_every_row_is_found() -> None:
    for row in ROWS:
        name = row["domain"]
        host = {"full": name, "suffix": "zz9." + name, "pattern": name.replace("*", "any.pop")}[row["match"]]
        assert CATALOGUE.lookup(host) == Hit(row["service"], Role(row["role"])), host


LABEL = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=12)


@given(prefix=st.lists(LABEL, min_size=1, max_size=6), name=st.sampled_from(sorted(SUFFIXES)))
def test_labels_in_front_change_nothing_unless_a_longer_row_says_so(prefix: list[str], name: str) -> None:
    host = ".".join([*prefix, name])
    longer = {match for match in _names_ending(host) if len(match) > len(name)}
    patterned = host.startswith("instagram.") and host.endswith(".fbcdn.net")
    if not longer and not patterned:
        assert CATALOGUE.lookup(host) == Hit(SUFFIXES[name]["service"], Role(SUFFIXES[name]["role"]))


def _names_ending(host: str) -> set[str]:
    labels = host.split(".")
    tails = {".".join(labels[start:]) for start in range(len(labels))}
    return tails & set(SUFFIXES) | {host} & {row["domain"] for row in ROWS}


@given(name=st.sampled_from(sorted(SUFFIXES)), glued=LABEL, behind=LABEL)
def test_a_name_inside_a_name_is_no_match(name: str, glued: str, behind: str) -> None:
    if not _names_ending(glued + name):
        assert CATALOGUE.lookup(glued + name) is None
    host = f"{name}.{behind}.invalid"
    assert CATALOGUE.lookup(host) is None


@given(st.one_of(st.text(), st.text("ab.*-K\0\udcff", max_size=300), st.just("a." * 30_000)))
def test_any_text_is_answered(host: str) -> None:
    assert CATALOGUE.lookup(host) is None or host.isascii()
    assert CATALOGUE.blindness(host) in (None, "doh", "vpn", "ech")


@given(name=st.sampled_from(sorted(SUFFIXES)), case=st.lists(st.booleans(), min_size=60, max_size=60))
def test_case_and_trailing_dot_do_not_matter(name: str, case: list[bool]) -> None:
    shouted = "".join(c.upper() if up else c for c, up in zip(name, case * 2, strict=False))
    assert CATALOGUE.lookup(shouted + ".") == CATALOGUE.lookup(name) is not None


@pytest.mark.parametrize(
    ("host", "kind"),
    [
        ("cloudflare-ech.com", "ech"),
        ("mozilla.cloudflare-dns.com", "doh"),
        ("dns.google", "doh"),
        ("mask.icloud.com", "vpn"),
        ("us8042.nordvpn.com", "vpn"),
        ("www.icloud.com", None),
        ("www.facebook.com", None),
    ],
)
def test_what_blinds_the_sensor_is_no_service(host: str, kind: str | None) -> None:
    assert CATALOGUE.blindness(host) == kind
    assert kind is None or CATALOGUE.lookup(host) is None


def extra(folder: Path, text: str | bytes) -> Path:
    path = folder / "services.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def load_with(folder: Path, *rows: str, head: str = "service,domain,match,role") -> Catalogue:
    return load_catalogue(extra(folder, "\n".join([head, *rows])))


def test_a_school_adds_renames_and_removes(tmp_path: Path) -> None:
    ours = load_with(
        tmp_path,
        "ourspace,OurSpace.Example,suffix,primary,OurSpace,forum,",
        "ourspace,ours.*.cdn.example,pattern,media,,,",
        "youtube,,,,,,tag",
        "facebook,news.facebook.com,full,widget,,,",
        "none,charity.facebook.com,suffix,,,,",
        "tes,facebook.com,full,primary,,,",
        head="service,domain,match,role,name,kind,action",
    )
    assert ours.lookup("www.ourspace.example") == Hit("ourspace", Role.PRIMARY)
    assert ours.lookup("ours.a.b.cdn.example") == Hit("ourspace", Role.MEDIA)
    assert ours.services["ourspace"].kind is Kind.FORUM
    assert ours.services["youtube"].action is Action.TAG
    assert ours.services["youtube"].kind is Kind.CONTENT_SHARING
    assert ours.lookup("news.facebook.com") == Hit("facebook", Role.WIDGET)
    assert ours.lookup("old.news.facebook.com") == Hit("facebook", Role.PRIMARY)
    assert ours.lookup("www.charity.facebook.com") is None
    assert ours.lookup("facebook.com") == Hit("tes", Role.PRIMARY)
    assert ours.version.split(".")[0] == CATALOGUE.version.split(".")[0]
    assert ours.version != CATALOGUE.version == load_catalogue().version


def test_a_byte_order_mark_and_windows_line_ends_are_taken(tmp_path: Path) -> None:
    ours = load_catalogue(extra(tmp_path, b"\xef\xbb\xbfservice,domain,match,role\r\nreddit,r.example,suffix,cdn\r\n"))
    assert ours.lookup("r.example") == Hit("reddit", Role.CDN)


@pytest.mark.parametrize(
    ("line", "row", "wrong"),
    [
        (2, "fakebook,fake.example,suffix,primary", "service 'fakebook' is not known"),
        (2, "reddit,fake.example,suffix,main", "role 'main' is not known; use one of primary"),
        (2, "reddit,fake.example,ends,primary", "match 'ends' is not known"),
        (2, "reddit,https://fake.example/,suffix,primary", "'https://fake.example/' is no host name"),
        (2, "reddit,*.fake.example,suffix,primary", "is no host name"),
        (2, "reddit,fake.*.example,pattern,primary", "is no pattern"),
        (2, "reddit,com,suffix,primary", "is no host name"),
        (2, "reddit,,suffix,primary", "'' is no host name"),
        (2, "reddit,fake.example,suffix", "3 cells instead of 4"),
        (3, "reddit,a.example,suffix,cdn\nreddit,A.example.,suffix,cdn", "'a.example' is listed twice"),
        (4, "\n\nreddit,a.example,suffix,bad", "role 'bad'"),
        (2, 'reddit,"a"b,suffix,cdn', "the row cannot be read"),
        (2, "none,a.example,full,", None),
    ],
)
def test_a_bad_row_names_file_line_and_mend(tmp_path: Path, line: int, row: str, wrong: str | None) -> None:
    if wrong is None:
        assert load_with(tmp_path, row).lookup("a.example") is None
        return
    with pytest.raises(CatalogueError) as caught:
        load_with(tmp_path, row)
    text = str(caught.value)
    assert text.startswith(f"{tmp_path / 'services.csv'}:{line}: ")
    assert wrong in text
    assert "; " in text


def test_a_new_service_needs_a_primary_domain(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r":2: service 'ours' has no primary domain"):
        load_with(tmp_path, "ours,a.example,suffix,cdn,Ours,blog", head="service,domain,match,role,name,kind")


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (b"service,domain\n", ":1: the header row is 'service,domain'"),
        (b"", ":1: the header row is ''"),
        (b"service,domain,match,role,colour\n", ":1: the header row"),
        (b"service,domain,match,role\nreddit,\xff.example,suffix,cdn\n", ":2: the file is not UTF-8"),
    ],
)
def test_a_file_of_another_shape_is_refused(tmp_path: Path, content: bytes, wrong: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        load_catalogue(extra(tmp_path, content))
    assert wrong in str(caught.value)


@given(st.text(st.characters(codec="utf-8"), max_size=200))
def test_any_additions_are_taken_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = extra(tmp_path_factory.mktemp("extra"), "service,domain,match,role\n" + text)
    with contextlib.suppress(CatalogueError):
        load_catalogue(path)


def test_the_licence_of_the_seed_lies_beside_the_data() -> None:
    text = (SHIPPED / "LICENSE-domain-list-community").read_text(encoding="utf-8")
    assert "MIT License" in text
    assert "V2Ray" in text
    assert {row["source"] for row in ROWS} == {"v2fly", "schoolgate"}
    assert {Match(row["match"]) for row in ROWS} == set(Match)
