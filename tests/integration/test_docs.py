"""The pages are run as they stand: every block of commands and of Python, in order, in one folder for each page.

A comment before a block tells what else to do with it: `<!-- not run: reason -->`, `<!-- needs Cora -->` (left out
where the raw files are not there) or `<!-- file: NAME -->` (written to that file, not run).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from picluster.controller.record.run_folder import RunFolder
from tests.integration.desk import CHECKOUT

BLOCK = re.compile(r"(?:^<!-- (?P<mark>.*?) -->\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCK_TIMEOUT_SECONDS = 800
FOLLOWED = ("compare", "datasets", "doctor", "launch", "models", "precision", "python", "report", "run-folder", "trace")
"""Pages whose blocks need nothing but to work."""
LONG = ("docs/compare.md", "docs/datasets.md", "docs/models.md", "docs/report.md")
"""Pages that take minutes; that their commands can be typed is seen without running them, too."""
UNFOLLOWED = (
    "LOG",
    "benchmarks",
    "computer",
    "convolutions",
    "energy",
    "engines",
    "faults",
    "first-boot",
    "inventory",
    "lab",
    "lesson",
    "probe",
    "provision",
    "security",
)
CORA = "planetoid/ind.cora.x"
INTERPRETERS = {"sh": ["bash", "-euo", "pipefail"], "python": [sys.executable, "-W", "ignore"]}


def follows(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a test that runs what a page shows."""
    reason = "the pages show jq, which is not installed"
    for mark in (
        pytest.mark.slow,
        pytest.mark.skipif(not shutil.which("jq"), reason=reason),
        pytest.mark.timeout(1200),
    ):
        test = mark(test)
    return test


@dataclass(frozen=True)
class Block:
    """A fenced block, and the comment before it."""

    mark: str
    kind: str
    text: str

    @property
    def file(self) -> str | None:
        """The file that it shows."""
        return self.mark.removeprefix("file: ") if self.mark.startswith("file: ") else None

    @property
    def runs(self) -> bool:
        """Whether it is run at all."""
        return self.kind in INTERPRETERS and not self.file and not self.mark.startswith("not run: ")


class Reader:
    """Follows a page in a folder that looks like a checkout."""

    def __init__(self, folder: Path, page: str) -> None:
        self.folder = folder
        self.blocks = [Block(*found) for found in BLOCK.findall((CHECKOUT / page).read_text())]
        self.input = Path(os.environ.get("PICLUSTER_INPUT") or CHECKOUT / "input").absolute()
        (folder / "inventory").mkdir()
        (folder / "inventory" / "local.yml").symlink_to(CHECKOUT / "inventory" / "local.yml")
        (folder / "models").symlink_to(CHECKOUT / "models")
        (folder / ".venv").symlink_to(sys.prefix)

    def follow(self) -> Iterator[tuple[Block, str]]:
        """Run block after block, and give each with what it printed; skip the test at the end where Cora was needed."""
        left_out = 0
        for number, block in enumerate(self.blocks, start=1):
            if block.file:
                (self.folder / block.file).write_text(block.text)
            elif block.mark == "needs Cora" and not (self.input / CORA).exists():
                left_out += 1
            elif block.runs:
                yield block, self._run(number, block)
        if left_out:
            pytest.skip(
                f"ran all but {left_out} blocks: {CORA} is not in {self.input}; name its place: PICLUSTER_INPUT"
            )

    def last_run(self) -> RunFolder:
        """The newest run folder."""
        runs = (self.folder / "runs").iterdir()
        return RunFolder(max(runs, key=lambda run: (run / "run.json").stat().st_mtime))

    def _run(self, number: int, block: Block) -> str:
        script = self.folder / f"block{number}"
        script.write_text(block.text)
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PICLUSTER_INPUT": str(self.input),
            "XDG_CACHE_HOME": str(self.folder.parent / "cache"),
        }
        done = subprocess.run(
            [*INTERPRETERS[block.kind], str(script)],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=BLOCK_TIMEOUT_SECONDS,
        )
        assert done.returncode == 0, f"{block.text}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@follows
@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=pytest.mark.thorough if page in LONG else ())
        for page in ("README.md", *(f"docs/{page}.md" for page in FOLLOWED))
    ],
)
def test_every_block_of_a_page_works(tmp_path: Path, page: str) -> None:
    for _ in Reader(tmp_path, page).follow():
        pass


@follows
@pytest.mark.thorough  # minutes; `test_parity.py` and `test_any_plan.py` compare plans
def test_two_plans_of_the_first_run_show_the_same_losses(tmp_path: Path) -> None:
    for block, output in Reader(tmp_path, "docs/first-run.md").follow():
        if "[.epochs[].loss]" in block.text:
            losses = [json.loads(line) for line in output.splitlines() if line.startswith("[")]
            assert len(losses) == 2
            assert losses[0] == losses[1]


@follows
@pytest.mark.thorough  # as in test_cora_beside_pyg.py, by the page's own words
def test_exported_weights_are_as_accurate_in_plain_pyg(tmp_path: Path) -> None:
    reader = Reader(tmp_path, "docs/export.md")
    for block, output in reader.follow():
        result = reader.last_run().result()
        assert result
        if block.kind == "python":
            assert float(output) == result.test_accuracy


def test_no_page_is_forgotten() -> None:
    others = {"first-run", "export", *UNFOLLOWED}
    assert {page.stem for page in (CHECKOUT / "docs").glob("*.md")} == {*FOLLOWED, *others}


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "CHANGELOG.md", *(f"docs/{page}.md" for page in UNFOLLOWED)])
def test_pages_that_are_not_followed_say_why_for_each_block(page: str) -> None:
    """Or have none."""
    blocks = [Block(*found) for found in BLOCK.findall((CHECKOUT / page).read_text())]
    assert not [block.text for block in blocks if block.runs]
