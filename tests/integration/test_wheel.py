"""picluster's wheel, installed into an environment outside of the clone, is a working tool in any folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.integration.desk import CHECKOUT

pytestmark = pytest.mark.slow
FIX = "  fix: install picluster again, with its extras: controller,worker\n"


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel, and a folder to work in that holds nothing."""

    environment: Path
    here: Path

    @property
    def bundled(self) -> Path:
        (folder,) = self.environment.glob("lib/python*/site-packages/picluster/bundled")
        return folder

    def run(self, program: str, *words: str) -> subprocess.CompletedProcess[str]:
        """A program of the environment. Those of Ansible are borrowed, too."""
        environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        return subprocess.run(
            [self.environment / "bin" / program, *words],
            cwd=self.here,
            env={**environment, "XDG_CACHE_HOME": str(self.environment / "cache"), "COLUMNS": "120"},
            capture_output=True,
            text=True,
            check=False,
            timeout=800,
        )

    def output(self, program: str, *words: str) -> str:
        """What a program prints that must succeed."""
        done = self.run(program, *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel alone, without the packages that it needs."""
    folder = tmp_path_factory.mktemp("wheel")
    made = Installed(folder / "environment", folder / "empty")
    made.here.mkdir()
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", folder, CHECKOUT], check=True, timeout=800)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", made.environment], check=True, timeout=800)
    (wheel,) = folder.glob("*.whl")
    install = ["install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([*pip, "--python", str(made.environment), *install], check=True, timeout=480)
    return made


@pytest.fixture(scope="module")
def installed(bare: Installed) -> Installed:
    """With the packages of these tests' own environment behind its own: nothing is downloaded."""
    borrowed = [each for each in sys.path if each.endswith("site-packages")]
    (bare.bundled.parents[1] / "borrowed.pth").write_text("\n".join(borrowed))
    return bare


def test_it_says_what_is_missing(bare: Installed) -> None:
    done = bare.run("picluster", "--version")
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr == "error: typer is not installed here\n" + FIX


def test_python_runs_it_as_a_module(installed: Installed) -> None:
    told = installed.output("python", "-m", "picluster", "--version")
    assert told == installed.output("picluster", "--version")
    assert told.startswith("picluster ")
    where = installed.output("python", "-c", "import picluster; print(picluster.__file__)")
    assert where.startswith(str(installed.environment))


def test_it_trains_on_local_processes_and_reports(installed: Installed) -> None:
    done = installed.run("picluster", "launch", "--model", "gcn", "--scale", "0.003", "--layers-per-node", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"inventory  {installed.bundled / 'inventory/local.yml'}: 4 nodes" in done.stderr
    (run,) = (installed.here / "runs").iterdir()
    assert run.name in installed.output("picluster", "report")
    assert (installed.here / "graphs" / "reddit-like-0.003" / "meta.json").exists()


def test_models_that_travelled_and_those_of_the_folder_are_known_by_name(installed: Installed) -> None:
    assert '"gcnii"' in installed.output("picluster-worker", "describe", "gcnii")
    (installed.here / "models").mkdir()
    shutil.copy(installed.bundled / "models" / "sage.py", installed.here / "models" / "mine.py")
    assert '"mine"' in installed.output("picluster-worker", "describe", "mine")
    done = installed.run("picluster", "launch", "--model", "gnc")
    assert "known are gcn, gcnii, graph_embedding, graph_feature_embedding, mine," in done.stderr


def test_a_model_file_and_a_graph_of_one_s_own_are_trained_in_another_folder(
    installed: Installed, tmp_path: Path
) -> None:
    shutil.copy(installed.bundled / "models" / "gcn.py", tmp_path / "own_model.py")
    nodes = range(60)
    (tmp_path / "edges.csv").write_text("".join(f"{node},{(node + step) % 60}\n" for node in nodes for step in (2, 4)))
    (tmp_path / "features.csv").write_text("".join(f"{node % 2},{node / 60}\n" for node in nodes))
    (tmp_path / "labels.csv").write_text("".join(f"{'even' if node % 2 else 'odd'}\n" for node in nodes))
    own = replace(installed, here=tmp_path)
    files = ["--edges", "edges.csv", "--features", "features.csv", "--labels", "labels.csv"]
    own.output("picluster", "dataset", "import", "numbers", *files)
    words = ["--dataset", "numbers", "--model", "own_model.py", "--layers-per-node", "1", "--epochs", "5"]
    own.output("picluster", "launch", *words)
    report = json.loads(own.output("picluster", "report", "--json"))
    assert (report["status"], report["dataset"], report["strategy"]) == ("finished", "numbers", "layer-split")
    assert 0 <= report["test_accuracy"] <= 1
    told = "dataset='numbers', model='own_model.py', layers_per_node=1, epochs=1"
    own.output("python", "-c", f"import picluster; assert picluster.launch({told}).report().status == 'finished'")
    own.output("picluster", "export", "--output", "weights.safetensors", "--predictions", "classes.csv")
    assert (tmp_path / "weights.safetensors").exists()
    assert (tmp_path / "classes.csv").read_text().startswith("node,")


@pytest.mark.parametrize("playbook", ["site.yml", "reset.yml"])
def test_the_playbooks_travel(installed: Installed, playbook: str) -> None:
    assert "--tags" in installed.output("picluster", "provision", "--help")
    words = ["-m", "ansible", "playbook", "--syntax-check", "-i", str(installed.bundled / "inventory/example.yml")]
    installed.output("python", *words, str(installed.bundled / "ansible" / playbook))


def test_what_a_node_s_wheels_are_is_known(installed: Installed) -> None:
    words = ["--python=3.12", "--machine=aarch64", "--glibc=2.39", "--dry-run"]
    assert '"torch"' in installed.output("python", "-m", "picluster.controller.provision.wheel_set", *words)
