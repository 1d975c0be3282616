"""Lines of keys: every shape of TOML statement, and made-up files whose lines are known."""

from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from pipeline.toml_lines import Key, key_lines


def test_every_shape_of_statement() -> None:
    text = '''# a comment [not.a.table]

top = 1
[a]
b.c = "x"   # = "y"
d = """
[no]
e = 1
"""
f = [
  1,  # one

  2,
]

[a.g]
h = { i = 1, j = [ { k = 2 } ] }
[[s]]
n = 1
[s.inner]
m = 1
[[s]]
n = 2
[[s.list]]
o = 1
[[s.list]]
o = 2
["quo.ted"]
'k]' = 2026-09-01
'''
    assert key_lines(text) == {
        ("top",): 3,
        ("a",): 4,
        ("a", "b"): 5,
        ("a", "b", "c"): 5,
        ("a", "d"): 6,
        ("a", "f"): 10,
        ("a", "f", 0): 10,
        ("a", "f", 1): 10,
        ("a", "g"): 16,
        ("a", "g", "h"): 17,
        ("a", "g", "h", "i"): 17,
        ("a", "g", "h", "j"): 17,
        ("a", "g", "h", "j", 0): 17,
        ("a", "g", "h", "j", 0, "k"): 17,
        ("s",): 18,
        ("s", 0): 18,
        ("s", 0, "n"): 19,
        ("s", 0, "inner"): 20,
        ("s", 0, "inner", "m"): 21,
        ("s", 1): 22,
        ("s", 1, "n"): 23,
        ("s", 1, "list"): 24,
        ("s", 1, "list", 0): 24,
        ("s", 1, "list", 0, "o"): 25,
        ("s", 1, "list", 1): 26,
        ("s", 1, "list", 1, "o"): 27,
        ("quo.ted",): 28,
        ("quo.ted", "k]"): 29,
    }


def test_windows_line_ends() -> None:
    assert key_lines("[a]\r\nb = '''\r\nx\r\n'''\r\nc = 1\r\n")["a", "c"] == 5


NAME = st.from_regex(r"[a-z]{1,6}", fullmatch=True)
FILLER = st.lists(st.sampled_from(["", "# [x]", "  # y = 1"]), max_size=2)
VALUE = st.sampled_from(["1", '"[t]"', "[\n1,\n2\n]", '"""\n[z]\n"""', "{ q = 1 }", "true"])
TABLE = st.tuples(st.booleans(), st.dictionaries(NAME, st.tuples(FILLER, VALUE), max_size=4))


@given(st.dictionaries(NAME, st.lists(TABLE, min_size=1, max_size=3), max_size=4))
def test_made_up_files(tables: dict[str, list[tuple[bool, dict[str, tuple[list[str], str]]]]]) -> None:
    lines: list[str] = []
    expected: dict[Key, int] = {}
    for name, made in tables.items():
        many = len(made) > 1 or made[0][0]
        for place, (_, keys) in enumerate(made):
            lines.append(f"[[{name}]]" if many else f"[{name}]")
            here: Key = (name, place) if many else (name,)
            expected.setdefault((name,), len(lines))
            expected[here] = len(lines)
            for key, (filler, value) in keys.items():
                lines.extend(filler)
                lines.extend(f"{key} = {value}".split("\n"))
                expected[*here, key] = len(lines) - value.count("\n")
    text = "\n".join(lines)
    tomllib.loads(text)
    found = key_lines(text)
    assert {key: found[key] for key in expected} == expected
