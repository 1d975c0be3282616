"""Nothing that is hidden in a published table can be computed from what is shown: checked by solving for it.

The solver here knows nothing of networks: it looks for whole numbers that satisfy every published range and every sum,
by narrowing ranges and trying values.
"""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from dashboards.figures import shares_of
from dashboards.hiding import OPEN, STEP, WITHHELD, Shown, shown, withheld
from dashboards.suppression import Rows, Table, Tables, pieces, together, within

SMALL_COUNTS = st.one_of(st.integers(0, 7), st.integers(0, 30))
FAR = 60
Range = tuple[int, int]
Sum = tuple[tuple[tuple[str, int], ...], bool]
"""Terms (number, sign) that add up to 0; or, if False, to at least 0."""


def rows_of(names: str, columns: str) -> st.SearchStrategy[dict[str, dict[str, int]]]:
    row = st.fixed_dictionaries(dict.fromkeys(columns, SMALL_COUNTS))
    return st.lists(row, min_size=1, max_size=len(names)).map(lambda found: dict(zip(names, found, strict=False)))


def narrowed(ranges: dict[str, Range], sums: list[Sum]) -> dict[str, Range] | None:
    """Ranges without what no solution has; None if there is none."""
    ranges, changed = dict(ranges), True
    while changed:
        changed = False
        for terms, exact in sums:
            low = sum(s * (ranges[n][0] if s > 0 else ranges[n][1]) for n, s in terms)
            high = sum(s * (ranges[n][1] if s > 0 else ranges[n][0]) for n, s in terms)
            if high < 0 or (exact and low > 0):
                return None
            for name, sign in terms:
                a, b = ranges[name]
                if sign > 0:
                    new = max(a, -(high - b)), min(b, -(low - a)) if exact else b
                else:
                    new = max(a, low + b) if exact else a, min(b, high + a)
                if new[0] > new[1]:
                    return None
                if new != (a, b):
                    ranges[name], changed = new, True
    return ranges


def solvable(ranges: dict[str, Range], sums: list[Sum]) -> bool:
    """Is there a solution in whole numbers?"""
    found = narrowed(ranges, sums)
    if found is None:
        return False
    open_ones = [n for n, (a, b) in found.items() if a < b]
    if not open_ones:
        return True
    name = min(open_ones, key=lambda n: found[n][1] - found[n][0])
    low, high = found[name]
    middle = (low + high) // 2
    halves = ((low, middle), (middle + 1, high))
    return any(solvable(found | {name: half}, sums) for half in halves)


def can_differ(name: str, value: int, ranges: dict[str, Range], sums: list[Sum]) -> bool:
    """Has this number a solution in which it is another one?"""
    low, high = ranges[name]
    parts = [(low, value - 1), (value + 1, high)]
    return any(a <= b and solvable(ranges | {name: (a, b)}, sums) for a, b in parts)


