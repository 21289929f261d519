"""An inventory as a text: what is wrong with it, and in which line, before Ansible is asked.

Ansible passes over a group's unknown key and a host that stands there twice; what it refuses, it tells in its terms.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

from picluster.errors import InputError
from picluster.project import INVENTORIES, find
from picluster.wording import yaml_in_words

_KEYS = ("hosts", "children", "vars")
_YAML = (".yml", ".yaml", ".json")
_SECTION = re.compile(r"\[([^:\]]+)(:\w+)?\]\s*(?:[#;].*)?")
_BRACKETS, _DEEPEST = {"[": 1, "{": 1, "]": -1, "}": -1}, 100
_TEXT = "tag:yaml.org,2002:str"


def check(path: Path) -> None:
    """Raise InputError, with the line, where Ansible cannot read a file. Programs that print one are left to it."""
    if path.is_dir():
        for file in sorted(path.iterdir()):
            if file.suffix in _YAML and file.is_file():
                check(file)
        return
    if os.access(path, os.X_OK) and not path.suffix:
        return
    text = _read(path)
    if text.startswith("#!"):
        return
    lines = (line.strip() for line in text.splitlines())
    first = next((line for line in lines if line and line[0] not in "#;"), "")
    if path.suffix in _YAML and not _SECTION.fullmatch(first):  # Ansible takes INI under any name
        _check_yaml(path, text)
    elif found := next(_ini_mistakes(text.splitlines()), None):
        raise _refused(path, *found)


def see_example() -> str:
    """Advice to look at the example."""
    return f"see {find(INVENTORIES / 'example.yml')}"


def _read(path: Path) -> str:
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError:
        text = "\0"
    except OSError as error:
        raise InputError(f"cannot read inventory {path}: {error.strerror}", fix=f"see ls -l {path}") from None
    if "\0" in text:
        raise InputError(f"inventory {path} is no text in UTF-8", fix=see_example())
    return text


def _check_yaml(path: Path, text: str) -> None:
    import yaml  # type: ignore[import-untyped]

    if (depth := max(accumulate(_BRACKETS.get(letter, 0) for letter in text), default=0)) > _DEEPEST:
        raise _refused(path, 1, f"{depth} brackets stand within each other")  # PyYAML takes for ever
    try:
        root = yaml.compose(text, yaml.SafeLoader)
    except RecursionError:
        raise _refused(path, 1, "too many indents stand within each other") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = yaml_in_words(str(getattr(error, "problem", "") or getattr(error, "reason", "")))
        raise _refused(path, mark.line + 1 if mark else 1, reason) from None
    if root is None or root.id == "scalar":
        return  # no host, which is told by others
    found = next(_yaml_mistakes(root), None)
    if found:
        raise _refused(path, *found)


def _yaml_mistakes(root: Any) -> Iterator[tuple[int, str]]:
    if root.id != "mapping":
        yield _line(root), "a list, where the names of groups are expected, each with a colon"
        return
    if "plugin" in [key.value for key, _ in root.value]:
        return  # the settings of one of Ansible's own sources of hosts
    yield from _repeated(root)
    seen: set[int] = set()
    for name, group in root.value:
        yield from _mistakes_of_group(name.value, group, seen)


def _mistakes_of_group(name: str, group: Any, seen: set[int]) -> Iterator[tuple[int, str]]:
    if _is_empty(group) or id(group) in seen:  # an alias may name it again, even within itself
        return
    seen.add(id(group))
    if group.id != "mapping":
        yield _line(group), f"the group {name} is {_kind(group)}: hosts:, children: or vars: is expected below it"
        return
    yield from _repeated(group)
    for key, value in group.value:
        if key.value not in _KEYS:
            yield _line(key), f"{key.value!r} is unknown in the group {name}: it has hosts:, children: and vars:"
        elif value.id != "mapping" and not _is_empty(value) and not (key.value != "vars" and value.tag == _TEXT):
            yield _line(value), f"{key.value} of {name} is {_kind(value)}: one name a line is expected, with a colon"
        elif value.id == "mapping":
            yield from _repeated(value)
            yield from _mistakes_of_members(key.value, value, seen)


def _mistakes_of_members(kind: str, members: Any, seen: set[int]) -> Iterator[tuple[int, str]]:
    for name, value in members.value:
        if kind == "children":
            yield from _mistakes_of_group(name.value, value, seen)
        elif kind == "hosts" and name.tag != _TEXT and name.value != "<<":
            yield _line(name), f"the host {name.value} is a number or the like: put its name into quotes"
        elif kind == "hosts" and value.id == "mapping":
            yield from _repeated(value)
        elif kind == "hosts" and not _is_empty(value):
            expected = "its variables are expected below it, each with a colon"
            yield _line(value), f"{name.value} is {_kind(value)}: {expected}"


def _repeated(mapping: Any) -> Iterator[tuple[int, str]]:
    """Keys that stand there twice: the last would be taken in silence. And what is no name at all."""
    yield from (
        (_line(key), f"{_kind(key)} stands where a name is expected") for key, _ in mapping.value if key.id != "scalar"
    )
    keys = sorted((key.value, _line(key)) for key, _ in mapping.value if key.id == "scalar")
    for (name, before), (other, line) in pairwise(keys):
        if name == other:
            yield line, f"{name} stands there already in line {before}"


def _ini_mistakes(lines: list[str]) -> Iterator[tuple[int, str]]:
    groups = {
        found[1] for line in lines if (found := _SECTION.fullmatch(line.strip())) and found[2] in (None, ":children")
    }
    kind = None
    for number, line in enumerate(lines, start=1):
        words = line.strip()
        if not words or words[0] in "#;":
            continue
        if words.startswith("["):
            section = _SECTION.fullmatch(words)
            if section is None:
                yield number, f"{words} is no name of a group in square brackets"
                return
            kind = section[2]
        elif kind is None:
            yield from ((number, each) for each in _mistakes_of_host(words))
        elif kind == ":children" and words.split()[0] not in groups:
            yield number, f"there is no group {words.split()[0]}"
        elif kind == ":vars" and "=" not in words:
            yield number, f"{words} is no variable: NAME=VALUE is expected"


def _mistakes_of_host(words: str) -> Iterator[str]:
    try:
        name, *variables = shlex.split(words, comments=True)
    except ValueError:
        yield "a quote is never closed"
        return
    if name.endswith(":"):
        yield f"{name} is written as in YAML, in a file that is none: let the file's name end in .yml"
    for each in variables:
        if "=" not in each:
            yield f"{each} is no variable of the host {name}: NAME=VALUE is expected"


def _refused(path: Path, line: int, reason: str) -> InputError:
    return InputError(f"inventory {path}, line {line}: {reason}", fix=see_example())


def _line(node: Any) -> int:
    return int(node.start_mark.line) + 1


def _is_empty(node: Any) -> bool:
    return bool(node.id == "scalar" and node.tag == "tag:yaml.org,2002:null")


def _kind(node: Any) -> str:
    return "a list" if node.id == "sequence" else "a group of names" if node.id == "mapping" else f"{node.value!r}"
