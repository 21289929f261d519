"""Inputs that are nearly right: files with damaged bytes, JSON with other values in it; and what may come of them.

How many of each are tried says the variable PICLUSTER_EXAMPLES; they are the same in every run.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from picluster.errors import PiclusterError

EXAMPLES = int(os.environ.get("PICLUSTER_EXAMPLES", "100"))
FUZZ = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)
LONGEST_SECONDS = 10.0
"""For one input on a busy machine: more is a hang."""

MOST_LETTERS = 20_000
"""Of a message."""
Tree = Any
"""JSON as Python has it."""
Path = tuple[str | int, ...]

_WORDS = [
    "",
    " ",
    "\0",
    "\x1b[31m",
    "a'; echo b",
    "$(touch x)",
    "../../x",
    "é",
    "\udcff",
    "\n",
    "n" * 5000,
    "{{ 7 * 7 }}",
    "nan",
]
_NUMBERS = [
    0,
    -1,
    1,
    2,
    7,
    255,
    1 << 31,
    1 << 63,
    (1 << 64) + 1,
    -(1 << 63) - 1,
    10**30,
    0.5,
    -0.0,
    1e308,
    -1e308,
    5e-324,
]
_DEEP: Tree = []
for _ in range(60):
    _DEEP = [_DEEP]
VALUES = [None, True, False, *_NUMBERS, *_WORDS, [], {}, [None], [[]], {"": None}, {"a": 1}, _DEEP, list(range(300))]
"""Values that stand where others are expected."""
PIECES = [
    b"",
    b"\n",
    b"\r\n",
    b"\t",
    b",",
    b";",
    b" ",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b'"',
    b"'",
    b"#",
    b"-",
    b"0",
    b"1e999",
]
PIECES += [
    b"nan",
    b"inf",
    b"9" * 25,
    b"[" * 2000,
    b"{" * 2000,
    b"&a",
    b"*a",
    b": ",
    b"<<: *a",
    b"\x1b[2J",
    b"a'; echo b",
    b"x" * 9000,
]
"""Bytes that are put into files."""


def damaged(wholes: list[bytes]) -> st.SearchStrategy[bytes]:
    """One of these files, in which some pieces are replaced, left out, repeated or cut off."""
    return _DICE.map(lambda seed: _damaged(random.Random(seed), wholes))


def altered(trees: list[Tree]) -> st.SearchStrategy[Tree]:
    """One of these trees with some values replaced, left out, repeated, or others added."""
    return _DICE.map(lambda seed: _altered(random.Random(seed), trees))


_DICE = st.integers(0, (1 << 63) - 1)
"""A seed for each input: hypothesis takes ten times as long where it draws every letter itself."""


def _damaged(dice: random.Random, wholes: list[bytes]) -> bytes:
    text = dice.choice(wholes)
    for _ in range(dice.choice([1, 1, 1, 2, 4])):
        start, place = dice.randint(0, len(text)), dice.randint(0, len(text))
        length = dice.choice([0, 0, 1, 1, 1, 2, 4, 16, 80, 1000, len(text)])
        new = dice.choice([dice.choice(PIECES), dice.randbytes(dice.randint(0, 4)), text[place : place + 60]])
        text = text[:start] + new + text[start + length :]
    return text


def _altered(dice: random.Random, trees: list[Tree]) -> Tree:
    tree = _copy(dice.choice(trees))
    for _ in range(dice.choice([1, 1, 1, 2, 3])):
        tree = _altered_once(dice, tree)
    return tree


def _altered_once(dice: random.Random, tree: Tree) -> Tree:
    paths = list(_paths(tree))
    if not paths:
        return _copy(dice.choice(VALUES))
    *way, last = dice.choice(paths)
    parent = _found(tree, way)
    deed = dice.choice(["alike", "alike", "alike", "replace", "leave out", "repeat", "add", "copy"])
    if deed == "leave out":
        del parent[last]
    elif deed == "repeat" and isinstance(parent, list):
        parent.insert(int(last), _copy(parent[int(last)]))
    elif deed == "add" and isinstance(parent, dict):
        parent[dice.choice(_WORDS)] = _copy(dice.choice(VALUES))
    elif deed == "copy":
        parent[last] = _copy(_found(tree, dice.choice(paths)))
    else:
        alike = [value for value in VALUES if type(value) is type(parent[last])]
        parent[last] = _copy(dice.choice(alike if deed == "alike" and alike else VALUES))
    return tree


def _paths(tree: Tree, way: Path = ()) -> Iterator[Path]:
    places = range(len(tree)) if isinstance(tree, list) else tree if isinstance(tree, dict) else ()
    for place in places:
        yield (*way, place)
        yield from _paths(tree[place], (*way, place))


def _found(tree: Tree, path: Iterable[str | int]) -> Tree:
    for step in path:
        tree = tree[step]
    return tree


def _copy(tree: Tree) -> Tree:
    return json.loads(json.dumps(tree))


def as_text(tree: Tree) -> bytes:
    """A tree as JSON; names that are no UTF-8 are written as escapes, as other programs do."""
    return json.dumps(tree).encode()


def refusal(work: Callable[[], object]) -> PiclusterError | None:
    """The error of ours in which some work ends, which says what and how to mend it; None where it does not.

    Whatever else it raises is a finding, and so is one that takes too long.
    """
    began, error = time.monotonic(), None
    try:
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            work()
    except PiclusterError as refused:
        error = refused
    assert time.monotonic() - began < LONGEST_SECONDS
    if error is not None:
        assert error.what.strip()
        assert error.fix.strip() or " must " in error.what, f"no fix: {error.what}"
        assert len(error.what) + len(error.fix) < MOST_LETTERS
    return error
