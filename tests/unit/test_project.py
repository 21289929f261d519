"""Which of two files of the same name is taken."""

from pathlib import Path

import pytest

from picluster.controller.nodes.inventory import default_inventory
from picluster.project import BUNDLED, find


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("")


def test_a_file_of_the_working_folder_comes_first(here: Path) -> None:
    write(here / "models" / "sage.py")
    assert find("models/sage.py").resolve() == here / "models" / "sage.py"


def test_elsewhere_the_checkout_s_own_file_is_found(here: Path) -> None:
    assert find("models/sage.py") == BUNDLED / "models" / "sage.py"
    assert find("models/sage.py").is_file()
    assert not (here / "models").exists()


@pytest.mark.usefixtures("here")
def test_what_is_nowhere_is_named_in_the_checkout() -> None:
    assert find("models/none.py") == BUNDLED / "models" / "none.py"


def test_the_person_s_own_hosts_come_before_the_local_ones(here: Path) -> None:
    write(here / "inventory" / "local.yml")
    assert default_inventory() == Path("inventory/local.yml")
    write(here / "inventory" / "hosts.yml")
    assert default_inventory() == Path("inventory/hosts.yml")


@pytest.mark.usefixtures("here")
def test_without_an_inventory_the_checkout_s_local_one_is_used() -> None:
    assert default_inventory() == BUNDLED / "inventory" / "local.yml"
