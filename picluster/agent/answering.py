"""Question and answer between the controller and its program on a node: one line of JSON for each."""

from __future__ import annotations

import json
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Answer = dict[str, Any]


def answer_all(answers: dict[str, Callable[..., Answer]]) -> None:
    """Answer what comes on standard input until the controller hangs up.

    A question names one of `answers` as `do`; the rest of it are that function's arguments.
    """
    for line in iter(sys.stdin.buffer.readline, b""):
        question = json.loads(line)
        say(answers[question.pop("do")](**question))


def say(answer: Answer) -> None:
    """Give an answer."""
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
    sys.stdout.buffer.flush()
