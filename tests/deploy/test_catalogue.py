"""`schoolgate catalogue`, `sites` and `rules` as a school uses them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from deploy.cli import schoolgate as commands
from deploy.settings import load_settings
from sensor.catalogue import load_catalogue

HERE = Path(__file__).parents[2] / "pcaps" / "sample_school" / "school"


@pytest.fixture
def school(tmp_path: Path) -> Path:
    folder = tmp_path / "school"
    shutil.copytree(HERE, folder)
    return folder


def run(*words: object) -> Result:
    return CliRunner().invoke(commands, list(map(str, words)))


def well(*words: object) -> str:
    done = run(*words)
    assert done.exit_code == 0, done.output
    return done.stdout


def wrong(*words: object) -> str:
    done = run(*words)
    assert done.exit_code == 1, done.output
    assert done.stderr.startswith("schoolgate: ")
    assert done.stderr.count("\n") == 1, "one message"
    return done.stderr


# -- catalogue


def test_a_service_is_added_re_graded_and_taken_back_to_the_byte(school: Path) -> None:
    at = ("--school", school)
    own = school / "services.csv"
    well("catalogue", "add", "ourspace", "ourspace.example", "--name", "OurSpace", "--kind", "forum", *at)
    assert load_settings(school / "schoolgate.toml").sensor.services == own, "it is used without another setting"
    first = own.read_bytes()
    said = well("catalogue", "override", "youtube", "--action", "tag", *at)
    ours = load_catalogue(own)
    assert f"The catalogue is {ours.version} now" in said
    assert ours.version != load_catalogue().version
    assert ours.services["youtube"].action == "tag"
    listed = json.loads(well("catalogue", "list", *at, "--json"))
    assert listed["version"] == ours.version
    says = {row["service"]: (row["action"], row["said_by"]) for row in listed["services"]}
    assert (says["youtube"], says["ourspace"]) == (("tag", "own file"), ("tag", "own file"))
    assert says["facebook"] == ("tag", "catalogue")
    well("catalogue", "undo", *at)
    assert own.read_bytes() == first
    well("catalogue", "undo", *at)
    assert not own.exists()
    assert "no further change to take back" in wrong("catalogue", "undo", *at)
    well("catalogue", "undo", "--to", 1, *at)
    assert own.read_bytes() == first
    assert "add ourspace ourspace.example" in well("catalogue", "undo", "--list", *at)


def test_the_school_s_own_file_is_the_one_of_its_settings(school: Path) -> None:
    settings = school / "schoolgate.toml"
    settings.write_text(settings.read_text() + '\n[sensor]\nservices = "ours/mine.csv"\n')
    (school / "ours").mkdir()
    well("catalogue", "override", "reddit", "--action", "count_only", "--school", school)
    assert load_catalogue(school / "ours" / "mine.csv").services["reddit"].action == "count_only"
    assert not (school / "services.csv").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("override", "nonesuch", "--action", "tag"), "there is no service 'nonesuch'; list them with: schoolgate cat"),
        (("add", "ourspace", "ourspace.example"), "service 'ourspace' is not known; fill in name and kind to add it"),
        (("add", "facebook", "https://x.example"), "'https://x.example' is no host name; write the host name alone"),
        (("add", "facebook", "neu.org.uk"), "'neu.org.uk' is exempt: nothing of it may be stored"),
        (("add", "facebook", "x.example", "x.example"), "'x.example' is listed twice; keep one of the rows"),
        (("add", "Our Space", "x.example", "--name", "x", "--kind", "blog"), "service 'Our Space' is no id; use up to"),
        (("undo",), "there is no change to take back"),
        (("undo", "--to", "5"), "there is no change to take back"),
    ],
)
def test_a_change_that_cannot_be_made_leaves_everything_as_it_was(
    school: Path, words: tuple[str, ...], message: str
) -> None:
    assert message in wrong("catalogue", *words, "--school", school)
    assert not (school / "services.csv").exists()


def test_a_broken_own_file_is_told_before_anything_is_changed(school: Path) -> None:
    own = school / "services.csv"
    own.write_bytes(b"service,domain\nfacebook,x.example\n")
    assert f"{own}:1: the header row is" in wrong(
        "catalogue", "override", "reddit", "--action", "tag", "--school", school
    )
    assert own.read_bytes() == b"service,domain\nfacebook,x.example\n"
    own.write_bytes(b"service,domain,match,role,action\nfacebook,,,,tug\n")
    assert "action 'tug' is not known" in wrong("catalogue", "list", "--school", school)


def test_nothing_to_change_is_wrong_usage(school: Path) -> None:
    done = run("catalogue", "override", "youtube", "--school", school)
    assert (done.exit_code, "say what to change" in done.stderr) == (2, True)
    assert "that changes nothing" not in well("catalogue", "override", "youtube", "--action", "tag", "--school", school)
    assert "that changes nothing" in wrong("catalogue", "override", "youtube", "--action", "tag", "--school", school)


def test_a_preview_needs_something_stored_and_changes_nothing(school: Path, tmp_path: Path) -> None:
    words = ("override", "youtube", "--action", "tag", "--school", school, "--store", tmp_path / "none")
    assert "there is nothing stored to try the change on" in wrong("catalogue", "preview", *words)
    assert not (school / "services.csv").exists()
    assert not (tmp_path / "none").exists()


# -- sites


def rewritten(school: Path, old: str, new: str) -> None:
    path = school / "official_sites.csv"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_a_complete_register_passes(school: Path) -> None:
    at = ("--school", school, "--day", "2026-11-17")
    assert "lacks" not in well("sites", "check", *at)
    stand = {site["site"]: site["standing"] for site in json.loads(well("sites", "list", *at, "--json"))}
    assert stand == {"OS1": "official", "OS2": "official", "OS3": "closed", "OS4": "planned"}
    assert "review due 2026-12-01 (in 14 days)" in well("sites", "check", *at)


def test_a_site_that_lacks_an_approval_is_refused_with_the_clause(school: Path) -> None:
    rewritten(school, "OS1,facebook,ysgol.enghraifft,T03;S02", "OS1,facebook,ysgol.enghraifft,T03")
    done = run("sites", "check", "--school", school, "--day", "2026-11-17")
    assert done.exit_code == 1
    line = done.stdout.splitlines()[0]
    assert line.startswith(f"{school}/official_sites.csv:2: site OS1: it has 1 administrator of the 2 it needs; name ")
    assert '(clause A.5.4: "The team must designate at least two approved Administrators' in line
    found = json.loads(run("sites", "check", "--school", school, "--day", "2026-11-17", "--json").stdout)
    assert [lack["part"] for lack in found["sites"][0]["lacks"]] == ["administrators"]
    assert "site OS1: it has 1 administrator" in well("config", "check", "--config", school)


def test_doctor_looks_at_the_register(school: Path) -> None:
    rewritten(school, "L01,2025-06-20,2025-09-08", "L01,,2025-09-08")
    done = run("doctor", "--config", school, "--interface", "nonesuch0", "--json")
    found = {finding["id"]: finding for finding in json.loads(done.stdout)}
    assert found["sites_approved"]["severity"] == "warn"
    assert "schoolgate sites check" in found["sites_approved"]["mend"]


# -- rules


def test_the_rules_are_printed_with_the_school_s_own_limits(school: Path) -> None:
    shipped = well("rules")
    own = school / "policy.toml"
    page = (Path(load_settings.__code__.co_filename).parents[1] / "pipeline/profiles/cwmbran.toml").read_text()
    own.write_text(page.replace("episode_minutes = 3", "episode_minutes = 4"))
    settings = school / "schoolgate.toml"
    settings.write_text(settings.read_text().replace('policy_profile = "cwmbran"', 'policy_profile = "policy.toml"'))
    ours = well("rules", "--school", school)
    assert "at least 3 active minutes" in shipped
    assert "at least 4 active minutes" in ours
    data = json.loads(well("rules", "--school", school, "--json"))
    assert {rule["sentence"] for rule in data["rules"]} == {line.split("): ", 1)[1] for line in ours.splitlines()}
