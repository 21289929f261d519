"""Rules of the house that no linter knows: how a docstring begins, one class one name, short functions, small rooms."""

from __future__ import annotations

import ast
import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
PACKAGE = CHECKOUT / "picluster"
TREES = {path: ast.parse(path.read_text()) for path in sorted(PACKAGE.rglob("*.py"))}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
MOST_LINES_OF_A_FUNCTION = 60
MOST_MODULES_OF_A_ROOM = 14
LARGER_ROOMS = {PACKAGE / "schema"}
"""Its files are the contracts of different processes, each read alone."""
UNCLEAR_BEGINNING = re.compile(r"(Of|What|Who|Whether|Where|How|So)\b")


def docstrings(tree: ast.Module) -> Iterator[str]:
    """Docstrings of modules, classes and functions, and those that stand below a constant or a field."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for statement in node.body:
            match statement:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    yield text


def storey(path: Path) -> str:
    """A folder directly below picluster/, or picluster/ itself."""
    return path.relative_to(PACKAGE).parts[0] if path.parent != PACKAGE else "."


def test_a_docstring_begins_with_a_verb_or_a_noun() -> None:
    found = Counter(
        storey(path) for path, tree in TREES.items() for text in docstrings(tree) if UNCLEAR_BEGINNING.match(text)
    )
    assert found == {}


def test_no_class_name_stands_twice() -> None:
    names = Counter(node.name for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    assert {name for name, count in names.items() if count > 1} == set()


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef, path: Path) -> int:
    """Lines of a function; on the command line those of its body alone, as options are declared above it."""
    first = function.body[0] if storey(path) == "cli" else function
    return (function.end_lineno or 0) - first.lineno + 1


def test_no_function_is_longer_than_a_screen() -> None:
    lines = {
        f"{path.relative_to(CHECKOUT)}: {node.name}": lines_of(node, path)
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, FUNCTIONS)
    }
    assert {name: count for name, count in lines.items() if count > MOST_LINES_OF_A_FUNCTION} == {}


@pytest.mark.parametrize("room", sorted({path.parent for path in TREES} - LARGER_ROOMS), ids=lambda room: room.name)
def test_a_room_has_few_modules(room: Path) -> None:
    modules = [path for path in TREES if path.parent == room and path.name != "__init__.py"]
    assert len(modules) <= MOST_MODULES_OF_A_ROOM


def test_no_file_of_slow_tests_is_left_out_by_make() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    told = subprocess.run(
        ["/usr/bin/make", "-n", "test-more"], cwd=CHECKOUT, env=environment, capture_output=True, check=True
    )
    read = {CHECKOUT / word for word in told.stdout.decode().split() if word.startswith("tests/")}
    marked = re.compile(r"mark\.(slow|quiet|lab)\b")
    tests = [*(CHECKOUT / "tests").rglob("test_*.py")]
    left = [file for file in tests if marked.search(file.read_text()) and not read & {file, *file.parents}]
    assert left == []
