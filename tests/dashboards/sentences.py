"""Finds the sentences that code makes: every text of a module that people read, with a mark where something is filled
in, so that tests can ask whether each has its Welsh."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import product
from pathlib import Path

ROOT = Path(__file__).parents[2]
GAP = "\u27e8{}\u27e9"
"""What stands for what is filled in."""
MAKERS = {
    "Verdict": (1, 3),
    "Finding": (1, 3, 5),
    "fine": (0,),
    "unknown": (0,),
    "by_share": (),
    "_document": (2, 3),
}
"""Calls whose texts are read by people, and which of their arguments are."""


def sentences(module: str) -> list[str]:
    """The texts of verdicts in a module (a path from the root), as they come out but for what is filled in."""
    tree = ast.parse((ROOT / module).read_text("utf-8"))
    values = _assigned(tree)
    found: list[str] = []
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if name in MAKERS:
            for place in MAKERS[name]:
                found += _texts(call.args[place], values) if place < len(call.args) else ()
            for keyword in call.keywords:
                texts = list(_texts(keyword.value, values))
                found += [f"{GAP.format('share')} {text}." for text in texts] if keyword.arg == "what" else texts
    return [text for text in dict.fromkeys(found) if " " in text.strip() and not _command(text)]


def _command(text: str) -> bool:
    """Is it something to be typed, or a value with a unit, and no sentence?"""
    bare = text
    while "\u27e8" in bare:
        bare = bare[: bare.index("\u27e8")] + bare[bare.index("\u27e9") + 1 :]
    words = bare.split()
    return (
        text.startswith(("ip ", "ethtool ", "apt-get ")) or len([w for w in words if w.strip(".,:;()%").isalpha()]) < 2
    )


def _assigned(tree: ast.Module) -> dict[str, list[ast.expr]]:
    """Name -> what is assigned to it anywhere in the module."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                names, given = (
                    (target.elts, node.value.elts)
                    if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple)
                    else ([target], [node.value])
                )
                for one, value in zip(names, given, strict=False):
                    if isinstance(one, ast.Name):
                        found.setdefault(one.id, []).append(value)
    return found


def _texts(node: ast.expr, values: dict[str, list[ast.expr]], seen: frozenset[str] = frozenset()) -> Iterator[str]:
    """What an expression can be, as texts."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            yield node.value
    elif isinstance(node, ast.JoinedStr):
        for parts in product(*(tuple(_filled(part, n, values)) for n, part in enumerate(node.values))):
            yield "".join(parts)
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body, values, seen)
        yield from _texts(node.orelse, values, seen)
    elif isinstance(node, ast.Name) and node.id not in seen:
        for value in values.get(node.id, ()):
            yield from _texts(value, values, seen | {node.id})


def _filled(part: ast.expr, n: int, values: dict[str, list[ast.expr]]) -> Iterator[str]:
    """A part of a text: what stands there, or a mark; numbers with a word as they are said."""
    gap, inner = GAP.format(n), part.value if isinstance(part, ast.FormattedValue) else part
    if isinstance(part, ast.Constant):
        yield str(part.value)
    elif isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name) and inner.func.id == "plural":
        (word,) = (one.value for one in inner.args[1:] if isinstance(one, ast.Constant))
        yield f"{gap} {word}s"
        yield f"1 {word}"
    elif isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name) and inner.func.id == "clock_words":
        yield f"{gap} s ahead"
        yield f"{gap} min behind"
    elif isinstance(inner, ast.Name) and inner.id == "how":
        for value in values["how"]:
            yield from _texts(value, values)
    else:
        yield gap


def titles(module: str) -> list[str]:
    """The titles of a module's checks."""
    tree = ast.parse((ROOT / module).read_text("utf-8"))
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    found = [call.args[1] for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "check"]
    return [str(title.value) for title in found if isinstance(title, ast.Constant)]


def yielded(module: str) -> list[str]:
    """The sentences that a module's functions yield, and what `made_with` returns."""
    tree = ast.parse((ROOT / module).read_text("utf-8"))
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Yield) and node.value is not None:
            found += _texts(node.value, {})
        elif isinstance(node, ast.FunctionDef) and node.name == "made_with":
            found += [
                text
                for one in ast.walk(node)
                if isinstance(one, ast.Return) and one.value
                for text in _texts(one.value, {})
            ]
    return [text for text in dict.fromkeys(found) if " " in text.strip()]
