"""CODES.md against the source: no code is raised that it does not list, none is listed that nobody raises, and each text
is one that is raised with its code.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
ROOMS = ("federation", "gateways", "dns")
CODE = re.compile(r"E1\d\d")
ROW = re.compile(r"^\| (E\d{3}) \| [^|]{5,} \| (`+)(.+)\2 \|$", re.MULTILINE)
DEFAULTS = {"InputError": "E125", "Unavailable": "E190"}
FIXED = 8
"""Characters that a template says itself, at least: less would fit any text."""


def listed() -> dict[str, str]:
    """The text of each code; a code that stands twice fails."""
    rows = ROW.findall((ROOT / "federation" / "model" / "CODES.md").read_text())
    found = {code: text.strip() for code, _, text in rows}
    assert len(found) == len(rows)
    return found


def nodes() -> Iterator[ast.AST]:
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            yield from ast.walk(ast.parse(path.read_text()))


def used() -> set[str]:
    """Every code that stands alone in the source, as it is given to an error."""
    values = (node.value for node in nodes() if isinstance(node, ast.Constant))
    return {value for value in values if isinstance(value, str) and CODE.fullmatch(value)}


def template(text: ast.expr) -> str | None:
    """A pattern for what this expression makes; None when it says too little itself."""
    parts = text.values if isinstance(text, ast.JoinedStr) else [text]
    said = [part.value if isinstance(part, ast.Constant) else None for part in parts]
    if sum(len(str(part)) for part in said if part is not None) < FIXED:
        return None
    return "".join(".*" if part is None else re.escape(str(part)) for part in said)


@cache
def raised() -> dict[str, set[str]]:
    """By code, the patterns of the texts that errors are made with."""
    found: dict[str, set[str]] = {}
    for node in nodes():
        if not (isinstance(node, ast.Call) and node.args):
            continue
        given = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and CODE.fullmatch(str(arg.value))]
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        code, pattern = (given or [DEFAULTS.get(name, "")])[-1], template(node.args[0])
        if code and pattern:
            found.setdefault(str(code), set()).add(pattern)
    return found


def test_every_code_that_is_raised_is_listed_and_no_other() -> None:
    assert set(listed()) == used()


@pytest.mark.parametrize("code", sorted(listed()))
def test_the_text_is_one_that_is_raised_with_this_code(code: str) -> None:
    text = listed()[code]
    assert any(re.fullmatch(pattern, text) for pattern in raised()[code]), text
