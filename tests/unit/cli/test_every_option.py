"""Every option of every command has a place here, with the words beside which it would mean nothing and is refused.

The options are taken from the commands themselves: a new one fails here until somebody has thought of that. What
`picluster launch` does with its own is tried in `test_every_option_of_launch`.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

from picluster.cli.main import app
from tests.unit.cli.conftest import Picluster
from tests.unit.graph.small_graph import write_small_graph

Words = str
"""What is typed after the command."""
ALWAYS: tuple[Words, ...] = ()
"""Acts whatever stands beside it."""
GRAPH_FILES = "--edges edges.csv --features features.csv --labels labels.csv"
FILES = {
    "edges": ["source,target", "0,1", "1,2", "2,3"],
    "features": ["x,y", "0.5,1", "1.5,2", "2.5,3", "3.5,4"],
    "labels": ["label", "cat", "dog", "cat", "dog"],
    "splits": ["split", "train", "train", "validation", "test"],
}

REFUSED: dict[str, dict[str, tuple[Words, ...]]] = {
    "attach": {},
    "report": {
        "--json": ALWAYS,
        "--html": ("--html --json",),
        "--output": ("--output a.html",),
        "--trace": ("--trace a.json --json",),
        "--tensorboard": ("--tensorboard tb --json",),
        "--csv": ("--csv --json",),
        "--markdown": ("--markdown --json",),
    },
    "runs": {"--tag": ALWAYS, "--limit": ALWAYS, "--json": ALWAYS},
    "compare": {
        "--tag": ("abcd --tag x",),
        "--chart": ("--chart a.gif", "--chart none/a.png"),
        "--json": ALWAYS,
        "--rows": ("abcd --rows rows.txt",),
        "--seeds": ("--seeds 2", "abcd --seeds 2"),
        "--inventory": ("--inventory a.yml",),
        "--with": ("--with '--epochs 3'",),
    },
    "logs": {"--follow": ALWAYS},
    "stop": {"--inventory": ALWAYS},
    "reap": {"--inventory": ALWAYS, "--dry-run": ALWAYS},
    "doctor": {
        "--inventory": ALWAYS,
        "--nodes": ("--nodes pi1 --plan plan.json --dataset mine",),
        "--plan": ("--plan plan.json",),
        "--dataset": ("--dataset mine",),
        "--json": ALWAYS,
    },
    "probe": {
        "--bundle": ("--bundle a.txt", "--bundle none/a.json", "--bundle plan.json", "--bundle a.json --read b.json"),
        "--read": ("--read b.json --bundle a.json",),
        "--inventory": ("--inventory a.yml --read plan.json",),
        "--nodes": ("--nodes 2 --read plan.json",),
        "--json": ("--json --bundle a.json",),
    },
    "top": {
        "--inventory": ALWAYS,
        "--nodes": ALWAYS,
        "--every": ("--every 5 --once", "--every 5 --json"),
        "--once": ALWAYS,
        "--json": ALWAYS,
    },
    "init": {
        "--wifi": ("--wifi home",),
        "--wifi-country": ("--wifi-country GB",),
        "--wifi-password-file": ("--wifi-password-file none.txt",),
        "--force": ALWAYS,
    },
    "cards verify": {"--node": ("cards/pi1 cards/pi2 --node pi1",)},
    "provision": {
        "--inventory": ALWAYS,
        "--limit": ALWAYS,
        "--check": ALWAYS,
        "--tags": ALWAYS,
        "--ask-become-pass": ALWAYS,
        "--json": ALWAYS,
    },
    "reset": {
        "--inventory": ALWAYS,
        "--limit": ALWAYS,
        "--delete-data": ALWAYS,
        "--yes": ALWAYS,
        "--ask-become-pass": ALWAYS,
        "--json": ALWAYS,
    },
    "trust": {"--inventory": ALWAYS, "--yes": ALWAYS},
    "export": {
        "--output": ("--output w.pt", "--output none/w.safetensors", "--output graphs"),
        "--predictions": ("--predictions p.parquet", "--predictions p"),
    },
    "dataset prepare": {
        "--scale": ("mine --scale 0.1", "cora --scale 0.1"),
        "--features": ("mine --features fp32", "mine32 --features fp16"),
        "--split-seed": (
            "mine --split-seed 1",
            "mine --split-seed 0",
            "cora --split-seed 1",
            "reddit-like --split-seed 1",
            "cora-linqs-split7 --split-seed 1",
        ),
        "--force": ("mine --force",),
    },
    "dataset import": {
        "--edges": (f"new {GRAPH_FILES} --pyg graph.pt",),
        "--features": (f"new {GRAPH_FILES} --pyg graph.pt",),
        "--labels": (f"new {GRAPH_FILES} --pyg graph.pt",),
        "--splits": ("new --splits splits.csv --pyg graph.pt",),
        "--pyg": ("new --edges edges.csv --pyg graph.pt",),
        "--npz": ("new --edges edges.csv --npz graph.npz", "new --pyg graph.pt --npz graph.npz"),
        "--mask": (f"new {GRAPH_FILES} --mask 0", "new --npz graph.npz --mask 0"),
        "--missing": (f"new {GRAPH_FILES} --missing bird",),
        "--skip": (f"new {GRAPH_FILES} --skip speed", "new --skip speed --npz graph.npz"),
        "--directed": ALWAYS,
        "--store": ALWAYS,
        "--split-seed": (f"new {GRAPH_FILES} --splits splits.csv --split-seed 1",),
        "--force": ALWAYS,
    },
    "dataset list": {"--json": ALWAYS},
    "dataset show": {"--json": ALWAYS},
    "dataset rm": {"--yes": ALWAYS},
    "dataset draw": {
        "--output": ("mine --output a.gif",),
        "--nodes": ALWAYS,
        "--seed": ALWAYS,
        "--scale": ("mine --scale 0.1",),
        "--features": ("mine --features fp32", "mine32 --features fp16"),
        "--json": ALWAYS,
    },
    "lab up": {
        "--nodes": ("--like pi4,pi5 --nodes 3",),
        "--memory": ("--like pi4 --memory 1GiB",),
        "--cpus": ("--like pi4 --cpus 1",),
        "--rate": ("--like pi4 --rate 1gbit",),
        "--disk": ALWAYS,
        "--like": ("--like pi9",),
        "--release": ("--release UP",),
        "--fresh": ALWAYS,
        "--emulate": ("--emulate",),
        "--own-files": ALWAYS,
        "--second-interface": ALWAYS,
        "--name": ("--name UP",),
    },
    "lab down": {"--name": ALWAYS},
    "lab status": {"--name": ALWAYS, "--json": ALWAYS},
    "lab break": {
        "--kill": ("pi1 --kill --freeze",),
        "--link-down": ("pi1 --link-down --freeze",),
        "--freeze": ("pi1 --freeze --restore",),
        "--fill-disk": ("pi1 --fill-disk --kill",),
        "--restore": ("pi1 --restore --kill",),
        "--name": ALWAYS,
    },
}
ELSEWHERE = {"launch"}
"""Commands whose options have a test of their own."""


def commands(command: Any, path: str = "") -> Iterator[tuple[str, set[str]]]:
    """Every command below this one, with its options as they are spelt."""
    below = getattr(command, "commands", None)
    if below is None:
        spelt = {max(each.opts, key=len) for each in command.params}
        yield path.strip(), {word for word in spelt if word.startswith("-")} - {"--help"}
        return
    for name, each in below.items():
        yield from commands(each, f"{path} {name}")


def test_every_option_of_every_command_has_its_place() -> None:
    found = {path: spelt for path, spelt in commands(typer.main.get_command(app)) if path not in ELSEWHERE}
    assert found == {path: set(spelt) for path, spelt in REFUSED.items()}


@pytest.fixture
def desk(here: Path) -> Path:
    """A working folder with graphs that were imported or prepared."""
    for name in ("mine", "cora", "cora-linqs-split7"):
        write_small_graph(here / "graphs" / name)
    write_small_graph(here / "graphs" / "mine32", features=np.ones((4, 3), np.float32))
    (here / "plan.json").write_text("{}")
    np.savez(here / "graph.npz", edge_index=[[0, 1], [1, 0]], x=np.eye(2), y=[0, 1])
    for name, rows in FILES.items():
        (here / f"{name}.csv").write_text("\n".join(rows))
    return here


PAIRS = [
    (f"{command} {words}", option)
    for command, spelt in REFUSED.items()
    for option, cases in spelt.items()
    for words in cases
]


@pytest.mark.parametrize(("typed", "option"), PAIRS, ids=[typed for typed, _ in PAIRS])
@pytest.mark.usefixtures("desk")
def test_an_option_that_would_mean_nothing_is_refused_by_its_name(
    picluster: Picluster, here: Path, typed: str, option: str
) -> None:
    before = sorted(here.rglob("*"))
    answer = picluster(*shlex.split(typed))
    assert (answer.code, answer.out) == (2, "")
    assert "error: " in answer.err
    assert option in answer.err or option.removeprefix("--") in answer.err
    assert sorted(here.rglob("*")) == before
