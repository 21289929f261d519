"""Every knob of every role: its reason beside its default, its kind in the argument specs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

ROLES = sorted((Path(__file__).parents[3] / "ansible" / "roles").iterdir())
KINDS: dict[str, type] = {"str": str, "path": str, "int": int, "bool": bool, "list": list, "dict": dict}
LONGEST_FILE = 100


def defaults(role: Path) -> dict[str, Any]:
    file = role / "defaults" / "main.yml"
    return dict(yaml.safe_load(file.read_text()) or {}) if file.exists() else {}


def options(role: Path) -> dict[str, Any]:
    specs = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    return dict(specs["main"].get("options") or {})


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_each_default_is_a_knob_of_its_kind_and_the_other_way_round(role: Path) -> None:
    knobs, described = defaults(role), options(role)
    assert knobs.keys() <= described.keys()
    for name, option in described.items():
        assert option["description"]
        assert name in knobs or not option.get("required", False)
        if name in knobs and "{{" not in str(knobs[name]):
            assert isinstance(knobs[name], KINDS[option.get("type", "str")]), name


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_each_default_says_its_reason(role: Path) -> None:
    file = role / "defaults" / "main.yml"
    for block in re.split(r"\n\n+", file.read_text().removeprefix("---\n")) if file.exists() else ():
        assert block.lstrip().startswith("#"), block


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_no_file_of_tasks_is_long(role: Path) -> None:
    for file in role.rglob("*.*"):
        assert len(file.read_text().splitlines()) <= LONGEST_FILE, file
