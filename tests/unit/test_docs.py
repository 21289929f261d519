"""What the pages point to is there. (What they show is run: tests/integration/test_docs.py.)"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer
import typer.main

from picluster.cli.main import app

CHECKOUT = Path(__file__).parents[2]
PAGES = [*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/*.md")]
FOLDERS = "docs|scripts|tests|picluster|models|comparisons|ansible|inventory"
OF_OTHERS = {
    "--features",
    "--classes",
    "--option",
    "--lock",
    "--check",
    "--user",
    "--print-architecture",
    "--host",
    "--cli",
    "--cloudinit-userdata",
    "--cloudinit-networkconfig",
}
OF_OTHERS |= {"--pdeathsig", "--no-deps", "--extra-index-url", "--pip-args", "--index", "--index-strategy"}
OF_OTHERS |= {"--no-build-isolation", "--logdir", "--install"}
"""Options of `picluster-worker`, poetry, scripts and of programs such as systemctl, dpkg, mpirun, pip, uv and wsl."""


def prose(page: Path) -> str:
    """Without fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def heading_anchors(page: Path) -> set[str]:
    """As GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def options_of(command: object) -> set[str]:
    """Of a command and of all below it."""
    found = {option for each in getattr(command, "params", ()) for option in each.opts}
    return found.union(*(options_of(below) for below in getattr(command, "commands", {}).values()))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if target.startswith(("https://", "http://")):
            continue
        file, _, anchor = target.partition("#")
        there = (page.parent / file).resolve() if file else page
        assert there.exists(), target
        assert not anchor or anchor in heading_anchors(there), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_of_the_checkout_that_are_named_are_there(page: Path) -> None:
    named = re.findall(rf"`((?:{FOLDERS})/[\w./-]*)`", page.read_text())
    missing = [name for name in named if not (CHECKOUT / name).exists() and name != "inventory/hosts.yml"]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_that_are_named_exist(page: Path) -> None:
    known = {*options_of(typer.main.get_command(app)), "--help", *OF_OTHERS}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", page.read_text()))
    assert named <= known


def test_the_map_of_the_house_names_every_room() -> None:
    rooms = {f"{file.parent.relative_to(CHECKOUT)}/" for file in (CHECKOUT / "picluster").rglob("*.py")}
    named = set(re.findall(r"^\| `(picluster/[\w/]*)` \|", (CHECKOUT / "CONTRIBUTING.md").read_text(), re.MULTILINE))
    assert named == rooms