def knowledge(
    tables: Mapping[str, Rows], found: Tables, overlaps: Rows | None = None
) -> tuple[dict[str, Range], list[Sum], dict[str, int]]:
    """What a reader knows: ranges, sums, and (which he does not) the true numbers."""
    columns = list(found.column_totals)
    true: dict[str, int] = {}
    shown: dict[str, Shown] = {"total": found.total} | {f"c/{c}": found.column_totals[c] for c in columns}
    sums: list[Sum] = [((("total", -1), *((f"c/{c}", 1) for c in columns)), True)]
    totals = {c: max(sum(row.get(c, 0) for row in rows.values()) for rows in tables.values()) for c in columns}
    true |= {f"c/{c}": n for c, n in totals.items()} | {"total": sum(totals.values())}
    for name, rows in tables.items():
        table = found.tables[name]
        for row, counts in rows.items():
            key = f"r/{name}/{row}"
            shown[key], true[key] = table.row_totals[row], sum(counts.values())
            for c in columns:
                shown[f"{key}/{c}"], true[f"{key}/{c}"] = table.cells[row][c], counts.get(c, 0)
            sums.append((((key, -1), *((f"{key}/{c}", 1) for c in columns)), True))
        for c in columns:
            terms = ((f"c/{c}", 1), *((f"r/{name}/{row}/{c}", -1) for row in rows))
            sums.append((terms, all(totals[k] == sum(r.get(k, 0) for r in rows.values()) for k in columns)))
    for column, whole in (("x", "c/x"), ("total", "total")) if overlaps else ():
        for row, counts in (overlaps or {}).items():
            shown[f"o/{row}/{column}"], true[f"o/{row}/{column}"] = found.overlaps[row][column], counts[column]
            sums.append((((whole, 1), (f"o/{row}/{column}", -1)), False))
            sums.append((((f"o/{row}/total", 1), (f"o/{row}/x", -1)), False))
        sums.append((((whole, -1), *((f"o/{row}/{column}", 1) for row in overlaps or {})), False))
    rest = (("total", 1), ("c/x", -1))
    parts = [((f"o/{row}/total", 1), (f"o/{row}/x", -1)) for row in overlaps or {}]
    for of_row in parts:  # no kind has more than all minutes that are not outside; together they have as many at least
        sums.append(((*rest, *((name, -sign) for name, sign in of_row)), False))
    if parts:
        sums.append(((*((name, -sign) for name, sign in rest), *(term for of_row in parts for term in of_row)), False))
    return {n: (s.low, min(s.high, FAR * 4)) for n, s in shown.items()}, sums, true


def assert_hidden(ranges: dict[str, Range], sums: list[Sum], true: dict[str, int]) -> None:
    for name, (low, high) in ranges.items():
        assert low <= true[name] <= high, name
    for name, value in true.items():
        if 0 < value < 5 or ranges[name][1] >= FAR * 4:
            assert can_differ(name, value, ranges, sums), f"{name} must be {value}"


@settings(max_examples=150)
@given(rows_of("rst", "xyz"), st.sampled_from([1, 5]))
def test_no_hidden_number_of_a_table_can_be_computed(rows: dict[str, dict[str, int]], step: int) -> None:
    found = together({"t": rows}, step=step)
    assert_hidden(*knowledge({"t": rows}, found))


@settings(max_examples=120)
@given(rows_of("rst", "xyz"), st.data(), st.sampled_from([1, 5]))
def test_nor_of_two_tables_with_the_same_totals(
    rows: dict[str, dict[str, int]], data: st.DataObject, step: int
) -> None:
    """The second table splits the same minutes otherwise, and leaves out those of nobody."""
    other: dict[str, dict[str, int]] = {"g": {}, "h": {}}
    for c in "xyz":
        total = sum(row[c] for row in rows.values())
        other["g"][c] = data.draw(st.integers(0, total))
        other["h"][c] = data.draw(st.integers(0, total - other["g"][c]))
    tables = {"days": rows, "groups": other}
    assert_hidden(*knowledge(tables, together(tables, step=step)))


@settings(max_examples=120)
@given(rows_of("rs", "xy"), st.data())
def test_nor_with_a_table_whose_rows_overlap(rows: dict[str, dict[str, int]], data: st.DataObject) -> None:
    """Minutes of two kinds count in both; only one column and all minutes are shown of each kind."""
    minutes = {c: sum(row[c] for row in rows.values()) for c in "xy"}
    first = {c: data.draw(st.integers(0, n)) for c, n in minutes.items()}
    second = {c: data.draw(st.integers(n - first[c], n)) for c, n in minutes.items()}
    kinds = {name: {"x": part["x"], "total": sum(part.values())} for name, part in (("k", first), ("l", second))}
    found = together({"days": rows}, kinds)
    assert_hidden(*knowledge({"days": rows}, found, kinds))


@settings(max_examples=120)
@given(rows_of("rs", "xy"), st.data())
def test_nor_of_all_tables_of_a_report_together(rows: dict[str, dict[str, int]], data: st.DataObject) -> None:
    minutes = {c: sum(row[c] for row in rows.values()) for c in "xy"}
    group = {c: data.draw(st.integers(0, n)) for c, n in minutes.items()}
    first = {c: data.draw(st.integers(0, n)) for c, n in minutes.items()}
    second = {c: data.draw(st.integers(n - first[c], n)) for c, n in minutes.items()}
    kinds = {name: {"x": part["x"], "total": sum(part.values())} for name, part in (("k", first), ("l", second))}
    tables = {"days": rows, "groups": {"g": group}}
    assert_hidden(*knowledge(tables, together(tables, kinds), kinds))


