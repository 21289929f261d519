"""Question and answer between the controller and its program on a node: one line of JSON each, with a version."""

from __future__ import annotations

import json
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Answer = dict[str, Any]

VERSION = 1
"""Counts up when a question or an answer changes. picluster/schema/agent.py has the records of both."""
_KINDS = {"str": str, "int": int, "float": float, "list": list, "dict": dict}


def answer_all(answers: dict[str, Callable[..., Answer]]) -> None:
    """Answer what comes on standard input until the controller hangs up, or a worker takes the process over.

    A question names one of `answers` as `do`; the rest of it are that function's arguments.
    """
    for line in iter(sys.stdin.buffer.readline, b""):
        question = json.loads(line)
        version, do = question.pop("version", None), question.pop("do", None)
        if refusal := refused(version, do, question, answers):
            say(refusal, "refusal")
        else:
            say(answers[do](**question))


def refused(version: object, do: str, details: Answer, answers: dict[str, Callable[..., Answer]]) -> str:
    """Reason why a question cannot be answered; empty where it can.

    Its details are compared with the parameters that the function declares, and with their kinds (list, not list[int]).
    """
    if version != VERSION:
        return f"it is of version {version}, and this agent answers {VERSION}"
    if do not in answers:
        return "it is unknown"
    kinds = {name: kind for name, kind in answers[do].__annotations__.items() if name != "return"}
    for name in sorted(kinds.keys() ^ details.keys()):
        return f"{name} is {'missing' if name in kinds else 'unknown'}"
    for name, kind in kinds.items():
        if not isinstance(details[name], _KINDS[kind.partition("[")[0]]):
            return f"{name} must be {kind}, and is {type(details[name]).__name__}"
    return ""


def say(reply: Answer | str, kind: str = "answer") -> None:
    """Give an answer, or a refusal."""
    sys.stdout.buffer.write(json.dumps({"version": VERSION, kind: reply}).encode() + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    import importlib

    answer_all(importlib.import_module(f"picluster.agent.{sys.argv[1]}").ANSWERS)
