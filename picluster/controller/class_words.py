"""The names of classes as people read them: on one line each, not endless, told apart from each other."""

from __future__ import annotations

from collections.abc import Sequence

_QUOTED = ',:"'
"""What separates names in a line of text: a name that has one of these stands in quotes."""


def spoken(name: str, letters: int) -> str:
    """A name without what would steer a terminal or break a line, and cut to so many letters."""
    clean = "".join(letter if letter.isprintable() else "?" for letter in name)
    return clean if len(clean) <= letters else f"{clean[: letters - 1]}…"


def listed_name(name: str, letters: int) -> str:
    """The name as it stands in a list within a line of text."""
    clean = spoken(name, letters)
    if clean and clean == clean.strip() and not any(letter in clean for letter in _QUOTED):
        return clean
    return '"{}"'.format(clean.replace('"', '""'))


def column_names(names: Sequence[str], classes: int, taken: Sequence[str]) -> list[str]:
    """Heads of the columns of a table, one for each class and each used once; `taken` are those of other columns.

    Without names they are `class_0`, `class_1` …; a name that is there already, or empty, gets its class beside it.
    """
    if len(names) != classes:
        return [f"class_{label}" for label in range(classes)]
    used, heads = set(taken), list[str]()
    for label, name in enumerate(names):
        head = name if name.strip() and name not in used else f"{name} (class {label})".strip()
        used.add(head)
        heads.append(head)
    return heads