@settings(max_examples=120)
@given(rows_of("rs", "xy"), st.data())
def test_nor_from_the_parts_of_kinds_and_outcomes_beside_them(
    rows: dict[str, dict[str, int]], data: st.DataObject
) -> None:
    """Services of each kind, which overlap, and reasons of one outcome, which do not, side by side with the tables."""
    minutes = {c: sum(row[c] for row in rows.values()) for c in "xy"}
    first = {c: data.draw(st.integers(0, n)) for c, n in minutes.items()}
    second = {c: data.draw(st.integers(n - first[c], n)) for c, n in minutes.items()}
    kinds = {name: {"x": part["x"], "total": sum(part.values())} for name, part in (("k", first), ("l", second))}
    services: dict[str, int] = {}
    for kind in kinds:
        most = kinds[kind]["total"]
        services[f"{kind}1"] = data.draw(st.integers(0, most))
        services[f"{kind}2"] = data.draw(st.integers(most - services[f"{kind}1"], most))
    reasons = {"a": data.draw(st.integers(0, minutes["x"]))}
    reasons["b"] = minutes["x"] - reasons["a"]
    found = together({"days": rows}, kinds)
    groups = [([f"{kind}1", f"{kind}2"], kinds[kind]["total"], found.overlaps[kind]["total"]) for kind in kinds]
    whole = (list(services), sum(minutes.values()), found.total)
    parts = within(services, [*groups, whole])
    whys = pieces(reasons, found.column_totals["x"])
    ranges, sums, true = knowledge({"days": rows}, found, kinds)
    whys = {name: whys.get(name, Shown(WITHHELD, 0, OPEN)) for name in reasons}  # as if it were not there
    for name, cell in (*parts.items(), *whys.items()):
        ranges[f"p/{name}"], true[f"p/{name}"] = (cell.low, min(cell.high, FAR * 4)), {**services, **reasons}[name]
    sums.append(((("c/x", -1), *((f"p/{name}", 1) for name in reasons)), True))
    for names, of in [(mine, f"o/{kind}/total") for kind, (mine, _, _) in zip(kinds, groups, strict=True)] + [
        (list(services), "total")
    ]:
        sums.append((((of, -1), *((f"p/{name}", 1) for name in names)), False))
        sums += [(((of, 1), (f"p/{name}", -1)), False) for name in names]
    assert_hidden(ranges, sums, true)


def test_services_of_a_kind_do_not_give_each_other_away() -> None:
    """50 of the kind is 48 at least, 20 is 22 at most: the third service could be nothing but 4."""
    counts = {"a": 22, "b": 22, "c": 4}
    cells = within(counts, [(list(counts), 48, shown(48))])
    assert cells["c"].text == "< 5"
    assert "–" in (cells["a"].text, cells["b"].text)
    assert [cell.text for cell in within({"a": 40, "b": 25}, [(["a", "b"], 50, shown(50))]).values()] == ["40", "25"]


@settings(max_examples=120)
@given(rows_of("rst", "xy"), st.data(), st.sampled_from([1, 5]), st.integers(1, 3))
def test_nor_from_an_issue_and_those_before_it(
    rows: dict[str, dict[str, int]], data: st.DataObject, step: int, corrections: int
) -> None:
    """Each correction changes one cell; whoever keeps all issues takes for unchanged what has not visibly changed."""
    issue = together({"t": rows}, step=step)
    both, sums, true = knowledge({"t": rows}, issue)
    for _ in range(corrections):
        row, column = data.draw(st.sampled_from(sorted(rows))), data.draw(st.sampled_from("xy"))
        rows = {r: dict(counts) for r, counts in rows.items()}
        rows[row][column] = data.draw(SMALL_COUNTS)
        issue = together({"t": rows}, step=step, before=issue.shown)
        ranges, sums, now = knowledge({"t": rows}, issue)
        kept, both = both, ranges
        for name, (low, high) in ranges.items():
            if true[name] == now[name]:
                both[name] = max(low, kept[name][0]), min(high, kept[name][1])
                assert both[name][0] <= now[name] <= both[name][1]
        true = now
        for name, value in true.items():
            if 0 < value < 5 and both[name][0] < both[name][1]:
                assert can_differ(name, value, both, sums), f"{name} must be {value}"


