"""Findings about a card: what will happen at its first start, and what is wrong with it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fact:
    """Sentence on what the first start does."""

    topic: str
    """Word at the line's beginning, such as `user`."""
    text: str
    """The rest of the line."""
    key: str = ""
    """Value that no other card may have, such as the address."""


@dataclass(frozen=True)
class Mistake:
    """Cause for which the node will not answer, or not as it should."""

    what: str
    """The mistake, with file and value."""
    fix: str
    """Remedy, as something to do."""


Finding = Fact | Mistake
