"""README.md says what the code does: every setting with its default, and every column of a school's files."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.settings import describe, load_settings
from sensor.catalogue import SHIPPED, load_catalogue

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def settings_table() -> str:
    rows = [f"| `{k.key}` | {f'`{k.default}`' if k.default else ''} | {k.about} |" for k in describe()]
    return "\n".join(["| key | default | what it is for |", "|---|---|---|", *rows]).replace("`required`", "required")


def test_the_table_of_settings_is_the_one_that_the_code_checks() -> None:
    assert settings_table() in README


@pytest.mark.parametrize(
    "path", sorted((ROOT / "pcaps/sample_school/school").glob("*.csv")), ids=lambda path: path.name
)
def test_the_columns_of_each_file_are_those_of_the_sample_school(path: Path) -> None:
    header = path.read_text(encoding="utf-8-sig").split("\n", 1)[0].strip()
    (row,) = [line for line in README.split("\n") if line.startswith(f"| `{path.name}` |")]
    assert f"| `{header.replace(',', ', ')}` |" in row


def example(first_line: str) -> str:
    """The indented block of README.md that begins with this line."""
    lines = [first_line, *README.split(f"\n    {first_line}\n", 1)[1].split("\n")]
    end = next(n for n, line in enumerate(lines[1:], 1) if line and not line.startswith("    "))
    return "\n".join(line.removeprefix("    ") for line in lines[:end])


def test_the_example_of_settings_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "schoolgate.toml"
    path.write_text(example("[school]"), encoding="utf-8")
    assert [rule.segment for rule in load_settings(path).sensor.segments] == ["staff", "pupil"]


def test_the_example_of_own_services_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "services.csv"
    path.write_text(example("service,domain,match,role,name,kind,action"), encoding="utf-8")
    ours = load_catalogue(path)
    assert ours.services["youtube"].action == "tag"
    assert ours.lookup("www.ourspace.example") is not None
    assert ours.lookup("news.facebook.com") is None


def test_the_size_of_the_catalogue_is_right() -> None:
    rows = (SHIPPED / "domains.csv").read_text(encoding="utf-8").count("\n") - 1
    assert f"knows {len(load_catalogue().services)} services by {rows} host names" in README