def test_parts_that_say_how_many_there_are_at_least_are_left_out() -> None:
    """Of seven minutes at most, five are allowed: two unknown reasons leave nothing but 2."""
    assert pieces({"a": 1, "b": 1}, shown(2)) == {}
    assert shares_of({"a": 1, "b": 1}, shown(2)) == []
    assert pieces({"a": 1, "b": 0}, shown(1)) == {"a": shown(1), "b": shown(0)}
    assert set(pieces({"a": 2, "b": 1}, shown(3))) == {"a", "b"}


def test_a_kind_is_not_told_by_its_own_total() -> None:
    """28 minutes, 7 of them not outside: 21 are, 4 of them the second kind's, as the first has 17 in all at most."""
    days = {"r": {"x": 0, "y": 6}, "s": {"x": 21, "y": 1}}
    kinds = {"k": {"x": 17, "total": 17}, "l": {"x": 4, "total": 11}}
    found = together({"days": days}, kinds)
    assert not found.overlaps["l"]["x"].plain
    assert_hidden(*knowledge({"days": days}, found, kinds))


def test_nor_by_what_its_total_leaves_for_other_outcomes() -> None:
    """8 minutes at least are the second kind's, 4 at most of them outside: so 4 are not, and 4 is all there can be."""
    kinds = {"k": {"x": 0, "total": 1}, "l": {"x": 4, "total": 8}}
    days = {"r": {"x": 4, "y": 4}}
    found = together({"days": days}, kinds)
    assert found.overlaps["l"]["total"].text == "–"
    assert_hidden(*knowledge({"days": days}, found, kinds))


def test_the_only_service_of_a_kind_does_not_tell_the_total_that_is_withheld() -> None:
    assert within({"a": 4}, [(["a"], 4, withheld())]) == {"a": withheld()}


def alone(rows: Rows, step: int = STEP) -> Table:
    """A table that shares no totals with another."""
    return together({"": rows}, step=step).tables[""]


def test_small_counts_are_shown_as_less_than_five_and_the_rest_is_rounded() -> None:
    table = alone({"Mon": {"outside": 3, "allowed": 42}, "Tue": {"outside": 12, "allowed": 0}})
    assert [table.cells[d][o].text for d in ("Mon", "Tue") for o in ("outside", "allowed")] == ["< 5", "40", "10", "0"]
    assert table.total.text == "55"
    assert (table.column_totals["outside"].text, table.row_totals["Mon"].text) == ("15", "45")


def test_exact_counts_need_a_second_cell_withheld() -> None:
    table = alone({"teaching": {"x": 3}, "support": {"x": 8}, "other": {"x": 20}}, step=1)
    assert [table.cells[r]["x"].text for r in ("teaching", "support", "other")] == ["< 5", "–", "20"]
    assert table.total.text == "31"


def test_rounding_alone_would_give_it_away() -> None:
    """5 + < 5 + < 5 = 5 leaves each hidden cell nothing but 1."""
    table = alone({"r": {"x": 5, "y": 1, "z": 1}})
    assert (table.cells["r"]["x"].text, table.total.text) != ("5", "5")


def test_shares_do_not_tell_small_parts() -> None:
    """16 and 4 of 20: the true shares, 80 % and 20 %, leave nothing but 4 for the one that is hidden."""
    assert shares_of({"boundary": 16, "locked": 4}, shown(20)) == [("boundary", "75 %"), ("", "25 %")]
    assert shares_of({"boundary": 16}, shown(3)) == []
    assert shares_of({"boundary": 16, "locked": 4}, withheld()) == []


def test_what_is_drawn_is_made_of_what_is_shown() -> None:
    table = alone({"r": {"x": 43, "y": 2}})
    assert (table.cells["r"]["x"].about, table.cells["r"]["y"].about) == (45.0, 2.5)
